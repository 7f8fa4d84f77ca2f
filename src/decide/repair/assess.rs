//! What one look means: who leads and how well, what is wrong with each member and since when, who is a good copy and who
//! may lead. Everything that is proposed rests on this, and nothing here changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::checksums::rotten;
use super::follow::{self, left_behind};
use super::holder::{Holder, Stalled, hangs, holder, stalled};
use super::may_lead::{MayLead, may_lead};
use super::path::Path;
use super::trouble::Trouble;
use super::view::{RepairView, lies};
use super::{ConnectionReply, RepairMemory, Routes, VoterStanding};
use crate::model::sighting::ServerSeen;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Mono, Service, Sight, Span};

/// What is wrong with one member, since when, and what it is good for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberCondition {
    /// What is wrong with it, and since when.
    pub troubles: BTreeMap<Trouble, Mono>,
    /// What a database lacks to be a good copy; `None`: nothing, or it is no database.
    pub lacks: Option<String>,
}

/// What one look means, member by member, with since when it has been so.
#[derive(Clone, Debug)]
pub struct RepairAssessment<'a> {
    /// The look that it is about.
    pub view: RepairView<'a>,
    /// What was remembered before it.
    pub memory: &'a RepairMemory,
    /// How whoever holds the leader key does.
    pub holder: Holder,
    /// Whether the holder of the key lives and takes writes.
    pub leads: bool,
    /// How far the disk of a primary has come that takes nothing, and since when.
    pub stalled: Option<Stalled>,
    /// How replicas that do not follow the leader try to.
    pub paths: BTreeMap<MemberId, Path>,
    /// Every member, and everybody else of whom there is a container.
    pub conditions: FxHashMap<&'a MemberId, MemberCondition>,
    /// Since when nobody holds the leader key.
    pub leaderless: Option<Mono>,
}

/// What `view` means to whoever remembers `memory`.
#[must_use]
pub fn assess<'a>(view: RepairView<'a>, memory: &'a RepairMemory) -> RepairAssessment<'a> {
    let stalled = stalled(&view, memory);
    let holder = holder(&view, memory, stalled.as_ref());
    let key = view.store.leader.as_ref();
    let leads = holder == Holder::Lives && key.is_some_and(|key| view.writes(&key.member));
    let paths = follow::paths(&view, memory, leads);
    let leaderless = key.is_none().then(|| memory.leaderless.unwrap_or(view.seen.at));
    let conditions = FxHashMap::default();
    let mut a = RepairAssessment { view, memory, holder, leads, stalled, paths, conditions, leaderless };
    a.conditions = conditions_of(&a);
    a
}

fn conditions_of<'a>(a: &RepairAssessment<'a>) -> FxHashMap<&'a MemberId, MemberCondition> {
    let mut all: FxHashMap<&MemberId, MemberCondition> = FxHashMap::default();
    all.reserve(a.view.members.len());
    let since = Since { a };
    for member in a.view.members {
        if matches!(member.service, Service::Client | Service::Broker) {
            continue;
        }
        let mut condition = MemberCondition::default();
        for (trouble, sure) in troubles(a, member) {
            if let Some(when) = since.of(&member.id, trouble, sure) {
                condition.troubles.insert(trouble, when);
            }
        }
        if member.service == Service::Postgres {
            condition.lacks = lacks(&a.view, &member.id);
        }
        all.insert(&member.id, condition);
    }
    let surplus: &BTreeSet<String> = &a.view.bodies.surplus;
    if surplus.is_empty() {
        return all;
    }
    for (id, bodies) in &a.view.bodies.members {
        if bodies.iter().any(|body| surplus.contains(&body.id)) {
            let when = since.of(id, Trouble::Surplus, Sure::Yes);
            all.entry(id).or_default().troubles.extend(when.map(|when| (Trouble::Surplus, when)));
        }
    }
    all
}

/// Whether this look shows a trouble, or cannot tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sure {
    Yes,
    /// What was known stays, and this time does not count.
    Unknown,
}

/// Since when troubles last.
struct Since<'a> {
    a: &'a RepairAssessment<'a>,
}

impl Since<'_> {
    fn of(&self, id: &MemberId, trouble: Trouble, sure: Sure) -> Option<Mono> {
        let now = self.a.view.seen.at;
        let known = self.a.memory.since_of(id, trouble);
        match sure {
            Sure::Yes => Some(known.unwrap_or(now)),
            Sure::Unknown => {
                let unseen = now.since(self.a.memory.looked.unwrap_or(now));
                known.map(|known| known.plus(unseen))
            }
        }
    }
}

