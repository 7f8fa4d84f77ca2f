//! The brain `scaling`: from what bodies use to the sizes they should have, and why. Pure.
//!
//! Theory: sizes are given here, numbers are only written down: repair adds and sees out, when that is
//! safe. A size follows the use in a window, in steps that double while they follow one another, between the
//! limits of the spec and of the host. More is given at once, because more never harms; less is taken only from a
//! lab that is well, and only so much that the same use does not ask for it back.
//!
//! Shape, as in repair: [`assess`] says what a look means and changes nothing; [`remember`] keeps since when, and what is
//! waited for; proposals are pure, one kind a file; `admit` hears them in one order; [`audit`] refuses what no decision
//! may do. No step waits for its end: whether it takes is what the next look checks.
//!
//! Invariants: no size outside the spec's limits or the host's capacity; memory never below what is in use, nor
//! below the step PostgreSQL's shared memory stands on; disks never shrink, and one that fills waits for nothing else; one
//! restart at a time, and none while another member is not well; the number of instances within its limits, the leader
//! and whoever must confirm writes never one too many; nothing is taken away while nobody leads, while a member is
//! replaced, or from a body that could not be measured; nothing at all in maintenance.

mod admit;
mod assess;
mod audit;
mod begun;
mod busy;
mod condition;
mod count;
mod expect;
mod measure;
mod memory;
mod remember;
mod restart;
mod seen;
mod sessions;
mod size;
mod sizes;
mod step;
#[cfg(test)]
mod tests;
mod view;
mod wait;
mod wal;
mod weigh;
mod world;

pub use assess::{Assessment, assess};
pub use audit::audit;
pub use begun::{Awaited, Begun, Ongoing, State};
pub use condition::Condition;
pub use measure::Ring;
pub use memory::{Decision, Dropped, Failure, Memory, Notes};
pub use remember::remember;
pub use seen::{Asked, Seen, StoreSeen};
pub use step::{About, Concern, Step};
pub use view::View;
pub use wait::Wait;
pub use world::World;

use std::collections::BTreeMap;
use std::time::Duration;

use memory::Note;

use crate::decide::brain::{Brain, Outcome};
use crate::decide::frame::{self, Proposal};
use crate::model::control::Bodies;
use crate::model::scaling::Usages;
use crate::model::{MemberId, Mono, Sight, Span};

/// So long after a look the rest of its steps is done all the same when one of them was not.
const FRESH: Span = Span::secs(5);

impl Brain for World {
    type Seen = Seen;
    type Step = Step;
    type Memory = Memory;
    type Kept = ();

    fn decide(&self, seen: &Seen, memory: Memory) -> Decision {
        scaling(self, seen, memory)
    }

    fn took(memory: &mut Memory, step: &Step, at: Mono, outcome: &Outcome) {
        memory.notes.took(step, at, outcome);
    }

    fn goes_on(step: &Step, since_look: Duration) -> bool {
        // nobody restarts beside something that went wrong
        !matches!(step, Step::Restart { .. } | Step::Handover { .. }) && since_look < FRESH.0
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
pub fn scaling(world: &World, seen: &Seen, memory: Memory) -> Decision {
    let still = |wait: Wait, reason: String, mut memory: Memory| {
        let (policy, again_in) = (&world.policy, world.policy.every);
        let alarms = memory.notes.waits.hear(&[(wait, None)], seen.at, policy, again_in);
        let step = wait.word().to_owned();
        Decision { step, reason, alarms, memory, again_in, ..Decision::default() }
    };
    let (bodies, usage, store) = match parts(seen) {
        Ok(parts) => parts,
        Err((wait, why)) => return still(wait, why, memory),
    };
    let view = View::new(world, seen, bodies, usage, store);
    let Memory { rings, notes } = memory;
    let rings = measure::noted(rings, &view);
    if store.maintenance {
        let reason = "maintenance: only watching".to_owned();
        return still(Wait::Maintenance, reason, Memory { rings, notes });
    }
    let mut decision = decide(view, &rings, &notes);
    decision.memory.rings = rings;
    decision
}

/// The parts of a look of which everything was seen.
///
/// # Errors
/// What could not be seen, for a person.
fn parts(seen: &Seen) -> Result<(&Bodies, &Usages, &StoreSeen), (Wait, String)> {
    let bodies = match &seen.bodies {
        Sight::Seen(bodies) if !bodies.placed.is_empty() => bodies,
        Sight::Seen(_) => {
            return Err((Wait::Record, "the lab's record cannot be read".to_owned()));
        }
        Sight::Blind(why) => return Err((Wait::Engine, format!("the engine cannot be seen: {why}"))),
    };
    match (&seen.usage, &seen.store) {
        (Sight::Seen(usage), Sight::Seen(store)) => Ok((bodies, usage, store)),
        (Sight::Blind(why), _) => Err((Wait::Usage, format!("nobody says what is used: {why}"))),
        (_, Sight::Blind(why)) => Err((Wait::Store, format!("the store cannot be seen: {why}"))),
    }
}

/// From what a look means to what is done: proposals, one order of admission, an audit.
fn decide(view: View<'_>, rings: &BTreeMap<MemberId, Ring>, notes: &Notes) -> Decision {
    let a = assess(view, rings, notes);
    let decision = admit::admit(&a, propose(&a), remember(notes, &a));
    let breaches = audit(&a, &decision);
    frame::audited(decision, breaches)
}

/// Everything that could be done, in the order in which it is heard.
fn propose(a: &Assessment<'_>) -> Vec<Proposal<Step, Note, Wait>> {
    let mut all = count::count(a);
    all.extend(sizes::sizes(a));
    all.extend(restart::restart(a));
    all.extend(weigh::weigh(a));
    all.extend(sessions::sessions(a));
    all
}
