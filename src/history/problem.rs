//! What a journal says of itself: its writers, its search for passwords, classes of ends, and what does not fit.

use serde::{Deserialize, Serialize};

use super::event::Signed;
use crate::model::{Mono, Name};

/// A search of everything that was written for the lab's passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordSearch {
    /// When it happened, on the machine's monotonic clock.
    pub at: Mono,
    /// How many files were searched.
    pub files: u32,
    /// Where a password stands, as `file:line`.
    pub found: Vec<String>,
}

/// What is known of the end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Acknowledged.
    Ok,
    /// Acknowledged by the primary alone.
    OkLocal,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows, or it never ended.
    Info,
}

/// A program that writes events, from its beginning to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalWriter {
    /// `runner`, `client`, `witness` or `final-reads`.
    pub name: String,
    /// Which boot its clock belongs to.
    pub boot_id: String,
    /// The run it is about, where its edition says so.
    pub run: Option<String>,
    /// When it began.
    pub began: Mono,
    /// When it ended in order; `None`: it was cut off.
    pub ended: Option<Mono>,
    /// How much it wrote, where its edition says so.
    pub signed: Option<Box<Signed>>,
}

/// Something that cannot be in a sound journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum JournalProblem {
    /// An end without a beginning.
    #[error("operation {op} of load {load} ended without having been invoked")]
    NeverInvoked {
        /// Number of the load in the scenario.
        load: u32,
        /// Number of the operation in its load.
        op: u64,
    },
    /// An operation began twice.
    #[error("operation {op} of load {load} was invoked twice")]
    InvokedTwice {
        /// Number of the load in the scenario.
        load: u32,
        /// Number of the operation in its load.
        op: u64,
    },
    /// An operation ended twice.
    #[error("operation {op} of load {load} ended twice")]
    EndedTwice {
        /// Number of the load in the scenario.
        load: u32,
        /// Number of the operation in its load.
        op: u64,
    },
    /// An end before the beginning.
    #[error("operation {op} of load {load} ended before it was invoked")]
    EndedEarly {
        /// Number of the load in the scenario.
        load: u32,
        /// Number of the operation in its load.
        op: u64,
    },
    /// A fault whose later line takes back what an earlier one said.
    #[error("fault `{fault}` was told twice, and not the same")]
    ToldTwice {
        /// The id of its step.
        fault: Name,
    },
    /// The end of a journal nobody began.
    #[error("writer `{writer}` ended a journal it never began")]
    NoJournal {
        /// Which program that was.
        writer: String,
    },
}
