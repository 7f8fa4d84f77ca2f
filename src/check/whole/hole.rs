//! Something that keeps a record from being whole, and how its rules call what they find.

use crate::check::record::RunRecord;
use crate::model::Name;
use crate::spec::scenario::step_id;

/// The edition from which on writers sign how much they wrote, and say which run they are about.
pub const SIGNED: u32 = 2;

/// Something that keeps a record from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// What is missing or strange, as one sentence.
    pub says: String,
    /// Whether something is absent, or something is there that cannot be.
    pub kind: HoleKind,
}

/// What a hole may explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HoleKind {
    /// Something is not there. It explains what rests on absence: a row that nobody wrote, a deed that no fault
    /// explains, a lab that never became whole.
    Absent,
    /// What is there cannot be so, or is about something else. It explains anything.
    Strange,
}

impl Hole {
    /// Something is not there.
    pub(super) fn absent(says: impl Into<String>) -> Self {
        Self { says: says.into(), kind: HoleKind::Absent }
    }

    /// What is there cannot be so.
    pub(super) fn strange(says: impl Into<String>) -> Self {
        Self { says: says.into(), kind: HoleKind::Strange }
    }

    /// Whether a finding may come of it; a `firm` one rests on nothing that is absent.
    #[must_use]
    pub const fn explains(&self, firm: bool) -> bool {
        matches!(self.kind, HoleKind::Strange) || !firm
    }
}

/// How a load is called in a sentence.
pub(super) fn load_name(record: &RunRecord, number: u32) -> String {
    let load = usize::try_from(number).ok().and_then(|number| record.scenario.loads.get(number));
    load.map_or_else(|| number.to_string(), |load| format!("`{}`", load.name))
}

/// Whether a fault is a step of the scenario, or one of its turns.
#[must_use]
pub fn is_of_step(record: &RunRecord, fault: &Name, step: &Name) -> bool {
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
