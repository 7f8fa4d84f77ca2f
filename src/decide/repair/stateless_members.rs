//! Balancers and controllers, which hold no data: replaced where they are lost or do not what they are for; and the number
//! of balancers, as scaling wrote it down: whoever is missing is added, whoever is named as one too many takes no new
//! sessions, and leaves when those it has are over.
//!
//! Theory: the new one is made from its recipe. A balancer begins with every server down and leads to nobody until checks
//! have looked (`start = "checked"`); then it must lead writes to the leader and to nobody else. A controller that runs
//! stands for the leadership like the others, and that one at a time gets it does not depend on who stands for it. One whose
//! process is frozen inside its body does not answer: it is restarted in place first. One that
//! is frozen, does not answer, or routes otherwise than the truth for its grace is as lost as one whose host is: nobody
//! leaves before another does better.
//!
//! Invariants: nobody leaves before as many as are wanted do without it; one at a time; nobody who stays is left with its
//! ports shut.

use std::time::Duration;

use super::assess::{RepairAssessment, misled};
use super::count::{make, see_off};
use super::intend::{forget, intend, retire};
use super::must_go::{lately, lost, must_go, unfit};
use super::proposal::{OneAtATime, RepairNote, RepairProposal};
use super::replacement::{NextProposals, Profile};
use super::trouble::{Trouble, quickly};
use super::wait::RepairWait;
use super::{RepairStep, Routes};
use crate::model::control::{AlarmKind, RepairPolicy, Replacing};
use crate::model::{Member, MemberId, Service, Sight, Span};

/// A balancer that was told to take no new sessions has taken the last one by then.
const SHUTS: Duration = Duration::from_secs(1);

/// What is particular to their replacement.
pub(super) struct StatelessMembers;

impl Profile for StatelessMembers {
    fn stays(&self, a: &RepairAssessment<'_>, old: &Member) -> Option<String> {
        if many(a, old.service) {
            return Some("there is one too many already: who is to leave is decided first".to_owned());
        }
        let wrong = [Trouble::Silent, Trouble::Misled, Trouble::Frozen];
        let well = a.view.runs(&old.id)
            && wrong.iter().all(|trouble| a.lasting(&old.id, *trouble).is_none())
            && unfit(a, old).is_none();
        well.then(|| "it is well again".to_owned())
    }

    fn lacks(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        match new.service {
            Service::Balancer => misroutes(a, &new.id),
            _ if !a.view.runs(&new.id) => Some("it does not run yet".to_owned()),
            _ => match a.view.seen.controllers.get(&new.id) {
                Some(Sight::Blind(_)) => Some("it does not answer yet".to_owned()),
                _ => None,
            },
        }
    }

    fn hopeless(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        away(a, new)
    }

    fn verified_within(&self, policy: &RepairPolicy) -> Span {
        quickly(policy)
    }

    fn help(&self, a: &RepairAssessment<'_>, word: &Replacing, lacks: &str) -> Vec<RepairProposal> {
        let old = &word.member;
        // whoever waits serves meanwhile
        let reopen =
            shut(a, old).then(|| RepairProposal::silent().step(RepairStep::Reopen { member: old.clone() }));
        let join =
            RepairProposal::wait(RepairWait::Join, Some(&word.by), format!("{old} waits for it: {lacks}"));
        reopen.into_iter().chain([join]).collect()
    }

    fn leave(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        let (old, by) = (&word.member, &word.by);
        if word.service == Service::Balancer
            && let Some(drains) = drains(a, old, &format!("{by} routes in its place"))
        {
            return (drains, false);
        }
        (vec![retire(a, old, format!("{by} does in its place what it is for"))], true)
    }

    fn see_out(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        see_out(a, &word.member)
    }
}

/// Begins with a member of a service that must go.
pub(super) fn begin(a: &RepairAssessment<'_>, service: Service) -> Option<RepairProposal> {
    // without the record nobody knows who left
    if !a.view.has_record() || many(a, service) {
        return None;
    }
    let gone = a.view.staying(service).find_map(|member| Some((&member.id, away(a, member)?)));
    let unfit = || a.view.staying(service).find_map(|member| Some((&member.id, must_go(a, member)?)));
    let (old, why) = gone.or_else(unfit)?;
    Some(intend(a, service, old, why))
}

