//! Members that do not serve where they are: restarted in place, and when that does not help replaced by a new
//! member on another host.
//!
//! Theory: add first, verify, remove last. What is about to be done stands in the store before it is begun, so a
//! controller that comes after goes on with it. The old volume stays untouched until the new copy streams. A newcomer has
//! a deadline: one that never comes up is retired, the old one stays, and the next try is decided anew.
//!
//! Invariants: one replacement at a time; nothing is begun while nobody takes writes; the leader never goes;
//! nobody goes before the one who takes its place is verified.

use std::collections::BTreeSet;

use super::assess::{Assessment, sick};
use super::checksums::rotten;
use super::count::{count, see_out};
use super::drift::drift;
use super::follow::left_behind;
use super::leader::led_by_rotten;
use super::lost::{LIVES, forget, hasten, intend, lately, let_go, lost, retire, unfit, unfit_for_long, wish};
use super::proposal::{Note, Proposal, Turn};
use super::standbys::{confirms, names_another};
use super::trouble::{CERTAIN, Trouble};
use super::{Step, movers, voters};
use crate::model::control::{AlarmKind, Replacing};
use crate::model::{ContainerStatus, Member, MemberId, Service, Span};

/// So many of those that need it are proposed in one look: the first may have to wait.
const SEVERAL: usize = 3;

/// What goes on or begins, and who must not be started any more.
pub(super) fn replace(a: &Assessment<'_>) -> (Vec<Proposal>, BTreeSet<MemberId>) {
    let store = a.view.store;
    // Patroni tries again at its next turn, up to `loop_wait` later
    let failed = a.paths.iter().filter(|(_, path)| path.has_failed()).map(|(id, _)| id.clone());
    let mut all: Vec<Proposal> =
        failed.map(|member| Proposal::silent().step(Step::Wake { member })).collect();
    let mut settled = BTreeSet::new();
    if let Some(word) = &store.replacing {
        let (proposals, over) = match word.service {
            Service::Etcd => voters::go_on(a, word),
            Service::Balancer | Service::Controller => movers::go_on(a, word),
            _ => go_on(a, word),
        };
        all.extend(proposals);
        // and rotten data is not served again
        if over || rotten(&a.view, &word.member).is_some() {
            settled.insert(word.member.clone());
        }
    }
    all.extend(movers::reopen(a));
    all.extend(led_by_rotten(a));
    if store.replacing.is_none() {
        // a member of etcd is followed in seconds, a database is cloned: the quicker one first
        all.extend(voters::begin(a));
        // whoever else needs it has its turn when this one is through
        let databases = a.view.staying(Service::Postgres).filter_map(|member| begin(a, member));
        all.extend(several(databases));
        all.extend(movers::begin(a, Service::Balancer));
        all.extend(movers::begin(a, Service::Controller));
        all.extend(drift(a));
        all.extend(count(a));
        all.extend(movers::count(a));
    }
    all.extend(asked(a));
    (all, settled)
}

/// Everything up to the first few that could be begun.
pub(super) fn several(proposals: impl Iterator<Item = Proposal>) -> Vec<Proposal> {
    let mut could = 0;
    proposals
        .take_while(|proposal| {
            let goes_on = could < SEVERAL;
            could += usize::from(!proposal.steps.is_empty());
            goes_on
        })
        .collect()
}

/// What is said of operators' wishes that nobody can fulfil.
fn asked(a: &Assessment<'_>) -> Vec<Proposal> {
    let goes = |member: &Member| !matches!(member.service, Service::Client | Service::Broker);
    let mut all = Vec::new();
    for (asked, revision) in &a.view.store.asked {
        if a.view.bodies.retired.contains(asked) {
            // it has left for another reason: nobody is to go for its sake
            if a.view.store.replacing.is_none() {
                let step = Step::Forget { member: asked.clone(), wish: Some(*revision) };
                all.push(Proposal::silent().step(step).turn(Turn::Begins));
            }
        } else if !a.view.member(asked).is_some_and(goes) {
            let text = format!("{asked} is to be replaced and is no member of this lab that could be");
            all.push(Proposal::silent().alarm(AlarmKind::NoSuchMember, Some(asked), text));
        }
    }
    all
}

