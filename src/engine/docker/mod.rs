//! The container engine (Docker Engine API): one handle, typed errors, one file a kind of object.
//!
//! Theory: the API is asked for what *is*, and told what to *ensure*; a name that is taken or an
//! object that is already gone is an answer, not a failure. The version on the wire is negotiated,
//! never pinned, so engines from 20.10 on work.

mod bodies;
mod disks;
mod events;
mod exec;
mod helper;
mod images;
mod limits;
mod network;
mod observe;
mod turn;
mod usage;
mod volumes;

pub use disks::{Disk, DiskState};
pub use exec::{ExecOutput, ExecStream};
pub use helper::Helper;
pub use images::{BuildContext, ImageSeen};

use std::time::Duration;

use bollard::errors::Error;

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

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        match error {
            Error::DockerResponseServerError { status_code, message } => {
                let taken = message.contains("port is already allocated")
                    || message.contains("address already in use")
                    || message.contains("cannot assign requested address");
                match status_code {
                    _ if taken => Self::PortTaken(message),
                    404 => Self::NotFound(message),
                    304 | 409 => Self::Conflict(message),
                    _ => Self::Refused(message),
                }
            }
            Error::RequestTimeoutError => Self::Timeout("the engine did not answer the request".to_owned()),
            Error::SocketNotFoundError(path) => Self::NoEngine(format!("no socket at {path}")),
            other => {
                let text = chain(&other);
                let lower = text.to_lowercase();
                if lower.contains("permission denied") {
                    Self::NoPermission(text)
                } else if lower.contains("no such file") || lower.contains("connection refused") {
                    Self::NoEngine(text)
                } else {
                    Self::Refused(text)
                }
            }
        }
    }
}

/// An error and everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// Result of a call to the engine.
pub type EngineResult<T> = Result<T, EngineError>;

/// A handle to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Docker {
    api: bollard::Docker,
    host: Option<String>,
}

/// What the engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Engine version, for example `20.10.24`.
    pub version: String,
    /// Negotiated API version.
    pub api: String,
    /// `1` or `2`.
    pub cgroup: String,
    /// Kernel.
    pub kernel: String,
    /// Operating system.
    pub system: String,
    /// Storage driver.
    pub storage: String,
    /// Cores.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
}

impl Docker {
    /// Connects where `DOCKER_HOST` or the default socket points and negotiates the API version.
    ///
    /// # Errors
    /// [`EngineError::NoEngine`] or [`EngineError::NoPermission`] when that fails.
    pub async fn connect() -> EngineResult<Self> {
        let api = bollard::Docker::connect_with_defaults()?.with_timeout(Duration::from_mins(1));
        let api = api.negotiate_version().await?;
        Ok(Self { api, host: None })
    }

    /// The same engine, told where it was found (the value of `DOCKER_HOST`), so that its socket can be handed
    /// to a broker.
    #[must_use]
    pub fn found_at(mut self, host: Option<String>) -> Self {
        self.host = host;
        self
    }

    /// Path of the engine's socket on its machine.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when it is reached another way.
    pub fn socket(&self) -> EngineResult<String> {
        match &self.host {
            None => Ok("/var/run/docker.sock".to_owned()),
            Some(host) => host.strip_prefix("unix://").map(str::to_owned).ok_or_else(|| {
                EngineError::Refused(format!(
                    "the engine is reached at {host}: its socket cannot be handed to a broker, so no controller can run"
                ))
            }),
        }
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn info(&self) -> EngineResult<EngineInfo> {
        let info = self.api.info().await?;
        let version = self.api.version().await?;
        let api = self.api.client_version();
        Ok(EngineInfo {
            version: version.version.unwrap_or_default(),
            api: format!("{}.{}", api.major_version, api.minor_version),
            cgroup: info.cgroup_version.map_or_else(|| "1".to_owned(), |v| v.to_string()),
            kernel: info.kernel_version.unwrap_or_default(),
            system: info.operating_system.unwrap_or_default(),
            storage: info.driver.unwrap_or_default(),
            cpus: info.ncpu.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            memory: info.mem_total.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        })
    }
}
