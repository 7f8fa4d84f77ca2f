//! Every fault on hosts and networks, on a real lab: each bites and says why, each is undone, also from
//! another process' view (a fresh injector), and in the end no rule, queue or helper is left.

use std::collections::BTreeMap;
use std::process::Command;

use pgha::chaos::resolve::Hits;
use pgha::chaos::{Injector, Ledger};
use pgha::engine::docker::Docker;
use pgha::lab::record;
use pgha::model::{FaultRecord, ReceiptState, Verb};
use serde_json::{Value, json};

use crate::desk::{Lab, succeed};

/// What is done to whom, in the words of a scenario.
fn faults(one: &str, other: &str) -> Vec<(Value, Vec<String>, BTreeMap<String, Value>)> {
    let host = |verb: &str, more: Value| {
        let mut keys = json!({ "target": format!("host:{one}") });
        keys.as_object_mut().expect("keys").extend(more.as_object().expect("keys").clone());
        (json!({ verb: keys }), vec![one.to_owned()], BTreeMap::new())
    };
    let cut = |keys: Value, cuts: Value| {
        let notes = [("cuts", cuts), ("from", json!([one])), ("to", json!([other]))];
        let notes = notes.map(|(key, value)| (key.to_owned(), value)).into();
        (json!({ "partition": keys }), vec![one.to_owned(), other.to_owned()], notes)
    };
    vec![
        host("isolate", json!({})),
        cut(json!({}), json!([[one, other], [other, one]])),
        cut(json!({ "direction": "forward" }), json!([[one, other]])),
        cut(json!({ "ports": [8008] }), json!([[one, other], [other, one]])),
        host("loss", json!({ "percent": 10.0 })),
        host("bandwidth", json!({ "rate": "100KiB" })),
        host("delay", json!({ "delay": "50ms", "jitter": "10ms" })),
        host("flap", json!({ "on": "500ms", "off": "300ms" })),
        host("power-off", json!({})),
    ]
}

/// A name of the kind that is wanted here.
fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

/// Injects and heals each fault once and prints what it said and how long that took.
pub fn every_fault_bites_and_is_undone(lab: &Lab, rounds: usize) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a lab");
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open(&dir.path().join("faults.jsonl")).expect("a ledger");
        let injector = Injector { docker: &docker, record: &record, ledger: &ledger };
        // hosts of two databases: their neighbours speak to them all the time
        let mut hosts = record.of(pgha::model::Service::Postgres).map(|(member, _)| member.host.to_string());
        let (one, other) = (hosts.next().expect("a host"), hosts.next().expect("another"));
        for round in 0..rounds {
            for (number, (verb, targets, notes)) in faults(&one, &other).into_iter().enumerate() {
                let verb: Verb = serde_json::from_value(verb).expect("a verb");
                let hosts = targets.iter().map(|host| name(host)).collect();
                let hits = Hits { notes, ..Hits::hosts(hosts) };
                let id = name(&format!("fault-{number}-{round}"));
                let fault = injector.inject(&id, &verb, &hits, &mut |_| {}).await.expect("injected");
                // what heals it has only what was written down
                let stored = serde_json::to_string(&fault).expect("text");
                let fault: FaultRecord = serde_json::from_str(&stored).expect("a fault");
                let healed = injector.heal(fault, &mut |_| {}).await;
                report(&healed);
                let again = injector.heal(healed, &mut |_| {}).await;
                assert_eq!(state(again.heal.as_ref()), Some(ReceiptState::Confirmed), "twice: {again:#?}");
            }
        }
    });
    assert_nothing_left(lab);
}

fn state(receipt: Option<&pgha::model::Receipt>) -> Option<ReceiptState> {
    receipt.map(|receipt| receipt.state)
}

fn report(fault: &FaultRecord) {
    let (began, healing, healed) =
        (fault.began.expect("began"), fault.healing.expect("healing"), fault.healed.expect("healed"));
    println!(
        "{:10} inject {:4} ms, heal with evidence {:4} ms\n    {}\n    {}",
        fault.verb.name(),
        began.since(fault.intent).as_millis(),
        healed.since(healing).as_millis(),
        fault.receipt.as_ref().map_or("", |receipt| receipt.evidence.as_str()),
        fault.heal.as_ref().map_or("", |receipt| receipt.evidence.as_str()),
    );
    assert_eq!(state(fault.receipt.as_ref()), Some(ReceiptState::Confirmed), "{fault:#?}");
    assert_eq!(state(fault.heal.as_ref()), Some(ReceiptState::Confirmed), "{fault:#?}");
}

/// No rule, queue discipline, loop or helper, by the engine's own command.
pub fn assert_nothing_left(lab: &Lab) {
    for container in lab.containers() {
        let name = container["Name"].as_str().expect("a name").trim_start_matches('/');
        assert!(!name.contains("-late-"), "{name} is left");
        if container["Config"]["Labels"]["pgha.service"] == "host" {
            let look = "iptables-save; tc qdisc show dev eth0; ls /run";
            let said = succeed(Command::new("docker").args(["exec", name, "sh", "-c", look]));
            for word in ["PGHA", "tbf", "netem", ".pid"] {
                assert!(!said.contains(word), "{name}:\n{said}");
            }
        }
    }
}
