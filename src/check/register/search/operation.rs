//! Operations on a register as the search sees them, and what it answers.

use crate::model::Mono;

/// What an operation did to the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegisterDeed {
    /// It read this value; `None`: there was none.
    Read(Option<i64>),
    /// It wrote this value.
    Write(i64),
    /// Found the first and wrote the second.
    Swap(i64, i64),
    /// Expected this value and did not find it.
    Refuse(i64),
}

/// One operation on the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisterStep {
    /// Number of the operation in its load.
    pub op: u64,
    /// When it was sent, on the machine's monotonic clock.
    pub invoked: Mono,
    /// When it was acknowledged; `None`: nobody knows its end.
    pub done: Option<Mono>,
    /// What it did.
    pub deed: RegisterDeed,
}

/// What is known of the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KnownValue {
    /// Nothing yet: any one value.
    Anything,
    /// It is this one; `None`: never written.
    Is(Option<i64>),
}

/// Whether there is an order that explains every operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterAnswer {
    /// There is such an order.
    Yes,
    /// There is none; the operation at whose end the last possible world was gone.
    No(u64),
    /// More work than the budget allows.
    TooMuch(Short),
}

/// How far a search came that was given up, and what stood in its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// The operation at whose end the work was spent.
    pub op: u64,
    /// So many operations had ended by then …
    pub ended: usize,
    /// … of so many that end.
    pub ends: usize,
    /// Worlds that were possible there.
    pub worlds: usize,
    /// Writes of unknown end that were open there and may explain something.
    pub unknown: usize,
}

/// How one search through the history ended.
pub enum WalkEnded {
    /// At the end of the history.
    Through,
    /// Without a world at the end of this operation; whether none had been given up before.
    Nowhere(u64, bool),
    /// It ran out of the work it may do.
    Spent(Short),
}
