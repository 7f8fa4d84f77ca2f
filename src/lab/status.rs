//! What a lab looks like now, as one value with documented keys.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;

use super::ready::{ReadyWhen, not_ready, primary};
use super::record::{self, LabRecord};
use super::{LabError, names, reach};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::model::body::DATA_PATH;
use crate::model::control::ControllerStatus;
use crate::model::scaling::Usages;
use crate::model::self_report::Work;
use crate::model::sighting::{BalancerSeen, EtcdSeen, PostgresSeen, ServerSeen};
use crate::model::{Bytes, HostName, MemberId, Name, Service, Sight, Sighting, Size};

/// Longest wait for what a body uses.
const USAGE: Duration = Duration::from_secs(1);
/// Two readings that are to be a rate lie so far apart at least: the kernel counts a limit by periods of 100 ms.
const APART: Duration = Duration::from_millis(500);

/// `pgha status -o json`. Keys are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Version of this format: 1.
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
    /// Members in order.
    pub members: Vec<MemberStatus>,
    /// Who is not ready, and why.
    pub waiting: BTreeMap<MemberId, String>,
}

/// A simulated host, and whether its sandbox runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    /// As the lab file names it.
    pub name: HostName,
    /// Address on the lab's network.
    pub address: Ipv4Addr,
    /// State of its sandbox, in the engine's words; `absent` when it has none.
    pub state: String,
    /// Members that stand on it.
    pub carries: Vec<MemberId>,
}

/// A member of the lab, with what its own program says.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MemberStatus {
    /// As the lab's record names it.
    pub name: MemberId,
    /// What it does.
    pub service: Service,
    /// Where it stands.
    pub host: HostName,
    /// State of its container, in the engine's words; `absent` when it has none.
    pub state: String,
    /// What it gets of its host.
    pub size: Size,
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
    /// Timeline; PostgreSQL only.
    pub timeline: Option<u32>,
    /// WAL bytes written by the primary that this replica has not replayed.
    pub lag_bytes: Option<u64>,
    /// Servers this balancer would route 5432 to; balancers only.
    pub routes_rw: Option<Vec<HostName>>,
    /// The same for 5433.
    pub routes_ro: Option<Vec<HostName>>,
    /// What it is doing and why it is not doing more; controllers only.
    pub controller: Option<ControllerStatus>,
}

