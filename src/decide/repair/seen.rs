//! What repair knows at one instant. Whatever could not be seen is `Blind`, and forbids harm.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::control::{Bodies, Proof, Replacing};
use crate::model::sighting::{PatroniSeen, ServerSeen};
use crate::model::{HostName, Lsn, MemberId, Mono, Sight, Span};

/// One look at everything repair decides by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepairSeen {
    /// When the look began, on the machine's monotonic clock.
    pub at: Mono,
    /// The engine's view, through the broker.
    pub bodies: Sight<Bodies>,
    /// Proofs this process was given, by container id. Dead stays dead: an id never lives again, except
    /// by a start that this controller orders, which takes the proof away.
    pub proofs: BTreeMap<String, Proof>,
    /// Revision of the leader key for whose sake a container was fenced last, by container id: a body that is doomed
    /// and not dead yet is so as the holder of that very key.
    #[serde(default)]
    pub fenced: BTreeMap<String, i64>,
    /// Patroni's keys and ours, read linearizably.
    pub store: Sight<RepairStoreSeen>,
    /// Instances, from new questions over the network.
    pub postgres: BTreeMap<MemberId, InstanceSeen>,
    /// How often PostgreSQL found data that fails its checksums, by member, where it did.
    #[serde(default)]
    pub corrupt: BTreeMap<MemberId, u64>,
    /// Slots for which the leader has no WAL any more, by its own word.
    #[serde(default)]
    pub lost_slots: BTreeSet<String>,
    /// Bytes of base backups that the leader has sent, while it sends one.
    #[serde(default)]
    pub sent: Option<u64>,
    /// What each balancer says of its servers.
    pub balancers: BTreeMap<MemberId, Sight<Routes>>,
    /// What the members of etcd say of their cluster.
    #[serde(default)]
    pub voters: Sight<VotersSeen>,
    /// Replicas of controllers, by member: whether each says that it is well. Whoever looks is not among them.
    #[serde(default)]
    pub controllers: BTreeMap<MemberId, Sight<()>>,
}

/// The cluster of etcd, as its own members tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct VotersSeen {
    /// How many have a vote by the cluster's list.
    pub listed: u32,
    /// How each member of the lab stands in the cluster.
    pub members: BTreeMap<MemberId, VoterStanding>,
}

/// How a member of the lab stands in the cluster of etcd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VoterStanding {
    /// It reads linearizably: it answers and a quorum stands behind it.
    Serves,
    /// It belongs to the cluster and does not.
    Fails(String),
    /// It was added and has not started yet.
    Joins,
    /// It does not belong to the cluster.
    #[default]
    Out,
}

/// What etcd holds: the keys of Patroni, the wishes of operators, and what repair wrote down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepairStoreSeen {
    /// Patroni's leader key; `None` when there is none.
    pub leader: Option<LeaderSeen>,
    /// How long ago its lease was renewed; asked for only while its Patroni does not answer.
    #[serde(default)]
    pub unrenewed: Option<Span>,
    /// Whether Patroni's `initialize` key is there: without it a body that starts would found a new cluster.
    pub initialized: bool,
    /// Maintenance: Patroni and controllers only watch.
    pub maintenance: bool,
    /// A handover that Patroni was asked for (`/failover`).
    pub handover: Option<HandoverSeen>,
    /// A handover that controllers are asked for.
    #[serde(default)]
    pub wish: Option<WishSeen>,
    /// Who may lead in a synchronous mode (`/sync`, leader included); `None` when writes are asynchronous.
    pub may_lead: Option<Vec<MemberId>>,
    /// How many of those who confirm writes must vote for who leads next (`/sync`: `quorum`); 0 in the other modes.
    #[serde(default)]
    pub quorum: u32,
    /// Where the leader stood when it published its position last (`/status`: `optime`).
    #[serde(default)]
    pub position: Option<Lsn>,
    /// Who led last by Patroni's keys (`/sync`, or the last line of `/history`).
    #[serde(default)]
    pub led: Option<MemberId>,
    /// How many synchronous standbys Patroni shall keep (`synchronous_node_count`); `None` where nothing says so.
    #[serde(default)]
    pub standbys: Option<StandbysSeen>,
    /// Hosts whose servers repair put into maintenance at the balancers, with the member for whose sake.
    pub parked: BTreeMap<HostName, MemberId>,
    /// The replacement that was begun, in the word written when that was decided.
    #[serde(default)]
    pub replacing: Option<Replacing>,
    /// Why that word cannot be read, where it cannot: another controller wrote it.
    #[serde(default)]
    pub unreadable: Option<String>,
    /// When replacements were begun, as it was written down with each.
    #[serde(default)]
    pub replaced: Vec<Mono>,
    /// Members an operator wants replaced, and the revision that wrote each wish.
    #[serde(default)]
    pub asked: BTreeMap<MemberId, i64>,
}

