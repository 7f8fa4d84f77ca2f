//! `one-writer`: each timeline has one writer. Two members that acknowledge writes on one timeline have
//! forked it in a way no timeline history shows: whatever survives, somebody's data is silently gone.
//!
//! An old primary that still acknowledges while a newer timeline lives (a *zombie*) is not that: its
//! writes are lost at the fork and counted by `lost-acks`. Here they are counted and reported.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use crate::history::{Op, OpQuestion, RegisterOp};
use crate::model::{MemberId, Mono};
use crate::stats;

/// No accepted write for so long ends the span in which a member was writable, nanoseconds. Looks stand half a
/// second apart, and one that waits for somebody who does not answer takes a second more: two seconds
/// are more than the runner leaves between two looks.
const SILENCE: u64 = 2_000_000_000;

/// Who acknowledged on which timeline, and what zombies did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Writers {
    /// Timeline → members that acknowledged on it.
    pub by_timeline: BTreeMap<u32, BTreeSet<MemberId>>,
    /// System identifiers that came with acknowledgements.
    pub systems: BTreeSet<String>,
    /// Acknowledgements that do not say who gave them.
    pub anonymous: u64,
    /// Acknowledgements on an older timeline after the first one on a newer.
    pub zombie_acks: u64,
    /// Of those: still there in the end, gone, and nobody can tell (nothing of it was read).
    pub zombie_fates: Fates,
    /// Spans in which two members were seen writable: (one, other, from, to).
    pub overlaps: Vec<(MemberId, MemberId, Mono, Mono)>,
}

/// What became of the writes a zombie acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fates {
    /// All they left is there in the end.
    pub survived: u64,
    /// Something of them is gone.
    pub lost: u64,
    /// They left nothing to look for, or nobody read the primary in the end.
    pub unknown: u64,
}

/// Judges who wrote on which timeline.
#[must_use]
pub fn check(writers: &Writers) -> Finding {
    let overlaps: Vec<Value> = writers
        .overlaps
        .iter()
        .map(|(one, other, from, to)| json!({ "members": [one, other], "from_ns": from, "to_ns": to }))
        .collect();
    let evidence = json!({
        "writers": writers.by_timeline.iter().map(|(tl, who)| json!({ "timeline": tl, "writers": who })).collect::<Vec<_>>(),
        "systems": writers.systems,
        "anonymous": writers.anonymous,
        "zombie_acks": writers.zombie_acks,
        "zombie_fates": writers.zombie_fates,
        "zombie_window_max_ms": writers.longest_overlap_ms(),
        "zombie_windows": overlaps,
    });
    if let Some((timeline, who)) = writers.by_timeline.iter().find(|(_, who)| who.len() > 1) {
        let names: Vec<String> = who.iter().map(|member| format!("`{member}`")).collect();
        return Finding::fail(
            format!("timeline {timeline} had {} writers: {}", who.len(), names.join(", ")),
            evidence,
        )
        .firm();
    }
    if writers.systems.len() > 1 {
        let number = writers.systems.len();
        return Finding::fail(
            format!("writes were acknowledged by {number} different database systems"),
            evidence,
        )
        .firm();
    }
    if writers.anonymous > 0 {
        return Finding::unknown(
            format!("{} acknowledgements do not say who gave them", writers.anonymous),
            evidence,
        );
    }
    if writers.by_timeline.is_empty() {
        return Finding::unknown("nothing was acknowledged, so there was no writer to judge", evidence);
    }
    let timelines = writers.by_timeline.len();
    Finding::pass(
        format!(
            "each of {timelines} timelines had one writer; {} zombie acknowledgements",
            writers.zombie_acks
        ),
        evidence,
    )
}

/// Counts writers and zombies. Loads that go to 5433 only read, so they are left out.
#[must_use]
pub fn measure(record: &RunRecord) -> Writers {
    let mut writers = Writers::default();
    let by_load: Vec<bool> = record.scenario.loads.iter().map(writes).collect();
    let counts =
        |load: u32| usize::try_from(load).ok().and_then(|load| by_load.get(load)).copied().unwrap_or(true);
    let acked =
        || record.history.ops.iter().filter(|op| counts(op.load) && op.acked().is_some() && wrote(*op));
    let mut last = None;
    for op in acked() {
        let Some((_, ack)) = op.ack() else { continue };
        // millions in a row come from one source, and what is kept of it is kept once
        let source = (ack.n.map(std::ptr::from_ref), ack.tl, ack.sys.map(str::as_ptr));
        if last.replace(source) == Some(source) && ack.n.is_some() && ack.tl.is_some() {
            continue;
        }
        // no clones for the millions that say the same
        if let Some(system) = ack.sys.filter(|system| !writers.systems.contains(*system)) {
            writers.systems.insert(system.to_owned());
        }
        let (Some(node), Some(timeline)) = (ack.n, ack.tl) else {
            writers.anonymous += 1;
            continue;
        };
        let who = writers.by_timeline.entry(timeline).or_default();
        if !who.contains(node) {
            who.insert(node.clone());
        }
    }
    // on one timeline there is no older one
    let zombies = if writers.by_timeline.len() > 1 { zombies(acked) } else { Vec::new() };
    writers.zombie_acks = zombies.len() as u64;
    writers.zombie_fates = fates(record, &zombies);
    writers.overlaps = overlaps(record);
    writers
}

