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
mod proposal;
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
mod windows;
mod world;

pub use assess::{ScalingAssessment, assess};
pub use audit::audit;
pub use begun::{Awaited, Begun, BegunState, Ongoing};
pub use condition::SizeCondition;
pub use measure::Ring;
pub use memory::{Dropped, Failure, Notes, ScalingDecision, ScalingMemory};
pub use remember::remember;
pub use seen::{OperatorWish, ScalingSeen, ScalingStoreSeen};
pub use step::{About, Concern, ScalingStep};
pub use view::ScalingView;
pub use wait::ScalingWait;
pub use windows::Windows;
pub use world::ScalingWorld;

use std::collections::BTreeMap;
use std::time::Duration;

use memory::ScalingNote;

use crate::decide::brain::{Brain, StepOutcome};
use crate::decide::frame::{self, Proposal};
use crate::model::control::Bodies;
use crate::model::scaling::Usages;
use crate::model::{MemberId, Mono, Sight, Span};

/// So long after a look the rest of its steps is done all the same when one of them was not.
const LOOK_FRESH: Span = Span::secs(5);

impl Brain for ScalingWorld {
    type Seen = ScalingSeen;
    type Step = ScalingStep;
    type Memory = ScalingMemory;
    type Kept = ();

    fn decide(&self, seen: &ScalingSeen, memory: ScalingMemory) -> ScalingDecision {
        scaling(self, seen, memory)
    }

    fn took(memory: &mut ScalingMemory, step: &ScalingStep, at: Mono, outcome: &StepOutcome) {
        memory.notes.took(step, at, outcome);
    }

    fn goes_on(step: &ScalingStep, since_look: Duration) -> bool {
        // nobody restarts beside something that went wrong
        !matches!(step, ScalingStep::Restart { .. } | ScalingStep::HandOver { .. })
            && since_look < LOOK_FRESH.0
    }

    fn name(step: &ScalingStep) -> &'static str {
        step.name()
    }

    fn looked(seen: &ScalingSeen) -> Mono {
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
pub fn scaling(world: &ScalingWorld, seen: &ScalingSeen, memory: ScalingMemory) -> ScalingDecision {
    let still = |wait: ScalingWait, reason: String, mut memory: ScalingMemory| {
        let (policy, again_in) = (&world.policy, world.policy.every);
        let alarms = memory.notes.waits.hear(&[(wait, None)], seen.at, policy, again_in);
        let step = wait.word().to_owned();
        ScalingDecision { step, reason, alarms, memory, again_in, ..ScalingDecision::default() }
    };
    let (bodies, usage, store) = match parts(seen) {
        Ok(parts) => parts,
        Err((wait, why)) => return still(wait, why, memory),
    };
    let view = ScalingView::new(world, seen, bodies, usage, store);
    let ScalingMemory { rings, notes } = memory;
    let rings = measure::noted(rings, &view);
    if store.maintenance {
        let reason = "maintenance: only watching".to_owned();
        return still(ScalingWait::Maintenance, reason, ScalingMemory { rings, notes });
    }
    let mut decision = decide(view, &rings, &notes);
    decision.memory.rings = rings;
    decision
}

/// The parts of a look of which everything was seen.
///
/// # Errors
/// What could not be seen, for a person.
fn parts(seen: &ScalingSeen) -> Result<(&Bodies, &Usages, &ScalingStoreSeen), (ScalingWait, String)> {
    let bodies = match &seen.bodies {
        Sight::Seen(bodies) if !bodies.placed.is_empty() => bodies,
        Sight::Seen(_) => {
            return Err((ScalingWait::Record, "the lab's record cannot be read".to_owned()));
        }
        Sight::Blind(why) => return Err((ScalingWait::Engine, format!("the engine cannot be seen: {why}"))),
    };
    match (&seen.usage, &seen.store) {
        (Sight::Seen(usage), Sight::Seen(store)) => Ok((bodies, usage, store)),
        (Sight::Blind(why), _) => Err((ScalingWait::Usage, format!("nobody says what is used: {why}"))),
        (_, Sight::Blind(why)) => Err((ScalingWait::Store, format!("the store cannot be seen: {why}"))),
    }
}

/// From what a look means to what is done: proposals, one order of admission, an audit.
fn decide(view: ScalingView<'_>, rings: &BTreeMap<MemberId, Ring>, notes: &Notes) -> ScalingDecision {
    let a = assess(view, rings, notes);
    let decision = admit::admit(&a, propose(&a), remember(notes, &a));
    let breaches = audit(&a, &decision);
    frame::audited(decision, breaches)
}

/// Everything that could be done, in the order in which it is heard.
fn propose(a: &ScalingAssessment<'_>) -> Vec<Proposal<ScalingStep, ScalingNote, ScalingWait>> {
    let mut all = count::count(a);
    all.extend(sizes::sizes(a));
    all.extend(restart::restart(a));
    all.extend(weigh::weigh(a));
    all.extend(sessions::sessions(a));
    all
}
