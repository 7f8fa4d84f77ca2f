//! What was begun, as state that the next look checks. No step waits: a restart, a handover and a size are asked
//! for, and whether they take is seen later. What does not end in time is told, and decided anew.

use super::step::{About, Step};
use super::view::{View, waits, well};
use crate::model::{Mono, Sight, Size, Span};

/// Within this time a restart or a handover ends.
const RESTART: Span = Span::secs(60);
/// Within this time a size is given.
const SIZE: Span = Span::secs(30);
/// While something is waited for, the next look is no later than this.
pub(super) const LOOK: Span = Span::secs(1);

/// What was begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// A restart.
    Restart,
    /// A handover of the leader.
    Handover,
    /// Another size.
    Size {
        /// What it had.
        from: Size,
        /// What it is to have.
        to: Size,
    },
}

/// What was begun, and when.
#[derive(Clone, Debug, PartialEq)]
pub struct Awaited {
    /// What.
    pub what: Begun,
    /// When it was asked for.
    pub since: Mono,
}

/// How something that was begun stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It goes on.
    On,
    /// It has ended, or nothing is left that could.
    Over,
    /// It has not ended in time.
    Late,
}

/// Something that was begun, as this look shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Ongoing {
    /// What of whom.
    pub about: About,
    /// What was begun.
    pub what: Begun,
    /// How it stands.
    pub state: State,
}

impl Ongoing {
    /// In words.
    #[must_use]
    pub fn said(&self) -> String {
        match &self.what {
            Begun::Restart => format!("its restart has not ended within {RESTART}"),
            Begun::Handover => format!("its handover has not ended within {RESTART}"),
            Begun::Size { .. } => format!("its size has not been given within {SIZE}"),
        }
    }
}

/// What a step that was asked for begins, if its end is not its answer.
pub(super) fn begun(step: &Step, since: Mono) -> Option<Awaited> {
    let what = match step {
        Step::Restart { .. } => Begun::Restart,
        Step::Handover { .. } => Begun::Handover,
        Step::Resize { from, to, .. } => Begun::Size { from: *from, to: *to },
        _ => return None,
    };
    Some(Awaited { what, since })
}

/// How something that was begun stands.
pub(super) fn state(view: &View<'_>, about: &About, awaited: &Awaited) -> State {
    let id = &about.1;
    let Some(member) = view.member(id) else { return State::Over };
    let over = match &awaited.what {
        Begun::Restart => {
            let seen = view.seen.postgres.get(id).and_then(Sight::seen);
            seen.is_some_and(|seen| !waits(seen) && well(seen, view.leads(id)))
        }
        Begun::Handover => view.store.leader.as_ref().is_some_and(|leader| leader != id),
        // from any other size it is refused
        Begun::Size { from, to } => member.size != *from || from == to,
    };
    let limit = if matches!(awaited.what, Begun::Size { .. }) { SIZE } else { RESTART };
    if over {
        State::Over
    } else if view.seen.at.since(awaited.since) >= limit.0 {
        State::Late
    } else {
        State::On
    }
}
