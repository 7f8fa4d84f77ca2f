//! `lost-acks`: no acknowledged write is gone, except what the documented window of asynchronous
//! replication allows.
//!
//! Theory: a promotion ends the old timeline at a position *S*, which the new primary's timeline history
//! records. A write acknowledged on that timeline committed between `lo` (insert position inside the
//! transaction) and `hi` (flush position after the commit). If `hi` ≤ S its bytes were on the new
//! timeline: losing it is corruption in any mode. If `lo` ≥ S they never were: the window asynchronous
//! replication documents. Between the two nobody can tell: *boundary*, reported. A session that broke right
//! after its commit has no `hi`; where `lo` does not decide, the verdict is unknown. The window is bounded
//! by Patroni's `maximum_lag_on_failover` plus what was written in the last `ttl` (the leader's position
//! in the store may be that old); Patroni documentation, "Replication modes".

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::history::{Acked, Class, FinalRead, Op};
use crate::model::lab::Replication;
use crate::model::scenario::LossBound;
use crate::model::{Expect, Lsn, Mono};

mod window;
pub use window::Window;

/// Numbers named in evidence at most.
const LOST_SHOWN: usize = 10;

/// What was acknowledged and what of it is gone, over all loads.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Losses {
    /// Operations that write, acknowledged within the guarantee of the mode.
    pub acked: u64,
    /// Of those, the ones that are gone: (load, operation), however they were lost.
    pub lost: Vec<(u32, u64)>,
    /// Lost although the surviving timeline had their bytes.
    pub below_fork: Vec<(u32, u64)>,
    /// Lost behind the switch point: the asynchronous window.
    pub in_window: u64,
    /// Lost around the switch point: nobody can tell.
    pub boundary: u64,
    /// Lost, and acknowledged without the positions that would tell where.
    pub unplaced: u64,
    /// Lost among those the primary alone had acknowledged; outside the guarantee of `sync` and `quorum`.
    pub local: u64,
    /// Operations nobody knew the end of of which something was found.
    pub recovered: u64,
    /// The windows, one for each timeline that lost something.
    pub windows: Vec<Window>,
    /// Nodes that do not have exactly the rows of the primary, as sentences.
    pub disagreements: Vec<String>,
    /// Why it cannot be told, as sentences.
    pub gaps: Vec<String>,
}

/// Judges the losses of every load whose marks are read in the end.
#[must_use]
pub fn check(record: &RunRecord, losses: &Losses) -> Finding {
    let (verdict, summary) = verdict(record, losses);
    let evidence = json!({
        "acked": losses.acked,
        "lost": losses.lost.len(),
        "lost_operations": losses.lost.iter().take(LOST_SHOWN).collect::<Vec<_>>(),
        "below_fork": losses.below_fork.len(),
        "below_fork_operations": losses.below_fork.iter().take(LOST_SHOWN).collect::<Vec<_>>(),
        "in_window": losses.in_window,
        "boundary": losses.boundary,
        "unplaced": losses.unplaced,
        "lost_local": losses.local,
        "recovered": losses.recovered,
        "windows": losses.windows,
        "disagreements": losses.disagreements,
        "gaps": losses.gaps,
    });
    let finding = verdict(summary, evidence);
    // what was acknowledged and is gone is on record; how much a timeline had is not, where something is absent
    let firm =
        !losses.below_fork.is_empty() || record.resolved.lab.postgres.replication != Replication::Async;
    if firm { finding.firm() } else { finding }
}

type Say = fn(String, serde_json::Value) -> Finding;

