//! Who holds no data, balancers and controllers: for one that is lost for good, or not to stay as it is, another is added
//! on another host, and when it does what it is for the old one leaves. And the number of balancers, as scaling wrote it
//! down: whoever is missing is added, whoever is named as one too many takes no new sessions, and leaves when those it has
//! are over.
//!
//! Theory: the new one is made from its recipe. A balancer begins with every server down and leads to nobody until checks
//! have looked (`start = "checked"`); then it must lead writes to the leader and to nobody else. A controller that runs
//! stands for the leadership like the others, and that one at a time gets it does not depend on who stands for it.
//!
//! Invariants: nobody leaves before the one who takes its place is there, or before as many as are wanted do without it;
//! one at a time; nobody who stays is left with its ports shut.

use std::time::Duration;

use super::count::{make, see_off};
use super::draft::Draft;
use super::lost::{intend, lost, must_go, unfit};
use super::{Routes, Step};
use crate::model::control::Replacing;
use crate::model::sighting::ServerSeen;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Service, Sight};

/// A balancer that was told to take no new sessions has taken the last one by then.
const SHUTS: Duration = Duration::from_secs(1);

/// Said where somebody leaves anyway.
const MANY: &str = "there is one too many already: who is to leave is decided first";

/// Begins with a member of a service that must go; whether anything was begun.
pub(super) fn begin(draft: &mut Draft<'_>, service: Service, leads: bool) -> bool {
    // without the record nobody knows who left
    if draft.bodies.placed.is_empty() || many(draft, service) {
        return false;
    }
    let gone = draft.staying(service).find_map(|member| Some((&member.id, lost(draft, member)?)));
    let mut others = draft.staying(service);
    let unfit = || others.find_map(|member| Some((&member.id, must_go(draft, member)?)));
    let Some((old, why)) = gone.or_else(unfit) else { return false };
    if !leads {
        draft.say("wait", Some(old), format!("{why}; nobody takes writes, so nothing is begun"));
        return false;
    }
    intend(draft, service, old, why, None)
}

/// The next step of a replacement that was begun; whether the old one is done for.
pub(super) fn go_on(draft: &mut Draft<'_>, word: &Replacing, leads: bool) -> bool {
    let (old, by) = (&word.member, &word.by);
    let of = |id: &MemberId| draft.members.iter().find(|member| member.id == *id);
    let (before, after) = (of(old), of(by));
    let Some(before) = before else {
        draft.let_go(old, old);
        let said = if by == old {
            "it has left: its volumes go".to_owned()
        } else {
            format!("{by} has taken its place: its volumes go")
        };
        draft.say("retire", Some(old), said);
        return true;
    };
    if by == old {
        return see_out(draft, old, leads);
    }
    let Some(new) = after else {
        let vain = draft.host_runs(&word.host) != Some(true);
        let many = many(draft, word.service);
        if draft.bodies.retired.contains(by) {
            // it came to nothing there, or the word was written by an old view
            draft.let_go(by, old);
            draft.say("watch", Some(old), format!("{by} did not take its place: decided anew"));
        } else if vain || many || runs(draft, old) && unfit(draft, before).is_none() {
            draft.order(Step::Forget { member: old.clone() });
            let said = if vain { "the host it was to go to does not run" } else { "it is well again" };
            draft.say("watch", Some(old), if many { MANY } else { said });
        } else {
            let (member, host) = (by.clone(), word.host.clone());
            if draft.order(Step::Create { member, service: word.service, host }) {
                let said = format!("{}: {by} is made on {} to take its place", word.why, word.host);
                draft.say("add", Some(old), said);
            }
        }
        return false;
    };
    join(draft, word, new, leads)
}

/// The new one is there: when it does what it is for, the old one goes.
fn join(draft: &mut Draft<'_>, word: &Replacing, new: &Member, leads: bool) -> bool {
    let (old, by) = (&word.member, &word.by);
    // another number was wanted meanwhile, and somebody of those who are there is to leave
    let extra = draft.staying(word.service).count() > draft.wanted(word.service);
    if draft.bodies.leaving.contains(by) || !extra {
        draft.order(Step::Forget { member: old.clone() });
        draft.say("watch", Some(old), format!("{by} is not there for its sake: decided anew"));
    } else if let Some(why) = lost(draft, new) {
        draft.order(Step::Retire { member: by.clone() });
        draft.say("retire", Some(by), format!("{why}, before it took the place of {old}"));
    } else if let Some(why) = unready(draft, new, leads) {
        // whoever waits serves meanwhile
        if shut(draft, old) {
            draft.order(Step::Reopen { member: old.clone() });
        }
        draft.say("join", Some(by), format!("{old} waits for it: {why}"));
    } else if word.service == Service::Balancer && !drained(draft, old, &format!("{by} routes in its place"))
    {
        return false;
    } else {
        draft.order(Step::Retire { member: old.clone() });
        draft.say("retire", Some(old), format!("{by} does in its place what it is for"));
        return true;
    }
    false
}

/// Whether more of a service stay than are wanted: who is to leave is decided before anybody is replaced. The record keeps
/// no number of controllers.
fn many(draft: &Draft<'_>, service: Service) -> bool {
    draft.bodies.counts.get(&service).is_some_and(|wanted| draft.staying(service).count() > *wanted as usize)
}

