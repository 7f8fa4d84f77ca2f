//! What the brains of both controllers stand on: proposals, one visible order in which they are admitted, back-off, and
//! what an audit finds. Each brain brings its rules.
//!
//! Theory: a brain asks first and acts afterwards. It assesses a look, remembers since when, proposes, admits in one order,
//! and audits. Proposals are plain data, so each kind is tested by itself.
//!
//! Invariants: steps of one proposal are ordered all together or not at all; whoever is heard first says where the
//! controller is and why.

use std::time::Duration;

use super::brain::BrainDecision;
use super::waits::beside;
use crate::model::control::{Alarm, AlarmKind};
use crate::model::{MemberId, Mono, Span};

/// One thing that could be done, or the reason why nothing is.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal<S, N, W> {
    /// Where the controller is in its work, one word; empty: it has nothing to say.
    pub word: &'static str,
    /// The member that it is about; absent: nobody in particular.
    pub subject: Option<MemberId>,
    /// Why, as a sentence for people.
    pub reason: String,
    /// Done all together, or none of them.
    pub steps: Vec<S>,
    /// Whether it is said only when its steps are ordered.
    pub when_ordered: bool,
    /// Whether it is one of those of which one at a time is begun.
    pub turn: OneAtATime,
    /// What keeps it from being done, if something does.
    pub waits: Option<W>,
    /// What a person must know.
    pub alarms: Vec<Alarm>,
    /// The longest time until the next look.
    pub soon: Option<Duration>,
    /// Whether instances are to be asked every few milliseconds.
    pub hurry: bool,
    /// What will be wanted next if everything stays as it was seen.
    pub expects: Vec<Expected>,
    /// What is noted as soon as it is heard.
    pub heard: Vec<N>,
    /// What is remembered with it, unless its steps are held back.
    pub notes: Vec<N>,
}

/// A change that is expected.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The number of measurements until it comes.
    pub after: usize,
    /// What, when and on which condition, in words.
    pub said: String,
}

/// Of some things one at a time is begun; whatever is proposed first goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OneAtATime {
    /// It is begun beside any other.
    #[default]
    Free,
    /// It is heard only while nothing else has begun, and begins something with its steps.
    Begins,
    /// The same, and it has begun by being heard.
    Has,
    /// It is heard only while no step at all was ordered.
    Alone,
}

impl<S, N, W> Default for Proposal<S, N, W> {
    fn default() -> Self {
        Self {
            word: "",
            subject: None,
            reason: String::new(),
            steps: Vec::new(),
            when_ordered: false,
            turn: OneAtATime::Free,
            waits: None,
            alarms: Vec::new(),
            soon: None,
            hurry: false,
            expects: Vec::new(),
            heard: Vec::new(),
            notes: Vec::new(),
        }
    }
}

impl<S, N, W> Proposal<S, N, W> {
    /// A proposal that says where the controller is, about whom, and why.
    pub fn say(word: &'static str, subject: Option<&MemberId>, reason: impl Into<String>) -> Self {
        Self { word, subject: subject.cloned(), reason: reason.into(), ..Self::default() }
    }

    /// A proposal that leaves it to others to say why.
    #[must_use]
    pub fn silent() -> Self {
        Self::default()
    }

    /// The same with one more step, done last.
    #[must_use]
    pub fn step(mut self, step: S) -> Self {
        self.steps.push(step);
        self
    }

    /// The same, said only when its steps are ordered.
    #[must_use]
    pub fn when_ordered(mut self) -> Self {
        self.when_ordered = true;
        self
    }

    /// The same, begun only when its turn has come.
    #[must_use]
    pub fn turn(mut self, turn: OneAtATime) -> Self {
        self.turn = turn;
        self
    }

    /// The same, waiting for something.
    #[must_use]
    pub fn waits(mut self, wait: W) -> Self {
        self.waits = Some(wait);
        self
    }

    /// The same with one more alarm for a person.
    #[must_use]
    pub fn alarm(mut self, kind: AlarmKind, subject: Option<&MemberId>, text: impl Into<String>) -> Self {
        self.alarms.push(Alarm::new(kind, subject, text));
        self
    }

    /// The same, with the next look no later than in `span`.
    #[must_use]
    pub fn soon(mut self, span: Duration) -> Self {
        self.soon = Some(span);
        self
    }

    /// The same, with instances asked every few milliseconds.
    #[must_use]
    pub fn hurry(mut self) -> Self {
        self.hurry = true;
        self
    }

    /// The same with a note that is taken as soon as it is heard.
    #[must_use]
    pub fn heard(mut self, note: N) -> Self {
        self.heard.push(note);
        self
    }

    /// The same with a note that is taken when its steps are ordered.
    #[must_use]
    pub fn note(mut self, note: N) -> Self {
        self.notes.push(note);
        self
    }
}

/// A step that failed so often in a row needs a person.
pub const STUBBORN: u32 = 10;