/// The replicas of controllers that run and do not answer are restarted in place, once: a process that is frozen inside its
/// body is ended and begun again.
pub(super) fn restart(a: &RepairAssessment<'_>) -> Option<RepairProposal> {
    let grace = a.view.world.policy.sick_grace;
    let due = |member: &&Member| {
        let tried = lately(a, a.memory.restarted.get(&member.id));
        says_nothing(a, &member.id) && a.lasts(&member.id, Trouble::Silent, grace) && !tried
    };
    let member = a.view.staying(Service::Controller).find(due).filter(|_| a.leads)?;
    let (id, container) = (&member.id, a.view.body(&member.id)?.id.clone());
    let said = format!("it runs and does not answer, for {grace}: it is restarted in place");
    let fence = RepairStep::Fence { member: id.clone(), container, key: None };
    let restart = RepairProposal::say("restart", Some(id), said).when_ordered().step(fence);
    Some(restart.note(RepairNote::Restarted(id.clone())).turn(OneAtATime::Begins))
}

/// Whether a replica was asked lately and did not say that it is well.
fn says_nothing(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    matches!(a.view.seen.controllers.get(id), Some(Sight::Blind(_)))
}

/// Why another must follow one of them: it is lost, or it lives and has not done what it is for, for too long.
fn away(a: &RepairAssessment<'_>, member: &Member) -> Option<String> {
    if let Some(why) = lost(a, member) {
        return Some(why);
    }
    let grace = a.view.world.policy.sick_grace;
    // a controller that does not answer is restarted in place first
    let tried = member.service != Service::Controller
        || says_nothing(a, &member.id) && lately(a, a.memory.restarted.get(&member.id));
    let lasts = |(trouble, said): (Trouble, &str)| {
        let due = trouble != Trouble::Silent || tried;
        (due && a.lasts(&member.id, trouble, grace)).then(|| format!("{said}, for {grace}"))
    };
    let troubles = [
        (Trouble::Frozen, "its body is frozen"),
        (Trouble::Silent, "it runs and does not answer"),
        (Trouble::Misled, "it does not lead writes to the leader alone"),
    ];
    troubles.into_iter().find_map(lasts)
}

/// Whether more of a service stay than are wanted: who is to leave is decided before anybody is replaced. The record keeps
/// no number of controllers.
fn many(a: &RepairAssessment<'_>, service: Service) -> bool {
    let wanted = a.view.bodies.counts.get(&service);
    wanted.is_some_and(|wanted| a.view.staying(service).count() > *wanted as usize)
}

/// Begins to add whoever is missing, or to see out who is one too many, unless something else is begun.
pub(super) fn count(a: &RepairAssessment<'_>) -> Option<RepairProposal> {
    let known = a.view.bodies.counts.contains_key(&Service::Balancer);
    if !a.leads || !known || !a.view.has_record() {
        return None;
    }
    let (there, wanted) = (a.view.staying(Service::Balancer).count(), a.view.wanted(Service::Balancer));
    if there < wanted {
        // before anybody leaves
        return Some(missing(a, wanted));
    }
    let mut all = a.view.all(Service::Balancer);
    if let Some(member) = all.find(|member| a.view.bodies.leaving.contains(&member.id)) {
        return Some(match lacking(a) {
            Some(said) => {
                RepairProposal::wait(RepairWait::Balancers, Some(&member.id), said).turn(OneAtATime::Begins)
            }
            None => see_off(member, format!("{wanted} balancers are wanted")),
        });
    }
    let text = format!(
        "there are {there} balancers, {wanted} are wanted: a scaling controller says who is to leave"
    );
    (there > wanted)
        .then(|| RepairProposal::silent().turn(OneAtATime::Begins).alarm(AlarmKind::TooMany, None, text))
}

/// What keeps anybody from leaving: fewer who route by the truth than are wanted without it.
fn lacking(a: &RepairAssessment<'_>) -> Option<String> {
    let (stay, wanted) = (a.view.staying(Service::Balancer), a.view.wanted(Service::Balancer));
    let good = stay.filter(|member| misroutes(a, &member.id).is_none()).count();
    let said = format!("it is to leave; of {wanted} others that are wanted {good} route as they should");
    (good < wanted).then_some(said)
}

