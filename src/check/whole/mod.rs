//! What a whole record is, and everything that keeps one from being it.
//!
//! Theory: a verdict says something about a lab only if the record of the run is whole. So the record is closed:
//!
//! - every writer signs its beginning and its end, and says how much it wrote (`signed`);
//! - instants stand in the order in which a run goes (`order`);
//! - what is named is in the scenario or in the lab, and the other way round (`names`);
//! - nothing is stated twice (`twice`);
//! - an answer is one to its question (`values`);
//! - sightings and the ledger of faults are of this run (`others`).
//!
//! What breaks this is a [`Hole`]. A record with a hole is *unknown*, and it accuses no lab: a finding that the hole
//! may explain is *unknown* as well ([`temper`]).
//!
//! Invariants: a rule rests on what writers guarantee by the way they are made, never on how fast they were. A run
//! older than what a rule rests on is judged without that rule (`Resolved::edition`).

mod hole;
mod names;
mod order;
mod others;
mod signed;
mod twice;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::record::{Finding, RunRecord};
use crate::history::JournalProblem;
use crate::model::scenario::VerdictWord;
pub use hole::{Hole, HoleKind, SIGNED, is_of_step};

/// Every hole of a record, what was torn or cut off first.
#[must_use]
pub fn holes(record: &RunRecord) -> Vec<Hole> {
    // a record that breaks a rule so that the rule itself breaks is not whole
    catch_unwind(AssertUnwindSafe(|| find(record)))
        .unwrap_or_else(|_| vec![Hole::strange("the record broke the rules that it is held against")])
}

fn find(record: &RunRecord) -> Vec<Hole> {
    let mut holes = signed::files(record);
    holes.extend(problems(record));
    holes.extend(signed::counts(record));
    holes.extend(twice::holes(record));
    holes.extend(order::holes(record));
    holes.extend(names::holes(record));
    holes.extend(others::holes(record));
    holes.extend(values::holes(record));
    holes
}

/// What did not pair.
fn problems(record: &RunRecord) -> Option<Hole> {
    let problems = &record.history.problems;
    let first = problems.first()?;
    let says = format!("{first} ({} such problems)", problems.len());
    let absent = |problem: &JournalProblem| {
        matches!(problem, JournalProblem::NeverInvoked { .. } | JournalProblem::NoJournal { .. })
    };
    Some(if problems.iter().all(absent) { Hole::absent(says) } else { Hole::strange(says) })
}

/// A finding as far as a record with these holes bears it: one that a hole may explain accuses no lab.
#[must_use]
pub fn temper(finding: Finding, holes: &[Hole]) -> Finding {
    if finding.verdict != VerdictWord::Fail {
        return finding;
    }
    match holes.iter().find(|hole| hole.explains(finding.firm)) {
        None => finding,
        Some(hole) => {
            let says =
                format!("{}; the record is not whole, which may explain it: {}", finding.summary, hole.says);
            Finding::unknown(says, finding.evidence)
        }
    }
}
