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

use super::Step;
use super::draft::{Draft, lies};
use super::replace::{lately, unverified};
use super::standbys::spare;
use crate::model::sighting::BodySeen;
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// Characters of a container's id that are shown to people.
const SHORT: usize = 12;

/// Mends what is not as the record says; whether anything was begun.
pub(super) fn drift(draft: &mut Draft<'_>, leads: bool) -> bool {
    let found = draft.bodies.members.iter();
    let strangers: Vec<(&MemberId, &BodySeen)> = found
        .flat_map(|(member, bodies)| bodies.iter().map(move |body| (member, body)))
        .filter(|(_, body)| draft.bodies.surplus.contains(&body.id))
        .collect();
    let mut begun = false;
    for (member, body) in strangers {
        begun |= stranger(draft, member, body, leads);
    }
    let members = draft.members;
    begun || members.iter().any(|member| differs(draft, member, leads))
}

/// A container that nobody has.
fn stranger(draft: &mut Draft<'_>, member: &MemberId, body: &BodySeen, leads: bool) -> bool {
    let id = body.id.get(..SHORT).unwrap_or(&body.id).to_owned();
    // whoever brings a lab up makes bodies before it writes them down
    let lasts = draft.lasts(member, "surplus", draft.world.policy.sick_grace);
    if lies(body.status) {
        let remove = Step::Remove { member: member.clone(), container: body.id.clone() };
        let begun = lasts && draft.order(remove);
        if begun {
            draft.say("remove", Some(member), format!("container {id} does not run and nobody has it"));
        }
        return begun;
    }
    draft.alarm(format!("container {id} on {} calls itself {member} and nobody has it", body.host));
    let placed = draft.members.iter().any(|placed| placed.id == *member);
    let ours = body.service == Service::Postgres.as_str() && body.status == ContainerStatus::Running;
    if !lasts || !ours || placed || draft.holds(member) || !leads {
        return false;
    }
    let begun = draft.order(Step::Fence { member: member.clone(), container: body.id.clone(), key: None });
    if begun {
        draft.say("fence", Some(member), format!("container {id} runs and nobody has it"));
    }
    begun
}

/// A body that is not what it should be.
fn differs(draft: &mut Draft<'_>, member: &Member, leads: bool) -> bool {
    let id = &member.id;
    let [body] = draft.containers(id) else { return false };
    let Some(what) = draft.bodies.drifted.get(&body.id) else { return false };
    let runs = body.status == ContainerStatus::Running && draft.host_runs(&member.host) == Some(true);
    // whoever lies dead is made anew anyway, and what else is wrong with it counts first
    if !runs || draft.is_wrong(id) || draft.bodies.leaving.contains(id) {
        return false;
    }
    // another takes the place of whoever is no database (`lost`)
    if member.service != Service::Postgres {
        return false;
    }
    if draft.holds(id) {
        draft.alarm(format!("{id}: {what}; it leads: hand over first"));
        return false;
    }
    if lately(draft, draft.out.memory.remade.get(id)) {
        draft.alarm(format!("{id}: {what}; it was made anew and is no other: find out why"));
        return false;
    }
    if !leads || !draft.lasts(id, "drift", draft.world.policy.sick_grace) {
        return false;
    }
    let mut others = draft.stay().filter(|other| other.id != *id);
    let doubt = others.find_map(|other| Some((&other.id, unverified(draft, &other.id)?)));
    if let Some((other, why)) = doubt {
        draft.say("wait", Some(id), format!("{what}; {other} comes first: {why}"));
        return false;
    }
    if spare(draft, id) {
        draft.say("wait", Some(id), format!("{what}; it confirms writes: another standby is named first"));
        return true;
    }
    let fence = Step::Fence { member: id.clone(), container: body.id.clone(), key: None };
    if !draft.may(&fence) {
        return false;
    }
    draft.order(Step::Close { host: member.host.clone(), member: id.clone(), park: false });
    draft.order(fence);
    draft.out.memory.remade.insert(id.clone(), draft.seen.at);
    draft.say("restart", Some(id), format!("{what}: it is made anew in its place"));
    true
}
