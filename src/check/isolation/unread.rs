//! Appends that were sent and that no read shows: if they happened, they stand behind everything that was
//! read of their list, in an order nobody knows. Linear in them and in the reads.
//!
//! So whoever appended the last element that was read comes before each of them (*ww*), and whoever read the
//! whole list did not see any of them (*rw*). Those edges go through a chain of vertices of its own, not
//! from each to each; two chains, one down and one up, so that a transaction reaches every other one and
//! never itself. One nobody saw anything of has no edge that leads on, so that it may not have happened
//! does no harm.

use std::collections::{BTreeMap, HashSet};

use super::observe::{Anomaly, Kind, Order, Txn};
use crate::history::{Class, Mop};
use crate::model::scenario::Isolation;

/// The chains, by list.
pub(super) struct Unread {
    lists: BTreeMap<u64, Chain>,
    vertices: u32,
}

struct Chain {
    /// Whose appends they are, ascending.
    txns: Vec<u32>,
    /// First vertex: the chain down, then the chain up.
    first: u32,
}

impl Unread {
    /// Of all lists somebody read; vertices are numbered from that of the last transaction on.
    pub(super) fn of(txns: &[Txn<'_>], order: &Order<'_>) -> Self {
        let lists = order.lists();
        let read: HashSet<(u64, u64)> =
            lists.iter().flat_map(|(key, list)| list.iter().map(|element| (*key, *element))).collect();
        let mut chains: BTreeMap<u64, Chain> =
            lists.iter().map(|(key, _)| (*key, Chain { txns: Vec::new(), first: 0 })).collect();
        for (index, txn) in (0..).zip(txns).filter(|(_, txn)| txn.class != Class::Fail) {
            for step in txn.steps {
                if let Mop::Append(key, element) = step
                    && !read.contains(&(*key, *element))
                    && let Some(chain) = chains.get_mut(key)
                    && chain.txns.last() != Some(&index)
                {
                    chain.txns.push(index);
                }
            }
        }
        chains.retain(|_, chain| !chain.txns.is_empty());
        let mut vertices = length(txns);
        for chain in chains.values_mut() {
            chain.first = vertices;
            vertices += 2 * length(&chain.txns);
        }
        Self { lists: chains, vertices }
    }

    /// How many vertices there are, those of the transactions included.
    pub(super) const fn vertices(&self) -> u32 {
        self.vertices
    }

    /// The edges of the chains themselves.
    pub(super) fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.lists.values().flat_map(|chain| {
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
    pub(super) fn entered(&self, key: u64, by: u32) -> impl Iterator<Item = u32> {
        self.lists.get(&key).into_iter().flat_map(move |chain| {
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
        order: &Order<'_>,
        level: Isolation,
    ) -> impl Iterator<Item = Anomaly> {
        let asked = level != Isolation::ReadCommitted;
        self.lists.iter().filter(move |_| asked).filter_map(|(key, chain)| {
            let whole = order.of_key(*key).len();
            let read_it = |txn: &&Txn<'_>| txn.lists().any(|(of, list)| of == *key && list.len() == whole);
            let mut both = chain.txns.iter().map(|txn| &txns[*txn as usize]).filter(read_it);
            let (one, other) = (both.next()?, both.next()?);
            Some(Anomaly {
                kind: Kind::GSingle,
                transactions: vec![(one.load, one.op), (other.load, other.op)],
                says: format!("{} and {} both appended to the same state of list {key}", one.op, other.op),
            })
        })
    }
}

fn length<T>(of: &[T]) -> u32 {
    u32::try_from(of.len()).unwrap_or(u32::MAX)
}
