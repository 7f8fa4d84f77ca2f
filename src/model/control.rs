//! The controllers' contract, as plain data: what a controller is told, what it serves, what it may
//! ask of the engine and how it proves that it may.
//!
//! A controller is anybody's image. It finds a [`ControllerPlan`] at [`PLAN_PATH`], reaches the engine
//! through the broker alone, and serves a [`ControllerStatus`] at `/status`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{HostName, MemberId, Name};
use super::lab::{LabSpec, Member};
use super::plan::{BalancerDoors, Credentials, PostgresDoors};
use super::sighting::BodySeen;
use super::units::{Mono, Span};

/// Where a controller finds its plan.
pub const PLAN_PATH: &str = "/etc/pgha/controller.json";
/// Port of the broker on its own address.
pub const BROKER_PORT: u16 = 7070;
/// Port on which the first declared controller serves its health; the next one takes the next.
pub const CONTROLLER_PORT: u16 = 8410;
/// Port of a balancer's runtime interface; only hosts of controllers get through to it.
pub const RUNTIME_PORT: u16 = 8405;
/// Name of the broker's container in a lab, and of its member label.
pub const BROKER: &str = "broker";

/// What one replica of a controller is told.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerPlan {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// The lab as declared.
    pub spec: LabSpec,
    /// Which controller this is.
    pub controller: Name,
    /// Which of its replicas.
    pub member: MemberId,
    /// Where it serves `/healthz`, `/status` and `/metrics`.
    pub listen: SocketAddr,
    /// Who stood where when the lab was founded.
    pub members: Vec<Member>,
    /// Address of every host.
    pub hosts: BTreeMap<HostName, Ipv4Addr>,
    /// Client ports of etcd.
    pub etcd: BTreeMap<MemberId, SocketAddr>,
    /// PostgreSQL members.
    pub postgres: BTreeMap<MemberId, PostgresDoors>,
    /// Balancers: what they serve.
    pub balancers: BTreeMap<MemberId, BalancerDoors>,
    /// Balancers: their runtime interfaces (HAProxy, "Runtime API").
    pub runtime: BTreeMap<MemberId, SocketAddr>,
    /// Where the broker listens.
    pub broker: SocketAddr,
    /// What the broker wants to be told with every order.
    pub broker_password: String,
    /// Who may change something through Patroni's REST; the database means nothing here.
    pub rest: Credentials,
    /// PostgreSQL's superuser.
    pub superuser: Credentials,
}

impl fmt::Debug for ControllerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControllerPlan({} of {}, passwords hidden)", self.member, self.spec.name)
    }
}

/// What a controller serves at `/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerStatus {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Which controller.
    pub controller: Name,
    /// Which of its replicas.
    pub member: MemberId,
    /// Whether it is the one that acts.
    pub active: bool,
    /// Where it is in its work, one word: `standby`, `watch`, `fence`, `release`, …
    pub step: String,
    /// Whom that is about, when it is about one.
    pub subject: Option<MemberId>,
    /// Why this, or why nothing.
    pub reason: String,
    /// What needs a person, newest last.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// When it decided last.
    pub at: Mono,
}

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

/// What the broker is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// Proof of leadership; the broker compares it with etcd before it acts.
    pub token: Token,
    /// Not after this instant: an order that waited somewhere is worth nothing.
    pub deadline: Mono,
    /// What.
    pub deed: Deed,
}

/// Everything the broker does, and nothing else. Containers are named by their engine's id: names are
/// reused, ids are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// The body never runs again: no restart by the engine, no way in, killed, and proof of it.
    Fence {
        /// Which container.
        container: String,
    },
    /// A body that is there and does not run is started; what its fence closed is opened again.
    Start {
        /// Which container.
        container: String,
    },
}

impl Deed {
    /// Its name in journals and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fence { .. } => "fence",
            Self::Start { .. } => "start",
        }
    }

    /// The container it is about.
    #[must_use]
    pub fn container(&self) -> &str {
        match self {
            Self::Fence { container } | Self::Start { container } => container,
        }
    }
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// Done.
    Done,
    /// What is certain about a fenced body.
    Proof(Proof),
    /// Not done, and nothing was changed.
    Refused {
        /// Why.
        why: Refusal,
        /// In words.
        text: String,
    },
    /// The engine said no, or nothing in time: the effect is open.
    Failed {
        /// In words.
        text: String,
    },
}

/// Why the broker does not act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// Whoever asks is not (any more) the active controller, or etcd could not say so.
    NotLeader,
    /// The order came after its deadline.
    TooLate,
    /// Not this lab's, or no body a controller may touch.
    NotAllowed,
    /// No container with this id.
    NotThere,
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

/// What the broker shows of the lab.
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
    /// Seconds of the lease that says who is active.
    pub lease: u32,
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
            lease: 5,
            every: Span::secs(1),
            release: true,
            stop_at: None,
        }
    }
}
