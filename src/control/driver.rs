//! The loop of a controller, generic over its brain and over eyes and hands, so that a simulation runs this very
//! code.
//!
//! One turn: am I the active one? look; decide (pure); do the steps in order, each with proof of
//! leadership; sleep until woken. A step that fails ends the turn, unless the brain says that those behind it do not
//! depend on it: the next look decides what follows.

use std::future::Future;

use serde::{Serialize, Serializer};

use super::alarms::Alarms;
use crate::decide::brain::{Brain, BrainDecision, StepOutcome};
use crate::model::control::{Alarm, Became, Raised, Token};
use crate::model::{MemberId, Mono, Span};

/// Pause of a replica that is not the active one.
const STANDBY: Span = Span::millis(250);

/// Eyes and hands of a controller.
pub trait Deeds<B: Brain>: Sync {
    /// Proof that this replica is the active one, as far as it knows; `None` while another is.
    fn leadership(&self) -> impl Future<Output = Option<Token>> + Send;

    /// One fresh look. It never fails: what could not be seen is blind. `hurry` asks instances anew.
    fn look(&self, hurry: bool) -> impl Future<Output = B::Seen> + Send;

    /// Does one step; its guard is read again first. The effect may have happened in spite of an error.
    fn act(&self, step: &B::Step, token: &Token) -> impl Future<Output = Result<(), Failed>> + Send;

    /// What was written down for whoever becomes the active replica; `None`: the store does not say.
    fn recall(&self) -> impl Future<Output = Option<B::Kept>> + Send {
        async { Some(B::Kept::default()) }
    }

    /// Writes down what must outlive this process, if this replica is still the active one.
    fn keep(&self, _: &B::Kept, _: &Token) -> impl Future<Output = Result<(), Failed>> + Send {
        async { Ok(()) }
    }

    /// Deeds that were asked for and not done after all, since this was asked last.
    fn late(&self) -> Vec<LateAnswer<B::Step>> {
        Vec::new()
    }

    /// Sleeps, at most so long, or until something wakes it.
    fn wait(&self, at_most: Span) -> impl Future<Output = ()> + Send;

    /// The instant of the machine's monotonic clock.
    fn now(&self) -> Mono;

    /// Writes down what was decided or done. It is never waited for.
    fn tell(&self, entry: &JournalEntry<'_, B::Step>);

    /// Shows what will be wanted next if everything stays as it is.
    fn expected(&self, _: Vec<String>) {}

    /// Shows what needs a person now.
    fn raised(&self, _: Vec<Raised>) {}
}

/// Why a step was not done, as far as anybody knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// Another replica is the active one.
    #[error("not the active controller: {0}")]
    NotLeader(String),
    /// What the step was decided by is no longer so; nothing was done.
    #[error("the guard does not hold: {0}")]
    Guard(String),
    /// Somebody said no or nothing; the effect is open.
    #[error("{0}")]
    Trouble(String),
}

/// What became of a deed whose step did not wait for its answer: it was not done.
#[derive(Clone, Debug, PartialEq)]
pub struct LateAnswer<S> {
    /// What was asked for.
    pub step: S,
    /// When.
    pub began: Mono,
    /// When the answer came.
    pub at: Mono,
    /// The answer.
    pub error: Failed,
}

/// One line of a controller's journal.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum JournalEntry<'a, S> {
    /// This replica became active, or stopped being it.
    Active {
        /// When.
        at: Mono,
        /// Which.
        active: bool,
    },
    /// What was decided, with what it was decided by when something is to be done.
    Decided {
        /// When.
        at: Mono,
        /// When the look it follows from began.
        looked: Mono,
        /// Where in its work.
        step: &'a str,
        /// About whom.
        subject: Option<&'a MemberId>,
        /// Why.
        reason: &'a str,
        /// What needs a person.
        #[serde(serialize_with = "texts")]
        alarms: &'a [Alarm],
        /// What will be done.
        steps: &'a [S],
    },
    /// Something needs a person, or does no more.
    Alarm {
        /// When it became so.
        at: Mono,
        /// What became of it.
        became: Became,
        /// What, and since when.
        #[serde(flatten)]
        raised: &'a Raised,
    },
    /// A step was done, or not. Of one whose answer was not waited for, a second line says that it was not done.
    Did {
        /// When it was begun.
        began: Mono,
        /// When it ended.
        at: Mono,
        /// Which.
        step: &'a S,
        /// The name of its kind.
        #[serde(skip)]
        name: &'static str,
        /// What went wrong.
        error: Option<String>,
    },
}

/// Alarms as their texts.
fn texts<S: Serializer>(alarms: &&[Alarm], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(alarms.iter().map(|alarm| alarm.text.as_str()))
}

/// Tells what became of alarms.
fn tell_alarms<B: Brain, H: Deeds<B>>(hands: &H, alarms: &mut Alarms, said: &[Alarm]) {
    let at = hands.now();
    let told = alarms.hear(said, at);
    if told.is_empty() {
        return;
    }
    for (became, raised) in &told {
        hands.tell(&JournalEntry::Alarm { at, became: *became, raised });
    }
    hands.raised(alarms.raised());
}

