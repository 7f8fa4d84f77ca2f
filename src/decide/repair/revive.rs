//! Nobody leads, and nobody who runs may: the bodies that have the data are started, in an order that loses nothing.
//!
//! Theory: where no dead body is left to start, one that lives and is stuck (frozen, or in a shutdown that does not end) is
//! ended first. The founded cluster is known by Patroni's `initialize` key, so a body that starts founds nothing; it starts as a
//! replica, and Patroni's election, which asks for votes and lag, decides. Whoever led last has everything that was
//! acknowledged. Where writes are confirmed, so has somebody among the standbys; where they are not, a standby that is
//! started beside the old leader could be quicker than its recovery: it waits.
//!
//! Invariant: an election has its time first. Whoever waits for a person says so.

use std::time::Duration;

use super::RepairStep;
use super::assess::RepairAssessment;
use super::checksums::rotten;
use super::may_lead::MayLead;
use super::proposal::RepairProposal;
use super::starts::{TRIES, over_budget};
use super::trouble::Trouble;
use super::wait::RepairWait;
use crate::decide::placement::number;
use crate::model::control::AlarmKind;
use crate::model::lab::Replication;
use crate::model::{Member, MemberId, Mono, Service};

/// An election in which nobody may lead has lasted long enough.
const NOBODY_MAY_LEAD: Duration = Duration::from_secs(2);
/// An election that somebody should have won by now. Patroni waits two seconds for a silent address, and its turns are
/// `loop_wait` apart.
const LONG_ELECTION: Duration = Duration::from_secs(20);
/// Pause between two looks while somebody is waited for.
const REVIVE_LOOK_PAUSE: Duration = Duration::from_millis(500);

/// Who is started while nobody leads.
pub(super) fn revive(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let Some(since) = a.leaderless else { return Vec::new() };
    let Some(why) = nobody(a, a.now().since(since)) else { return Vec::new() };
    let mut all = vec![
        RepairProposal::silent()
            .alarm(AlarmKind::NoLeader, None, format!("nobody leads: {why}"))
            .soon(REVIVE_LOOK_PAUSE),
    ];
    let mut dead: Vec<&Member> =
        a.view.all(Service::Postgres).filter(|member| startable(a, member)).collect();
    dead.sort_by_key(|member| rank(a, &member.id));
    if let Some(first) = waits_for(a) {
        dead.retain(|member| rank(a, &member.id) < rank(a, first));
        all.push(RepairProposal::wait(
            RepairWait::Recovery,
            Some(first),
            "it led last and recovers: it has everything",
        ));
    }
    if over_budget(a) && !dead.is_empty() {
        let budget = a.view.world.policy.starts;
        let text =
            format!("nobody leads and the budget of starts is spent ({} in {})", budget.max, budget.per);
        all.push(RepairProposal::silent().alarm(AlarmKind::StartsSpent, None, text));
        return all;
    }
    if dead.is_empty() {
        let mut living: Vec<&Member> = a.view.all(Service::Postgres).collect();
        living.sort_by_key(|member| rank(a, &member.id));
        all.extend(living.into_iter().filter_map(|member| end(a, member)));
    }
    all.extend(dead.into_iter().filter_map(|member| start(a, member, &why)));
    all
}

/// A body that lives, is stuck and has data is ended: then it is dead, and is started like the others.
fn end(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairProposal> {
    let (id, policy) = (&member.id, &a.view.world.policy);
    let stuck = [
        (Trouble::Frozen, policy.freeze_grace, "its body is frozen"),
        (Trouble::Stops, policy.sick_grace, "its PostgreSQL does not stop"),
        (Trouble::Sick, policy.sick_grace, "it does not answer"),
    ];
    let (.., grace, said) = stuck.into_iter().find(|(trouble, grace, _)| a.lasts(id, *trouble, *grace))?;
    if rotten(&a.view, id).is_some() || !a.view.on_a_running_host(id) {
        return None;
    }
    let container = a.view.body(id)?.id.clone();
    let said =
        format!("nobody leads, and {said}, for {grace}: it has data, so it is ended and started again");
    Some(
        RepairProposal::say("restart", Some(id), said)
            .when_ordered()
            .step(RepairStep::End { member: id.clone(), container }),
    )
}

/// Why nobody who runs gets to lead, when that has lasted long enough.
fn nobody(a: &RepairAssessment<'_>, so_far: Duration) -> Option<String> {
    let mut against = Vec::new();
    for (id, may) in a.followers() {
        match may {
            MayLead::Yes | MayLead::Perhaps(_) if so_far < LONG_ELECTION => return None,
            MayLead::Yes => against.push(format!("{id} may lead and does not take the key")),
            MayLead::Perhaps(why) | MayLead::No(why) => against.push(format!("{id}: {why}")),
        }
    }
    (so_far >= NOBODY_MAY_LEAD).then(|| against.join("; "))
}

/// Whether a body is dead, has data that is good as far as anybody knows, and a host that runs.
fn startable(a: &RepairAssessment<'_>, member: &Member) -> bool {
    let (id, view) = (&member.id, &a.view);
    view.is_dead(id) && view.on_a_running_host(id) && rotten(view, id).is_none()
}

/// Whoever led last comes first, then whoever confirms writes, then the others; of these who was there first.
fn rank(a: &RepairAssessment<'_>, id: &MemberId) -> (bool, bool, u32) {
    let led = a.view.store.led.as_ref().or(a.memory.led.as_ref());
    let confirms = a.view.store.may_lead.as_ref().is_some_and(|may| may.contains(id));
    (led != Some(id), !confirms, number(id))
}

/// The former leader that runs again and recovers, where a standby could lead without what it has.
fn waits_for<'a>(a: &RepairAssessment<'a>) -> Option<&'a MemberId> {
    let led = a.view.store.led.as_ref().or(a.memory.led.as_ref())?;
    let member = a.view.member(led).filter(|_| a.view.replication() == Replication::Async)?;
    let born = a.memory.lives.get(led).and_then(|lives| lives.last());
    let grace = a.view.world.policy.sick_grace.0;
    let young = born.is_some_and(|born: &Mono| a.now().since(*born) < grace);
    (a.view.runs(led) && young && !matches!(a.may_lead(led), MayLead::Yes)).then_some(&member.id)
}

fn start(a: &RepairAssessment<'_>, member: &Member, why: &str) -> Option<RepairProposal> {
    let id = &member.id;
    let container = a.view.body(id)?.id.clone();
    let step = RepairStep::Start { member: id.clone(), container, alone: true };
    if a.failures(&step) >= TRIES {
        return Some(RepairProposal::silent().alarm(
            AlarmKind::CannotStart,
            Some(id),
            format!("{id} has data that is needed and cannot be started"),
        ));
    }
    let said = format!("nobody leads ({why}): it has data");
    Some(RepairProposal::say("start", Some(id), said).when_ordered().step(step))
}
