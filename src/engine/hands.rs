//! The hands of the driver: look at a lab and carry out one idempotent action. The real engine and
//! the one in memory both have them, so the same driver runs on either.

use std::future::Future;

use super::docker::EngineError;
use crate::model::{Action, Observed};

/// Look and do.
pub trait Hands: Sync {
    /// Everything that carries the lab's label.
    ///
    /// # Errors
    /// When the engine does not answer.
    fn observe(&self) -> impl Future<Output = Result<Observed, EngineError>> + Send;

    /// Carries out one action; doing it twice is the same as doing it once.
    ///
    /// # Errors
    /// What the engine said. The effect may have happened all the same.
    fn act(&self, action: &Action) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Waits a moment.
    fn pause(&self, span: std::time::Duration) -> impl Future<Output = ()> + Send;
}
