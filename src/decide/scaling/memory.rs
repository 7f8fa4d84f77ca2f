//! What scaling remembers between two looks. Empty after a restart: windows fill anew, and nothing that safety depends
//! on is here.
//!
//! Invariant: what is ordered and done is noted when it is; everything else is written by `remember`.

use std::collections::BTreeMap;

use super::begun::{Awaited, begun};
use super::measure::Ring;
use super::size::{Streak, Streaks, differs};
use super::step::{About, Concern, ScalingStep};
use super::wait::ScalingWait;
use crate::decide::brain::{self, StepOutcome};
use crate::decide::frame::{BackOff, STUBBORN};
use crate::decide::waits::Waits;
use crate::model::scaling::Resource;
use crate::model::{HostName, MemberId, Mono, Service, Size, Span};

/// How long a step that failed is held back.
const SCALING_BACK_OFF: BackOff = BackOff { first: Span::secs(1).0, longest: Span::secs(64).0 };
/// The same of a disk: one that fills is never left alone for long.
const DISK_BACK_OFF: BackOff = BackOff { first: Span::secs(1).0, longest: Span::secs(4).0 };
/// An operator's wish that could not be fulfilled so often is refused.
const WISHES_REFUSED_AFTER: u32 = 5;
/// For so long an operator is told that a wish was refused.
const REFUSAL_TOLD: Span = Span::secs(600);

/// What scaling wants now.
pub type ScalingDecision = brain::BrainDecision<ScalingStep, ScalingMemory>;

/// What scaling remembers between two looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScalingMemory {
    /// Measurements, by member.
    pub rings: BTreeMap<MemberId, Ring>,
    /// Everything else.
    pub notes: Notes,
}

/// What is remembered beside measurements.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Notes {
    /// How many steps of a kind followed one another, and when the last one was, by member.
    pub streaks: BTreeMap<MemberId, Streaks>,
    /// When a size was changed last, by member and resource.
    pub changed: BTreeMap<MemberId, BTreeMap<Resource, Mono>>,
    /// When the number of a service's bodies was changed last.
    pub counted: BTreeMap<Service, Mono>,
    /// Weights at the balancers, by member; whoever is not named has all of it.
    pub weights: BTreeMap<MemberId, f64>,
    /// When the newest measurement was taken that moved them.
    pub weighed: Mono,
    /// What a balancer was told of them last, and when.
    pub told: BTreeMap<MemberId, (BTreeMap<HostName, u32>, Mono)>,
    /// What was not done: for the back-off.
    pub failed: BTreeMap<About, Failure>,
    /// What was begun, and whose end is waited for.
    pub awaited: BTreeMap<About, Awaited>,
    /// What is waited for, and since when.
    pub waits: Waits<ScalingWait>,
    /// Wishes that were refused, by member, as long as an operator is told.
    pub dropped: BTreeMap<MemberId, Dropped>,
}

/// Steps of one concern that were not done, in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// How many.
    pub times: u32,
    /// When the last one was tried.
    pub at: Mono,
    /// What was said of it.
    pub why: String,
    /// The step, if it was refused: asked for again it is refused again.
    pub refused: Option<ScalingStep>,
    /// Whether it was begun and did not end in time.
    pub late: bool,
}

/// An operator's wish that was refused and dropped.
#[derive(Clone, Debug, PartialEq)]
pub struct Dropped {
    /// Why the wish cannot be fulfilled.
    pub why: String,
    /// The size that stayed.
    pub size: Size,
    /// When it was refused first.
    pub at: Mono,
}

/// What is remembered when something is ordered, beside what every step notes when it was done.
#[derive(Clone, Debug, PartialEq)]
pub enum ScalingNote {
    /// Steps that follow one another.
    Follows(MemberId, Vec<(Resource, Streak)>),
    /// The windows of a member begin anew.
    Anew(MemberId),
    /// An operator's wish is refused.
    Dropped(MemberId, Dropped),
}

