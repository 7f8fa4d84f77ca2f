//! The way to the engine.

use crate::engine::docker::{Docker, EngineError};

/// The engine, and where it was found.
pub async fn engine() -> Result<Docker, EngineError> {
    Ok(Docker::connect().await?.found_at(std::env::var("DOCKER_HOST").ok()))
}
