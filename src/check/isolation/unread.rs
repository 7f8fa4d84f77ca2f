//! Appends that were sent and that no read shows: if they happened, they stand behind everything that was
//! read of their list, in an order nobody knows. Linear in them and in the reads.
//!
//! So whoever appended the last element that was read comes before each of them (*ww*), and whoever read the
//! whole list did not see any of them (*rw*). Those edges go through a chain of vertices of its own, not
//! from each to each; two chains, one down and one up, so that a transaction reaches every other one and
//! never itself. One nobody saw anything of has no edge that leads on, so that it may not have happened
//! does no harm.

use std::collections::HashSet;

use super::observe::{ElementWriters, IsolationAnomaly, Kind, ListOrder, Txn};
use crate::history::{Class, Move};
use crate::model::scenario::Isolation;

/// The chains, by the place of their list.
pub(super) struct Unread {
    lists: Vec<Chain>,
    vertices: u32,
}

struct Chain {
    key: u64,
    /// Whose appends they are, ascending.
    txns: Vec<u32>,
    /// First vertex: the chain down, then the chain up.
    first: u32,
}

impl Unread {
    /// Of all lists somebody read; vertices are numbered from that of the last transaction on.
    pub(super) fn of(txns: &[Txn<'_>], writers: &ElementWriters, order: &ListOrder<'_>) -> Self {
        let mut lists: Vec<Chain> =
            order.lists().map(|(key, _)| Chain { key, txns: Vec::new(), first: 0 }).collect();
        let read = ShownAppends::of(writers, order);
        let mut place = 0;
        for (index, txn) in (0..).zip(txns) {
            for step in txn.steps.iter() {
                let Move::Append(key, element) = step else { continue };
                let own = place;
                place += 1;
                if txn.class != Class::Fail
                    && let Some(chain) = order.place(key).and_then(|at| lists.get_mut(at))
                    && !read.contains(own, key, element)
                    && chain.txns.last() != Some(&index)
                {
                    chain.txns.push(index);
                }
            }
        }
        let mut vertices = length(txns);
        for chain in &mut lists {
            chain.first = vertices;
            vertices += 2 * length(&chain.txns);
        }
        Self { lists, vertices }
    }

    /// How many vertices there are, those of the transactions included.
    pub(super) const fn vertices(&self) -> u32 {
        self.vertices
    }

    /// The edges of the chains themselves.
    pub(super) fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.lists.iter().flat_map(|chain| {
            let number = length(&chain.txns);
            let (down, up) = (chain.first, chain.first + number);
            (0..number).zip(&chain.txns).flat_map(move |(at, txn)| {
                let further_down = at.checked_sub(1).map(|next| (down + at, down + next));
                let further_up = (at + 1 < number).then_some((up + at, up + at + 1));
                [Some((down + at, *txn)), Some((up + at, *txn)), further_down, further_up]
                    .into_iter()
                    .flatten()
            })
        })
    }

    /// Where a transaction that comes before all unread appends to a list, but for its own, enters.
    pub(super) fn entered(&self, list: Option<usize>, by: u32) -> impl Iterator<Item = u32> {
        let chain = list.and_then(|list| self.lists.get(list)).filter(|chain| !chain.txns.is_empty());
        chain.into_iter().flat_map(move |chain| {
            let number = length(&chain.txns);
            let (down, up) = (chain.first, chain.first + number);
            let own = chain.txns.binary_search(&by).ok().and_then(|own| u32::try_from(own).ok());
            let (below, above) = match own {
                None => (Some(number - 1), None),
                Some(own) => (own.checked_sub(1), (own + 1 < number).then_some(own + 1)),
            };
            [below.map(|at| down + at), above.map(|at| up + at)].into_iter().flatten()
        })
    }

    /// Two that read a whole list and appended to it: whichever came second did not see the first. From
    /// *repeatable read* on the second one must not commit; no circle shows it, since their order is unknown.
    pub(super) fn lost_updates(
        &self,
        txns: &[Txn<'_>],
        order: &ListOrder<'_>,
        level: Isolation,
    ) -> impl Iterator<Item = IsolationAnomaly> {
        let asked = level != Isolation::ReadCommitted;
        self.lists.iter().filter(move |_| asked).filter_map(|chain| {
            let key = chain.key;
            let whole = order.of_key(key).len();
            let read_it = |txn: &&Txn<'_>| txn.lists().any(|(of, list)| of == key && list.len() == whole);
            let mut both = chain.txns.iter().map(|txn| &txns[*txn as usize]).filter(read_it);
            let (one, other) = (both.next()?, both.next()?);
            Some(IsolationAnomaly {
                kind: Kind::GSingle,
                transactions: vec![(one.load, one.op), (other.load, other.op)],
                says: format!("{} and {} both appended to the same state of list {key}", one.op, other.op),
            })
        })
    }
}

/// Which appends a read shows.
enum ShownAppends {
    /// By their places.
    Places(Vec<bool>),
    /// By list and element, where an element was appended twice.
    Elements(HashSet<(u64, u64)>),
}

impl ShownAppends {
    fn of(writers: &ElementWriters, order: &ListOrder<'_>) -> Self {
        let elements = order.lists().flat_map(|(key, list)| list.iter().map(move |element| (key, *element)));
        if !writers.distinct() {
            return Self::Elements(elements.collect());
        }
        let mut read = vec![false; writers.len()];
        for place in elements.filter_map(|(key, element)| writers.place(key, element)) {
            if let Some(read) = read.get_mut(place) {
                *read = true;
            }
        }
        Self::Places(read)
    }

    fn contains(&self, place: usize, key: u64, element: u64) -> bool {
        match self {
            Self::Places(read) => read.get(place) == Some(&true),
            Self::Elements(read) => read.contains(&(key, element)),
        }
    }
}

fn length<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}
