//! What is done of what is proposed, in one visible order.
//!
//! Invariants: a step that failed waits twice as long each time, a disk never long; the record of numbers is changed
//! once in a decision; nobody restarts beside anything else.

use std::time::Duration;

use super::assess::Assessment;
use super::begun::{LOOK, State};
use super::memory::{Decision, Memory, Note, Notes};
use super::step::Step;
use super::wait::Wait;
use crate::decide::frame::{Admission, Proposal, Rules};
use crate::model::control::{Alarm, AlarmKind};
use crate::model::scaling::ScalingPolicy;
use crate::model::{MemberId, Mono, Span};

/// What scaling may order.
#[derive(Debug)]
struct Scales<'a> {
    now: Mono,
    policy: &'a ScalingPolicy,
}

impl Rules for Scales<'_> {
    type Step = Step;
    type Note = Note;
    type Wait = Wait;
    type Memory = Memory;

    fn may(&self, memory: &Memory, step: &Step, _: &[Step]) -> bool {
        // a wish is forgotten at every look until it is
        let forgets = matches!(step, Step::Forget { .. } | Step::ForgetCount { .. });
        forgets || !memory.notes.holds(&step.about(), self.now)
    }

    fn note(&mut self, memory: &mut Memory, note: Note) {
        memory.notes.note(note, self.now);
    }

    fn fails(&self, memory: &Memory, step: &Step) -> Option<Alarm> {
        let failure = memory.notes.failed.get(&step.about()).filter(|failure| failure.is_stubborn())?;
        let subject = step.subject();
        let text = format!("{subject}: {}: {}", step.name(), failure.why);
        Some(Alarm::new(AlarmKind::DeedFails, Some(&subject), text))
    }

    fn late(&self, memory: &mut Memory, waits: &[(Wait, Option<MemberId>)]) -> Vec<Alarm> {
        memory.notes.waits.hear(waits, self.now, self.policy, self.policy.every)
    }

    fn again(&self) -> Duration {
        self.policy.every.0
    }
}

/// What is done of what is proposed.
pub(super) fn admit(
    a: &Assessment<'_>,
    proposals: Vec<Proposal<Step, Note, Wait>>,
    notes: Notes,
) -> Decision {
    let goes_on = a.begun.iter().any(|begun| begun.state == State::On);
    let every = a.view.world.policy.every;
    let every = if goes_on { Span(every.0.min(LOOK.0)) } else { every };
    // measurements are not part of any decision: they are handed on
    let memory = Memory { notes, ..Memory::default() };
    let mut admission = Admission::new(Scales { now: a.now(), policy: &a.view.world.policy }, every, memory);
    admission.hear(proposals);
    admission.finish("every size fits what is used")
}

/// A step with its reason, said when it is ordered.
pub(super) fn order(step: Step, why: impl Into<String>) -> Proposal<Step, Note, Wait> {
    Proposal::say(step.name(), Some(&step.subject()), why).when_ordered().step(step)
}
