//! One look, and questions to it. No question changes anything.

use std::collections::hash_map::Entry;

use rustc_hash::FxHashMap;

use super::{
    ConnectionReply, HeldConnection, InstanceSeen, RepairSeen, RepairStoreSeen, RepairWorld, RestReply,
};
use crate::decide::placement::number;
use crate::model::control::Bodies;
use crate::model::lab::Replication;
use crate::model::sighting::BodySeen;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Service};

/// What a look has of one name. Every question asks for it again and again, so it is found in one step.
#[derive(Clone, Copy, Debug, Default)]
struct KnownMember<'a> {
    placed: Option<&'a Member>,
    containers: &'a [BodySeen],
    instance: Option<&'a InstanceSeen>,
}

/// A look in which engine and store were seen.
#[derive(Clone, Debug)]
pub struct RepairView<'a> {
    /// Who stands where as declared, and what is allowed.
    pub world: &'a RepairWorld,
    /// What was seen.
    pub seen: &'a RepairSeen,
    /// The engine's part of it.
    pub bodies: &'a Bodies,
    /// The store's part of it.
    pub store: &'a RepairStoreSeen,
    /// Who stands where: by the lab's record, or as planned while nobody could read it.
    pub members: &'a [Member],
    known: FxHashMap<&'a MemberId, KnownMember<'a>>,
    hosts: FxHashMap<&'a HostName, &'a BodySeen>,
    /// Who stays on a host, by host and kind: the leader, else the first by number.
    first: FxHashMap<(&'a HostName, &'a str), &'a Member>,
    /// The newest timeline that anybody but the holder of the key is on.
    pub newest: Option<u32>,
}

impl<'a> RepairView<'a> {
    /// The look as `world` reads it.
    #[must_use]
    pub fn new(
        world: &'a RepairWorld,
        seen: &'a RepairSeen,
        bodies: &'a Bodies,
        store: &'a RepairStoreSeen,
    ) -> Self {
        let members = bodies.placed_or(&world.members);
        let hosts = bodies.hosts.iter().collect();
        let (known, first) = (known(members, bodies, seen), FxHashMap::default());
        let mut view = Self { world, seen, bodies, store, members, known, hosts, first, newest: None };
        let mut first = FxHashMap::default();
        for member in members.iter().filter(|member| !bodies.leaving.contains(&member.id)) {
            match first.entry((&member.host, member.kind())) {
                Entry::Vacant(place) => {
                    place.insert(member);
                }
                Entry::Occupied(mut place) => {
                    let rank = |member: &Member| (!view.holds(&member.id), number(&member.id));
                    if rank(member) < rank(place.get()) {
                        place.insert(member);
                    }
                }
            }
        }
        view.first = first;
        let others = seen.postgres.keys().filter(|id| !view.holds(id));
        view.newest = others.filter_map(|id| view.patroni(id)?.patroni.timeline).max();
        view
    }

