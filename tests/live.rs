//! Labs on a real engine, driven as a user drives them: a run that breaks the primary and proves it,
//! runs that prove nothing and say so, an `up` that is repeated and cut short, two labs side by side,
//! and what nobody must be able to read. Each ends with nothing left.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot look must fail and say why")]
#![allow(clippy::print_stdout, reason = "the receipts and times of every verb are worth reading")]

#[path = "live/bodies.rs"]
mod bodies;
#[path = "live/desk.rs"]
mod desk;
#[path = "live/drift.rs"]
mod drift;
#[path = "live/foreign.rs"]
mod foreign;
#[path = "live/foreign_clients.rs"]
mod foreign_clients;
#[path = "live/network.rs"]
mod network;
#[path = "live/numbers.rs"]
mod numbers;
#[path = "live/patroni.rs"]
mod patroni;
#[path = "live/repair.rs"]
mod repair;
#[path = "live/sizes.rs"]
mod sizes;
#[path = "live/storage.rs"]
mod storage;
#[path = "live/workloads.rs"]
mod workloads;

use std::process::Command;

use desk::{Lab, Ran, engine, query, succeed};
use serde_json::Value;

const LOAD: &str = r#"
[[load]]
name = "writer"
endpoint = "rw"
workload = "set"
model = "open"
rate = 100
connections = 4
"#;

#[test]
fn a_killed_primary_is_replaced_the_run_proves_it_and_leaves_nothing() {
    let _engine = engine();
    let lab = Lab::new("run", 1);
    let ran = lab.run(
        "kill-the-primary",
        &format!(
            r#"timeout = "3m"
duration = "45s"
{LOAD}
[[step]]
id = "kill"
at = "5s"
for = "38s"
do.kill = {{ target = "primary", signal = "KILL" }}

[[expect]]
outage = {{ endpoint = "rw", after = "kill", max = "38s" }}
[[expect]]
lost-acks = {{ within = "documented-bound" }}
"#
        ),
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(0), &Value::from("pass")), "{ran}");
    let faults = ran.report["faults"].as_array().expect("faults");
    assert_eq!(faults.len(), 1, "{ran}");
    assert_eq!(faults[0]["receipt"]["state"], "confirmed", "{ran}");
    assert_eq!(faults[0]["heal"]["state"], "confirmed", "{ran}");
    // the outage is the failover's: the receipt alone would not show that anybody took over
    assert_eq!(ran.report["failovers"][0]["fault"], "kill", "{ran}");
    assert!(ran.report["failovers"][0]["stages"]["elected_ms"].is_number(), "{ran}");
    assert_same_when_judged_again(&ran);
    lab.assert_gone();
}

