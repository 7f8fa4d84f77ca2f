//! Builds runs as they could have been: a primary is killed, a replica takes over. One deterministic
//! story by a [`Plan`]; tests then spoil it.

use pgha::check::RunRecord;
use pgha::history::{Ack, Error, Event, FinalRead, History, Outcome, Phase, encode};
use pgha::model::fault::{FaultRecord, Receipt, ReceiptState};
use pgha::model::observed::ContainerStatus;
use pgha::model::run::Resolved;
use pgha::model::sighting::{
    BalancerSeen, BodySeen, EtcdSeen, PatroniSeen, PostgresSeen, ServerSeen, SqlSeen,
};
use pgha::model::{FaultTarget, Lsn, MemberId, Mono, Scenario, Sight, Sighting};
use serde_json::{Value, json};

pub const MS: u64 = 1_000_000;
/// Start of every story on the machine's clock.
pub const ZERO: u64 = 1_000_000 * MS;
/// One operation is begun every so often.
pub const EVERY: u64 = 5 * MS;
const LATENCY: u64 = 2 * MS;
const WAL: u64 = 200;
const BODIES: [(&str, &str, &str); 9] = [
    ("etcd-1", "etcd", "h1"),
    ("etcd-2", "etcd", "h2"),
    ("etcd-3", "etcd", "h3"),
    ("postgres-1", "postgres", "h1"),
    ("postgres-2", "postgres", "h2"),
    ("postgres-3", "postgres", "h3"),
    ("balancer-1", "balancer", "h4"),
    ("balancer-2", "balancer", "h5"),
    ("client", "client", "core"),
];

/// A name of the kind that is wanted here.
pub fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

/// What happens.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Acknowledged operations before the kill.
    pub before: u64,
    /// Operations in flight at the kill: nobody knows their end.
    pub in_flight: u64,
    /// Operations refused during the outage.
    pub refused: u64,
    /// Acknowledged operations after it.
    pub after: u64,
    /// Of those before the kill, the last so many are lost in the asynchronous window.
    pub lost: u64,
    /// Whether anything is killed at all.
    pub kill: bool,
}

impl Plan {
    /// A short story without losses.
    pub fn small() -> Self {
        Self { before: 40, in_flight: 4, refused: 60, after: 40, lost: 0, kill: true }
    }
}

/// A run as recorded.
#[derive(Clone)]
pub struct Story {
    pub scenario: Scenario,
    pub resolved: Resolved,
    pub events: Vec<Event>,
    pub sightings: Vec<Sighting>,
    pub logs: std::collections::BTreeMap<MemberId, String>,
    pub ledger: Option<Vec<FaultRecord>>,
    pub complete: bool,
}

impl Story {
    pub fn record(&self) -> RunRecord {
        RunRecord {
            scenario: self.scenario.clone(),
            resolved: self.resolved.clone(),
            history: History::from_events(self.events.clone()),
            sightings: self.sightings.clone(),
            logs: self.logs.clone(),
            ledger: self.ledger.clone(),
            complete: self.complete,
        }
    }

    pub fn journal(&self) -> String {
        self.events.iter().map(|event| encode(event) + "\n").collect()
    }

    pub fn fault(&mut self) -> &mut FaultRecord {
        self.events
            .iter_mut()
            .find_map(|event| match event {
                Event::Fault(fault) => Some(fault.as_mut()),
                _ => None,
            })
            .expect("a fault")
    }

    pub fn reads(&mut self) -> Vec<&mut FinalRead> {
        let reads = self.events.iter_mut().filter_map(|event| match event {
            Event::FinalRead(read) => Some(read.as_mut()),
            _ => None,
        });
        reads.collect()
    }

    /// Changes the rows of every node alike.
    pub fn rows(&mut self, change: impl Fn(&mut Vec<u64>)) {
        for read in self.reads() {
            change(read.rows.as_mut().expect("rows"));
        }
    }

    /// The acknowledgement of an operation.
    pub fn ack(&mut self, op: u64) -> &mut Ack {
        match self.outcome(op) {
            Outcome::Ok(ack) | Outcome::OkLocal(ack) => ack,
            other => panic!("operation {op} ended {other:?}"),
        }
    }