/// What keeps a newcomer from doing what it is for.
fn unready(draft: &Draft<'_>, new: &Member, leads: bool) -> Option<String> {
    match new.service {
        Service::Balancer => misled(draft, &new.id, leads),
        _ => (!runs(draft, &new.id)).then(|| "it does not run yet".to_owned()),
    }
}

/// Begins to add whoever is missing, or to see out who is one too many, unless something else is begun.
pub(super) fn count(draft: &mut Draft<'_>, leads: bool) {
    let begun = |step: &Step| matches!(step, Step::Intend { .. } | Step::Create { .. });
    let known = draft.bodies.counts.contains_key(&Service::Balancer);
    if !leads || !known || draft.bodies.placed.is_empty() || draft.out.steps.iter().any(begun) {
        return;
    }
    let wanted = draft.wanted(Service::Balancer);
    let mut all = draft.members.iter().filter(|member| member.service == Service::Balancer);
    if let Some(member) = all.find(|member| draft.bodies.leaving.contains(&member.id)) {
        match lacking(draft, leads) {
            Some(said) => draft.say("wait", Some(&member.id), said),
            None => see_off(draft, member, format!("{wanted} balancers are wanted")),
        }
    } else if draft.staying(Service::Balancer).count() < wanted {
        add(draft, wanted, leads);
    }
}

/// What keeps anybody from leaving: fewer who route by the truth than are wanted without it.
fn lacking(draft: &Draft<'_>, leads: bool) -> Option<String> {
    let (stay, wanted) = (draft.staying(Service::Balancer), draft.wanted(Service::Balancer));
    let good = stay.filter(|member| misled(draft, &member.id, leads).is_none()).count();
    let said = format!("it is to leave; of {wanted} others that are wanted {good} route as they should");
    (good < wanted).then_some(said)
}

/// Begins with the next newcomer, when everybody who is there routes as it should.
fn add(draft: &mut Draft<'_>, wanted: usize, leads: bool) {
    let there = draft.staying(Service::Balancer).count();
    let said = format!("{wanted} balancers are wanted, there are {there}");
    let doubt = draft
        .staying(Service::Balancer)
        .find_map(|member| Some((member.id.clone(), misled(draft, &member.id, leads)?)));
    if let Some((id, why)) = doubt {
        draft.say("wait", Some(&id), format!("{said}; one that is there comes first: {why}"));
        return;
    }
    make(draft, Service::Balancer, &said);
}

/// The next step for a balancer that leaves; whether its body is done for.
fn see_out(draft: &mut Draft<'_>, id: &MemberId, leads: bool) -> bool {
    let stays = !draft.bodies.leaving.contains(id);
    if let Some(said) = stays.then(|| "it may stay".to_owned()).or_else(|| lacking(draft, leads)) {
        // whoever waits, or stays, serves meanwhile; one that does not run has nothing to open
        if !runs(draft, id) || draft.order(Step::Reopen { member: id.clone() }) {
            draft.order(Step::Forget { member: id.clone() });
        }
        draft.say(if stays { "watch" } else { "wait" }, Some(id), said);
        return false;
    }
    if !drained(draft, id, "it is one too many") {
        return false;
    }
    draft.order(Step::Retire { member: id.clone() });
    draft.say("retire", Some(id), "it is one too many, and nobody goes through it any more, or had time");
    true
}

/// Whether nobody goes through a balancer that is to leave, or whoever does had time enough; if not, it takes no new
/// sessions from now on.
fn drained(draft: &mut Draft<'_>, id: &MemberId, why: &str) -> bool {
    let sessions = draft.seen.balancers.get(id).and_then(Sight::seen).map(sessions);
    let grace = draft.world.policy.drain;
    let late = draft.lasts(id, "drain", grace);
    let shut = draft.lasting(id).is_some_and(|so_far| so_far >= SHUTS);
    if !runs(draft, id) || late || (sessions == Some(0) && shut) {
        return true;
    }
    draft.order(Step::Shut { member: id.clone() });
    draft.soon(SHUTS);
    let said = sessions.map_or_else(|| "its".to_owned(), |sessions| sessions.to_string());
    draft.say("drain", Some(id), format!("{why}: {said} sessions have {grace} to end"));
    false
}

/// Whether a balancer takes no new sessions.
fn shut(draft: &Draft<'_>, id: &MemberId) -> bool {
    runs(draft, id) && draft.seen.balancers.get(id).and_then(Sight::seen).is_some_and(|routes| routes.shut)
}

/// Nobody is left with its ports shut who is not on its way out, whatever became of the word that said so.
pub(super) fn reopen(draft: &mut Draft<'_>) {
    let word = draft.store.replacing.as_ref();
    let balancers = draft.members.iter().filter(|member| member.service == Service::Balancer);
    for member in balancers.filter(|member| word.is_none_or(|word| word.member != member.id)) {
        if shut(draft, &member.id) {
            draft.order(Step::Reopen { member: member.id.clone() });
        }
    }
}

/// How many sessions a balancer has at its servers.
fn sessions(routes: &Routes) -> u64 {
    routes.rw.values().chain(routes.ro.values()).map(|server| u64::from(server.sessions)).sum()
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
