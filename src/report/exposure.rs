//! Exposure: what would be gone if the primary died at that instant, look by look, and which copy could have followed.
//!
//! At each look the primary is the instance out of recovery on the newest timeline. A copy could follow when it is in recovery
//! on that timeline, Patroni does not exclude it (`nofailover`), it is a synchronous standby where replication is synchronous,
//! and it is not further behind than `maximum_lag_on_failover`. It has what it received or replayed, whichever is more:
//! PostgreSQL counts received WAL once it is on the copy's disk (`pg_last_wal_receive_lsn`).
//!
//! Of the copies that could follow, the one that has most counts: Patroni chooses it. What would be gone is the WAL from its
//! position to the primary's, and of the writes acknowledged on that timeline before the look those whose commit was not begun
//! before that position (`lo`): the rule by which `lost-acks` places a write behind a switch point. Where no copy could follow,
//! nothing is taken over and both are absent.
//!
//! Members are asked side by side, not at one instant: a copy that was asked later may show more than the primary did, and
//! counts as having all. So the numbers are lower bounds, by what is written while one look is taken.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::RunRecord;
use crate::model::lab::Replication;
use crate::model::sighting::{PostgresSeen, SqlSeen};
use crate::model::{Lsn, MemberId, Mono, Sighting};
use crate::stats::bootstrap::quantile;

/// What would be gone if the primary died at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// When it was seen, on the machine's monotonic clock.
    pub at: Mono,
    /// The primary; `None`: none was seen, or it did not say where it is.
    pub primary: Option<MemberId>,
    /// Copies that could have followed it.
    pub could_follow: Vec<MemberId>,
    /// Acknowledged writes that would be gone; `None` where nobody could follow.
    pub writes: Option<u64>,
    /// WAL that would be gone, bytes; `None` where nobody could follow.
    pub bytes: Option<u64>,
}

/// `exposure` of `report.json`, over all looks that showed a primary.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Looks that showed a primary and where it was.
    pub looks: u64,
    /// Of these, looks at which no copy could have followed.
    pub without_follower: u64,
    /// Acknowledged writes that would be gone; absent when no copy ever could follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Spread>,
    /// WAL that would be gone, bytes; under the same condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wal_bytes: Option<Spread>,
}

/// How a number spreads over looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// The middle one.
    pub median: f64,
    /// What 95 of 100 do not exceed.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Median, 95th percentile and largest, in whole things.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are not negative")]
    pub fn rounded(&self) -> [u64; 3] {
        [self.median, self.p95, self.max].map(|number| number.round().max(0.0) as u64)
    }
}

/// Exposure look by look; empty when no look says where primary and copies were, as in runs of older editions.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<Exposed> {
    let load_ran = record.history.load_start().zip(record.history.load_end());
    let Some((from, to)) = load_ran else { return Vec::new() };
    let looks = record.sightings_in_order();
    let looks =
        looks.into_iter().filter(|seen| !seen.postgres.is_empty() && seen.at >= from && seen.at <= to);
    let acks = acknowledged(record);
    let exposed: Vec<Exposed> = looks.map(|seen| at_look(record, seen, &acks)).collect();
    if exposed.iter().any(|seen| seen.primary.is_some()) { exposed } else { Vec::new() }
}

/// The spread of what was measured; `None` when nothing was.
#[must_use]
pub fn sum_up(exposed: &[Exposed]) -> Option<Exposure> {
    let seen: Vec<&Exposed> = exposed.iter().filter(|seen| seen.primary.is_some()).collect();
    if seen.is_empty() {
        return None;
    }
    let spread = |pick: fn(&Exposed) -> Option<u64>| {
        let sample: Vec<f64> =
            seen.iter().filter_map(|seen| pick(seen)).map(|number| number as f64).collect();
        let at = |share| quantile(&sample, share);
        Some(Spread { median: at(0.5)?, p95: at(0.95)?, max: at(1.0)? })
    };
    Some(Exposure {
        looks: seen.len() as u64,
        without_follower: seen.iter().filter(|seen| seen.could_follow.is_empty()).count() as u64,
        writes: spread(|seen| seen.writes),
        wal_bytes: spread(|seen| seen.bytes),
    })
}