    pub fn outcome(&mut self, op: u64) -> &mut Outcome {
        self.events
            .iter_mut()
            .find_map(|event| match event {
                Event::Done { o, outcome, .. } if *o == op => Some(outcome),
                _ => None,
            })
            .expect("an end")
    }

    pub fn expect(&mut self, expect: Value) {
        self.scenario.expects.push(serde_json::from_value(expect).expect("an expectation"));
    }
}

pub fn error(code: &str) -> Error {
    Error { c: code.to_owned(), m: String::new() }
}

fn ack(node: &str, timeline: u32, position: u64) -> Outcome {
    Outcome::Ok(Ack {
        n: Some(name(node)),
        tl: Some(timeline),
        sys: Some("7300".to_owned()),
        lo: Some(Lsn(position)),
        hi: Some(Lsn(position + WAL)),
        v: None,
    })
}

/// Tells a story.
pub fn tell(plan: &Plan) -> Story {
    let mut events = vec![
        Event::Journal {
            t: Mono(ZERO - 50 * MS),
            writer: "runner".to_owned(),
            boot_id: "boot".to_owned(),
            loads: vec![],
            run: None,
        },
        Event::Journal {
            t: Mono(ZERO - 40 * MS),
            writer: "client".to_owned(),
            boot_id: "boot".to_owned(),
            loads: vec![name("writer")],
            run: None,
        },
        Event::Prepared { t: Mono(ZERO - 30 * MS), l: 0, rows: 0 },
        Event::Phase { t: Mono(ZERO), phase: Phase::Baseline },
    ];
    let (mut t, mut position, mut rows) = (ZERO, 0x0300_0000, Vec::new());
    let mut next = 0..;
    let mut op = |t: u64, latency: u64, outcome: Outcome| {
        let o = next.next().expect("endless");
        events.push(Event::invoke(Mono(t + MS / 10), 0, o, u32::try_from(o % 8).expect("small"), Mono(t)));
        events.push(Event::done(Mono(t + latency), 0, o, outcome));
        o
    };
    for number in 0..plan.before {
        let o = op(t, LATENCY, ack("postgres-1", 1, position));
        if number < plan.before - plan.lost {
            rows.push(o);
        }
        position += WAL;
        t += EVERY;
    }
    let switch = position - plan.lost * WAL;
    let killed = t;
    let mut timeline = ("postgres-1", 1);
    if plan.kill {
        for number in 0..plan.in_flight {
            let o = op(t - EVERY + LATENCY + number, 2 * LATENCY, Outcome::Info(error("eof")));
            // what was in flight may be there: only when nothing before it was lost
            if plan.lost == 0 && number % 2 == 0 {
                rows.push(o);
            }
        }
        for _ in 0..plan.refused {
            op(t + MS, MS, Outcome::Fail(error("refused")));
            t += EVERY;
        }
        timeline = ("postgres-2", 2);
        position = switch + 0x100;
    }
    let back = t;
    for _ in 0..plan.after {
        let o = op(t, LATENCY, ack(timeline.0, timeline.1, position));
        rows.push(o);
        position += WAL;
        t += EVERY;
    }
    let healed = t + 10 * MS;
    if plan.kill {
        events.push(Event::Fault(Box::new(kill(killed, healed))));
    }
    let whole = healed + 2000 * MS;
    final_reads(&mut events, whole + 1000 * MS, &rows, timeline, Lsn(position), Lsn(switch));
    for writer in ["client", "runner"] {
        events.push(Event::end(Mono(whole + 1100 * MS), writer));
    }
    let mut sightings = vec![healthy(ZERO, "postgres-1", 1)];
    if plan.kill {
        sightings.push(wounded(killed + MS, None));
        sightings.push(wounded(back, Some("postgres-2")));
        sightings.push(wounded(healed + 100 * MS, Some("postgres-2")));
    }
    for at in [whole, whole + 500 * MS] {
        sightings.push(healthy(at, timeline.0, timeline.1));
    }
    Story {
        scenario: scenario(plan),
        resolved: resolved(),
        events,
        sightings,
        logs: std::collections::BTreeMap::new(),
        ledger: None,
        complete: true,
    }
}

