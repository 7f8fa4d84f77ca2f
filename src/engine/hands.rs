//! The hands of the driver: look at a lab and carry out one idempotent action; and of those that keep a file in a
//! container, of which one writes at a time. The real engine and the one in memory both have them, so the same code runs
//! on either.

use std::future::Future;

use super::engine_error::EngineError;
use crate::model::{Action, Body, Mono, Observed};

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

/// Files in containers, and turns: of those that want the turn of one name, one has it.
pub trait Shelf: Sync {
    /// Reads one file of a container, running or not.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] without the container or the file.
    fn read_file(
        &self,
        container: &str,
        path: &str,
    ) -> impl Future<Output = Result<Vec<u8>, EngineError>> + Send;

    /// Writes the files of a body into its volumes.
    ///
    /// # Errors
    /// When the container does not exist.
    fn write_files(&self, body: &Body) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Takes the turn of a name; what ends it again, or `None` while another has it. `image`: what its mark is made from.
    ///
    /// # Errors
    /// When the engine does not answer: then the turn may be taken all the same, until it is found to be left behind.
    fn take_turn(
        &self,
        lab: &str,
        name: &str,
        image: Option<&str>,
    ) -> impl Future<Output = Result<Option<String>, EngineError>> + Send;

    /// Which turn of a name is taken now.
    ///
    /// # Errors
    /// When the engine does not answer.
    fn turn(&self, name: &str) -> impl Future<Output = Result<Option<String>, EngineError>> + Send;

    /// Ends a turn; one that is over is fine.
    ///
    /// # Errors
    /// When the engine does not answer.
    fn end_turn(&self, turn: &str) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Waits a moment.
    fn wait(&self, span: std::time::Duration) -> impl Future<Output = ()> + Send;

    /// The instant of the machine's monotonic clock.
    fn now(&self) -> Mono;
}
