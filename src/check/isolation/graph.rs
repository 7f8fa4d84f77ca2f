//! Dependencies between transactions and the circles a level forbids. Linear in reads and writes.
//!
//! Edges: *ww* from the writer of an element to that of the next one in the list, *wr* from the writer of
//! the last element of a read to the reader, *rw* (an anti-dependency) from a reader to the writer of the
//! first element it did not see yet. A vertex is a transaction.
//!
//! Snapshot isolation forbids circles without two adjacent *rw* (Cerone and Gotsman, *Analysing Snapshot
//! Isolation*, 2018). They are circles of a graph in which each transaction stands twice, as reached by an
//! *rw* or not, and an *rw* leaves only those not reached by one.
//!
//! Appends that no read shows are reached over vertices of their own (`unread`).

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;

use super::observe::{ElementWriters, IsolationAnomaly, Kind, ListOrder, Txn};
use super::unread::Unread;
use crate::model::scenario::Isolation;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    /// On along the unread appends, as whatever led to them.
    On,
    Ww,
    Wr,
    Rw,
}

/// Which edges may be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EdgeView {
    /// Up to this kind.
    UpTo(Edge),
    /// All, but no two *rw* in a row.
    Snapshot,
}

/// Dependencies by transaction: those of `v` are `edges[starts[v]..starts[v + 1]]`.
pub(super) struct Graph {
    starts: Vec<u32>,
    edges: Vec<(u32, Edge)>,
}