/// The rules of one brain: what may be ordered, and what is remembered with it.
pub trait BrainRules {
    /// What it can want done.
    type Step;
    /// What it remembers of what it orders.
    type Note;
    /// What can keep it from doing something.
    type Wait;
    /// What it remembers from one look to the next.
    type Memory: Default;

    /// Whether `step` may be ordered beside those that are `ordered`.
    fn may(&self, memory: &Self::Memory, step: &Self::Step, ordered: &[Self::Step]) -> bool;

    /// Writes a note into the memory.
    fn note(&mut self, memory: &mut Self::Memory, note: Self::Note);

    /// What a person must know of a step that fails again and again.
    fn fails(&self, memory: &Self::Memory, step: &Self::Step) -> Option<Alarm>;

    /// Hears what is waited for, about whom; the alarms of what has lasted for too long.
    fn late(&self, memory: &mut Self::Memory, waits: &[(Self::Wait, Option<MemberId>)]) -> Vec<Alarm>;

    /// How soon to look again when a step is held back.
    fn again(&self) -> Duration;
}

/// Proposals as they are heard.
#[derive(Debug)]
pub struct Admission<R: BrainRules> {
    /// The rules by which steps are ordered or held back.
    pub rules: R,
    out: BrainDecision<R::Step, R::Memory>,
    begun: bool,
    waits: Vec<(R::Wait, Option<MemberId>)>,
    expects: Vec<Expected>,
}

impl<R: BrainRules> Admission<R> {
    /// Nothing heard yet. Without another word the next look is after `every`.
    pub fn new(rules: R, every: Span, memory: R::Memory) -> Self {
        let out = BrainDecision { memory, again_in: every, ..BrainDecision::default() };
        Self { rules, out, begun: false, waits: Vec::new(), expects: Vec::new() }
    }

    /// Hears proposals, one after the other.
    pub fn hear(&mut self, proposals: impl IntoIterator<Item = Proposal<R::Step, R::Note, R::Wait>>) {
        for proposal in proposals {
            self.one(proposal);
        }
    }

    fn one(&mut self, proposal: Proposal<R::Step, R::Note, R::Wait>) {
        let closed = match proposal.turn {
            OneAtATime::Free => false,
            OneAtATime::Begins | OneAtATime::Has => self.begun,
            OneAtATime::Alone => !self.out.steps.is_empty(),
        };
        if closed {
            return;
        }
        self.out.alarms.extend(proposal.alarms);
        self.waits.extend(proposal.waits.map(|wait| (wait, proposal.subject.clone())));
        let fail = proposal.steps.iter().filter_map(|step| self.rules.fails(&self.out.memory, step));
        self.out.alarms.extend(fail);
        self.out.hurry |= proposal.hurry;
        self.expects.extend(proposal.expects);
        if let Some(span) = proposal.soon {
            self.soon(span);
        }
        self.note(proposal.heard);
        let ordered = self.order(proposal.steps);
        self.begun |= match proposal.turn {
            OneAtATime::Free | OneAtATime::Alone => false,
            OneAtATime::Begins => ordered == Ordered::All,
            OneAtATime::Has => true,
        };
        let heard = !proposal.when_ordered || ordered == Ordered::All;
        if heard && !proposal.word.is_empty() && self.out.step.is_empty() {
            proposal.word.clone_into(&mut self.out.step);
            (self.out.subject, self.out.reason) = (proposal.subject, proposal.reason);
        }
        if ordered != Ordered::Held {
            self.note(proposal.notes);
        }
    }

    /// Orders all of these, or none.
    fn order(&mut self, steps: Vec<R::Step>) -> Ordered {
        if steps.is_empty() {
            return Ordered::Nothing;
        }
        if !steps.iter().all(|step| self.rules.may(&self.out.memory, step, &self.out.steps)) {
            self.soon(self.rules.again());
            return Ordered::Held;
        }
        self.out.steps.extend(steps);
        Ordered::All
    }

    fn note(&mut self, notes: Vec<R::Note>) {
        for note in notes {
            self.rules.note(&mut self.out.memory, note);
        }
    }

    /// Look again no later than in `span`.
    pub fn soon(&mut self, span: Duration) {
        self.out.again_in = self.out.again_in.min(Span(span));
    }

    /// What is remembered so far.
    pub fn memory(&self) -> &R::Memory {
        &self.out.memory
    }

