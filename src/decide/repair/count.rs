//! The number of PostgreSQL instances, as scaling wrote it down: whoever is missing is added, whoever is named as one
//! too many is seen out. Where no scaling controller names anybody, repair does: what is too many there is its own newcomer.
//!
//! Theory: how many and who is scaling's to say, when it is safe is repair's. One at a time in both directions: a
//! newcomer is cloned and verified before the next is begun; readers of one that leaves are sent elsewhere before its
//! body goes. Who is being seen out stands in the store like a replacement, so the two exclude one another.
//!
//! Invariants: nothing while nobody takes writes; the leader never leaves, nor a synchronous standby that nobody can
//! stand in for; nobody leaves before as many as are wanted are good copies without it.

use std::time::Duration;

use super::RepairStep;
use super::assess::RepairAssessment;
use super::intend::{forget, hasten, place};
use super::proposal::{OneAtATime, RepairNote, RepairProposal};
use super::replacement::NextProposals;
use super::standbys::{confirms, names_another};
use super::trouble::Trouble;
use super::wait::RepairWait;
use crate::decide::placement::number;
use crate::model::control::{AlarmKind, Replacing};
use crate::model::sighting::ServerSeen;
use crate::model::{HostName, Member, MemberId, Service};

/// So long a newcomer's Patroni is looked after.
const NEWCOMER_AGE: Duration = Duration::from_mins(2);

/// Begins to add whoever is missing, or to see out who is one too many. Nothing else is going on.
pub(super) fn count(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    // a look that names nobody as placed counts nobody
    if !a.leads || !a.view.has_record() {
        return Vec::new();
    }
    let mut all = newcomers(a);
    let (there, wanted) = (a.view.staying(Service::Postgres).count(), a.view.wanted(Service::Postgres));
    if there < wanted {
        // before anybody leaves
        all.push(add(a, there, wanted));
    } else if let Some(member) = named(a).or_else(|| extra(a)) {
        all.push(match lacking(a, &member.id) {
            Some(said) => {
                RepairProposal::wait(RepairWait::Copies, Some(&member.id), said).turn(OneAtATime::Begins)
            }
            None => see_off(member, format!("{wanted} instances are wanted")),
        });
    } else if there > wanted {
        let who = if scaled(a) {
            "a scaling controller says who is to leave"
        } else {
            "nobody of them may leave now"
        };
        let text = format!("there are {there} instances, {wanted} are wanted: {who}");
        all.push(RepairProposal::silent().turn(OneAtATime::Begins).alarm(AlarmKind::TooMany, None, text));
    }
    all
}

/// Who is named as one too many.
fn named<'a>(a: &RepairAssessment<'a>) -> Option<&'a Member> {
    a.view
        .all(Service::Postgres)
        .find(|member| a.view.bodies.leaving.contains(&member.id) && goes(a, &member.id))
}

/// Who is one too many where no scaling controller says so: one that is no good copy, or else the newest.
fn extra<'a>(a: &RepairAssessment<'a>) -> Option<&'a Member> {
    let may = a.view.staying(Service::Postgres).filter(|member| goes(a, &member.id));
    may.max_by_key(|member| (!a.is_good(&member.id), number(&member.id)))
}

/// Whether a member is one too many, and does not lead.
fn goes(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    let too_many = || a.view.staying(Service::Postgres).count() > a.view.wanted(Service::Postgres);
    // whoever an operator wants replaced is followed by one that is there already
    let by_itself = || !scaled(a) && a.view.store.asked.is_empty() && too_many();
    !a.view.holds(id) && (a.view.bodies.leaving.contains(id) || by_itself())
}

/// Whether somebody else says who is one too many.
fn scaled(a: &RepairAssessment<'_>) -> bool {
    a.view.world.spec.has_controller("scaling")
}

/// Writes down that a member leaves and nobody takes its place.
pub(super) fn see_off(member: &Member, why: String) -> RepairProposal {
    let (service, id, host) = (member.service, member.id.clone(), member.host.clone());
    let said = format!("{why}: it is to leave");
    let step = RepairStep::Intend { service, member: id.clone(), by: id.clone(), host, why };
    RepairProposal::say("intend", Some(&id), said).when_ordered().step(step).turn(OneAtATime::Begins)
}

/// What keeps a member from leaving: fewer good copies than are wanted without it, or nobody who takes writes.
fn lacking(a: &RepairAssessment<'_>, id: &MemberId) -> Option<String> {
    let others = a.view.staying(Service::Postgres).filter(|member| member.id != *id);
    let good = others.filter(|member| a.is_good(&member.id)).count();
    let wanted = a.view.wanted(Service::Postgres);
    let said = format!("it is to leave; of {wanted} others that are wanted {good} are good copies");
    (!a.leads || good < wanted).then_some(said)
}

