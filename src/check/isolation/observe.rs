//! What reads of lists show by themselves, and the order of elements they betray.
//!
//! Invariant: the order of a list is that of its longest read; every other read must be a prefix of it.

use std::collections::HashSet;

use serde::Serialize;

use super::index::Index;
use crate::history::{Class, Move, Moves};
use crate::model::scenario::Isolation;

/// One transaction of a list-append load, as it is on record.
#[derive(Clone, Copy, Debug)]
pub struct Txn<'a> {
    /// Number of its load in the scenario.
    pub load: u32,
    /// Number of the operation in its load.
    pub op: u64,
    /// What is known of its end.
    pub class: Class,
    /// Its steps; reads with what came back.
    pub steps: Moves<'a>,
    /// Whether its reads are held against the level.
    pub counted: bool,
}

impl<'a> Txn<'a> {
    fn ok(&self) -> bool {
        self.counted && matches!(self.class, Class::Ok | Class::OkLocal)
    }

    /// Whether it read a list.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.lists().next().is_some()
    }

    /// The lists it read, when they count: (key, elements).
    pub(super) fn lists(&self) -> impl Iterator<Item = (u64, &'a [u64])> + use<'a> {
        let ok = self.ok();
        self.steps.iter().filter(move |_| ok).filter_map(|step| match step {
            Move::Read(key, Some(list)) => Some((key, list)),
            _ => None,
        })
    }
}

/// What must not happen, as Adya and Elle name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Kind {
    /// An element nobody appended was read.
    #[serde(rename = "unwritten element")]
    Unwritten,
    /// An element is twice in one list.
    #[serde(rename = "duplicate element")]
    Duplicate,
    /// Two reads of a list of which neither is a prefix of the other.
    #[serde(rename = "incompatible order")]
    Incompatible,
    /// A transaction does not see its own past.
    #[serde(rename = "internal inconsistency")]
    Internal,
    /// An element of a transaction that did not commit was read.
    G1a,
    /// A state inside of another transaction was read.
    G1b,
    /// A circle of writes alone (Adya: G0).
    G0,
    /// Writes and reads in a circle.
    G1c,
    /// A circle with one anti-dependency.
    #[serde(rename = "G-single")]
    GSingle,
    /// A circle with several anti-dependencies, no two of them adjacent.
    #[serde(rename = "G-nonadjacent")]
    GNonadjacent,
    /// A circle with adjacent anti-dependencies: write skew.
    #[serde(rename = "G2-item")]
    G2Item,
    /// A read that ended before the transaction was sent whose write it shows.
    #[serde(rename = "future read")]
    Future,
}

impl Kind {
    /// Whether a write that is absent from the record may explain it: then the element has no writer.
    #[must_use]
    pub const fn rests_on_absence(self) -> bool {
        matches!(self, Self::Unwritten)
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unwritten => "unwritten element",
            Self::Duplicate => "duplicate element",
            Self::Incompatible => "incompatible order",
            Self::Internal => "internal inconsistency",
            Self::G1a => "G1a",
            Self::G1b => "G1b",
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::GSingle => "G-single",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2Item => "G2-item",
            Self::Future => "future read",
        }
    }
}

/// Something a level forbids, with the transactions it is seen in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IsolationAnomaly {
    /// The kind of anomaly.
    pub kind: Kind,
    /// (load, operation) of each, in the order of the circle where it is one.
    pub transactions: Vec<(u32, u64)>,
    /// What was seen, as one sentence.
    pub says: String,
}

/// So many keys of the last reads are looked through before another one is kept.
const READS_LOOKED_THROUGH: usize = 16;

/// Who appended an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct ElementWriter {
    /// Index of the transaction.
    pub(super) txn: u32,
    /// Whether it is the last one the transaction appended to that list.
    last: bool,
    /// To which list.
    key: u64,
}

/// Who appended what; of an element that was appended twice the last one.
pub(super) struct ElementWriters {
    appends: Vec<ElementWriter>,
    index: Index,
}

