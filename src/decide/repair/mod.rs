//! The brain `repair`: from one look to what must be done, and why. Pure.
//!
//! Theory: Patroni elects. Repair only takes away what keeps Patroni from electing (the lease of a body
//! that is *proved* dead), leads the balancers to whoever takes writes, and starts what does not run.
//! Everything is decided from a fresh look; what is remembered costs time when it is lost, never safety. What a later
//! controller needs of it stands in the store ([`Kept`]).
//!
//! Shape: [`assess`] says what a look means and changes nothing; [`remember`] keeps since when; proposals are pure, one kind
//! a file; `admit` hears them in one order; [`audit`] refuses what no decision may do, whoever proposed it.
//!
//! Invariants: no step against a subject that could not be seen; no release without
//! [`ProofLevel::Dead`](crate::model::control::ProofLevel) of the very container that belongs to the key, or, where
//! the policy allows it, `Doomed` while it held this very key; no release and no fence of a leader that lives while nobody
//! may follow; a database starts only while somebody else leads, or alone where nobody who runs may lead; nothing leaves
//! before what takes its place is verified, and never the leader; nothing in maintenance.

mod admit;
mod assess;
mod audit;
mod checksums;
mod count;
mod database_members;
mod doors;
mod drift;
mod etcd_members;
mod follow;
mod handover;
mod holder;
mod intend;
mod leader;
mod may_lead;
mod memory;
mod must_go;
mod path;
mod proposal;
mod remember;
mod replace;
mod replacement;
mod revive;
mod seen;
mod standbys;
mod starts;
mod stateless_members;
mod step;
#[cfg(test)]
mod tests;
mod trouble;
mod view;
mod wait;
mod world;

pub use crate::decide::frame::Breach;
pub use assess::{Assessment, Condition, assess};
pub use audit::audit;
pub use holder::Holder;
pub use may_lead::MayLead;
pub use memory::{Decision, Kept, Memory};
pub use path::Path;
pub use remember::remember;
pub use seen::{
    DiskSeen, HandoverSeen, Held, InstanceSeen, LeaderSeen, Reply, RestReply, Routes, Seen, SqlReply,
    StandbysSeen, StoreSeen, Vote, Voters, WishSeen,
};
pub use step::Step;
pub use trouble::Trouble;
pub use view::View;
pub use wait::Wait;
pub use world::World;

use admit::{admission, finish};
use handover::Handover;
use proposal::Proposal;

use crate::decide::brain::{Brain, Outcome};
use crate::decide::frame;
use crate::model::control::{Alarm, AlarmKind, Bodies};
use crate::model::{ContainerStatus, Member, Mono, Service, Sight};

impl Brain for World {
    type Seen = Seen;
    type Step = Step;
    type Memory = Memory;
    type Kept = Kept;

    fn decide(&self, seen: &Seen, memory: Memory) -> Decision {
        repair(self, seen, memory)
    }

    fn took(memory: &mut Memory, step: &Step, at: Mono, outcome: &Outcome) {
        memory.took(step, at, outcome.is_done());
    }

    fn unseen(memory: &mut Memory) {
        memory.blind = true;
    }

    fn keep(memory: &Memory, kept: &Kept, now: Mono) -> Option<Kept> {
        memory.keep(kept, now)
    }

    fn recall(kept: &Kept, now: Mono) -> Memory {
        Memory::recall(kept, now)
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
    let bodies = match &seen.bodies {
        Sight::Seen(bodies) => bodies,
        Sight::Blind(why) => {
            // by itself it changes nothing for clients: a person must know before a primary dies
            let alarm = format!(
                "the engine cannot be seen ({why}): nobody can be proved dead, so the lease of a primary that dies decides"
            );
            let decision = blind(world, format!("the engine cannot be seen: {why}"), memory);
            return told(decision, AlarmKind::EngineBlind, alarm);
        }
    };
    let store = match &seen.store {
        Sight::Seen(store) => store,
        Sight::Blind(why) => {
            let alarm = format!("the store cannot be seen ({why}): nothing is repaired meanwhile");
            let decision = blind(world, format!("the store cannot be seen: {why}"), memory);
            return told(decision, AlarmKind::StoreBlind, alarm);
        }
    };
    memory.looks(seen.at);
    if store.maintenance {
        memory.forget();
        return still(world, seen.at, Wait::Maintenance, "maintenance: only watching", memory);
    }
    if !store.initialized {
        if is_being_founded(world, seen, bodies) {
            return still(world, seen.at, Wait::Founding, "the cluster is not founded", memory);
        }
        let decision = nothing(world, "hold", "the cluster is not founded".to_owned(), memory);
        let alarm = "Patroni's `initialize` key is missing and a body that starts now would found a new cluster: \
                     put the key back or found the lab anew";
        return told(decision, AlarmKind::NotFounded, alarm.to_owned());
    }
    let a = assess(View::new(world, seen, bodies, store), &memory);
    decide(&a, remember(&memory, &a))
}

/// From what a look means to what is done: proposals, one order of admission, an audit.
fn decide(a: &Assessment<'_>, memory: Memory) -> Decision {
    let mut admission = admission(&a.view.world.policy, a.now(), memory);
    admission.hear(propose(a));
    let spares = admission.rules.spares;
    admission.hear(standbys::standbys(a, spares));
    let decision = finish(admission);
    let breaches = audit(a, &decision);
    frame::audited(decision, breaches)
}

/// Everything that could be done, and in which order it is heard.
fn propose(a: &Assessment<'_>) -> Vec<Proposal> {
    let mut all = revive::revive(a);
    all.extend(leader::leader(a));
    match handover::handover(a) {
        Handover::Alone(proposals) => return proposals,
        Handover::Beside(proposals) => all.extend(proposals),
    }
    all.extend(doors::doors(a));
    let (proposals, settled) = replace::replace(a);
    all.extend(proposals);
    all.extend(starts::starts(a, &settled));
    all
}

fn nothing(world: &World, step: &str, reason: String, memory: Memory) -> Decision {
    let again_in = world.policy.every;
    Decision { step: step.to_owned(), reason, memory, again_in, ..Decision::default() }
}

/// Nothing is done, and why; whoever waits for too long says so.
fn still(world: &World, now: Mono, wait: Wait, reason: &str, mut memory: Memory) -> Decision {
    let policy = &world.policy;
    let alarms = memory.waits.hear(&[(wait, None)], now, policy, policy.every);
    Decision { alarms, ..nothing(world, wait.word(), reason.to_owned(), memory) }
}

fn blind(world: &World, reason: String, mut memory: Memory) -> Decision {
    memory.blind = true;
    nothing(world, "blind", reason, memory)
}

fn told(mut decision: Decision, kind: AlarmKind, alarm: String) -> Decision {
    decision.alarms.push(Alarm::new(kind, None, alarm));
    decision
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
