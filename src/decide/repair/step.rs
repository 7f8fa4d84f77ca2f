//! What repair wants done, and why. Every step is idempotent and carries the guard that whoever does it
//! reads again.

use serde::{Deserialize, Serialize};

use crate::model::{HostName, MemberId, Service};

/// One deed of the repair controller, with what its guard compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum RepairStep {
    /// At every balancer: nothing new goes to this host and its sessions end.
    Close {
        /// Where the balancers' servers lead to.
        host: HostName,
        /// The member on whose account it is closed.
        member: MemberId,
        /// Also out of reach of the checks, for a body that may still answer them; written down in the
        /// store first, so that whoever comes after knows who owes the way back.
        park: bool,
    },
    /// The body never runs again, and there is proof. Guard: the leader key is still the one that was seen, or, of a
    /// member that did not have it, somebody else's.
    Fence {
        /// The member whose body it is.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
        /// Revision that wrote the leader key, where the member has it.
        #[serde(default)]
        key: Option<i64>,
    },
    /// A body that has data and is stuck is ended though nobody leads, so that it can be started again. Guard: nobody holds
    /// the leader key.
    End {
        /// The member whose body it is.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
    },
    /// Patroni's leader key of a body that is proved dead is taken away, then its lease. One transaction,
    /// if the key is still the one that was seen and this controller still the active one.
    Release {
        /// The member that holds the key.
        member: MemberId,
        /// Revision that wrote the leader key.
        mod_revision: i64,
        /// The lease that the key hangs on.
        lease: i64,
        /// Who shall follow when the address of the dead one is silent: Patroni would wait for it. `None`:
        /// Patroni's own race decides.
        candidate: Option<MemberId>,
    },
    /// The leader writes what it has in memory to its disk, so that its shutdown has little left to write.
    Prepare {
        /// The member that leads.
        member: MemberId,
    },
    /// At every balancer: no new session of 5432 goes to this host, and those it has may end by themselves.
    /// Written down in the store first, as for a host that is parked.
    Drain {
        /// Where the balancers' servers lead to.
        host: HostName,
        /// The primary that stands there.
        member: MemberId,
    },
    /// At every balancer: no new session of 5433 goes to this host, and those it has may end by themselves. Written down
    /// in the store first, as for a host that is parked.
    DrainReads {
        /// Where the balancers' servers lead to.
        host: HostName,
        /// The replica that stands there.
        member: MemberId,
    },
    /// Patroni is asked for a handover, if the wish still stands and the leader is still the same.
    HandOver {
        /// The member that leads.
        member: MemberId,
        /// Revision that wrote the leader key.
        mod_revision: i64,
        /// The member that shall lead.
        candidate: MemberId,
        /// Revision that wrote the wish.
        wish: i64,
        /// Revision of the word that asks Patroni for nothing; 0: there is none.
        idle: i64,
    },
    /// The leader key of one that shut its PostgreSQL down for a handover is taken away, a second before its Patroni
    /// would. Guard: nobody listens where its PostgreSQL did and its Patroni says that it stops; the key and the
    /// handover are those that were seen.
    Yield {
        /// The member that holds the key.
        member: MemberId,
        /// Revision that wrote the leader key.
        mod_revision: i64,
        /// Revision that wrote the handover.
        handover: i64,
    },
    /// At every balancer: 5432 leads to this host, as soon as its instance takes writes by its own word. Guard: it says
    /// so within the time a promotion takes.
    Open {
        /// Where the balancers' servers lead to.
        host: HostName,
        /// The primary that stands there.
        member: MemberId,
    },
    /// At every balancer: the host's servers are left to the checks again, and begin down.
    Unpark {
        /// Where the balancers' servers lead to.
        host: HostName,
    },
    /// A balancer takes no new sessions any more; those it has go on.
    Shut {
        /// The balancer.
        member: MemberId,
    },
    /// A balancer that was to leave takes new sessions again.
    Reopen {
        /// The balancer.
        member: MemberId,
    },
    /// A body that is there and does not run is started. Guard: the leader key is there and somebody else's; of one that
    /// starts alone, Patroni's `initialize` key is there and nobody else leads.
    Start {
        /// The member whose body it is.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
        /// Whether it starts because nobody who runs may lead: it has data, and leads again or lets another lead.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        alone: bool,
    },
    /// A member gets a body, in its place or as a newcomer. Guard of a PostgreSQL: as for a start.
    Create {
        /// The member that gets a body.
        member: MemberId,
        /// The service it is of.
        service: Service,
        /// The host it stands on.
        host: HostName,
    },
    /// What is about to be done is written down: this member goes when that one has taken its place, or alone when both
    /// are the same.
    Intend {
        /// The service of both members.
        service: Service,
        /// The member that goes.
        member: MemberId,
        /// The member that takes its place.
        by: MemberId,
        /// The host of the member that comes.
        host: HostName,
        /// The trouble of the one that goes, or who asked for it.
        why: String,
    },
    /// A member whose body does not run, and that leads nobody, leaves the lab; its volumes stay. A member of etcd
    /// leaves its cluster first, and its body ends with that. Guard: a leader is there and it is somebody else; of
    /// etcd, the others carry the cluster.
    Retire {
        /// The member that leaves.
        member: MemberId,
    },
    /// A body that does not run and that nobody of the lab's record has is removed. Guard: the record still knows
    /// nothing of it.
    Remove {
        /// The member whose name the body has.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
    },
    /// The volumes of a member that left are removed.
    Discard {
        /// The member that left.
        member: MemberId,
    },
    /// What was written down is done, or not wanted any more.
    Forget {
        /// The member that was to go.
        member: MemberId,
        /// The operator's wish that ends with it, by the revision that wrote it: it is fulfilled, or it is refused and an
        /// alarm says why. `None`: whatever an operator wants stays wanted. Guard: the wish is the one that was seen.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wish: Option<i64>,
    },
    /// Patroni shall keep so many synchronous standbys. Guard: its configuration is the one that was seen.
    Standbys {
        /// The member that leads.
        member: MemberId,
        /// How many synchronous standbys Patroni shall keep.
        count: u32,
        /// Revision that wrote the configuration.
        mod_revision: i64,
    },
    /// At every balancer: sessions of 5432 that have a connection to this host end. No new one goes there, and its
    /// member does not lead: who stays hears that nothing can be written, or nothing at all.
    EndSessions {
        /// Where the balancers' servers lead to.
        host: HostName,
        /// Its member, or the host again where none stands.
        member: MemberId,
    },
    /// Patroni of this member looks after its PostgreSQL at once and not at its next turn.
    Wake {
        /// The member whose Patroni is woken.
        member: MemberId,
    },
}

