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
        shape: Option<PartitionShape>,
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
        /// How much it takes in a second, at most.
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
        /// Bytes of memory.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory: Option<Bytes>,
        /// Bytes of the data volume.
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
    /// Isolate the hosts of the targets one by one in an order that the random seed gives, then heal them in another; each is a
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
    /// Patroni, the process that a body of PostgreSQL lives by.
    Patroni,
    /// PostgreSQL's first process.
    Postmaster,
    /// The receiver of WAL on a replica.
    Walreceiver,
    /// One client backend.
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

/// How a partition cuts hosts from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionShape {
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
    /// It answers with an error.
    Error,
    /// Late answers.
    Slow,
}