/// The next step of a replacement that was begun; whether the old one is done for.
fn go_on(a: &Assessment<'_>, word: &Replacing) -> (Vec<Proposal>, bool) {
    let old = &word.member;
    let (old_placed, by_placed) = (a.view.member(old).is_some(), a.view.member(&word.by).is_some());
    let too_many = word.by == *old;
    if too_many && old_placed {
        return see_out(a, word);
    }
    if !old_placed {
        return (vec![gone(a, word)], true);
    }
    let extra = a.view.staying(Service::Postgres).count() > a.view.wanted(Service::Postgres);
    if a.view.bodies.retired.contains(&word.by) {
        return (given_up(a, word), false);
    }
    if a.view.bodies.leaving.contains(&word.by) || by_placed && !extra {
        let said = format!("{} is not there for its sake: decided anew", word.by);
        return (vec![Proposal::say("watch", Some(old), said).step(forget(old))], false);
    }
    if !by_placed {
        return (vec![make(a, word)], false);
    }
    let Some(why) = a.lacks(&word.by) else { return leave(a, word) };
    if let Some(over) = hopeless(a, word) {
        return (give_up(a, word, &over), false);
    }
    if let Some(again) = begins_anew(a, &word.by) {
        return (vec![again], false);
    }
    let said = format!("{old} waits for it: {why}");
    let mut all = hasten(a, &word.by);
    all.push(Proposal::say("clone", Some(&word.by), said));
    (all, false)
}

/// The old one has left: its body goes if it still has one, then its volumes.
fn gone(a: &Assessment<'_>, word: &Replacing) -> Proposal {
    let old = &word.member;
    let said = if word.by == *old {
        "it has left: its volumes go".to_owned()
    } else {
        format!("{} has taken its place: its volumes go", word.by)
    };
    let proposal = if a.view.containers(old).is_empty() {
        let_go(a, old, old, wish(a, old))
    } else {
        return retire(a, old, said);
    };
    Proposal { word: "retire", subject: Some(old.clone()), reason: said, ..proposal }
}

/// The newcomer is made, or not any more.
fn make(a: &Assessment<'_>, word: &Replacing) -> Proposal {
    let old = &word.member;
    let member = a.view.member(old);
    let unfit = member.is_some_and(|member| unfit(a, member).is_some());
    let needs = member.is_some_and(|member| matches!(wrong(a, member), Wrong::Replace(_)));
    // its host is back, with its data: it is started, and another is looked for only if that comes to nothing
    let comes_back = a.view.is_dead(old) && a.view.on_a_running_host(old) && !needs;
    if !unfit && (a.is_good(old) || comes_back) {
        let said =
            if a.is_good(old) { "it is well again" } else { "its host runs again and it has its data" };
        return Proposal::say("watch", Some(old), format!("{said}: it is not replaced")).step(forget(old));
    }
    if a.view.host_runs(&word.host) != Some(true) {
        let said = format!("{}, where it was to go, does not run", word.host);
        return Proposal::say("refuse", Some(old), said).step(forget(old));
    }
    if !a.leads {
        return Proposal::say("wait", Some(old), "nobody takes writes: there is nobody to clone from");
    }
    let (member, host) = (word.by.clone(), word.host.clone());
    let said = format!("{}: {} is made on {} to take its place", word.why, word.by, word.host);
    let step = Step::Create { member, service: Service::Postgres, host };
    Proposal::say("add", Some(old), said).when_ordered().step(step)
}

/// Why a newcomer will not take the place it was made for, if so.
fn hopeless(a: &Assessment<'_>, word: &Replacing) -> Option<String> {
    let by = &word.by;
    if a.view.holds(by) {
        return None;
    }
    if let Some(why) = a.view.member(by).and_then(|member| lost(a, member)) {
        return Some(why);
    }
    let policy = &a.view.world.policy;
    let since = word.begun.filter(|begun| a.now().since(*begun) >= policy.newcomer_grace.0);
    if since.is_some() {
        return Some(format!("it is no good copy {} after that was decided", policy.newcomer_grace));
    }
    let Stuck { trouble, lasts, .. } = stuck(a, by)?;
    (lasts && tried(a, by)).then(|| format!("{trouble}, and a restart did not help"))
}

/// A newcomer that is given up leaves: its body first, then its name.
fn give_up(a: &Assessment<'_>, word: &Replacing, why: &str) -> Vec<Proposal> {
    let (old, by) = (&word.member, &word.by);
    let said = format!("{why}: it does not take the place of {old}");
    let alarm = format!("{by} never took the place of {old}: {why}");
    let proposal = Proposal::say("retire", Some(by), said).alarm(AlarmKind::NewcomerFailed, Some(by), alarm);
    if !a.leads {
        return vec![proposal];
    }
    match a.view.body(by).filter(|_| !a.view.is_dead(by)) {
        Some(body) => {
            let step = Step::Fence { member: by.clone(), container: body.id.clone(), key: None };
            vec![proposal.step(step)]
        }
        None => vec![proposal.step(Step::Retire { member: by.clone() })],
    }
}