impl RepairStep {
    /// Its name in journals, metrics and `stop-at`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// What is remembered of it: its name and its subject.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.name(), self.subject())
    }

    /// Whether it takes or gives life to a body: at most one such step in a decision.
    #[must_use]
    pub const fn disruptive(&self) -> bool {
        matches!(
            self,
            Self::Fence { .. }
                | Self::End { .. }
                | Self::Start { .. }
                | Self::Create { .. }
                | Self::Retire { .. }
        )
    }

    /// Whom it is about; the name of a host for what is done at balancers.
    #[must_use]
    pub fn subject(&self) -> MemberId {
        match self {
            Self::Close { host, .. }
            | Self::Drain { host, .. }
            | Self::DrainReads { host, .. }
            | Self::Open { host, .. }
            | Self::EndSessions { host, .. }
            | Self::Unpark { host } => MemberId::of_host(host),
            Self::Fence { member, .. }
            | Self::End { member, .. }
            | Self::Release { member, .. }
            | Self::Prepare { member }
            | Self::HandOver { member, .. }
            | Self::Yield { member, .. }
            | Self::Shut { member }
            | Self::Reopen { member }
            | Self::Start { member, .. }
            | Self::Create { member, .. }
            | Self::Intend { member, .. }
            | Self::Retire { member }
            | Self::Remove { member, .. }
            | Self::Discard { member }
            | Self::Forget { member, .. }
            | Self::Standbys { member, .. }
            | Self::Wake { member } => member.clone(),
        }
    }
}
