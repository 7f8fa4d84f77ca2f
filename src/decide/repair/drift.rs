//! Bodies that are not what the lab's record says (another image, recipe or host), and containers that nobody of the
//! record has. Sizes are no drift: they are scaling's.
//!
//! Theory: what serves is mended last. A replica is made anew in its place, on its volumes: its body is taken down here,
//! and whoever lies dead and differs is not started but made again (`starts`). Whoever leads hands over first, which is for
//! a person to decide, and whoever confirms writes stays until another standby is named.
//!
//! Invariants: nothing while nobody takes writes, beside a replacement, or while another instance is no good copy; one
//! at a time; made anew once and still different is an alarm, not a circle; a stranger that runs is fenced only if it is
//! a PostgreSQL of a name that nobody has, and never one that holds the leader key.

use super::RepairStep;
use super::assess::RepairAssessment;
use super::must_go::lately;
use super::proposal::{OneAtATime, RepairNote, RepairProposal};
use super::standbys::{confirms, names_another};
use super::trouble::Trouble;
use super::view::lies;
use super::wait::RepairWait;
use crate::model::control::AlarmKind;
use crate::model::sighting::BodySeen;
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// Characters of a container's id that are shown to people.
const ID_SHOWN: usize = 12;

/// What is not as the record says.
pub(super) fn drift(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let surplus = &a.view.bodies.surplus;
    let mut all = Vec::new();
    if !surplus.is_empty() {
        let found = a.view.bodies.members.iter();
        let found = found.flat_map(|(member, bodies)| bodies.iter().map(move |body| (member, body)));
        let strangers = found.filter(|(_, body)| surplus.contains(&body.id));
        all.extend(strangers.filter_map(|(member, body)| stranger(a, member, body)));
    }
    if !a.view.bodies.drifted.is_empty() {
        all.extend(a.view.members.iter().filter_map(|member| differs(a, member)));
    }
    all
}

/// A container that nobody has.
fn stranger(a: &RepairAssessment<'_>, member: &MemberId, body: &BodySeen) -> Option<RepairProposal> {
    let id = body.id.get(..ID_SHOWN).unwrap_or(&body.id).to_owned();
    // the record may name it by now: what was read of it is older than the list of bodies
    let lasts = a.lasts(member, Trouble::Surplus, a.view.world.policy.sick_grace);
    if lies(body.status) {
        let remove = RepairStep::Remove { member: member.clone(), container: body.id.clone() };
        let said = format!("container {id} does not run and nobody has it");
        let proposal = RepairProposal::say("remove", Some(member), said).when_ordered().step(remove);
        return lasts.then(|| proposal.turn(OneAtATime::Begins));
    }
    let text = format!("container {id} on {} calls itself {member} and nobody has it", body.host);
    let alarm =
        RepairProposal::silent().turn(OneAtATime::Begins).alarm(AlarmKind::Stranger, Some(member), text);
    let ours = body.service == Service::Postgres.as_str() && body.status == ContainerStatus::Running;
    if !lasts || !ours || a.view.member(member).is_some() || a.view.holds(member) || !a.leads {
        return Some(alarm);
    }
    let fence = RepairStep::Fence { member: member.clone(), container: body.id.clone(), key: None };
    let said = format!("container {id} runs and nobody has it");
    Some(
        RepairProposal {
            word: "fence",
            subject: Some(member.clone()),
            reason: said,
            when_ordered: true,
            ..alarm
        }
        .step(fence),
    )
}

/// A body that is not what it should be.
fn differs(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairProposal> {
    let id = &member.id;
    let body = a.view.body(id)?;
    let what = a.view.bodies.drifted.get(&body.id)?;
    let runs = a.view.runs(id) && a.view.on_a_running_host(id);
    // whoever lies dead is made anew anyway, and what else is wrong with it counts first
    if !runs || a.is_wrong_beside(id, Trouble::Drift) || a.view.bodies.leaving.contains(id) {
        return None;
    }
    // another takes the place of whoever is no database (`must_go`)
    if member.service != Service::Postgres {
        return None;
    }
    let person = |kind, text: String| {
        Some(RepairProposal::silent().turn(OneAtATime::Begins).alarm(kind, Some(id), text))
    };
    if a.view.holds(id) {
        return person(AlarmKind::HandOverFirst, format!("{id}: {what}; it leads: hand over first"));
    }
    if lately(a, a.memory.remade.get(id)) {
        return person(
            AlarmKind::Drifted,
            format!("{id}: {what}; it was made anew and is no other: find out why"),
        );
    }
    if !a.leads || !a.lasts(id, Trouble::Drift, a.view.world.policy.sick_grace) {
        return None;
    }
    let mut others = a.view.staying(Service::Postgres).filter(|other| other.id != *id);
    if let Some((other, why)) = others.find_map(|other| Some((&other.id, a.lacks(&other.id)?))) {
        let said = format!("{what}; {other} comes first: {why}");
        return Some(RepairProposal::wait(RepairWait::Copies, Some(id), said).turn(OneAtATime::Begins));
    }
    let spares = names_another(a, id);
    if confirms(a, id) {
        let said = format!("{what}; it confirms writes: another standby is named first");
        return Some(
            RepairProposal::wait(RepairWait::Standby, Some(id), said).turn(OneAtATime::Has).spares(spares),
        );
    }
    let close = RepairStep::Close { host: member.host.clone(), member: id.clone(), park: false };
    let fence = RepairStep::Fence { member: id.clone(), container: body.id.clone(), key: None };
    let said = format!("{what}: it is made anew in its place");
    let proposal = RepairProposal::say("restart", Some(id), said).when_ordered().step(close).step(fence);
    Some(proposal.turn(OneAtATime::Begins).spares(spares).note(RepairNote::Remade(id.clone())))
}
