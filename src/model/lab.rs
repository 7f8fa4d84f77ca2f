//! The lab as declared: what `lab.toml`, a preset and overrides amount to once merged.
//!
//! Every field has a value here: defaults are filled in by room `spec`, never later.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::{HostName, MemberId, Name};
use super::image::ImageRole;
use super::units::{Bytes, Span};

/// A whole lab: hosts, services, sizes, settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LabSpec {
    /// Version of this format; 1.
    pub schema: u32,
    /// Name of the lab: several live side by side on one engine.
    pub name: Name,
    /// What the images are made from.
    pub images: Images,
    /// Addresses of its hosts, and where it is published.
    pub network: NetworkSpec,
    /// The simulated hosts; one of them carries the client.
    #[serde(rename = "host")]
    pub hosts: Vec<Host>,
    /// The store that holds Patroni's state.
    pub etcd: EtcdSpec,
    /// PostgreSQL under Patroni.
    pub postgres: Postgres,
    /// What leads clients to instances.
    pub balancers: BalancersSpec,
    /// Controllers; none in the presets that show Patroni and HAProxy alone.
    #[serde(rename = "controller", default)]
    pub controllers: Vec<ControllerSpec>,
}

/// Where images come from, and which versions are in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Images {
    /// `debian` builds on the engine from Debian packages; `nix` takes images that `nix run .#load-images` loaded.
    pub source: ImageSource,
    /// Debian suite, for example `trixie` or `forky`.
    pub suite: Name,
    /// PostgreSQL major version as packaged in that suite.
    pub postgres: u32,
    /// Debian suite of the balancers' image, where it is another: HAProxy 3.0.11 of `trixie` leaves clients hanging when
    /// it ends sessions that wait for a server, HAProxy 3.2 of `forky` does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub haproxy: Option<Name>,
}

impl Images {
    /// The suite that the packages of a role come from.
    #[must_use]
    pub fn suite_of(&self, role: ImageRole) -> &Name {
        match role {
            ImageRole::Haproxy => self.haproxy.as_ref().unwrap_or(&self.suite),
            ImageRole::Host | ImageRole::Etcd | ImageRole::Postgres | ImageRole::Pgha => &self.suite,
        }
    }
}

/// What builds the images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImageSource {
    /// Debian packages, built on the engine.
    Debian,
    /// Packages of nixpkgs: images of the flake, loaded into the engine beforehand.
    Nix,
}

/// Addresses of the hosts of a lab, and where it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NetworkSpec {
    /// `auto` (a free /24 of 198.18.0.0/15) or a /24 such as `198.18.7.0/24`.
    pub subnet: String,
    /// `none`, or the loopback /24 on which host n publishes 5432 and 5433 at address n, such as `127.0.1.0/24`.
    pub publish: String,
}

/// One simulated physical computer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Host {
    /// What everything else calls it, for example `h1`.
    pub name: HostName,
    /// Cores it has for bodies.
    pub cpus: f64,
    /// Memory it has for bodies.
    pub memory: Bytes,
    /// Disk it has for volumes.
    pub disk: Bytes,
    /// When not empty, the only services that may stand here.
    #[serde(default)]
    pub only: Vec<Service>,
}

/// What a body does. The order is the order in which bodies are founded.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Service {
    /// Load and probes: the project core of the service's page of 2022.
    Client,
    /// A member of the store.
    Etcd,
    /// PostgreSQL under Patroni.
    Postgres,
    /// HAProxy, which leads clients to instances.
    Balancer,
    /// A program that repairs or scales the lab.
    Controller,
    /// The broker between controllers and the engine; nobody declares or places it.
    #[schemars(skip)]
    Broker,
}

impl Service {
    /// Those whose bodies have limits to move between ([`LabSpec::limits`]), and whose number has ([`LabSpec::may_have`]).
    pub const SIZED: [Self; 2] = [Self::Postgres, Self::Balancer];

    /// That of [`Self::SIZED`] with this name.
    #[must_use]
    pub fn sized(name: &str) -> Option<Self> {
        Self::SIZED.into_iter().find(|service| service.as_str() == name)
    }

