//! What controllers deal in, as plain data: what they are handed, what they ask the broker for, proof of
//! leadership, proof of death, the bodies of a lab as the engine shows them, and what the repair
//! controller is told.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{HostName, MemberId, Name};
use super::lab::{LabSpec, Member};
use super::plan::{Credentials, PostgresDoors};
use super::sighting::{BodySeen, EngineEvent};
use super::units::{Mono, Span};

/// Where a controller finds its [`ControllerPlan`], a 0600 file of its own volume.
pub const CONTROLLER_PLAN: &str = "/etc/pgha/controller.json";
/// Where the broker finds its [`BrokerPlan`].
pub const BROKER_PLAN: &str = "/etc/pgha-broker/plan.json";
/// Where the fault `engine` writes how the engine shall behave towards controllers, a
/// [`super::scenario::EngineMode`]; without the file it answers. The engine itself is left alone.
pub const ENGINE_MODE: &str = "/etc/pgha-broker/engine.json";

/// What every controller is handed, whoever wrote it.
#[derive(Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerPlan {
    /// Version of this format; 1.
    pub schema: u32,
    /// The controller's name in the spec, for example `repair`.
    pub controller: Name,
    /// Which of its replicas this is.
    pub replica: MemberId,
    /// Where it must serve `/healthz`, `/status` and `/metrics`.
    pub listen: SocketAddr,
    /// The lab as declared; its name is Patroni's scope.
    pub spec: LabSpec,
    /// Who stands where.
    pub members: Vec<Member>,
    /// Client ports of etcd; it asks for no login.
    pub etcd: Vec<SocketAddr>,
    /// The broker.
    pub broker: BrokerDoor,
    /// Instances.
    pub postgres: BTreeMap<MemberId, PostgresDoors>,
    /// Balancers.
    pub balancers: BTreeMap<MemberId, AdminDoors>,
    /// A superuser of PostgreSQL.
    #[schemars(with = "Login")]
    pub superuser: Credentials,
    /// Who may change something through Patroni's REST.
    #[schemars(with = "Login")]
    pub rest: Credentials,
    /// What the spec tells this controller.
    pub policy: BTreeMap<String, Value>,
}

/// The shape of [`Credentials`] in schemas.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "a shape, never a value")]
struct Login {
    user: String,
    password: String,
    database: String,
}

impl fmt::Debug for ControllerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ControllerPlan({} of {})", self.replica, self.controller)
    }
}

/// Where one balancer is told something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AdminDoors {
    /// Statistics over HTTP (`/;csv`).
    pub stats: SocketAddr,
    /// HAProxy's runtime API, level admin.
    pub admin: SocketAddr,
}

/// The broker: the only way to the engine.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrokerDoor {
    /// Where it listens.
    pub address: SocketAddr,
    /// Sent as `Authorization: Bearer …` with every request.
    pub secret: String,
}

impl fmt::Debug for BrokerDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerDoor({})", self.address)
    }
}

/// What the broker is told.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrokerPlan {
    /// The lab it serves, and no other.
    pub lab: Name,
    /// Where it listens.
    pub listen: SocketAddr,
    /// What every request must bring.
    pub secret: String,
    /// Client ports of etcd, to compare tokens.
    pub etcd: Vec<SocketAddr>,
    /// Controllers that may give orders.
    pub controllers: Vec<Name>,
}

impl fmt::Debug for BrokerPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerPlan({}, {})", self.lab, self.listen)
    }
}

/// Key in etcd by which the replicas of one controller agree who is active.
#[must_use]
pub fn leadership_key(lab: &Name, controller: &Name) -> String {
    format!("/pgha/{lab}/controllers/{controller}/leader")
}

/// What the broker is asked to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Order {
    /// Proof of leadership; the broker compares it with etcd before it acts.
    pub token: Token,
    /// Not after this instant of the machine's monotonic clock: an order that waited somewhere is worth nothing.
    pub deadline: Mono,
    /// What.
    pub deed: Deed,
}

/// Everything the broker does, and nothing else. Containers are named by their engine's id: names are
/// reused, ids are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// The body never runs again: no restart by the engine, killed, its ports closed where that does not end it, and
    /// proof of how far that went.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

/// One line of the broker's journal: what it was asked for and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Brokered {
    /// When the order came.
    pub began: Mono,
    /// When it was answered.
    pub at: Mono,
    /// The order.
    pub order: Order,
    /// The answer.
    pub answer: Answer,
}

/// Everything that passes between a lab and a controller, whoever wrote it: for its JSON Schema alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Contract {
    /// What it is handed, in [`CONTROLLER_PLAN`].
    pub plan: ControllerPlan,
    /// What it must serve at `/status`.
    pub status: ControllerStatus,
    /// What the broker answers to `GET /v1/bodies`.
    pub bodies: Bodies,
    /// A line of `GET /v1/events`.
    pub event: EngineEvent,
    /// What the broker takes at `POST /v1/orders`.
    pub order: Order,
    /// What it answers.
    pub answer: Answer,
}

/// What `/status` of a controller says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerStatus {
    /// Whether this replica is the active one.
    #[serde(default)]
    pub active: bool,
    /// Where it is in its work, one word.
    pub step: String,
    /// Why.
    pub reason: String,
    /// Whom that is about.
    #[serde(default)]
    pub subject: Option<MemberId>,
    /// What needs a person.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// When it decided last, on the machine's monotonic clock.
    #[serde(default)]
    pub at: Mono,
}

/// Proof that a controller is the active one: the key of its leadership and the revision that wrote it.
/// Whoever took over wrote a later one, so an old token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// Key in etcd.
    pub key: String,
    /// Revision that wrote it (`mod_revision`).
    pub revision: i64,
}

/// How certain it is that a body will never write again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// How certain.
    pub level: ProofLevel,
    /// What was seen.
    pub evidence: String,
}

/// Levels of proof; only [`ProofLevel::Dead`] allows the leader key to be released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