/// Begins with the next newcomer, when everybody who is there routes as it should.
fn missing(a: &RepairAssessment<'_>, wanted: usize) -> RepairProposal {
    let there = a.view.staying(Service::Balancer).count();
    let said = format!("{wanted} balancers are wanted, there are {there}");
    let mut stay = a.view.staying(Service::Balancer);
    if let Some((id, why)) = stay.find_map(|member| Some((&member.id, misroutes(a, &member.id)?))) {
        let said = format!("{said}; one that is there comes first: {why}");
        return RepairProposal::wait(RepairWait::Balancers, Some(id), said).turn(OneAtATime::Begins);
    }
    make(a, Service::Balancer, &said)
}

/// The next step for a balancer that leaves; whether its body is done for.
fn see_out(a: &RepairAssessment<'_>, id: &MemberId) -> NextProposals {
    let stays = !a.view.bodies.leaving.contains(id);
    if let Some(said) = stays.then(|| "it may stay".to_owned()).or_else(|| lacking(a)) {
        let mut proposal = if stays {
            RepairProposal::say("watch", Some(id), said)
        } else {
            RepairProposal::wait(RepairWait::Balancers, Some(id), said)
        };
        // whoever waits, or stays, serves meanwhile; one that does not run has nothing to open
        if a.view.runs(id) {
            proposal = proposal.step(RepairStep::Reopen { member: id.clone() });
        }
        return (vec![proposal.step(forget(id))], false);
    }
    if let Some(drains) = drains(a, id, "it is one too many") {
        return (drains, false);
    }
    let said = "it is one too many, and nobody goes through it any more, or had time";
    (vec![retire(a, id, said)], true)
}

/// That somebody goes through a balancer that is to leave and still has time: it takes no new sessions from now on.
fn drains(a: &RepairAssessment<'_>, id: &MemberId, why: &str) -> Option<Vec<RepairProposal>> {
    let sessions = a.view.seen.balancers.get(id).and_then(Sight::seen).map(sessions);
    let grace = a.view.world.policy.drain;
    let so_far = a.memory.since_of(id, Trouble::Drain).map(|since| a.now().since(since));
    let late = so_far.is_some_and(|so_far| so_far >= grace.0);
    let shut = so_far.is_some_and(|so_far| so_far >= SHUTS);
    if !a.view.runs(id) || late || (sessions == Some(0) && shut) {
        return None;
    }
    let said = sessions.map_or_else(|| "its".to_owned(), |sessions| sessions.to_string());
    let said = format!("{why}: {said} sessions have {grace} to end");
    // its time runs also while it cannot be told
    let begins = RepairProposal::silent().note(RepairNote::Began(id.clone(), Trouble::Drain));
    let shut = RepairProposal::say("drain", Some(id), said)
        .soon(SHUTS)
        .step(RepairStep::Shut { member: id.clone() });
    Some(vec![begins, shut])
}

/// Whether a balancer takes no new sessions.
fn shut(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    a.view.runs(id) && a.view.seen.balancers.get(id).and_then(Sight::seen).is_some_and(|routes| routes.shut)
}

/// Nobody is left with its ports shut who is not on its way out, whatever became of the word that said so.
pub(super) fn reopen(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let word = a.view.store.replacing.as_ref();
    let balancers = a.view.all(Service::Balancer);
    let stays = balancers.filter(|member| word.is_none_or(|word| word.member != member.id));
    let shut = stays.filter(|member| shut(a, &member.id));
    shut.map(|member| RepairProposal::silent().step(RepairStep::Reopen { member: member.id.clone() }))
        .collect()
}

/// How many sessions a balancer has at its servers.
fn sessions(routes: &Routes) -> u64 {
    routes.rw.values().chain(routes.ro.values()).map(|server| u64::from(server.sessions)).sum()
}

/// What keeps a balancer from routing by the truth, while somebody takes writes.
fn misroutes(a: &RepairAssessment<'_>, id: &MemberId) -> Option<String> {
    if !a.leads || !a.view.runs(id) {
        return Some("nobody takes writes, or it does not run".to_owned());
    }
    let routes = match a.view.seen.balancers.get(id) {
        None => return Some("nobody asked it".to_owned()),
        Some(seen) => match seen.seen() {
            None => return Some("it does not answer yet".to_owned()),
            Some(routes) => routes,
        },
    };
    misled(&a.view, routes)
}