impl Failure {
    /// Whether an operator's wish is refused for it.
    #[must_use]
    pub const fn is_vain(&self) -> bool {
        self.times >= WISHES_REFUSED_AFTER
    }

    /// Whether a person must know.
    #[must_use]
    pub const fn is_stubborn(&self) -> bool {
        self.late || self.times >= STUBBORN
    }

    /// Whether this very step was refused: the size it starts from and the one it leads to are the same.
    #[must_use]
    pub fn refuses(&self, step: &ScalingStep) -> bool {
        match (&self.refused, step) {
            (
                Some(ScalingStep::Resize { from, to, .. }),
                ScalingStep::Resize { from: now, to: wanted, .. },
            ) => from == now && to == wanted,
            _ => false,
        }
    }
}

impl Dropped {
    /// Whether an operator is still told.
    #[must_use]
    pub fn stands(&self, size: Size, now: Mono) -> bool {
        self.size == size && now.since(self.at) < REFUSAL_TOLD.0
    }
}

impl Notes {
    /// Whether what a step is about failed so lately that it is held back.
    #[must_use]
    pub fn holds(&self, about: &About, now: Mono) -> bool {
        let back_off = if about.0 == Concern::Disk { DISK_BACK_OFF } else { SCALING_BACK_OFF };
        self.failed.get(about).is_some_and(|failure| back_off.holds(failure.times, failure.at, now))
    }

    /// Notes what became of a step.
    pub fn took(&mut self, step: &ScalingStep, at: Mono, outcome: &StepOutcome) {
        let about = step.about();
        let (why, refused) = match outcome {
            StepOutcome::Done => return self.did(step, at),
            StepOutcome::Refused(why) => (why.clone(), Some(step.clone())),
            StepOutcome::Failed(why) => (why.clone(), None),
        };
        // what was not given is no step that others follow, and nothing of it is waited for
        self.streaks.remove(&about.1);
        self.awaited.remove(&about);
        self.fail(about, Failure { times: 0, at, why, refused, late: false });
    }

    /// One more failure of a concern.
    pub(super) fn fail(&mut self, about: About, failure: Failure) {
        let times = self.failed.get(&about).map_or(0, |known| known.times);
        self.failed.insert(about, Failure { times: times.saturating_add(1), ..failure });
    }

    fn did(&mut self, step: &ScalingStep, at: Mono) {
        let about = step.about();
        match begun(step, at) {
            // whether it takes is seen later
            Some(awaited) => {
                self.awaited.insert(about, awaited);
            }
            None => {
                self.failed.remove(&about);
            }
        }
        match step {
            ScalingStep::Scale { service, .. } => {
                self.counted.insert(*service, at);
            }
            ScalingStep::Resize { member, from, to, .. } => {
                let changed = self.changed.entry(member.clone()).or_default();
                let other = Resource::ALL.into_iter().filter(|one| differs(from, to, *one));
                changed.extend(other.map(|resource| (resource, at)));
            }
            ScalingStep::Weigh { member, weights, .. } => {
                self.told.insert(member.clone(), (weights.clone(), at));
            }
            // the wish is no more, and what it failed for with it
            ScalingStep::Forget { member, .. } => {
                self.failed.remove(&(Concern::Size, member.clone()));
                self.failed.remove(&(Concern::Disk, member.clone()));
            }
            _ => {}
        }
    }

    /// Takes a note.
    pub(super) fn note(&mut self, note: ScalingNote, now: Mono) {
        match note {
            ScalingNote::Follows(member, streaks) => self.streaks.entry(member).or_default().extend(streaks),
            ScalingNote::Anew(member) => {
                self.changed.entry(member).or_default().extend(Resource::ALL.map(|resource| (resource, now)));
            }
            ScalingNote::Dropped(member, dropped) => {
                self.dropped.entry(member).or_insert(dropped);
            }
        }
    }
}