/// What this look says is wrong with a member, or cannot say.
fn troubles(a: &RepairAssessment<'_>, member: &Member) -> Vec<(Trouble, Sure)> {
    let (view, id) = (&a.view, &member.id);
    let mut found = Vec::new();
    if view.host_runs(&member.host) == Some(false) {
        found.push((Trouble::Host, Sure::Yes));
    }
    if view.host_runs(&member.host) == Some(true) || view.holds(id) {
        found.extend(of_body(a, member).map(|trouble| (trouble, Sure::Yes)));
        found.extend(of_service(a, member));
    }
    if !view.bodies.leaving.contains(id) && view.twin(member).is_some() {
        found.push((Trouble::Beside, Sure::Yes));
    }
    let drifted = view.body(id).is_some_and(|body| {
        body.status == ContainerStatus::Running && view.bodies.drifted.contains_key(&body.id)
    });
    if drifted {
        found.push((Trouble::Drift, Sure::Yes));
    }
    found
}

/// What the engine says is wrong with a body.
fn of_body(a: &RepairAssessment<'_>, member: &Member) -> Option<Trouble> {
    let (view, id) = (&a.view, &member.id);
    match view.containers(id) {
        // the holder of the key is dealt with before its place is
        [body] if lies(body.status) && !view.holds(id) => Some(Trouble::Dead),
        [body] if body.status == ContainerStatus::Paused => Some(Trouble::Frozen),
        [] if view.has_record() && !view.holds(id) => Some(Trouble::Gone),
        _ => None,
    }
}

/// What a body that runs does otherwise than it should.
fn of_service(a: &RepairAssessment<'_>, member: &Member) -> Option<(Trouble, Sure)> {
    let (view, id) = (&a.view, &member.id);
    let runs = view.runs(id);
    match member.service {
        Service::Postgres if view.holds(id) => {
            let fails = if runs { hangs(view, id) } else { None };
            fails.map(|(trouble, _)| (trouble, Sure::Yes))
        }
        Service::Postgres if runs => {
            let wal = || a.paths.get(id).and_then(|path| left_behind(view, id, path));
            let trouble = if sick(view, id).is_some() {
                Trouble::Sick
            } else if view.patroni(id).is_some_and(|rest| rest.patroni.state == "stopping") {
                Trouble::Stops
            } else if wal().is_some() {
                Trouble::Wal
            } else {
                return None;
            };
            Some((trouble, Sure::Yes))
        }
        Service::Etcd if runs || view.status(id) == Some(ContainerStatus::Paused) => {
            match view.seen.voters.seen() {
                None => Some((Trouble::Sick, Sure::Unknown)),
                Some(voters) => {
                    let serves = voters.members.get(id).is_none_or(|vote| *vote == VoterStanding::Serves);
                    (!serves).then_some((Trouble::Sick, Sure::Yes))
                }
            }
        }
        Service::Balancer if runs => of_balancer(a, id),
        Service::Controller if runs => of_controller(a, id),
        _ => None,
    }
}

/// A balancer is judged while somebody takes writes: then it was asked in this very look, and there is a truth to route by.
/// That the leader answers is the second sign: the way from here is not what is wrong.
fn of_balancer(a: &RepairAssessment<'_>, id: &MemberId) -> Option<(Trouble, Sure)> {
    let sure = if a.leads { Sure::Yes } else { Sure::Unknown };
    match a.view.seen.balancers.get(id)?.seen() {
        None => Some((Trouble::Silent, sure)),
        Some(_) if !a.leads => Some((Trouble::Misled, Sure::Unknown)),
        Some(routes) => misled(&a.view, routes).map(|_| (Trouble::Misled, Sure::Yes)),
    }
}

/// A replica of a controller that runs and does not say that it is well. Where the leader answers in the same look, the
/// way from here is not what is wrong.
fn of_controller(a: &RepairAssessment<'_>, id: &MemberId) -> Option<(Trouble, Sure)> {
    match a.view.seen.controllers.get(id) {
        Some(Sight::Seen(())) => None,
        Some(Sight::Blind(_)) if a.leads => Some((Trouble::Silent, Sure::Yes)),
        Some(Sight::Blind(_)) | None => Some((Trouble::Silent, Sure::Unknown)),
    }
}

/// What keeps a balancer from routing by the truth: writes to the leader and to nobody else.
pub(super) fn misled(view: &RepairView<'_>, routes: &Routes) -> Option<String> {
    let up: Vec<&HostName> =
        routes.rw.iter().filter(|(_, server)| ServerSeen::up(server)).map(|(host, _)| host).collect();
    let host = view.store.leader.as_ref().and_then(|key| view.host(&key.member))?;
    (up != [host]).then(|| "it does not lead writes to the leader alone yet".to_owned())
}

/// What keeps a member that runs from serving, if it is nothing that Patroni works on.
pub(super) fn sick(view: &RepairView<'_>, id: &MemberId) -> Option<String> {
    let instance = view.instance(id)?;
    let rest = match &instance.rest {
        ConnectionReply::Unasked => return None,
        ConnectionReply::Answers(rest) => rest,
        ConnectionReply::Refuses(why)
        | ConnectionReply::Hangs(why)
        | ConnectionReply::Silent(why)
        | ConnectionReply::Denies(why) => {
            return Some(format!("its Patroni does not answer: {why}"));
        }
    };
    let hangs = matches!(instance.sql, ConnectionReply::Hangs(_)) && rest.patroni.state == "running";
    (hangs || !rest.loop_runs).then(|| "it accepts connections and does not answer".to_owned())
}

