//! What controllers deal in, as plain data: what they are handed, what they ask the broker for, proof of
//! leadership, proof of death, the bodies of a lab as the engine shows them, and what the repair
//! controller is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::alarm::{Alarm, AlarmKind, Became, Raised};
use super::id::{HostName, MemberId, Name};
use super::inside::Work;
use super::lab::{Desired, LabSpec, Member, Service, Size};
use super::plan::{Credentials, PostgresDoors};
use super::scaling::Usages;
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
    /// Who stands where when this was written; who stands where now is in [`Bodies::placed`].
    pub members: Vec<Member>,
    /// Address of every host: whoever comes to stand there is reached at it.
    pub hosts: BTreeMap<HostName, IpAddr>,
    /// Client ports of etcd when this was written; it asks for no login.
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
    format!("{}controllers/{controller}/leader", keys(lab))
}

/// What the broker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Deed {
    /// The body never runs again: no restart by the engine, killed, its ports closed where that does not end it, and
    /// proof of how far that went.
    Fence {
        /// Which container.
        container: String,
        /// Who holds Patroni's leader key meanwhile, compared just before the kill; left out, nobody compares it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leader: Option<LeaderIs>,
    },
    /// A body that is there and does not run is started; what its fence closed is opened again. Refused for a member of
    /// etcd that has been part of its cluster and has no data.
    Start {
        /// Which container.
        container: String,
    },
    /// A member has a body that was started: a new one from its recipe on the volumes it has, in the place of one
    /// that does not run; volumes that are missing are made. A member that the lab does not know is taken
    /// into its record first: a new name, on a host that may carry it; of etcd only where one has left, and it is added to
    /// its cluster, if those that serve are a quorum then.
    Create {
        /// Which member.
        member: MemberId,
        /// What it does.
        service: Service,
        /// Where it stands.
        host: HostName,
    },
    /// A member whose body does not run leaves the lab: its body is removed, its volumes stay, its name is never
    /// used again. Refused while fewer than the declared number would be left, and while it holds Patroni's leader key or
    /// nobody does. A member of etcd leaves its cluster
    /// first, whether its body runs or not, if the others are a quorum that serves, and one at a time.
    Retire {
        /// Which member.
        member: MemberId,
    },
    /// A body that does not run and that nobody of the record has is removed; its volumes stay. Refused while a member
    /// has a container of its name.
    Remove {
        /// Which container.
        container: String,
    },
    /// The volumes of a member that left are removed.
    Discard {
        /// Which member.
        member: MemberId,
    },
    /// Another number of PostgreSQL instances, and who is too many: the record says so, and whoever keeps the number
    /// makes it so. Refused when the record has changed since, beyond the limits of the spec, for fewer than
    /// synchronous replication needs, for somebody who is no instance, and for other services.
    Scale {
        /// Of what.
        service: Service,
        /// The version of the record this was decided by.
        generation: u64,
        /// How many there should be.
        count: u32,
        /// Who is to leave; whoever is not named any more stays.
        leaving: BTreeSet<MemberId>,
    },
    /// A PostgreSQL or a balancer gets another size, live: the record first, then limits, disk and the settings that
    /// follow them. Refused when the record says another size than `from`, beyond the limits of the spec or of its
    /// host, below the memory in use, and for a disk that would shrink. Repeated with the same `to` it finishes what
    /// was cut short.
    Resize {
        /// Which member.
        member: MemberId,
        /// What it has by the record.
        from: Size,
        /// What it is to have.
        to: Size,
    },
}

/// Who holds Patroni's leader key while a body is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderIs {
    /// The member whose body it is, by a key that this revision wrote.
    Itself(i64),
    /// Another member.
    Another,
    /// Nobody: the body is stuck, has data that is needed, and is started again.
    Nobody,
}

impl LeaderIs {
    /// Whether that is so, when `member` is asked about and the key says `found`: whose it is, and the revision that
    /// wrote it.
    ///
    /// # Errors
    /// What is so instead.
    pub fn holds(self, member: &str, found: Option<(&str, i64)>) -> Result<(), String> {
        match (self, found) {
            (Self::Itself(revision), Some((holder, wrote))) if holder == member && wrote == revision => {
                Ok(())
            }
            (Self::Another, Some((holder, _))) if holder != member => Ok(()),
            (Self::Nobody, None) => Ok(()),
            (_, None) => Err("nobody holds the leader key".to_owned()),
            (_, Some((holder, wrote))) => {
                Err(format!("{holder} holds the leader key, which revision {wrote} wrote"))
            }
        }
    }
}

