//! What scaling wants done, and what of whom that is about.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{HostName, MemberId, Service, Size};

/// One deed of scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ScalingStep {
    /// A member gets another size, live. Guard: the size it has by the record is `from`.
    Resize {
        /// Whose.
        member: MemberId,
        /// What it is given.
        from: Size,
        /// What it is to be given.
        to: Size,
        /// The samples that led to it, in words.
        why: String,
    },
    /// PostgreSQL of a member is asked to restart, because a setting waits for it. Nobody waits for the end of it.
    Restart {
        /// Whose.
        member: MemberId,
    },
    /// The leader is asked to hand over to a replica, and PostgreSQL starts anew as it becomes one itself. Nobody waits
    /// for the end of it.
    #[serde(rename = "handover")]
    #[strum(serialize = "handover")]
    HandOver {
        /// Who leads.
        member: MemberId,
        /// Who shall.
        to: MemberId,
    },
    /// The lab shall have another number of bodies of a service, or others shall leave. Guard: the record is at this
    /// version.
    Scale {
        /// Of which.
        service: Service,
        /// Version of the record this was decided by.
        generation: u64,
        /// How many.
        count: u32,
        /// Who is to leave.
        leaving: BTreeSet<MemberId>,
        /// What led to it, in words.
        why: String,
    },
    /// At one balancer: how many readers each host gets beside the others, for so long. Without another word they are
    /// alike again.
    Weigh {
        /// Which.
        member: MemberId,
        /// Weights of hosts, 1 to [`FULL_WEIGHT`](crate::model::lab::FULL_WEIGHT).
        weights: BTreeMap<HostName, u32>,
        /// How long they hold.
        hold: crate::model::Span,
    },
    /// A balancer takes so many sessions on a port, and lets others wait.
    Admit {
        /// Which.
        member: MemberId,
        /// How many.
        sessions: u32,
    },
    /// The size an operator wanted is given, or cannot be. Guard: the wish is the one that was seen.
    Forget {
        /// Whose size.
        member: MemberId,
        /// Revision that wrote the wish.
        revision: i64,
    },
    /// The number an operator wanted is written down, or cannot be. Guard: the wish is the one that was seen.
    ForgetCount {
        /// Of which service.
        service: Service,
        /// Revision that wrote the wish.
        revision: i64,
    },
}

/// What a step is about, beside whom. What fails in one concern holds nothing else back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// Cores and memory, with or without the disk.
    Size,
    /// The disk alone.
    Disk,
    /// PostgreSQL of a member starts anew.
    Restart,
    /// Another member leads.
    Handover,
    /// A number of bodies.
    Number,
    /// Where a balancer leads readers.
    Weights,
    /// How many sessions a balancer takes.
    Sessions,
    /// What an operator asked for.
    Wish,
}

/// What of whom: a member, or the word of a service.
pub type About = (Concern, MemberId);

impl ScalingStep {
    /// Its name in journals, metrics and `stop-at`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// What it is about: a member, or the word of a service.
    #[must_use]
    pub fn subject(&self) -> MemberId {
        match self {
            Self::Resize { member, .. }
            | Self::Restart { member }
            | Self::HandOver { member, .. }
            | Self::Weigh { member, .. }
            | Self::Admit { member, .. }
            | Self::Forget { member, .. } => member.clone(),
            Self::Scale { service, .. } | Self::ForgetCount { service, .. } => MemberId::from(*service),
        }
    }

    /// What of whom it is about.
    #[must_use]
    pub fn about(&self) -> About {
        let concern = match self {
            Self::Resize { from, to, .. }
                if to.disk > from.disk && Size { disk: from.disk, ..*to } == *from =>
            {
                Concern::Disk
            }
            Self::Resize { .. } => Concern::Size,
            Self::Restart { .. } => Concern::Restart,
            Self::HandOver { .. } => Concern::Handover,
            Self::Scale { .. } => Concern::Number,
            Self::Weigh { .. } => Concern::Weights,
            Self::Admit { .. } => Concern::Sessions,
            Self::Forget { .. } | Self::ForgetCount { .. } => Concern::Wish,
        };
        (concern, self.subject())
    }
}
