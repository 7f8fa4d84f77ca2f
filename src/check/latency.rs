//! `latency`: how long acknowledged operations of a load took, from the instant they were *meant* to start:
//! what waited because the lab was stuck waited, too.
//!
//! A load that is only counted has its latencies by the second; a second belongs to the part of the run its
//! middle lies in.

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use super::when::{Spans, called};
use crate::model::scenario::When;
use crate::model::{Expect, Mono, Name, Span};
use crate::stats::Percentiles;

/// Half of a counted second, nanoseconds.
const HALF: u64 = 500_000_000;

/// Judges the bounds a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut seen: Vec<Value> = Vec::new();
    let mut broken: Vec<String> = Vec::new();
    let mut gaps: Vec<String> = Vec::new();
    for expect in &record.scenario.expects {
        let Expect::Latency { load, p50, p99, max, when } = expect else { continue };
        let part = called(*when);
        let Some(took) = measure(record, load, *when) else {
            gaps.push(format!("load `{load}` had no acknowledged operation{part}"));
            continue;
        };
        seen.push(json!({ "load": load, "when": when, "latency_ms": took }));
        let bounds: [(&str, Option<Span>, f64); 3] =
            [("median", *p50, took.p50), ("99th percentile", *p99, took.p99), ("maximum", *max, took.max)];
        for (which, limit, took) in bounds {
            if let Some(limit) = limit.filter(|limit| took > limit.as_ms()) {
                let limit = limit.as_ms();
                broken.push(format!(
                    "the {which} of the latency of `{load}`{part} was {took} ms, at most {limit} ms are allowed"
                ));
            }
        }
    }
    let evidence = json!({ "loads": seen });
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        Finding::pass("latencies stayed within what was asked", evidence)
    })
}

/// Latencies of one load in a part of the run; `None` when nothing was acknowledged there.
#[must_use]
pub fn measure(record: &RunRecord, load: &Name, when: When) -> Option<Percentiles> {
    let (number, _) = record.load_named(load)?;
    let spans = Spans::of(record, when);
    of(record, |load| load == number, |at| spans.contain(at))
}

/// Latencies of acknowledged operations of these loads that were meant to start at these instants; `None` when there
/// was none.
#[must_use]
pub fn of(
    record: &RunRecord,
    loads: impl Fn(u32) -> bool,
    instants: impl Fn(Mono) -> bool,
) -> Option<Percentiles> {
    let history = &record.history;
    let ops = history.ops.iter().filter(|op| loads(op.load) && instants(op.intended));
    let recorded = ops.filter_map(|op| Some((op.acked()?.0.saturating_sub(op.intended.0), 1)));
    let seconds = history.counted.iter().filter(|second| loads(second.l));
    let counted =
        seconds.filter(|second| instants(middle(second.t))).flat_map(|second| second.latency.iter().copied());
    Percentiles::of_buckets(recorded.chain(counted))
}

/// The middle of a counted second that ended at an instant.
pub(super) const fn middle(end: Mono) -> Mono {
    Mono(end.0.saturating_sub(HALF))
}