/// Patroni's leader key, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeaderSeen {
    /// The member that holds it.
    pub member: MemberId,
    /// Revision of etcd that wrote it last.
    pub mod_revision: i64,
    /// The lease it hangs on.
    pub lease: i64,
}

/// How many synchronous standbys Patroni shall keep, by its dynamic configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StandbysSeen {
    /// How many there shall be.
    pub count: u32,
    /// Revision that wrote that configuration.
    pub mod_revision: i64,
}

/// A handover that Patroni was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct HandoverSeen {
    /// Who shall give the lead away; `None`: whoever has it.
    pub from: Option<MemberId>,
    /// Who shall have it; `None`: whom Patroni chooses.
    pub to: Option<MemberId>,
    /// Whether it is planned for a time (`scheduled_at`): Patroni begins with it then.
    #[serde(default)]
    pub scheduled: bool,
    /// Revision of etcd that wrote it last.
    pub mod_revision: i64,
}

/// A handover that controllers are asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WishSeen {
    /// Who shall lead; `None`: the best copy.
    pub candidate: Option<MemberId>,
    /// Revision of etcd that wrote it last.
    pub mod_revision: i64,
    /// Revision that wrote `/failover` while it asks for nothing: Patroni empties it when a handover is done. 0: there
    /// is none.
    pub idle: i64,
}

/// How one instance answers over the network.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InstanceSeen {
    /// A new connection to PostgreSQL.
    pub sql: ConnectionReply<SqlReply>,
    /// Patroni's REST, over a new connection.
    pub rest: ConnectionReply<RestReply>,
    /// How a connection that was there before answers.
    #[serde(default)]
    pub held: HeldConnection,
    /// How the disk of a primary takes what is written.
    #[serde(default)]
    pub disk: DiskSeen,
}

/// How the disk under a primary takes what PostgreSQL writes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskSeen {
    /// Nobody asked, or nobody could say.
    #[default]
    Unasked,
    /// What was to be written got there.
    Takes,
    /// Something is to be written and does not get there.
    Waits {
        /// How far WAL and disk had come, by counters that only grow: the same words at two instants mean that nothing
        /// was written between them.
        so_far: String,
        /// When they were asked for last and answered.
        at: Mono,
    },
}

/// How somebody answers a new connection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectionReply<T> {
    /// It answered this, in time.
    Answers(T),
    /// The host lives and nobody listens there, or whoever listens sends everybody away.
    Refuses(String),
    /// The connection was accepted and no answer came in time: the kernel lives, the process does not.
    Hangs(String),
    /// Nothing came back at all: a lost host or a lost way to it.
    Silent(String),
    /// It lives and says no: no connection is left, the login is wrong, an error of any kind.
    Denies(String),
    /// It was not asked in this look.
    #[default]
    Unasked,
}

/// How a connection to PostgreSQL that is held open answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeldConnection {
    /// No connection is held open.
    #[default]
    None,
    /// At once, as a healthy one does: what hangs beside it is frozen and not slow.
    Quick,
    /// It answers, and later than a healthy one does.
    Slow,
    /// It does not answer in time.
    Silent,
}

/// What PostgreSQL answered over a new connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SqlReply {
    /// Replaying somebody's WAL; a primary that takes writes says false.
    pub in_recovery: bool,
}

/// What Patroni's REST answered over a new connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RestReply {
    /// The answer to `GET /patroni`.
    pub patroni: PatroniSeen,
    /// `GET /liveness`: whether its loop runs.
    pub loop_runs: bool,
}

/// How a balancer sees its servers, by host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Routes {
    /// Servers behind 5432, by host.
    pub rw: BTreeMap<HostName, ServerSeen>,
    /// Servers behind 5433, by host.
    pub ro: BTreeMap<HostName, ServerSeen>,
    /// Whether one of its ports takes no new sessions.
    #[serde(default)]
    pub shut: bool,
}
