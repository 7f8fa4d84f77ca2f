//! How the judge grows: decoding and the costly checkers at 10⁴, 10⁵ and 10⁶ operations, list-append
//! transactions at *serializable* among them, and the most memory the process held meanwhile.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench that cannot go on should say so loudly"
)]

#[path = "../tests/judge/story.rs"]
#[allow(dead_code, reason = "the bench tells stories, it does not spoil them")]
mod story;

use std::collections::HashMap;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgha::check::isolation::{Txn, anomalies};
use pgha::check::{judge, lost_acks, one_writer, outage};
use pgha::history::{Class, History, Mop, decode};
use pgha::load::workload::{append, dice::Dice};
use pgha::model::scenario::{Isolation, VerdictWord};
use story::{Plan, Story, tell};

const SIZES: [u64; 3] = [10_000, 100_000, 1_000_000];

fn of_size(operations: u64) -> Story {
    tell(&Plan { before: operations / 2, after: operations / 2, lost: 5, ..Plan::small() })
}

/// What the workload `append` asks for, carried out one after the other.
fn lists(operations: u64) -> Vec<Vec<Mop>> {
    let dice = Dice::new(7, 0);
    let mut lists: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut run = |step| match step {
        Mop::Append(key, element) => {
            lists.entry(key).or_default().push(element);
            Mop::Append(key, element)
        }
        Mop::Read(key, _) => Mop::Read(key, Some(lists.get(&key).cloned().unwrap_or_default())),
    };
    (0..operations).map(|op| append::draw(&dice, op, op, false).into_iter().map(&mut run).collect()).collect()
}

fn txns(lists: &[Vec<Mop>]) -> Vec<Txn<'_>> {
    (0..)
        .zip(lists)
        .map(|(op, steps)| Txn {
            load: 0,
            op,
            class: Class::Ok,
            steps: steps.as_slice().into(),
            counted: true,
        })
        .collect()
}

/// The most this process held, MiB, since it was last asked (Linux: `clear_refs`, `VmHWM`).
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    let kib: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    std::fs::write("/proc/self/clear_refs", "5").expect("a peak to reset");
    kib / 1024
}

/// The history is held while it is judged, so it is part of the sum; so is what smaller sizes left behind.
fn memory(_: &mut Criterion) {
    for operations in SIZES {
        let record = of_size(operations).record();
        peak();
        assert!(judge(&record).verdict == VerdictWord::Pass);
        println!("memory: {operations} operations, every checker: {} MiB at most", peak());
        drop(record);
        let lists = lists(operations);
        peak();
        assert!(anomalies(&txns(&lists), Isolation::Serializable).is_empty());
        println!("memory: {operations} list transactions: {} MiB at most", peak());
    }
}

fn judges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.sample_size(10);
    for operations in SIZES {
        let story = of_size(operations);
        let (journal, record) = (story.journal(), story.record());
        group.throughput(Throughput::Elements(operations));
        let mut bench = |name: &str, run: &dyn Fn()| {
            group.bench_function(BenchmarkId::new(name, operations), |bencher| bencher.iter(run));
        };
        bench("decode", &|| drop(black_box(decode(&journal))));
        bench("pair", &|| {
            drop(black_box(decode(&journal).map(|decoded| History::from_events(decoded.events))));
        });
        bench("lost-acks", &|| drop(black_box(lost_acks::check(&record, &lost_acks::measure(&record)))));
        bench("one-writer", &|| drop(black_box(one_writer::check(&one_writer::measure(&record)))));
        bench("outage", &|| drop(black_box(outage::check(&record, &outage::measure(&record)))));
        bench("all", &|| drop(black_box(judge(&record))));
        let lists = lists(operations);
        let txns = txns(&lists);
        bench("isolation", &|| drop(black_box(anomalies(&txns, Isolation::Serializable))));
    }
    group.finish();
}

criterion_group!(benches, memory, judges);
criterion_main!(benches);
