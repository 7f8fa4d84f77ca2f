//! What bodies were held to, change by change, as the runner's own looks show it: with what was used then, how much load
//! there was, and what the controller said that decided it. Shared by `scaled` and the report.

use std::cell::LazyCell;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::audit::load_start;
use super::brokered;
use super::record::RunRecord;
use crate::model::scaling::{Resource, Usage};
use crate::model::{MemberId, Mono};
use crate::stats;

/// How long before a change was seen it may have been decided: the engine has to do it, and somebody has to look.
const DECIDED: Duration = Duration::from_secs(15);
/// Over how long the load before a change is counted.
const LOAD_WINDOW: Duration = Duration::from_secs(5);

/// One change of what a body is held to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LimitChange {
    /// When it was seen, milliseconds from the beginning of the load.
    pub at_ms: f64,
    /// The member whose limit changed.
    pub member: MemberId,
    /// What it may use more or less of.
    pub resource: Resource,
    /// Before: cores, or bytes.
    pub from: f64,
    /// Afterwards: cores, or bytes.
    pub to: f64,
    /// What was used of it at the look before: cores between that and the one before it, or bytes.
    pub used: Option<f64>,
    /// Operations acknowledged in a second, over the five before.
    pub per_second: f64,
    /// What led to it, in the words of the controller that decided it; absent where nobody said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Every change of a size that the looks of a run show, in order.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<LimitChange> {
    let zero = load_start(record);
    // most runs have no change, and millions of operations
    let acks = LazyCell::new(|| acknowledged(record));
    let reasons = LazyCell::new(|| brokered::resized(record));
    let mut last: BTreeMap<&MemberId, (&Usage, Option<&Usage>)> = BTreeMap::new();
    let mut changes = Vec::new();
    for seen in record.sightings_in_order() {
        for (member, now) in &seen.usage {
            let known = last.get(member).map(|(look, _)| *look);
            let Some((before, earlier)) = last.insert(member, (now, known)) else { continue };
            for resource in Resource::ALL {
                let (Some(from), Some(to)) = (before.given(resource), now.given(resource)) else { continue };
                if (from - to).abs() <= f64::EPSILON {
                    continue;
                }
                let why = reasons.iter().rev().find(|known| {
                    known.member == *member
                        && known.at <= seen.at
                        && seen.at.since(known.at) <= DECIDED
                        && known.changes(resource)
                });
                changes.push(LimitChange {
                    at_ms: stats::millis(seen.at.0.saturating_sub(zero.0)),
                    member: member.clone(),
                    resource,
                    from,
                    to,
                    used: used(resource, before, earlier),
                    per_second: lately(&acks, seen.at),
                    why: why.map(|known| known.why.clone()),
                });
            }
        }
    }
    changes
}

/// What was used of a resource at a look.
fn used(resource: Resource, at: &Usage, earlier: Option<&Usage>) -> Option<f64> {
    match resource {
        Resource::Cpu => at.since(earlier?).map(|cores| cores.used),
        Resource::Memory => Some(at.memory.0 as f64),
        Resource::Disk => at.disk.map(|disk| disk.size.0.saturating_sub(disk.free.0) as f64),
    }
}

/// When operations were acknowledged, in order, and how many.
fn acknowledged(record: &RunRecord) -> Vec<(Mono, u64)> {
    let one = record.history.ops.iter().filter_map(|op| op.acked().map(|done| (done, 1)));
    let counted = record.history.counted.iter().map(|second| (second.t, second.ok));
    let mut all: Vec<(Mono, u64)> = one.chain(counted).collect();
    all.sort_unstable_by_key(|(at, _)| *at);
    all
}

/// Operations in a second, just before an instant.
fn lately(acks: &[(Mono, u64)], at: Mono) -> f64 {
    let end = acks.partition_point(|(done, _)| *done <= at);
    let began = acks.partition_point(|(done, _)| at.since(*done) > LOAD_WINDOW);
    let sum: u64 = acks.get(began..end).unwrap_or_default().iter().map(|(_, count)| count).sum();
    sum as f64 / LOAD_WINDOW.as_secs_f64()
}
