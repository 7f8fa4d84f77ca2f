//! A scenario as declared: which lab, which load, which faults when, and what must hold.
//!
//! The grammar is whole; what this version cannot do yet is refused by name in room `spec`
//! (`unbuilt.rs`), so that a file written for a later version is no syntax error.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::alarm::AlarmKind;
use super::id::Name;
use super::scaling::Resource;
use super::target::Target;
use super::units::{Bytes, Span};

/// One experiment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// Version of this format; 1.
    pub schema: u32,
    /// Its name, also of its run directories.
    pub name: Name,
    /// What happens, in one sentence.
    pub about: String,
    /// Fixes the schedule and every random choice; not the outcome.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The run is cut short and unknown after this.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// Length of the load.
    pub duration: Span,
    /// Longest wait for the lab to be whole again after healing.
    #[serde(default = "default_settle")]
    pub settle: Span,
    /// For picking scenarios.
    #[serde(default)]
    pub tags: Vec<Name>,
    /// The lab it needs.
    #[serde(default)]
    pub lab: LabChoice,
    /// What writes and reads.
    #[serde(rename = "load", default)]
    pub loads: Vec<Load>,
    /// What is done to the lab.
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
    /// What must hold, on top of the house rules.
    #[serde(rename = "expect", default)]
    pub expects: Vec<Expect>,
    /// For sabotage: the verdict this scenario must end in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Parts of the run that are left out on purpose, to see that the judge notices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Skip>,
}

/// A part of a run that a sabotage scenario leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Nobody reads the nodes in the end.
    FinalReads,
    /// Nobody samples the lab.
    Sightings,
    /// Faults are written down and not done.
    Faults,
}

const fn default_seed() -> u64 {
    1
}
const fn default_timeout() -> Span {
    Span::secs(600)
}
const fn default_settle() -> Span {
    Span::secs(90)
}

/// The lab a scenario needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LabChoice {
    /// Preset; the lab file's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Name>,
    /// Settings on top of it, shaped like `lab.toml`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub set: Value,
}

/// One stream of operations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Load {
    /// Its name.
    pub name: Name,
    /// Where it goes through the balancers. Either this or `direct`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// A member it talks to directly, past the balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<Name>,
    /// What one operation does.
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
    /// Clients; closed model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<u32>,
    /// Connections; open model.
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
    pub session: Session,
    /// Longest wait for one answer; then the client gives the connection up, and the operation's end is not known.
    /// Without it client `wire` waits 10 s, `libpq` and `pool` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Isolation level of multi-statement workloads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// Whether every operation is recorded (judged) or only counted (benchmarks).
    #[serde(default)]
    pub record: Record,
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
pub enum Session {
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
    /// The balancers.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
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
    /// One that is.
    Standby,
    /// One that is, or any when none of the hosts is.
    PreferStandby,
}

impl SessionAttrs {
    /// As connection strings write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::ReadWrite => "read-write",
            Self::ReadOnly => "read-only",
            Self::Primary => "primary",
            Self::Standby => "standby",
            Self::PreferStandby => "prefer-standby",
        }
    }
}

/// A port of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Endpoint {
    /// 5432: the primary.
    Rw,
    /// 5433: the least busy instance.
    Ro,
}

impl Endpoint {
    /// Port on every balancer.
    #[must_use]
    pub const fn port(self) -> u16 {
        match self {
            Self::Rw => 5432,
            Self::Ro => 5433,
        }
    }

    /// `rw` or `ro`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rw => "rw",
            Self::Ro => "ro",
        }
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
    /// Insert one unique row.
    Set,
    /// List-append transactions.
    Append,
    /// Transfers between accounts with a constant total.
    Bank,
    /// Read, write and compare-and-set of single keys.
    Register,
    /// pgbench's TPC-B-like transaction.
    Tpcb,
    /// pgbench's select-only query.
    Select,
    /// Reads of a heartbeat, measuring staleness.
    Freshness,
    /// A file of SQL.
    Sql,
    /// PostgreSQL's own pgbench, one process a client, its own log read as history.
    Pgbench,
}

/// Open or closed loop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LoadModel {
    /// A fixed schedule; latency counts from the intended start.
    #[default]
    Open,
    /// Clients that wait for each answer.
    Closed,
}

/// Isolation level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// PostgreSQL's default.
    ReadCommitted,
    /// Snapshot isolation.
    RepeatableRead,
    /// Serializable snapshot isolation.
    Serializable,
}

/// What is kept of each operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Record {
    /// Every operation, judged.
    #[default]
    Operations,
    /// Numbers only.
    Histogram,
}

