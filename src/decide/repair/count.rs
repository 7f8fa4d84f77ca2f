//! The number of PostgreSQL instances, as scaling wrote it down: whoever is missing is added, whoever is named as one
//! too many is seen out.
//!
//! Theory: how many and who is scaling's to say, when it is safe is repair's. One at a time in both directions: a
//! newcomer is cloned and verified before the next is begun; readers of one that leaves are sent elsewhere before its
//! body goes. Who is being seen out stands in the store like a replacement, so the two exclude one another.
//!
//! Invariants: nothing while nobody takes writes; the leader never leaves, nor a synchronous standby that nobody can
//! stand in for; nobody leaves before as many as are wanted are good copies without it.

use std::time::Duration;

use super::Step;
use super::draft::{Draft, lies};
use super::replace::{hasten, place, unverified};
use super::standbys::spare;
use crate::model::control::Replacing;
use crate::model::sighting::ServerSeen;
use crate::model::{HostName, Member, MemberId, Service};

/// So long a newcomer's Patroni is looked after.
const YOUNG: Duration = Duration::from_mins(2);

/// Begins to add whoever is missing, or to see out who is one too many. Nothing else is going on.
pub(super) fn count(draft: &mut Draft<'_>, leads: bool) {
    // a look that names nobody as placed counts nobody
    if !leads || draft.bodies.placed.is_empty() {
        return;
    }
    newcomers(draft);
    let leaving = &draft.bodies.leaving;
    let mut databases = draft.members.iter().filter(|member| member.service == Service::Postgres);
    let out = databases.find(|member| leaving.contains(&member.id) && !draft.holds(&member.id));
    if let Some(member) = out {
        match lacking(draft, leads) {
            Some(said) => draft.say("wait", Some(&member.id), said),
            None => {
                see_off(draft, member, format!("{} instances are wanted", draft.wanted(Service::Postgres)));
            }
        }
    } else if draft.stay().count() < draft.wanted(Service::Postgres) {
        add(draft);
    } else if draft.stay().count() > draft.wanted(Service::Postgres) {
        let (there, wanted) = (draft.stay().count(), draft.wanted(Service::Postgres));
        draft.alarm(format!(
            "there are {there} instances, {wanted} are wanted: a scaling controller says who is to leave"
        ));
    }
}

/// Writes down that a member leaves and nobody takes its place.
pub(super) fn see_off(draft: &mut Draft<'_>, member: &Member, why: String) {
    let (service, id, host) = (member.service, member.id.clone(), member.host.clone());
    let said = format!("{why}: it is to leave");
    if draft.order(Step::Intend { service, member: id.clone(), by: id.clone(), host, why }) {
        draft.say("intend", Some(&id), said);
    }
}

/// What keeps anybody from leaving: fewer good copies than are wanted without it, or nobody who takes writes.
fn lacking(draft: &Draft<'_>, leads: bool) -> Option<String> {
    let good = draft.stay().filter(|member| unverified(draft, &member.id).is_none()).count();
    let wanted = draft.wanted(Service::Postgres);
    let said = format!("it is to leave; of {wanted} others that are wanted {good} are good copies");
    (!leads || good < wanted).then_some(said)
}

/// Begins with the next newcomer, when everybody who is there is a good copy.
fn add(draft: &mut Draft<'_>) {
    let said = format!(
        "{} instances are wanted, there are {}",
        draft.wanted(Service::Postgres),
        draft.stay().count()
    );
    let doubt = draft.stay().find_map(|member| Some((member, unverified(draft, &member.id)?)));
    if let Some((member, why)) = doubt {
        draft.say("wait", Some(&member.id), format!("{said}; one that is there comes first: {why}"));
        return;
    }
    make(draft, Service::Postgres, &said);
}

/// Makes another member of a service, wherever one may stand; `said` is what for.
pub(super) fn make(draft: &mut Draft<'_>, service: Service, said: &str) {
    match place(draft, service, service.as_str(), None) {
        Ok(Member { id, service, host, .. }) => {
            if draft.order(Step::Create { member: id.clone(), service, host: host.clone() }) {
                draft.say("add", Some(&id), format!("{said}: it is made on {host}"));
            }
        }
        Err(none) => {
            let said = format!("{said}, and no host can carry another: {none}");
            draft.alarm(said.clone());
            draft.say("wait", None, said);
        }
    }
}

/// Newcomers stream as soon as the leader knows them.
fn newcomers(draft: &mut Draft<'_>) {
    let now = draft.seen.at;
    let young = |id: &MemberId| {
        let lives = draft.out.memory.lives.get(id);
        lives.and_then(|lives| lives.last()).is_some_and(|born| now.since(*born) < YOUNG)
    };
    let planned = |id: &MemberId| draft.world.members.iter().any(|member| member.id == *id);
    let mut clones = draft.stay().filter(|member| !planned(&member.id) && young(&member.id));
    let clone = clones.find_map(|member| Some((member, unverified(draft, &member.id)?)));
    if let Some((member, why)) = clone {
        hasten(draft, &member.id);
        draft.say("clone", Some(&member.id), why);
    }
}

/// The next step for a member that leaves; whether its body is done for.
pub(super) fn see_out(draft: &mut Draft<'_>, word: &Replacing, leads: bool) -> bool {
    let id = &word.member;
    if !draft.bodies.leaving.contains(id) || draft.holds(id) {
        draft.order(Step::Forget { member: id.clone() });
        draft.say("watch", Some(id), "it leads, or it may stay: it does not leave");
        return false;
    }
    let body = match draft.containers(id) {
        [] => None,
        [body] if lies(body.status) => None,
        [body] => Some(body),
        several => {
            draft.alarm(format!("{} containers are called {id}: remove the wrong one", several.len()));
            return false;
        }
    };
    if let Some(said) = lacking(draft, leads) {
        // whoever is no good copy has its turn first, and may need to be replaced
        draft.order(Step::Forget { member: id.clone() });
        draft.say("wait", Some(id), said);
        return false;
    }
    let Some(body) = body else {
        draft.order(Step::Retire { member: id.clone() });
        draft.say("retire", Some(id), "it is one too many, and its body lies dead");
        return true;
    };
    if spare(draft, id) {
        draft.say("wait", Some(id), "it is to leave and confirms writes: another standby is named first");
        return false;
    }
    let grace = draft.world.policy.drain;
    let late = draft.lasts(id, "drain", grace);
    let (open, readers) = read(draft, &word.host);
    if !late && (open || readers > 0) {
        if open {
            draft.order(Step::DrainReads { host: word.host.clone(), member: id.clone() });
        }
        draft.say("drain", Some(id), format!("it is one too many: {readers} sessions have {grace} to end"));
        return false;
    }
    let fence = Step::Fence { member: id.clone(), container: body.id.clone(), key: None };
    if draft.may(&fence) {
        draft.order(Step::Close { host: word.host.clone(), member: id.clone(), park: false });
        draft.order(fence);
    }
    let said = if readers > 0 { "its readers had their time" } else { "nobody reads from it any more" };
    draft.say("retire", Some(id), format!("it is one too many, and {said}"));
    true
}

/// Whether a balancer leads readers to a host, and how many it has there.
fn read(draft: &Draft<'_>, host: &HostName) -> (bool, u64) {
    let routes = draft.seen.balancers.values().filter_map(|balancer| balancer.seen());
    let servers = routes.filter_map(|routes| routes.ro.get(host));
    servers.fold((false, 0), |(open, readers), server| {
        (open || ServerSeen::up(server), readers + u64::from(server.sessions))
    })
}
