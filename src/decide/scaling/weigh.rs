//! Which instances readers are led to: those that are least busy, by what each uses of what it is given. Balancers
//! count connections, and each only its own.
//!
//! Theory: a word holds for some measurements only: balancers that hear nothing more go by connections alone.
//!
//! Invariants: nothing is said while no instance is busy and all are alike; each balancer is told by itself, so one that
//! cannot be reached takes nothing from another.

use std::collections::BTreeMap;

use super::admit::order;
use super::assess::ScalingAssessment;
use super::condition::SizeCondition;
use super::memory::ScalingNote;
use super::step::ScalingStep;
use super::wait::ScalingWait;
use crate::decide::frame::Proposal;
use crate::model::lab::FULL_WEIGHT;
use crate::model::{HostName, MemberId, Service, Span};

/// A word holds for so many measurements.
const HOLDS: u32 = 3;
/// It holds at least so long: balancers count seconds.
const SHORTEST_HOLD: Span = Span::secs(3);

/// The weights of the servers of 5433 for every balancer that runs, when one instance is busier than another.
pub(super) fn weigh(a: &ScalingAssessment<'_>) -> Vec<Proposal<ScalingStep, ScalingNote, ScalingWait>> {
    // all alike is what balancers come to by themselves; it is said once, so that it is so at once
    let uneven = |weights: &BTreeMap<MemberId, f64>| weights.values().any(|one| whole(*one) < FULL_WEIGHT);
    if !a.view.world.policy.weigh || !uneven(&a.weights) && !uneven(&a.notes.weights) {
        return Vec::new();
    }
    let of = |id: &MemberId| a.weights.get(id).map_or(FULL_WEIGHT, |weight| whole(*weight));
    let databases = || a.staying(Service::Postgres).map(|condition| condition.member);
    let said: Vec<String> = databases().map(|member| format!("{} {}", member.id, of(&member.id))).collect();
    let why = format!("readers by how busy instances are: {}", said.join(", "));
    let weights: BTreeMap<HostName, u32> =
        databases().map(|member| (member.host.clone(), of(&member.id))).collect();
    let hold = holds(a.view.world.policy.every);
    // a word is repeated with every measurement, and not between them
    let lately = Span(a.view.world.policy.every.0 / 2);
    let knows = |condition: &SizeCondition<'_>| {
        let told = a.notes.told.get(&condition.member.id);
        told.is_some_and(|(last, at)| *last == weights && a.now().since(*at) < lately.0)
    };
    let balancers = a.of(Service::Balancer).filter(|condition| condition.runs && !knows(condition));
    let tell = |condition: &SizeCondition<'_>| {
        let member = condition.member.id.clone();
        order(ScalingStep::Weigh { member, weights: weights.clone(), hold }, why.clone())
    };
    balancers.map(tell).collect()
}

/// A weight as balancers know it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
fn whole(weight: f64) -> u32 {
    ((weight * f64::from(FULL_WEIGHT)).round() as u32).clamp(1, FULL_WEIGHT)
}

/// How long a word holds: two that are missed are nothing yet.
fn holds(every: Span) -> Span {
    Span(every.0.saturating_mul(HOLDS)).max(SHORTEST_HOLD)
}
