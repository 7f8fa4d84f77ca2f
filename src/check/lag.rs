//! `lag`: how far replicas were behind, in bytes, whenever somebody looked.
//!
//! At each sighting: the position of the one primary seen minus the position each replica had replayed. A
//! look that did not see the primary or the replica is blind and says nothing; blind looks are counted, and
//! a part of the run in which nobody saw anything is unknown. Positions of one look are read within its
//! duration, so a replica may even seem ahead: that is a lag of 0.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use super::when::{Spans, called};
use crate::model::{Expect, Lsn, MemberId, Mono, Sighting};

/// One replica at one look; `None`: it or the primary was not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When it was seen, on the machine's monotonic clock.
    pub at: Mono,
    /// The replica that was looked at.
    pub replica: MemberId,
    /// Bytes that it was behind; absent where that could not be seen.
    pub bytes: Option<u64>,
}

/// Judges the bounds a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let looks = measure(record);
    let mut replicas: BTreeMap<&MemberId, (u64, u64, u64)> = BTreeMap::new();
    for look in &looks {
        let line = replicas.entry(&look.replica).or_default();
        match look.bytes {
            Some(bytes) => *line = (line.0 + 1, line.1, line.2.max(bytes)),
            None => line.1 += 1,
        }
    }
    let replicas: Vec<Value> = replicas
        .into_iter()
        .map(|(replica, (looks, blind, max))| {
            json!({ "replica": replica, "looks": looks, "blind_looks": blind, "lag_max_bytes": (looks > 0).then_some(max) })
        })
        .collect();
    let evidence = json!({ "replicas": replicas });
    let mut said = None;
    let mut gap = None;
    for expect in &record.scenario.expects {
        let Expect::Lag { max, when } = expect else { continue };
        let spans = Spans::of(record, *when);
        let seen = looks.iter().filter(|look| spans.contain(look.at));
        let worst = seen.filter_map(|look| Some((look.bytes?, &look.replica))).max();
        match worst {
            Some((bytes, replica)) if bytes > max.0 => {
                let part = called(*when);
                let limit = max.0;
                let said = format!("`{replica}` was {bytes} bytes behind{part}, at most {limit} are allowed");
                return Finding::fail(said, evidence);
            }
            Some((bytes, replica)) => {
                said = Some(format!("the replica furthest behind was `{replica}` with {bytes} bytes"));
            }
            None => gap = Some(format!("nobody saw a replica and its primary at once{}", called(*when))),
        }
    }
    match (gap, said) {
        (Some(gap), _) => Finding::unknown(gap, evidence),
        (None, Some(said)) => Finding::pass(said, evidence),
        (None, None) => Finding::pass("nothing was asked of the lag", evidence),
    }
}

/// Every replica at every look that looked at databases.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<Look> {
    record.sightings_in_order().into_iter().flat_map(of_look).collect()
}

fn of_look(seen: &Sighting) -> Vec<Look> {
    let sql = |member: &MemberId| seen.postgres.get(member).and_then(|postgres| postgres.sql.seen());
    let mut primaries = seen.postgres.keys().filter(|member| sql(member).is_some_and(|sql| !sql.in_recovery));
    // of two primaries nobody can say whom a replica follows
    let primary = primaries.next().filter(|_| primaries.next().is_none());
    let written: Option<Lsn> = primary.and_then(sql).and_then(|sql| sql.lsn);
    let others = seen.postgres.keys().filter(|member| sql(member).is_none_or(|sql| sql.in_recovery));
    others
        .map(|member| {
            let replayed = sql(member).and_then(|sql| sql.replayed);
            let bytes = written.zip(replayed).map(|(written, replayed)| written.0.saturating_sub(replayed.0));
            Look { at: seen.at, replica: member.clone(), bytes }
        })
        .collect()
}