impl ElementWriters {
    pub(super) fn of(txns: &[Txn<'_>]) -> Self {
        let steps = || {
            (0..)
                .zip(txns)
                .flat_map(|(index, txn)| (0..).zip(txn.steps.iter()).map(move |at| (index, txn, at)))
        };
        let element = |(_, _, (_, step)): (u32, &Txn<'_>, (usize, Move<'_>))| match step {
            Move::Append(_, element) => Some(element),
            Move::Read(..) => None,
        };
        let writer = |(txn, of, (at, step)): (u32, &Txn<'_>, (usize, Move<'_>))| {
            let Move::Append(key, _) = step else { return None };
            let later = |step: Move<'_>| matches!(step, Move::Append(other, _) if other == key);
            let last = !of.steps.iter().skip(at + 1).any(later);
            Some(ElementWriter { txn, last, key })
        };
        Self { appends: steps().filter_map(writer).collect(), index: Index::of(steps().filter_map(element)) }
    }

    /// Who appended an element to this list.
    pub(super) fn get(&self, key: u64, element: u64) -> Option<ElementWriter> {
        self.place(key, element).and_then(|at| self.appends.get(at)).copied()
    }

    /// The place of the append of an element to this list, in the order of the transactions.
    pub(super) fn place(&self, key: u64, element: u64) -> Option<usize> {
        self.index.get(element).filter(|at| self.appends.get(*at).is_some_and(|writer| writer.key == key))
    }

    /// Whether no element was appended twice.
    pub(super) const fn distinct(&self) -> bool {
        self.index.distinct
    }

    pub(super) const fn len(&self) -> usize {
        self.appends.len()
    }
}

/// The longest read of each list that was read.
pub(super) struct ListOrder<'a> {
    lists: Vec<(u64, &'a [u64])>,
    index: Index,
}

