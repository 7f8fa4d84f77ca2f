//! The scaling controller on a real engine: sizes an operator asks for, live, and the restart that follows when
//! memory crosses a step; what it refuses; and the broker, asked for a size by a stale word.

use std::process::Command;

use pgha::engine::docker::Docker;
use pgha::lab::record;
use pgha::model::control::{BrokerAnswer, BrokerDeed, BrokerRefusal};
use pgha::model::{Bytes, Size};
use serde_json::Value;

use crate::desk::{Lab, succeed};
use crate::repair::{broker, member_in, refused, token};

/// One replica, which measures often and takes nothing back while a test looks.
pub const CONTROLLER: &str = concat!(
    r#"controller=[{ name = "scaling", replicas = 1, image = "pgha", policy = { every = "1s", "#,
    r#"cpu = { down-window = "10m" }, memory = { down-window = "10m" } } }]"#
);

/// What the engine holds a member to: billionths of cores, bytes of memory.
fn held(lab: &Lab, member: &str) -> (u64, u64) {
    let container = format!("pgha-{}-{member}", lab.name);
    let said = succeed(Command::new("docker").args(["inspect", &container]));
    let found: Value = serde_json::from_str(&said).expect("JSON of the engine");
    let number = |key: &str| found[0]["HostConfig"][key].as_u64().expect("a number");
    (number("NanoCpus"), number("Memory"))
}

/// A setting of the PostgreSQL inside a member.
fn setting(lab: &Lab, member: &str, name: &str) -> String {
    let show = format!("show {name}");
    let words = [
        "exec",
        member,
        "--",
        "/usr/bin/psql",
        "-h",
        "/run/postgresql",
        "-p",
        "15432",
        "-U",
        "postgres",
        "-Atc",
        &show,
    ];
    let said = lab.command(&words).output().expect("pgha starts");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// A replica gets more of everything, live, and restarts because its memory stands on another step; then the
/// primary does, and hands over for it.
pub fn sizes_are_changed_live_and_restarts_follow(lab: &Lab) {
    let (primary, replica) =
        (member_in(lab, "primary").expect("a primary"), member_in(lab, "replica").expect("a replica"));
    let said = lab.pgha(&["resize", &replica, "--cpu", "1.5", "--memory", "1GiB", "--disk", "1GiB"]);
    assert!(said.contains("has 1.5 cores, 1GiB of memory and 1GiB of disk"), "{said}");
    assert_eq!(held(lab, &replica), (1_500_000_000, 1 << 30));
    let space = lab.pgha(&["exec", &replica, "--", "/usr/bin/stat", "-f", "-c", "%S %b", "/data"]);
    let numbers: Vec<u64> = space.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.iter().product::<u64>() > 900 << 20, "the file system has not grown: {space}");
    let asked = lab.pgha(&["resize", &primary, "--memory", "1GiB"]);
    assert!(asked.contains("1GiB of memory"), "{asked}");
    // every look takes a while by itself
    let all = [&primary, &replica];
    let done = (0..120).any(|_| all.iter().all(|member| setting(lab, member, "shared_buffers") == "256MB"));
    assert!(done, "shared_buffers did not follow:\n{}", lab.pgha(&["status"]));
    assert_eq!(setting(lab, &replica, "max_wal_size"), "128MB", "a share of its disk");
    let led = (0..60).any(|_| member_in(lab, "primary").as_ref() == Some(&replica));
    assert!(led, "whoever led has not handed over:\n{}", lab.pgha(&["status"]));
}

/// What cannot be is refused before anybody is asked, with the reason.
pub fn what_cannot_be_is_refused(lab: &Lab) {
    refused(
        lab,
        "resize",
        &[
            (&["postgres-1", "--disk", "400MiB"], "a disk never shrinks"),
            (&["postgres-1", "--memory", "64GiB"], "its limits"),
            (&["postgres-1", "--cpu", "3.9"], "its host has"),
            (&["etcd-1", "--cpu", "1"], "whose size never moves"),
            (&["postgres-9", "--cpu", "1"], "no member `postgres-9`"),
            (&["postgres-1"], "has that size"),
        ],
    );
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let broker = broker(&record, &record.secrets.broker);
        let usage = broker.usage().await.expect("what bodies use");
        let member = record.members.iter().find(|member| member.id.as_str() == "postgres-1").expect("it");
        let used = usage.get(&member.id).expect("it runs");
        assert!(
            used.cpu_ns > 0 && used.memory > Bytes::mib(16) && used.memory < member.size.memory,
            "{used:?}"
        );
        assert!(used.disk.is_some_and(|disk| disk.fills(member.size.disk)), "{used:?}");
        let token = token(lab, &record, "scaling");
        let stale = Size { cpus: 0.6, ..member.size };
        let small = Size { memory: Bytes::mib(256), ..member.size };
        for (from, to) in
            [(stale, Size { cpus: 0.7, ..member.size }), (member.size, Size { cpus: 99.0, ..small })]
        {
            let deed = BrokerDeed::Resize { member: member.id.clone(), from, to };
            let answer = broker.order(deed, &token).await.expect("an answer");
            assert!(
                matches!(answer, BrokerAnswer::Refused { why: BrokerRefusal::NotAllowed, .. }),
                "{answer:?}"
            );
        }
    });
}
