//! What the engine shows of a lab: containers, volumes, networks. Facts without judgement.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::body::{LABEL_HOST, LABEL_MEMBER, LABEL_SERVICE};

/// Everything on the engine that carries one lab's label.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observed {
    /// Containers, running or not, by name.
    pub containers: BTreeMap<String, Container>,
    /// Names of the volumes with their labels.
    pub volumes: BTreeMap<String, BTreeMap<String, String>>,
    /// The lab's networks by name, with their subnets.
    pub networks: BTreeMap<String, String>,
}

/// A container as the engine shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// The engine's id: names are reused, ids are not.
    pub id: String,
    /// What the engine calls it.
    pub name: String,
    /// Image reference it was created from.
    pub image: String,
    /// What the engine says that it is doing.
    pub status: ContainerStatus,
    /// Process id of its first process on the machine; 0 when not running or not asked.
    pub pid: u32,
    /// Exit code of the last run.
    pub exit_code: i64,
    /// Whether the kernel killed it for memory.
    pub oom_killed: bool,
    /// Start of the last run, RFC 3339 in UTC; empty when never started or not asked.
    pub started_at: String,
    /// Whether the engine may start it again by itself; true when not asked.
    pub restarts: bool,
    /// What it was created with.
    pub labels: BTreeMap<String, String>,
    /// Address on the lab's network; sandboxes only.
    pub address: Option<Ipv4Addr>,
}

/// State of a container as the engine names it.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ContainerStatus {
    /// It was made and never started.
    Created,
    /// Its first process is there and not frozen.
    Running,
    /// Frozen by the cgroup freezer.
    Paused,
    /// The engine is about to start it again.
    Restarting,
    /// The engine is removing it.
    Removing,
    /// Its first process has ended.
    Exited,
    /// The engine could not remove it.
    Dead,
    /// The engine said something this program does not know.
    Unknown,
}

impl ContainerStatus {
    /// The word that the engine uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Container {
    /// The member it embodies, from its label.
    #[must_use]
    pub fn member(&self) -> Option<&str> {
        self.labels.get(LABEL_MEMBER).map(String::as_str)
    }

    /// Its service, from its label (`host` for sandboxes).
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        self.labels.get(LABEL_SERVICE).map(String::as_str)
    }

    /// Its host, from its label.
    #[must_use]
    pub fn host(&self) -> Option<&str> {
        self.labels.get(LABEL_HOST).map(String::as_str)
    }
}
