//! Why a deed is not done, and how that is answered.

use crate::engine::docker::EngineError;
use crate::model::control::{BrokerAnswer, BrokerRefusal};

/// Why a deed was not done.
#[derive(Debug)]
pub(super) enum NotDone {
    /// Nothing was changed.
    Refused(BrokerRefusal, String),
    /// The effect is open.
    Failed(String),
}

impl From<EngineError> for NotDone {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) fn not_allowed(text: impl Into<String>) -> NotDone {
    NotDone::Refused(BrokerRefusal::NotAllowed, text.into())
}

pub(super) fn answer(outcome: Result<(), NotDone>) -> BrokerAnswer {
    match outcome {
        Ok(()) => BrokerAnswer::Done,
        Err(NotDone::Refused(why, text)) => refused(why, text),
        Err(NotDone::Failed(text)) => BrokerAnswer::Failed { text },
    }
}

/// An order that is not carried out.
pub(super) fn refused(why: BrokerRefusal, text: impl Into<String>) -> BrokerAnswer {
    BrokerAnswer::Refused { why, text: text.into() }
}
