//! What every brain of a controller is: a pure function from one look and what it remembers to a decision.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::control::Alarm;
use crate::model::{MemberId, Mono, Span};

/// What a controller wants now. Doing nothing is a decision with a reason, too.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BrainDecision<S, M> {
    /// To be done in this order; the rest is dropped when one fails, the next look decides.
    pub steps: Vec<S>,
    /// Where the controller is in its work, one word.
    pub step: String,
    /// The member that it is about; absent: nobody in particular.
    pub subject: Option<MemberId>,
    /// Why these steps, or why none.
    pub reason: String,
    /// What needs a person now.
    pub alarms: Vec<Alarm>,
    /// What will be wanted next if everything stays as it was seen, the soonest first.
    #[serde(default)]
    pub expects: Vec<String>,
    /// What to remember; losing it costs time, never safety.
    pub memory: M,
    /// Look again after this at the latest.
    pub again_in: Span,
    /// Whether instances are to be asked every few milliseconds, because one is about to take writes.
    pub hurry: bool,
}

impl<S, M: Default> Default for BrainDecision<S, M> {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            step: String::new(),
            subject: None,
            reason: String::new(),
            alarms: Vec::new(),
            expects: Vec::new(),
            memory: M::default(),
            again_in: Span::default(),
            hurry: false,
        }
    }
}

/// What became of a step, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StepOutcome {
    /// It was done, or whoever does it has been asked to.
    Done,
    /// It may not be done as it was wanted, and nothing was changed: the same is refused again until its reasons change.
    Refused(String),
    /// Something went wrong; the effect is open.
    Failed(String),
}

impl StepOutcome {
    /// Whether it was done, so that nothing of it is open.
    #[must_use]
    pub fn is_done(&self) -> bool {
        *self == Self::Done
    }
}

/// A brain: what it was told once is itself.
pub trait Brain: Send + Sync {
    /// What it knows at one instant.
    type Seen: Send + Sync;
    /// What it can want done.
    type Step: Serialize + Send + Sync;
    /// What it remembers between two looks.
    type Memory: Default + Send;
    /// What of it outlives the process: `()` where nothing does.
    type Kept: Default + Send + Sync;

    /// What must be done now.
    fn decide(&self, seen: &Self::Seen, memory: Self::Memory) -> BrainDecision<Self::Step, Self::Memory>;

    /// Notes what became of a step.
    fn took(memory: &mut Self::Memory, step: &Self::Step, at: Mono, outcome: &StepOutcome);

    /// Whether the steps behind one that was not done are done all the same, so long after the look they follow from.
    fn goes_on(_step: &Self::Step, _since_look: Duration) -> bool {
        false
    }

    /// What of `memory` is to be written down now, where `kept` was last; `None`: that is good enough.
    fn keep(_memory: &Self::Memory, _kept: &Self::Kept, _now: Mono) -> Option<Self::Kept> {
        None
    }

    /// What a replica remembers that has just become the active one.
    fn recall(_kept: &Self::Kept, _now: Mono) -> Self::Memory {
        Self::Memory::default()
    }

    /// Notes that nobody looks for a while: this replica does not know whether it is the active one.
    fn unseen(_memory: &mut Self::Memory) {}

    /// A step's name in journals, metrics and `stop-at`.
    fn name(step: &Self::Step) -> &'static str;

    /// When a look began, on the machine's monotonic clock.
    fn looked(seen: &Self::Seen) -> Mono;

    /// The step after which the process ends, for tests.
    fn stop_at(&self) -> Option<&str>;

    /// No step ends the process any more.
    fn never_stop(&mut self);
}