fn kill(began: u64, healed: u64) -> FaultRecord {
    let receipt = |evidence: &str| {
        Some(Receipt {
            state: ReceiptState::Confirmed,
            source: "engine inspect".to_owned(),
            evidence: evidence.to_owned(),
        })
    };
    FaultRecord {
        id: name("kill"),
        verb: serde_json::from_value(json!({ "kill": { "target": "primary", "signal": "KILL" } }))
            .expect("a verb"),
        targets: vec![FaultTarget::Member(name("postgres-1"))],
        containers: vec!["c0ffee".to_owned()],
        notes: std::collections::BTreeMap::new(),
        intent: Mono(began - MS),
        began: Some(Mono(began)),
        healing: None,
        healed: Some(Mono(healed)),
        receipt: receipt("exited 137"),
        heal: receipt("running"),
        of: None,
    }
}

fn final_reads(
    events: &mut Vec<Event>,
    t: u64,
    rows: &[u64],
    primary: (&str, u32),
    position: Lsn,
    switch: Lsn,
) {
    for node in ["postgres-1", "postgres-2", "postgres-3"] {
        let is_primary = node == primary.0;
        let timelines = if is_primary && primary.1 == 2 { vec![(1, switch)] } else { vec![] };
        events.push(Event::FinalRead(Box::new(FinalRead {
            t: Mono(t),
            node: name(node),
            primary: is_primary,
            l: 0,
            rows: Some(rows.to_vec()),
            error: None,
            tl: Some(primary.1),
            sys: Some("7300".to_owned()),
            lsn: Some(position),
            timelines,
        })));
    }
}

fn host_of(member: &str) -> &'static str {
    BODIES.iter().find(|(known, ..)| *known == member).expect("a body").2
}

/// Everything as it should be.
pub fn healthy(at: u64, primary: &str, timeline: u32) -> Sighting {
    let mut seen = Sighting { at: Mono(at), ..Sighting::default() };
    for (index, (member, service, host)) in BODIES.iter().enumerate() {
        let body = BodySeen {
            id: format!("id-{index}"),
            status: ContainerStatus::Running,
            host: name(host),
            service: (*service).to_owned(),
            started: String::new(),
            oom_killed: false,
        };
        seen.bodies.insert(name(member), body);
        match *service {
            "postgres" => {
                seen.postgres.insert(name(member), postgres(member, primary, timeline));
            }
            "etcd" => {
                let etcd = EtcdSeen {
                    leader: Some("8e9e".to_owned()),
                    linearizable: true,
                    members: 3,
                    ..EtcdSeen::default()
                };
                seen.etcd.insert(name(member), Sight::Seen(etcd));
            }
            "balancer" => {
                seen.balancers.insert(name(member), balancer(Some(primary)));
            }
            _ => {}
        }
    }
    seen
}

/// The old primary is down; perhaps another one took over.
fn wounded(at: u64, primary: Option<&str>) -> Sighting {
    let mut seen = healthy(at, primary.unwrap_or("postgres-1"), primary.map_or(1, |_| 2));
    seen.bodies.get_mut("postgres-1").expect("a body").status = ContainerStatus::Exited;
    let blind =
        PostgresSeen { patroni: Sight::Blind("refused".to_owned()), sql: Sight::Blind("refused".to_owned()) };
    seen.postgres.insert(name("postgres-1"), blind);
    for state in seen.balancers.values_mut() {
        *state = balancer(primary);
    }
    seen
}

fn postgres(member: &str, primary: &str, timeline: u32) -> PostgresSeen {
    let is_primary = member == primary;
    let others = ["postgres-1", "postgres-2", "postgres-3"].into_iter().filter(|other| *other != primary);
    PostgresSeen {
        patroni: Sight::Seen(PatroniSeen {
            role: if is_primary { "primary" } else { "replica" }.to_owned(),
            timeline: Some(timeline),
            ..PatroniSeen::default()
        }),
        sql: Sight::Seen(SqlSeen {
            in_recovery: !is_primary,
            writable: is_primary.then_some(true),
            timeline: Some(timeline),
            system_identifier: Some("7300".to_owned()),
            streaming: if is_primary { others.map(str::to_owned).collect() } else { vec![] },
            ..SqlSeen::default()
        }),
    }
}

