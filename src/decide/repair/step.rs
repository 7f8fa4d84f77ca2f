//! What repair wants done, and why. Every step is idempotent and carries the guard that whoever does it
//! reads again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::follow::Path;
use crate::model::{HostName, MemberId, Mono, Service};

/// One deed of repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// At every balancer: nothing new goes to this host and its sessions end.
    Close {
        /// The host.
        host: HostName,
        /// For whose sake.
        member: MemberId,
        /// Also out of reach of the checks, for a body that may still answer them; written down in the
        /// store first, so that whoever comes after knows who owes the way back.
        park: bool,
    },
    /// The body never runs again, and there is proof. Guard: the leader key is still the one that was seen, or, of a
    /// member that did not have it, somebody else's.
    Fence {
        /// Whose body.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
        /// Revision that wrote the leader key, where the member has it.
        #[serde(default)]
        key: Option<i64>,
    },
    /// Patroni's leader key of a body that is proved dead is taken away, then its lease. One transaction,
    /// if the key is still the one that was seen and this controller still the active one.
    Release {
        /// Whose key.
        member: MemberId,
        /// Revision that wrote it.
        mod_revision: i64,
        /// Its lease.
        lease: i64,
        /// Who shall follow when the address of the dead one is silent: Patroni would wait for it. `None`:
        /// Patroni's own race decides.
        candidate: Option<MemberId>,
    },
    /// The leader writes what it has in memory to its disk, so that its shutdown has little left to write.
    Prepare {
        /// The leader.
        member: MemberId,
    },
    /// At every balancer: no new session of 5432 goes to this host, and those it has may end by themselves.
    /// Written down in the store first, as for a host that is parked.
    Drain {
        /// The host.
        host: HostName,
        /// Its primary.
        member: MemberId,
    },
    /// At every balancer: no new session of 5433 goes to this host, and those it has may end by themselves. Written down
    /// in the store first, as for a host that is parked.
    DrainReads {
        /// The host.
        host: HostName,
        /// Its replica.
        member: MemberId,
    },
    /// Patroni is asked for a handover, if the wish still stands and the leader is still the same.
    HandOver {
        /// Who leads.
        member: MemberId,
        /// Revision that wrote its key.
        mod_revision: i64,
        /// Who shall lead.
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
        /// Whose key.
        member: MemberId,
        /// Revision that wrote it.
        mod_revision: i64,
        /// Revision that wrote the handover.
        handover: i64,
    },
    /// At every balancer: 5432 leads to this host, as soon as its instance takes writes by its own word. Guard: it says
    /// so within the time a promotion takes.
    Open {
        /// The host.
        host: HostName,
        /// Its primary.
        member: MemberId,
    },
    /// At every balancer: the host's servers are left to the checks again, and begin down.
    Unpark {
        /// The host.
        host: HostName,
    },
    /// A balancer takes no new sessions any more; those it has go on.
    Shut {
        /// Which.
        member: MemberId,
    },
    /// A balancer that was to leave takes new sessions again.
    Reopen {
        /// Which.
        member: MemberId,
    },
    /// A body that is there and does not run is started. Guard: the leader key is there and somebody else's.
    Start {
        /// Whose body.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
    },
    /// A member gets a body, in its place or as a newcomer. Guard of a PostgreSQL: as for a start.
    Create {
        /// Whose body.
        member: MemberId,
        /// What it does.
        service: Service,
        /// Where it stands.
        host: HostName,
    },
    /// What is about to be done is written down: this member goes when that one has taken its place, or alone when both
    /// are the same.
    Intend {
        /// What both do.
        service: Service,
        /// Who goes.
        member: MemberId,
        /// Who takes its place.
        by: MemberId,
        /// Where.
        host: HostName,
        /// Why.
        why: String,
    },
    /// A member whose body does not run, and that leads nobody, leaves the lab; its volumes stay. A member of etcd
    /// leaves its cluster first, and its body ends with that. Guard: a leader is there and it is somebody else; of
    /// etcd, the others carry the cluster.
    Retire {
        /// Who.
        member: MemberId,
    },
    /// A body that does not run and that nobody of the lab's record has is removed. Guard: the record still knows
    /// nothing of it.
    Remove {
        /// Whose name it has.
        member: MemberId,
        /// The engine's id of its container.
        container: String,
    },
    /// The volumes of a member that left are removed.
    Discard {
        /// Whose.
        member: MemberId,
    },
    /// What was written down is done, or not wanted any more.
    Forget {
        /// Who was to go.
        member: MemberId,
    },
    /// Patroni shall keep so many synchronous standbys. Guard: its configuration is the one that was seen.
    Standbys {
        /// Who leads.
        member: MemberId,
        /// So many.
        count: u32,
        /// Revision that wrote the configuration.
        mod_revision: i64,
    },
    /// At every balancer: sessions of 5432 that have a connection to this host end. No new one goes there, and its
    /// member does not lead: who stays hears that nothing can be written, or nothing at all.
    EndSessions {
        /// The host.
        host: HostName,
        /// Its member, or the host again where none stands.
        member: MemberId,
    },
    /// Patroni of this member looks after its PostgreSQL at once and not at its next turn.
    Wake {
        /// Whose.
        member: MemberId,
    },
}

