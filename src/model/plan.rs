//! What the runner tells the client host to do. Written by rooms `lab` and `run`, read by room
//! `load` inside the client; plain data.
//!
//! Passwords travel in these plans over stdin and nowhere else; no `Debug` shows them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::id::{MemberId, Name};
use super::lab::Service;
use super::scaling::SizeWish;
use super::scenario::Load;
use super::units::Span;

/// Who connects to which database. Its `Debug` shows no password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// Name of the role.
    pub user: String,
    /// What it proves itself with.
    pub password: String,
    /// Which database it connects to.
    pub database: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}@{}, password hidden)", self.user, self.database)
    }
}

/// What the program that makes packets late is told, as JSON in its arguments: no secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LatePlan {
    /// Number of the kernel's queue it reads.
    pub queue: u16,
    /// How long every packet waits.
    pub delay: Span,
    /// Give or take; the order of packets stays.
    pub jitter: Span,
    /// Fixes how late each packet is.
    pub seed: u64,
    /// Only finds out whether the queue can be had, and ends.
    #[serde(default)]
    pub bind_only: bool,
}

/// Where balancers serve, port by port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoints {
    /// Port 5432 of every balancer: the primary.
    #[serde(default)]
    pub rw: Vec<SocketAddr>,
    /// Port 5433 of every balancer: reads.
    #[serde(default)]
    pub ro: Vec<SocketAddr>,
}

/// What the client host is told of the loads of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LoadPlan {
    /// The loads; their index is the `l` of every event.
    pub loads: Vec<Load>,
    /// How long the loads last.
    pub duration: Span,
    /// Seed of every random choice of the loads.
    pub seed: u64,
    /// Where the balancers serve.
    pub endpoints: Endpoints,
    /// Where each instance itself listens.
    pub nodes: BTreeMap<MemberId, SocketAddr>,
    /// Every host that may carry PostgreSQL, in the order of the lab file, at PostgreSQL's port: what a connection
    /// string without balancers names.
    #[serde(default)]
    pub hosts: Vec<SocketAddr>,
    /// Who has which address, for instances that do not know their own name.
    #[serde(default)]
    pub members_by_address: BTreeMap<IpAddr, MemberId>,
    /// Login of the role that the application has.
    pub credentials: Credentials,
    /// Longest wait for a connection until it answers queries.
    #[serde(default = "default_connect_timeout")]
    pub connect_timeout: Span,
    /// Texts of the loads that run a file, by load.
    #[serde(default)]
    pub sql: BTreeMap<Name, String>,
    /// A file that is locked while the load runs, so that no two runs write into one lab; no lock without it.
    #[serde(default)]
    pub lock: Option<std::path::PathBuf>,
    /// Longest wait for the tables of a load to be made.
    #[serde(default = "default_prepare_timeout")]
    pub prepare_timeout: Span,
    /// The run it is for, as its journal says.
    #[serde(default)]
    pub run: Option<String>,
}

/// What the client host is told of the members it looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WatchPlan {
    /// Time between two looks.
    pub every: Span,
    /// Pause between two direct writes to each instance; none without it.
    #[serde(default)]
    pub write_probe_every: Option<Span>,
    /// Where each instance and its Patroni listen.
    #[serde(default)]
    pub postgres: BTreeMap<MemberId, PostgresPorts>,
    /// Where each member of etcd serves clients.
    #[serde(default)]
    pub etcd: BTreeMap<MemberId, SocketAddr>,
    /// Where each balancer is asked, and where it serves.
    #[serde(default)]
    pub balancers: BTreeMap<MemberId, BalancerDoors>,
    /// Where controllers serve their status.
    #[serde(default)]
    pub controllers: BTreeMap<MemberId, SocketAddr>,
    /// A superuser, in a database that always exists.
    pub superuser: Credentials,
    /// The application's role, for write probes; the superuser writes nothing.
    #[serde(default)]
    pub application: Option<Credentials>,
    /// Longest wait for any one answer.
    #[serde(default = "default_look_timeout")]
    pub timeout: Span,
    /// One sighting, then the end.
    #[serde(default)]
    pub once: bool,
}

/// Where one PostgreSQL member listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PostgresPorts {
    /// Where PostgreSQL takes connections.
    pub sql: SocketAddr,
    /// Where Patroni answers REST requests.
    pub rest: SocketAddr,
}

/// Where one balancer listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BalancerDoors {
    /// Where it serves its statistics over HTTP.
    pub stats: SocketAddr,
    /// Where it serves the primary, 5432.
    pub rw: SocketAddr,
    /// Where it serves reads, 5433.
    pub ro: SocketAddr,
}