/// Looks at a lab.
///
/// # Errors
/// When there is no such lab, or its client host does not run.
pub async fn status(docker: &Docker, lab: &str) -> Result<Status, LabError> {
    let record = record::require(docker, lab).await?;
    let seen = docker.observe(Some(lab)).await?;
    let state = |container: &str| {
        seen.containers.get(container).map_or("absent", |container| container.status.as_str()).to_owned()
    };
    let (began, before) = (clock::now(), usage(docker, &record).await);
    // a client that is gone blinds us, but what the engine shows can still be shown
    let sighting = match reach::look(docker, &record).await {
        Ok(sighting) => sighting,
        Err(LabError::Engine(_) | LabError::Client(_)) => blind(&record),
        Err(other) => return Err(other),
    };
    clock::sleep_until(began.plus(APART)).await;
    let used = usage(docker, &record).await;
    let controllers = sighting.controllers.values().filter_map(Sight::seen);
    let work: BTreeMap<&MemberId, Work> =
        controllers.flat_map(|seen| seen.work.iter().map(|(member, work)| (member, *work))).collect();
    let cores = |member: &MemberId| used.get(member)?.since(before.get(member)?);
    let waiting = not_ready(&record.members, ReadyWhen::of(&record.spec), &sighting);
    let head = primary(&sighting)
        .and_then(|member| sighting.postgres.get(member))
        .and_then(|seen| seen.sql.seen())
        .and_then(|sql| sql.lsn);
    let members = record
        .members
        .iter()
        .map(|member| {
            let mut status = MemberStatus {
                name: member.id.clone(),
                service: member.service,
                host: member.host.clone(),
                state: state(&names::container(lab, member.id.as_str())),
                size: member.size,
                cpu_used: cores(&member.id).map(|cores| cores.used),
                cpu_held_back: cores(&member.id).map(|cores| cores.held_back),
                memory_used: used.get(&member.id).map(|usage| usage.memory),
                disk_used: used
                    .get(&member.id)
                    .and_then(|usage| usage.disk)
                    .and_then(|disk| disk.used(member.size.disk)),
                work: work.get(&member.id).copied(),
                role: None,
                timeline: None,
                lag_bytes: None,
                routes_rw: None,
                routes_ro: None,
                controller: None,
            };
            match member.service {
                Service::Postgres => {
                    if let Some(sql) = sighting.postgres.get(&member.id).and_then(|seen| seen.sql.seen()) {
                        status.role = Some(if sql.in_recovery { "replica" } else { "primary" }.to_owned());
                        status.timeline = sql.timeline;
                        status.lag_bytes = match (head, sql.in_recovery, sql.replayed) {
                            (Some(head), true, Some(replayed)) => Some(head.0.saturating_sub(replayed.0)),
                            _ => None,
                        };
                    }
                }
                Service::Etcd => {
                    if let Some(Sight::Seen(etcd)) = sighting.etcd.get(&member.id) {
                        let leads = etcd.leader.as_deref() == Some(etcd.id.as_str());
                        status.role = Some(if leads { "leader" } else { "follower" }.to_owned());
                    }
                }
                Service::Balancer => {
                    if let Some(balancer) = sighting.balancers.get(&member.id) {
                        status.routes_rw = balancer.rw.seen().map(up);
                        status.routes_ro = balancer.ro.seen().map(up);
                    }
                }
                Service::Controller => {
                    if let Some(Sight::Seen(seen)) = sighting.controllers.get(&member.id) {
                        status.role = Some(if seen.active { "active" } else { "standby" }.to_owned());
                        status.controller = Some(seen.clone());
                    }
                }
                Service::Client | Service::Broker => {}
            }
            status
        })
        .collect();
    Ok(Status {
        schema_version: 1,
        lab: lab.to_owned(),
        preset: record.preset.clone(),
        ready: waiting.is_empty(),
        primary: primary(&sighting).cloned(),
        hosts: hosts(&record, &state),
        members,
        waiting: waiting.into_iter().map(|waiting| (waiting.member, waiting.why)).collect(),
    })
}

/// Every host, in the order of the declaration.
fn hosts(record: &LabRecord, state: &impl Fn(&str) -> String) -> Vec<HostStatus> {
    let carries = |host: &HostName| {
        record.members.iter().filter(|member| member.host == *host).map(|member| member.id.clone()).collect()
    };
    let declared = record.spec.hosts.iter().enumerate();
    declared
        .map(|(index, host)| HostStatus {
            name: host.name.clone(),
            address: names::host_address(record.subnet, index),
            state: state(&names::sandbox(record.spec.name.as_str(), host.name.as_str())),
            carries: carries(&host.name),
        })
        .collect()
}

/// What bodies whose sizes may move use; who does not say so at once is left out.
pub async fn usage(docker: &Docker, record: &LabRecord) -> Usages {
    let sized = record.members.iter().filter(|member| record.spec.limits(member.service).is_some());
    let asked = sized.map(|member| async {
        let container = names::container(record.spec.name.as_str(), member.id.as_str());
        let usage = Box::pin(docker.usage(&container, DATA_PATH));
        Some((member.id.clone(), clock::timeout(USAGE, usage).await.ok()?.ok()?))
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn up(servers: &BTreeMap<HostName, ServerSeen>) -> Vec<HostName> {
    servers.iter().filter(|(_, server)| server.up()).map(|(host, _)| host.clone()).collect()
}

/// What is seen when nobody looks: every subject blind, none absent.
fn blind(record: &LabRecord) -> Sighting {
    let why = || "the client host does not run".to_owned();
    let mut sighting = Sighting::default();
    for member in &record.members {
        let id = member.id.clone();
        match member.service {
            Service::Postgres => {
                let seen = PostgresSeen { patroni: Sight::Blind(why()), sql: Sight::Blind(why()) };
                sighting.postgres.insert(id, seen);
            }
            Service::Etcd => {
                sighting.etcd.insert(id, Sight::<EtcdSeen>::Blind(why()));
            }
            Service::Balancer => {
                let seen = BalancerSeen { rw: Sight::Blind(why()), ..BalancerSeen::default() };
                sighting.balancers.insert(id, seen);
            }
            Service::Controller => {
                sighting.controllers.insert(id, Sight::Blind(why()));
            }
            Service::Client | Service::Broker => {}
        }
    }
    sighting
}