/// Acknowledged writes by timeline: where their commit was not before, and when they were acknowledged; in order.
type Acks = BTreeMap<u32, Vec<(Lsn, Mono)>>;

fn acknowledged(record: &RunRecord) -> Acks {
    let mut acks = Acks::new();
    for op in record.history.ops.iter().filter(|op| op.leaves_marks()) {
        let Some((done, ack)) = op.ack() else { continue };
        if let (Some(timeline), Some(lo)) = (ack.tl, ack.lo) {
            acks.entry(timeline).or_default().push((lo, done));
        }
    }
    for known in acks.values_mut() {
        known.sort_unstable();
    }
    acks
}

fn at_look(record: &RunRecord, seen: &Sighting, acks: &Acks) -> Exposed {
    let sql = seen.postgres.iter().filter_map(|(member, postgres)| Some((member, postgres.sql.seen()?)));
    let primary = sql.filter(|(_, sql)| !sql.in_recovery).max_by_key(|(_, sql)| sql.timeline);
    let nothing = Exposed { at: seen.at, primary: None, could_follow: Vec::new(), writes: None, bytes: None };
    let Some((primary, wrote)) = primary.and_then(|(member, sql)| Some((member, (sql.timeline?, sql.lsn?))))
    else {
        return nothing;
    };
    let copies = seen.postgres.iter().filter(|(member, _)| *member != primary);
    let follow: Vec<(&MemberId, Lsn)> = copies
        .filter_map(|(member, postgres)| Some((member, has(postgres.sql.seen()?)?, postgres)))
        .filter(|(_, has, postgres)| may_follow(record, postgres, wrote, *has))
        .map(|(member, has, _)| (member, has))
        .collect();
    let best = follow.iter().map(|(_, has)| *has).max();
    let (timeline, end) = wrote;
    Exposed {
        primary: Some(primary.clone()),
        could_follow: follow.into_iter().map(|(member, _)| member.clone()).collect(),
        writes: best.map(|best| between(acks, timeline, best, end, seen.at)),
        bytes: best.map(|best| end.0.saturating_sub(best.0)),
        ..nothing
    }
}

/// What a copy has: what it received or replayed, whichever is more. After a restart it has received from the beginning of a
/// segment only.
fn has(sql: &SqlSeen) -> Option<Lsn> {
    sql.lsn.max(sql.replayed).filter(|_| sql.in_recovery)
}

/// Whether Patroni would take a copy for the next primary.
fn may_follow(record: &RunRecord, postgres: &PostgresSeen, (timeline, end): (u32, Lsn), has: Lsn) -> bool {
    let lab = &record.resolved.lab.postgres;
    let Some(sql) = postgres.sql.seen() else { return false };
    let patroni = postgres.patroni.seen();
    let excluded = patroni.is_some_and(|patroni| patroni.nofailover);
    let synchronous =
        lab.replication == Replication::Async || patroni.is_some_and(|patroni| patroni.sync_standby);
    let behind = end.0.saturating_sub(has.0);
    sql.timeline == Some(timeline)
        && !excluded
        && synchronous
        && behind <= lab.patroni.maximum_lag_on_failover.0
}

/// Writes acknowledged before an instant whose commit lies between two positions.
fn between(acks: &Acks, timeline: u32, from: Lsn, to: Lsn, before: Mono) -> u64 {
    let known = acks.get(&timeline).map(Vec::as_slice).unwrap_or_default();
    let first = known.partition_point(|(lo, _)| *lo < from);
    let last = known.partition_point(|(lo, _)| *lo < to);
    let inside = known.get(first..last).unwrap_or_default();
    inside.iter().filter(|(_, done)| *done <= before).count() as u64
}