/// The newcomer has left: its volumes go, and what an operator wanted ends with the reason.
fn given_up(a: &Assessment<'_>, word: &Replacing) -> Vec<Proposal> {
    let (old, by) = (&word.member, &word.by);
    let said = format!("{by} is not there for its sake: decided anew");
    let alarm =
        format!("{by} never took the place of {old}, which stays: find out why newcomers do not come up");
    let proposal = let_go(a, by, old, wish(a, old));
    let proposal = Proposal { word: "watch", subject: Some(old.clone()), reason: said, ..proposal };
    vec![proposal.alarm(AlarmKind::NewcomerFailed, Some(old), alarm)]
}

/// A newcomer that does not get there by itself is restarted in place, once.
fn begins_anew(a: &Assessment<'_>, by: &MemberId) -> Option<Proposal> {
    let Stuck { trouble, lasts, grace } = stuck(a, by)?;
    let body = a.view.body(by)?;
    let may = lasts && a.leads && !a.view.holds(by) && !tried(a, by);
    may.then(|| restart(by, body.id.clone(), &format!("{trouble}, for {grace}")).when_ordered())
}

/// What a member is stuck in that has a living body.
struct Stuck {
    trouble: String,
    /// Whether that has lasted for its grace.
    lasts: bool,
    grace: Span,
}

fn stuck(a: &Assessment<'_>, id: &MemberId) -> Option<Stuck> {
    let grace = a.view.world.policy.sick_grace;
    let long = |trouble: String, what| Stuck { trouble, lasts: a.lasts(id, what, grace), grace };
    if a.lasting(id, Trouble::Frozen).is_some() {
        return Some(long("its body is frozen".to_owned(), Trouble::Frozen));
    }
    if let Some(trouble) = sick(&a.view, id).filter(|_| a.view.runs(id)) {
        return Some(long(trouble, Trouble::Sick));
    }
    let path = a.paths.get(id)?;
    a.view.patroni(id)?;
    let (trouble, so_far, grace) = path.stands_still(a.now(), grace)?;
    Some(Stuck { trouble, lasts: so_far >= grace.0, grace })
}

/// The new copy is verified: the old member may go, unless others still lean on it.
fn leave(a: &Assessment<'_>, word: &Replacing) -> (Vec<Proposal>, bool) {
    let old = &word.member;
    let said = format!("{} streams in its place", word.by);
    let retire = || Proposal::say("retire", Some(old), said.as_str());
    let Some(key) = &a.view.store.leader else {
        return (vec![Proposal::say("wait", Some(old), "nobody leads")], false);
    };
    if key.member == *old {
        // it came to lead meanwhile. A word that waited for its end would keep everybody else from being replaced
        let said = format!("it leads by now and stays: {} is one more than are wanted", word.by);
        return (vec![Proposal::say("watch", Some(old), said).step(forget(old))], false);
    }
    let proposal = match a.view.containers(old) {
        [] => retire().step(Step::Retire { member: old.clone() }),
        [_] if a.view.is_dead(old) => retire().step(Step::Retire { member: old.clone() }),
        [_] if confirms(a, old) => {
            let said = "it confirms writes: another standby is named first";
            return (vec![Proposal::say("wait", Some(old), said).spares(names_another(a, old))], false);
        }
        [body] => {
            let fence = Step::Fence { member: old.clone(), container: body.id.clone(), key: None };
            let host = a.view.host(old).cloned();
            let close = host.map(|host| Step::Close { host, member: old.clone(), park: false });
            close.into_iter().chain([fence]).fold(retire(), Proposal::step)
        }
        several => {
            let text = format!("{} containers are called {old}: remove the wrong one", several.len());
            retire().alarm(AlarmKind::SeveralBodies, Some(old), text)
        }
    };
    (vec![proposal.spares(!a.view.is_dead(old) && names_another(a, old))], true)
}

