//! What can be wrong with a member, and how long each may last.

use serde::{Deserialize, Serialize};

use crate::model::Span;
use crate::model::control::RepairPolicy;

/// How many graces a body that runs may hang altogether.
const ALTOGETHER: u32 = 4;
/// How many graces a newcomer may take that is no database.
const QUICKLY: u32 = 4;
/// A leader is asked for its slots so seldom that it may have led nobody when it was asked last.
pub(super) const SLOTS_CERTAIN_AFTER: Span = Span::secs(15);

/// What is wrong with a member. Several may be so at once; each has its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trouble {
    /// The engine says that its body is frozen.
    Frozen,
    /// It leads, accepts connections and does not answer, beside a connection that answers as ever.
    Hangs,
    /// It leads, and neither old nor new connections answer.
    HangsAltogether,
    /// Its body has no process.
    Dead,
    /// Its body has been removed.
    Gone,
    /// Its host does not run.
    Host,
    /// It runs and does not serve: its Patroni is silent, or it has no vote in etcd.
    Sick,
    /// Its PostgreSQL is being shut down.
    Stops,
    /// The leader has removed WAL that it needs.
    Wal,
    /// Another of its kind stands on its host.
    Beside,
    /// Its body is not what the lab's record says.
    Drift,
    /// Its container is one that nobody of the record has.
    Surplus,
    /// A balancer that runs and does not answer, or a controller that runs and does not say that it is well.
    Silent,
    /// A balancer that routes writes otherwise than to the leader alone.
    Misled,
    /// It is being seen out: its sessions may end by themselves.
    Drain,
    /// It is to leave now, and has not.
    Leaves,
}

impl Trouble {
    /// When something may follow from it: the next look comes no later.
    #[must_use]
    pub fn graces(self, policy: &RepairPolicy) -> Vec<Span> {
        match self {
            Self::Frozen => vec![policy.freeze_grace, policy.sick_grace],
            Self::Hangs => vec![policy.freeze_grace],
            Self::HangsAltogether => vec![altogether(policy)],
            Self::Dead | Self::Gone => vec![policy.start_grace],
            Self::Host => vec![policy.host_grace],
            Self::Wal => vec![SLOTS_CERTAIN_AFTER],
            Self::Sick
            | Self::Stops
            | Self::Beside
            | Self::Drift
            | Self::Surplus
            | Self::Silent
            | Self::Misled => {
                vec![policy.sick_grace]
            }
            Self::Drain => vec![policy.drain],
            Self::Leaves => vec![leaves(policy)],
        }
    }
}

/// How long a member may take to leave: its sessions have their time, and another standby is named where it is one.
pub(super) fn leaves(policy: &RepairPolicy) -> Span {
    Span(policy.drain.0.saturating_add(policy.sick_grace.0))
}

/// How long a newcomer may take that copies nothing, or what fits in memory.
pub(super) fn quickly(policy: &RepairPolicy) -> Span {
    Span(policy.sick_grace.0.saturating_mul(QUICKLY))
}

/// How long a body that runs may hang altogether: a starved one looks the same, and usually says something in time.
pub(super) fn altogether(policy: &RepairPolicy) -> Span {
    Span(policy.freeze_grace.0.saturating_mul(ALTOGETHER))
}
