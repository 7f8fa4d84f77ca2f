//! What is remembered of a look.
//!
//! Invariant: this is the only writer of since when something is so, and of what became of what was begun.

use super::assess::ScalingAssessment;
use super::begun::BegunState;
use super::memory::{Failure, Notes};
use crate::model::{MemberId, Mono, Service};

/// What is remembered of a look. What is over is forgotten, and what did not end in time has failed.
#[must_use]
pub fn remember(notes: &Notes, a: &ScalingAssessment<'_>) -> Notes {
    let mut next = notes.clone();
    let placed = |id: &MemberId| a.view.place(id).is_some();
    let known = |name: &MemberId| Service::SIZED.iter().any(|service| service.as_str() == name.as_str());
    next.failed.retain(|(_, name), _| known(name) || placed(name));
    next.changed.retain(|id, _| placed(id));
    next.streaks.retain(|id, _| placed(id));
    next.weights.clone_from(&a.weights);
    let measured = a.of(Service::Postgres).filter_map(|one| one.ring?.measured());
    next.weighed = measured.fold(notes.weighed, Mono::max);
    next.told.retain(|id, _| placed(id));
    for begun in &a.begun {
        if begun.state == BegunState::On {
            continue;
        }
        next.awaited.remove(&begun.about);
        if begun.state == BegunState::Over {
            next.failed.remove(&begun.about);
        } else {
            let why = begun.said();
            next.fail(begun.about.clone(), Failure { times: 0, at: a.now(), why, refused: None, late: true });
        }
    }
    let size = |id: &MemberId| a.view.member(id).map(|member| member.size);
    next.dropped.retain(|id, dropped| size(id).is_some_and(|size| dropped.stands(size, a.now())));
    next
}