/// The first step for a member that must be restarted or replaced.
fn begin(a: &Assessment<'_>, member: &Member) -> Option<Proposal> {
    let id = &member.id;
    let asked = a.view.store.asked.contains_key(id);
    if a.view.holds(id) {
        let text = format!("{id} is to be replaced and leads: hand over first");
        return asked.then(|| Proposal::silent().alarm(AlarmKind::HandOverFirst, Some(id), text));
    }
    let (why, container) = match wrong(a, member) {
        _ if asked => ("an operator asked for it".to_owned(), None),
        Wrong::Nothing => (unfit_for_long(a, member)?, None),
        Wrong::Told(proposal) => {
            return Some(match unfit_for_long(a, member) {
                Some(why) => another(a, id, why),
                None => *proposal,
            });
        }
        Wrong::Restart { container, why } => (why, Some(container)),
        Wrong::Replace(why) => (why, None),
    };
    match container {
        Some(container) if a.leads => Some(restart(id, container, &why).when_ordered().turn(Turn::Begins)),
        _ => Some(another(a, id, why)),
    }
}

fn another(a: &Assessment<'_>, id: &MemberId, why: String) -> Proposal {
    if !a.leads {
        let said = format!("{why}; nobody takes writes, so nothing is begun");
        return Proposal::say("wait", Some(id), said).turn(Turn::Begins);
    }
    intend(a, Service::Postgres, id, why, None)
}

/// What a member that does not lead needs.
enum Wrong {
    /// Nothing, or not yet.
    Nothing,
    /// Not yet, and that is said.
    Told(Box<Proposal>),
    /// A restart in place, which was not tried yet.
    Restart {
        /// Its container.
        container: String,
        /// What is wrong.
        why: String,
    },
    /// Another in its place.
    Replace(String),
}

fn grace(id: &MemberId, said: String) -> Wrong {
    Wrong::Told(Box::new(Proposal::say("grace", Some(id), said).turn(Turn::Begins)))
}

fn wrong(a: &Assessment<'_>, member: &Member) -> Wrong {
    let (id, policy) = (&member.id, &a.view.world.policy);
    if a.view.host_runs(&member.host) == Some(false) {
        return lost(a, member).map_or(Wrong::Nothing, Wrong::Replace);
    }
    if let Some(why) = rotten(&a.view, id) {
        if a.view.store.leader.as_ref().is_some_and(|key| rotten(&a.view, &key.member).is_some()) {
            let text = format!("{id}: {why}, and so it is with the leader: nobody can be cloned");
            return Wrong::Told(Box::new(Proposal::silent().alarm(AlarmKind::BadData, Some(id), text)));
        }
        return Wrong::Replace(why);
    }
    let Some(body) = a.view.body(id) else { return Wrong::Nothing };
    if a.view.is_dead(id) {
        let again = a.lives_of(id) >= LIVES;
        let why = || format!("it died again after {} starts", a.lives_of(id));
        return if again { Wrong::Replace(why()) } else { Wrong::Nothing };
    }
    if !matches!(body.status, ContainerStatus::Running | ContainerStatus::Paused) {
        return Wrong::Nothing;
    }
    if let Some(path) = a.paths.get(id).filter(|_| a.view.runs(id)) {
        if let Some(why) = left_behind(&a.view, id, path) {
            if a.lasts(id, Trouble::Wal, CERTAIN) {
                return Wrong::Replace(why);
            }
            return grace(id, format!("{why}, for less than {CERTAIN}"));
        }
        // a restart would begin its recovery anew
        if let Some(why) = path.recovers_for_ever(a.now(), policy.sick_grace) {
            return Wrong::Replace(why);
        }
    }
    let Some(Stuck { trouble, lasts, grace: its }) = stuck(a, id) else { return Wrong::Nothing };
    if !lasts {
        return grace(id, format!("{trouble}, for less than {its}"));
    }
    if tried(a, id) {
        return Wrong::Replace(format!("{trouble}, and a restart did not help"));
    }
    Wrong::Restart { container: body.id.clone(), why: format!("{trouble}, for {its}") }
}

/// Whether a member was restarted lately.
fn tried(a: &Assessment<'_>, id: &MemberId) -> bool {
    lately(a, a.memory.restarted.get(id))
}

/// Takes a replica down that does not serve; `starts` gives it its next life.
fn restart(id: &MemberId, container: String, why: &str) -> Proposal {
    let fence = Step::Fence { member: id.clone(), container, key: None };
    let said = format!("{why}: it is restarted in place");
    Proposal::say("restart", Some(id), said).step(fence).note(Note::Restarted(id.clone()))
}
