//! The brain `repair`: from one look to what must be done, and why. Pure.
//!
//! Theory: Patroni elects. Repair only takes away what keeps Patroni from electing (the lease of a body
//! that is *proved* dead), leads the balancers to whoever takes writes, and starts what does not run.
//! Everything is decided from a fresh look; what is remembered costs time when it is lost, never safety. What a later
//! controller needs of it stands in the store ([`StoredMemory`]).
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
mod balancer_routes;
mod checksums;
mod count;
mod database_members;
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
pub use assess::{MemberCondition, RepairAssessment, assess};
pub use audit::audit;
pub use holder::Holder;
pub use may_lead::MayLead;
pub use memory::{RepairDecision, RepairMemory, StoredMemory};
pub use path::Path;
pub use remember::remember;
pub use seen::{
    ConnectionReply, DiskSeen, HandoverSeen, HeldConnection, InstanceSeen, LeaderSeen, RepairSeen,
    RepairStoreSeen, RestReply, Routes, SqlReply, StandbysSeen, VoterStanding, VotersSeen, WishSeen,
};
pub use step::RepairStep;
pub use trouble::Trouble;
pub use view::RepairView;
pub use wait::RepairWait;
pub use world::RepairWorld;

use admit::{admission, finish};
use handover::Handover;
use proposal::RepairProposal;

use crate::decide::brain::{Brain, StepOutcome};
use crate::decide::frame;
use crate::model::control::{Alarm, AlarmKind, Bodies};
use crate::model::{ContainerStatus, Member, Mono, Service, Sight};

impl Brain for RepairWorld {
    type Seen = RepairSeen;
    type Step = RepairStep;
    type Memory = RepairMemory;
    type Kept = StoredMemory;

    fn decide(&self, seen: &RepairSeen, memory: RepairMemory) -> RepairDecision {
        repair(self, seen, memory)
    }

    fn took(memory: &mut RepairMemory, step: &RepairStep, at: Mono, outcome: &StepOutcome) {
        memory.took(step, at, outcome);
    }

    fn unseen(memory: &mut RepairMemory) {
        memory.blind = true;
    }

    fn keep(memory: &RepairMemory, kept: &StoredMemory, now: Mono) -> Option<StoredMemory> {
        memory.keep(kept, now)
    }

    fn recall(kept: &StoredMemory, now: Mono) -> RepairMemory {
        RepairMemory::recall(kept, now)
    }

    fn name(step: &RepairStep) -> &'static str {
        step.name()
    }

    fn looked(seen: &RepairSeen) -> Mono {
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
pub fn repair(world: &RepairWorld, seen: &RepairSeen, mut memory: RepairMemory) -> RepairDecision {
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
        return still(world, seen.at, RepairWait::Maintenance, "maintenance: only watching", memory);
    }
    if !store.initialized {
        if is_being_founded(world, seen, bodies) {
            return still(world, seen.at, RepairWait::Founding, "the cluster is not founded", memory);
        }
        let decision = nothing(world, "hold", "the cluster is not founded".to_owned(), memory);
        let alarm = "Patroni's `initialize` key is missing and a body that starts now would found a new cluster: \
                     put the key back or found the lab anew";
        return told(decision, AlarmKind::NotFounded, alarm.to_owned());
    }
    let a = assess(RepairView::new(world, seen, bodies, store), &memory);
    decide(&a, remember(&memory, &a))
}

/// From what a look means to what is done: proposals, one order of admission, an audit.
fn decide(a: &RepairAssessment<'_>, memory: RepairMemory) -> RepairDecision {
    let mut admission = admission(&a.view.world.policy, a.now(), memory);
    admission.hear(propose(a));
    let spares = admission.rules.spares;
    admission.hear(standbys::standbys(a, spares));
    let decision = finish(admission);
    let breaches = audit(a, &decision);
    frame::audited(decision, breaches)
}

/// Everything that could be done, and in which order it is heard.
fn propose(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let mut all = revive::revive(a);
    all.extend(leader::leader(a));
    match handover::handover(a) {
        Handover::Alone(proposals) => return proposals,
        Handover::Beside(proposals) => all.extend(proposals),
    }
    all.extend(balancer_routes::doors(a));
    let (proposals, settled) = replace::replace(a);
    all.extend(proposals);
    all.extend(starts::starts(a, &settled));
    all
}

fn nothing(world: &RepairWorld, step: &str, reason: String, memory: RepairMemory) -> RepairDecision {
    let again_in = world.policy.every;
    RepairDecision { step: step.to_owned(), reason, memory, again_in, ..RepairDecision::default() }
}

/// Nothing is done, and why; whoever waits for too long says so.
fn still(
    world: &RepairWorld,
    now: Mono,
    wait: RepairWait,
    reason: &str,
    mut memory: RepairMemory,
) -> RepairDecision {
    let policy = &world.policy;
    let alarms = memory.waits.hear(&[(wait, None)], now, policy, policy.every);
    RepairDecision { alarms, ..nothing(world, wait.word(), reason.to_owned(), memory) }
}

fn blind(world: &RepairWorld, reason: String, mut memory: RepairMemory) -> RepairDecision {
    memory.blind = true;
    nothing(world, "blind", reason, memory)
}

fn told(mut decision: RepairDecision, kind: AlarmKind, alarm: String) -> RepairDecision {
    decision.alarms.push(Alarm::new(kind, None, alarm));
    decision
}

/// Bodies run and no database answers yet: nothing was founded that could have been lost.
fn is_being_founded(world: &RepairWorld, seen: &RepairSeen, bodies: &Bodies) -> bool {
    let answers = seen.postgres.values().any(|instance| matches!(instance.sql, ConnectionReply::Answers(_)));
    let runs = |member: &&Member| {
        let found = bodies.members.get(&member.id).map_or(&[][..], Vec::as_slice);
        found.iter().any(|body| body.status == ContainerStatus::Running)
    };
    let mut databases = world.members.iter().filter(|member| member.service == Service::Postgres);
    !answers && databases.any(|member| runs(&member))
}
