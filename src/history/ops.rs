//! Operations as they are kept: a run has millions, so each is one row of fixed size. What many say alike (who
//! answered, errors) is kept once, and what varies in length (steps, lists, balances) stands in columns beside
//! the rows. [`Op`] reads a row together with what it points to.
//!
//! Invariant: a list that begins as another one of the same key is kept as a part of it. In a sound history every
//! read of a list is the beginning of the longest, so lists cost what the longest ones do.

use std::collections::{HashMap, HashSet};
use std::ops::Deref;

use super::columns::{Columns, KeptStep, part};
use super::event::Error;
use super::problem::Class;
use super::said::{Moves, OpQuestion, OpReply, ReadsShown};
use crate::model::{Lsn, MemberId, Mono};

/// Numbers up to so many times as many as there are operations are taken for dense.
const DENSE: usize = 8;

/// All operations of a run, in the order of their invocation.
#[derive(Clone, Debug, Default)]
pub struct Ops {
    pub(super) rows: Vec<OpRow>,
    pub(super) columns: Columns,
}

/// The row of one operation.
#[derive(Clone, Debug)]
pub struct OpRow {
    /// Number of its load in the scenario.
    pub load: u32,
    /// Number of its worker within the load.
    pub worker: u32,
    /// Its number within the load; for `set` also its row.
    pub op: u64,
    /// Client, where the journal says it: one number from the beginning of its load to the end.
    pub client: Option<u32>,
    /// When it was meant to start.
    pub intended: Mono,
    /// When it was handed to the worker.
    pub invoked: Mono,
    /// When it ended, if it did.
    pub done: Option<Mono>,
    pub(super) asked: Sought,
    pub(super) answered: ToldAt,
    pub(super) end: OpEnd,
    pub(super) lo: u64,
    pub(super) hi: u64,
    /// Whether `lo` and `hi` are known.
    pub(super) placed: (bool, bool),
}

/// How an operation ended; the number is that of its source or of its error.
#[derive(Clone, Copy, Debug)]
pub(super) enum OpEnd {
    Never,
    Ok(u32),
    OkLocal(u32),
    Fail(u32),
    Info(u32),
}

/// What was asked for, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sought {
    Nothing,
    /// Whether the question brought lists of its own, which nothing writes.
    Txn {
        from: usize,
        number: u32,
        odd: bool,
    },
    Register(usize),
    Transfer(usize),
    Read,
}

/// What was answered, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum ToldAt {
    Nothing,
    /// The steps that were asked for; their reads have lists now.
    Steps,
    Txn(usize, u32),
    Value(i64),
    NoValue,
    Swapped(bool),
    Balances(usize, u32),
    Beat(u64),
    NoBeat,
}

/// One operation, as a row and what it points to.
#[derive(Clone, Copy, Debug)]
pub struct Op<'a> {
    row: &'a OpRow,
    columns: &'a Columns,
}

impl Deref for Op<'_> {
    type Target = OpRow;
    fn deref(&self) -> &OpRow {
        self.row
    }
}

/// What came with an acknowledgement, as [`Ack`](super::event::Ack) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked<'a> {
    /// The member that acknowledged.
    pub n: Option<&'a MemberId>,
    /// Timeline on which it was acknowledged.
    pub tl: Option<u32>,
    /// System identifier of the instance that acknowledged.
    pub sys: Option<&'a str>,
    /// The commit record is not before it.
    pub lo: Option<Lsn>,
    /// The commit record is not behind it.
    pub hi: Option<Lsn>,
}

impl Ops {
    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Each, in the order of invocation.
    #[must_use]
    pub fn iter(&self) -> Each<'_> {
        Each { rows: self.rows.iter(), columns: &self.columns }
    }

    /// The one at a place in that order.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<Op<'_>> {
        self.rows.get(at).map(|row| Op { row, columns: &self.columns })
    }

    /// The places of those that are picked.
    #[must_use]
    pub fn places(&self, pick: impl Fn(Op<'_>) -> bool) -> Vec<u32> {
        (0_u32..).zip(self.iter()).filter(|(_, op)| pick(*op)).map(|(at, _)| at).collect()
    }

    /// Operations at these places, in their order.
    pub fn of<'a>(&'a self, places: &'a [u32]) -> impl DoubleEndedIterator<Item = Op<'a>> + Clone {
        places.iter().filter_map(|at| self.get(usize::try_from(*at).ok()?))
    }

    /// The one that was invoked first.
    #[must_use]
    pub fn first(&self) -> Option<Op<'_>> {
        self.get(0)
    }

    /// The one that was invoked last.
    #[must_use]
    pub fn last(&self) -> Option<Op<'_>> {
        self.len().checked_sub(1).and_then(|last| self.get(last))
    }
}

/// Operations, one after the other.
#[derive(Clone, Debug)]
pub struct Each<'a> {
    rows: std::slice::Iter<'a, OpRow>,
    columns: &'a Columns,
}

impl<'a> Iterator for Each<'a> {
    type Item = Op<'a>;
    fn next(&mut self) -> Option<Op<'a>> {
        self.rows.next().map(|row| Op { row, columns: self.columns })
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rows.size_hint()
    }
}

impl DoubleEndedIterator for Each<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rows.next_back().map(|row| Op { row, columns: self.columns })
    }
}

impl ExactSizeIterator for Each<'_> {}

impl<'a> IntoIterator for &'a Ops {
    type Item = Op<'a>;
    type IntoIter = Each<'a>;
    fn into_iter(self) -> Each<'a> {
        self.iter()
    }
}

impl Ops {
    /// Puts rows in the order of their invocation.
    pub(super) fn sort(&mut self) {
        self.rows.sort_by_key(|row| (row.invoked, row.load, row.op));
    }

