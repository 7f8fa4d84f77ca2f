//! What operations asked for and were answered, read from where it is kept.

use super::columns::{Columns, KeptStep, part};
use super::event::{Mop, RegisterOp};

/// What an operation asked for, as [`Asked`](super::event::Asked) says.
#[derive(Clone, Debug)]
pub enum OpQuestion<'a> {
    /// A list-append transaction; its reads without lists.
    Txn(Moves<'a>),
    /// A read, write or compare-and-set of one key.
    Register(RegisterOp),
    /// A transfer between two accounts.
    Transfer {
        /// From this account.
        from: u32,
        /// The account that gains.
        to: u32,
        /// How much is moved.
        amount: i64,
    },
    /// A read: all balances of the bank, or the newest heartbeat.
    Read,
}

/// What an operation was answered, as [`Answer`](super::event::Answer) says.
#[derive(Clone, Debug)]
pub enum OpReply<'a> {
    /// The transaction with what its reads returned.
    Txn(Moves<'a>),
    /// The register's value; `None`: never written.
    Value(Option<i64>),
    /// Whether a compare-and-set found what it expected.
    Swapped(bool),
    /// Every account's balance, by account.
    Balances(&'a [i64]),
    /// The newest heartbeat seen.
    Heartbeat(Option<u64>),
}

/// One step of a list-append transaction, as [`Mop`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move<'a> {
    /// Append this element to the list of this key.
    Append(u64, u64),
    /// Read the list of this key; the list is what came back.
    Read(u64, Option<&'a [u64]>),
}

/// The steps of a transaction, in order.
#[derive(Clone, Copy, Debug)]
pub struct Moves<'a>(Steps<'a>);

/// What is shown of the reads of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReadsShown {
    /// Which lists were asked for, alone.
    Asked,
    /// What each of them was, too.
    Answered,
}

#[derive(Clone, Copy, Debug)]
enum Steps<'a> {
    Plain(&'a [Mop]),
    Kept { columns: &'a Columns, from: usize, number: u32, reads: ReadsShown },
}

impl<'a> From<&'a [Mop]> for Moves<'a> {
    fn from(steps: &'a [Mop]) -> Self {
        Self(Steps::Plain(steps))
    }
}

impl<'a> Moves<'a> {
    /// Steps that stand in a column.
    pub(super) const fn kept(columns: &'a Columns, from: usize, number: u32, reads: ReadsShown) -> Self {
        Self(Steps::Kept { columns, from, number, reads })
    }

    /// The steps, in order.
    pub fn iter(self) -> impl Iterator<Item = Move<'a>> + Clone {
        (0..self.len()).filter_map(move |at| self.get(at))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        match self.0 {
            Steps::Plain(steps) => steps.len(),
            Steps::Kept { number, .. } => number as usize,
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The step at a place, from 0.
    #[must_use]
    pub fn get(self, at: usize) -> Option<Move<'a>> {
        match self.0 {
            Steps::Plain(steps) => steps.get(at).map(|step| match step {
                Mop::Append(key, element) => Move::Append(*key, *element),
                Mop::Read(key, list) => Move::Read(*key, list.as_deref()),
            }),
            Steps::Kept { columns, from, number, reads } => {
                part(&columns.steps, from, number).get(at).map(|step| match *step {
                    KeptStep::Append(key, element) => Move::Append(key, element),
                    KeptStep::Read { key, from, number } if reads == ReadsShown::Answered => {
                        Move::Read(key, Some(part(&columns.lists, from, number)))
                    }
                    KeptStep::Ask(key) | KeptStep::Read { key, .. } => Move::Read(key, None),
                })
            }
        }
    }
}
