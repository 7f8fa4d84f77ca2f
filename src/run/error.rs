//! Why a run could not be carried out.

use crate::chaos::NoMatch;
use crate::chaos::inject::InjectError;
use crate::engine::docker::EngineError;
use crate::lab::LabError;

/// Why a run could not be carried out. A run that was carried out ends in a verdict instead.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The lab did not get ready; what its bodies wrote is kept.
    #[error("{error}")]
    NotReady {
        /// Who was waited for, and why.
        error: LabError,
        /// Where the logs are.
        logs: std::path::PathBuf,
    },
    /// The run directory.
    #[error("the run directory: {0}")]
    Io(#[from] std::io::Error),
    /// A target that names nobody.
    #[error(transparent)]
    NoMatch(#[from] NoMatch),
    /// A fault that could not be injected.
    #[error(transparent)]
    Inject(#[from] InjectError),
    /// The load could not be prepared.
    #[error("the load: {0}")]
    Load(String),
    /// A stored run that cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// File.
        path: String,
        /// Why.
        why: String,
    },
    /// This engine or machine cannot do what the scenario asks for.
    #[error("this machine cannot run it: {}", .0.join("; "))]
    Refused(Vec<String>),
    /// Another run is on this lab.
    #[error("another run is using lab `{0}`")]
    Busy(String),
    /// Asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<EngineError> for RunError {
    fn from(error: EngineError) -> Self {
        Self::Lab(LabError::Engine(error))
    }
}