    /// Rows whose load and number an earlier row has.
    pub(super) fn twice(&self) -> Vec<usize> {
        // numbers are dense within a load, so a bit for each is enough; others are remembered one by one
        let dense = self.rows.len().saturating_mul(DENSE);
        let mut seen: HashMap<u32, Vec<u64>> = HashMap::new();
        let mut others: HashSet<(u32, u64)> = HashSet::new();
        let is_new = |row: &OpRow| match usize::try_from(row.op).ok().filter(|op| *op < dense) {
            None => others.insert((row.load, row.op)),
            Some(op) => {
                let bits = seen.entry(row.load).or_default();
                if bits.len() <= op / 64 {
                    bits.resize(op / 64 + 1, 0);
                }
                let (word, bit) = (&mut bits[op / 64], 1 << (op % 64));
                let new = *word & bit == 0;
                *word |= bit;
                new
            }
        };
        let mut is_new = is_new;
        (0..self.rows.len()).filter(|at| !is_new(&self.rows[*at])).collect()
    }
}

impl<'a> Op<'a> {
    /// What is known of its end.
    #[must_use]
    pub const fn class(self) -> Class {
        match self.row.end {
            OpEnd::Ok(_) => Class::Ok,
            OpEnd::OkLocal(_) => Class::OkLocal,
            OpEnd::Fail(_) => Class::Fail,
            OpEnd::Info(_) | OpEnd::Never => Class::Info,
        }
    }

    /// Its acknowledgement with its instant, when it has one (also an `ok-local` one).
    #[must_use]
    pub fn ack(self) -> Option<(Mono, Acked<'a>)> {
        let (OpEnd::Ok(source) | OpEnd::OkLocal(source), Some(done)) = (self.row.end, self.row.done) else {
            return None;
        };
        let source = self.columns.sources.get(usize::try_from(source).ok()?)?;
        let acked = Acked {
            n: source.n.as_ref(),
            tl: source.tl,
            sys: source.sys.as_deref(),
            lo: self.row.placed.0.then_some(Lsn(self.row.lo)),
            hi: self.row.placed.1.then_some(Lsn(self.row.hi)),
        };
        Some((done, acked))
    }

    /// When it was acknowledged, if it was.
    #[must_use]
    pub const fn acked(self) -> Option<Mono> {
        match self.row.end {
            OpEnd::Ok(_) | OpEnd::OkLocal(_) => self.row.done,
            OpEnd::Fail(_) | OpEnd::Info(_) | OpEnd::Never => None,
        }
    }

    /// Why it was not acknowledged, when its end says so.
    #[must_use]
    pub fn error(self) -> Option<&'a Error> {
        match self.row.end {
            OpEnd::Fail(error) | OpEnd::Info(error) => self.columns.errors.get(usize::try_from(error).ok()?),
            OpEnd::Ok(_) | OpEnd::OkLocal(_) | OpEnd::Never => None,
        }
    }

    /// What it asked for, where its number does not say it.
    #[must_use]
    pub fn asked(self) -> Option<OpQuestion<'a>> {
        let columns = self.columns;
        match self.row.asked {
            Sought::Nothing => None,
            Sought::Txn { from, number, odd } => {
                let reads = if odd { ReadsShown::Answered } else { ReadsShown::Asked };
                Some(OpQuestion::Txn(self.steps(from, number, reads)))
            }
            Sought::Register(at) => columns.registers.get(at).map(|op| OpQuestion::Register(*op)),
            Sought::Transfer(at) => {
                columns.transfers.get(at).map(|&(from, to, amount)| OpQuestion::Transfer { from, to, amount })
            }
            Sought::Read => Some(OpQuestion::Read),
        }
    }

    /// What it was answered beyond "done".
    #[must_use]
    pub fn answer(self) -> Option<OpReply<'a>> {
        self.acked()?;
        match (self.row.answered, self.row.asked) {
            (ToldAt::Steps, Sought::Txn { from, number, .. }) | (ToldAt::Txn(from, number), _) => {
                Some(OpReply::Txn(self.steps(from, number, ReadsShown::Answered)))
            }
            (ToldAt::Nothing | ToldAt::Steps, _) => None,
            (ToldAt::Value(value), _) => Some(OpReply::Value(Some(value))),
            (ToldAt::NoValue, _) => Some(OpReply::Value(None)),
            (ToldAt::Swapped(swapped), _) => Some(OpReply::Swapped(swapped)),
            (ToldAt::Balances(from, number), _) => {
                Some(OpReply::Balances(part(&self.columns.balances, from, number)))
            }
            (ToldAt::Beat(beat), _) => Some(OpReply::Heartbeat(Some(beat))),
            (ToldAt::NoBeat, _) => Some(OpReply::Heartbeat(None)),
        }
    }

    fn steps(self, from: usize, number: u32, reads: ReadsShown) -> Moves<'a> {
        Moves::kept(self.columns, from, number, reads)
    }

    /// The marks it leaves behind when it commits, as final reads list them: the elements it
    /// appends, nothing for a read, else its own number.
    pub fn marks(self) -> impl Iterator<Item = u64> + Clone + use<'a> {
        let own = matches!(self.row.asked, Sought::Nothing | Sought::Transfer(_)).then_some(self.row.op);
        let steps = match self.row.asked {
            Sought::Txn { from, number, .. } => part(&self.columns.steps, from, number),
            _ => &[],
        };
        let appended = steps.iter().filter_map(|step| match step {
            KeptStep::Append(_, element) => Some(*element),
            KeptStep::Ask(_) | KeptStep::Read { .. } => None,
        });
        own.into_iter().chain(appended)
    }

    /// Whether it leaves any mark.
    #[must_use]
    pub fn leaves_marks(self) -> bool {
        self.marks().next().is_some()
    }
}
