//! How long each client was out.
//!
//! A client is the number its load gave it, from the beginning of the load to its end, whatever connections
//! and workers stand for it. It does one operation at a time. It is *out* when
//!
//! - an operation of it was not acknowledged, or
//! - an acknowledged one kept it waiting for longer than ten times the median before the first fault, and for
//!   longer than 250 ms.
//!
//! It is out until its next acknowledgement, or until the load ends: then it never came back. An operation that
//! has no end in the journal was waited for until the load ended by its declaration or its journal ended,
//! whichever came first.
//!
//! It is out from its last acknowledgement on. A client of an open loop may have been idle since, and idle time
//! is no outage: if any client of the endpoint was acknowledged after that and before the operation was sent,
//! the outage begins there; if the whole endpoint was idle for longer than it breathes, where it was sent. One
//! that is idle after an operation was not acknowledged is out until any client is.
//!
//! Journals of older editions number no clients. A worker is a client as long as it lives, and it dies of an
//! operation with an unknown end: whether that client came back is not known then (*untraced*).

use std::collections::BTreeMap;

use crate::check::record::RunRecord;
use crate::history::{Class, Op};
use crate::model::Mono;
use crate::model::scenario::LoadModel;
use crate::stats;

/// A silence is ordinary up to this many median gaps …
pub(super) const ORDINARY_GAPS: u64 = 10;

/// … and in any case up to this, nanoseconds.
pub(super) const ORDINARY: u64 = 250_000_000;

/// One outage of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out {
    /// Number of its load in the scenario.
    pub load: u32,
    /// Client; in journals of older editions its worker.
    pub client: u32,
    /// Since when it was out.
    pub from: Mono,
    /// When that could be seen first: the end of an operation without an acknowledgement, or a wait that is too long.
    pub felt: Mono,
    /// Its next acknowledgement, or the end of its wait.
    pub to: Mono,
    /// How it ended.
    pub end: OutageEnd,
}

/// How an outage of a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutageEnd {
    /// An operation of it was acknowledged.
    Back,
    /// The load ended first.
    Never,
    /// Nobody knows: its worker has a successor that an older edition does not tell.
    Untraced,
}

impl Out {
    /// How long it was out, nanoseconds.
    #[must_use]
    pub const fn nanos(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }
}

/// The clients of one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clients {
    /// Whether the journal numbers all of them.
    pub numbered: bool,
    /// How many there were; workers in journals of older editions.
    pub number: usize,
    /// Their outages, client by client, each client's in order.
    pub outs: Vec<Out>,
}

/// The outages of the clients that did these operations. `breath` is the longest ordinary silence of the
/// endpoint, nanoseconds; `end` the last that was heard of its loads.
#[must_use]
pub fn of_ops(record: &RunRecord, ops: &[u32], breath: u64, end: Mono) -> Clients {
    let of = by_client(record, ops);
    let known = || record.history.ops.of(ops);
    let mut acks: Vec<Mono> = known().filter_map(Op::acked).collect();
    acks.sort();
    let over = over(record, end);
    let around = Around { acks, breath, patience: patience(record, ops), end, over };
    let mut outs = Vec::new();
    for (&(load, client), ops) in &of {
        let declared = usize::try_from(load).ok().and_then(|load| record.scenario.loads.get(load));
        let idles = declared.is_some_and(|load| load.model == LoadModel::Open);
        // the history is in the order of invocation, and a client does one operation at a time
        let ops = record.history.ops.of(ops);
        ClientWalk { around: &around, load, client, idles, acked: None, open: None }.all(ops, &mut outs);
    }
    Clients { numbered: known().all(|op| op.client.is_some()), number: of.len(), outs }
}

/// Operations by their load and client, each client's in the order of their invocation.
pub fn by_client(record: &RunRecord, ops: &[u32]) -> BTreeMap<(u32, u32), Vec<u32>> {
    let mut of: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
    for (place, op) in ops.iter().zip(record.history.ops.of(ops)) {
        of.entry((op.load, op.client.unwrap_or(op.worker))).or_default().push(*place);
    }
    of
}

/// Until when an operation that never ended was waited for.
fn over(record: &RunRecord, end: Mono) -> Mono {
    let planned = record.history.load_start().unwrap_or_default().plus(record.scenario.duration.0);
    let closed = record.history.writers.iter().filter(|writer| writer.name == "client");
    let closed = closed.filter_map(|writer| writer.ended).max();
    end.max(closed.map_or(end, |closed| closed.min(planned)))
}

/// The longest wait for an answer that is ordinary, nanoseconds.
fn patience(record: &RunRecord, ops: &[u32]) -> u64 {
    let first_fault = record.history.faults.iter().map(|fault| fault.intent).min();
    let waits = |until: Option<Mono>| {
        let acked = record.history.ops.of(ops).filter_map(|op| Some((op, op.acked()?)));
        let early = acked.filter(|(_, done)| until.is_none_or(|until| *done < until));
        stats::median(early.map(|(op, done)| done.0.saturating_sub(op.invoked.0)).collect())
    };
    let median = waits(first_fault).or_else(|| waits(None)).unwrap_or(0);
    median.saturating_mul(ORDINARY_GAPS).max(ORDINARY)
}