impl<'a> ListOrder<'a> {
    pub(super) fn of(txns: &[Txn<'a>]) -> Self {
        let reads = || txns.iter().flat_map(Txn::lists);
        let mut keys: Vec<u64> = Vec::new();
        for (key, _) in reads() {
            // most keys are read many times in a row
            if keys.iter().rev().take(READS_LOOKED_THROUGH).all(|known| *known != key) {
                keys.push(key);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        let index = Index::of(keys.iter().copied());
        let mut lists: Vec<(u64, &[u64])> = keys.into_iter().map(|key| (key, [].as_slice())).collect();
        for (key, list) in reads() {
            if let Some((_, known)) = index.get(key).and_then(|at| lists.get_mut(at))
                && list.len() > known.len()
            {
                *known = list;
            }
        }
        Self { lists, index }
    }

    pub(super) fn of_key(&self, key: u64) -> &'a [u64] {
        self.place(key).and_then(|at| self.lists.get(at)).map_or(&[], |(_, list)| list)
    }

    /// The place of a list among all that were read.
    pub(super) fn place(&self, key: u64) -> Option<usize> {
        self.index.get(key)
    }

    /// Every list that was read, in the order of the keys.
    pub(super) fn lists(&self) -> impl Iterator<Item = (u64, &'a [u64])> + Clone {
        self.lists.iter().copied()
    }
}

/// What is wrong without looking at dependencies.
pub(super) fn directly(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    order: &ListOrder<'_>,
    level: Isolation,
) -> Vec<IsolationAnomaly> {
    let mut found = Vec::new();
    for (key, list) in order.lists() {
        lone(txns, writers, key, list, &mut found);
    }
    for (index, txn) in (0..).zip(txns).filter(|(_, txn)| txn.ok()) {
        let name = vec![(txn.load, txn.op)];
        for (key, list) in txn.lists() {
            if !order.of_key(key).starts_with(list) {
                let says = format!("a read of list {key} by {} is no prefix of the longest one", txn.op);
                found.push(IsolationAnomaly { kind: Kind::Incompatible, transactions: name.clone(), says });
                lone(txns, writers, key, list, &mut found);
            }
            let writer = list.last().and_then(|element| writers.get(key, *element));
            if let Some(writer) = writer.filter(|writer| writer.txn != index && !writer.last) {
                let other = &txns[writer.txn as usize];
                let says = format!("{} read list {key} as it was inside of {}", txn.op, other.op);
                let transactions = vec![(other.load, other.op), (txn.load, txn.op)];
                found.push(IsolationAnomaly { kind: Kind::G1b, transactions, says });
            }
        }
        if let Some(key) = forgets(txn.steps, level) {
            let says = format!("{} does not see its own past in list {key}", txn.op);
            found.push(IsolationAnomaly { kind: Kind::Internal, transactions: name, says });
        }
    }
    found
}

/// What is wrong with one list by itself.
fn lone(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    key: u64,
    list: &[u64],
    found: &mut Vec<IsolationAnomaly>,
) {
    let mut met = HashSet::new();
    // most lists stand in the order of their elements, and then none is twice
    let ascending = list.is_sorted_by(|one, next| one < next);
    for element in list {
        if !ascending && !met.insert(element) {
            let says = format!("element {element} is twice in list {key}");
            found.push(IsolationAnomaly { kind: Kind::Duplicate, transactions: Vec::new(), says });
        }
        match writers.get(key, *element) {
            None => {
                let says = format!("element {element} is in list {key} and nobody appended it");
                found.push(IsolationAnomaly { kind: Kind::Unwritten, transactions: Vec::new(), says });
            }
            Some(writer) if txns[writer.txn as usize].class == Class::Fail => {
                let other = &txns[writer.txn as usize];
                let says =
                    format!("element {element} of {}, which did not commit, is in list {key}", other.op);
                found.push(IsolationAnomaly {
                    kind: Kind::G1a,
                    transactions: vec![(other.load, other.op)],
                    says,
                });
            }
            Some(_) => {}
        }
    }
}

/// What a transaction knows of a list: (key, what it read, what it appended since).
type Past<'a> = (u64, Option<&'a [u64]>, Vec<u64>);

/// The list in which a transaction does not see what it itself did or saw before, if any.
///
/// What it appended stands at the end of the list: its row is locked. What it had read before is the rest,
/// unchanged, from *repeatable read* on; *read committed* may see more of others with every statement.
fn forgets(steps: Moves<'_>, level: Isolation) -> Option<u64> {
    // a transaction has few steps, so a search is short
    let mut known: Vec<Past<'_>> = Vec::new();
    for (at, step) in (0..).zip(steps.iter()) {
        let (Move::Append(key, _) | Move::Read(key, _)) = step;
        let others = steps.iter().skip(at + 1).chain(steps.iter().take(at));
        if !others.clone().any(|other| matches!(other, Move::Append(of, _) | Move::Read(of, _) if of == key))
        {
            // one step alone contradicts nothing
            continue;
        }
        // what it appends only later it cannot have read
        if let Move::Read(key, Some(list)) = step
            && steps
                .iter()
                .skip(at)
                .any(|later| matches!(later, Move::Append(to, own) if to == key && list.contains(&own)))
        {
            return Some(key);
        }
        let at = known.iter().position(|(known, ..)| *known == key).unwrap_or_else(|| {
            known.push((key, None, Vec::new()));
            known.len() - 1
        });
        let (_, before, own) = &mut known[at];
        match step {
            Move::Append(_, element) => own.push(element),
            Move::Read(_, None) => {}
            Move::Read(_, Some(list)) => {
                let Some(rest) = list.strip_suffix(own.as_slice()) else { return Some(key) };
                let snapshot = level != Isolation::ReadCommitted;
                if before.is_some_and(|before| snapshot && before != rest) {
                    return Some(key);
                }
                *before = Some(rest);
            }
        }
    }
    None
}