/// Begins with the next newcomer, when everybody who is there is a good copy.
fn add(a: &RepairAssessment<'_>, there: usize, wanted: usize) -> RepairProposal {
    let said = format!("{wanted} instances are wanted, there are {there}");
    let mut stay = a.view.staying(Service::Postgres);
    if let Some((member, why)) = stay.find_map(|member| Some((member, a.lacks(&member.id)?))) {
        let said = format!("{said}; one that is there comes first: {why}");
        return RepairProposal::wait(RepairWait::Copies, Some(&member.id), said).turn(OneAtATime::Begins);
    }
    make(a, Service::Postgres, &said)
}

/// Makes another member of a service, wherever one may stand; `said` is what for.
pub(super) fn make(a: &RepairAssessment<'_>, service: Service, said: &str) -> RepairProposal {
    match place(a, service, service.as_str(), None) {
        Ok((id, host)) => {
            let said = format!("{said}: it is made on {host}");
            let step = RepairStep::Create { member: id.clone(), service, host };
            RepairProposal::say("add", Some(&id), said).when_ordered().step(step).turn(OneAtATime::Begins)
        }
        Err(none) => {
            let said = format!("{said}, and no host can carry another: {none}");
            RepairProposal::wait(RepairWait::Host, None, said.clone()).turn(OneAtATime::Begins).alarm(
                AlarmKind::WaitsForHost,
                None,
                said,
            )
        }
    }
}

/// Newcomers stream as soon as the leader knows them.
fn newcomers(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let young = |id: &MemberId| {
        let lives = a.memory.lives.get(id);
        lives.and_then(|lives| lives.last()).is_some_and(|born| a.now().since(*born) < NEWCOMER_AGE)
    };
    let planned = |id: &MemberId| a.view.world.members.iter().any(|member| member.id == *id);
    let mut clones =
        a.view.staying(Service::Postgres).filter(|member| young(&member.id) && !planned(&member.id));
    let Some((member, why)) = clones.find_map(|member| Some((member, a.lacks(&member.id)?))) else {
        return Vec::new();
    };
    let mut all = hasten(a, &member.id);
    all.push(RepairProposal::wait(RepairWait::Clone, Some(&member.id), why).turn(OneAtATime::Begins));
    all
}

/// The next step for a member that leaves; whether its body is done for.
pub(super) fn see_out(a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
    let id = &word.member;
    let one = |proposal: RepairProposal| vec![proposal];
    if !goes(a, id) {
        let said = "it leads, or it may stay: it does not leave";
        return (one(RepairProposal::say("watch", Some(id), said).step(forget(id))), false);
    }
    if a.view.containers(id).len() > 1 {
        let n = a.view.containers(id).len();
        let text = format!("{n} containers are called {id}: remove the wrong one");
        return (one(RepairProposal::silent().alarm(AlarmKind::SeveralBodies, Some(id), text)), false);
    }
    if let Some(said) = lacking(a, id) {
        // whoever is no good copy has its turn first, and may need to be replaced
        return (one(RepairProposal::wait(RepairWait::Copies, Some(id), said).step(forget(id))), false);
    }
    let Some(body) = a.view.body(id).filter(|_| !a.view.is_dead(id)) else {
        let said = "it is one too many, and its body lies dead";
        let retire = RepairStep::Retire { member: id.clone() };
        return (one(RepairProposal::say("retire", Some(id), said).step(retire)), true);
    };
    let spares = names_another(a, id);
    if confirms(a, id) {
        let said = "it is to leave and confirms writes: another standby is named first";
        return (one(RepairProposal::wait(RepairWait::Standby, Some(id), said).spares(spares)), false);
    }
    let began = RepairNote::Began(id.clone(), Trouble::Drain);
    let grace = a.view.world.policy.drain;
    let late = a.memory.since_of(id, Trouble::Drain).is_some_and(|since| a.now().since(since) >= grace.0);
    let (open, readers) = read(a, &word.host);
    if !late && (open || readers > 0) {
        let said = format!("it is one too many: {readers} sessions have {grace} to end");
        let mut all = one(RepairProposal::say("drain", Some(id), said).spares(spares).note(began));
        if open {
            let drain = RepairStep::DrainReads { host: word.host.clone(), member: id.clone() };
            all.push(RepairProposal::silent().step(drain));
        }
        return (all, false);
    }
    let close = RepairStep::Close { host: word.host.clone(), member: id.clone(), park: false };
    let fence = RepairStep::Fence { member: id.clone(), container: body.id.clone(), key: None };
    let how = if readers > 0 { "its readers had their time" } else { "nobody reads from it any more" };
    let said = format!("it is one too many, and {how}");
    (one(RepairProposal::say("retire", Some(id), said).step(close).step(fence).spares(spares)), true)
}

/// Whether a balancer leads readers to a host, and how many it has there.
fn read(a: &RepairAssessment<'_>, host: &HostName) -> (bool, u64) {
    let routes = a.view.seen.balancers.values().filter_map(|balancer| balancer.seen());
    let servers = routes.filter_map(|routes| routes.ro.get(host));
    servers.fold((false, 0), |(open, readers), server| {
        (open || ServerSeen::up(server), readers + u64::from(server.sessions))
    })
}