/// One thing done to the lab. Exactly one of `at`, `after`, `when`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Its name; needed when something refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Name>,
    /// From the start of the load; with `after`, from the end of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// The step this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
    /// A condition this step waits for: `primary-changed`, `no-primary`, `streaming(N)`, `fault(ID)`, `healed(ID)`,
    /// `alarm(KIND)`, `alarm(KIND, MEMBER)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Longest wait for `when`, from the start of the load; the rest of the load when absent. A condition not met
    /// leaves its step undone and the run unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Healed after this, or at the end of the run. Of `repeat`: every turn, or when the next begins. Of `swizzle`: half
    /// of it isolates, half heals.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Steps of one group are injected as one: at the same instant, when all of them are prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Name>,
    /// What is done.
    #[serde(rename = "do")]
    pub verb: Verb,
}

/// What can be done to a lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Verb {
    /// A signal to a body's first process. `by = "engine"` never triggers a restart policy, `by = "process"` does.
    #[serde(rename_all = "kebab-case")]
    Kill {
        /// Whom.
        target: Target,
        /// Signal name, without SIG.
        #[serde(default = "default_signal")]
        signal: String,
        /// Who sends it.
        #[serde(default)]
        by: KillBy,
    },
    /// A polite stop: the stop signal, then SIGKILL after `timeout`.
    Stop {
        /// Whom.
        target: Target,
        /// Grace.
        #[serde(default = "default_grace")]
        timeout: Span,
    },
    /// The cgroup freezer.
    Pause {
        /// Whom.
        target: Target,
    },
    /// SIGSTOP of one process.
    Freeze {
        /// Whose.
        target: Target,
        /// Which.
        process: Process,
    },
    /// SIGKILL of one process.
    Crash {
        /// Whose.
        target: Target,
        /// Which.
        process: Process,
    },
    /// Stop and start in place.
    Restart {
        /// Whom.
        target: Target,
    },
    /// The body's data is gone.
    Wipe {
        /// Whose.
        target: Target,
    },
    /// The host and everything on it lose power.
    PowerOff {
        /// Which host.
        target: Target,
        /// Whether unsynced pages survive.
        #[serde(default)]
        cache: Cache,
    },
    /// The host loses its network.
    Isolate {
        /// Which host.
        target: Target,
    },
    /// Packets between two sides are dropped.
    Partition {
        /// One side; for a shape, everything.
        #[serde(default)]
        from: Vec<Target>,
        /// The other side.
        #[serde(default)]
        to: Vec<Target>,
        /// Which way.
        #[serde(default)]
        direction: Direction,
        /// Only these ports of the `to` side; all when empty.
        #[serde(default)]
        ports: Vec<u16>,
        /// A shape instead of two sides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<Shape>,
    },
    /// Some packets are lost.
    Loss {
        /// Whose.
        target: Target,
        /// How many of a hundred.
        percent: f64,
    },
    /// Packets are late.
    Delay {
        /// Whose.
        target: Target,
        /// How late.
        delay: Span,
        /// Give or take.
        #[serde(default)]
        jitter: Span,
    },
    /// The host's network is narrow.
    Bandwidth {
        /// Whose.
        target: Target,
        /// Bytes per second.
        rate: Bytes,
    },
    /// The host's network comes and goes.
    Flap {
        /// Whose.
        target: Target,
        /// Reachable for.
        on: Span,
        /// Silent for.
        off: Span,
    },
    /// The body's disk fills up.
    DiskFill {
        /// Whose.
        target: Target,
        /// What is left.
        #[serde(default)]
        leave: Bytes,
        /// Only what is free at first is filled, and nothing of what the disk gains when it grows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        once: bool,
    },
    /// The body's disk hangs.
    DiskFreeze {
        /// Whose.
        target: Target,
    },
    /// The body's disk is slow.
    #[serde(rename_all = "kebab-case")]
    DiskSlow {
        /// Whose.
        target: Target,
        /// Bytes per second.
        bytes_per_second: Bytes,
        /// Operations per second.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        iops: Option<u32>,
    },
    /// Bytes on the body's disk are flipped.
    DiskCorrupt {
        /// Whose.
        target: Target,
        /// In which kind of file.
        what: Corrupt,
        /// How many.
        bytes: u32,
    },
    /// Fewer cores.
    Cpu {
        /// Whose.
        target: Target,
        /// So many.
        cores: f64,
    },
    /// Less memory.
    Memory {
        /// Whose.
        target: Target,
        /// So much.
        limit: Bytes,
    },
    /// Somebody eats the memory.
    MemoryHog {
        /// Whose.
        target: Target,
        /// So much.
        size: Bytes,
    },
    /// A storm of connections.
    Connections {
        /// To whom.
        target: Target,
        /// So many.
        count: u32,
    },
    /// A wrong clock.
    Clock {
        /// Whose.
        target: Target,
        /// By how much, with a sign: `"-30s"`.
        offset: String,
    },
    /// The engine does not answer the controllers.
    Engine {
        /// How.
        mode: EngineMode,
    },
    /// Planned handover.
    Switchover {
        /// To whom; Patroni's choice when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Target>,
    },
    /// Forced handover.
    Failover {
        /// To whom.
        to: Target,
    },
    /// Another number of bodies: controllers are asked, who add and see out one at a time.
    Scale {
        /// Of which service: `postgres` or `balancer`.
        service: Name,
        /// How many.
        count: u32,
    },
    /// Another size.
    Resize {
        /// Whose.
        target: Target,
        /// Cores.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cpu: Option<f64>,
        /// Memory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<Bytes>,
        /// Disk.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disk: Option<Bytes>,
    },
    /// Controllers and Patroni only watch.
    Maintenance {
        /// On or off.
        on: bool,
    },
    /// A new member on another host takes the place of one: controllers are asked, who do it when it is safe.
    Replace {
        /// Which.
        target: Target,
    },
    /// Every instance is restarted in turn.
    RollingRestart {
        /// Which.
        target: Target,
    },
    /// Another verb, several times; each turn is a fault of its own, `ID-1`, `ID-2`, …
    Repeat {
        /// Pause between two starts.
        every: Span,
        /// How often.
        times: u32,
        /// What.
        #[serde(rename = "do")]
        verb: Box<Verb>,
    },
    /// Isolate the hosts of the targets one by one in an order of the seed, then heal them in another; each is a
    /// fault of its own, `ID-h1`, `ID-h2`, …
    Swizzle {
        /// Which.
        targets: Vec<Target>,
    },
}

