//! What is done of what is proposed, in one visible order.
//!
//! Invariants: at most one disruptive step; a step that failed waits twice as long each time; a step that worked is not
//! ordered again within a second; of what is begun one at a time the first that may be begun is. Whoever is heard first says where repair is and why.

use std::time::Duration;

use super::memory::REPEAT;
use super::proposal::RepairNote;
use super::wait::RepairWait;
use super::{RepairDecision, RepairMemory, RepairStep};
use crate::decide::frame::{self, BackOff, BrainRules, STUBBORN};
use crate::model::control::{Alarm, AlarmKind, RepairPolicy};
use crate::model::{MemberId, Mono};

/// How long a step that failed is held back.
const REPAIR_BACK_OFF: BackOff =
    BackOff { first: Duration::from_millis(200), longest: Duration::from_secs(5) };

/// Proposals as they are heard.
pub(super) type RepairAdmission<'a> = frame::Admission<Repairs<'a>>;

/// What repair may order.
#[derive(Debug)]
pub(super) struct Repairs<'a> {
    policy: &'a RepairPolicy,
    now: Mono,
    /// Whether a synchronous standby is about to go, so that another must be named.
    pub spares: bool,
}

/// Nothing heard yet.
pub(super) fn admission(policy: &RepairPolicy, now: Mono, memory: RepairMemory) -> RepairAdmission<'_> {
    RepairAdmission::new(Repairs { policy, now, spares: false }, policy.every, memory)
}

impl BrainRules for Repairs<'_> {
    type Step = RepairStep;
    type Note = RepairNote;
    type Wait = RepairWait;
    type Memory = RepairMemory;

    fn may(&self, memory: &RepairMemory, step: &RepairStep, ordered: &[RepairStep]) -> bool {
        let key = step.key();
        if memory.failed.get(&key).is_some_and(|(times, when)| REPAIR_BACK_OFF.holds(*times, *when, self.now))
        {
            return false;
        }
        // doors are repeated by the rule of `doors` and with a fence
        let door = matches!(step, RepairStep::Open { .. } | RepairStep::Close { .. });
        let fresh = memory.done.get(&key).is_some_and(|when| self.now.since(*when) < REPEAT);
        let second = step.disruptive() && ordered.iter().any(RepairStep::disruptive);
        let twice = matches!(step, RepairStep::Wake { .. }) && ordered.contains(step);
        !second && !twice && (door || !fresh)
    }

    fn note(&mut self, memory: &mut RepairMemory, note: RepairNote) {
        match note {
            RepairNote::Restarted(id) => {
                memory.since.remove(&id);
                memory.paths.remove(&id);
                memory.restarted.insert(id, self.now);
            }
            RepairNote::Remade(id) => {
                memory.remade.insert(id, self.now);
            }
            RepairNote::Opened(revision) => memory.opened = Some((revision, self.now)),
            RepairNote::Began(id, trouble) => {
                memory.since.entry(id).or_default().entry(trouble).or_insert(self.now);
            }
            RepairNote::Over(id, trouble) => {
                if let Some(troubles) = memory.since.get_mut(&id) {
                    troubles.remove(&trouble);
                }
            }
            RepairNote::Spares => self.spares = true,
        }
    }

    /// A wake is a hint, and nothing waits for it.
    fn fails(&self, memory: &RepairMemory, step: &RepairStep) -> Option<Alarm> {
        let (times, _) = memory.failed.get(&step.key())?;
        let hint = matches!(step, RepairStep::Wake { .. });
        let text = || format!("`{}` failed {STUBBORN} times in a row: the journal says why", step.key());
        (*times >= STUBBORN && !hint).then(|| Alarm::new(AlarmKind::DeedFails, Some(&step.subject()), text()))
    }

    fn late(&self, memory: &mut RepairMemory, waits: &[(RepairWait, Option<MemberId>)]) -> Vec<Alarm> {
        memory.waits.hear(waits, self.now, self.policy, self.policy.every)
    }

    fn again(&self) -> Duration {
        REPAIR_BACK_OFF.first
    }
}

/// The decision. Every grace that has begun brings the next look when it is over.
pub(super) fn finish(mut admission: RepairAdmission<'_>) -> RepairDecision {
    let (now, policy) = (admission.rules.now, admission.rules.policy);
    let troubles = admission.memory().since.values().flatten();
    let rests = troubles.flat_map(|(trouble, since)| {
        let so_far = now.since(*since);
        trouble.graces(policy).into_iter().map(move |grace| grace.0.saturating_sub(so_far))
    });
    let next = rests.filter(|rest| !rest.is_zero()).min();
    if let Some(next) = next {
        admission.soon(next);
    }
    admission.finish("nothing to do")
}