#[test]
fn repair_proves_a_death_and_leads_to_the_next_primary_and_nobody_else_may() {
    let _engine = engine();
    let lab = Lab::new("repair", 1);
    lab.up_with(&["--set", repair::CONTROLLER, "--set", repair::HOSTS]);
    repair::the_broker_obeys_nobody_else(&lab);
    let ran = lab.run_with(
        "repair",
        &format!(
            r#"timeout = "5m"
duration = "100s"
{LOAD}
[[step]]
id = "dies"
at = "5s"
for = "12s"
do.kill = {{ target = "primary", signal = "KILL" }}

[[step]]
id = "freezes"
at = "25s"
for = "15s"
do.pause = {{ target = "primary" }}

[[step]]
id = "both-die"
at = "50s"
for = "15s"
together = "both"
do.kill = {{ target = "primary", signal = "KILL" }}

[[step]]
id = "controller-dies"
at = "50s"
for = "15s"
together = "both"
do.kill = {{ target = "controller:repair:active", signal = "KILL" }}

[[step]]
id = "silence"
at = "75s"
for = "12s"
do.engine = {{ mode = "stall" }}

# 20 s: the shortest lease Patroni allows
[[expect]]
outage = {{ endpoint = "rw", after = "dies", max = "15s" }}
[[expect]]
outage = {{ endpoint = "rw", after = "freezes", max = "15s" }}
[[expect]]
outage = {{ endpoint = "rw", after = "both-die", max = "15s" }}
[[expect]]
lost-acks = {{ within = "documented-bound" }}
[[expect]]
controller = {{ name = "repair", decision = "release" }}
[[expect]]
controller = {{ name = "repair", decision = "blind" }}
[[expect]]
failovers = {{ min = 3, max = 3 }}
"#
        ),
        &["--set", repair::CONTROLLER, "--set", repair::HOSTS],
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(0), &Value::from("pass")), "{ran}");
    assert_same_when_judged_again(&ran);
    repair::what_is_gone_comes_back_and_what_is_asked_for_is_replaced(&lab);
    repair::the_lead_is_handed_over(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

#[test]
fn what_is_not_as_the_record_says_is_mended() {
    let _engine = engine();
    let lab = Lab::new("drift", 1);
    lab.up_with(&["--set", drift::CONTROLLER, "--set", repair::HOSTS]);
    drift::a_body_from_another_image_is_made_anew_and_nobodys_is_removed(&lab);
    drift::whoever_is_no_database_is_replaced_too(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

#[test]
fn a_controller_that_is_not_ours_leads_a_failover() {
    let _engine = engine();
    let lab = Lab::new("foreign", 1);
    let image = foreign::Image::build(&lab);
    let up = ["--set", &image.controller(), "--set", "postgres.replication=\"sync\""];
    lab.up_with(&up);
    foreign::the_broker_obeys_its_leadership_alone(&lab);
    let ran = lab.run_with(
        "foreign",
        &format!(
            r#"timeout = "5m"
duration = "60s"
{LOAD}
[[step]]
id = "dies"
at = "5s"
for = "40s"
do.kill = {{ target = "primary", signal = "KILL" }}

[[expect]]
failovers = {{ min = 1, max = 1 }}
[[expect]]
lost-acks = {{ within = "zero" }}
"#
        ),
        &up,
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(0), &Value::from("pass")), "{ran}");
    assert_same_when_judged_again(&ran);
    foreign::it_led_the_failover(&lab, &ran);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

#[test]
fn foreign_clients_without_timeouts_all_come_back_from_ten_kills() {
    let _engine = engine();
    for _ in 0..foreign_clients::LABS {
        let lab = Lab::new("clients", 1);
        lab.up_with(&["--set", repair::CONTROLLER, "--set", repair::HOSTS, "--set", "balancers.instances=2"]);
        foreign_clients::every_client_comes_back(&lab);
        lab.pgha(&["down"]);
        lab.assert_gone();
    }
}

#[test]
fn sizes_change_live_and_a_run_sees_them_change() {
    let _engine = engine();
    let lab = Lab::new("sizes", 1);
    lab.up_with(&["--set", sizes::CONTROLLER, "--set", repair::HOSTS]);
    let ran = lab.run_with(
        "sizes",
        &format!(
            r#"timeout = "3m"
duration = "20s"
{LOAD}
[[step]]
id = "more"
at = "5s"
do.resize = {{ target = "primary", cpu = 1.25, memory = "768MiB", disk = "1GiB" }}

[[expect]]
scaled = {{ resource = "cpu", target = "primary", to-at-least = "1.25", within = "20s" }}
[[expect]]
scaled = {{ resource = "memory", target = "primary", to-at-least = "768MiB", within = "20s" }}
[[expect]]
scaled = {{ resource = "disk", target = "primary", to-at-least = "1GiB", within = "20s" }}
[[expect]]
errors = {{ max-ratio = 0.0 }}
[[expect]]
restarts = {{ max = 0 }}
[[expect]]
controller = {{ name = "scaling", decision = "resize" }}
"#
        ),
        &["--set", sizes::CONTROLLER, "--set", repair::HOSTS],
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(0), &Value::from("pass")), "{ran}");
    assert_same_when_judged_again(&ran);
    sizes::what_cannot_be_is_refused(&lab);
    sizes::sizes_are_changed_live_and_restarts_follow(&lab);
    repair::patroni_hands_over_where_no_controller_does(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

/// `pgha check` says from the directory alone what the run said.
#[test]
fn the_number_of_instances_goes_out_and_in() {
    let _engine = engine();
    let lab = Lab::new("numbers", 1);
    let [controllers, instances, balancers] = numbers::CONTROLLERS;
    let up = ["--set", controllers, "--set", instances, "--set", balancers, "--set", numbers::HOSTS];
    lab.up_with(&up);
    numbers::what_cannot_be_is_refused(&lab);
    numbers::the_number_goes_out_and_in(&lab, &up);
    numbers::balancers_come_and_go(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}

fn assert_same_when_judged_again(ran: &Ran) {
    let mut again = Command::new(env!("CARGO_BIN_EXE_pgha"));
    let dir = ran.dir.to_str().expect("a path that is text");
    let said = again.args(["check", dir, "-o", "json"]).output().expect("pgha starts");
    let report: Value = serde_json::from_slice(&said.stdout).expect("a report");
    assert_eq!(report, ran.report);
    assert_eq!(said.status.code(), ran.code);
}

#[test]
fn an_up_cut_short_goes_on_or_goes_away_and_a_lab_keeps_its_secrets() {
    let _engine = engine();
    let lab = Lab::new("up", 1);

    assert_eq!(lab.up_interrupted(5), Some(130));
    lab.pgha(&["down"]);
    lab.assert_gone();

    assert_eq!(lab.up_interrupted(7), Some(130));
    lab.up();
    let before = identities(&lab);
    let again = lab.up();
    assert!(again.contains("(0 containers created)"), "{again}");
    assert_eq!(identities(&lab), before);

    lab.assert_disks_are_seen();
    harmless(&lab);
    published_on_loopback_alone(&lab);
    let secrets = secrets(&lab);
    nobody_reads(&lab, &secrets);
    let runs = [a_load_that_never_starts(&lab), a_kill_that_hits_nothing(&lab)];
    for (path, text) in runs.iter().flat_map(Ran::files) {
        for secret in &secrets {
            assert!(!text.contains(secret), "{} holds a password", path.display());
        }
    }
    // the lab stood before these runs, so it stands after them
    assert_eq!(identities(&lab).len(), before.len());
    // and after a bench whose arms are other labs
    let out = lab.path("bench");
    let bench = ["bench", "--only", "primary-dies", "--trials", "1", "--out", &out];
    let refused = lab.command(&bench).output().expect("pgha starts");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("was founded differently"), "{said}");
    assert_eq!(identities(&lab).len(), before.len());

    lab.pgha(&["down"]);
    lab.assert_gone();
    assert!(lab.pgha(&["down"]).contains("nothing was there"));
}

/// Id of every container, in order.
fn identities(lab: &Lab) -> Vec<String> {
    let mut ids: Vec<String> = lab.containers().iter().map(|container| container["Id"].to_string()).collect();
    ids.sort();
    ids
}

/// Every body runs as somebody and holds no capability; nothing at all is privileged.
fn harmless(lab: &Lab) {
    let mut bodies = 0;
    for container in lab.containers() {
        assert_eq!(container["HostConfig"]["Privileged"], false, "{}", container["Name"]);
        let labels = &container["Config"]["Labels"];
        if labels["pgha.service"] == "host" {
            continue;
        }
        bodies += 1;
        let member = labels["pgha.member"].as_str().expect("a member");
        let status = lab.pgha(&["exec", member, "--", "cat", "/proc/1/status"]);
        let value = |key: &str| {
            let line = status.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_whitespace().nth(1).unwrap_or_default().to_owned()
        };
        assert!(!["", "0"].contains(&value("Uid:").as_str()), "{member} is root:\n{status}");
        assert_eq!(value("CapEff:"), "0000000000000000", "{member}:\n{status}");
        assert_eq!(value("NoNewPrivs:"), "1", "{member}:\n{status}");
    }
    // etcd, two PostgreSQL, a balancer, the client
    assert_eq!(bodies, 5);
}

fn published_on_loopback_alone(lab: &Lab) {
    let mut published = 0;
    for container in lab.containers() {
        let Some(ports) = container["NetworkSettings"]["Ports"].as_object() else { continue };
        for binding in ports.values().filter_map(Value::as_array).flatten() {
            let address = binding["HostIp"].as_str().expect("an address");
            assert!(address.starts_with("127."), "{} is published on {address}", container["Name"]);
            published += 1;
        }
    }
    assert!(published >= 2, "5432 and 5433 are published nowhere");
}

/// Every password of the lab, from its record.
fn secrets(lab: &Lab) -> Vec<String> {
    let record = lab.pgha(&["exec", "client", "--", "cat", "/etc/pgha/lab.json"]);
    let record: Value = serde_json::from_str(&record).expect("the lab's record");
    let secrets = record["secrets"].as_object().expect("passwords");
    let secrets: Vec<String> = secrets.values().filter_map(Value::as_str).map(str::to_owned).collect();
    assert_eq!(secrets.len(), 6);
    assert!(secrets.iter().all(|secret| secret.len() >= 20));
    // it is these that the service asks for
    let dsn = lab.pgha(&["dsn", "rw"]);
    assert!(secrets.iter().any(|secret| dsn.contains(secret)), "{dsn}");
    secrets
}

/// No password stands where whoever may list containers or read logs would see it.
fn nobody_reads(lab: &Lab, secrets: &[String]) {
    for container in lab.containers() {
        let name = container["Name"].as_str().expect("a name").trim_start_matches('/').to_owned();
        let logs = Command::new("docker").args(["logs", &name]).output().expect("the docker command");
        let (out, err) = (String::from_utf8_lossy(&logs.stdout), String::from_utf8_lossy(&logs.stderr));
        let processes = succeed(Command::new("docker").args(["top", &name, "-eo", "pid,args"]));
        for secret in secrets {
            assert!(!container.to_string().contains(secret), "docker inspect {name} shows a password");
            assert!(!processes.contains(secret), "docker top {name} shows a password");
            assert!(!out.contains(secret) && !err.contains(secret), "docker logs {name} shows a password");
        }
    }
}

fn a_load_that_never_starts(lab: &Lab) -> Ran {
    let text = r#"duration = "3s"
[[load]]
name = "writer"
endpoint = "rw"
workload = "set"
model = "open"
curve = [["0s", 0.0], ["3s", 0.0]]
connections = 1

[[expect]]
lost-acks = { within = "zero" }
"#;
    let ran = lab.run("nothing-asked", text);
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(2), &Value::from("unknown")), "{ran}");
    assert_eq!(ran.check("load-ran"), "unknown", "{ran}");

    // the same, announced: it ended as stated, and the verdict stays the true one
    let ran = lab.run(
        "nothing-asked-on-purpose",
        &format!("{text}\n[ends]\nverdict = \"unknown\"\ncheck = \"load-ran\"\n"),
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(0), &Value::from("unknown")), "{ran}");
    assert_same_when_judged_again(&ran);
    ran
}

/// The second kill finds the body dead already: whatever it would prove, it did not happen.
fn a_kill_that_hits_nothing(lab: &Lab) -> Ran {
    let status: Value = serde_json::from_str(&lab.pgha(&["status", "-o", "json"])).expect("a status");
    // a replica, so that nothing else is in question
    let replica = if status["primary"] == "postgres-1" { "postgres-2" } else { "postgres-1" };
    let ran = lab.run(
        "kill-the-dead",
        &format!(
            r#"duration = "12s"
{LOAD}
[[step]]
id = "first"
at = "2s"
for = "7s"
do.kill = {{ target = "postgres:{replica}", signal = "KILL" }}

[[step]]
id = "second"
at = "4s"
for = "5s"
do.kill = {{ target = "postgres:{replica}", signal = "KILL" }}
"#
        ),
    );
    assert_eq!((ran.code, &ran.report["verdict"]), (Some(2), &Value::from("unknown")), "{ran}");
    assert_eq!(ran.check("receipts"), "unknown", "{ran}");
    let state = |id: &str| {
        let faults = ran.report["faults"].as_array().map(Vec::as_slice).unwrap_or_default();
        let fault = faults.iter().find(|fault| fault["id"] == id);
        fault.map(|fault| fault["receipt"]["state"].clone()).unwrap_or_default()
    };
    assert_eq!((state("first"), state("second")), ("confirmed".into(), "refuted".into()), "{ran}");
    ran
}

/// A primary that is frozen for the rest of the load.
fn a_long_freeze() -> String {
    format!(
        r#"timeout = "5m"
duration = "2m"
{LOAD}
[[step]]
id = "freeze"
at = "3s"
do.pause = {{ target = "primary" }}
"#
    )
}

#[test]
fn an_interrupted_run_heals_judges_and_leaves_nothing() {
    let _engine = engine();
    let lab = Lab::new("stop", 1);
    let (code, dir, said) =
        lab.run_signalled("interrupted", &a_long_freeze(), "inject freeze", rustix::process::Signal::INT);
    assert_eq!(code, Some(130), "{said}");
    let report = std::fs::read_to_string(dir.join("report.json")).expect("a report");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!(report["faults"][0]["receipt"]["state"], "confirmed", "{report:#}");
    assert_eq!(report["faults"][0]["heal"]["state"], "confirmed", "{report:#}");
    lab.assert_gone();
}

/// Faults of four kinds, on until the end of the load.
fn one_of_each_kind() -> String {
    format!(
        r#"timeout = "5m"
duration = "2m"
{LOAD}
[[step]]
id = "cut"
at = "3s"
do.partition = {{ from = ["primary"], to = ["etcd:all"], ports = [2379] }}
[[step]]
id = "starve"
at = "3s"
do.cpu = {{ target = "primary", cores = 0.3 }}
[[step]]
id = "hang"
at = "3s"
do.disk-freeze = {{ target = "replica" }}
[[step]]
id = "freeze"
at = "8s"
do.pause = {{ target = "balancer:any" }}
"#
    )
}

#[test]
fn what_a_killed_run_left_on_is_found_and_healed() {
    let _engine = engine();
    let lab = Lab::new("kill", 1);
    let (code, _, said) =
        lab.run_signalled("killed", &one_of_each_kind(), "inject freeze", rustix::process::Signal::KILL);
    assert_eq!(code, None, "{said}");
    let count = |on: &dyn Fn(&Value) -> bool| lab.containers().iter().filter(|body| on(body)).count();
    let paused = |body: &Value| body["State"]["Paused"] == true;
    let starved = |body: &Value| body["HostConfig"]["NanoCpus"] == 300_000_000;
    assert_eq!((count(&paused), count(&starved)), (1, 1));
    let on: Value = serde_json::from_str(&lab.pgha(&["faults", "-o", "json"])).expect("JSON");
    let mut ids: Vec<&str> =
        on["faults"].as_array().expect("faults").iter().filter_map(|fault| fault["id"].as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["cut", "freeze", "hang", "starve"], "{on:#}");
    let said = lab.pgha(&["heal"]);
    for id in ids {
        assert!(said.contains(&format!("heal {id}: confirmed")), "{said}");
    }
    assert!(lab.pgha(&["faults"]).contains("no fault is on"));
    // no freeze, no throttle, no rule; and the lab is whole again: `up` has nothing to do but wait for it
    assert_eq!((count(&paused), count(&starved)), (0, 0));
    network::assert_nothing_left(&lab);
    lab.up();
    query(&lab.pgha(&["dsn", "rw"]), "CREATE TABLE witness ()").expect("a write");
    // by hand, on what the killed run left standing: on, seen from elsewhere, healed
    let said = lab.pgha(&["inject", "pause", "--target", "balancer:any"]);
    assert!(said.contains("inject pause: confirmed"), "{said}");
    assert!(lab.pgha(&["status"]).contains("fault on: pause: pause on balancer-1"));
    assert!(lab.pgha(&["heal", "pause"]).contains("heal pause: confirmed"));
    lab.pgha(&["down"]);
    lab.assert_gone();
}

#[test]
fn two_labs_stand_side_by_side_and_one_going_leaves_the_other_alone() {
    let _engine = engine();
    let (one, other) = (Lab::new("one", 1), Lab::new("other", 2));
    one.up();
    other.up();
    let (one_dsn, other_dsn) = (one.pgha(&["dsn", "rw"]), other.pgha(&["dsn", "rw"]));
    assert_ne!(one_dsn, other_dsn);
    query(&one_dsn, "CREATE TABLE witness (name text); INSERT INTO witness VALUES ('one')").expect("a write");
    query(&other_dsn, "CREATE TABLE witness (name text); INSERT INTO witness VALUES ('other')")
        .expect("a write");
    let before = other.containers();

    one.pgha(&["down"]);
    one.assert_gone();
    query(&one_dsn, "SELECT 1").expect_err("a lab that is gone serves nobody");

    let alive = |containers: &[Value]| -> Vec<Value> {
        let mut seen: Vec<Value> = containers
            .iter()
            .map(|container| serde_json::json!([container["Name"], container["Id"], container["State"]]))
            .collect();
        seen.sort_by_key(ToString::to_string);
        seen
    };
    assert_eq!(alive(&other.containers()), alive(&before));
    assert_eq!(query(&other_dsn, "SELECT name FROM witness").expect("a read"), ["other"]);

    other.pgha(&["down"]);
    other.assert_gone();
}

#[test]
fn every_fault_on_hosts_and_networks_bites_is_undone_and_leaves_nothing() {
    let _engine = engine();
    let lab = Lab::new("network", 3);
    lab.up();
    network::every_fault_bites_and_is_undone(&lab, desk::rounds());
    lab.pgha(&["down"]);
    lab.assert_gone();
}

#[test]
fn patroni_keeps_what_a_release_of_its_leader_key_relies_on() {
    let _engine = engine();
    let lab = Lab::new("patroni", 1);
    lab.up();
    patroni::keeps_what_a_release_relies_on(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}