fn default_signal() -> String {
    "KILL".to_owned()
}
const fn default_grace() -> Span {
    Span::secs(10)
}

/// Who sends the signal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KillBy {
    /// The engine: restart policies stay quiet.
    #[default]
    Engine,
    /// A process on the machine: restart policies act.
    Process,
}

/// One process of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Process {
    /// Patroni.
    Patroni,
    /// PostgreSQL's first process.
    Postmaster,
    /// The receiver of WAL on a replica.
    Walreceiver,
    /// One client backend.
    Backend,
    /// etcd.
    Etcd,
    /// HAProxy.
    Haproxy,
}

/// What becomes of unsynced pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// They survive.
    #[default]
    Kept,
    /// They are gone.
    Lost,
}

/// Which way packets are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// From `from` to `to` only.
    Forward,
    /// From `to` to `from` only.
    Backward,
}

/// A shape of partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// Two halves.
    Halves,
    /// Everyone sees a majority, no two the same one.
    Ring,
    /// Two halves and one that sees both.
    Bridge,
}

/// What is corrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Corrupt {
    /// A table's file.
    Heap,
    /// A WAL segment.
    Wal,
}

/// How the engine misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineMode {
    /// No answer.
    Stall,
    /// Errors.
    Error,
    /// Late answers.
    Slow,
}