/// Acknowledgements on an older timeline after the first one on a newer.
fn zombies<'a, A: Iterator<Item = Op<'a>>>(acked: impl Fn() -> A) -> Vec<Op<'a>> {
    let placed = |op: Op<'a>| op.ack().and_then(|(done, ack)| Some((done, ack.n.and(ack.tl)?, op)));
    let mut first: BTreeMap<u32, Mono> = BTreeMap::new();
    for (done, timeline, _) in acked().filter_map(placed) {
        let known = first.entry(timeline).or_insert(done);
        *known = done.min(*known);
    }
    let newer = |timeline: u32, done: Mono| {
        first.iter().rev().take_while(|(other, _)| **other > timeline).any(|(_, began)| *began < done)
    };
    let mut zombies: Vec<(Mono, u32, Op<'a>)> =
        acked().filter_map(placed).filter(|(done, timeline, _)| newer(*timeline, *done)).collect();
    zombies.sort_by_key(|(done, timeline, _)| (*done, *timeline));
    zombies.into_iter().map(|(.., op)| op).collect()
}

/// Whether an operation writes anything when it commits.
fn wrote(op: Op<'_>) -> bool {
    match op.asked() {
        Some(OpQuestion::Read | OpQuestion::Register(RegisterOp::Read { .. })) => false,
        Some(OpQuestion::Txn(_)) => op.leaves_marks(),
        _ => true,
    }
}

fn fates(record: &RunRecord, zombies: &[Op<'_>]) -> Fates {
    let mut fates = Fates::default();
    let mut rows: BTreeMap<u32, Option<HashSet<u64>>> = BTreeMap::new();
    for op in zombies {
        let there = rows.entry(op.load).or_insert_with(|| {
            let read = record.history.reads.iter().find(|read| read.l == op.load && read.primary)?;
            read.rows.as_ref().map(|rows| rows.iter().copied().collect())
        });
        match there {
            Some(there) if op.leaves_marks() => {
                let survived = op.marks().all(|mark| there.contains(&mark));
                fates.survived += u64::from(survived);
                fates.lost += u64::from(!survived);
            }
            _ => fates.unknown += 1,
        }
    }
    fates
}

fn writes(load: &crate::model::Load) -> bool {
    use crate::model::scenario::Workload;
    // what reads the tables of another load goes to any node; pgbench does not ask who acknowledged
    load.of.is_none() && !matches!(load.workload, Workload::Select | Workload::Pgbench)
}

/// Spans in which two members were seen to accept writes. A span of a member goes from the first to the
/// last look that saw it writable. A look that saw it refuse ends the span; one that saw nothing does not, but
/// [`SILENCE`] without a write accepted does: who is frozen writes nothing.
fn overlaps(record: &RunRecord) -> Vec<(MemberId, MemberId, Mono, Mono)> {
    let mut open: BTreeMap<&MemberId, (Mono, Mono)> = BTreeMap::new();
    let mut spans: Vec<(&MemberId, Mono, Mono)> = Vec::new();
    for seen in record.sightings_in_order() {
        for (member, postgres) in &seen.postgres {
            let Some(sql) = postgres.sql.seen() else { continue };
            match (sql.writable, sql.in_recovery) {
                (Some(true), _) => {
                    let span = open.entry(member).or_insert((seen.at, seen.at));
                    if seen.at.0 - span.1.0 > SILENCE {
                        spans.push((member, span.0, span.1));
                        span.0 = seen.at;
                    }
                    span.1 = seen.at;
                }
                (Some(false), _) | (None, true) => {
                    spans.extend(open.remove(member).map(|(from, to)| (member, from, to)));
                }
                (None, false) => {}
            }
        }
    }
    spans.extend(open.into_iter().map(|(member, (from, to))| (member, from, to)));
    spans.sort_by_key(|(_, from, _)| *from);
    let mut found = Vec::new();
    for (index, (one, _, end)) in spans.iter().enumerate() {
        for (other, from, to) in spans[index + 1..].iter().take_while(|(_, from, _)| from <= end) {
            if one != other {
                found.push(((*one).clone(), (*other).clone(), *from, *to.min(end)));
            }
        }
    }
    found
}

impl Writers {
    /// The longest span in which two members were seen writable, milliseconds; `None` when there was none.
    #[must_use]
    pub fn longest_overlap_ms(&self) -> Option<f64> {
        self.overlaps.iter().map(|(_, _, from, to)| to.0.saturating_sub(from.0)).max().map(stats::millis)
    }
}
