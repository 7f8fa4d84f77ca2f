//! `redundancy`: how long until every declared copy of the data streamed again after a fault.
//!
//! A look shows the data whole when it sees one primary and every other declared copy streaming from it, by
//! the primary's own list, and answering by itself: a walsender counts a silent host as streaming for a minute
//! (`wal_sender_timeout`). A look that did not see the primary shows nothing and ends no stretch.
//!
//! The time goes from the injection to the first look of the last whole stretch before the next fault. Where a copy is
//! still missing then, the fault is watched on: until the first look that is whole, or the end of the run. A fault
//! thus answers for what it did, also where others overlap it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::copies::Copies;
use super::record::{Finding, RunRecord};
use super::whole::is_of_step;
use crate::model::{Expect, FaultRecord, Mono, Name, Sighting};
use crate::stats;

/// What one fault did to the copies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Redundancy {
    /// Which fault took a copy away.
    pub fault: Name,
    /// From its injection until a look showed a copy missing; `None`: no look did.
    pub lost_ms: Option<f64>,
    /// From its injection until all copies streamed again; `None`: they did not.
    pub restored_ms: Option<f64>,
    /// From its injection to the last look that showed anything.
    pub watched_ms: f64,
}

/// Judges the bounds a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord, seen: &[Redundancy]) -> Finding {
    let evidence = json!({ "faults": seen });
    let mut gaps: Vec<String> = Vec::new();
    for expect in &record.scenario.expects {
        let Expect::Redundancy { after, within } = expect else { continue };
        let limit = within.as_ms();
        let meant = seen
            .iter()
            .filter(|line| after.as_ref().is_none_or(|after| is_of_step(record, &line.fault, after)));
        let mut none = true;
        for line in meant {
            none = false;
            let fault = &line.fault;
            match (line.lost_ms, line.restored_ms) {
                (Some(_), Some(took)) if took > limit => {
                    let said = format!(
                        "after `{fault}` every copy streamed again after {took} ms, {limit} ms are allowed"
                    );
                    return Finding::fail(said, evidence);
                }
                (Some(_), None) if line.watched_ms > limit => {
                    let watched = line.watched_ms;
                    let said = format!("after `{fault}` a copy was still missing after {watched} ms");
                    return Finding::fail(said, evidence);
                }
                (Some(_), None) => {
                    gaps.push(format!("nobody watched until the copies were back after `{fault}`"));
                }
                (None, None) => gaps.push(format!("nobody saw the copies after `{fault}`")),
                (_, Some(_)) => {}
            }
        }
        if none {
            gaps.push(match after {
                Some(after) => format!("fault `{after}` was never injected"),
                None => "no fault was injected".to_owned(),
            });
        }
    }
    match gaps.first() {
        Some(first) => Finding::unknown(first.clone(), evidence),
        None => Finding::pass("every copy streamed again in time", evidence),
    }
}

/// What every injected fault did to the copies.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<Redundancy> {
    let copies = Copies::of(record);
    let looks: Vec<(Mono, bool)> = record
        .sightings_in_order()
        .into_iter()
        .filter_map(|seen| Some((seen.at, whole(seen, copies.databases_at(seen.at))?)))
        .collect();
    let faults = &record.history.faults;
    faults.iter().filter_map(|fault| of_fault(fault, faults, &looks)).collect()
}

fn of_fault(fault: &FaultRecord, faults: &[FaultRecord], looks: &[(Mono, bool)]) -> Option<Redundancy> {
    let Spell { lost_ms, restored_ms, watched_ms } = spell(fault, faults, looks)?;
    Some(Redundancy { fault: fault.id.clone(), lost_ms, restored_ms, watched_ms })
}

/// How long something was not whole because of a fault. All times are milliseconds from its injection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spell {
    /// Until a look showed that it was not; `None`: no look did.
    pub lost_ms: Option<f64>,
    /// Until it was whole and stayed so; `None`: it never was.
    pub restored_ms: Option<f64>,
    /// Until the last look that showed anything.
    pub watched_ms: f64,
}

/// What looks say after a fault, each with its instant and whether it showed everything; `None` where it never began.
pub(super) fn spell(fault: &FaultRecord, faults: &[FaultRecord], looks: &[(Mono, bool)]) -> Option<Spell> {
    let began = fault.began?;
    let next = faults.iter().filter_map(|other| other.began).filter(|other| *other > began).min();
    let (mut lost, mut whole_since, mut last) = (None, None, began);
    for &(at, whole) in looks.iter().filter(|(at, _)| *at > began) {
        // what comes after the next fault is its own, once this one's is gone
        if next.is_some_and(|next| at >= next) && (whole_since.is_some() || lost.is_none()) {
            break;
        }
        last = at;
        if whole {
            whole_since.get_or_insert(at);
        } else {
            lost.get_or_insert(at);
            whole_since = None;
        }
    }
    let after = |at: Mono| stats::millis(at.0 - began.0);
    Some(Spell { lost_ms: lost.map(after), restored_ms: whole_since.map(after), watched_ms: after(last) })
}

/// Whether a look shows every copy; `None` when it shows no primary.
fn whole(seen: &Sighting, copies: usize) -> Option<bool> {
    let sql = seen.postgres.iter().filter_map(|(member, postgres)| Some((member, postgres.sql.seen()?)));
    let (primary, sql) = sql.filter(|(_, sql)| !sql.in_recovery).max_by_key(|(_, sql)| sql.timeline)?;
    let answers = |name: &str| {
        let mut copies = seen.postgres.iter().filter(|(member, _)| member.as_str() == name);
        copies.any(|(_, copy)| copy.sql.seen().is_some() || copy.patroni.seen().is_some())
    };
    let others = sql.streaming.iter().map(String::as_str).filter(|name| *name != primary.as_str());
    let mut streaming: Vec<&str> = others.filter(|name| answers(name)).collect();
    streaming.sort_unstable();
    streaming.dedup();
    Some(streaming.len() + 1 >= copies)
}