impl Verb {
    /// Its name in files.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Kill { .. } => "kill",
            Self::Stop { .. } => "stop",
            Self::Pause { .. } => "pause",
            Self::Freeze { .. } => "freeze",
            Self::Crash { .. } => "crash",
            Self::Restart { .. } => "restart",
            Self::Wipe { .. } => "wipe",
            Self::PowerOff { .. } => "power-off",
            Self::Isolate { .. } => "isolate",
            Self::Partition { .. } => "partition",
            Self::Loss { .. } => "loss",
            Self::Delay { .. } => "delay",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Flap { .. } => "flap",
            Self::DiskFill { .. } => "disk-fill",
            Self::DiskFreeze { .. } => "disk-freeze",
            Self::DiskSlow { .. } => "disk-slow",
            Self::DiskCorrupt { .. } => "disk-corrupt",
            Self::Cpu { .. } => "cpu",
            Self::Memory { .. } => "memory",
            Self::MemoryHog { .. } => "memory-hog",
            Self::Connections { .. } => "connections",
            Self::Clock { .. } => "clock",
            Self::Engine { .. } => "engine",
            Self::Switchover { .. } => "switchover",
            Self::Failover { .. } => "failover",
            Self::Scale { .. } => "scale",
            Self::Resize { .. } => "resize",
            Self::Maintenance { .. } => "maintenance",
            Self::Replace { .. } => "replace",
            Self::RollingRestart { .. } => "rolling-restart",
            Self::Repeat { .. } => "repeat",
            Self::Swizzle { .. } => "swizzle",
        }
    }

    /// Whether it leaves nothing to undo: what was done stays done.
    #[must_use]
    pub fn lasting(&self) -> bool {
        match self {
            Self::Wipe { .. }
            | Self::DiskCorrupt { .. }
            | Self::Restart { .. }
            | Self::Switchover { .. }
            | Self::Failover { .. }
            | Self::Scale { .. }
            | Self::Resize { .. }
            | Self::Replace { .. }
            | Self::RollingRestart { .. } => true,
            Self::Repeat { verb, .. } => verb.lasting(),
            _ => false,
        }
    }

    /// What it acts on.
    #[must_use]
    pub const fn acts_on(&self) -> ActsOn {
        match self {
            Self::PowerOff { .. }
            | Self::Isolate { .. }
            | Self::Loss { .. }
            | Self::Delay { .. }
            | Self::Bandwidth { .. }
            | Self::Flap { .. }
            | Self::Partition { .. }
            | Self::Swizzle { .. } => ActsOn::Hosts,
            Self::Engine { .. } | Self::Scale { .. } | Self::Maintenance { .. } | Self::Switchover { .. } => {
                ActsOn::Cluster
            }
            Self::Repeat { verb, .. } => verb.acts_on(),
            _ => ActsOn::Bodies,
        }
    }

    /// Whom it hits, when that is one target.
    #[must_use]
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Kill { target, .. }
            | Self::Stop { target, .. }
            | Self::Pause { target }
            | Self::Freeze { target, .. }
            | Self::Crash { target, .. }
            | Self::Restart { target }
            | Self::Wipe { target }
            | Self::PowerOff { target, .. }
            | Self::Isolate { target }
            | Self::Loss { target, .. }
            | Self::Delay { target, .. }
            | Self::Bandwidth { target, .. }
            | Self::Flap { target, .. }
            | Self::DiskFill { target, .. }
            | Self::DiskFreeze { target }
            | Self::DiskSlow { target, .. }
            | Self::DiskCorrupt { target, .. }
            | Self::Cpu { target, .. }
            | Self::Memory { target, .. }
            | Self::MemoryHog { target, .. }
            | Self::Connections { target, .. }
            | Self::Clock { target, .. }
            | Self::Failover { to: target }
            | Self::Resize { target, .. }
            | Self::Replace { target }
            | Self::RollingRestart { target } => Some(target),
            _ => None,
        }
    }
}

/// What a verb acts on. A target that names bodies stands for their hosts where hosts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActsOn {
    /// Containers of services.
    Bodies,
    /// Simulated hosts.
    Hosts,
    /// The cluster as a whole.
    Cluster,
}

/// The part of a run an expectation looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// All of it.
    #[default]
    Always,
    /// Before the first fault.
    Before,
    /// While any fault is on.
    DuringFault,
    /// After the last heal.
    After,
    /// Five seconds before and after each injection and each heal.
    Edge,
}

const fn default_stuck_after() -> Span {
    Span::secs(3)
}

/// Whose way back a bound is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Whose {
    /// The last hurt client.
    #[default]
    Last,
    /// The first one.
    First,
}

impl Whose {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
    const fn is_last(&self) -> bool {
        matches!(self, Self::Last)
    }
}

/// What must have become of an alarm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AlarmIs {
    /// A controller raised it.
    #[default]
    Raised,
    /// A controller raised it, and it was over by then.
    Cleared,
    /// It was not on at any instant.
    Never,
}

