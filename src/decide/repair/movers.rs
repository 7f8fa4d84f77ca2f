//! Balancers that are lost for good: another one is added on another host, and when it routes as it should the old one
//! leaves.
//!
//! Theory: a balancer holds nothing, so the new one is made from its recipe. It begins with every server down and leads
//! to nobody until checks have looked (`start = "checked"`); then it must lead writes to the leader and to nobody else.
//!
//! Invariants: nobody leaves before the one who takes its place routes by the truth; one at a time.

use super::Step;
use super::draft::Draft;
use super::lost::{intend, lost};
use crate::model::control::Replacing;
use crate::model::sighting::ServerSeen;
use crate::model::{ContainerStatus, HostName, MemberId, Service};

/// Begins with a balancer that is lost; whether anything was begun.
pub(super) fn begin(draft: &mut Draft<'_>, leads: bool) -> bool {
    // without the record nobody knows who left
    if draft.bodies.placed.is_empty() {
        return false;
    }
    let mut balancers = draft.members.iter().filter(|member| member.service == Service::Balancer);
    let Some((old, why)) = balancers.find_map(|member| Some((&member.id, lost(draft, member)?))) else {
        return false;
    };
    if !leads {
        draft.say("wait", Some(old), format!("{why}; nobody takes writes, so nothing is begun"));
        return false;
    }
    intend(draft, Service::Balancer, old, why, None)
}

/// The next step of a replacement that was begun; whether the old one is done for.
pub(super) fn go_on(draft: &mut Draft<'_>, word: &Replacing, leads: bool) -> bool {
    let (old, by) = (&word.member, &word.by);
    let of = |id: &MemberId| draft.members.iter().find(|member| member.id == *id);
    let (before, after) = (of(old), of(by));
    if before.is_none() {
        draft.let_go(old, old);
        draft.say("retire", Some(old), format!("{by} has taken its place: its volumes go"));
        return true;
    }
    let Some(new) = after else {
        let vain = draft.host_runs(&word.host) != Some(true);
        if draft.bodies.retired.contains(by) {
            // it came to nothing there, or the word was written by an old view
            draft.let_go(by, old);
            draft.say("watch", Some(old), format!("{by} did not take its place: decided anew"));
        } else if vain || runs(draft, old) {
            draft.order(Step::Forget { member: old.clone() });
            let said = if vain { "the host it was to go to does not run" } else { "it is well again" };
            draft.say("watch", Some(old), said);
        } else {
            let (member, host) = (by.clone(), word.host.clone());
            if draft.order(Step::Create { member, service: Service::Balancer, host }) {
                let said = format!("{}: {by} is made on {} to take its place", word.why, word.host);
                draft.say("add", Some(old), said);
            }
        }
        return false;
    };
    if let Some(why) = lost(draft, new) {
        draft.order(Step::Retire { member: by.clone() });
        draft.say("retire", Some(by), format!("{why}, before it took the place of {old}"));
    } else if let Some(why) = misled(draft, by, leads) {
        draft.say("join", Some(by), format!("{old} waits for it: {why}"));
    } else {
        draft.order(Step::Retire { member: old.clone() });
        draft.say("retire", Some(old), format!("{by} routes in its place"));
        return true;
    }
    false
}

fn runs(draft: &Draft<'_>, id: &MemberId) -> bool {
    matches!(draft.containers(id), [body] if body.status == ContainerStatus::Running)
}

/// What keeps a balancer from routing by the truth: writes to the leader and to nobody else.
fn misled(draft: &Draft<'_>, id: &MemberId, leads: bool) -> Option<String> {
    if !leads || !runs(draft, id) {
        return Some("nobody takes writes, or it does not run".to_owned());
    }
    let routes = match draft.seen.balancers.get(id) {
        None => return Some("nobody asked it".to_owned()),
        Some(seen) => match seen.seen() {
            None => return Some("it does not answer yet".to_owned()),
            Some(routes) => routes,
        },
    };
    let up: Vec<&HostName> =
        routes.rw.iter().filter(|(_, server)| ServerSeen::up(server)).map(|(host, _)| host).collect();
    let host = draft.store.leader.as_ref().and_then(|key| draft.host(&key.member))?;
    (up != [host]).then(|| "it does not lead writes to the leader alone yet".to_owned())
}
