//! What one look means: how every member does, what is waited for, and why nothing is taken away. Everything that is
//! proposed rests on this, and nothing here changes anything.

use std::collections::BTreeMap;

use super::begun::{self, Awaited, BegunState, Ongoing};
use super::busy;
use super::condition::{SizeCondition, conditions};
use super::measure::Ring;
use super::memory::{Failure, Notes};
use super::seen::ScalingStoreSeen;
use super::step::{About, Concern, ScalingStep};
use super::view::ScalingView;
use crate::model::{MemberId, Mono, Service};

/// What one look means.
#[derive(Clone, Debug)]
pub struct ScalingAssessment<'a> {
    /// The look.
    pub view: ScalingView<'a>,
    /// What was remembered before it.
    pub notes: &'a Notes,
    /// Members whose size moves, as the record lists them.
    pub members: Vec<SizeCondition<'a>>,
    /// Their places in the record.
    places: Vec<usize>,
    /// Why nothing is taken away from anybody; `None` when the lab is well as far as scaling can tell.
    pub held: Option<String>,
    /// What was begun.
    pub begun: Vec<Ongoing>,
    /// Weights of instances for readers; whoever is not named has all of it.
    pub weights: BTreeMap<MemberId, f64>,
}

/// What `view` means to whoever measured `rings` and remembers `notes`.
#[must_use]
pub fn assess<'a>(
    view: ScalingView<'a>,
    rings: &'a BTreeMap<MemberId, Ring>,
    notes: &'a Notes,
) -> ScalingAssessment<'a> {
    let (places, members) = conditions(&view, rings);
    let held = held(view.store);
    let of = |(about, awaited): (&About, &Awaited)| Ongoing {
        about: about.clone(),
        what: awaited.what.clone(),
        state: begun::state(&view, about, awaited),
    };
    let begun = notes.awaited.iter().map(of).collect();
    let weights = busy::weights(&view.world.policy, &members, &notes.weights, notes.weighed);
    ScalingAssessment { view, notes, members, places, held, begun, weights }
}

/// Why nothing is taken away from anybody now.
fn held(store: &ScalingStoreSeen) -> Option<String> {
    if store.leader.is_none() {
        return Some("nobody leads".to_owned());
    }
    store.replacing.as_ref().map(|word| {
        let deed = if word.by == word.member { "sees out" } else { "replaces" };
        format!("repair {deed} {}", word.member)
    })
}

impl<'a> ScalingAssessment<'a> {
    /// The instant of the look.
    #[must_use]
    pub fn now(&self) -> Mono {
        self.view.seen.at
    }

    /// Members of a service that do not leave the lab.
    pub fn staying(&self, service: Service) -> impl Iterator<Item = &SizeCondition<'a>> {
        self.of(service).filter(|condition| !condition.leaves)
    }

    /// Members of a service.
    pub fn of(&self, service: Service) -> impl Iterator<Item = &SizeCondition<'a>> {
        self.members.iter().filter(move |condition| condition.member.service == service)
    }

    /// How a member does whose size moves.
    #[must_use]
    pub fn condition(&self, id: &MemberId) -> Option<&SizeCondition<'a>> {
        let place = self.view.place(id)?;
        let found = self.places.binary_search(&place).ok()?;
        self.members.get(found)
    }

    /// Whether something of a member was begun and goes on.
    #[must_use]
    pub fn awaits(&self, concern: Concern, id: &MemberId) -> bool {
        let mut on = self.begun.iter().filter(|wait| wait.state == BegunState::On);
        on.any(|wait| wait.about.0 == concern && wait.about.1 == *id)
    }

    /// What was begun of a concern and goes on.
    pub fn going_on(&self, concern: Concern) -> impl Iterator<Item = &MemberId> {
        let on =
            self.begun.iter().filter(move |wait| wait.state == BegunState::On && wait.about.0 == concern);
        on.map(|wait| &wait.about.1)
    }

    /// Whether a step may be ordered now, as far as what failed before says.
    #[must_use]
    pub fn may(&self, step: &ScalingStep) -> bool {
        let about = step.about();
        match self.state(&about) {
            Some(BegunState::Over) => true,
            // that is a failure of this instant
            Some(BegunState::Late) => false,
            Some(BegunState::On) | None => !self.notes.holds(&about, self.now()),
        }
    }

    /// What was not done of a concern, unless what was begun of it has ended well.
    #[must_use]
    pub fn failure(&self, about: &About) -> Option<&'a Failure> {
        self.notes.failed.get(about).filter(|_| self.state(about) != Some(BegunState::Over))
    }

    fn state(&self, about: &About) -> Option<BegunState> {
        self.begun.iter().find(|wait| wait.about == *about).map(|wait| wait.state)
    }
}
