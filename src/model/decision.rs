//! A decision: what to do now, why, and when to look again. "Nothing" is a decision with a reason.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::body::{Body, VolumeWanted};
use super::units::Span;

/// One deed that makes something so. Doing it twice is the same as once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The lab's network exists.
    EnsureNetwork {
        /// What the engine calls it.
        name: String,
        /// Network address of its /24.
        subnet: Ipv4Addr,
    },
    /// The volumes exist: (name, member it belongs to, size when it should be a disk of its own).
    EnsureVolumes {
        /// The volumes that shall exist.
        volumes: Vec<VolumeWanted>,
    },
    /// The body's container exists with its files written; and it was started once.
    EnsureCreated {
        /// The recipe of the body.
        body: Box<Body>,
    },
    /// The body runs.
    EnsureStarted {
        /// Recipe: files are written again before a start, for a creation may have been cut short.
        body: Box<Body>,
    },
}

impl Action {
    /// What it does, in a few words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::EnsureNetwork { name, subnet } => format!("network {name} on {subnet}/24"),
            Self::EnsureVolumes { volumes } => format!("{} volumes", volumes.len()),
            Self::EnsureCreated { body } => format!("create {}", body.container),
            Self::EnsureStarted { body } => format!("start {}", body.container),
        }
    }
}

/// What a brain wants done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// To be done side by side; the next look decides what follows.
    pub actions: Vec<Action>,
    /// Why these, or why none.
    pub reason: String,
    /// Look again after this at the latest; `None`: the work is done.
    pub again_in: Option<Span>,
}