    /// The prefix of member names, for example `postgres` in `postgres-1`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl From<Service> for Name {
    fn from(service: Service) -> Self {
        Self::of_word(service.as_str())
    }
}

impl From<Service> for MemberId {
    fn from(service: Service) -> Self {
        Self::of_word(service.as_str())
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A value that starts somewhere and may move between two limits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Range<T> {
    /// The value when the lab is founded.
    pub start: T,
    /// The least value that scaling may give.
    pub min: T,
    /// The largest value that scaling may give.
    pub max: T,
}

impl<T: Copy> Range<T> {
    /// A value that does not move.
    pub const fn fixed(value: T) -> Self {
        Self { start: value, min: value, max: value }
    }
}

/// The etcd cluster that holds the state of Patroni and of the controllers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct EtcdSpec {
    /// Number of members, which is odd.
    pub members: u32,
    /// Pins: the only hosts that may carry one. Empty: placement decides.
    #[serde(default)]
    pub hosts: Vec<HostName>,
    /// Cores of each member.
    pub cpus: f64,
    /// Memory of each member.
    pub memory: Bytes,
    /// Disk of each member.
    pub disk: Bytes,
}

/// The instances of PostgreSQL, and the Patroni that runs each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Postgres {
    /// How many instances there are.
    pub instances: Range<u32>,
    /// Pins: the only hosts that may carry one. Empty: placement decides.
    #[serde(default)]
    pub hosts: Vec<HostName>,
    /// When a commit is acknowledged.
    pub replication: Replication,
    /// Synchronous standbys, when replication is `sync` or `quorum`.
    pub sync_standbys: u32,
    /// Which instances serve 5433.
    pub reads: Reads,
    /// Cores of each instance.
    pub cpus: Range<f64>,
    /// Memory of each instance.
    pub memory: Range<Bytes>,
    /// Disk of each instance.
    pub disk: Range<Bytes>,
    /// The engine's restart policy of a PostgreSQL body.
    pub restart: RestartRule,
    /// Whether the clock of every member can be set wrong: Patroni and PostgreSQL run with libfaketime.
    #[serde(default)]
    pub fake_clock: bool,
    /// Size of a WAL segment (PostgreSQL: `initdb --wal-segsize`, 16 MB). A promotion copies the last segment to the
    /// new timeline before it takes writes.
    #[serde(default = "default_wal_segment")]
    pub wal_segment: Bytes,
    /// Patroni's timings and limits.
    pub patroni: PatroniSpec,
    /// PostgreSQL settings on top of those derived from the sizes.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

const fn default_wal_segment() -> Bytes {
    Bytes::mib(16)
}

/// How replicas follow the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Replication {
    /// Acknowledge before any replica has it (the service's page of 2022).
    Async,
    /// Patroni's `synchronous_mode: on`, strict.
    Sync,
    /// Patroni's `synchronous_mode: quorum`, strict.
    Quorum,
}

/// Which instances serve 5433.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// Every instance, the primary too (the text of the service's page of 2022).
    Any,
    /// Replicas; the primary only when no replica can serve (the diagram of the service's page of 2022).
    Replicas,
}

/// The engine's restart policy of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RestartRule {
    /// A dead body stays dead until somebody starts it.
    No,
    /// The engine starts it again.
    Always,
}

/// Patroni's settings, named as in its documentation (dynamic configuration).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PatroniSpec {
    /// Leader lease, seconds (Patroni: ttl, 30).
    pub ttl: u32,
    /// Pause of the loop, seconds (Patroni: `loop_wait`, 10).
    pub loop_wait: u32,
    /// How long a failing store or PostgreSQL is retried, seconds (Patroni: `retry_timeout`, 10).
    pub retry_timeout: u32,
    /// A replica further behind is no candidate (Patroni: `maximum_lag_on_failover`, 1048576).
    pub maximum_lag_on_failover: Bytes,
    /// How long a primary may take to start before failover (Patroni: `primary_start_timeout`, 300 s).
    pub primary_start_timeout: u32,
    /// Keep the primary while the store is away and every member answers (Patroni: `failsafe_mode`).
    pub failsafe_mode: bool,
    /// How long the slot of a replica that is gone is kept, seconds (Patroni 4: `member_slots_ttl`, 1800).
    #[serde(default = "default_member_slots_ttl")]
    pub member_slots_ttl: u32,
}

