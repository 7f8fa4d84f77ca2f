//! What somebody proposes in repair, and what is remembered with it.

use super::RepairStep;
use super::trouble::Trouble;
use super::wait::RepairWait;
use crate::decide::frame;
use crate::model::MemberId;

pub use crate::decide::frame::OneAtATime;

/// One thing that repair could do, or the reason why it does nothing.
pub type RepairProposal = frame::Proposal<RepairStep, RepairNote, RepairWait>;

/// What is remembered when something is ordered, beside what every step notes when it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairNote {
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
    /// A synchronous standby is about to go, so that another must be named.
    Spares,
}

impl RepairProposal {
    /// Nothing is done now, and why.
    pub fn wait(wait: RepairWait, subject: Option<&MemberId>, reason: impl Into<String>) -> Self {
        Self::say(wait.word(), subject, reason).waits(wait)
    }

    /// Another synchronous standby is named first, if `spares`.
    #[must_use]
    pub fn spares(self, spares: bool) -> Self {
        if spares { self.heard(RepairNote::Spares) } else { self }
    }
}
