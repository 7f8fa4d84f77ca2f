//! The judge: a recorded run → a verdict with evidence. Pure, so a stored run is judged the same next year.
//!
//! Theory: a checker looks at one claim and says *pass*, *unknown* or *fail*; the worst of all wins, and
//! *unknown* never counts as pass. A checker whose assumptions do not hold (nothing was written, a node
//! was not read, the journal is cut) says *unknown* instead of guessing. Before all of them the record itself is
//! judged ([`whole`]): one with a hole accuses no lab. One file a checker; the checker, the expectation and the name
//! in the report are one word. What checkers measure, the report shows: [`Measured`] holds it once for both.
//!
//! Invariants: no checker needs a living lab; a checker that panics is *unknown*, never a lost report;
//! an expectation nobody can judge is *unknown*, never skipped.

pub mod alarm;
pub mod answering;
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
mod measured;
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

pub use measured::Measured;
pub use record::{Check, EndsSeen, Finding, Judgement, RunRecord};

use crate::model::scenario::{self, VerdictWord, Workload};

/// A checker: one claim about a recorded run, and what was measured of it.
type Checker = fn(&Measured<'_>) -> Finding;

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
    ("load-ran", Judges::Every, |run| load_ran::check(run.record)),
    ("receipts", Judges::Every, |run| receipts::check(run.record)),
    ("lost-acks", Judges::Every, |run| lost_acks::check(run.record, run.losses())),
    ("unexpected", Judges::Every, |run| unexpected::check(run.record)),
    ("one-writer", Judges::Every, |run| one_writer::check(run.writers())),
    ("isolation", Judges::With(Workload::Append), |run| isolation::check(run.record)),
    ("bank-total", Judges::With(Workload::Bank), |run| bank_total::check(run.record)),
    ("register", Judges::With(Workload::Register), |run| register::check(run.record)),
    ("stale-reads", Judges::With(Workload::Freshness), |run| {
        stale_reads::check(run.record, run.heartbeats())
    }),
    ("lag", Judges::Asked, |run| lag::check(run.record)),
    ("outage", Judges::Every, |run| outage::check(run.record, run.outages())),
    ("stuck", Judges::Every, |run| stuck::check(run.record)),
    ("redundancy", Judges::Asked, |run| redundancy::check(run.record, run.redundancy())),
    ("converged", Judges::Every, |run| converged::check(run.record, run.convergence())),
    ("controller", Judges::Asked, |run| controller::check(run.record)),
    ("alarm", Judges::Asked, |run| alarm::check(run.record, run.alarms())),
    ("failovers", Judges::Asked, |run| failovers::check(run.record)),
    ("replaced", Judges::Asked, |run| replaced::check(run.record)),
    ("restarts", Judges::Asked, |run| restarts::check(run.record)),
    ("scaled", Judges::Asked, |run| scaled::check(run.record, run.limits())),
    ("latency", Judges::Asked, |run| latency::check(run.record)),
    ("throughput", Judges::Asked, |run| throughput::check(run.record)),
    ("errors", Judges::Every, |run| errors::check(run.record)),
    ("placement", Judges::Every, |run| placement::check(run.record)),
    ("log", Judges::Every, |run| log::check(run.record)),
    ("secrets", Judges::Every, |run| secrets::check(run.record)),
    ("audit", Judges::Every, |run| audit::check(run.record)),
];

/// Judges a run by every checker and sums up.
#[must_use]
pub fn judge(record: &RunRecord) -> Judgement {
    judge_measured(&Measured::of(record))
}

/// The same, leaving what was measured to whoever reports it.
#[must_use]
pub fn judge_measured(run: &Measured<'_>) -> Judgement {
    let record = run.record;
    let holes = whole::holes(record);
    let judged = CHECKERS
        .iter()
        .filter(|(name, judges, _)| asked(record, name) || applies(record, *judges))
        .map(|(name, _, checker)| (*name, whole::temper(guarded(|| checker(run)), &holes)));
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