impl Step {
    /// Its name in journals, metrics and `stop-at`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Close { .. } => "close",
            Self::Fence { .. } => "fence",
            Self::Release { .. } => "release",
            Self::Prepare { .. } => "prepare",
            Self::Drain { .. } => "drain",
            Self::DrainReads { .. } => "drain-reads",
            Self::HandOver { .. } => "hand-over",
            Self::Yield { .. } => "yield",
            Self::Open { .. } => "open",
            Self::Unpark { .. } => "unpark",
            Self::Shut { .. } => "shut",
            Self::Reopen { .. } => "reopen",
            Self::Start { .. } => "start",
            Self::Create { .. } => "create",
            Self::Intend { .. } => "intend",
            Self::Retire { .. } => "retire",
            Self::Remove { .. } => "remove",
            Self::Discard { .. } => "discard",
            Self::Forget { .. } => "forget",
            Self::Standbys { .. } => "standbys",
            Self::EndSessions { .. } => "end-sessions",
            Self::Wake { .. } => "wake",
        }
    }

    /// What is remembered of it: its name and its subject.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}", self.name(), self.subject())
    }

    /// Whether it takes or gives life to a body: at most one such step in a decision.
    #[must_use]
    pub const fn disruptive(&self) -> bool {
        matches!(self, Self::Fence { .. } | Self::Start { .. } | Self::Create { .. } | Self::Retire { .. })
    }

    /// Whom it is about; hosts for what is done at balancers.
    #[must_use]
    pub const fn subject(&self) -> &MemberId {
        match self {
            Self::Close { host, .. }
            | Self::Drain { host, .. }
            | Self::DrainReads { host, .. }
            | Self::Open { host, .. }
            | Self::EndSessions { host, .. }
            | Self::Unpark { host } => host,
            Self::Fence { member, .. }
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
            | Self::Forget { member }
            | Self::Standbys { member, .. }
            | Self::Wake { member } => member,
        }
    }
}

/// What repair wants now.
pub type Decision = crate::decide::brain::Decision<Step, Memory>;

/// What repair remembers between two looks. Empty after a restart: nothing that safety depends on is here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Memory {
    /// Since when something is wrong with a member; the word says what.
    pub since: BTreeMap<MemberId, (String, Mono)>,
    /// Whose disk takes nothing, how far it had come, and when that was seen first.
    #[serde(default)]
    pub stalled: Option<(MemberId, String, Mono)>,
    /// Starts that were ordered, for the budget.
    pub starts: Vec<Mono>,
    /// When bodies were given life, by member: one that dies again and again has another trouble.
    #[serde(default)]
    pub lives: BTreeMap<MemberId, Vec<Mono>>,
    /// Members that were restarted because they ran and did not serve, and when.
    #[serde(default)]
    pub restarted: BTreeMap<MemberId, Mono>,
    /// Members whose body was taken down because it was not what the record says, and when.
    #[serde(default)]
    pub remade: BTreeMap<MemberId, Mono>,
    /// How replicas that do not follow the leader try to.
    #[serde(default)]
    pub paths: BTreeMap<MemberId, Path>,
    /// Replacements that were begun, for the budget.
    #[serde(default)]
    pub replaced: Vec<Mono>,
    /// Containers of leaders by member, so that a body that is gone can be asked for by id.
    pub known: BTreeMap<MemberId, String>,
    /// Steps that failed in a row, by name and subject, and when the last one did: for the back-off.
    pub failed: BTreeMap<String, (u32, Mono)>,
    /// Steps that worked, by name and subject, and when: the same is not ordered again at once.
    pub done: BTreeMap<String, Mono>,
    /// Revision of the leader key for which the doors were set last, and when.
    pub opened: Option<(i64, Mono)>,
    /// When the engine and the store were seen last.
    #[serde(default)]
    pub looked: Option<Mono>,
    /// Whether the last look did not see the engine or the store.
    #[serde(default)]
    pub blind: bool,
    /// When the leader was prepared for a handover, and when its sessions began to be drained.
    #[serde(default)]
    pub handover: (Option<Mono>, Option<Mono>),
}

impl Memory {
    /// Notes a look in which everything was seen. Time in which nobody looked counts for no grace, and takes nothing
    /// back of what was seen before it.
    pub fn looks(&mut self, at: Mono) {
        let unseen = if self.blind { at.since(self.looked.unwrap_or(at)) } else { Duration::ZERO };
        (self.blind, self.looked) = (false, Some(at));
        if unseen.is_zero() {
            return;
        }
        for (_, since) in self.since.values_mut() {
            *since = since.plus(unseen);
        }
        if let Some((_, _, since)) = &mut self.stalled {
            *since = since.plus(unseen);
        }
        for path in self.paths.values_mut() {
            path.later(unseen);
        }
    }

    /// Nobody looks, and nothing is watched: every grace begins anew.
    pub fn forget(&mut self) {
        self.since.clear();
        self.paths.clear();
        self.stalled = None;
    }

    /// Notes that a step was done, or not.
    pub fn took(&mut self, step: &Step, at: Mono, worked: bool) {
        let key = step.key();
        if !worked {
            let (times, when) = self.failed.entry(key).or_insert((0, at));
            (*times, *when) = (times.saturating_add(1), at);
            return;
        }
        self.failed.remove(&key);
        self.done.insert(key, at);
        match step {
            Step::Start { member, .. } | Step::Create { member, .. } => {
                self.starts.push(at);
                self.lives.entry(member.clone()).or_default().push(at);
                // whoever lies dead again is tried the gentle way first
                self.failed.remove(&format!("start {member}"));
            }
            Step::Intend { member, by, .. } if member != by => self.replaced.push(at),
            Step::Prepare { .. } => self.handover.0 = Some(at),
            Step::Drain { .. } => self.handover.1 = Some(at),
            Step::HandOver { .. } => self.handover = (None, None),
            _ => {}
        }
    }
}
