//! What is done of what is proposed, in one visible order.
//!
//! Invariants: a step that failed waits twice as long each time, a disk never long; the record of numbers is changed
//! once in a decision; nobody restarts beside anything else.

use std::time::Duration;

use super::assess::ScalingAssessment;
use super::begun::{BegunState, NEXT_LOOK};
use super::memory::{Notes, ScalingDecision, ScalingMemory, ScalingNote};
use super::step::ScalingStep;
use super::wait::ScalingWait;
use crate::decide::frame::{Admission, BrainRules, Proposal};
use crate::model::control::{Alarm, AlarmKind};
use crate::model::scaling::ScalingPolicy;
use crate::model::{MemberId, Mono, Span};

/// What scaling may order.
#[derive(Debug)]
struct Scales<'a> {
    now: Mono,
    policy: &'a ScalingPolicy,
}

impl BrainRules for Scales<'_> {
    type Step = ScalingStep;
    type Note = ScalingNote;
    type Wait = ScalingWait;
    type Memory = ScalingMemory;

    fn may(&self, memory: &ScalingMemory, step: &ScalingStep, _: &[ScalingStep]) -> bool {
        // a wish is forgotten at every look until it is
        let forgets = matches!(step, ScalingStep::Forget { .. } | ScalingStep::ForgetCount { .. });
        forgets || !memory.notes.holds(&step.about(), self.now)
    }

    fn note(&mut self, memory: &mut ScalingMemory, note: ScalingNote) {
        memory.notes.note(note, self.now);
    }

    fn fails(&self, memory: &ScalingMemory, step: &ScalingStep) -> Option<Alarm> {
        let failure = memory.notes.failed.get(&step.about()).filter(|failure| failure.is_stubborn())?;
        let subject = step.subject();
        let text = format!("{subject}: {}: {}", step.name(), failure.why);
        Some(Alarm::new(AlarmKind::DeedFails, Some(&subject), text))
    }

    fn late(&self, memory: &mut ScalingMemory, waits: &[(ScalingWait, Option<MemberId>)]) -> Vec<Alarm> {
        memory.notes.waits.hear(waits, self.now, self.policy, self.policy.every)
    }

    fn again(&self) -> Duration {
        self.policy.every.0
    }
}

/// What is done of what is proposed.
pub(super) fn admit(
    a: &ScalingAssessment<'_>,
    proposals: Vec<Proposal<ScalingStep, ScalingNote, ScalingWait>>,
    notes: Notes,
) -> ScalingDecision {
    let goes_on = a.begun.iter().any(|begun| begun.state == BegunState::On);
    let every = a.view.world.policy.every;
    let every = if goes_on { Span(every.0.min(NEXT_LOOK.0)) } else { every };
    // measurements are not part of any decision: they are handed on
    let memory = ScalingMemory { notes, ..ScalingMemory::default() };
    let mut admission = Admission::new(Scales { now: a.now(), policy: &a.view.world.policy }, every, memory);
    admission.hear(proposals);
    admission.finish("every size fits what is used")
}

/// A step with its reason, said when it is ordered.
pub(super) fn order(
    step: ScalingStep,
    why: impl Into<String>,
) -> Proposal<ScalingStep, ScalingNote, ScalingWait> {
    Proposal::say(step.name(), Some(&step.subject()), why).when_ordered().step(step)
}
