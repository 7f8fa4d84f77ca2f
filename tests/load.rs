//! The generator against a server that stalls at a known instant: an open load does not wait for
//! answers, so the stall must stand in the latency of every operation that was meant to start in it.
//! What depends on how fast this machine is, `benches/generator.rs` measures.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so loudly")]

#[path = "load/clients.rs"]
mod clients;
#[path = "load/fake.rs"]
mod fake;

use std::collections::BTreeSet;
use std::time::Duration;

use fake::Stall;
use pgha::engine::clock;
use pgha::history::Class;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stall_stands_in_every_operation_that_was_meant_to_start_in_it() {
    let start = clock::now().plus(Duration::from_millis(300));
    let stall =
        Stall { from: start.plus(Duration::from_millis(300)), until: start.plus(Duration::from_millis(800)) };
    let server = fake::serve(stall).await;
    let writer = r#"{"name":"writer","endpoint":"rw","workload":"set","rate":200,"connections":4}"#;
    let history = fake::load(server, writer, 2, start).await;

    assert_eq!(history.problems, []);
    let hit: Vec<_> =
        history.ops.iter().filter(|op| op.intended >= stall.from && op.intended < stall.until).collect();
    // one every 5 ms: none was left out or put off because nobody answered
    assert_eq!(hit.len(), 100);
    for op in &hit {
        assert_eq!(op.class(), Class::Ok, "{op:?}");
        let done = op.done.expect("an end");
        assert!(done >= stall.until, "operation {} ended in the stall", op.op);
    }
    assert!(history.ops.iter().all(|op| op.invoked >= op.intended), "nothing begins before its time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_keeps_its_number_when_its_worker_is_succeeded() {
    let start = clock::now().plus(Duration::from_millis(300));
    let stall =
        Stall { from: start.plus(Duration::from_millis(300)), until: start.plus(Duration::from_millis(800)) };
    let server = fake::serve(stall).await;
    // an operation that waits for longer than 100 ms has an unknown end and uses its worker up
    let writer =
        r#"{"name":"writer","endpoint":"rw","workload":"set","rate":200,"connections":4,"timeout":"100ms"}"#;
    let history = fake::load(server, writer, 2, start).await;

    let clients: BTreeSet<_> = history.ops.iter().map(|op| op.client).collect();
    assert_eq!(clients, (0..4).map(Some).collect());
    let workers: BTreeSet<_> = history.ops.iter().map(|op| op.worker).collect();
    assert!(history.ops.iter().any(|op| op.class() == Class::Info), "no operation met the stall");
    assert!(workers.len() > 4, "no worker was succeeded: {workers:?}");
    for worker in workers {
        let of: BTreeSet<_> =
            history.ops.iter().filter(|op| op.worker == worker).map(|op| op.client).collect();
        assert_eq!(of.len(), 1, "worker {worker} stood for {of:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_is_only_counted_counts_the_stall_as_well() {
    let start = clock::now().plus(Duration::from_millis(300));
    let stall =
        Stall { from: start.plus(Duration::from_millis(300)), until: start.plus(Duration::from_millis(800)) };
    let server = fake::serve(stall).await;
    let writer = r#"{"name":"writer","endpoint":"rw","workload":"set","rate":200,"connections":4,
        "record":"histogram"}"#;
    let history = fake::load(server, writer, 2, start).await;

    assert!(history.ops.is_empty(), "operations of a counted load are not recorded");
    let ok: u64 = history.counted.iter().map(|second| second.ok).sum();
    // on a machine that is short of everything the last ones never begin, and are said to
    let never: u64 = history
        .notes
        .iter()
        .filter_map(|(_, text)| {
            text.strip_prefix("load writer: ")?.split_once(" operations were never started")
        })
        .map(|(count, _)| count.parse::<u64>().expect("a number"))
        .sum();
    assert_eq!(ok + never, 400);
    let latency = history.counted.iter().flat_map(|second| &second.latency);
    let slow: u64 = latency.filter(|(nanos, _)| *nanos >= 250_000_000).map(|(_, count)| count).sum();
    // those of its first half, one every 5 ms, waited for at least the second
    assert!(slow >= 50, "{slow}");
}
