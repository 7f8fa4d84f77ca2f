//! What was seen of a lab at one instant, subject by subject. Written as one JSON line each to
//! `sightings.jsonl`; the engine's part comes from the runner, the rest from the client host.
//!
//! Invariant: not seen is a value. A [`Sight::Blind`] never reads as "absent" or "down".

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::controller_status::ControllerStatus;
use super::id::{HostName, MemberId};
use super::observed::ContainerStatus;
use super::run::Stamp;
use super::scaling::Usages;
use super::units::{Lsn, Mono};

/// Seen, or not seen and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sight<T> {
    /// What the subject answered.
    Seen(T),
    /// It did not; the reason as a person would read it.
    Blind(String),
}

impl<T> Sight<T> {
    /// What was seen, if anything was.
    pub const fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(value) => Some(value),
            Self::Blind(_) => None,
        }
    }
}

impl<T> Default for Sight<T> {
    fn default() -> Self {
        Self::Blind("not looked at".to_owned())
    }
}

/// One look at the lab. Fields that one observer cannot see stay empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Sighting {
    /// When the look began, on the machine's monotonic clock.
    pub at: Mono,
    /// The run it was taken for. Absent outside of runs, and in those of older editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Stamp>,
    /// The engine's view of each body, by member (hosts by host name).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bodies: BTreeMap<MemberId, BodySeen>,
    /// PostgreSQL and Patroni, by member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub postgres: BTreeMap<MemberId, PostgresSeen>,
    /// What each member of etcd answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub etcd: BTreeMap<MemberId, Sight<EtcdSeen>>,
    /// What each balancer answered.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub balancers: BTreeMap<MemberId, BalancerSeen>,
    /// Controllers, by member, in their own words.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub controllers: BTreeMap<MemberId, Sight<ControllerStatus>>,
    /// What bodies whose sizes move use and are held to, by member; only where a scenario asks about sizes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub usage: Usages,
    /// What the engine did to the lab since the look before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EngineEvent>,
}

/// One body as the engine shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BodySeen {
    /// The engine's id of the container.
    pub id: String,
    /// What the engine says that the body is doing.
    pub status: ContainerStatus,
    /// The host it stands on.
    pub host: HostName,
    /// Its service (`host` for a sandbox).
    pub service: String,
    /// Start of its last run, RFC 3339 in UTC; empty when never started or not asked.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub started: String,
    /// Whether the kernel killed it for memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub oom_killed: bool,
}

/// One event of the engine about the lab, as the runner heard it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EngineEvent {
    /// When the runner heard of it.
    pub at: Mono,
    /// When the engine says it happened, on this clock; a busy runner hears of it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened: Option<Mono>,
    /// `create`, `start`, `die`, `kill`, `pause`, `unpause`, `destroy`, `oom`, `update`, … as the engine names it.
    pub action: String,
    /// The engine's id of the container.
    pub id: String,
    /// The member or host, from its label; empty for helpers.
    pub member: String,
    /// Its service, from its label (`helper` for one-shot helpers).
    pub service: String,
}

impl EngineEvent {
    /// When it happened; where the engine did not say, when it was heard of.
    #[must_use]
    pub fn when(&self) -> Mono {
        self.happened.unwrap_or(self.at)
    }
}

/// One PostgreSQL member from two sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PostgresSeen {
    /// What Patroni's REST says (`GET /patroni`).
    pub patroni: Sight<PatroniSeen>,
    /// What PostgreSQL itself says over a direct connection.
    pub sql: Sight<SqlSeen>,
}

