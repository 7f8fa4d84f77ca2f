//! What controllers deal in, as plain data: proof of leadership, proof of death, the bodies of a lab as the
//! engine shows them, and what the repair controller is told.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{HostName, MemberId};
use super::sighting::BodySeen;
use super::units::Span;

/// Proof that a controller is the active one: the key of its leadership and the revision that wrote it.
/// Whoever took over wrote a later one, so an old token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// Key in etcd.
    pub key: String,
    /// Revision that wrote it (`mod_revision`).
    pub revision: i64,
}

/// How certain it is that a body will never write again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// How certain.
    pub level: ProofLevel,
    /// What was seen.
    pub evidence: String,
}

/// Levels of proof; only [`ProofLevel::Dead`] allows the leader key to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProofLevel {
    /// P0: nothing is known, for example because the engine did not answer.
    Nothing,
    /// P1: cut off from the network, still alive as far as anybody knows.
    CutOff,
    /// P2: cut off, and every task of it is doomed.
    Doomed,
    /// P3: the same container does not run and has no process, and the engine will not start it again.
    Dead,
}

/// What the engine shows of the lab.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Bodies {
    /// Containers of members, by member. Two of one name are two entries: a name proves nothing.
    pub members: BTreeMap<MemberId, Vec<BodySeen>>,
    /// Sandboxes, by host.
    pub hosts: BTreeMap<HostName, BodySeen>,
}

/// What the repair controller is told in `[controller.policy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RepairPolicy {
    /// How long a body may be frozen before it is fenced.
    pub freeze_grace: Span,
    /// How long a body other than a dead leader's may be dead before it is started again.
    pub start_grace: Span,
    /// How many starts of bodies are too many.
    pub starts: Budget,
    /// Pause between two looks when nothing wakes it.
    pub every: Span,
    /// Whether the leader key of a body that is proved dead is released. Without it Patroni's lease decides.
    pub release: bool,
    /// For tests: the process ends when it has done this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
}

/// At most so many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budget {
    /// How many.
    pub max: u32,
    /// In how long.
    pub per: Span,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self {
            freeze_grace: Span::secs(3),
            start_grace: Span::secs(1),
            starts: Budget { max: 10, per: Span::secs(600) },
            every: Span::secs(1),
            release: true,
            stop_at: None,
        }
    }
}
