//! What went wrong between this program and the engine, in words of this room.

/// What went wrong between this program and the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nothing answers where the engine should be.
    #[error("no container engine answers: {0}")]
    NoEngine(String),
    /// The engine is there and does not let this user in.
    #[error("the container engine refuses this user: {0}")]
    NoPermission(String),
    /// The object does not exist (any more).
    #[error("not there: {0}")]
    NotFound(String),
    /// The object exists already, or is in a state that does not allow this.
    #[error("conflict: {0}")]
    Conflict(String),
    /// An address and port that should be published are taken.
    #[error("address taken: {0}")]
    PortTaken(String),
    /// No answer in time: nothing is known about the effect.
    #[error("no answer in time: {0}")]
    Timeout(String),
    /// Anything else the engine said.
    #[error("{0}")]
    Refused(String),
}

impl EngineError {
    /// What a person can do about it.
    #[must_use]
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoEngine(_) => Some(
                "start the engine (for example `systemctl start docker`) or point DOCKER_HOST at one; \
                 `pgha doctor` shows what is looked for",
            ),
            Self::NoPermission(_) => Some(
                "the socket belongs to group `docker`: join it (`sudo usermod -aG docker $USER`, then log in again) \
                 or run as root; that group is as powerful as root",
            ),
            Self::PortTaken(_) => Some(
                "another program or lab publishes there: set `[network] publish` to another loopback /24, or to \"none\"",
            ),
            Self::Timeout(_) => Some(
                "when `docker network ls` hangs as well, the engine has locked itself up (20.10 can: moby/libnetwork, \
                 issue 2649) and must be restarted: `systemctl restart docker`",
            ),
            _ => None,
        }
    }
}