/// What Patroni says of its member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that Patroni says of it")]
pub struct PatroniSeen {
    /// `primary`, `replica`, `standby_leader`, … as Patroni writes it (`master` is read as `primary`).
    pub role: String,
    /// `running`, `streaming`, `starting`, `stopped`, …
    pub state: String,
    /// On which timeline it is, by Patroni's word.
    pub timeline: Option<u32>,
    /// `streaming` when the replica streams (Patroni: `replication_state`).
    pub replication_state: Option<String>,
    /// System identifier of the data directory.
    pub system_identifier: Option<String>,
    /// Received position of a replica, or current position of a primary.
    pub lsn: Option<Lsn>,
    /// Position a replica has replayed.
    pub replayed: Option<Lsn>,
    /// Whether Patroni itself is paused (maintenance).
    pub pause: bool,
    /// Whether it may never lead (tag `nofailover`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nofailover: bool,
    /// Whether a restart is pending.
    pub pending_restart: bool,
    /// Settings that wait for it, where its Patroni names them (4.0 and later).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart_for: Vec<String>,
    /// The member that holds the leader key, as this Patroni knows it.
    pub leader: Option<String>,
    /// Whether this one is a synchronous standby.
    pub sync_standby: bool,
    /// Version of Patroni.
    pub version: Option<String>,
}

/// What PostgreSQL says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SqlSeen {
    /// Whether it replays the WAL of another instance (`pg_is_in_recovery()`).
    pub in_recovery: bool,
    /// Whether a direct write was acknowledged (`None`: not tried, a replica or no probe asked for).
    pub writable: Option<bool>,
    /// Timeline being written or replayed.
    pub timeline: Option<u32>,
    /// What tells its data directory from others; 64 bits, as text.
    pub system_identifier: Option<String>,
    /// Written (primary) or received (replica) position.
    pub lsn: Option<Lsn>,
    /// Position up to which it has replayed; absent on a primary.
    pub replayed: Option<Lsn>,
    /// Members streaming from this one; primary only, by application name.
    pub streaming: Vec<String>,
    /// Of those, the synchronous ones.
    pub sync: Vec<String>,
    /// Backends of clients (`pg_stat_activity`, `client backend`), by application name; empty also when not counted.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub backends: BTreeMap<String, u32>,
}

/// One etcd member (`/v3/maintenance/status`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct EtcdSeen {
    /// Id of the member, hexadecimal.
    pub id: String,
    /// The id of the leader it knows; `None` without one.
    pub leader: Option<String>,
    /// Term of raft that it is in.
    pub term: u64,
    /// Revision of the store that it has applied.
    pub revision: u64,
    /// Whether a linearizable read succeeded.
    pub linearizable: bool,
    /// How many voting members it knows.
    pub members: u32,
    /// Version of etcd.
    pub version: String,
}

/// A balancer, by its own statistics.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BalancerSeen {
    /// Its view of the servers, by host, on 5432.
    pub rw: Sight<BTreeMap<HostName, ServerSeen>>,
    /// Servers behind 5433, by host.
    pub ro: Sight<BTreeMap<HostName, ServerSeen>>,
    /// Whether a connection through 5432 reached a writable instance.
    pub rw_serves: Sight<bool>,
    /// Whether a connection through 5433 answered.
    pub ro_serves: Sight<bool>,
    /// Sessions of 5432 that no server has: held while no server is up, or frozen (HAProxy 3.0.10 and 3.0.11).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unserved_rw: u32,
    /// Sessions of 5433 that wait for a server.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unserved_ro: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One server as a balancer sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ServerSeen {
    /// HAProxy's word: `UP`, `DOWN`, `MAINT`, `UP 1/2`, …
    pub status: String,
    /// Clients that are connected to it.
    pub sessions: u32,
    /// Its share of new readers, beside the others'.
    pub weight: u32,
}

impl PatroniSeen {
    /// Whether it stops its PostgreSQL, or has: what it restarts in place is *restarting* meanwhile.
    #[must_use]
    pub fn stops(&self) -> bool {
        matches!(self.state.as_str(), "stopping" | "stopped")
    }
}

impl ServerSeen {
    /// Whether the balancer would route to it.
    #[must_use]
    pub fn up(&self) -> bool {
        self.status.starts_with("UP") || self.status == "no check"
    }
}
