//! Bodies that are dead and are nobody's leader: started again, one at a time and within a budget.
//!
//! Invariant: a PostgreSQL body is started here only while somebody else holds the leader key: alone it would take a dead
//! leader's lock back. Where nobody leads, `revive` says who starts first.

use std::collections::BTreeSet;

use super::RepairStep;
use super::assess::RepairAssessment;
use super::proposal::RepairProposal;
use super::trouble::Trouble;
use crate::model::control::AlarmKind;
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// A body that could not be started so often is made anew.
pub(super) const TRIES: u32 = 3;

/// Starts of everybody who is due; not of those who are `settled`.
pub(super) fn starts(a: &RepairAssessment<'_>, settled: &BTreeSet<MemberId>) -> Vec<RepairProposal> {
    let mut all = Vec::new();
    let mut due: Vec<(&Member, RepairStep)> = Vec::new();
    for member in a.view.members {
        let ours = matches!(
            member.service,
            Service::Postgres | Service::Etcd | Service::Balancer | Service::Controller
        );
        // the holder is the business of `leader`, what stands on a lost host of `replace`
        if ours && !a.view.holds(&member.id) && !settled.contains(&member.id) && on_its_host(a, member) {
            all.extend(told(a, member));
            due.extend(life(a, member).map(|step| (member, step)));
        }
    }
    // who has been dead longest comes first; one that fails again and again waits and lets the next one pass
    let lasting = |member: &Member| {
        let so_far = |trouble| a.lasting(&member.id, trouble);
        so_far(Trouble::Dead).max(so_far(Trouble::Gone))
    };
    due.sort_by_key(|(member, _)| (std::cmp::Reverse(lasting(member)), member.id.clone()));
    all.extend(due.into_iter().map(|(member, step)| begin(a, member, step)));
    all
}

fn on_its_host(a: &RepairAssessment<'_>, member: &Member) -> bool {
    a.view.host_runs(&member.host) == Some(true)
}

/// What a person must know of a body that is not simply dead.
fn told(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairProposal> {
    let (id, policy) = (&member.id, &a.view.world.policy);
    let alarm = match a.view.containers(id) {
        [body] if body.status == ContainerStatus::Paused => {
            let long = a.lasts(id, Trouble::Frozen, policy.freeze_grace);
            long.then(|| (AlarmKind::Frozen, format!("{id} is frozen")))
        }
        // without the record nobody knows whether it should have one
        [] if !a.view.has_record() => Some((AlarmKind::NoBody, format!("{id} has no container"))),
        [] | [_] => None,
        several => Some((AlarmKind::SeveralBodies, format!("{} containers are called {id}", several.len()))),
    };
    alarm.map(|(kind, text)| RepairProposal::silent().alarm(kind, Some(id), text))
}

/// How a member gets another life, when its grace is over.
fn life(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairStep> {
    let (id, grace) = (&member.id, a.view.world.policy.start_grace);
    let led = a.view.store.leader.is_some() || member.service != Service::Postgres;
    let create =
        || RepairStep::Create { member: id.clone(), service: member.service, host: member.host.clone() };
    if !led {
        return None;
    }
    if a.lasts(id, Trouble::Gone, grace) {
        return Some(create());
    }
    let body = a.view.body(id).filter(|_| a.lasts(id, Trouble::Dead, grace))?;
    let start = RepairStep::Start { member: id.clone(), container: body.id.clone(), alone: false };
    // one that is not what the record says gets another life as what it should be
    let again = a.failures(&start) < TRIES && !a.view.bodies.drifted.contains_key(&body.id);
    Some(if again { start } else { create() })
}

fn begin(a: &RepairAssessment<'_>, member: &Member, step: RepairStep) -> RepairProposal {
    let (id, budget) = (&member.id, a.view.world.policy.starts);
    if over_budget(a) {
        return RepairProposal::silent().alarm(
            AlarmKind::StartsSpent,
            Some(id),
            format!(
                "{id} lies dead and the budget of starts is spent ({} in {}): find out why bodies die",
                budget.max, budget.per
            ),
        );
    }
    let differs = a.view.body(id).is_some_and(|body| a.view.bodies.drifted.contains_key(&body.id));
    let (word, reason) = match step {
        RepairStep::Create { .. } if differs => {
            ("create", "its body is not what the record says: a new one on its volumes")
        }
        RepairStep::Create { .. } => {
            ("create", "it has no body that could be started: a new one on its volumes")
        }
        _ => ("start", "its body is there and does not run"),
    };
    RepairProposal::say(word, Some(id), reason).when_ordered().step(step)
}

/// Whether so many were started lately that something else must be wrong.
pub(super) fn over_budget(a: &RepairAssessment<'_>) -> bool {
    let (budget, now) = (a.view.world.policy.starts, a.now());
    let lately = a.memory.starts.iter().filter(|when| now.since(**when) < budget.per.0).count();
    lately >= budget.max as usize
}
