//! Every fault of a disk, injected and healed on a real lab; nothing of it is left.

use std::fs;
use std::path::Path;
use std::process::Command;

use pgha::chaos::{Hits, Injector, Ledger};
use pgha::engine::docker::Docker;
use pgha::lab::record::{self, LabRecord};
use pgha::model::{Bytes, FaultRecord, MemberId, Name, Receipt, ReceiptState, Verb};

use crate::desk::{Lab, engine, rounds, succeed};

/// A body of one lab and what is done to it.
struct Desk {
    docker: Docker,
    record: LabRecord,
    ledger: Ledger,
}

impl Desk {
    async fn new(lab: &Lab, dir: &Path) -> Self {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        Self { docker, record, ledger: Ledger::open(&dir.join("faults.jsonl")).expect("a ledger") }
    }

    const fn injector(&self) -> Injector<'_> {
        Injector { docker: &self.docker, record: &self.record, ledger: &self.ledger }
    }

    async fn inject(&self, victim: &str, verb: &str) -> FaultRecord {
        let verb = verb_of(verb);
        let hits = Hits::members(vec![MemberId::new(victim).expect("a name")]);
        let id = Name::new(verb.name()).expect("a name");
        let fault = self.injector().inject(&id, &verb, &hits, &mut |_| {}).await.expect("nothing is refused");
        said(&fault, fault.receipt.as_ref(), ReceiptState::Confirmed);
        fault
    }

    /// Injects, proves, heals and proves.
    async fn there_and_back(&self, victim: &str, verb: &str) {
        let fault = self.inject(victim, verb).await;
        let healed = self.injector().heal(fault, &mut |_| {}).await;
        said(&healed, healed.heal.as_ref(), ReceiptState::Confirmed);
    }

    fn volume(&self, victim: &str) -> String {
        format!("pgha-{}-{victim}-data", self.record.spec.name)
    }
}

fn verb_of(json: &str) -> Verb {
    serde_json::from_str(json).expect("a verb")
}

fn said(fault: &FaultRecord, receipt: Option<&Receipt>, state: ReceiptState) {
    let receipt = receipt.expect("a receipt");
    assert_eq!(receipt.state, state, "{}: {}", fault.verb.name(), receipt.evidence);
    println!("{} {:?} ({}): {}", fault.verb.name(), receipt.state, receipt.source, receipt.evidence);
    if let (Some(began), None) = (fault.began, fault.healing) {
        println!("  the deed took {} ms", (began.0 - fault.intent.0) / 1_000_000);
    }
    if let (Some(healing), Some(healed)) = (fault.healing, fault.healed) {
        println!("  the heal with its evidence took {} ms", (healed.0 - healing.0) / 1_000_000);
    }
}

/// No helper, no file, no throttle.
fn nothing_is_left(lab: &Lab) {
    for container in lab.containers() {
        let name = container["Name"].as_str().expect("a name");
        assert_ne!(container["Config"]["Labels"]["pgha.service"], "helper", "{name}");
    }
    for member in ["postgres-1", "postgres-2"] {
        let files = lab.pgha(&["exec", member, "--", "ls", "-A", "/data"]);
        assert_eq!(files.trim(), "postgres", "{member}");
    }
    let throttles = Path::new("/sys/fs/cgroup/blkio/docker");
    for container in lab.containers() {
        let id = container["Id"].as_str().expect("an id");
        let file = throttles.join(id).join("blkio.throttle.write_bps_device");
        assert_eq!(fs::read_to_string(file).unwrap_or_default(), "", "{id}");
    }
}

/// Bytes of the filesystem, by a program of the body.
fn bytes_of(lab: &Lab, member: &str) -> u64 {
    let said = lab.pgha(&["exec", member, "--", "df", "-B1", "--output=size", "/data"]);
    said.split_whitespace().last().and_then(|size| size.parse().ok()).expect("a size")
}

#[test]
fn faults_of_a_disk_bite_heal_and_leave_nothing() {
    let _engine = engine();
    let lab = Lab::new("storage", 3);
    lab.up();
    let dir = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let desk = Desk::new(&lab, dir.path()).await;
        // runs beside each other ask at the same time what the machine can do
        let image = desk.docker.helper_image(&lab.name).await.expect("an image");
        let tried = tokio::join!(desk.docker.try_disk(&image), desk.docker.try_disk(&image));
        assert_eq!(tried, (Ok(None), Ok(None)));
        let victim = "postgres-2";
        let target = format!("postgres:{victim}");
        for _ in 0..rounds() {
            desk.there_and_back(
                victim,
                &format!(
                    r#"{{"disk-slow": {{"target": "{target}", "bytes-per-second": "1MiB", "iops": 100}}}}"#
                ),
            )
            .await;
            desk.there_and_back(victim, &format!(r#"{{"disk-freeze": {{"target": "{target}"}}}}"#)).await;
            desk.there_and_back(
                victim,
                &format!(r#"{{"disk-fill": {{"target": "{target}", "leave": "64MiB"}}}}"#),
            )
            .await;
        }

        let before = bytes_of(&lab, victim);
        let asked = Bytes(before + (512 << 20));
        let grown = desk.docker.grow_disk(&lab.name, victim, asked).await.expect("it grows");
        assert_eq!(grown.0, bytes_of(&lab, victim));
        assert!(grown.0 > before + (256 << 20), "{before} bytes became {}", grown.0);

        // what a fault needs is refused before anything is touched
        let hits = Hits::members(vec![MemberId::new("etcd-1").expect("a name")]);
        let verb = verb_of(r#"{"disk-corrupt": {"target": "etcd:all", "what": "heap", "bytes": 16}}"#);
        let id = Name::new("refused").expect("a name");
        let refused = desk.injector().inject(&id, &verb, &hits, &mut |_| {}).await;
        assert!(refused.is_err_and(|why| why.to_string().contains("no data directory")));

        let fault = desk
            .inject(
                victim,
                &format!(r#"{{"disk-corrupt": {{"target": "{target}", "what": "wal", "bytes": 64}}}}"#),
            )
            .await;
        let healed = desk.injector().heal(fault, &mut |_| {}).await;
        said(&healed, healed.heal.as_ref(), ReceiptState::Nothing);
        desk.inject(victim, &format!(r#"{{"wipe": {{"target": "{target}"}}}}"#)).await;
        lab.up();
        nothing_is_left(&lab);

        // a lab that is frozen can be taken down
        desk.inject(victim, &format!(r#"{{"disk-freeze": {{"target": "{target}"}}}}"#)).await;
        assert!(succeed(Command::new("docker").args(["volume", "ls", "-q"])).contains(&desk.volume(victim)));
    });
    lab.pgha(&["down"]);
    lab.assert_gone();
}
