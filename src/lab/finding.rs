//! What `doctor` says of one thing that it looked at.

use serde::Serialize;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DoctorFinding {
    /// What was looked at, in a few words.
    pub what: &'static str,
    /// Good, missing but only some things need it, or nothing works without it.
    pub grade: Grade,
    /// What was seen.
    pub seen: String,
    /// What its absence switches off, or what helps.
    pub note: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// There.
    Good,
    /// Not there; something is switched off.
    Less,
    /// Not there; nothing works.
    Bad,
}

/// A finding, from its parts.
pub(super) fn finding(
    what: &'static str,
    grade: Grade,
    seen: impl Into<String>,
    note: impl Into<String>,
) -> DoctorFinding {
    DoctorFinding { what, grade, seen: seen.into(), note: note.into() }
}