impl Graph {
    pub(super) fn of(
        txns: &[Txn<'_>],
        writers: &ElementWriters,
        order: &ListOrder<'_>,
        unread: &Unread,
    ) -> Self {
        // twice: once to count, so that no edge is kept anywhere but in its place
        let mut starts = vec![0_u32; unread.vertices() as usize + 1];
        each_edge(txns, writers, order, unread, &mut |from, _, _| starts[from as usize + 1] += 1);
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut edges = vec![(0, Edge::Ww); starts.last().map_or(0, |last| *last as usize)];
        // `starts[v]` goes through the edges of `v`, and ends where those of the next one begin
        each_edge(txns, writers, order, unread, &mut |from, to, edge| {
            let at = &mut starts[from as usize];
            edges[*at as usize] = (to, edge);
            *at += 1;
        });
        starts.pop();
        starts.insert(0, 0);
        Self { starts, edges }
    }

    /// The circles a level forbids: the shortest one of the gravest kind that is found.
    pub(super) fn forbidden(&self, txns: &[Txn<'_>], level: Isolation) -> Option<IsolationAnomaly> {
        let mut views = vec![EdgeView::UpTo(Edge::Ww), EdgeView::UpTo(Edge::Wr)];
        if level != Isolation::ReadCommitted {
            views.push(EdgeView::Snapshot);
        }
        if level == Isolation::Serializable {
            views.push(EdgeView::UpTo(Edge::Rw));
        }
        views.into_iter().find_map(|view| Some(self.anomaly(txns, view, &self.circle(view)?)))
    }

    fn anomaly(&self, txns: &[Txn<'_>], view: EdgeView, circle: &[u32]) -> IsolationAnomaly {
        // what leads from one transaction to the next, whatever is between them
        let of_a_txn = |state: &u32| txns.get(vertex(view, *state) as usize).is_some();
        let steps: Vec<Edge> = (0..circle.len())
            .filter(|at| of_a_txn(&circle[*at]))
            .filter_map(|at| self.between(view, circle[at], circle[(at + 1) % circle.len()]))
            .collect();
        let kind = match view {
            EdgeView::UpTo(Edge::On | Edge::Ww) => Kind::G0,
            EdgeView::UpTo(Edge::Wr) => Kind::G1c,
            EdgeView::UpTo(Edge::Rw) => Kind::G2Item,
            EdgeView::Snapshot if steps.iter().filter(|edge| **edge == Edge::Rw).count() == 1 => {
                Kind::GSingle
            }
            EdgeView::Snapshot => Kind::GNonadjacent,
        };
        let names: Vec<&Txn<'_>> =
            circle.iter().filter_map(|state| txns.get(vertex(view, *state) as usize)).collect();
        let mut says = String::from("a circle of transactions:");
        for (txn, edge) in names.iter().zip(&steps) {
            let word = match edge {
                Edge::Ww | Edge::On => "was overwritten by",
                Edge::Wr => "was read by",
                Edge::Rw => "did not see",
            };
            // writing to a string cannot fail
            let _ = write!(says, " {} {word}", txn.op);
        }
        if let Some(first) = names.first() {
            let _ = write!(says, " {}", first.op);
        }
        IsolationAnomaly { kind, transactions: names.iter().map(|txn| (txn.load, txn.op)).collect(), says }
    }

    fn between(&self, view: EdgeView, from: u32, to: u32) -> Option<Edge> {
        self.next(view, from).find(|(next, _)| *next == to).map(|(_, edge)| edge)
    }

    /// Where a walk may go from a state. With [`EdgeView::Snapshot`] a state is twice the transaction, plus one
    /// when an *rw* led to it; else it is the transaction.
    fn next(&self, view: EdgeView, state: u32) -> impl Iterator<Item = (u32, Edge)> {
        let v = vertex(view, state) as usize;
        let edges = &self.edges[self.starts[v] as usize..self.starts[v + 1] as usize];
        edges.iter().filter_map(move |(to, edge)| match view {
            EdgeView::UpTo(last) => (*edge <= last).then_some((*to, *edge)),
            EdgeView::Snapshot if *edge == Edge::Rw => {
                (state.is_multiple_of(2)).then_some((2 * to + 1, *edge))
            }
            EdgeView::Snapshot if *edge == Edge::On => Some((2 * to + state % 2, *edge)),
            EdgeView::Snapshot => Some((2 * to, *edge)),
        })
    }

    /// A circle, as short as one through its first state can be; `None` when there is none.
    fn circle(&self, view: EdgeView) -> Option<Vec<u32>> {
        let vertices = self.starts.len() - 1;
        let states = if view == EdgeView::Snapshot { 2 * vertices } else { vertices };
        let left = self.not_peeled(view, states);
        let start = self.on_a_circle(view, &left)?;
        self.shortest(view, start, &left)
    }

    /// Whatever nothing leads to any more is taken away, again and again: what is left has a circle, if
    /// there is one.
    fn not_peeled(&self, view: EdgeView, states: usize) -> Vec<bool> {
        let states = u32::try_from(states).unwrap_or(u32::MAX);
        let mut into = vec![0_u32; states as usize];
        for state in 0..states {
            self.next(view, state).for_each(|(to, _)| into[to as usize] += 1);
        }
        let mut left = vec![true; states as usize];
        let mut free: Vec<u32> = (0..states).filter(|state| into[*state as usize] == 0).collect();
        while let Some(state) = free.pop() {
            left[state as usize] = false;
            for (to, _) in self.next(view, state) {
                into[to as usize] -= 1;
                if into[to as usize] == 0 {
                    free.push(to);
                }
            }
        }
        left
    }

    /// A state on a circle. Every state that is left has one that is left before it, so a walk backwards
    /// comes round.
    fn on_a_circle(&self, view: EdgeView, left: &[bool]) -> Option<u32> {
        let states = u32::try_from(left.len()).unwrap_or(u32::MAX);
        let mut at = (0..states).find(|state| left[*state as usize])?;
        let mut before = vec![u32::MAX; left.len()];
        for state in (0..states).filter(|state| left[*state as usize]) {
            self.next(view, state).for_each(|(to, _)| before[to as usize] = state);
        }
        let mut met = vec![false; left.len()];
        while !met[at as usize] {
            met[at as usize] = true;
            at = before[at as usize];
        }
        Some(at)
    }

    fn shortest(&self, view: EdgeView, start: u32, left: &[bool]) -> Option<Vec<u32>> {
        let mut came_from: HashMap<u32, u32> = HashMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(state) = queue.pop_front() {
            for (to, _) in self.next(view, state).filter(|(to, _)| left[*to as usize]) {
                if to == start {
                    let mut circle = vec![state];
                    while circle.last() != Some(&start) {
                        circle.push(*came_from.get(circle.last()?)?);
                    }
                    circle.reverse();
                    return Some(circle);
                }
                came_from.entry(to).or_insert_with(|| {
                    queue.push_back(to);
                    state
                });
            }
        }
        None
    }
}

const fn vertex(view: EdgeView, state: u32) -> u32 {
    match view {
        EdgeView::Snapshot => state / 2,
        EdgeView::UpTo(_) => state,
    }
}

/// Tells every dependency between two transactions, always in the same order.
fn each_edge(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    order: &ListOrder<'_>,
    unread: &Unread,
    tell: &mut impl FnMut(u32, u32, Edge),
) {
    unread.edges().for_each(|(from, to)| tell(from, to, Edge::On));
    for (place, (key, list)) in order.lists().enumerate() {
        if let Some(last) = list.last().and_then(|element| writers.get(key, *element)) {
            unread.entered(Some(place), last.txn).for_each(|to| tell(last.txn, to, Edge::Ww));
        }
    }
    for (reader, txn) in (0..).zip(txns) {
        for (key, _) in txn.lists().filter(|(key, list)| order.of_key(*key).len() == list.len()) {
            unread.entered(order.place(key), reader).for_each(|to| tell(reader, to, Edge::Rw));
        }
    }
    let mut add = |from: Option<u32>, to: Option<u32>, edge| {
        if let (Some(from), Some(to)) = (from, to)
            && from != to
        {
            tell(from, to, edge);
        }
    };
    let writer = |key, element: Option<&u64>| writers.get(key, *element?).map(|writer| writer.txn);
    for (key, list) in order.lists() {
        let mut before = writer(key, list.first());
        for element in list.iter().skip(1) {
            let next = writer(key, Some(element));
            add(before, next, Edge::Ww);
            before = next;
        }
    }
    for (reader, txn) in (0..).zip(txns) {
        for (key, list) in txn.lists() {
            add(writer(key, list.last()), Some(reader), Edge::Wr);
            add(Some(reader), writer(key, order.of_key(key).get(list.len())), Edge::Rw);
        }
    }
}
