//! Clients left behind, by their own operations on 5432.

use std::collections::BTreeMap;

use crate::check::outage::{self, Out, OutageEnd};
use crate::check::record::RunRecord;
use crate::history::Op;
use crate::model::scenario::Endpoint;
use crate::model::{MemberId, Mono};
use crate::stats;

/// What a member that takes no writes answers (PostgreSQL: `read_only_sql_transaction`).
const READ_ONLY: &str = "25006";

/// One client that was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeftBehind {
    /// Number of its load in the scenario.
    pub load: u32,
    /// Client; in journals of older editions its worker.
    pub client: u32,
    /// What shows that it was left behind.
    pub why: WhyLeft,
    /// How long after others were served, nanoseconds.
    pub late: u64,
}

/// How a client was left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyLeft {
    /// It was still answered read-only.
    ReadOnly,
    /// An operation of it still waited.
    Waits,
    /// It was never acknowledged again.
    NeverBack,
}

impl LeftBehind {
    /// As a sentence.
    #[must_use]
    pub fn words(&self, record: &RunRecord) -> String {
        let Self { load, client, why, late } = *self;
        let name = usize::try_from(load).ok().and_then(|load| record.scenario.loads.get(load));
        let name = name.map_or_else(|| load.to_string(), |load| load.name.to_string());
        let late = stats::millis(late);
        let did = match why {
            WhyLeft::ReadOnly => format!("was answered read-only {late} ms after another member took writes"),
            WhyLeft::Waits => format!("waited for {late} ms while another member took writes"),
            WhyLeft::NeverBack => format!("never came back, others were served for {late} ms"),
        };
        format!("client {client} of load `{name}` {did}")
    }
}

/// Every client that was left behind for so many nanoseconds, each once.
pub fn measure(record: &RunRecord, after: u64) -> Vec<LeftBehind> {
    let never = never(record);
    let ops = record.history.ops.places(|op| uses(record, op.load));
    let of = outage::clients::by_client(record, &ops);
    let acks = AckTimes::of(record.history.ops.of(&ops));
    let over = record.history.load_end().unwrap_or_default();
    let mut left: BTreeMap<(u32, u32), LeftBehind> = BTreeMap::new();
    for (&(load, client), ops) in &of {
        if let Some((why, late)) = behind(record.history.ops.of(ops), &acks, after, over) {
            left.insert((load, client), LeftBehind { load, client, why, late });
        }
    }
    for found in never_back(never, &acks, after) {
        left.entry((found.load, found.client)).or_insert(found);
    }
    left.into_values().collect()
}

fn uses(record: &RunRecord, load: u32) -> bool {
    let load = usize::try_from(load).ok().and_then(|load| record.scenario.loads.get(load));
    load.is_some_and(|load| load.endpoint == Some(Endpoint::Rw))
}

/// Acknowledgements in order, with who gave them.
struct AckTimes<'a> {
    all: Vec<(Mono, &'a MemberId)>,
    /// Where the next one of another member is.
    other: Vec<u32>,
}

impl<'a> AckTimes<'a> {
    fn of(ops: impl Iterator<Item = Op<'a>>) -> Self {
        let mut all: Vec<(Mono, &MemberId)> =
            ops.filter_map(Op::ack).filter_map(|(done, ack)| Some((done, ack.n?))).collect();
        all.sort();
        let mut other = vec![u32::MAX; all.len()];
        for index in (0..all.len().saturating_sub(1)).rev() {
            let same = all[index].1 == all[index + 1].1;
            let next = u32::try_from(index + 1).unwrap_or(u32::MAX);
            other[index] = if same { other[index + 1] } else { next };
        }
        Self { all, other }
    }

    /// The first after an instant that another member than `own` gave.
    fn of_another(&self, own: &MemberId, after: Mono) -> Option<Mono> {
        let next = self.all.partition_point(|(done, _)| *done <= after);
        let same = self.all.get(next)?.1 == own;
        let first = if same { usize::try_from(*self.other.get(next)?).ok()? } else { next };
        self.all.get(first).map(|(done, _)| *done)
    }

    fn first_after(&self, after: Mono) -> Option<Mono> {
        let next = self.all.partition_point(|(done, _)| *done <= after);
        self.all.get(next).map(|(done, _)| *done)
    }
}

/// The first time a client was still refused as read-only, or still waited, so long after another member than
/// the one it wrote to last took writes.
fn behind<'a>(
    ops: impl Iterator<Item = Op<'a>>,
    acks: &AckTimes<'_>,
    after: u64,
    over: Mono,
) -> Option<(WhyLeft, u64)> {
    let mut own: Option<(Mono, &MemberId)> = None;
    for op in ops {
        let ended = op.done.unwrap_or(over);
        // what ended sooner after its client was served last can be neither late nor waited for
        let soon = |(acked, _): &(Mono, &MemberId)| ended.0.saturating_sub(acked.0) < after;
        let own_late = own.filter(|own| !soon(own));
        let taken = own_late.and_then(|(acked, member)| acks.of_another(member, acked));
        if let Some(taken) = taken {
            let waited = ended.0.saturating_sub(op.invoked.max(taken).0);
            let late = ended.0.saturating_sub(taken.0);
            if read_only(op) && late >= after {
                return Some((WhyLeft::ReadOnly, late));
            }
            if waited >= after {
                return Some((WhyLeft::Waits, waited));
            }
        }
        if let Some((done, ack)) = op.ack() {
            own = ack.n.map(|member| (done, member));
        }
    }
    None
}

fn read_only(op: Op<'_>) -> bool {
    op.error().is_some_and(|error| error.c == READ_ONLY)
}

/// Outages of clients that lasted to the end of the load.
fn never(record: &RunRecord) -> Vec<Out> {
    let seen = outage::windows::of_endpoint(record, Endpoint::Rw);
    let outs = seen.map(|seen| seen.crowd.outs).unwrap_or_default();
    outs.into_iter().filter(|out| out.end == OutageEnd::Never).collect()
}

/// Clients that were out to the end of the load while others were served.
fn never_back(never: Vec<Out>, acks: &AckTimes<'_>, after: u64) -> Vec<LeftBehind> {
    let left = never.into_iter().filter_map(|out| {
        let served = acks.first_after(out.felt)?;
        let late = out.to.0.saturating_sub(served.0);
        (late >= after).then_some(LeftBehind {
            load: out.load,
            client: out.client,
            why: WhyLeft::NeverBack,
            late,
        })
    });
    left.collect()
}
