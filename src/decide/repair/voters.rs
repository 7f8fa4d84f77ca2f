//! Members of etcd that are lost for good: taken out of the cluster, then followed by a new one.
//!
//! Theory: remove first, then add. Added first, the new one would raise the quorum while the lost one still counts.
//! What is about to be done stands in the store like every replacement, so all of them exclude one another; the old
//! volumes stay until the new member serves, and are never used again.
//!
//! Invariants: whoever goes leaves a quorum of members that serve, by the cluster's own word; one at a time; nobody
//! goes for whom no host is free; nothing is begun while nobody takes writes.

use super::draft::Draft;
use super::lost::{intend, lost, must_go, unfit};
use super::{Step, Vote};
use crate::model::control::Replacing;
use crate::model::{ContainerStatus, Member, MemberId, Service, Sight};

/// Begins with a member that is lost, or with one that is missing; whether anything was begun.
pub(super) fn begin(draft: &mut Draft<'_>, leads: bool) -> bool {
    // without the record nobody knows who left
    if draft.bodies.placed.is_empty() {
        return false;
    }
    let Some((old, why)) = needed(draft) else { return false };
    if !leads {
        draft.say("wait", Some(&old), format!("{why}; nobody takes writes, so nothing is begun"));
        return false;
    }
    if let Err(not) = carried(draft, &old) {
        draft.alarm(format!("{old}: {why}; it waits: {not}"));
        draft.say("wait", Some(&old), format!("{why}; {not}"));
        return false;
    }
    intend(draft, Service::Etcd, &old, why, Some(&old))
}

/// The next step of a replacement that was begun; whether the old one is done for.
pub(super) fn go_on(draft: &mut Draft<'_>, word: &Replacing, leads: bool) -> bool {
    let old = &word.member;
    let of = |id: &MemberId| draft.members.iter().find(|member| member.id == *id);
    let (before, after) = (of(old), of(&word.by));
    let vain = draft.bodies.retired.contains(&word.by) || draft.host_runs(&word.host) != Some(true);
    let Some(member) = before else { return follow(draft, word, after, vain) };
    if serves(draft, old) && unfit(draft, member).is_none() {
        draft.order(Step::Forget { member: old.clone() });
        draft.say("watch", Some(old), "it is well again: it is not replaced");
        return false;
    }
    if vain || after.is_some() {
        draft.order(Step::Forget { member: old.clone() });
        draft.say("watch", Some(old), format!("{} cannot take its place: decided anew", word.by));
        return false;
    }
    if !leads {
        draft.say("wait", Some(old), "nobody takes writes");
        return true;
    }
    match carried(draft, old) {
        Ok(()) => {
            draft.order(Step::Retire { member: old.clone() });
            let said = format!("{}: it leaves the cluster before {} joins", word.why, word.by);
            draft.say("retire", Some(old), said);
        }
        Err(not) => {
            draft.alarm(format!("{old} is to be replaced by {} and waits: {not}", word.by));
            draft.say("wait", Some(old), not);
        }
    }
    true
}

/// The old one has left: the new one joins, and when it serves the old volumes go.
fn follow(draft: &mut Draft<'_>, word: &Replacing, after: Option<&Member>, vain: bool) -> bool {
    let (old, by) = (&word.member, &word.by);
    let over = match after {
        None if vain => Some(format!("{by} cannot take its place: decided anew")),
        None => {
            let (member, host) = (by.clone(), word.host.clone());
            if draft.order(Step::Create { member, service: Service::Etcd, host }) {
                draft.say(
                    "add",
                    Some(by),
                    format!("it joins the cluster on {} in place of {old}", word.host),
                );
            }
            None
        }
        Some(_) if serves(draft, by) => Some(format!("{by} serves in its place: its volumes go")),
        Some(new) => {
            let why = away(draft, new);
            if why.is_none() {
                draft.say("join", Some(by), format!("it takes the place of {old} and does not serve yet"));
            }
            why.map(|why| format!("{by}, which took its place: {why}: decided anew"))
        }
    };
    if let Some(said) = over {
        draft.let_go(old, old);
        draft.say("retire", Some(old), said);
    }
    true
}

/// Whom another must follow, and why: the last that left where one is missing, or a member that is lost.
fn needed(draft: &mut Draft<'_>) -> Option<(MemberId, String)> {
    let members: Vec<&Member> =
        draft.members.iter().filter(|member| member.service == Service::Etcd).collect();
    let wanted = draft.world.spec.etcd.members as usize;
    if !members.is_empty() && members.len() < wanted {
        let prefix = format!("{}-", Service::Etcd);
        let left = draft.bodies.retired.iter().filter(|id| id.as_str().starts_with(&prefix));
        let last = left.max_by_key(|id| crate::decide::placement::number(id))?;
        return Some((last.clone(), format!("there are {} of {wanted} members of etcd", members.len())));
    }
    // whoever cannot be spared must not keep one that does not serve from being followed
    let gone = members.iter().find_map(|member| Some((member.id.clone(), away(draft, member)?)));
    gone.or_else(|| members.iter().find_map(|member| Some((member.id.clone(), must_go(draft, member)?))))
}

/// Why another must follow a member: it does not come back by itself, or it runs and has not served for too long.
fn away(draft: &mut Draft<'_>, member: &Member) -> Option<String> {
    if let Some(why) = lost(draft, member) {
        return Some(why);
    }
    let (id, sick_grace) = (&member.id, draft.world.policy.sick_grace);
    if !matches!(draft.containers(id), [body] if body.status == ContainerStatus::Running)
        || draft.host_runs(&member.host) != Some(true)
    {
        return None;
    }
    let trouble = match draft.seen.voters.seen()?.members.get(id)? {
        Vote::Serves => return None,
        Vote::Fails(why) => format!("it runs and does not serve: {why}"),
        Vote::Joins => "it runs and has not joined the cluster".to_owned(),
        Vote::Out => "it is not in the cluster".to_owned(),
    };
    let long = draft.lasts(id, "sick", sick_grace);
    if !long {
        draft.say("grace", Some(id), format!("{trouble}, for less than {sick_grace}"));
    }
    long.then(|| format!("{trouble}, for {sick_grace}"))
}

/// Whether a member runs and serves.
fn serves(draft: &Draft<'_>, id: &MemberId) -> bool {
    let runs = matches!(draft.containers(id), [body] if body.status == ContainerStatus::Running);
    let vote = draft.seen.voters.seen().and_then(|voters| voters.members.get(id));
    runs && vote == Some(&Vote::Serves)
}

/// Whether those that serve are a quorum without this one; or why not.
fn carried(draft: &Draft<'_>, without: &MemberId) -> Result<(), String> {
    let voters = match &draft.seen.voters {
        Sight::Seen(voters) => voters,
        Sight::Blind(why) => return Err(format!("the cluster of etcd cannot be seen: {why}")),
    };
    let counts = voters.members.get(without).is_some_and(|vote| *vote != Vote::Out);
    let left = voters.listed.saturating_sub(u32::from(counts)) as usize;
    let others = voters.members.iter().filter(|(id, _)| *id != without);
    let healthy = others.filter(|(_, vote)| **vote == Vote::Serves).count();
    let quorum = left / 2 + 1;
    if healthy >= quorum {
        return Ok(());
    }
    Err(format!("of the {left} others {healthy} serve, and {quorum} must"))
}