const fn default_member_slots_ttl() -> u32 {
    1800
}

/// The weight of an instance that readers are led to as much as to any.
pub const FULL_WEIGHT: u32 = 100;

/// HAProxy: how many, what they check, and how long they wait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BalancersSpec {
    /// Number of balancers, all active.
    pub instances: Range<u32>,
    /// Pins: the only hosts that may carry one. Empty: placement decides.
    #[serde(default)]
    pub hosts: Vec<HostName>,
    /// Cores of each balancer.
    pub cpus: Range<f64>,
    /// Memory of each balancer.
    pub memory: Range<Bytes>,
    /// Disk of each balancer.
    pub disk: Range<Bytes>,
    /// Most sessions of one balancer (HAProxy: maxconn).
    pub maxconn: u32,
    /// Health checks against Patroni's REST.
    pub check: HealthCheck,
    /// Attempts after a failed connect (HAProxy: retries).
    pub retries: u32,
    /// Whether a failed connect may go to another server (HAProxy: option redispatch).
    pub redispatch: bool,
    /// How often a new connection to 5433 that came to nothing is tried on another server, at once (HAProxy: option
    /// redispatch 1); with 0 `retries` and `redispatch` count there, too.
    #[serde(default)]
    pub read_retries: u32,
    /// What becomes of the sessions of a server that is marked down (HAProxy: on-marked-down).
    #[serde(default)]
    pub on_marked_down: OnMarkedDown,
    /// Longest wait for a server to accept (HAProxy: timeout connect).
    pub timeout_connect: Span,
    /// Longest silence of a client (HAProxy: timeout client).
    pub timeout_client: Span,
    /// Longest silence of a server (HAProxy: timeout server).
    pub timeout_server: Span,
    /// How long a new connection to 5432 waits in the balancer while no server is up; `0s`: not at all. Then
    /// clients are sent away at once, and come again.
    #[serde(default)]
    pub hold: Span,
    /// What a server is before its first check has answered.
    pub start: BalancerStart,
}

/// What HAProxy does with the sessions of a server that it marks down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnMarkedDown {
    /// It ends them all, as in Patroni's sample configuration. HAProxy 3.0.10 and 3.0.11 leave a client hanging for ever
    /// whose session waits for its server connection at that moment.
    #[default]
    ShutdownSessions,
    /// It ends none. The repair controller ends those that have a connection, and the kernel those whose server has been
    /// silent for eight seconds.
    None,
}

/// What a fresh balancer takes its servers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BalancerStart {
    /// Down until a check said otherwise: nothing is routed to a server nobody has looked at.
    Checked,
    /// Up until a check said otherwise: HAProxy's own default.
    Unchecked,
}

/// Health checks of the balancers, named as in HAProxy's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HealthCheck {
    /// `false` switches the checks off altogether: every server counts as up. Only sabotage wants that.
    pub enabled: bool,
    /// Time between two checks of a server.
    pub inter: Span,
    /// The same while the state is in doubt; `inter` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fastinter: Option<Span>,
    /// The same while the server is down; `inter` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub downinter: Option<Span>,
    /// Failed checks until a server is down.
    pub fall: u32,
    /// Good checks until it is up.
    pub rise: u32,
    /// Longest wait for the answer of a check.
    pub timeout: Span,
    /// Replicas further behind than this leave 5433; no limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Bytes>,
}

/// The image of a controller that this program is.
pub const OURS: &str = "pgha";

/// One controller: an image that keeps the controllers' contract.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ControllerSpec {
    /// Its name, for example `repair`.
    pub name: Name,
    /// How many of it run; one is active.
    pub replicas: u32,
    /// `pgha` for ours, or the image of anybody's.
    pub image: String,
    /// What it is told; its own business.
    #[serde(default)]
    pub policy: BTreeMap<String, Value>,
}

