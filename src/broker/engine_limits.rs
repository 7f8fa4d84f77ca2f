//! How long the engine is waited for, whatever it is asked.

use std::time::Duration;

use crate::engine::clock;
use crate::engine::docker::EngineError;

/// Longest wait for the engine to show something.
pub(super) const ENGINE_LOOK_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for the engine to kill or start a body.
pub(super) const ENGINE_DEED_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for the engine to make or remove something.
pub(super) const ENGINE_CHANGE_TIMEOUT: Duration = Duration::from_secs(15);

pub(super) async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    clock::timeout(limit, work).await.unwrap_or_else(|late| Err(EngineError::Timeout(late.to_string())))
}

pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