/// Something that must hold. The key is also the checker's name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Expect {
    /// How long clients of an endpoint were out.
    Outage {
        /// Which port.
        endpoint: Endpoint,
        /// Only the outage of this fault; every one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Name>,
        /// Whose time is bounded: that of the last client back, or of the first.
        #[serde(default, skip_serializing_if = "Whose::is_last")]
        of: Whose,
        /// Bound.
        max: Span,
    },
    /// Sessions left behind on a member that is dead, demoted, cut off or gone while another takes writes.
    Stuck {
        /// At most so many at one instant; without it they are only counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
        /// So long after another member took writes a session is left behind.
        #[serde(default = "default_stuck_after")]
        after: Span,
    },
    /// Acknowledged writes that are gone.
    LostAcks {
        /// Which loss is allowed.
        within: LossBound,
    },
    /// The lab is whole again.
    Converged {
        /// So long after the last heal.
        within: Span,
    },
    /// Reads on 5433 that were too old.
    StaleReads {
        /// Bound on the 99th percentile.
        max: Span,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Replay lag at the sightings.
    Lag {
        /// Bound.
        max: Bytes,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// List-append histories by node.
    Isolation {
        /// The level that must hold.
        level: Isolation,
    },
    /// The total of the bank.
    BankTotal {},
    /// Linearizable registers.
    Register {},
    /// Latency of one load.
    Latency {
        /// Which load.
        load: Name,
        /// Bound on the median.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p50: Option<Span>,
        /// Bound on the 99th percentile.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p99: Option<Span>,
        /// Bound on the longest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Span>,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Throughput of one load.
    Throughput {
        /// Which load.
        load: Name,
        /// Operations per second at least.
        min: f64,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Operations that failed.
    #[serde(rename_all = "kebab-case")]
    Errors {
        /// At most this share of all operations.
        max_ratio: f64,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Changes of primary.
    Failovers {
        /// At least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        /// At most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// Bodies replaced.
    Replaced {
        /// Which.
        target: Target,
        /// At least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        /// At most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// Time until every copy is back.
    Redundancy {
        /// After which fault.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Name>,
        /// Bound.
        within: Span,
    },
    /// Restarts of bodies.
    Restarts {
        /// At most.
        max: u32,
    },
    /// A size that must be reached.
    #[serde(rename_all = "kebab-case")]
    Scaled {
        /// `cpu`, `memory` or `disk`.
        resource: Resource,
        /// Whose.
        target: Target,
        /// At least this much: cores, or bytes with their unit.
        to_at_least: String,
        /// So soon after the load began.
        within: Span,
    },
    /// Anti-affinity and capacity at every sighting.
    Placement {},
    /// A decision a controller must have taken.
    Controller {
        /// Which.
        name: Name,
        /// What.
        decision: Name,
    },
    /// An alarm of a controller: raised, cleared, or never raised.
    Alarm {
        /// Which kind.
        kind: AlarmKind,
        /// About whom; about anything when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<Name>,
        /// What must have become of it.
        #[serde(default)]
        is: AlarmIs,
        /// The step it is counted from: its injection, for `cleared` its heal; the start of the load when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Name>,
        /// So soon after that; by the end of the run when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        within: Option<Span>,
    },
    /// A text that must not be in the logs, or one that may be in them though it is otherwise never allowed. One of
    /// both.
    Log {
        /// What must not be there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        absent: Option<String>,
        /// A line with this text is excused, whoever wrote it. The verdict counts it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerated: Option<String>,
    },
}

impl Expect {
    /// The checker's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Outage { .. } => "outage",
            Self::Stuck { .. } => "stuck",
            Self::LostAcks { .. } => "lost-acks",
            Self::Converged { .. } => "converged",
            Self::StaleReads { .. } => "stale-reads",
            Self::Lag { .. } => "lag",
            Self::Isolation { .. } => "isolation",
            Self::BankTotal {} => "bank-total",
            Self::Register {} => "register",
            Self::Latency { .. } => "latency",
            Self::Throughput { .. } => "throughput",
            Self::Errors { .. } => "errors",
            Self::Failovers { .. } => "failovers",
            Self::Replaced { .. } => "replaced",
            Self::Redundancy { .. } => "redundancy",
            Self::Restarts { .. } => "restarts",
            Self::Scaled { .. } => "scaled",
            Self::Placement {} => "placement",
            Self::Controller { .. } => "controller",
            Self::Alarm { .. } => "alarm",
            Self::Log { .. } => "log",
        }
    }
}

/// Which loss of acknowledged writes is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LossBound {
    /// None at all.
    Zero,
    /// What Patroni documents for its mode: `maximum_lag_on_failover` and what was written in the last `ttl`.
    DocumentedBound,
}

/// The verdict a scenario must end in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ends {
    /// Verdict.
    pub verdict: VerdictWord,
    /// The check that must have said so; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Name>,
}

/// pass < unknown < fail: the worst of all checks is the run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictWord {
    /// Everything that was asked holds, and the evidence is there.
    Pass,
    /// The run proves nothing.
    Unknown,
    /// Something does not hold.
    Fail,
}

impl fmt::Display for VerdictWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        })
    }
}
