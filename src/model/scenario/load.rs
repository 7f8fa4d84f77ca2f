//! One stream of operations: what it writes and reads, how fast, and how its clients connect.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::id::{MemberId, Name};
use crate::model::units::Span;

/// One stream of operations of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Load {
    /// What reports and other loads call it.
    pub name: Name,
    /// Where it goes through the balancers. Either this or `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A member it talks to directly, past the balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<MemberId>,
    /// What one of its operations does.
    pub workload: Workload,
    /// `open`: a schedule that does not wait for answers; `closed`: so many clients that do.
    #[serde(default)]
    pub model: LoadModel,
    /// Operations per second; open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Rate over time, `[["0s", 100], ["30s", 400]]`, straight lines between the points; open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Vec<(Span, f64)>>,
    /// Clients of the closed model, each with one operation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u32>,
    /// Connections of the open model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// How its clients connect, and what they wait for.
    #[serde(default, skip_serializing_if = "Client::is_wire")]
    pub client: Client,
    /// What its connection string names: the balancers, or every host that may carry PostgreSQL.
    #[serde(default, skip_serializing_if = "Via::is_balancers")]
    pub via: Via,
    /// Which server a connection wants, as libpq's key of this name; clients `libpq` and `pool`. Without it any
    /// server will do, except `via = "instances"`: there a load on `rw` wants `read-write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_session_attrs: Option<SessionAttrs>,
    /// Longest wait for one connection, for each host of the connection string. Client `wire` has 2 s; `libpq` and
    /// `pool` wait for ever without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// Pause between two attempts to connect.
    #[serde(default = "default_reconnect")]
    pub reconnect: Span,
    /// Pause of a client after an acknowledged operation; closed model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think: Option<Span>,
    /// Age at which a pool replaces a connection, 30 minutes without it; each ends up to a fortieth earlier, so
    /// that not all go at once. Client `pool`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// Whether a connection is kept for many operations, as pools do, or opened anew for each.
    #[serde(default)]
    pub session: SessionUse,
    /// Longest wait for one answer; then the client gives the connection up, and the operation's end is not known.
    /// Without it client `wire` waits 10 s, `libpq` and `pool` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Isolation level of multi-statement workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether every operation is recorded (judged) or only counted (benchmarks).
    #[serde(default)]
    pub record: Recording,
    /// Branches of pgbench's tables, each with 100000 accounts; 1 without it (workloads `tpcb`, `select`, `pgbench`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u32>,
    /// SQL file beside the scenario; workload `sql`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The load whose tables this one reads: for reads on `ro` or `direct` of what another load writes
    /// (workloads `append`, `bank`, `register`, `freshness`). It then only reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Name>,
}

/// Accounts that a bank is founded with (workload `bank`).
pub const BANK_ACCOUNTS: u32 = 10;

/// What each account holds then.
pub const BANK_BALANCE: i64 = 100;

/// How long a load keeps a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SessionUse {
    /// For many operations, until it breaks.
    #[default]
    Kept,
    /// For one operation, which pays for it.
    Fresh,
}

const fn default_reconnect() -> Span {
    Span::millis(5)
}

/// Longest wait of client `wire` for one answer.
const WIRE_TIMEOUT: Span = Span::secs(10);

impl Load {
    /// Longest wait for one answer; `None` waits for ever.
    #[must_use]
    pub fn answer_limit(&self) -> Option<Duration> {
        let own = (self.client == Client::Wire).then_some(WIRE_TIMEOUT);
        self.timeout.or(own).map(|limit| limit.0)
    }

    /// Which server a connection wants.
    #[must_use]
    pub fn session_attrs(&self) -> SessionAttrs {
        let by_place = match (self.via, self.endpoint) {
            (Via::Instances, None | Some(Endpoint::Rw)) => SessionAttrs::ReadWrite,
            _ => SessionAttrs::Any,
        };
        self.target_session_attrs.unwrap_or(by_place)
    }
}

/// How the clients of a load connect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Client {
    /// The generator's own: each at a balancer in turn, with limits on every wait. Nothing is sent on a
    /// connection that is known to have ended.
    #[default]
    Wire,
    /// As libpq connects: asks for SSL first, tries the hosts in order and from the first one again every time, honours
    /// `target-session-attrs`, and has no limit on any wait unless told.
    Libpq,
    /// A pool of such connections: kept, tried on borrowing, replaced at an age.
    Pool,
}

impl Client {
    /// Whether it is the default.
    #[must_use]
    pub const fn is_wire(&self) -> bool {
        matches!(self, Self::Wire)
    }
}

/// What a connection string names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// The balancers, and nothing else.
    #[default]
    Balancers,
    /// Every host that may carry PostgreSQL, in the order of the lab file; client `libpq` or `pool`.
    Instances,
}

impl Via {
    /// Whether it is the default.
    #[must_use]
    pub const fn is_balancers(&self) -> bool {
        matches!(self, Self::Balancers)
    }
}

/// libpq's `target_session_attrs` (<https://www.postgresql.org/docs/17/libpq-connect.html>).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SessionAttrs {
    /// Any server.
    #[default]
    Any,
    /// One that takes writes by default.
    ReadWrite,
    /// One that does not.
    ReadOnly,
    /// One that is not in recovery.
    Primary,
    /// One that is in recovery.
    Standby,
    /// One that is, or any when none of the hosts is.
    PreferStandby,
}

impl SessionAttrs {
    /// As connection strings write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A port of the service.
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
pub enum Endpoint {
    /// The primary, port 5432.
    Rw,
    /// 5433: the least busy instance.
    Ro,
}

impl Endpoint {
    /// The port on every balancer.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Rw => 5432,
            Self::Ro => 5433,
        }
    }

    /// The word of files and journals: `rw` or `ro`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What one operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Insert one row that no other operation inserts.
    Set,
    /// Transactions that append to lists and read them.
    Append,
    /// Transfers between accounts with a constant total.
    Bank,
    /// Read, write and compare-and-set of single keys.
    Register,
    /// The TPC-B-like transaction of pgbench.
    Tpcb,
    /// The select-only query of pgbench.
    Select,
    /// Reads of a heartbeat, measuring staleness.
    Freshness,
    /// The statements of a file.
    Sql,
    /// PostgreSQL's own pgbench, one process a client, its own log read as history.
    Pgbench,
}

/// What decides when the next operation begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoadModel {
    /// A fixed schedule; latency counts from the intended start.
    #[default]
    Open,
    /// Clients that wait for each answer.
    Closed,
}

/// Isolation level of the transactions of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// The level that PostgreSQL has by default.
    ReadCommitted,
    /// Snapshot isolation.
    RepeatableRead,
    /// Serializable snapshot isolation.
    Serializable,
}

/// What is kept of each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Recording {
    /// Every operation, so that checkers can judge it.
    #[default]
    Operations,
    /// Numbers of each second only.
    Histogram,
}
