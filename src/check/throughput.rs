//! `throughput`: how many operations of a load were acknowledged a second.
//!
//! Counted over the part of the run that was asked for, as far as the load ran in it: from its first
//! invocation to its last end.

use serde_json::{Value, json};

use super::latency::middle;
use super::record::{Finding, RunRecord};
use super::when::{Spans, called};
use crate::model::scenario::When;
use crate::model::{Expect, Mono, Name};
use crate::stats;

/// The length of a counted second, nanoseconds.
const SECOND: u64 = 1_000_000_000;

/// Judges the bounds a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut seen: Vec<Value> = Vec::new();
    let mut broken: Vec<String> = Vec::new();
    let mut gaps: Vec<String> = Vec::new();
    for expect in &record.scenario.expects {
        let Expect::Throughput { load, min, when } = expect else { continue };
        let part = called(*when);
        let Some(rate) = measure(record, load, *when) else {
            gaps.push(format!("load `{load}` did not run{part}"));
            continue;
        };
        seen.push(json!({ "load": load, "when": when, "throughput": rate }));
        if rate < *min {
            broken.push(format!(
                "`{load}` had {rate:.1} operations a second acknowledged{part}, at least {min} are wanted"
            ));
        }
    }
    let evidence = json!({ "loads": seen });
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        Finding::pass("throughput was what was asked", evidence)
    })
}

/// Acknowledged operations a second of one load in a part of the run; `None` when it did not run there.
#[must_use]
pub fn measure(record: &RunRecord, load: &Name, when: When) -> Option<f64> {
    let (number, _) = record.load_named(load)?;
    let spans = Spans::of(record, when);
    let (mut acked, mut from, mut to) = (0, Mono(u64::MAX), Mono(0));
    for op in record.history.ops.iter().filter(|op| op.load == number) {
        from = from.min(op.invoked);
        to = to.max(op.done.unwrap_or_default()).max(op.invoked);
        acked += u64::from(op.acked().is_some_and(|done| spans.contain(done)));
    }
    for second in record.history.counted.iter().filter(|second| second.l == number) {
        from = from.min(Mono(second.t.0.saturating_sub(SECOND)));
        to = to.max(second.t);
        acked += if spans.contain(middle(second.t)) { second.ok } else { 0 };
    }
    stats::per_second(acked, spans.nanos_within(from, to))
}
