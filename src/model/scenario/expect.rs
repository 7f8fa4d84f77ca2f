//! What must hold of a run, on top of the house rules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::{Endpoint, Isolation};
use crate::model::alarm::AlarmKind;
use crate::model::id::{MemberId, Name};
use crate::model::scaling::Resource;
use crate::model::target::Target;
use crate::model::units::{Bytes, Span};

/// The part of a run an expectation looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// The whole load.
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
    /// Whoever was back first.
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum Expect {
    /// How long clients of an endpoint were out.
    Outage {
        /// The port whose clients are meant.
        endpoint: Endpoint,
        /// Only the outage of this fault; every one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Name>,
        /// Whose time is bounded: that of the last client back, or of the first.
        #[serde(default, skip_serializing_if = "Whose::is_last")]
        of: Whose,
        /// Longest time that is allowed.
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
        /// The loss that is allowed.
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
        /// Most bytes that a replica may be behind.
        max: Bytes,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Transactions of list-append loads are isolated as the level demands, on every node.
    Isolation {
        /// The level that must hold.
        level: Isolation,
    },
    /// Money neither comes nor goes: every read of the bank shows the same total.
    BankTotal {},
    /// Registers are linearizable.
    Register {},
    /// Latency of the acknowledged operations of one load.
    Latency {
        /// Name of the load.
        load: Name,
        /// Most that the median may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p50: Option<Span>,
        /// Most that the 99th percentile may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        p99: Option<Span>,
        /// Most that any may be.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<Span>,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// Acknowledged operations of one load in a second.
    Throughput {
        /// Name of the load.
        load: Name,
        /// Operations in a second, at least.
        min: f64,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// How large a share of the operations failed.
    #[serde(rename_all = "kebab-case")]
    Errors {
        /// Largest share of all operations.
        max_ratio: f64,
        /// Which part of the run.
        #[serde(default)]
        when: When,
    },
    /// How often the primary changed.
    Failovers {
        /// Changes, at least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        /// Changes, at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// How many bodies were replaced by others.
    Replaced {
        /// The bodies that count.
        target: Target,
        /// Replacements, at least.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        min: Option<u32>,
        /// Replacements, at most.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u32>,
    },
    /// Time until every copy is back.
    Redundancy {
        /// The fault it is counted from; every one when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<Name>,
        /// Longest time that is allowed.
        within: Span,
    },
    /// How often bodies were restarted.
    Restarts {
        /// Restarts, at most.
        max: u32,
    },
    /// A size that must be reached.
    #[serde(rename_all = "kebab-case")]
    Scaled {
        /// What must grow: `cpu`, `memory` or `disk`.
        resource: Resource,
        /// The members whose size is meant.
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
        /// Name of the controller.
        name: Name,
        /// The step that it must have decided.
        decision: Name,
    },
    /// An alarm of a controller: raised, cleared, or never raised.
    Alarm {
        /// The kind of alarm.
        kind: AlarmKind,
        /// About whom; about anything when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        member: Option<MemberId>,
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
        /// A text that must not be in any log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        absent: Option<String>,
        /// A line with this text is excused, whoever wrote it. The verdict counts it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tolerated: Option<String>,
    },
}

impl Expect {
    /// The word of the checker that judges it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
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
