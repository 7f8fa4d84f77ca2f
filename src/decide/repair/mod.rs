//! The brain `repair`: from one look to what must be done, and why. Pure.
//!
//! Theory: Patroni elects. Repair only takes away what keeps Patroni from electing (the lease of a body
//! that is *proved* dead), leads the balancers to whoever takes writes, and starts what does not run.
//! Everything is decided from a fresh look; what is remembered costs time when it is lost, never safety.
//!
//! Invariants: no step against a subject that could not be seen; no release without
//! [`ProofLevel::Dead`](crate::model::control::ProofLevel) of the very container that belongs to the key, or, where
//! the policy allows it, `Doomed` while it held this very key;
//! no start of a member that holds the leader key, or while nobody does; nothing leaves before what takes its
//! place is verified, and never the leader; nothing in maintenance.

mod candidate;
mod checksums;
mod count;
mod doors;
mod draft;
mod drift;
mod follow;
mod handover;
mod leader;
mod lost;
mod movers;
mod replace;
mod seen;
mod standbys;
mod starts;
mod step;
#[cfg(test)]
mod tests;
mod voters;

pub use follow::Path;
pub use seen::{
    DiskSeen, HandoverSeen, Held, InstanceSeen, LeaderSeen, Reply, RestReply, Routes, Seen, SqlReply,
    StandbysSeen, StoreSeen, Vote, Voters, WishSeen,
};
pub use step::{Decision, Memory, Step};

use draft::Draft;

use crate::decide::brain::Brain;
use crate::model::control::{Bodies, RepairPolicy};
use crate::model::{ContainerStatus, LabSpec, Member, Mono, Service, Sight};

/// What repair is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The lab as declared: hosts, and who may stand where.
    pub spec: LabSpec,
    /// Who stood where when this was written.
    pub members: Vec<Member>,
    /// Bytes a replica may lack and still follow (Patroni: `maximum_lag_on_failover`).
    pub lag: crate::model::Bytes,
    /// What the lab's owner allows.
    pub policy: RepairPolicy,
}

impl Brain for World {
    type Seen = Seen;
    type Step = Step;
    type Memory = Memory;

    fn decide(&self, seen: &Seen, memory: Memory) -> Decision {
        repair(self, seen, memory)
    }

    fn took(memory: &mut Memory, step: &Step, at: Mono, worked: bool) {
        memory.took(step, at, worked);
    }

    fn name(step: &Step) -> &'static str {
        step.name()
    }

    fn looked(seen: &Seen) -> Mono {
        seen.at
    }

    fn stop_at(&self) -> Option<&str> {
        self.policy.stop_at.as_deref()
    }

    fn never_stop(&mut self) {
        self.policy.stop_at = None;
    }
}

/// What must be done now.
#[must_use]
pub fn repair(world: &World, seen: &Seen, mut memory: Memory) -> Decision {
    let nothing = |step: &str, reason: String, memory: Memory| Decision {
        step: step.to_owned(),
        reason,
        memory,
        again_in: world.policy.every,
        ..Decision::default()
    };
    let bodies = match &seen.bodies {
        Sight::Seen(bodies) => bodies,
        Sight::Blind(why) => {
            memory.blind = true;
            let mut decision = nothing("blind", format!("the engine cannot be seen: {why}"), memory);
            // by itself it changes nothing for clients: a person must know before a primary dies
            decision.alarms.push(format!(
                "the engine cannot be seen ({why}): nobody can be proved dead, so the lease of a primary that dies decides"
            ));
            return decision;
        }
    };
    let store = match &seen.store {
        Sight::Seen(store) => store,
        Sight::Blind(why) => {
            memory.blind = true;
            return nothing("blind", format!("the store cannot be seen: {why}"), memory);
        }
    };
    memory.looks(seen.at);
    if store.maintenance {
        memory.forget();
        return nothing("maintenance", "maintenance: only watching".to_owned(), memory);
    }
    if !store.initialized {
        let mut decision = nothing("hold", "the cluster is not founded".to_owned(), memory);
        if !is_being_founded(world, seen, bodies) {
            decision.alarms.push(
                "Patroni's `initialize` key is missing and a body that starts now would found a new cluster: \
                 put the key back or found the lab anew"
                    .to_owned(),
            );
        }
        return decision;
    }
    let mut draft = Draft::new(world, seen, bodies, store, memory);
    let lives = leader::leader(&mut draft);
    if lives && handover::handover(&mut draft) {
        return draft.finish();
    }
    doors::doors(&mut draft, lives);
    let settled = replace::replace(&mut draft, lives);
    starts::starts(&mut draft, &settled);
    standbys::standbys(&mut draft, lives);
    draft.finish()
}

/// Bodies run and no database answers yet: nothing was founded that could have been lost.
fn is_being_founded(world: &World, seen: &Seen, bodies: &Bodies) -> bool {
    let answers = seen.postgres.values().any(|instance| matches!(instance.sql, Reply::Answers(_)));
    let runs = |member: &&Member| {
        let found = bodies.members.get(&member.id).map_or(&[][..], Vec::as_slice);
        found.iter().any(|body| body.status == ContainerStatus::Running)
    };
    let mut databases = world.members.iter().filter(|member| member.service == Service::Postgres);
    !answers && databases.any(|member| runs(&member))
}
