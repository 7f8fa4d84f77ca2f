//! Which instances readers are led to: those that are least busy, by what each uses of what it is given. Balancers
//! count connections, and each only its own.
//!
//! Theory: busy is the share of its cores that an instance uses or waits for. One that is busier than the mean gets fewer
//! readers beside the others, one that is less busy more, until all are alike; by square roots, because what is seen is
//! late. A word holds for some measurements only: balancers that hear nothing more go by connections alone.
//!
//! Invariants: nobody's weight is nothing, so whoever must serve does; nothing is said while nobody is busy and all
//! are alike; an instance that could not be measured, or does not serve, keeps what it has and moves nobody else's.

use std::collections::BTreeMap;

use super::count::leads;
use super::restart::well;
use super::{Draft, Step};
use crate::model::lab::FULL_WEIGHT;
use crate::model::scaling::Resource;
use crate::model::{Member, MemberId, Mono, Sight, Span};

/// So many measurements say how busy somebody is.
const NEWEST: u32 = 2;
/// A word holds for so many measurements.
const HOLDS: u32 = 3;
/// It holds at least so long: balancers count seconds.
const LEAST: Span = Span::secs(3);
/// As long as nobody uses more than this share of its cores nobody is busy.
const QUIET: f64 = 0.3;
/// Less is not told apart.
const IDLE: f64 = 0.05;
/// The most that changes at once.
const FACTOR: f64 = 2.0;

/// Orders the weights of the servers of 5433, when somebody is busier than another.
pub(super) fn weigh(draft: &mut Draft<'_>) {
    if !draft.world.policy.weigh {
        return;
    }
    let databases: Vec<&Member> = draft.stay().collect();
    let busy: BTreeMap<&MemberId, f64> =
        databases.iter().filter_map(|member| Some((&member.id, busy(draft, member)?))).collect();
    let before = std::mem::take(&mut draft.out.memory.weights);
    let weights = next(&databases, &busy, &before);
    // all alike is what balancers come to by themselves; it is said once, so that it is so at once
    let speak = [&weights, &before].into_iter().any(|all| all.values().any(|one| whole(*one) < FULL_WEIGHT));
    if speak {
        let of = |member: &Member| weights.get(&member.id).map_or(FULL_WEIGHT, |weight| whole(*weight));
        let said: Vec<String> =
            databases.iter().map(|member| format!("{} {}", member.id, of(member))).collect();
        let by_host = databases.iter().map(|member| (member.host.clone(), of(member))).collect();
        let step = Step::Weigh { weights: by_host, hold: holds(draft.world.policy.every) };
        draft.order(step, format!("readers by how busy instances are: {}", said.join(", ")));
    }
    draft.out.memory.weights = weights;
}

/// Weights by how busy members are; the largest is 1.
fn next(
    databases: &[&Member],
    busy: &BTreeMap<&MemberId, f64>,
    before: &BTreeMap<MemberId, f64>,
) -> BTreeMap<MemberId, f64> {
    let kept = |id: &MemberId| before.get(id).copied().unwrap_or(1.0);
    let mut weights: BTreeMap<MemberId, f64> =
        databases.iter().map(|member| (member.id.clone(), kept(&member.id))).collect();
    if busy.len() > 1 && busy.values().any(|busy| *busy > QUIET) {
        #[expect(clippy::cast_precision_loss, reason = "a few instances")]
        let mean = busy.values().sum::<f64>() / busy.len() as f64;
        for (id, busy) in busy {
            let factor = (mean / busy.max(IDLE)).sqrt().clamp(1.0 / FACTOR, FACTOR);
            if let Some(weight) = weights.get_mut(*id) {
                *weight *= factor;
            }
        }
    }
    let most = weights.values().copied().fold(f64::MIN_POSITIVE, f64::max);
    for weight in weights.values_mut() {
        *weight = (*weight / most).max(1.0 / f64::from(FULL_WEIGHT));
    }
    weights
}

/// A weight as balancers know it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share")]
fn whole(weight: f64) -> u32 {
    ((weight * f64::from(FULL_WEIGHT)).round() as u32).clamp(1, FULL_WEIGHT)
}

/// The share of its cores that a member uses or waits for, by the newest measurements. One that runs and does not
/// serve uses nothing, and is no measure for the others.
fn busy(draft: &Draft<'_>, member: &Member) -> Option<f64> {
    let seen = draft.seen.postgres.get(&member.id).and_then(Sight::seen)?;
    if !well(seen, leads(draft, &member.id)) {
        return None;
    }
    let policy = &draft.world.policy;
    let usage = draft.usage.get(&member.id)?;
    let given = usage.cores.unwrap_or(member.size.cpus);
    let ring = draft.out.memory.rings.get(&member.id)?;
    let window = Span(policy.every.0.saturating_mul(NEWEST));
    let used = ring.over(policy, window, Resource::Cpu, 50, Mono::default(), 0)?;
    (given > 0.0).then_some(used / given)
}

/// How long a word holds: two that are missed are nothing yet.
fn holds(every: Span) -> Span {
    Span(every.0.saturating_mul(HOLDS)).max(LEAST)
}
