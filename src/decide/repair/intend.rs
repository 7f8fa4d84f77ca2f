//! The word that another member shall take the place of one, within the budget; and how a member and its word go: the same
//! for every service.
//!
//! Invariant: where newcomers come out no better the budget ends it. A newcomer that was verified and is one too many is
//! taken before another is made.

use super::RepairStep;
use super::assess::RepairAssessment;
use super::proposal::{OneAtATime, RepairProposal};
use super::wait::RepairWait;
use crate::decide::placement::{self, number};
use crate::model::control::{AlarmKind, Budget};
use crate::model::lab::kind;
use crate::model::{HostName, Member, MemberId, Mono, Service};

/// Volumes that could not be removed so often are left to whoever takes the lab down.
const DISCARDS_GIVEN_UP: u32 = 5;

/// The word that another shall take the place of `old`, where the budget allows it and a host is free.
pub(super) fn intend(
    a: &RepairAssessment<'_>,
    service: Service,
    old: &MemberId,
    why: String,
) -> RepairProposal {
    if !a.leads {
        let said = format!("{why}; nobody takes writes, so nothing is begun");
        return RepairProposal::wait(RepairWait::Leader, Some(old), said).turn(OneAtATime::Begins);
    }
    if let Some(spent) = spent(a) {
        let said = format!("{why}; {spent}");
        let alarm = format!("{old}: {said}: find out why members go bad");
        return RepairProposal::wait(RepairWait::Budget, Some(old), said)
            .alarm(AlarmKind::ReplacementsSpent, Some(old), alarm)
            .turn(OneAtATime::Begins);
    }
    // a member of etcd has left by then
    let gone = (service == Service::Etcd).then_some(old);
    let placed = match spare(a, service, old) {
        Some(spare) => Ok((spare.id.clone(), spare.host.clone())),
        None => place(a, service, kind(old, service.as_str()), gone),
    };
    match placed {
        Ok((by, host)) => {
            let said = format!("{why}: {by} on {host} shall take its place");
            let step = RepairStep::Intend { service, member: old.clone(), by, host, why };
            RepairProposal::say("intend", Some(old), said).when_ordered().step(step).turn(OneAtATime::Begins)
        }
        Err(none) => {
            let alarm = format!("{old}: {why}; it waits for a host: {none}");
            let said = format!("{why}; no host can carry another: {none}");
            RepairProposal::wait(RepairWait::Host, Some(old), said)
                .alarm(AlarmKind::WaitsForHost, Some(old), alarm)
                .turn(OneAtATime::Begins)
        }
    }
}

/// One that is as it should be and one more than are wanted: an earlier replacement came no further than that.
fn spare<'a>(a: &RepairAssessment<'a>, service: Service, old: &MemberId) -> Option<&'a Member> {
    let its = kind(old, service.as_str());
    let declared = |name: &str| a.view.world.spec.controllers.iter().find(|one| one.name.as_str() == name);
    let wanted = match service {
        Service::Etcd => return None,
        // the record keeps no number of controllers
        Service::Controller => declared(its)?.replicas as usize,
        _ => a.view.wanted(service),
    };
    let stay = || a.view.staying(service).filter(|member| member.kind() == its);
    if stay().count() <= wanted {
        return None;
    }
    let well = |id: &MemberId| {
        let troubles = a.conditions.get(id).is_none_or(|condition| !condition.troubles.is_empty());
        a.view.runs(id) && a.is_good(id) && !troubles
    };
    let others = stay().filter(|other| other.id != *old && !a.view.holds(&other.id) && well(&other.id));
    others.max_by_key(|other| number(&other.id))
}

/// That no more replacements may be begun, while that is so.
fn spent(a: &RepairAssessment<'_>) -> Option<String> {
    let Budget { max, per } = a.view.world.policy.replacements;
    let lately = |when: &&Mono| a.now().since(**when) < per.0;
    let known = a.memory.replaced.iter().filter(lately).count();
    let written = a.view.store.replaced.iter().filter(lately).count();
    (known.max(written) >= max as usize)
        .then(|| format!("the budget of replacements is spent ({max} in {per})"))
}

/// What a new member of a kind is called and where it stands; `gone` has left by then.
pub(super) fn place(
    a: &RepairAssessment<'_>,
    service: Service,
    kind: &str,
    gone: Option<&MemberId>,
) -> Result<(MemberId, HostName), String> {
    let view = &a.view;
    let placed = view.members.iter().map(|member| &member.id);
    let used = placed.chain(&view.bodies.retired).chain(view.bodies.members.keys());
    let id = placement::new_name(kind, used).ok_or_else(|| "no name is left".to_owned())?;
    let runs = |host: &HostName| view.host_runs(host) == Some(true);
    let stay: Vec<Member> = view.members.iter().filter(|member| Some(&member.id) != gone).cloned().collect();
    let placed = placement::one(&view.world.spec, &stay, &id, service, runs);
    placed.map(|member| (member.id, member.host)).map_err(|error| error.to_string())
}

/// The volumes of a member that has left go, and then the word of the replacement it was part of, which stands under
/// `old`; volumes that cannot be removed stay, so that the others are not left waiting for ever.
pub(super) fn let_go(a: &RepairAssessment<'_>, left: &MemberId, old: &MemberId) -> RepairProposal {
    let discard = RepairStep::Discard { member: left.clone() };
    // the operator's wish about the old one ends with it
    let wish = a.view.store.asked.get(old).copied();
    let forget = RepairStep::Forget { member: old.clone(), wish };
    if a.failures(&discard) >= DISCARDS_GIVEN_UP {
        let text = format!("the volumes of {left} cannot be removed: they stay until the lab goes");
        return RepairProposal::silent().alarm(AlarmKind::VolumesStay, Some(left), text).step(forget);
    }
    RepairProposal::silent().step(discard).step(forget)
}

/// A newcomer streams through a slot that the leader's Patroni makes at its next turn, up to `loop_wait` later, and
/// PostgreSQL asks again only every five seconds: so that turn comes as soon as the newcomer is known.
pub(super) fn hasten(a: &RepairAssessment<'_>, by: &MemberId) -> Vec<RepairProposal> {
    let known = a.view.patroni(by).is_some();
    let leader = a.view.store.leader.as_ref().filter(|_| known);
    let wake = leader
        .map(|leader| RepairProposal::silent().step(RepairStep::Wake { member: leader.member.clone() }));
    wake.into_iter().collect()
}

/// A member leaves the lab; `said` is why. While nobody leads nobody does.
pub(super) fn retire(a: &RepairAssessment<'_>, id: &MemberId, said: impl Into<String>) -> RepairProposal {
    if a.view.store.leader.is_none() {
        return RepairProposal::wait(
            RepairWait::Leader,
            Some(id),
            format!("{}; nobody leaves while nobody leads", said.into()),
        );
    }
    RepairProposal::say("retire", Some(id), said).step(RepairStep::Retire { member: id.clone() })
}

/// The word about `old` is taken back; whatever an operator wants of it stays wanted.
pub(super) fn forget(old: &MemberId) -> RepairStep {
    RepairStep::Forget { member: old.clone(), wish: None }
}
