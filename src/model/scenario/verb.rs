//! What can be done to a lab. A file writes one verb a step; each belongs to a family ([`super::family`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::id::Name;
use crate::model::target::Target;
use crate::model::units::{Bytes, Span};

/// What can be done to a lab.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum Verb {
    /// A signal to a body's first process. `by = "engine"` never triggers a restart policy, `by = "process"` does.
    #[serde(rename_all = "kebab-case")]
    Kill {
        /// The bodies whose first process gets the signal.
        target: Target,
        /// Name of the signal, without SIG.
        #[serde(default = "default_signal")]
        signal: String,
        /// What sends the signal.
        #[serde(default)]
        by: KillBy,
    },
    /// A polite stop: the stop signal, then SIGKILL after `timeout`.
    Stop {
        /// The bodies that are stopped.
        target: Target,
        /// Time between the stop signal and SIGKILL.
        #[serde(default = "default_grace")]
        timeout: Span,
    },
    /// The engine freezes every process of a body (cgroup freezer).
    Pause {
        /// The bodies that are frozen.
        target: Target,
    },
    /// One process of a body is stopped (SIGSTOP).
    Freeze {
        /// The bodies whose process is stopped.
        target: Target,
        /// The process that is stopped.
        process: Process,
    },
    /// One process of a body is killed (SIGKILL).
    Crash {
        /// The bodies whose process is killed.
        target: Target,
        /// The process that is killed.
        process: Process,
    },
    /// The body is stopped and started where it is.
    Restart {
        /// The bodies that are restarted.
        target: Target,
    },
    /// The body's data is gone.
    Wipe {
        /// The bodies whose data is removed.
        target: Target,
    },
    /// The host and everything on it lose power.
    PowerOff {
        /// The hosts that lose power.
        target: Target,
        /// Whether pages that were not synced survive.
        #[serde(default)]
        cache: Cache,
    },
    /// The host loses its network.
    Isolate {
        /// The hosts that are cut off.
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
        /// The direction in which packets are dropped.
        #[serde(default)]
        direction: Direction,
        /// Only these ports of the `to` side; all when empty.
        #[serde(default)]
        ports: Vec<u16>,
        /// A shape instead of two sides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shape: Option<PartitionShape>,
    },
    /// A share of the packets of a host is lost.
    Loss {
        /// The hosts whose packets are lost.
        target: Target,
        /// Packets that are lost, of a hundred.
        percent: f64,
    },
    /// The packets of a host arrive late.
    Delay {
        /// The hosts whose packets are late.
        target: Target,
        /// How late a packet is on average.
        delay: Span,
        /// How much earlier or later than that a packet may be.
        #[serde(default)]
        jitter: Span,
    },
    /// The network of a host is narrow.
    Bandwidth {
        /// The hosts whose network is narrow.
        target: Target,
        /// Bytes that pass in a second, at most.
        rate: Bytes,
    },
    /// The host's network comes and goes.
    Flap {
        /// The hosts whose network comes and goes.
        target: Target,
        /// How long the host is reachable each time.
        on: Span,
        /// How long it is silent each time.
        off: Span,
    },
    /// The body's disk fills up.
    DiskFill {
        /// The bodies whose disk fills up.
        target: Target,
        /// Bytes that are left free.
        #[serde(default)]
        leave: Bytes,
        /// Only what is free at first is filled, and nothing of what the disk gains when it grows.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        once: bool,
    },
    /// The disk of a body answers nothing.
    DiskFreeze {
        /// The bodies whose disk hangs.
        target: Target,
    },
    /// The body's disk is slow.
    #[serde(rename_all = "kebab-case")]
    DiskSlow {
        /// The bodies whose disk is slow.
        target: Target,
        /// Bytes that the disk takes in a second, at most.
        bytes_per_second: Bytes,
        /// Operations that it takes in a second, at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        iops: Option<u32>,
    },
    /// Bytes on the body's disk are flipped.
    DiskCorrupt {
        /// The bodies on whose disk bytes are flipped.
        target: Target,
        /// The kind of file that is hit.
        what: Corrupt,
        /// How many bytes are flipped.
        bytes: u32,
    },
    /// A body may use fewer cores.
    Cpu {
        /// The bodies that get fewer cores.
        target: Target,
        /// Cores that are left.
        cores: f64,
    },
    /// A body may use less memory.
    Memory {
        /// The bodies that get less memory.
        target: Target,
        /// Bytes that are left.
        limit: Bytes,
    },
    /// A process beside the body eats its memory.
    MemoryHog {
        /// The bodies whose memory is eaten.
        target: Target,
        /// Bytes that the process takes.
        size: Bytes,
    },
    /// Many connections are opened and held.
    Connections {
        /// The instance or balancer that the connections go to.
        target: Target,
        /// How many connections are held.
        count: u32,
    },
    /// The clock of a member is wrong.
    Clock {
        /// The members whose clock is set wrong.
        target: Target,
        /// By how much the clock is wrong, with a sign: `"-30s"`.
        offset: String,
    },
    /// The engine does not answer the controllers.
    Engine {
        /// How the engine misbehaves.
        mode: EngineMode,
    },
    /// Patroni hands the primary over as planned.
    Switchover {
        /// The next primary; Patroni's choice when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Target>,
    },
    /// Patroni makes a member primary without asking the old one.
    Failover {
        /// The next primary.
        to: Target,
    },
    /// Another number of bodies: controllers are asked, who add and see out one at a time.
    Scale {
        /// The service whose number changes: `postgres` or `balancer`.
        service: Name,
        /// How many bodies it shall have.
        count: u32,
    },
    /// A member gets another size: controllers are asked.
    Resize {
        /// The members that get another size.
        target: Target,
        /// Cores it shall have; unchanged when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cpu: Option<f64>,
        /// Bytes of memory it shall have; unchanged when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<Bytes>,
        /// Bytes its data volume shall have; unchanged when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disk: Option<Bytes>,
    },
    /// Controllers and Patroni only watch.
    Maintenance {
        /// Whether maintenance begins or ends.
        on: bool,
    },
    /// A new member on another host takes the place of one: controllers are asked, who do it when it is safe.
    Replace {
        /// The members that are replaced.
        target: Target,
    },
    /// Every instance is restarted in turn.
    RollingRestart {
        /// The instances that are restarted.
        target: Target,
    },
    /// Another verb, several times; each turn is a fault of its own, `ID-1`, `ID-2`, …
    Repeat {
        /// Time between two starts.
        every: Span,
        /// How many turns there are.
        times: u32,
        /// The verb of each turn.
        #[serde(rename = "do")]
        verb: Box<Verb>,
    },
    /// Isolate the hosts of the targets one by one in an order that the random seed gives, then heal them in another; each is a
    /// fault of its own, `ID-h1`, `ID-h2`, …
    Swizzle {
        /// The members or hosts whose hosts are isolated.
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
    /// Patroni, the process that a body of PostgreSQL lives by.
    Patroni,
    /// PostgreSQL's first process, the parent of all others.
    Postmaster,
    /// The receiver of WAL on a replica.
    Walreceiver,
    /// The backend of one client.
    Backend,
    /// The process that a member of etcd lives by.
    Etcd,
    /// The process that a balancer lives by.
    Haproxy,
    /// The program of a controller that pgha runs.
    Controller,
}

/// What becomes of unsynced pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cache {
    /// Pages that were not synced survive.
    #[default]
    Kept,
    /// Pages that were not synced are gone.
    Lost,
}

/// Which way packets are dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Neither side reaches the other.
    #[default]
    Both,
    /// From `from` to `to` only.
    Forward,
    /// From `to` to `from` only.
    Backward,
}

/// How a partition cuts hosts from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionShape {
    /// Two halves that do not see each other.
    Halves,
    /// Everyone sees a majority, no two the same one.
    Ring,
    /// Two halves and one that sees both.
    Bridge,
}

/// The kind of file in which bytes are flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Corrupt {
    /// A file that holds rows of a table.
    Heap,
    /// A segment of the write-ahead log.
    Wal,
}

/// How the engine misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EngineMode {
    /// The engine answers nothing.
    Stall,
    /// It answers with an error.
    Error,
    /// The engine answers late.
    Slow,
}
