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

mod names;
mod order;
mod others;
mod signed;
mod twice;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::record::{Finding, Record};
use crate::history::Problem;
use crate::model::Name;
use crate::model::scenario::VerdictWord;
use crate::spec::scenario::step_id;

/// The edition from which on writers sign how much they wrote, and say which run they are about.
pub const SIGNED: u32 = 2;

/// Something that keeps a record from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// One sentence.
    pub says: String,
    /// What kind it is.
    pub kind: Kind,
}

/// What a hole may explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something is not there. It explains what rests on absence: a row that nobody wrote, a deed that no fault
    /// explains, a lab that never became whole.
    Absent,
    /// What is there cannot be so, or is about something else. It explains anything.
    Strange,
}

impl Hole {
    /// Something is not there.
    fn absent(says: impl Into<String>) -> Self {
        Self { says: says.into(), kind: Kind::Absent }
    }

    /// What is there cannot be so.
    fn strange(says: impl Into<String>) -> Self {
        Self { says: says.into(), kind: Kind::Strange }
    }

    /// Whether a finding may come of it; a `firm` one rests on nothing that is absent.
    #[must_use]
    pub const fn explains(&self, firm: bool) -> bool {
        matches!(self.kind, Kind::Strange) || !firm
    }
}

/// Every hole of a record, what was torn or cut off first.
#[must_use]
pub fn holes(record: &Record) -> Vec<Hole> {
    // a record that breaks a rule so that the rule itself breaks is not whole
    catch_unwind(AssertUnwindSafe(|| find(record)))
        .unwrap_or_else(|_| vec![Hole::strange("the record broke the rules that it is held against")])
}

fn find(record: &Record) -> Vec<Hole> {
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
fn problems(record: &Record) -> Option<Hole> {
    let problems = &record.history.problems;
    let first = problems.first()?;
    let says = format!("{first} ({} such problems)", problems.len());
    let absent =
        |problem: &Problem| matches!(problem, Problem::NeverInvoked { .. } | Problem::NoJournal { .. });
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

/// How a load is called in a sentence.
fn load_name(record: &Record, number: u32) -> String {
    let load = usize::try_from(number).ok().and_then(|number| record.scenario.loads.get(number));
    load.map_or_else(|| number.to_string(), |load| format!("`{}`", load.name))
}

/// Whether a fault is a step of the scenario, or one of its turns.
#[must_use]
pub fn is_of_step(record: &Record, fault: &Name, step: &Name) -> bool {
    let turn_of = |step: &str| {
        fault.as_str().strip_prefix(step).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    // of two steps that it may be a turn of, it is one of that with the longer name
    let nearer = |(index, other): (usize, &crate::model::Step)| {
        let other = step_id(index, other);
        other.as_str().len() > step.as_str().len() && turn_of(other.as_str())
    };
    turn_of(step.as_str()) && !record.scenario.steps.iter().enumerate().any(nearer)
}
