//! Every workload on one real lab, all at once and without faults: each is acknowledged, and those
//! that leave marks are read alike on every node.

use std::collections::BTreeMap;

use pgha::history::{Class, History, decode};
use pgha::model::scenario::Workload;
use pgha::model::{Load, Scenario};

use crate::desk::{Lab, engine};

const LOADS: &str = r#"duration = "6s"
[[load]]
name = "rows"
endpoint = "rw"
workload = "set"
rate = 20
connections = 2

[[load]]
name = "lists"
endpoint = "rw"
workload = "append"
rate = 20
connections = 2

[[load]]
name = "lists-elsewhere"
endpoint = "ro"
workload = "append"
of = "lists"
rate = 10
connections = 2

[[load]]
name = "bank"
endpoint = "rw"
workload = "bank"
isolation = "serializable"
model = "closed"
clients = 2

[[load]]
name = "balances"
endpoint = "ro"
workload = "bank"
of = "bank"
rate = 10
connections = 1

[[load]]
name = "registers"
endpoint = "rw"
workload = "register"
rate = 20
connections = 2

[[load]]
name = "pgbench"
endpoint = "rw"
workload = "tpcb"
rate = 10
connections = 2

[[load]]
name = "lookups"
endpoint = "rw"
workload = "select"
rate = 20
connections = 1
record = "histogram"

[[load]]
name = "heart"
endpoint = "rw"
workload = "freshness"
rate = 20
connections = 1

[[load]]
name = "age"
direct = "postgres-2"
workload = "freshness"
of = "heart"
rate = 20
connections = 1

[[load]]
name = "own"
endpoint = "rw"
workload = "sql"
file = "own.sql"
rate = 10
connections = 1
"#;

#[test]
fn every_workload_is_acknowledged_and_read_alike_on_every_node() {
    let _engine = engine();
    let lab = Lab::new("workloads", 1);
    lab.file(
        "own.sql",
        "create temp table if not exists own (n int); insert into own values (1); delete from own;",
    );
    let ran = lab.run("every-workload", LOADS);
    let text = std::fs::read_to_string(ran.dir.join("history.jsonl")).expect("a journal");
    let history = History::from_events(decode(&text).expect("events").events);
    let scenario = std::fs::read_to_string(ran.dir.join("scenario.json")).expect("the scenario");
    let scenario: Scenario = serde_json::from_str(&scenario).expect("a scenario");
    for (index, load) in scenario.loads.iter().enumerate() {
        let index = u32::try_from(index).expect("few loads");
        acknowledged(&history, index, load, &ran.to_string());
        read_alike(&history, index, load);
    }
    lab.assert_gone();
}

fn acknowledged(history: &History, index: u32, load: &Load, ran: &str) {
    let mut classes: BTreeMap<Class, usize> = BTreeMap::new();
    for op in history.ops.iter().filter(|op| op.load == index) {
        *classes.entry(op.class()).or_default() += 1;
        let Some((_, ack)) = op.ack() else { continue };
        assert!(ack.n.is_some() && ack.sys.is_some(), "{}: nobody knows who answered {op:?}", load.name);
        let writes = op.leaves_marks() && !matches!(load.workload, Workload::Sql);
        if writes {
            let (lo, hi) = (ack.lo.expect("a lower bound"), ack.hi.expect("an upper bound"));
            assert!(lo <= hi && ack.tl.is_some(), "{}: {op:?}", load.name);
        }
    }
    let counted: u64 =
        history.counted.iter().filter(|second| second.l == index).map(|second| second.ok).sum();
    let ok = classes.get(&Class::Ok).copied().unwrap_or_default() as u64 + counted;
    assert!(ok >= 30, "{}: {classes:?}, {counted} counted\n{ran}", load.name);
    assert_eq!(classes.get(&Class::Info), None, "{}: {classes:?}\n{ran}", load.name);
}

/// What was acknowledged is on every node, once, and nothing else is but what was asked for.
fn read_alike(history: &History, index: u32, load: &Load) {
    let reads: Vec<_> = history.reads.iter().filter(|read| read.l == index).collect();
    let leaves = load.of.is_none()
        && matches!(load.workload, Workload::Set | Workload::Append | Workload::Bank | Workload::Tpcb);
    if !leaves {
        assert_eq!(reads, Vec::<&_>::new(), "{}", load.name);
        return;
    }
    assert_eq!((reads.len(), reads.iter().filter(|read| read.primary).count()), (2, 1), "{}", load.name);
    let ops = history.ops.iter().filter(|op| op.load == index && op.class() == Class::Ok);
    let mut wanted: Vec<u64> = ops.flat_map(pgha::history::Op::marks).collect();
    wanted.sort_unstable();
    for read in reads {
        assert_eq!(read.rows.as_ref(), Some(&wanted), "{} on {}: {:?}", load.name, read.node, read.error);
    }
}
