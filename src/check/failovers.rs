//! `failovers`: how often the primary changed, by the runner's sightings.
//!
//! The primary of a look is the member that is not in recovery and does not refuse writes; of several, the
//! one on the newest timeline. It changed when another member took over on a timeline not older than the
//! last one (an old primary seen once more is a zombie, no failover), or when the same member was promoted again: its
//! timeline grew. Right after a promotion the control file may still name the old timeline; when it catches up,
//! that is the same change.

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::model::{Expect, MemberId, Mono};

/// A sighting at which another member is primary than at the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrimaryChange {
    /// The look that showed it.
    pub at: Mono,
    /// The member that was primary before.
    pub from: MemberId,
    /// The member that was primary afterwards.
    pub to: MemberId,
}

/// Judges the number of changes.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let seen = measure(record);
    let evidence = json!({
        "changes": seen.as_ref().map(|changes| changes.iter().map(|change| {
            json!({ "at_ns": change.at, "from": change.from, "to": change.to })
        }).collect::<Vec<_>>()),
    });
    let Some(changes) = seen else {
        return Finding::unknown("nobody saw a primary, so nobody saw it change", evidence);
    };
    let number = changes.len();
    for expect in &record.scenario.expects {
        let Expect::Failovers { min, max } = expect else { continue };
        if let Some(max) = max.filter(|max| number > *max as usize) {
            return Finding::fail(
                format!("the primary changed {number} times, at most {max} may be"),
                evidence,
            );
        }
        if let Some(min) = min.filter(|min| number < *min as usize) {
            return Finding::fail(
                format!("the primary changed {number} times, at least {min} are wanted"),
                evidence,
            );
        }
    }
    Finding::pass(format!("the primary changed {number} times"), evidence)
}

/// Every change of primary; `None` when no primary was ever seen.
#[must_use]
pub fn measure(record: &RunRecord) -> Option<Vec<PrimaryChange>> {
    let mut changes = Vec::new();
    let mut last: Option<(&MemberId, Option<u32>)> = None;
    // the last change was seen before the control file named its timeline
    let mut early = false;
    for seen in record.sightings_in_order() {
        let sql = seen.postgres.iter().filter_map(|(member, postgres)| Some((member, postgres.sql.seen()?)));
        let primaries = sql.filter(|(_, sql)| !sql.in_recovery && sql.writable != Some(false));
        let newest = primaries
            .map(|(member, sql)| (sql.timeline, member))
            // the one we know wins over another on the same timeline
            .max_by_key(|(timeline, member)| (*timeline, last.is_some_and(|(known, _)| known == *member)));
        let Some((timeline, member)) = newest else { continue };
        let Some((before, known)) = last else {
            last = Some((member, timeline));
            continue;
        };
        let grew = timeline.zip(known).is_some_and(|(now, then)| now > then);
        let older = timeline.zip(known).is_some_and(|(now, then)| now < then);
        if older {
            continue;
        }
        if member != before || (grew && !early) {
            changes.push(PrimaryChange { at: seen.at, from: before.clone(), to: member.clone() });
        }
        early = if member == before { early && !grew } else { !grew };
        last = Some((member, timeline.or(known)));
    }
    last.map(|_| changes)
}
