//! Every fault on processes, resources and time, and every verb of the operator, on one real lab: each
//! bites, heals, proves both, and nothing of it is left. Times are printed; `PGHA_ROUNDS` measures them
//! more than once.

use std::collections::BTreeMap;
use std::process::Command;

use pgha::chaos::{Injector, Ledger, PossibleTargets, hits};
use pgha::engine::docker::Docker;
use pgha::lab::record::{self, LabRecord};
use pgha::model::{FaultRecord, Name, ReceiptState, Verb};
use pgha::spec::schedule;
use serde_json::{Value, json};

use crate::desk::{Lab, engine, rounds, succeed, whole};

struct Stand {
    docker: Docker,
    record: LabRecord,
    ledger: Ledger,
    times: BTreeMap<String, Vec<(u128, u128)>>,
}

impl Stand {
    async fn whole(&self) -> pgha::model::Sighting {
        whole(&self.docker, &self.record).await
    }

    async fn inject(&self, verb: &Value) -> FaultRecord {
        let verb: Verb = serde_json::from_value(verb.clone()).expect("a verb");
        let seen = self.whole().await;
        let world = PossibleTargets {
            members: &self.record.members,
            hosts: &self.record.spec.hosts,
            sighting: &seen,
        };
        let hit = hits(&verb, world, &mut schedule::rng(1)).expect("somebody to hit");
        let id: Name = verb.name().parse().expect("a name");
        let fault = self.injector().inject(&id, &verb, &hit, &mut |_| {}).await;
        fault.unwrap_or_else(|error| panic!("{verb:?}: {error}"))
    }

    const fn injector(&self) -> Injector<'_> {
        Injector { docker: &self.docker, record: &self.record, ledger: &self.ledger }
    }

    async fn heal(&mut self, what: &str, fault: FaultRecord) {
        let receipt = fault.receipt.clone().expect("a receipt");
        assert_eq!(receipt.state, ReceiptState::Confirmed, "{what}: {receipt:?}");
        let injected = fault.began.expect("begun").since(fault.intent).as_millis();
        let healed = self.injector().heal(fault, &mut |_| {}).await;
        let heal = healed.heal.clone().expect("a receipt of the heal");
        assert!(matches!(heal.state, ReceiptState::Confirmed | ReceiptState::Nothing), "{what}: {heal:?}");
        let took = healed.healed.expect("healed").since(healed.healing.expect("healing")).as_millis();
        println!("{what}: {injected} ms, {took} ms | {} | {}", receipt.evidence, heal.evidence);
        println!("    sources: {} | {}", receipt.source, heal.source);
        self.times.entry(what.to_owned()).or_default().push((injected, took));
    }

    async fn bites_and_heals(&mut self, verb: Value) {
        let fault = self.inject(&verb).await;
        self.heal(&verb.to_string(), fault).await;
    }
}