/// Reading every node after the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct FinalReadPlan {
    /// The loads, in the order of the load plan.
    pub loads: Vec<Load>,
    /// Where each instance takes connections.
    pub nodes: BTreeMap<MemberId, SocketAddr>,
    /// A superuser, in the application's database.
    pub superuser: Credentials,
    /// Longest wait for one node, replay included.
    pub timeout: Span,
    /// The run it is for, as its journal says.
    #[serde(default)]
    pub run: Option<String>,
}

const fn default_connect_timeout() -> Span {
    Span::secs(2)
}

const fn default_prepare_timeout() -> Span {
    Span::secs(60)
}

const fn default_look_timeout() -> Span {
    Span::millis(1000)
}

/// An operator's verb, carried out by the client host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OperatePlan {
    /// What the operator asks for.
    pub operation: Operation,
    /// Patroni's REST of every member.
    pub rest: BTreeMap<MemberId, SocketAddr>,
    /// Who may ask Patroni for it; the database means nothing here.
    pub login: Credentials,
    /// Client ports of etcd, for what is asked of controllers.
    #[serde(default)]
    pub etcd: Vec<SocketAddr>,
    /// Whether the lab has controllers, who may do it better than Patroni.
    #[serde(default)]
    pub controllers: bool,
    /// Whose store and members these are.
    pub lab: Name,
    /// Longest wait for all of it.
    pub timeout: Span,
}

/// What an operator can ask of Patroni, and of controllers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[strum(serialize_all = "kebab-case")]
pub enum Operation {
    /// A planned handover, to this member or to whom Patroni chooses.
    Switchover {
        /// The member that shall lead; Patroni chooses when absent.
        #[serde(default)]
        candidate: Option<MemberId>,
    },
    /// A handover without asking the leader.
    Failover {
        /// The member that shall lead.
        candidate: MemberId,
    },
    /// Maintenance begins or ends: while it lasts, Patroni only watches.
    Maintenance {
        /// Whether it begins.
        on: bool,
    },
    /// PostgreSQL of these members is restarted in turn, replicas first.
    RollingRestart {
        /// The members, in any order.
        members: Vec<MemberId>,
    },
    /// A new member takes the place of each of these: asked of the controllers, who do it when it is safe.
    Replace {
        /// The members that go.
        members: Vec<MemberId>,
    },
    /// Another size for each of these: asked of the controllers.
    Resize {
        /// The members that get the size.
        members: Vec<MemberId>,
        /// The size; what it leaves open stays.
        size: SizeWish,
    },
    /// Another number of bodies: asked of the controllers.
    Scale {
        /// The service whose number changes.
        service: Service,
        /// How many bodies it shall have.
        count: u32,
    },
}

impl Operation {
    /// Its name in files and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }
}

/// What became of an operator's verb.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct OperateOutcome {
    /// Whether all of it was done.
    pub done: bool,
    /// What Patroni said, in order: the member that was asked, and its words.
    pub said: Vec<(MemberId, String)>,
    /// The leader afterwards, as Patroni knows it.
    pub leader: Option<String>,
}

/// Connections that are opened and held until the storm's file is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct StormPlan {
    /// Where the connections go.
    pub to: SocketAddr,
    /// How many are held at once.
    pub count: u32,
    /// Login that each of them uses.
    pub credentials: Credentials,
    /// Longest wait for one connection.
    pub timeout: Span,
    /// The storm lasts as long as this file is there; it makes it itself.
    pub until_gone: std::path::PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_plan_shows_a_password() {
        let who = || Credentials { user: "pgha".into(), password: "s3cret".into(), database: "pgha".into() };
        let load = LoadPlan {
            loads: Vec::new(),
            duration: Span::secs(1),
            seed: 1,
            endpoints: Endpoints::default(),
            nodes: BTreeMap::new(),
            hosts: Vec::new(),
            members_by_address: BTreeMap::new(),
            credentials: who(),
            connect_timeout: default_connect_timeout(),
            sql: BTreeMap::new(),
            lock: None,
            prepare_timeout: default_prepare_timeout(),
            run: None,
        };
        assert!(!format!("{load:?}").contains("s3cret"));
        let text = serde_json::to_string(&load).expect("JSON");
        assert_eq!(serde_json::from_str::<LoadPlan>(&text).expect("the same plan"), load);
    }

    #[test]
    fn a_watch_plan_needs_little() {
        let text = r#"{"every":"500ms","superuser":{"user":"postgres","password":"x","database":"postgres"},
            "postgres":{"postgres-1":{"sql":"198.18.0.11:15432","rest":"198.18.0.11:8008"}}}"#;
        let plan: WatchPlan = serde_json::from_str(text).expect("a plan");
        assert!(!plan.once && plan.write_probe_every.is_none());
        assert_eq!(plan.postgres.len(), 1);
    }
}