/// What a member lacks to be a good copy: it leads and writes, or it runs, replays and streams, on the leader's
/// timeline and close behind.
fn lacks(view: &RepairView<'_>, id: &MemberId) -> Option<String> {
    let Some(body) = view.body(id) else { return Some("it has no body".to_owned()) };
    if body.status != ContainerStatus::Running {
        return Some(format!("its body is {}", body.status.as_str()));
    }
    let Some(instance) = view.instance(id) else { return Some("nobody asked it".to_owned()) };
    let Some(rest) = view.patroni(id) else { return Some("its Patroni does not answer yet".to_owned()) };
    if let Some(why) = rotten(view, id) {
        return Some(why);
    }
    let patroni = &rest.patroni;
    // it came to lead meanwhile: there is no better copy
    if view.writes(id) && view.holds(id) {
        return None;
    }
    let replays = matches!(&instance.sql, ConnectionReply::Answers(sql) if sql.in_recovery);
    // no connection is left for the question, and Patroni says that it runs
    if !replays && !matches!(&instance.sql, ConnectionReply::Denies(_)) {
        return Some(format!("its PostgreSQL does not answer yet, Patroni says {}", patroni.state));
    }
    if patroni.state != "streaming" && patroni.replication_state.as_deref() != Some("streaming") {
        return Some(format!("it does not stream yet, Patroni says {}", patroni.state));
    }
    let key = view.store.leader.as_ref()?;
    let Some(leader) = view.patroni(&key.member) else {
        return Some("the leader's Patroni does not answer".to_owned());
    };
    if patroni.timeline.is_none() || patroni.timeline != leader.patroni.timeline {
        return Some("it is not on the leader's timeline".to_owned());
    }
    let behind = match (leader.patroni.lsn, patroni.lsn) {
        (Some(leader), Some(its)) => leader.0.saturating_sub(its.0),
        _ => return Some("its position is not known".to_owned()),
    };
    (behind > view.world.lag.0).then(|| format!("it is {behind} bytes behind"))
}

impl<'a> RepairAssessment<'a> {
    /// The instant of the look.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.view.seen.at
    }

    /// Whether the holder of the key lives, as far as anybody can tell.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.holder == Holder::Lives
    }

    /// For how long a trouble has lasted; `None`: it is not there.
    #[must_use]
    pub fn lasting(&self, id: &MemberId, trouble: Trouble) -> Option<Duration> {
        let since = self.conditions.get(id)?.troubles.get(&trouble)?;
        Some(self.now().since(*since))
    }

    /// Whether a trouble has lasted as long as `grace`.
    #[must_use]
    pub fn lasts(&self, id: &MemberId, trouble: Trouble, grace: Span) -> bool {
        self.lasting(id, trouble).is_some_and(|so_far| so_far >= grace.0)
    }

    /// Whether anything but `trouble` is wrong with a member.
    #[must_use]
    pub fn is_wrong_beside(&self, id: &MemberId, trouble: Trouble) -> bool {
        let condition = self.conditions.get(id);
        condition.is_some_and(|condition| condition.troubles.keys().any(|other| *other != trouble))
    }

    /// What a database lacks to be a good copy; one that is no member of the lab lacks that.
    #[must_use]
    pub fn lacks(&self, id: &MemberId) -> Option<String> {
        match self.conditions.get(id) {
            Some(condition) => condition.lacks.clone(),
            None => Some("it is no member of this lab".to_owned()),
        }
    }

    /// Whether a database is a good copy.
    #[must_use]
    pub fn is_good(&self, id: &MemberId) -> bool {
        self.conditions.get(id).is_some_and(|condition| condition.lacks.is_none())
    }

    /// Whether a member may lead in the place of whoever holds the key.
    #[must_use]
    pub fn may_lead(&self, id: &MemberId) -> MayLead {
        may_lead(&self.view, id)
    }

    /// Everybody but the holder of the key, and whether they may lead.
    pub fn followers(&self) -> impl Iterator<Item = (&'a MemberId, MayLead)> + use<'_, 'a> {
        let others = self.view.all(Service::Postgres).filter(|member| !self.view.holds(&member.id));
        others.map(|member| (&member.id, self.may_lead(&member.id)))
    }

    /// How often a step failed in a row.
    #[must_use]
    pub fn failures(&self, step: &super::RepairStep) -> u32 {
        self.memory.failed.get(&step.key()).map_or(0, |(times, _)| *times)
    }

    /// How many lives a member was given in the time of the budget of starts.
    #[must_use]
    pub fn lives_of(&self, id: &MemberId) -> usize {
        self.memory.lives.get(id).map_or(0, Vec::len)
    }
}
