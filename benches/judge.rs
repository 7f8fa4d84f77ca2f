//! How the judge grows: decoding and the costly checkers at 10⁴, 10⁵ and 10⁶ operations.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a bench that cannot go on should say so loudly"
)]

#[path = "../tests/judge/story.rs"]
#[allow(dead_code, reason = "the bench tells stories, it does not spoil them")]
mod story;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgha::check::{judge, lost_acks, one_writer, outage};
use pgha::history::{History, decode};
use story::{Plan, tell};

fn judges(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.sample_size(10);
    for operations in [10_000, 100_000, 1_000_000] {
        let story = tell(&Plan { before: operations / 2, after: operations / 2, lost: 5, ..Plan::small() });
        let (journal, record) = (story.journal(), story.record());
        group.throughput(Throughput::Elements(operations));
        let mut bench = |name: &str, run: &dyn Fn()| {
            group.bench_function(BenchmarkId::new(name, operations), |bencher| bencher.iter(run));
        };
        bench("decode", &|| drop(black_box(decode(&journal))));
        bench("pair", &|| {
            drop(black_box(decode(&journal).map(|decoded| History::from_events(decoded.events))));
        });
        bench("lost-acks", &|| drop(black_box(lost_acks::check(&record))));
        bench("one-writer", &|| drop(black_box(one_writer::check(&record))));
        bench("outage", &|| drop(black_box(outage::check(&record))));
        bench("all", &|| drop(black_box(judge(&record))));
    }
    group.finish();
}

criterion_group!(benches, judges);
criterion_main!(benches);