#[test]
fn processes_resources_time_and_operator_bite_heal_and_leave_nothing() {
    let _engine = engine();
    let lab = Lab::new("bodies", 1);
    lab.up_with(&["--set", "postgres.fake-clock=true"]);
    let before = limits(&lab);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("a directory");
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let ledger = Ledger::open(&dir.path().join("faults.jsonl")).expect("a ledger");
        let mut stand = Stand { docker, record, ledger, times: BTreeMap::new() };
        for _ in 0..rounds() {
            short(&mut stand).await;
            crowded(&mut stand).await;
            long(&mut stand).await;
        }
        stand.whole().await;
        for (what, times) in &stand.times {
            println!("{what}: {times:?}");
        }
    });
    assert_eq!(limits(&lab), before);
    assert_nothing_left(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

/// What is undone at once and costs nobody a primary.
async fn short(stand: &mut Stand) {
    for (target, process) in [
        ("replica", "patroni"),
        ("replica", "postmaster"),
        ("replica", "walreceiver"),
        ("etcd:all", "etcd"),
        ("balancer:any", "haproxy"),
    ] {
        stand.bites_and_heals(json!({ "freeze": { "target": target, "process": process } })).await;
    }
    stand.bites_and_heals(json!({ "cpu": { "target": "primary", "cores": 0.25 } })).await;
    stand.bites_and_heals(json!({ "memory": { "target": "replica", "limit": "400MiB" } })).await;
    for (target, size) in [("replica", "100MiB"), ("etcd:all", "60MiB"), ("balancer:any", "30MiB")] {
        stand.bites_and_heals(json!({ "memory-hog": { "target": target, "size": size } })).await;
    }
    for offset in ["-30s", "+1h"] {
        stand.bites_and_heals(json!({ "clock": { "target": "replica", "offset": offset } })).await;
    }
    stand.bites_and_heals(json!({ "maintenance": { "on": true } })).await;
}

/// Storms, also one that fills its victim, and backends, which only a crowd has.
async fn crowded(stand: &mut Stand) {
    stand.bites_and_heals(json!({ "connections": { "target": "balancer:any", "count": 40 } })).await;
    stand.bites_and_heals(json!({ "connections": { "target": "replica", "count": 250 } })).await;
    let storm = stand.inject(&json!({ "connections": { "target": "primary", "count": 20 } })).await;
    stand.bites_and_heals(json!({ "freeze": { "target": "primary", "process": "backend" } })).await;
    stand.bites_and_heals(json!({ "crash": { "target": "primary", "process": "backend" } })).await;
    stand.heal("connections to the primary", storm).await;
}

/// What restarts a body or hands the primary over.
async fn long(stand: &mut Stand) {
    for (target, process) in [
        ("replica", "walreceiver"),
        ("replica", "postmaster"),
        ("replica", "patroni"),
        ("balancer:any", "haproxy"),
        ("etcd:all", "etcd"),
    ] {
        stand.bites_and_heals(json!({ "crash": { "target": target, "process": process } })).await;
    }
    stand.bites_and_heals(json!({ "kill": { "target": "replica", "by": "process" } })).await;
    stand
        .bites_and_heals(json!({ "kill": { "target": "replica", "by": "process", "signal": "STOP" } }))
        .await;
    for verb in ["kill", "stop", "pause", "restart"] {
        stand.bites_and_heals(json!({ verb: { "target": "replica" } })).await;
    }
    stand.bites_and_heals(json!({ "switchover": {} })).await;
    stand.bites_and_heals(json!({ "failover": { "to": "replica" } })).await;
    stand.bites_and_heals(json!({ "rolling-restart": { "target": "postgres:all" } })).await;
}

/// What the engine gives each container of the lab.
fn limits(lab: &Lab) -> BTreeMap<String, (i64, i64)> {
    let number = |value: &Value| value.as_i64().unwrap_or(-1);
    let of = |container: &Value| {
        let config = &container["HostConfig"];
        let name = container["Name"].as_str().unwrap_or_default().to_owned();
        (name, (number(&config["NanoCpus"]), number(&config["Memory"])))
    };
    lab.containers().iter().map(of).collect()
}

/// Fails when a process is stopped, or one of ours still runs, or a helper was left.
fn assert_nothing_left(lab: &Lab) {
    for container in lab.containers() {
        let (id, name) = (container["Id"].as_str().expect("an id"), &container["Name"]);
        assert_ne!(container["Config"]["Labels"]["pgha.service"], "helper", "a helper is left: {name}");
        let table = succeed(Command::new("docker").args(["top", id, "-eo", "pid,stat,args"]));
        for line in table.lines().skip(1) {
            let stopped = line.split_whitespace().nth(1).is_some_and(|state| state.starts_with('T'));
            let ours = line.contains("pgha-hog") || line.contains("pgha-storm");
            assert!(!stopped && !ours, "{name}: {line}");
        }
    }
}
