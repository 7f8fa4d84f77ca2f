//! `one-writer`: each timeline has one writer. Two members that acknowledge writes on one timeline have
//! forked it in a way no timeline history shows: whatever survives, somebody's data is silently gone.
//!
//! An old primary that still acknowledges while a newer timeline lives (a *zombie*) is not that: its
//! writes are lost at the fork and counted by `lost-acks`. Here they are counted and reported.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::record::{Finding, Record};
use crate::model::{MemberId, Mono};
use crate::stats;

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
    /// Spans in which two members were seen writable: (one, other, from, to).
    pub overlaps: Vec<(MemberId, MemberId, Mono, Mono)>,
}

/// Judges who wrote on which timeline.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let writers = measure(record);
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
        "zombie_windows": overlaps,
    });
    if let Some((timeline, who)) = writers.by_timeline.iter().find(|(_, who)| who.len() > 1) {
        let names: Vec<String> = who.iter().map(|member| format!("`{member}`")).collect();
        return Finding::fail(
            format!("timeline {timeline} had {} writers: {}", who.len(), names.join(", ")),
            evidence,
        );
    }
    if writers.systems.len() > 1 {
        let number = writers.systems.len();
        return Finding::fail(
            format!("writes were acknowledged by {number} different database systems"),
            evidence,
        );
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
pub fn measure(record: &Record) -> Writers {
    let mut writers = Writers::default();
    let by_load: Vec<bool> = record.scenario.loads.iter().map(writes).collect();
    let counts =
        |load: u32| usize::try_from(load).ok().and_then(|load| by_load.get(load)).copied().unwrap_or(true);
    let mut acks: Vec<(Mono, u32)> = Vec::new();
    for op in record.history.ops.iter().filter(|op| counts(op.load)) {
        let Some((done, ack)) = op.ack() else { continue };
        // no clones for the millions that say the same
        if let Some(system) = ack.sys.as_ref().filter(|system| !writers.systems.contains(*system)) {
            writers.systems.insert(system.clone());
        }
        let (Some(node), Some(timeline)) = (&ack.n, ack.tl) else {
            writers.anonymous += 1;
            continue;
        };
        acks.push((done, timeline));
        let who = writers.by_timeline.entry(timeline).or_default();
        if !who.contains(node) {
            who.insert(node.clone());
        }
    }
    acks.sort_unstable();
    let mut newest = 0;
    for (_, timeline) in acks {
        writers.zombie_acks += u64::from(timeline < newest);
        newest = newest.max(timeline);
    }
    writers.overlaps = overlaps(record);
    writers
}

fn writes(load: &crate::model::Load) -> bool {
    use crate::model::scenario::Workload;
    !matches!(load.workload, Workload::Select | Workload::Freshness)
}

/// Spans in which two members were seen to accept writes. A span of a member goes from the first to the
/// last look that saw it writable; a look that saw nothing does not end it, one that saw it refuse does.
fn overlaps(record: &Record) -> Vec<(MemberId, MemberId, Mono, Mono)> {
    let mut open: BTreeMap<&MemberId, (Mono, Mono)> = BTreeMap::new();
    let mut spans: Vec<(&MemberId, Mono, Mono)> = Vec::new();
    for seen in record.sightings_in_order() {
        for (member, postgres) in &seen.postgres {
            let Some(sql) = postgres.sql.seen() else { continue };
            match (sql.writable, sql.in_recovery) {
                (Some(true), _) => open.entry(member).or_insert((seen.at, seen.at)).1 = seen.at,
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
