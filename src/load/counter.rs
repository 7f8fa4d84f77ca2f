//! What is kept of a load that is only counted: one line a second, with the latencies of what was
//! acknowledged and how late operations began, in the buckets of an HdrHistogram of three digits.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;

use crate::engine::locked::Locked;
use crate::history::event::{Counted, Outcome};
use crate::model::Mono;

/// Longest time that is told apart from longer ones, an hour in nanoseconds.
const LONGEST_LATENCY: u64 = 3_600_000_000_000;

/// Counts of one load since they were last taken.
#[derive(Debug, Default)]
pub struct Counter(Locked<Option<SecondCounts>>);

#[derive(Debug)]
struct SecondCounts {
    ok: u64,
    fail: BTreeMap<String, u64>,
    info: BTreeMap<String, u64>,
    latency: Histogram<u64>,
    lag: Histogram<u64>,
}

impl SecondCounts {
    /// `None` never happens: the bounds are constants the library admits.
    fn new() -> Option<Self> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_LATENCY, 3).ok();
        let (latency, lag) = (histogram()?, histogram()?);
        Some(Self { ok: 0, fail: BTreeMap::new(), info: BTreeMap::new(), latency, lag })
    }
}

impl Counter {
    /// An operation meant to start at `intended` was begun at `began` and ended at `ended`.
    pub fn count(&self, intended: Mono, began: Mono, ended: Mono, outcome: &Outcome) {
        let mut counts = self.0.lock();
        if counts.is_none() {
            *counts = SecondCounts::new();
        }
        let Some(counts) = counts.as_mut() else { return };
        let nanos = |from: Mono, to: Mono| to.0.saturating_sub(from.0);
        counts.lag.saturating_record(nanos(intended, began));
        match outcome {
            Outcome::Ok(_) | Outcome::OkLocal(_) => {
                counts.ok += 1;
                counts.latency.saturating_record(nanos(intended, ended));
            }
            Outcome::Fail(error) => add(&mut counts.fail, &error.c),
            Outcome::Info(error) => add(&mut counts.info, &error.c),
        }
    }

    /// What was counted since the last time, as the line of load `l` that ends at `t`.
    pub fn take(&self, t: Mono, l: u32) -> Counted {
        let mut guard = self.0.lock();
        let Some(counts) = guard.as_mut() else { return Counted { t, l, ..Counted::default() } };
        let counted = Counted {
            t,
            l,
            ok: std::mem::take(&mut counts.ok),
            fail: std::mem::take(&mut counts.fail),
            info: std::mem::take(&mut counts.info),
            latency: buckets(&counts.latency),
            lag: buckets(&counts.lag),
        };
        counts.latency.reset();
        counts.lag.reset();
        counted
    }
}

fn add(counts: &mut BTreeMap<String, u64>, code: &str) {
    if let Some(count) = counts.get_mut(code) {
        *count += 1;
    } else {
        counts.insert(code.to_owned(), 1);
    }
}

fn buckets(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::event::{Ack, Error};

    fn failed(code: &str) -> Error {
        Error { c: code.to_owned(), m: String::new() }
    }

    #[test]
    fn a_line_holds_what_was_counted_since_the_last() {
        let counter = Counter::default();
        counter.count(Mono(100), Mono(110), Mono(600), &Outcome::Ok(Ack::default()));
        counter.count(Mono(100), Mono(100), Mono(900), &Outcome::Fail(failed("40001")));
        counter.count(Mono(100), Mono(100), Mono(900), &Outcome::Info(failed("eof")));
        let line = counter.take(Mono(1000), 3);
        assert_eq!((line.ok, line.fail["40001"], line.info["eof"]), (1, 1, 1));
        assert_eq!((line.latency, line.lag), (vec![(500, 1)], vec![(0, 2), (10, 1)]));
        assert_eq!(counter.take(Mono(2000), 3), Counted { t: Mono(2000), l: 3, ..Counted::default() });
    }

    proptest! {
        #[test]
        fn a_bucket_ends_within_a_thousandth_above(nanos in 1_u64..LONGEST_LATENCY) {
            let counter = Counter::default();
            counter.count(Mono(0), Mono(0), Mono(nanos), &Outcome::Ok(Ack::default()));
            let (end, count) = counter.take(Mono(0), 0).latency[0];
            prop_assert!(count == 1 && end >= nanos && end - nanos <= nanos / 1000 + 1, "{nanos} in {end}");
        }
    }
}