    /// A member of the lab.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&'a Member> {
        self.known.get(id)?.placed
    }

    /// Containers of a member; more than one, or none, proves nothing.
    #[must_use]
    pub fn containers(&self, id: &MemberId) -> &'a [BodySeen] {
        self.known.get(id).map_or(&[], |known| known.containers)
    }

    /// The container of a member that has exactly one.
    #[must_use]
    pub fn body(&self, id: &MemberId) -> Option<&'a BodySeen> {
        match self.containers(id) {
            [body] => Some(body),
            _ => None,
        }
    }

    /// State of the container of a member that has exactly one.
    #[must_use]
    pub fn status(&self, id: &MemberId) -> Option<ContainerStatus> {
        self.body(id).map(|body| body.status)
    }

    /// Whether a member has one body, and it runs.
    #[must_use]
    pub fn runs(&self, id: &MemberId) -> bool {
        self.status(id) == Some(ContainerStatus::Running)
    }

    /// Whether a member has one body, and it has no process.
    #[must_use]
    pub fn is_dead(&self, id: &MemberId) -> bool {
        self.status(id).is_some_and(lies)
    }

    /// Whether the sandbox of `host` runs; `None`: nobody knows.
    #[must_use]
    pub fn host_runs(&self, host: &HostName) -> Option<bool> {
        self.hosts.get(host).map(|sandbox| sandbox.status == ContainerStatus::Running)
    }

    /// Whether a member holds the leader key.
    #[must_use]
    pub fn holds(&self, id: &MemberId) -> bool {
        self.store.leader.as_ref().is_some_and(|key| key.member == *id)
    }

    /// The host of a member.
    #[must_use]
    pub fn host(&self, id: &MemberId) -> Option<&'a HostName> {
        let placed = self.member(id).map(|placed| &placed.host);
        placed.or_else(|| self.containers(id).first().map(|body| &body.host))
    }

    /// Whether the host of a member runs, as far as anybody knows.
    #[must_use]
    pub fn on_a_running_host(&self, id: &MemberId) -> bool {
        self.host(id).and_then(|host| self.host_runs(host)) == Some(true)
    }

    /// Who stands beside a member though it should not: one of its kind on its host that has the better right.
    #[must_use]
    pub fn twin(&self, member: &'a Member) -> Option<&'a Member> {
        if self.holds(&member.id) {
            return None;
        }
        let first = self.first.get(&(&member.host, member.kind())).copied();
        first.filter(|first| first.id != member.id)
    }

    /// Members of a service, whether they leave or not.
    pub fn all(&self, service: Service) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.members.iter().filter(move |member| member.service == service)
    }

    /// Members of a service that do not leave the lab.
    pub fn staying(&self, service: Service) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.bodies.staying(self.members, service)
    }

    /// How many members of a service there should be.
    #[must_use]
    pub fn wanted(&self, service: Service) -> usize {
        self.bodies.wanted(&self.world.spec, service) as usize
    }

    /// What was heard of an instance.
    #[must_use]
    pub fn instance(&self, id: &MemberId) -> Option<&'a InstanceSeen> {
        self.known.get(id)?.instance
    }

    /// What Patroni of a member said, where it answered.
    #[must_use]
    pub fn patroni(&self, id: &MemberId) -> Option<&'a RestReply> {
        match &self.instance(id)?.rest {
            ConnectionReply::Answers(rest) => Some(rest),
            _ => None,
        }
    }

    /// Whether a member takes writes: by PostgreSQL's own word; or by Patroni's, where PostgreSQL lives and has no
    /// connection to spare for the question.
    #[must_use]
    pub fn writes(&self, id: &MemberId) -> bool {
        let Some(instance) = self.instance(id) else { return false };
        match &instance.sql {
            ConnectionReply::Answers(sql) => !sql.in_recovery,
            ConnectionReply::Denies(_) => {
                let says =
                    |rest: &RestReply| rest.patroni.role == "primary" && rest.patroni.state == "running";
                self.patroni(id).is_some_and(says) && instance.held != HeldConnection::Silent
            }
            _ => false,
        }
    }

    /// Whether the record of the lab could be read: without it nobody knows who left.
    #[must_use]
    pub fn has_record(&self) -> bool {
        !self.bodies.placed.is_empty()
    }

    /// When a commit is acknowledged, by the lab file.
    #[must_use]
    pub const fn replication(&self) -> Replication {
        self.world.spec.postgres.replication
    }
}

/// Everything that a look has, by name.
fn known<'a>(
    members: &'a [Member],
    bodies: &'a Bodies,
    seen: &'a RepairSeen,
) -> FxHashMap<&'a MemberId, KnownMember<'a>> {
    let mut known: FxHashMap<&MemberId, KnownMember<'_>> = FxHashMap::default();
    known.reserve(members.len());
    for member in members {
        known.entry(&member.id).or_default().placed = Some(member);
    }
    for (id, containers) in &bodies.members {
        known.entry(id).or_default().containers = containers;
    }
    for (id, instance) in &seen.postgres {
        known.entry(id).or_default().instance = Some(instance);
    }
    known
}

/// Whether a body in this state has no process and gets none unless somebody starts it.
pub(super) const fn lies(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Created | ContainerStatus::Exited | ContainerStatus::Dead)
}
