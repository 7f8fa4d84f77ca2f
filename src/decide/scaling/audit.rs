//! What no decision of scaling may do, whoever proposed it. Every decision is audited; one that breaks a rule is not
//! carried out and is an alarm.

use std::collections::{BTreeMap, BTreeSet};

use super::assess::ScalingAssessment;
use super::memory::ScalingDecision;
use super::step::ScalingStep;
use super::view::scales;
use crate::decide::frame::Breach;
use crate::decide::placement;
use crate::model::lab::FULL_WEIGHT;
use crate::model::{MemberId, Service, Size};

/// Every rule that `decision` breaks.
#[must_use]
pub fn audit(a: &ScalingAssessment<'_>, decision: &ScalingDecision) -> Vec<Breach> {
    let breach =
        |step: &ScalingStep, rule| Breach { step: format!("{} {}", step.name(), step.subject()), rule };
    let mut all = resizes(a, &decision.steps);
    all.extend(decision.steps.iter().filter_map(|step| Some(breach(step, broken(a, step)?))));
    let felt =
        |step: &&ScalingStep| matches!(step, ScalingStep::Restart { .. } | ScalingStep::HandOver { .. });
    let resized = decision
        .steps
        .iter()
        .any(|step| matches!(step, ScalingStep::Resize { .. } | ScalingStep::Scale { .. }));
    for (n, step) in decision.steps.iter().filter(felt).enumerate() {
        if n > 0 || resized {
            all.push(breach(step, "nobody restarts beside another change"));
        }
    }
    let numbers = decision.steps.iter().filter(|step| matches!(step, ScalingStep::Scale { .. }));
    all.extend(numbers.skip(1).map(|step| breach(step, "one number changes at a time")));
    all
}

/// The rule that a step breaks, whatever stands beside it.
fn broken(a: &ScalingAssessment<'_>, step: &ScalingStep) -> Option<&'static str> {
    match step {
        ScalingStep::Restart { member } => restart(a, member),
        ScalingStep::HandOver { member, to } => {
            let may = a.view.store.may_lead.as_ref().is_none_or(|may| may.contains(to));
            let replica = a.condition(to).is_some_and(|one| one.well && !one.leads);
            let good = a.view.leads(member) && may && replica;
            (!good).then_some("a leader hands over to a replica that is well and may lead").or(unwell(a))
        }
        ScalingStep::Scale { service, generation, count, leaving, .. } => {
            number(a, *service, *generation, *count, leaving)
        }
        ScalingStep::Weigh { weights, .. } => {
            let good = weights.values().all(|weight| (1..=FULL_WEIGHT).contains(weight));
            (!good).then_some("every instance has a weight, and none more than all of it")
        }
        ScalingStep::Admit { sessions, .. } => {
            let most = a.view.world.spec.balancers.maxconn;
            (*sessions == 0 || *sessions > most).then_some("a balancer takes sessions, no more than declared")
        }
        ScalingStep::Resize { .. } | ScalingStep::Forget { .. } | ScalingStep::ForgetCount { .. } => None,
    }
}

/// Nobody restarts while any database is not well.
fn unwell(a: &ScalingAssessment<'_>) -> Option<&'static str> {
    let well = a.held.is_none() && a.of(Service::Postgres).all(|one| one.well);
    (!well).then_some("nobody restarts while another is not well")
}

fn restart(a: &ScalingAssessment<'_>, member: &MemberId) -> Option<&'static str> {
    let replicas = a.of(Service::Postgres).any(|one| !one.leads);
    if a.view.leads(member) && replicas {
        return Some("a leader with replicas hands over");
    }
    unwell(a)
}

fn number(
    a: &ScalingAssessment<'_>,
    service: Service,
    generation: u64,
    count: u32,
    leaving: &BTreeSet<MemberId>,
) -> Option<&'static str> {
    if generation != a.view.bodies.generation {
        return Some("a number changes in the record that was seen");
    }
    if count != a.view.wanted(service) && a.view.world.spec.may_have(service, count).is_err() {
        return Some("a number stays within its limits");
    }
    if leaving.iter().any(|id| a.view.must_stay(id)) {
        return Some("whoever leads or confirms writes does not leave");
    }
    let new: Vec<&MemberId> = leaving.iter().filter(|id| !a.view.bodies.leaving.contains(*id)).collect();
    if new.len() > 1 {
        return Some("who leaves is named one at a time");
    }
    let keeps = count == a.view.wanted(service) && new.is_empty();
    (a.held.is_some() && !keeps).then_some("a number stays while the lab is not well")
}

/// Sizes, one after the other: each begins where the one before it ended.
fn resizes(a: &ScalingAssessment<'_>, steps: &[ScalingStep]) -> Vec<Breach> {
    let mut all = Vec::new();
    if !steps.iter().any(|step| matches!(step, ScalingStep::Resize { .. })) {
        return all;
    }
    let mut rooms = a.view.rooms.clone();
    let mut sizes: BTreeMap<&MemberId, Size> = BTreeMap::new();
    for step in steps {
        let ScalingStep::Resize { member, from, to, .. } = step else { continue };
        let breach = |rule| Breach { step: format!("resize {member}"), rule };
        let Some(placed) = a.view.member(member).filter(|placed| scales(placed)) else {
            all.push(breach("a size is given to a member that scales"));
            continue;
        };
        let has = sizes.get(member).copied().unwrap_or(placed.size);
        let now = crate::model::Member { size: has, ..placed.clone() };
        let fits = placement::fits(&a.view.world.spec, &rooms.of(&now), &now, to).is_ok();
        let less = to.cpus < has.cpus || to.memory < has.memory;
        let asked = a.view.store.asked.contains_key(member);
        let measured = a.condition(member).is_some_and(|one| one.usage.is_some());
        if *from != has {
            all.push(breach("a size begins with the one that is written down"));
        } else if !fits {
            all.push(breach("a size stays within the limits of the spec and of its host"));
        } else if less && !asked && (a.held.is_some() || !measured) {
            all.push(breach(
                "nothing is taken while the lab is not well, nor from a body that was not measured",
            ));
        }
        rooms.give(&now, to);
        sizes.insert(member, *to);
    }
    all
}
