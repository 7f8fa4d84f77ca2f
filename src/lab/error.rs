//! Why something could not be done with a lab, and what helps.

use crate::drive::DriverStuck;
use crate::engine::docker::EngineError;

/// Why something could not be done with a lab.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabError {
    /// The container engine refused something, or is not there.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The driver gave up.
    #[error("could not {}: {}", .0.action, .0.error)]
    Stuck(#[from] DriverStuck),
    /// The spec asks for something that cannot be.
    #[error("{0}")]
    Unplaceable(String),
    /// An image could not be had.
    #[error("{message}")]
    Image {
        /// What happened.
        message: String,
        /// What helps.
        hint: String,
    },
    /// Some of a lab was removed and some was not.
    #[error("lab `{lab}` is not all gone, only {gone}: {error}")]
    Remains {
        /// Which lab.
        lab: String,
        /// How much was removed.
        gone: String,
        /// What the engine said first.
        error: EngineError,
    },
    /// There is no such lab.
    #[error("there is no lab `{0}` on this engine")]
    NoLab(String),
    /// The lab stands, but not as this spec wants it.
    #[error("lab `{lab}` was founded differently: {difference}")]
    Differs {
        /// Which lab.
        lab: String,
        /// In what.
        difference: String,
    },
    /// The lab's record is another than the one that was read: a controller, or another `up`, wrote it meanwhile.
    #[error("{0}")]
    Moved(String),
    /// The loop device that a volume names carries somebody else's image since the machine was started anew.
    #[error("lab `{lab}`: its disk `{disk}` belongs on {device}, which carries another image by now")]
    DeviceTaken {
        /// Which lab.
        lab: String,
        /// Which disk.
        disk: String,
        /// Its device.
        device: String,
    },
    /// The network of a lab that stands is gone, and another network has its addresses.
    #[error(
        "lab `{lab}`: its network is gone, and another network has {subnet}/24, where its members know each other"
    )]
    SubnetTaken {
        /// Which lab.
        lab: String,
        /// Network address of its /24.
        subnet: std::net::Ipv4Addr,
    },
    /// The lab's record says what this version of the program does not understand.
    #[error("lab `{lab}` was founded by {}: {why}", .by.as_ref().map_or("another version of pgha".to_owned(), |by| format!("pgha {by}")))]
    OtherVersion {
        /// Which lab.
        lab: String,
        /// Version that founded it, where its record says so.
        by: Option<String>,
        /// What is not understood.
        why: String,
    },
    /// Pieces of a lab without the record that belongs to them.
    #[error("lab `{0}` is incomplete: its record is gone, so its passwords are not known")]
    NoRecord(String),
    /// Not ready in time: who, and why.
    #[error("not ready after {after}:\n{who}")]
    NotReady {
        /// How long was waited.
        after: String,
        /// One line a member.
        who: String,
    },
    /// The program inside the client host failed.
    #[error("the client host: {0}")]
    Client(String),
}

impl LabError {
    /// What a person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Engine(error) | Self::Stuck(DriverStuck { error, .. }) => error.hint().map(str::to_owned),
            Self::Remains { error, .. } => Some(match error.hint() {
                Some(hint) => format!("{hint}; then `pgha down` again"),
                None => "`pgha down` again takes up what is left".to_owned(),
            }),
            Self::Image { hint, .. } => Some(hint.clone()),
            Self::NoLab(_) => {
                Some("`pgha up` makes one; `pgha status --all` lists those that are there".to_owned())
            }
            Self::Differs { .. } => {
                Some("take it down first (`pgha down`), or give this one another name".to_owned())
            }
            Self::DeviceTaken { device, .. } => Some(format!(
                "`losetup {device}` says which; free it and run `pgha up` again, or take this lab down: `pgha down`"
            )),
            Self::SubnetTaken { subnet, .. } => Some(format!(
                "`docker network inspect` on each of `docker network ls` shows which has {subnet}/24; remove that one and run \
                 `pgha up` again, or take this lab down: `pgha down`"
            )),
            Self::OtherVersion { .. } => Some(
                "use the version that founded it, or take it down (`pgha down` needs no record) and up again"
                    .to_owned(),
            ),
            Self::Moved(_) => Some("the same command again looks at the lab as it is now".to_owned()),
            Self::NoRecord(_) => Some("take it down (`pgha down`) and up again".to_owned()),
            Self::NotReady { .. } => Some(
                "`pgha logs MEMBER` shows what it says; `pgha up` again goes on, `pgha down` gives up"
                    .to_owned(),
            ),
            Self::Unplaceable(_) => {
                Some("add a host, make one larger, or ask for less in lab.toml".to_owned())
            }
            Self::Client(_) => None,
        }
    }
}