impl Deed {
    /// Its name in journals and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Fence { .. } => "fence",
            Self::Start { .. } => "start",
            Self::Create { .. } => "create",
            Self::Retire { .. } => "retire",
            Self::Remove { .. } => "remove",
            Self::Discard { .. } => "discard",
            Self::Scale { .. } => "scale",
            Self::Resize { .. } => "resize",
        }
    }

    /// What it is about: a container by its id, or a member by its name.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Fence { container, .. } | Self::Start { container } | Self::Remove { container } => {
                container
            }
            Self::Create { member, .. }
            | Self::Retire { member }
            | Self::Discard { member }
            | Self::Resize { member, .. } => member.as_str(),
            Self::Scale { service, .. } => service.as_str(),
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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

/// What the broker writes down, line by line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BrokerLine {
    /// An order.
    Order(Box<Brokered>),
    /// What a body said that is removed.
    Kept(Kept),
}

/// A line of a controller whose body the broker removes: it may hold what explains an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Kept {
    /// Whose it is.
    pub kept: MemberId,
    /// What it said.
    pub line: String,
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
    /// What the broker answers to `GET /v1/usage`.
    pub usage: Usages,
    /// A line of `GET /v1/events`.
    pub event: EngineEvent,
    /// What the broker takes at `POST /v1/orders`.
    pub order: Order,
    /// What it answers.
    pub answer: Answer,
    /// What an operator writes at `/pgha/<lab>/asked/switchover` in etcd.
    pub switchover: SwitchoverWish,
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
    /// The same, with whom each is about and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<Raised>,
    /// When it decided last, on the machine's monotonic clock.
    #[serde(default)]
    pub at: Mono,
    /// What it will do next, and when, if everything stays as it was seen last; the soonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<String>,
    /// How busy instances and balancers are, where it asks them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub work: BTreeMap<MemberId, Work>,
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

/// Levels of proof. [`ProofLevel::Dead`] allows the leader key to be released, and [`ProofLevel::Doomed`] where the
/// policy says so ([`RepairPolicy::release_doomed`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProofLevel {
    /// P0: nothing is known, for example because the engine did not answer.
    Nothing,
    /// P1: cut off from the network, still alive as far as anybody knows.
    CutOff,
    /// P2: cut off, and every task of it is doomed: SIGKILL is before it or it has begun to end, so none of them runs a
    /// line of its program any more, and what keeps them is the kernel.
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
    /// Who stands where by the lab's record, with or without a body; empty while nobody could read it.
    #[serde(default)]
    pub placed: Vec<Member>,
    /// Who left the lab: names that are never used again.
    #[serde(default)]
    pub retired: BTreeSet<MemberId>,
    /// How many of each there should be.
    #[serde(default)]
    pub counts: BTreeMap<Service, u32>,
    /// Who stands in the lab and shall not for much longer, because there are too many.
    #[serde(default)]
    pub leaving: BTreeSet<MemberId>,
    /// Version of the record that says so; grows with every change of who belongs to the lab.
    #[serde(default)]
    pub generation: u64,
    /// Bodies that are not what the record says, by the id of their container: in what they differ (host, image, recipe;
    /// never the size).
    #[serde(default)]
    pub drifted: BTreeMap<String, String>,
    /// Ids of containers that nobody of the record has.
    #[serde(default)]
    pub surplus: BTreeSet<String>,
}

impl Bodies {
    /// Who stands where; as `planned` while nobody could read the record.
    #[must_use]
    pub fn placed_or<'a>(&'a self, planned: &'a [Member]) -> &'a [Member] {
        if self.placed.is_empty() { planned } else { &self.placed }
    }

    /// How many members of a service there should be; as founded while nobody could read the record.
    #[must_use]
    pub fn wanted(&self, spec: &LabSpec, service: Service) -> u32 {
        let founded = || Desired::founding(spec).counts.get(&service).copied();
        self.counts.get(&service).copied().or_else(founded).unwrap_or(0)
    }

