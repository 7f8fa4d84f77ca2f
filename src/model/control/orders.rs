//! What the broker is asked to do, what it answers, and what it writes down; proof of leadership and of death.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::id::{HostName, MemberId};
use crate::model::lab::{Service, Size};
use crate::model::units::Mono;

/// What the broker is asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BrokerOrder {
    /// Proof of leadership; the broker compares it with etcd before it acts.
    pub token: Token,
    /// Not after this instant of the machine's monotonic clock: an order that waited somewhere is worth nothing.
    pub deadline: Mono,
    /// The deed that is ordered.
    pub deed: BrokerDeed,
}

/// Everything the broker does, and nothing else. Containers are named by their engine's id: names are
/// reused, ids are not.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum BrokerDeed {
    /// The body never runs again: no restart by the engine, killed, its ports closed where that does not end it, and
    /// proof of how far that went.
    Fence {
        /// The engine's id of the body's container.
        container: String,
        /// Who holds Patroni's leader key meanwhile, compared just before the kill; left out, nobody compares it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leader: Option<LeaderIs>,
    },
    /// A body that is there and does not run is started; what its fence closed is opened again. Refused for a member of
    /// etcd that has been part of its cluster and has no data.
    Start {
        /// The engine's id of the body's container.
        container: String,
    },
    /// A member has a body that was started: a new one from its recipe on the volumes it has, in the place of one
    /// that does not run; volumes that are missing are made. A member that the lab does not know is taken
    /// into its record first: a new name, on a host that may carry it; of etcd only where one has left, and it is added to
    /// its cluster, if those that serve are a quorum then.
    Create {
        /// Name of the member that gets a body.
        member: MemberId,
        /// The service it is of.
        service: Service,
        /// The host it stands on.
        host: HostName,
    },
    /// A member whose body does not run leaves the lab: its body is removed, its volumes stay, its name is never
    /// used again. Refused while fewer than the declared number would be left, and while it holds Patroni's leader key or
    /// nobody does. A member of etcd leaves its cluster
    /// first, whether its body runs or not, if the others are a quorum that serves, and one at a time.
    Retire {
        /// Name of the member that leaves.
        member: MemberId,
    },
    /// A body that does not run and that nobody of the record has is removed; its volumes stay. Refused while a member
    /// has a container of its name.
    Remove {
        /// The engine's id of the container.
        container: String,
    },
    /// The volumes of a member that left are removed.
    Discard {
        /// Name of the member that left.
        member: MemberId,
    },
    /// Another number of PostgreSQL instances, and who is too many: the record says so, and whoever keeps the number
    /// makes it so. Refused when the record has changed since, beyond the limits of the spec, for fewer than
    /// synchronous replication needs, for somebody who is no instance, and for other services.
    Scale {
        /// The service whose number changes.
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
        /// Name of the member that gets another size.
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
    /// A member whose body it is not.
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

impl BrokerDeed {
    /// Its name in journals and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
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
pub enum BrokerAnswer {
    /// It is done, and stays done.
    Done,
    /// What is certain about a fenced body.
    Proof(Proof),
    /// Not done, and nothing was changed.
    Refused {
        /// The rule that forbids it.
        why: BrokerRefusal,
        /// Why, as a sentence for people.
        text: String,
    },
    /// The engine said no, or nothing in time: the effect is open.
    Failed {
        /// What went wrong, as a sentence for people.
        text: String,
    },
}

/// Why the broker does not act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BrokerRefusal {
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
    /// When the order came, on the machine's monotonic clock.
    pub began: Mono,
    /// When it was answered, on the same clock.
    pub at: Mono,
    /// The order as it came.
    pub order: BrokerOrder,
    /// The answer that was given.
    pub answer: BrokerAnswer,
}

/// What the broker writes down, line by line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum BrokerLine {
    /// What was asked for and what became of it.
    Order(Box<Brokered>),
    /// What a body said that is removed.
    Kept(KeptLine),
}

/// A line of a controller whose body the broker removes: it may hold what explains an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct KeptLine {
    /// Name of the replica whose body is removed.
    pub kept: MemberId,
    /// The line as it stood in the log.
    pub line: String,
}

/// Proof that a controller is the active one: the key of its leadership and the revision that wrote it.
/// Whoever took over wrote a later one, so an old token opens nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Token {
    /// The key of the leadership in etcd.
    pub key: String,
    /// Revision that wrote it (`mod_revision`).
    pub revision: i64,
}

/// How certain it is that a body will never write again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// How certain that is.
    pub level: ProofLevel,
    /// What was seen that proves it, as a sentence for people.
    pub evidence: String,
}

/// Levels of proof. [`ProofLevel::Dead`] allows the leader key to be released, and [`ProofLevel::Doomed`] where the
/// policy says so (`release-doomed`).
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