/// The rules in the order in which they win.
fn verdict(record: &RunRecord, losses: &Losses) -> (Say, String) {
    let fail: Say = Finding::fail;
    let unknown: Say = Finding::unknown;
    let lost = losses.lost.len();
    let asked = |bound: LossBound| {
        record
            .scenario
            .expects
            .iter()
            .any(|expect| matches!(expect, Expect::LostAcks { within } if *within == bound))
    };
    if !losses.below_fork.is_empty() {
        let number = losses.below_fork.len();
        return (
            fail,
            format!("{number} acknowledged writes are gone although the surviving timeline had them"),
        );
    }
    if let Some(first) = losses.disagreements.first() {
        return (fail, first.clone());
    }
    let replication = record.resolved.lab.postgres.replication;
    if lost > 0 && replication != Replication::Async {
        return (fail, format!("{lost} acknowledged writes are gone, and replication was synchronous"));
    }
    if lost > 0 && asked(LossBound::Zero) {
        return (fail, format!("{lost} acknowledged writes are gone, none may be"));
    }
    let beyond = losses.windows.iter().find(|window| window.within_bound == Some(false));
    if let Some(window) = beyond.filter(|_| asked(LossBound::DocumentedBound)) {
        let (bytes, bound) = (window.lost_bytes, window.bound_bytes.unwrap_or_default());
        return (
            fail,
            format!("{bytes} bytes of acknowledged writes are gone, the documented bound is {bound} bytes"),
        );
    }
    if let Some(first) = losses.gaps.first() {
        return (unknown, first.clone());
    }
    if losses.unplaced > 0 {
        return (
            unknown,
            format!(
                "{} lost writes carry no position, so nobody can tell which kind of loss it is",
                losses.unplaced
            ),
        );
    }
    if asked(LossBound::DocumentedBound) && losses.windows.iter().any(|window| window.within_bound.is_none())
    {
        return (unknown, "too few acknowledgements before the loss to know the documented bound".to_owned());
    }
    let all = losses.acked;
    let said = match lost {
        0 => format!("none of {all} acknowledged writes is gone"),
        _ => format!(
            "{lost} of {all} acknowledged writes are gone, all in the asynchronous window or at its boundary"
        ),
    };
    (Finding::pass, said)
}

/// Counts the losses of every load whose marks are read in the end.
#[must_use]
pub fn measure(record: &RunRecord) -> Losses {
    let mut losses = Losses::default();
    for (number, load) in record.marked_loads() {
        measure_load(record, number, load.name.as_str(), &mut losses);
    }
    losses
}

fn measure_load(record: &RunRecord, load: u32, name: &str, losses: &mut Losses) {
    let reads: Vec<&FinalRead> = record.history.reads.iter().filter(|read| read.l == load).collect();
    let primaries: Vec<&&FinalRead> =
        reads.iter().filter(|read| read.primary && read.rows.is_some()).collect();
    let [primary] = primaries.as_slice() else {
        losses.gaps.push(format!(
            "load `{name}` was read on {} primaries in the end, one is wanted",
            primaries.len()
        ));
        return;
    };
    let rows = sorted_rows(primary);
    nodes_agree(record, &reads, primary, &rows, losses);
    let (gone, timelines) = gone(record, load, &rows, losses);
    let mut in_window: BTreeMap<u32, Vec<(Mono, Acked<'_>)>> = BTreeMap::new();
    for (op, done, ack) in gone {
        let place = place(primary, &ack, &timelines);
        if op.class() == Class::OkLocal {
            losses.local += 1;
        } else {
            losses.lost.push((load, op.op));
        }
        match place {
            LostPlace::BelowFork => losses.below_fork.push((load, op.op)),
            LostPlace::Boundary => losses.boundary += 1,
            LostPlace::Nowhere => losses.unplaced += 1,
            LostPlace::Window(timeline) => {
                losses.in_window += 1;
                in_window.entry(timeline).or_default().push((done, ack));
            }
        }
    }
    for (timeline, lost) in in_window {
        let acks = || acks_of(record, load, timeline);
        let switch = switch_point(primary, timeline).or_else(|| acks().filter_map(|(_, ack)| ack.lo).min());
        let patroni = &record.resolved.lab.postgres.patroni;
        losses.windows.push(Window::measure(timeline, switch.unwrap_or_default(), &lost, acks(), patroni));
    }
}

type Gone<'a> = Vec<(Op<'a>, Mono, Acked<'a>)>;

/// Acknowledged writes of a load of which a mark is not there, and the timelines any was acknowledged on.
fn gone<'a>(
    record: &'a RunRecord,
    load: u32,
    rows: &[u64],
    losses: &mut Losses,
) -> (Gone<'a>, BTreeSet<u32>) {
    let (mut gone, mut timelines) = (Vec::new(), BTreeSet::new());
    // one that wrote nothing can lose nothing
    for op in record.history.ops.iter().filter(|op| op.load == load && op.leaves_marks()) {
        let class = op.class();
        let (mut found, mut there) = (false, true);
        for mark in op.marks() {
            let seen = rows.binary_search(&mark).is_ok();
            found |= seen;
            there &= seen;
        }
        losses.acked += u64::from(class == Class::Ok);
        losses.recovered += u64::from(class == Class::Info && found);
        if let Some((done, ack)) = op.ack() {
            timelines.extend(ack.tl);
            if !there {
                gone.push((op, done, ack));
            }
        }
    }
    (gone, timelines)
}