/// What a client's walk needs to know of all of them.
struct Around {
    /// Acknowledgements of anybody, in order.
    acks: Vec<Mono>,
    breath: u64,
    patience: u64,
    end: Mono,
    over: Mono,
}

impl Around {
    /// Since when a client is out that was acknowledged at `acked` and sent its next operation at `sent`.
    fn since(&self, acked: Option<Mono>, sent: Mono) -> Mono {
        let before = self.acks.partition_point(|ack| *ack <= sent);
        let any = before.checked_sub(1).and_then(|last| self.acks.get(last)).copied();
        let busy = any.filter(|any| sent.0 - any.0 <= self.breath).unwrap_or(sent);
        acked.map_or(busy, |acked| acked.max(busy))
    }

    /// The first acknowledgement of anybody after a client's last operation ended, if it then had nothing to do
    /// for longer than a breath.
    fn idle(&self, ended: Mono, until: Mono) -> Option<Mono> {
        if until.0.saturating_sub(ended.0) <= self.breath {
            return None;
        }
        let after = self.acks.partition_point(|ack| *ack <= ended);
        self.acks.get(after).copied().filter(|any| *any < until)
    }
}

/// A client was not acknowledged.
#[derive(Clone, Copy)]
struct ClientOut {
    from: Mono,
    /// When that showed first; `None`: it has not yet.
    felt: Option<Mono>,
    /// When its last operation ended without an acknowledgement.
    ended: Option<Mono>,
    untraced: bool,
}

struct ClientWalk<'a> {
    around: &'a Around,
    load: u32,
    client: u32,
    /// Whether it has nothing to do at times: a client of an open loop.
    idles: bool,
    acked: Option<Mono>,
    open: Option<ClientOut>,
}

impl ClientWalk<'_> {
    fn all<'o>(mut self, ops: impl Iterator<Item = Op<'o>>, outs: &mut Vec<Out>) {
        let (mut ops, mut last) = (ops.peekable(), None);
        while let Some(op) = ops.next() {
            last = Some(op);
            self.idled(op.invoked, outs);
            let late = Mono(op.invoked.0.saturating_add(self.around.patience));
            // as a rule nothing is wrong, and then nobody asks since when
            if let Some(done) = op.acked().filter(|done| *done <= late && self.open.is_none()) {
                self.acked = Some(done);
                continue;
            }
            let from = self.around.since(self.acked, op.invoked);
            let open = ClientOut { from, felt: None, ended: None, untraced: false };
            let open = self.open.get_or_insert(open);
            if let Some(done) = op.acked() {
                if done > late {
                    open.felt.get_or_insert(late);
                }
                self.back(done, outs);
                continue;
            }
            // without an end it ended no later than the next one began
            let next = ops.peek().map(|next| next.invoked);
            let ended = op.done.or(next).unwrap_or(self.around.over).max(op.invoked);
            open.felt.get_or_insert(ended.min(late));
            open.ended = Some(ended);
            open.untraced = op.client.is_none() && op.class() == Class::Info && next.is_none();
        }
        if self.open.is_some_and(|open| !open.untraced) {
            self.idled(self.around.end, outs);
        }
        self.close(last, outs);
    }

    /// A client that had nothing to do until `until` is out no longer than everybody.
    fn idled(&mut self, until: Mono, outs: &mut Vec<Out>) {
        let ended = self.open.filter(|_| self.idles).and_then(|open| open.ended);
        if let Some(served) = ended.and_then(|ended| self.around.idle(ended, until)) {
            self.back(served, outs);
        }
    }

    fn back(&mut self, at: Mono, outs: &mut Vec<Out>) {
        if let Some(ClientOut { from, felt: Some(felt), .. }) = self.open.take() {
            outs.push(self.out(from, felt, at, OutageEnd::Back));
        }
        self.acked = Some(at);
    }

    /// The load is over. What is as short as a breath is the end of the load and no outage.
    fn close(&mut self, last: Option<Op<'_>>, outs: &mut Vec<Out>) {
        let Some(ClientOut { from, felt: Some(felt), untraced, .. }) = self.open else { return };
        let waiting = last.is_some_and(|op| op.done.is_none());
        let to = if waiting { self.around.over } else { self.around.end };
        let out = self.out(from, felt, to, if untraced { OutageEnd::Untraced } else { OutageEnd::Never });
        if untraced || out.nanos() > self.around.breath {
            outs.push(out);
        }
    }

    const fn out(&self, from: Mono, felt: Mono, to: Mono, end: OutageEnd) -> Out {
        Out { load: self.load, client: self.client, from, felt, to, end }
    }
}