/// What one body gets of its host.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Size {
    /// Cores, or parts of one.
    pub cpus: f64,
    /// Bytes of memory that the body may use.
    pub memory: Bytes,
    /// Bytes of its data volume.
    pub disk: Bytes,
}

impl Size {
    /// The larger of both, resource by resource.
    #[must_use]
    pub fn or_more(&self, other: &Self) -> Self {
        Self {
            cpus: self.cpus.max(other.cpus),
            memory: self.memory.max(other.memory),
            disk: self.disk.max(other.disk),
        }
    }
}

/// One body of one service, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Name of the member.
    pub id: MemberId,
    /// The service it is of.
    pub service: Service,
    /// The host that carries it.
    pub host: HostName,
    /// Cores, memory and disk that it has.
    pub size: Size,
}

/// The controller a replica belongs to, by its name: `repair` for `repair-1`.
#[must_use]
pub fn controller_of(replica: &MemberId) -> &str {
    replica.as_str().rsplit_once('-').map_or(replica.as_str(), |(name, _)| name)
}

/// What may not stand twice on a host: a service, by its word; of controllers each controller.
#[must_use]
pub fn kind<'a>(id: &'a MemberId, service: &'a str) -> &'a str {
    if service == Service::Controller.as_str() { controller_of(id) } else { service }
}

impl Member {
    /// The controller this is a replica of; `None` for other services.
    #[must_use]
    pub fn controller(&self) -> Option<&str> {
        (self.service == Service::Controller).then(|| controller_of(&self.id))
    }

    /// What may not stand twice on a host.
    #[must_use]
    pub fn kind(&self) -> &str {
        kind(&self.id, self.service.as_str())
    }
}

/// How many of each service there should be, and how large: what `up` founds and controllers keep.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Desired {
    /// Grows by one with every change.
    pub generation: u64,
    /// How many bodies each service shall have.
    pub counts: BTreeMap<Service, u32>,
    /// Members that must not exist any more.
    #[serde(default)]
    pub without: BTreeSet<MemberId>,
    /// Sizes that differ from the spec's start.
    #[serde(default)]
    pub sizes: BTreeMap<MemberId, Size>,
}

impl Desired {
    /// What a fresh lab of this spec should have.
    #[must_use]
    pub fn founding(spec: &LabSpec) -> Self {
        let counts = BTreeMap::from([
            (Service::Client, 1),
            (Service::Etcd, spec.etcd.members),
            (Service::Postgres, spec.postgres.instances.start),
            (Service::Balancer, spec.balancers.instances.start),
        ]);
        Self { generation: 1, counts, ..Self::default() }
    }
}