/// Acknowledgements of writes of a load on a timeline.
fn acks_of(record: &RunRecord, load: u32, timeline: u32) -> impl Iterator<Item = (Mono, Acked<'_>)> {
    let writes = record.history.ops.iter().filter(move |op| op.load == load && op.leaves_marks());
    writes.filter_map(Op::ack).filter(move |(_, ack)| ack.tl == Some(timeline))
}

/// Where a lost write stood.
enum LostPlace {
    /// The surviving timeline had it.
    BelowFork,
    /// Behind the switch point of this timeline.
    Window(u32),
    /// Around the switch point.
    Boundary,
    /// Its acknowledgement does not say.
    Nowhere,
}

fn place(primary: &FinalRead, ack: &Acked<'_>, timelines: &BTreeSet<u32>) -> LostPlace {
    let (Some(timeline), Some(last)) = (ack.tl, primary.tl) else { return LostPlace::Nowhere };
    if timeline == last {
        // it was never left, so everything acknowledged on it must be there
        return LostPlace::BelowFork;
    }
    match switch_point(primary, timeline) {
        // one end alone may say it: a session that breaks right after its commit brings no `hi`
        Some(switch) if ack.hi.is_some_and(|hi| hi <= switch) => LostPlace::BelowFork,
        Some(switch) if ack.lo.is_some_and(|lo| lo >= switch) => LostPlace::Window(timeline),
        Some(_) if ack.lo.is_some() && ack.hi.is_some() => LostPlace::Boundary,
        // a branch the final primary does not descend from: nothing of it survived its fork. Without any
        // history it cannot be told from a history that was not read.
        None if !primary.timelines.is_empty() && timelines.contains(&timeline) => LostPlace::Window(timeline),
        Some(_) | None => LostPlace::Nowhere,
    }
}

fn switch_point(primary: &FinalRead, timeline: u32) -> Option<Lsn> {
    primary.timelines.iter().find(|(parent, _)| *parent == timeline).map(|(_, switch)| *switch)
}

/// Rows in order, each once.
fn sorted_rows(read: &FinalRead) -> Cow<'_, [u64]> {
    let rows = read.rows.as_deref().unwrap_or_default();
    if rows.is_sorted_by(|one, next| one < next) {
        return Cow::Borrowed(rows);
    }
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    rows.dedup();
    Cow::Owned(rows)
}

/// Every node that carries a database was read after it had replayed everything, and has the same rows.
fn nodes_agree(
    record: &RunRecord,
    reads: &[&FinalRead],
    primary: &FinalRead,
    rows: &[u64],
    losses: &mut Losses,
) {
    for node in record.databases() {
        if !reads.iter().any(|read| read.node == node) {
            losses.gaps.push(format!("`{node}` was not read in the end"));
        }
    }
    for read in reads.iter().filter(|read| read.node != primary.node) {
        let node = &read.node;
        if read.rows.is_none() {
            let why = read.error.as_deref().unwrap_or("no reason given");
            losses.gaps.push(format!("`{node}` could not be read in the end: {why}"));
            continue;
        }
        if read.lsn.zip(primary.lsn).is_some_and(|(replayed, flushed)| replayed < flushed) {
            losses
                .gaps
                .push(format!("`{node}` was read before it had replayed what the primary had flushed"));
            continue;
        }
        let theirs = sorted_rows(read);
        if *theirs != *rows {
            let (missing, more) = (count_absent(rows, &theirs), count_absent(&theirs, rows));
            losses.disagreements.push(format!(
                "`{node}` lacks {missing} rows of the primary `{}` and has {more} it does not have",
                primary.node
            ));
        }
    }
}

/// How many of `wanted` are not in `there`; both in order.
fn count_absent(wanted: &[u64], there: &[u64]) -> usize {
    wanted.iter().filter(|row| there.binary_search(row).is_err()).count()
}
