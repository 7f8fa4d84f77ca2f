//! Long forks: two readers on different nodes that saw two writes in opposite order. Each saw one of them and not
//! the other, so no order of the two writes explains both.
//!
//! PostgreSQL has them: a primary makes commits visible in the order in which sessions leave the list of running
//! transactions, a replica in the order of their commit records (Jepsen, *Amazon RDS for PostgreSQL 17.4*, 2025).
//! They are counted, and fail nothing.
//!
//! Readers are transactions that only read, in one snapshot. Linear in the pairs of lists that they read, but for a sort.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::observe::{ElementWriters, ListOrder, Txn};
use crate::history::Move;

/// Two readers and the two writes they disagree about; each is (load, operation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// Saw the first write and not the second, and the other way round.
    pub readers: [(u32, u64); 2],
    /// Both writes, each by load and number of its operation.
    pub writes: [(u32, u64); 2],
    /// The lists they were appended to.
    pub lists: [u64; 2],
}

/// What one reader saw of two lists: how far each had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct ReadPoint {
    lists: [u64; 2],
    seen: [usize; 2],
    node: usize,
    txn: usize,
}

/// One fork for each reader that another node's reader contradicts. `node_of` is a number for the node a transaction
/// was answered by; `None` leaves it out.
pub(super) fn long(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    order: &ListOrder<'_>,
    node_of: impl Fn(usize) -> Option<usize>,
) -> Vec<Fork> {
    let mut points: Vec<ReadPoint> = Vec::new();
    for (txn, seen) in txns.iter().enumerate() {
        let only_reads = !seen.steps.iter().any(|step| matches!(step, Move::Append(..)));
        let Some(node) = node_of(txn).filter(|_| only_reads) else { continue };
        let lists = read(seen, order);
        for (at, (one, upto)) in lists.iter().enumerate() {
            let more = lists[at + 1..].iter();
            points.extend(more.map(|(other, and)| ReadPoint {
                lists: [*one, *other],
                seen: [*upto, *and],
                node,
                txn,
            }));
        }
    }
    points.sort_unstable();
    let mut met: BTreeSet<usize> = BTreeSet::new();
    let mut forks = Vec::new();
    for of_two in points.chunk_by(|one, other| one.lists == other.lists) {
        for (one, other) in contradictions(of_two) {
            let [first, second] = one.lists;
            let writer = |list: u64, at: usize| writers.get(list, *order.of_key(list).get(at)?);
            let (Some(saw), Some(missed)) = (writer(first, other.seen[0]), writer(second, one.seen[1]))
            else {
                continue;
            };
            if saw.txn == missed.txn || !met.insert(one.txn) {
                continue;
            }
            let name = |txn: usize| (txns[txn].load, txns[txn].op);
            forks.push(Fork {
                readers: [name(one.txn), name(other.txn)],
                writes: [name(saw.txn as usize), name(missed.txn as usize)],
                lists: one.lists,
            });
        }
    }
    forks
}

/// The lists a transaction read, each once, as far as they stand in one order with what all others read.
fn read(txn: &Txn<'_>, order: &ListOrder<'_>) -> Vec<(u64, usize)> {
    let mut lists: Vec<(u64, usize)> = txn
        .lists()
        .filter(|(key, list)| {
            let last = list.len().checked_sub(1).and_then(|at| order.of_key(*key).get(at));
            last == list.last()
        })
        .map(|(key, list)| (key, list.len()))
        .collect();
    lists.sort_unstable();
    lists.dedup();
    lists
}

/// Readers that saw more of the first list and less of the second than one of another node. All are of two lists,
/// in the order of how far the first had come.
fn contradictions(of_two: &[ReadPoint]) -> Vec<(ReadPoint, ReadPoint)> {
    // by node, the reader that saw most of the second list, of all that saw less of the first
    let mut most: BTreeMap<usize, ReadPoint> = BTreeMap::new();
    let mut found = Vec::new();
    for alike in of_two.chunk_by(|one, other| one.seen[0] == other.seen[0]) {
        for point in alike {
            let others = most.values().filter(|other| other.node != point.node);
            let other =
                others.filter(|other| other.seen[1] > point.seen[1]).max_by_key(|other| other.seen[1]);
            found.extend(other.map(|other| (*point, *other)));
        }
        for point in alike {
            let known = most.entry(point.node).or_insert(*point);
            if known.seen[1] < point.seen[1] {
                *known = *point;
            }
        }
    }
    found
}
