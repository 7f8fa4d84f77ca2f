//! What rows of operations point to: who answered, errors, and everything that varies in length.

use std::ops::Range;

use super::event::{Error, RegisterOp};
use crate::model::MemberId;

/// What rows point to.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    pub(super) sources: Vec<AckSource>,
    pub(super) errors: Vec<Error>,
    pub(super) steps: Vec<KeptStep>,
    pub(super) lists: Vec<u64>,
    pub(super) registers: Vec<RegisterOp>,
    pub(super) transfers: Vec<(u32, u32, i64)>,
    pub(super) balances: Vec<i64>,
}

/// Who acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct AckSource {
    pub(super) n: Option<MemberId>,
    pub(super) tl: Option<u32>,
    pub(super) sys: Option<String>,
}

/// One step of a transaction.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeptStep {
    Append(u64, u64),
    Ask(u64),
    Read { key: u64, from: usize, number: u32 },
}

/// A part of a column.
pub(super) fn part<T>(column: &[T], from: usize, number: u32) -> &[T] {
    let range = range(from, number);
    column.get(range).unwrap_or_default()
}

fn range(from: usize, number: u32) -> Range<usize> {
    from..from.saturating_add(usize::try_from(number).unwrap_or(usize::MAX))
}