    /// Members of a service among these that do not leave.
    pub fn staying<'a>(
        &'a self,
        members: &'a [Member],
        service: Service,
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let its = members.iter().filter(move |member| member.service == service);
        its.filter(|member| !self.leaving.contains(&member.id))
    }
}

/// What the repair controller is told in `[controller.policy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RepairPolicy {
    /// How long a body may be frozen before it is fenced.
    pub freeze_grace: Span,
    /// How long the disk of a primary may take nothing at all, while PostgreSQL answers and something is to be written,
    /// before it is fenced.
    pub disk_grace: Span,
    /// How long a body other than a dead leader's may be dead before it is started again.
    pub start_grace: Span,
    /// How many starts of bodies are too many.
    pub starts: Budget,
    /// How long a host may be down before what stands there is replaced elsewhere.
    pub host_grace: Span,
    /// How long a member may run and not serve before it is restarted, and after that before it is replaced; and how long a
    /// body may differ from the lab's record.
    pub sick_grace: Span,
    /// How many replacements on other hosts are too many.
    pub replacements: Budget,
    /// How long a newcomer may take to become a good copy, its clone included, before it is given up.
    pub newcomer_grace: Span,
    /// How long readers of a member that leaves, because there are too many, may go on before they are cut off.
    pub drain: Span,
    /// Pause between two looks when nothing wakes it.
    pub every: Span,
    /// Whether the leader key of a body that is proved dead is released. Without it Patroni's lease decides.
    pub release: bool,
    /// Whether that of a body that is doomed suffices: it was killed and is cut off from the network, and every task of
    /// it has its end before it and cannot die yet, because it waits for a disk that hangs. Without it Patroni's lease
    /// decides.
    pub release_doomed: bool,
    /// For tests: the process ends when it has done this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
}

impl RepairPolicy {
    /// What a controller is told.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn told(policy: &BTreeMap<String, Value>) -> Result<Self, String> {
        let told = serde_json::to_value(policy).map_err(|error| error.to_string())?;
        serde_json::from_value(told).map_err(|error| error.to_string())
    }
}

/// Why a member is replaced, and by whom: repair's word in the store, written before anything is done and
/// removed when all of it is, so that whoever comes after goes on with it. One key for the lab: one at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Replacing {
    /// What both do.
    #[serde(default = "databases")]
    pub service: Service,
    /// Who goes.
    pub member: MemberId,
    /// The name of the new member; that of who goes when nobody takes its place, because there are too many.
    pub by: MemberId,
    /// Where it stands.
    pub host: HostName,
    /// Why the old one goes.
    pub why: String,
    /// When that was decided, on the machine's monotonic clock: a newcomer has so long ([`RepairPolicy::newcomer_grace`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<Mono>,
}

/// What was replaced before anything else could be.
const fn databases() -> Service {
    Service::Postgres
}

/// Prefix of everything in etcd that the lab and its controllers write for one another.
#[must_use]
pub fn keys(lab: &Name) -> String {
    format!("/pgha/{lab}/")
}

/// Prefix of the keys by which operators ask controllers for something.
#[must_use]
pub fn asked_keys(lab: &Name) -> String {
    format!("{}asked/", keys(lab))
}

/// Key by which an operator asks for a member to be replaced; its value says who asks.
#[must_use]
pub fn asked_key(lab: &Name, member: &MemberId) -> String {
    format!("{}replace/{member}", asked_keys(lab))
}

/// Key by which an operator asks for a planned handover; its value is a [`SwitchoverWish`].
#[must_use]
pub fn switchover_key(lab: &Name) -> String {
    format!("{}switchover", asked_keys(lab))
}

/// A planned handover that an operator asks of the controllers. Whoever takes it removes it in the transaction that
/// asks Patroni; while it stands, nobody has, and whoever wrote it may take it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct SwitchoverWish {
    /// Who shall lead; `None`: the best copy.
    pub candidate: Option<MemberId>,
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
            disk_grace: Span::secs(10),
            start_grace: Span::secs(1),
            starts: Budget { max: 10, per: Span::secs(600) },
            host_grace: Span::secs(10),
            sick_grace: Span::secs(60),
            replacements: Budget { max: 3, per: Span::secs(600) },
            newcomer_grace: Span::secs(1_800),
            drain: Span::secs(10),
            every: Span::secs(1),
            release: true,
            release_doomed: false,
            stop_at: None,
        }
    }
}
