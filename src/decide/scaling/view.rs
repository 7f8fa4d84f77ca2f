//! One look of which everything was seen, and questions to it. No question changes anything, and none costs more in a
//! large lab than in a small one, but those about a whole service.

use std::cmp::Ordering;
use std::collections::btree_map::{self, BTreeMap};
use std::iter::Peekable;

use super::seen::{ScalingSeen, ScalingStoreSeen};
use super::windows::Windows;
use super::world::ScalingWorld;
use crate::decide::placement::Rooms;
use crate::model::control::Bodies;
use crate::model::scaling::Usages;
use crate::model::sighting::{BodySeen, PatroniSeen};
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// The setting that waits for a restart.
pub(super) const SETTING: &str = "shared_buffers";

/// A look in which engine, usage and store were seen.
#[derive(Clone, Debug)]
pub struct ScalingView<'a> {
    /// The lab as declared, and what is allowed.
    pub world: &'a ScalingWorld,
    /// The look.
    pub seen: &'a ScalingSeen,
    /// The engine's part of it.
    pub bodies: &'a Bodies,
    /// What bodies use.
    pub usage: &'a Usages,
    /// The store's part of it.
    pub store: &'a ScalingStoreSeen,
    /// What hosts have left.
    pub rooms: Rooms<'a>,
    /// How many measurements make a window.
    pub windows: Windows,
    /// Members by name: their places in the record.
    by_name: Vec<usize>,
}

impl<'a> ScalingView<'a> {
    /// The look as `world` reads it.
    #[must_use]
    pub fn new(
        world: &'a ScalingWorld,
        seen: &'a ScalingSeen,
        bodies: &'a Bodies,
        usage: &'a Usages,
        store: &'a ScalingStoreSeen,
    ) -> Self {
        let rooms = Rooms::new(&world.spec, &bodies.placed);
        let windows = Windows::of(&world.policy);
        let mut by_name: Vec<usize> = (0..bodies.placed.len()).collect();
        // numbers of one length follow one another in the record: a sort that sees such runs has little to do
        by_name.sort_by_key(|at| bodies.placed.get(*at).map(|member| &member.id));
        Self { world, seen, bodies, usage, store, rooms, windows, by_name }
    }

    /// Members whose size moves, by name, each with its place in the record.
    pub fn by_name(&self) -> impl Iterator<Item = (usize, &'a Member)> + use<'_, 'a> {
        let placed = self.by_name.iter().filter_map(|at| Some((*at, self.bodies.placed.get(*at)?)));
        placed.filter(|(_, member)| scales(member))
    }

    /// The place of a member in the record.
    #[must_use]
    pub fn place(&self, id: &MemberId) -> Option<usize> {
        let key = |at: &usize| self.bodies.placed.get(*at).map(|member| &member.id);
        let found = self.by_name.binary_search_by(|at| key(at).cmp(&Some(id))).ok()?;
        self.by_name.get(found).copied()
    }

    /// A member of the lab.
    #[must_use]
    pub fn member(&self, id: &MemberId) -> Option<&'a Member> {
        self.bodies.placed.get(self.place(id)?)
    }

    /// Whether a member holds Patroni's leader key.
    #[must_use]
    pub fn leads(&self, id: &MemberId) -> bool {
        self.store.leader.as_ref() == Some(id)
    }

    /// Whether a member may not leave now: it leads, or must confirm writes.
    #[must_use]
    pub fn must_stay(&self, id: &MemberId) -> bool {
        self.leads(id) || self.world.spec.confirms(self.store.may_lead.as_deref(), id)
    }

    /// How many members of a service there should be.
    #[must_use]
    pub fn wanted(&self, service: Service) -> u32 {
        self.bodies.wanted(&self.world.spec, service)
    }
}

/// Whether PostgreSQL of a member waits for a restart to take another memory.
pub(super) fn waits(seen: &PatroniSeen) -> bool {
    seen.restart_for.iter().any(|setting| setting == SETTING)
}

/// Whether a member leads and runs, or streams.
pub(super) fn well(seen: &PatroniSeen, leads: bool) -> bool {
    if leads {
        return seen.state == "running" && seen.role == "primary";
    }
    seen.state == "streaming" || seen.replication_state.as_deref() == Some("streaming")
}

/// Whether a member's size moves.
pub(super) fn scales(member: &Member) -> bool {
    Service::SIZED.contains(&member.service)
}

/// Whether one of these bodies runs.
pub(super) fn run(bodies: &[BodySeen]) -> bool {
    bodies.iter().any(|body| body.status == ContainerStatus::Running)
}

/// A map that is asked for one name after the other, in their order: all of them cost one walk.
pub(super) struct SortedWalk<'a, V>(Peekable<btree_map::Iter<'a, MemberId, V>>);

impl<'a, V> SortedWalk<'a, V> {
    /// At the beginning.
    pub fn new(map: &'a BTreeMap<MemberId, V>) -> Self {
        Self(map.iter().peekable())
    }

    /// What there is of `id`; names before it are not asked for any more.
    pub fn at(&mut self, id: &MemberId) -> Option<&'a V> {
        loop {
            // a key is compared once, and all of a name is
            match self.0.peek()?.0.cmp(id) {
                Ordering::Less => {
                    self.0.next();
                }
                Ordering::Equal => return self.0.next().map(|(_, value)| value),
                Ordering::Greater => return None,
            }
        }
    }
}