impl LabSpec {
    /// What this lab's HAProxy does to clients when it marks a server down, where that is known to be wrong. Source:
    /// `scenarios/found/haproxy-freezes-a-session.sh`, Debian's package 3.0.11-1+deb13u5.
    #[must_use]
    pub fn haproxy_caveat(&self) -> Option<&'static str> {
        let packages = self.images.source == ImageSource::Debian;
        let freezes = packages && self.images.suite_of(ImageRole::Haproxy).as_str() == "trixie";
        let ends_sessions = self.balancers.on_marked_down == OnMarkedDown::ShutdownSessions;
        (freezes && ends_sessions).then_some(
            "HAProxy 3.0.11 of trixie, with on-marked-down = \"shutdown-sessions\", leaves a client hanging for ever that waits \
             for a server which is marked down; `--set images.haproxy=\"forky\"` takes one that does not",
        )
    }

    /// The size a body of `service` starts with.
    #[must_use]
    pub fn start_size(&self, service: Service) -> Size {
        match service {
            Service::Client => Size { cpus: 1.0, memory: Bytes::mib(512), disk: Bytes(0) },
            // they wait nearly always, and what they do then must not wait for a share of a core
            Service::Controller | Service::Broker => {
                Size { cpus: 1.0, memory: Bytes::mib(128), disk: Bytes(0) }
            }
            Service::Etcd => Size { cpus: self.etcd.cpus, memory: self.etcd.memory, disk: self.etcd.disk },
            Service::Postgres => Size {
                cpus: self.postgres.cpus.start,
                memory: self.postgres.memory.start,
                disk: self.postgres.disk.start,
            },
            Service::Balancer => Size {
                cpus: self.balancers.cpus.start,
                memory: self.balancers.memory.start,
                disk: self.balancers.disk.start,
            },
        }
    }

    /// The least and the most a body of `service` may be given; `None` when its size never moves.
    #[must_use]
    pub fn limits(&self, service: Service) -> Option<(Size, Size)> {
        let (cpus, memory, disk) = match service {
            Service::Postgres => (&self.postgres.cpus, &self.postgres.memory, &self.postgres.disk),
            Service::Balancer => (&self.balancers.cpus, &self.balancers.memory, &self.balancers.disk),
            Service::Client | Service::Etcd | Service::Controller | Service::Broker => return None,
        };
        let min = Size { cpus: cpus.min, memory: memory.min, disk: disk.min };
        Some((min, Size { cpus: cpus.max, memory: memory.max, disk: disk.max }))
    }

    /// Whether this lab may have so many bodies of a service.
    ///
    /// # Errors
    /// Why not, for a person.
    pub fn may_have(&self, service: Service, count: u32) -> Result<(), String> {
        let postgres = &self.postgres;
        let (Range { min, max, .. }, called) = match service {
            Service::Postgres => (postgres.instances, "PostgreSQL instances"),
            Service::Balancer => (self.balancers.instances, "balancers"),
            other => return Err(format!("the number of `{other}` does not change")),
        };
        if min == max {
            return Err(format!("this lab has {min} {called} and never another number"));
        }
        if !(min..=max).contains(&count) {
            return Err(format!("{count} is not between {min} and {max}, the limits of this lab"));
        }
        let confirm = if postgres.replication == Replication::Async { 0 } else { postgres.sync_standbys };
        if service == Service::Postgres && count <= confirm {
            return Err(format!("{count} leave no primary beside {confirm} synchronous standbys"));
        }
        Ok(())
    }

    /// Whether writes would wait if this PostgreSQL went: it must confirm them, and nobody stands in for it at once.
    /// `may_lead` are those Patroni lists as synchronous, leader included.
    #[must_use]
    pub fn confirms(&self, may_lead: Option<&[MemberId]>, id: &MemberId) -> bool {
        let may = may_lead.unwrap_or_default();
        self.postgres.replication != Replication::Async
            && may.contains(id)
            && may.len() <= 1 + self.postgres.sync_standbys as usize
    }

    /// Whether somebody may give bodies another size while the lab stands: a controller for it, or one of which
    /// nobody knows what it does.
    #[must_use]
    pub fn sizes_move(&self) -> bool {
        self.has_controller("scaling")
    }

    /// Whether the lab has this program's controller of a name, or somebody's own, which may do anything.
    #[must_use]
    pub fn has_controller(&self, name: &str) -> bool {
        self.controllers.iter().any(|controller| controller.name.as_str() == name || controller.image != OURS)
    }

    /// The host with this name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == *name)
    }

    /// Position of a host in the declaration, from 0: it fixes the host's address.
    #[must_use]
    pub fn host_index(&self, name: &HostName) -> Option<usize> {
        self.hosts.iter().position(|host| host.name == *name)
    }

    /// Whether the spec allows a body of `service` on `host` (its `only` list and the service's pins).
    #[must_use]
    pub fn may_stand(&self, service: Service, host: &Host) -> bool {
        let none: &[HostName] = &[];
        let pins = match service {
            Service::Etcd => self.etcd.hosts.as_slice(),
            Service::Postgres => self.postgres.hosts.as_slice(),
            Service::Balancer => self.balancers.hosts.as_slice(),
            Service::Client | Service::Controller | Service::Broker => none,
        };
        let reserved = match service {
            // the client measures: it shares its host with nothing, so a host must say it is for the client
            Service::Client => host.only.contains(&Service::Client),
            _ => host.only.is_empty() || host.only.contains(&service),
        };
        reserved && (pins.is_empty() || pins.contains(&host.name))
    }
}
