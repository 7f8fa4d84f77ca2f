//! How busy instances are beside each other, as weights for readers.
//!
//! Theory: busy is the share of its cores that an instance uses or waits for. One that is busier than the mean gets fewer
//! readers beside the others, one that is less busy more, until all are alike; by square roots, because what is seen is
//! late.
//!
//! Invariants: no weight is nothing, so whoever must serve does; an instance that could not be measured, or does not
//! serve, keeps what it has and moves no other's.

use std::collections::BTreeMap;

use super::condition::SizeCondition;
use super::windows::measurements;
use crate::model::lab::FULL_WEIGHT;
use crate::model::scaling::{Resource, ScalingPolicy};
use crate::model::{MemberId, Mono, Service, Span};

/// So many measurements say how busy an instance is.
const NEWEST: u32 = 2;
/// As long as no instance uses more than this share of its cores none is busy.
const QUIET: f64 = 0.3;
/// Less is not told apart.
const IDLE: f64 = 0.05;
/// The most that changes at once.
const FACTOR: f64 = 2.0;

/// Weights by how busy instances are; the largest is 1, and whoever has that is not named.
/// A measurement moves them once: those after `weighed` count.
pub(super) fn weights(
    policy: &ScalingPolicy,
    members: &[SizeCondition<'_>],
    before: &BTreeMap<MemberId, f64>,
    weighed: Mono,
) -> BTreeMap<MemberId, f64> {
    if !policy.weigh {
        return before.clone();
    }
    let window = measurements(policy, Span(policy.every.0.saturating_mul(NEWEST)));
    let stay = members.iter().filter(|one| one.member.service == Service::Postgres && !one.leaves);
    let databases: Vec<(&MemberId, Option<f64>)> =
        stay.map(|one| (&one.member.id, busy(window, one, weighed))).collect();
    let measured: Vec<f64> = databases.iter().filter_map(|(_, busy)| *busy).collect();
    let moves = measured.len() > 1 && measured.iter().any(|busy| *busy > QUIET);
    if !moves && before.is_empty() {
        return BTreeMap::new();
    }
    let mean = measured.iter().sum::<f64>() / measured.len().max(1) as f64;
    let factor = |busy: f64| (mean / busy.max(IDLE)).sqrt().clamp(1.0 / FACTOR, FACTOR);
    let next = databases.iter().map(|(id, busy)| {
        let kept = before.get(*id).copied().unwrap_or(1.0);
        (*id, kept * busy.filter(|_| moves).map_or(1.0, factor))
    });
    let next: Vec<(&MemberId, f64)> = next.collect();
    let most = next.iter().map(|(_, weight)| *weight).fold(f64::MIN_POSITIVE, f64::max);
    let named = next.iter().map(|(id, weight)| (*id, (weight / most).max(1.0 / f64::from(FULL_WEIGHT))));
    named.filter(|(_, weight)| *weight < 1.0).map(|(id, weight)| (id.clone(), weight)).collect()
}

/// The share of its cores that a member uses or waits for, by the newest measurements. One that runs and does not
/// serve uses nothing, and is no measure for the others. `window`: how many those are.
fn busy(window: usize, condition: &SizeCondition<'_>, weighed: Mono) -> Option<f64> {
    if !condition.well || condition.ring?.measured()? <= weighed {
        return None;
    }
    let given = condition.usage?.cores.unwrap_or(condition.member.size.cpus);
    let used = condition.ring?.percentile(window, Resource::Cpu, 50, Mono::default(), 0)?;
    (given > 0.0).then_some(used / given)
}
