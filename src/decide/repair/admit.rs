//! What is done of what is proposed, in one visible order.
//!
//! Invariants: at most one disruptive step; a step that failed waits twice as long each time; a step that worked is not
//! ordered again within a second; of what is begun one at a time the first that may be begun is. Whoever is heard first says where repair is and why.

use std::time::Duration;

use super::memory::REPEAT;
use super::proposal::{Note, Proposal, Turn};
use super::wait::Wait;
use super::{Decision, Memory, Step};
use crate::decide::waits::beside;
use crate::model::control::{Alarm, AlarmKind, RepairPolicy};
use crate::model::{MemberId, Mono, Span};

/// Pause after the first failure of a step; doubled with each.
const BACK_OFF: Duration = Duration::from_millis(200);
/// A step that failed so often in a row needs a person; by then it is tried every five seconds.
const STUBBORN: u32 = 10;
/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(5);

/// Proposals as they are heard.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    policy: &'a RepairPolicy,
    now: Mono,
    out: Decision,
    /// What is waited for, about whom.
    waits: Vec<(Wait, Option<MemberId>)>,
    begun: bool,
    /// Whether a synchronous standby is about to go, so that another must be named.
    pub spares: bool,
}

impl<'a> Admission<'a> {
    /// Nothing heard yet.
    pub fn new(policy: &'a RepairPolicy, now: Mono, memory: Memory) -> Self {
        let out = Decision { memory, again_in: policy.every, ..Decision::default() };
        Self { policy, now, out, waits: Vec::new(), begun: false, spares: false }
    }

    /// Hears proposals, one after the other.
    pub fn hear(&mut self, proposals: Vec<Proposal>) {
        for proposal in proposals {
            self.one(proposal);
        }
    }

    fn one(&mut self, proposal: Proposal) {
        if proposal.turn != Turn::Free && self.begun {
            return;
        }
        self.spares |= proposal.spares;
        self.out.alarms.extend(proposal.alarms);
        self.waits.extend(proposal.waits.map(|wait| (wait, proposal.subject.clone())));
        let fail: Vec<Alarm> = proposal.steps.iter().filter_map(|step| self.fails(step)).collect();
        self.out.alarms.extend(fail);
        self.out.hurry |= proposal.hurry;
        if let Some(span) = proposal.soon {
            self.soon(span);
        }
        let ordered = self.order(proposal.steps);
        self.begun |= match proposal.turn {
            Turn::Free => false,
            Turn::Begins => ordered == Ordered::All,
            Turn::Has => true,
        };
        let heard = !proposal.when_ordered || ordered == Ordered::All;
        if heard && !proposal.word.is_empty() && self.out.step.is_empty() {
            proposal.word.clone_into(&mut self.out.step);
            (self.out.subject, self.out.reason) = (proposal.subject, proposal.reason);
        }
        if ordered != Ordered::Held {
            for note in proposal.notes {
                self.note(note);
            }
        }
    }

    /// Orders all of these, or none.
    fn order(&mut self, steps: Vec<Step>) -> Ordered {
        if steps.is_empty() {
            return Ordered::Nothing;
        }
        if !steps.iter().all(|step| self.may(step)) {
            self.soon(BACK_OFF);
            return Ordered::Held;
        }
        self.out.steps.extend(steps);
        Ordered::All
    }

    /// That a step has failed so often that a person must know. A wake is a hint, and nothing waits for it.
    fn fails(&self, step: &Step) -> Option<Alarm> {
        let (times, _) = self.out.memory.failed.get(&step.key())?;
        let hint = matches!(step, Step::Wake { .. });
        let text = || format!("`{}` failed {STUBBORN} times in a row: the journal says why", step.key());
        (*times >= STUBBORN && !hint).then(|| Alarm::new(AlarmKind::DeedFails, Some(step.subject()), text()))
    }

    /// Whether `step` may be ordered now.
    fn may(&self, step: &Step) -> bool {
        let (memory, key) = (&self.out.memory, step.key());
        if let Some((times, when)) = memory.failed.get(&key) {
            let doubled = BACK_OFF.saturating_mul(1 << times.saturating_sub(1).min(10));
            if self.now.since(*when) < doubled.min(LONGEST) {
                return false;
            }
        }
        // doors are repeated by the rule of `doors` and with a fence
        let door = matches!(step, Step::Open { .. } | Step::Close { .. });
        let fresh = memory.done.get(&key).is_some_and(|when| self.now.since(*when) < REPEAT);
        let second = step.disruptive() && self.out.steps.iter().any(Step::disruptive);
        let twice = matches!(step, Step::Wake { .. }) && self.out.steps.contains(step);
        !second && !twice && (door || !fresh)
    }

    fn note(&mut self, note: Note) {
        let memory = &mut self.out.memory;
        match note {
            Note::Restarted(id) => {
                memory.since.remove(&id);
                memory.paths.remove(&id);
                memory.restarted.insert(id, self.now);
            }
            Note::Remade(id) => {
                memory.remade.insert(id, self.now);
            }
            Note::Opened(revision) => memory.opened = Some((revision, self.now)),
            Note::Began(id, trouble) => {
                memory.since.entry(id).or_default().entry(trouble).or_insert(self.now);
            }
            Note::Over(id, trouble) => {
                if let Some(troubles) = memory.since.get_mut(&id) {
                    troubles.remove(&trouble);
                }
            }
        }
    }

    fn soon(&mut self, span: Duration) {
        self.out.again_in = self.out.again_in.min(Span(span));
    }

    /// The decision. Every grace that has begun brings the next look when it is over.
    pub fn finish(mut self) -> Decision {
        if self.out.step.is_empty() {
            "watch".clone_into(&mut self.out.step);
            "nothing to do".clone_into(&mut self.out.reason);
        }
        let late = self.out.memory.waits.hear(&self.waits, self.now, self.policy, self.policy.every);
        beside(&mut self.out.alarms, late);
        let troubles = self.out.memory.since.values().flatten();
        let rests = troubles.flat_map(|(trouble, since)| {
            let so_far = self.now.since(*since);
            trouble.graces(self.policy).into_iter().map(move |grace| grace.0.saturating_sub(so_far))
        });
        let next = rests.filter(|rest| !rest.is_zero()).min();
        if let Some(next) = next {
            self.soon(next);
        }
        self.out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ordered {
    All,
    Held,
    Nothing,
}