/// Writes down what was not done after all, and remembers it: the step itself was taken for done.
fn hear_late<B: Brain, H: Deeds<B>>(hands: &H, memory: &mut B::Memory) {
    for LateAnswer { step, began, at, error } in hands.late() {
        let (name, said) = (B::name(&step), Some(error.to_string()));
        hands.tell(&JournalEntry::Did { began, at, step: &step, name, error: said });
        B::took(memory, &step, at, &became(Err(error)));
    }
}

/// Runs until the process ends, or until the step in the policy's `stop-at` was done.
pub async fn conduct<B: Brain, H: Deeds<B>>(hands: &H, brain: &B) {
    let (mut memory, mut kept) = (B::Memory::default(), B::Kept::default());
    let mut alarms = Alarms::default();
    let mut was_active = false;
    let mut hurry = false;
    let mut told: Option<(String, String)> = None;
    // the leadership under which memory was written
    let mut held: Option<i64> = None;
    loop {
        hear_late(hands, &mut memory);
        let Some(token) = hands.leadership().await else {
            if std::mem::take(&mut was_active) {
                hands.tell(&JournalEntry::Active { at: hands.now(), active: false });
            }
            B::unseen(&mut memory);
            hands.wait(STANDBY).await;
            continue;
        };
        if held != Some(token.revision) {
            // what another replica did meanwhile is not in this memory
            let Some(written) = hands.recall().await else {
                hands.wait(STANDBY).await;
                continue;
            };
            (memory, alarms) = (B::recall(&written, hands.now()), Alarms::default());
            (kept, held) = (written, Some(token.revision));
        }
        if !std::mem::replace(&mut was_active, true) {
            hands.tell(&JournalEntry::Active { at: hands.now(), active: true });
            hands.raised(alarms.raised());
            told = None;
        }
        let seen = hands.look(hurry).await;
        let decision = brain.decide(&seen, std::mem::take(&mut memory));
        let news = (decision.step.clone(), decision.reason.clone());
        if !decision.steps.is_empty() || told.as_ref() != Some(&news) {
            hands.tell(&decided(&decision, B::looked(&seen), hands.now()));
            told = Some(news);
        }
        tell_alarms(hands, &mut alarms, &decision.alarms);
        hands.expected(decision.expects);
        memory = decision.memory;
        hurry = decision.hurry;
        let carried = carry_out(hands, brain, &decision.steps, B::looked(&seen), &token, &mut memory).await;
        if carried == StepsEnd::Stopped {
            return;
        }
        if let Some(next) = B::keep(&memory, &kept, hands.now())
            && hands.keep(&next, &token).await.is_ok()
        {
            kept = next;
        }
        // something was done: what it led to is worth a look at once
        let at_once = carried == StepsEnd::All && !decision.steps.is_empty();
        hands.wait(if at_once { Span::millis(0) } else { decision.again_in }).await;
    }
}

/// What became of the steps of a decision.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StepsEnd {
    /// All were done.
    All,
    /// Not all of them.
    Some,
    /// The last one ends the process, for a test.
    Stopped,
}

/// Does steps in order. One that is not done ends it, unless those behind it do not depend on it.
async fn carry_out<B: Brain, H: Deeds<B>>(
    hands: &H,
    brain: &B,
    steps: &[B::Step],
    looked: Mono,
    token: &Token,
    memory: &mut B::Memory,
) -> StepsEnd {
    let mut carried = StepsEnd::All;
    for step in steps {
        let (began, name) = (hands.now(), B::name(step));
        let outcome = hands.act(step, token).await;
        let at = hands.now();
        let error = outcome.as_ref().err().map(ToString::to_string);
        hands.tell(&JournalEntry::Did { began, at, step, name, error });
        let deposed = matches!(outcome, Err(Failed::NotLeader(_)));
        let outcome = became(outcome);
        B::took(memory, step, at, &outcome);
        if outcome.is_done() && brain.stop_at() == Some(name) {
            return StepsEnd::Stopped;
        }
        if !outcome.is_done() {
            carried = StepsEnd::Some;
            if deposed || !B::goes_on(step, at.since(looked)) {
                break;
            }
        }
    }
    carried
}

/// What a brain is told of a step.
fn became(outcome: Result<(), Failed>) -> StepOutcome {
    match outcome {
        Ok(()) => StepOutcome::Done,
        Err(Failed::Guard(why)) => StepOutcome::Refused(why),
        Err(error) => StepOutcome::Failed(error.to_string()),
    }
}

fn decided<S, M>(decision: &BrainDecision<S, M>, looked: Mono, at: Mono) -> JournalEntry<'_, S> {
    JournalEntry::Decided {
        at,
        looked,
        step: &decision.step,
        subject: decision.subject.as_ref(),
        reason: &decision.reason,
        alarms: &decision.alarms,
        steps: &decision.steps,
    }
}
