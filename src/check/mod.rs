//! The judge: a recorded run → a verdict with evidence. Pure, so a stored run is judged the same next year.
//!
//! Theory: a checker looks at one claim and says *pass*, *unknown* or *fail*; the worst of all wins, and
//! *unknown* never counts as pass. A checker whose assumptions do not hold (nothing was written, a node
//! was not read, the journal is cut) says *unknown* instead of guessing. Before all of them the record itself is
//! judged ([`whole`]): one with a hole accuses no lab. One file a checker; the checker, the expectation and the name
//! in the report are one word.
//!
//! Invariants: no checker needs a living lab; a checker that panics is *unknown*, never a lost report;
//! an expectation nobody can judge is *unknown*, never skipped.

pub mod alarm;
pub mod audit;
pub mod bank_total;
pub mod brokered;
pub mod controller;
pub mod converged;
pub mod copies;
pub mod decided;
pub mod deeds;
pub mod errors;
pub mod failovers;
pub mod isolation;
pub mod journal;
pub mod lag;
pub mod latency;
pub mod load_ran;
pub mod log;
pub mod lost_acks;
pub mod one_writer;
pub mod outage;
pub mod placement;
pub mod receipts;
pub mod record;
pub mod redundancy;
pub mod register;
pub mod replaced;
pub mod restarts;
pub mod scaled;
pub mod secrets;
pub mod sizes;
pub mod stale_reads;
pub mod stuck;
pub mod throughput;
pub mod unexpected;
pub mod when;
pub mod whole;

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::json;

pub use record::{Check, EndsSeen, Finding, Judgement, RunRecord};

use crate::model::scenario::{self, VerdictWord, Workload};

/// A checker: one claim about a recorded run.
type Checker = fn(&RunRecord) -> Finding;

/// Which runs a checker judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judges {
    /// Every run, asked for or not: a house rule.
    Every,
    /// Runs with a load of this workload, asked for or not.
    With(Workload),
    /// Runs that ask for it.
    Asked,
}

/// Every checker with its name, in the order of the report; before them stands `journal`.
const CHECKERS: &[(&str, Judges, Checker)] = &[
    ("load-ran", Judges::Every, load_ran::check),
    ("receipts", Judges::Every, receipts::check),
    ("lost-acks", Judges::Every, lost_acks::check),
    ("unexpected", Judges::Every, unexpected::check),
    ("one-writer", Judges::Every, one_writer::check),
    ("isolation", Judges::With(Workload::Append), isolation::check),
    ("bank-total", Judges::With(Workload::Bank), bank_total::check),
    ("register", Judges::With(Workload::Register), register::check),
    ("stale-reads", Judges::With(Workload::Freshness), stale_reads::check),
    ("lag", Judges::Asked, lag::check),
    ("outage", Judges::Every, outage::check),
    ("stuck", Judges::Every, stuck::check),
    ("redundancy", Judges::Asked, redundancy::check),
    ("converged", Judges::Every, converged::check),
    ("controller", Judges::Asked, controller::check),
    ("alarm", Judges::Asked, alarm::check),
    ("failovers", Judges::Asked, failovers::check),
    ("replaced", Judges::Asked, replaced::check),
    ("restarts", Judges::Asked, restarts::check),
    ("scaled", Judges::Asked, scaled::check),
    ("latency", Judges::Asked, latency::check),
    ("throughput", Judges::Asked, throughput::check),
    ("errors", Judges::Every, errors::check),
    ("placement", Judges::Every, placement::check),
    ("log", Judges::Every, log::check),
    ("secrets", Judges::Every, secrets::check),
    ("audit", Judges::Every, audit::check),
];

/// Judges a run by every checker and sums up.
#[must_use]
pub fn judge(record: &RunRecord) -> Judgement {
    let holes = whole::holes(record);
    let judged = CHECKERS
        .iter()
        .filter(|(name, judges, _)| asked(record, name) || applies(record, *judges))
        .map(|(name, _, checker)| (*name, whole::temper(guarded(|| checker(record)), &holes)));
    let first = (journal::NAME, journal::check(record, &holes));
    let checks: Vec<Check> = std::iter::once(first)
        .chain(judged)
        .map(|(name, finding)| Check::new(name, asked(record, name), finding))
        .collect();
    sum_up(record, checks, holes.is_empty())
}

fn asked(record: &RunRecord, name: &str) -> bool {
    record.scenario.expects.iter().any(|expect| expect.name() == name)
}

fn applies(record: &RunRecord, judges: Judges) -> bool {
    match judges {
        Judges::Every => true,
        // a load that is only counted shows nothing but numbers
        Judges::With(workload) => {
            record.loads_of(workload).any(|(_, load)| load.record == scenario::Recording::Operations)
        }
        Judges::Asked => false,
    }
}

/// Runs a checker; one that panics has proved nothing.
fn guarded(checker: impl FnOnce() -> Finding) -> Finding {
    // a checker only reads the record and owns all else, so nothing half-changed can be seen afterwards
    catch_unwind(AssertUnwindSafe(checker)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        Finding::unknown("the checker itself broke on this run", json!({ "panic": text }))
    })
}

fn sum_up(record: &RunRecord, checks: Vec<Check>, whole: bool) -> Judgement {
    // no check at all proves nothing
    let verdict = checks.iter().map(|check| check.verdict).max().unwrap_or(VerdictWord::Unknown);
    let mut blamed: Vec<&Check> = checks.iter().filter(|check| check.verdict != VerdictWord::Pass).collect();
    blamed.sort_by_key(|check| std::cmp::Reverse(check.verdict));
    let reasons = blamed.iter().map(|check| format!("{}: {}", check.name, check.summary)).collect();
    let ends = record.scenario.ends.as_ref().map(|wanted| {
        let said =
            |name: &str| checks.iter().any(|check| check.name == name && check.verdict == wanted.verdict);
        // what was cut off may be what was wanted to be seen
        let said = wanted.check.as_ref().is_none_or(|name| said(name.as_str()));
        let met = whole && verdict == wanted.verdict && said;
        EndsSeen { verdict: wanted.verdict, check: wanted.check.clone(), met }
    });
    Judgement { verdict, checks, reasons, ends }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checker_that_panics_is_unknown() {
        let literal = guarded(|| panic!("broken"));
        assert_eq!((literal.verdict, &literal.evidence["panic"]), (VerdictWord::Unknown, &json!("broken")));
        let formatted = guarded(|| panic!("broken {}", 1));
        assert_eq!(formatted.evidence["panic"], json!("broken 1"));
    }

    #[test]
    fn every_expectation_has_a_checker() {
        let schema = crate::spec::schema::scenario_schema();
        let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
        for option in schema["definitions"]["Expect"]["oneOf"].as_array().expect("options") {
            let name = option["required"][0].as_str().expect("a name");
            assert!(CHECKERS.iter().any(|(known, ..)| *known == name), "no checker answers `{name}`");
        }
    }
}
