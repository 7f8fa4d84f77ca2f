//! What a lab looks like at one instant, for people and programs: `pgha status` prints it, the view draws it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::controller_status::ControllerStatus;
use super::id::{HostName, MemberId, Name};
use super::lab::{Service, Size};
use super::self_report::Work;
use super::units::{Bytes, Lsn};

/// `pgha status -o json`. Keys are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Name of the lab.
    pub lab: String,
    /// Preset it was founded with; none when its lab file stands alone.
    pub preset: Option<Name>,
    /// Whether nobody is left who is not ready.
    pub ready: bool,
    /// The primary, when exactly one instance says so.
    pub primary: Option<MemberId>,
    /// Hosts in order of declaration.
    pub hosts: Vec<HostStatus>,
    /// Members by service, then by number.
    pub members: Vec<MemberStatus>,
    /// Who is not ready, and why.
    pub waiting: BTreeMap<MemberId, String>,
}

/// What a host has and carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    /// Name of the host.
    pub name: HostName,
    /// Address on the lab's network.
    pub address: Ipv4Addr,
    /// State of its sandbox, in the engine's words; `absent` when it has none.
    pub state: String,
    /// Members that stand on it.
    pub carries: Vec<MemberId>,
}

/// What is known of a member.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberStatus {
    /// Name of the member.
    pub name: MemberId,
    /// The service it is of.
    pub service: Service,
    /// The host it stands on.
    pub host: HostName,
    /// State of its container, in the engine's words; `absent` when it has none.
    pub state: String,
    /// What it gets of its host.
    pub size: Size,
    /// The most it may be given; only where its size may move.
    pub most: Option<Size>,
    /// Cores it uses; only where its size may move.
    pub cpu_used: Option<f64>,
    /// Cores its limit keeps from it; likewise.
    pub cpu_held_back: Option<f64>,
    /// Memory it uses and could not give back; only where its size may move.
    pub memory_used: Option<Bytes>,
    /// Bytes of its disk that are taken; likewise.
    pub disk_used: Option<Bytes>,
    /// How busy it says it is, where a controller asks it.
    pub work: Option<Work>,
    /// `primary`, `replica`, `leader`, `follower`, or nothing.
    pub role: Option<String>,
    /// Timeline that it is on; instances of PostgreSQL only.
    pub timeline: Option<u32>,
    /// WAL position that the primary has written, or a replica has replayed.
    pub wal: Option<Lsn>,
    /// WAL bytes written by the primary that this replica has not replayed.
    pub lag_bytes: Option<u64>,
    /// Sessions on the servers of this balancer, both ports together; balancers only.
    pub sessions: Option<u32>,
    /// Servers this balancer would route 5432 to; balancers only.
    pub routes_rw: Option<Vec<HostName>>,
    /// Hosts whose servers are up behind 5433; balancers only.
    pub routes_ro: Option<Vec<HostName>>,
    /// What it is doing and why it is not doing more; controllers only.
    pub controller: Option<ControllerStatus>,
}