fn balancer(primary: Option<&str>) -> BalancerSeen {
    let server =
        |up: bool| ServerSeen { status: if up { "UP" } else { "DOWN" }.to_owned(), sessions: 0, weight: 1 };
    let host = primary.map(host_of);
    let servers = ["h1", "h2", "h3"];
    BalancerSeen {
        rw: Sight::Seen(servers.iter().map(|known| (name(known), server(Some(*known) == host))).collect()),
        ro: Sight::Seen(servers.iter().map(|known| (name(known), server(true))).collect()),
        rw_serves: Sight::Seen(primary.is_some()),
        ro_serves: Sight::Seen(true),
        ..BalancerSeen::default()
    }
}

fn scenario(plan: &Plan) -> Scenario {
    let mut scenario = json!({
        "schema": 1, "name": "primary-dies", "about": "SIGKILL the primary under writes.", "seed": 42,
        "duration": "80s",
        "load": [{ "name": "writer", "endpoint": "rw", "workload": "set", "rate": 200.0, "connections": 8 }],
    });
    if plan.kill {
        scenario["step"] =
            json!([{ "id": "kill", "at": "10s", "for": "60s", "do": { "kill": { "target": "primary" } } }]);
        scenario["expect"] = json!([
            { "outage": { "endpoint": "rw", "after": "kill", "max": "45s" } },
            { "lost-acks": { "within": "documented-bound" } },
        ]);
    }
    serde_json::from_value(scenario).expect("a scenario")
}

fn resolved() -> Resolved {
    let size = json!({ "cpus": 1.0, "memory": "512MiB", "disk": "1GiB" });
    let hosts: Vec<Value> = ["h1", "h2", "h3", "h4", "h5", "h6"]
        .iter()
        .map(|host| json!({ "name": host, "cpus": 2.0, "memory": "2GiB", "disk": "8GiB" }))
        .chain([json!({ "name": "core", "cpus": 2.0, "memory": "2GiB", "disk": "8GiB", "only": ["client"] })])
        .collect();
    let range = |value: Value| json!({ "start": value, "min": value, "max": value });
    let members: Vec<Value> = BODIES
        .iter()
        .map(|(id, service, host)| json!({ "id": id, "service": service, "host": host, "size": size }))
        .collect();
    let mut etcd = size.clone();
    etcd["members"] = json!(3);
    serde_json::from_value(json!({
        "schema-version": 1, "scenario": "primary-dies", "preset": "stock", "seed": 42,
        "lab": {
            "schema": 1, "name": "t", "images": { "source": "debian", "suite": "trixie", "postgres": 17 },
            "network": { "subnet": "auto", "publish": "none" },
            "host": hosts, "etcd": etcd,
            "postgres": {
                "instances": range(json!(3)), "replication": "async", "sync-standbys": 1, "reads": "any",
                "cpus": range(json!(1.0)), "memory": range(json!("512MiB")), "disk": range(json!("1GiB")),
                "restart": "no",
                "patroni": {
                    "ttl": 30, "loop-wait": 10, "retry-timeout": 10, "maximum-lag-on-failover": "1MiB",
                    "primary-start-timeout": 300, "failsafe-mode": false,
                },
            },
            "balancers": {
                "instances": range(json!(2)), "cpus": range(json!(1.0)), "memory": range(json!("512MiB")),
                "disk": range(json!("1GiB")), "maxconn": 1000,
                "check": { "enabled": true, "inter": "2s", "fall": 3, "rise": 2, "timeout": "2s" },
                "retries": 3, "redispatch": true, "timeout-connect": "1s", "timeout-client": "1m",
                "timeout-server": "1m", "start": "checked",
            },
        },
        "members": members, "started": "2026-01-01T00:00:00Z", "boot-id": "boot",
        "versions": {}, "images": {}, "machine": {}, "pgha": "0.1.0",
    }))
    .expect("a resolved lab")
}
