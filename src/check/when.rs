//! The parts of a run an expectation may look at, as spans of the machine's clock.
//!
//! A fault is on from its injection to its heal; one that was never healed is on to the end of time, one
//! that leaves nothing to heal is on for an instant. Without faults everything is *before*.

use super::record::RunRecord;
use crate::model::scenario::When;
use crate::model::{FaultRecord, Mono};

/// How far around an injection or a heal its edge reaches, nanoseconds.
const EDGE: u64 = 5_000_000_000;
/// No end.
const NO_END: Mono = Mono(u64::MAX);

/// Spans in order that do not touch; both ends belong to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans(Vec<(Mono, Mono)>);

impl Spans {
    /// The spans of a run that `when` names.
    #[must_use]
    pub fn of(record: &RunRecord, when: When) -> Self {
        let faults: Vec<(Mono, Mono)> = record.history.faults.iter().filter_map(on).collect();
        let first = faults.iter().map(|(began, _)| began.0).min();
        let last = faults.iter().map(|(_, healed)| *healed).max();
        Self::merged(match when {
            When::Always => vec![(Mono(0), NO_END)],
            When::Before => vec![(Mono(0), first.map_or(NO_END, |first| Mono(first.saturating_sub(1))))],
            When::DuringFault => faults,
            When::After => {
                last.filter(|last| *last < NO_END).map(|last| (last, NO_END)).into_iter().collect()
            }
            When::Edge => faults
                .iter()
                .flat_map(|(began, healed)| [*began, *healed])
                .filter(|at| *at < NO_END)
                .map(|at| (Mono(at.0.saturating_sub(EDGE)), Mono(at.0.saturating_add(EDGE))))
                .collect(),
        })
    }

    fn merged(mut spans: Vec<(Mono, Mono)>) -> Self {
        spans.sort_unstable();
        let mut merged: Vec<(Mono, Mono)> = Vec::with_capacity(spans.len());
        for (from, to) in spans {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        Self(merged)
    }

    /// Whether an instant lies in one of them.
    #[must_use]
    pub fn contain(&self, at: Mono) -> bool {
        let after = self.0.partition_point(|(from, _)| *from <= at);
        after.checked_sub(1).is_some_and(|before| at <= self.0[before].1)
    }

    /// Their length between two instants, nanoseconds.
    #[must_use]
    pub fn nanos_within(&self, from: Mono, to: Mono) -> u64 {
        self.0.iter().map(|span| span.1.min(to).0.saturating_sub(span.0.max(from).0)).sum()
    }
}

fn on(fault: &FaultRecord) -> Option<(Mono, Mono)> {
    let began = fault.began?;
    let stays = if fault.verb.lasting() { began } else { NO_END };
    Some((began, fault.healed.unwrap_or(stays)))
}

/// How a part of a run is called in a sentence.
#[must_use]
pub const fn called(when: When) -> &'static str {
    match when {
        When::Always => "",
        When::Before => " before the first fault",
        When::DuringFault => " while a fault was on",
        When::After => " after the last heal",
        When::Edge => " around injections and heals",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(spans: &[(u64, u64)]) -> Spans {
        Spans::merged(spans.iter().map(|(from, to)| (Mono(*from), Mono(*to))).collect())
    }

    #[test]
    fn spans_that_overlap_are_one_and_both_ends_belong_to_them() {
        let seen = spans(&[(10, 20), (1, 3), (20, 25), (12, 14)]);
        assert_eq!(seen, spans(&[(1, 3), (10, 25)]));
        let inside: Vec<u64> = (0..28).filter(|at| seen.contain(Mono(*at))).collect();
        assert_eq!(inside, [1, 2, 3].into_iter().chain(10..=25).collect::<Vec<_>>());
        assert_eq!(seen.nanos_within(Mono(0), Mono(100)), 17);
        assert_eq!(seen.nanos_within(Mono(2), Mono(12)), 3);
        assert_eq!(seen.nanos_within(Mono(30), Mono(40)), 0);
    }
}