    /// The decision; `quiet` is said where no proposal had anything to say.
    pub fn finish(mut self, quiet: &str) -> BrainDecision<R::Step, R::Memory> {
        if self.out.step.is_empty() {
            "watch".clone_into(&mut self.out.step);
            quiet.clone_into(&mut self.out.reason);
        }
        let late = self.rules.late(&mut self.out.memory, &self.waits);
        beside(&mut self.out.alarms, late);
        self.expects.sort_by_key(|expected| expected.after);
        self.out.expects = self.expects.into_iter().map(|expected| expected.said).collect();
        self.out
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ordered {
    All,
    Held,
    Nothing,
}

/// How long a step that failed is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackOff {
    /// After the first failure; doubled with each.
    pub first: Duration,
    /// No pause is longer than this.
    pub longest: Duration,
}

impl BackOff {
    /// Whether what failed so often in a row, the last time at `last`, is held back now.
    #[must_use]
    pub fn holds(&self, times: u32, last: Mono, now: Mono) -> bool {
        let doubled = self.first.saturating_mul(1 << times.saturating_sub(1).min(16));
        times > 0 && now.since(last) < doubled.min(self.longest)
    }
}

/// A rule that a step breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Name and subject of the step.
    pub step: String,
    /// The invariant that was broken, in a few words.
    pub rule: &'static str,
}

/// A decision that breaks rules is not carried out, and a person must know.
#[must_use]
pub fn audited<S, M>(mut decision: BrainDecision<S, M>, breaches: Vec<Breach>) -> BrainDecision<S, M> {
    for Breach { step, rule } in breaches {
        decision.steps.clear();
        "audit".clone_into(&mut decision.step);
        decision.reason = format!("{step} is not done: {rule}");
        let text = format!("the audit refuses {step}: {rule}");
        decision.alarms.push(Alarm::new(AlarmKind::AuditRefuses, None, text));
    }
    decision
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps are numbers; those that were refused are not ordered.
    struct Numbers {
        refused: Vec<u32>,
        noted: Vec<&'static str>,
    }

    impl BrainRules for Numbers {
        type Step = u32;
        type Note = &'static str;
        type Wait = ();
        type Memory = ();

        fn may(&self, (): &(), step: &u32, ordered: &[u32]) -> bool {
            !self.refused.contains(step) && !ordered.contains(step)
        }

        fn note(&mut self, (): &mut (), note: &'static str) {
            self.noted.push(note);
        }

        fn fails(&self, (): &(), step: &u32) -> Option<Alarm> {
            (*step == 9).then(|| Alarm::new(AlarmKind::DeedFails, None, "9 fails"))
        }

        fn late(&self, (): &mut (), waits: &[((), Option<MemberId>)]) -> Vec<Alarm> {
            let late = |((), _): &((), _)| Alarm::new(AlarmKind::ScalingHeld, None, "late");
            waits.iter().map(late).collect()
        }

        fn again(&self) -> Duration {
            Duration::from_secs(1)
        }
    }

    type One = Proposal<u32, &'static str, ()>;

    fn hear(proposals: Vec<One>) -> (BrainDecision<u32, ()>, Vec<&'static str>) {
        let rules = Numbers { refused: vec![9], noted: Vec::new() };
        let mut admission = Admission::new(rules, Span::secs(10), ());
        admission.hear(proposals);
        let noted = admission.rules.noted.clone();
        (admission.finish("nothing to do"), noted)
    }

    #[test]
    fn steps_are_ordered_together_or_not_at_all_and_the_first_word_stands() {
        let (decision, noted) = hear(vec![
            One::say("held", None, "a").when_ordered().step(1).step(9).heard("heard").note("no"),
            One::say("first", None, "b").step(2).note("yes"),
            One::say("second", None, "c").waits(()),
        ]);
        let told: Vec<String> = decision.alarms.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["9 fails", "late"]);
        assert_eq!((decision.steps, decision.step.as_str()), (vec![2], "first"));
        assert_eq!((noted, decision.again_in), (vec!["heard", "yes"], Span::secs(1)));
        assert_eq!(hear(Vec::new()).0.reason, "nothing to do");
    }

    #[test]
    fn what_is_begun_one_at_a_time_is_begun_by_the_first_that_may() {
        let begins = |step| One::silent().turn(OneAtATime::Begins).step(step);
        let (decision, _) =
            hear(vec![begins(9), begins(1), begins(2), One::silent().turn(OneAtATime::Alone).step(3)]);
        assert_eq!(decision.steps, [1]);
        let (decision, _) = hear(vec![One::silent().turn(OneAtATime::Has), begins(1)]);
        assert_eq!(decision.steps, [0; 0]);
        let (decision, _) = hear(vec![One::silent().turn(OneAtATime::Alone).step(3), One::silent().step(4)]);
        assert_eq!(decision.steps, [3, 4]);
    }

    #[test]
    fn what_fails_again_is_held_back_twice_as_long_up_to_a_limit() {
        let back_off = BackOff { first: Duration::from_secs(1), longest: Duration::from_secs(5) };
        let at = |seconds: u64| Mono(seconds * 1_000_000_000);
        let until = [0, 1, 2, 3, 4, 40].map(|times| {
            (0..9).find(|seconds| !back_off.holds(times, at(100), at(100 + seconds))).expect("it ends")
        });
        assert_eq!(until, [0, 1, 2, 4, 5, 5]);
    }
}
