//! What somebody proposes: steps, the reason, and what a person must know.

use std::time::Duration;

use super::Step;
use super::trouble::Trouble;
use super::wait::Wait;
use crate::model::MemberId;
use crate::model::control::{Alarm, AlarmKind};

/// One thing that could be done, or the reason why nothing is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// Where repair is in its work, one word; empty: it has nothing to say.
    pub word: &'static str,
    /// Whom that is about.
    pub subject: Option<MemberId>,
    /// Why.
    pub reason: String,
    /// Done all together, or none of them.
    pub steps: Vec<Step>,
    /// Whether it is said only when its steps are ordered.
    pub when_ordered: bool,
    /// Whether it is one of those of which one at a time is begun.
    pub turn: Turn,
    /// Whether another synchronous standby must be named before somebody goes.
    pub spares: bool,
    /// What it waits for.
    pub waits: Option<Wait>,
    /// What a person must know.
    pub alarms: Vec<Alarm>,
    /// Look again no later.
    pub soon: Option<Duration>,
    /// Whether instances are to be asked every few milliseconds.
    pub hurry: bool,
    /// What is remembered with it.
    pub notes: Vec<Note>,
}

/// Of some things one at a time is begun; whatever is proposed first goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Turn {
    /// It waits for nobody.
    #[default]
    Free,
    /// It is heard only while nothing else has begun, and begins something with its steps.
    Begins,
    /// The same, and it has begun by being heard.
    Has,
}

/// What is remembered when something is ordered, beside what every step notes when it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A member is restarted in place.
    Restarted(MemberId),
    /// A member's body is made anew.
    Remade(MemberId),
    /// The doors are set for this leader key.
    Opened(i64),
    /// This has been so from now on, unless it was so before.
    Began(MemberId, Trouble),
    /// This is so no more.
    Over(MemberId, Trouble),
}

impl Proposal {
    /// Something with a reason.
    pub fn say(word: &'static str, subject: Option<&MemberId>, reason: impl Into<String>) -> Self {
        Self { word, subject: subject.cloned(), reason: reason.into(), ..Self::default() }
    }

    /// Nothing is done now, and why.
    pub fn wait(wait: Wait, subject: Option<&MemberId>, reason: impl Into<String>) -> Self {
        Self { waits: Some(wait), ..Self::say(wait.word(), subject, reason) }
    }

    /// Something that explains itself.
    pub fn silent() -> Self {
        Self::default()
    }

    /// With one more step.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }

    /// Said only when it is done.
    #[must_use]
    pub const fn when_ordered(mut self) -> Self {
        self.when_ordered = true;
        self
    }

    /// One at a time.
    #[must_use]
    pub const fn turn(mut self, turn: Turn) -> Self {
        self.turn = turn;
        self
    }

    /// With something for a person.
    #[must_use]
    pub fn alarm(mut self, kind: AlarmKind, subject: Option<&MemberId>, text: impl Into<String>) -> Self {
        self.alarms.push(Alarm::new(kind, subject, text));
        self
    }

    /// Look again no later than in `span`.
    #[must_use]
    pub const fn soon(mut self, span: Duration) -> Self {
        self.soon = Some(span);
        self
    }

    /// Instances are asked every few milliseconds.
    #[must_use]
    pub const fn hurry(mut self) -> Self {
        self.hurry = true;
        self
    }

    /// Another synchronous standby is named first.
    #[must_use]
    pub const fn spares(mut self, spares: bool) -> Self {
        self.spares = spares;
        self
    }

    /// With something to remember.
    #[must_use]
    pub fn note(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}
