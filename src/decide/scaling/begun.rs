//! What was begun, as state that the next look checks. No step waits: a restart, a handover and a size are asked
//! for, and whether they take is seen later. What does not end in time is told, and decided anew.

use super::step::{About, ScalingStep};
use super::view::{ScalingView, waits, well};
use crate::model::{Mono, Sight, Size, Span};

/// Within this time a restart or a handover ends.
const RESTART_WITHIN: Span = Span::secs(60);
/// Within this time a size is given.
const SIZE_GIVEN_WITHIN: Span = Span::secs(30);
/// While something is waited for, the next look is no later than this.
pub(super) const NEXT_LOOK: Span = Span::secs(1);

/// What was begun.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// PostgreSQL of a member restarts for a setting.
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
    /// What was begun and has not ended.
    pub what: Begun,
    /// When it was asked for.
    pub since: Mono,
}

/// How something that was begun stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BegunState {
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
    pub state: BegunState,
}

impl Ongoing {
    /// In words.
    #[must_use]
    pub fn said(&self) -> String {
        match &self.what {
            Begun::Restart => format!("its restart has not ended within {RESTART_WITHIN}"),
            Begun::Handover => format!("its handover has not ended within {RESTART_WITHIN}"),
            Begun::Size { .. } => format!("its size has not been given within {SIZE_GIVEN_WITHIN}"),
        }
    }
}

/// What a step that was asked for begins, if its end is not its answer.
pub(super) fn begun(step: &ScalingStep, since: Mono) -> Option<Awaited> {
    let what = match step {
        ScalingStep::Restart { .. } => Begun::Restart,
        ScalingStep::HandOver { .. } => Begun::Handover,
        ScalingStep::Resize { from, to, .. } => Begun::Size { from: *from, to: *to },
        _ => return None,
    };
    Some(Awaited { what, since })
}

/// How something that was begun stands.
pub(super) fn state(view: &ScalingView<'_>, about: &About, awaited: &Awaited) -> BegunState {
    let id = &about.1;
    let Some(member) = view.member(id) else { return BegunState::Over };
    let over = match &awaited.what {
        Begun::Restart => {
            let seen = view.seen.postgres.get(id).and_then(Sight::seen);
            seen.is_some_and(|seen| !waits(seen) && well(seen, view.leads(id)))
        }
        Begun::Handover => view.store.leader.as_ref().is_some_and(|leader| leader != id),
        // from any other size it is refused
        Begun::Size { from, to } => member.size != *from || from == to,
    };
    let limit = if matches!(awaited.what, Begun::Size { .. }) { SIZE_GIVEN_WITHIN } else { RESTART_WITHIN };
    if over {
        BegunState::Over
    } else if view.seen.at.since(awaited.since) >= limit.0 {
        BegunState::Late
    } else {
        BegunState::On
    }
}
