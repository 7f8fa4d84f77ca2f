//! What a lab looks like now, as one value with documented keys ([`Status`]): two looks, and what they say together.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;

use super::ready::{ReadyWhen, not_ready, primary};
use super::record::{self, LabRecord};
use super::{LabError, names, reach};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::model::body::DATA_PATH;
use crate::model::scaling::Usages;
use crate::model::self_report::Work;
use crate::model::sighting::{BalancerSeen, EtcdSeen, PostgresSeen, ServerSeen};
use crate::model::status::{HostStatus, MemberStatus, Status};
use crate::model::{Container, HostName, Lsn, Member, MemberId, Observed, Service, Sight, Sighting};

/// Longest wait for what a body uses.
const USAGE: Duration = Duration::from_secs(1);
/// Two readings that are to be a rate lie so far apart at least: the kernel counts a limit by periods of 100 ms.
const APART: Duration = Duration::from_millis(500);

/// The engine's word for the state of each container of a lab, by its name.
pub type States = BTreeMap<String, String>;

/// The states of containers that the engine shows.
#[must_use]
pub fn states(seen: &Observed) -> States {
    let state =
        |(name, container): (&String, &Container)| (name.clone(), container.status.as_str().to_owned());
    seen.containers.iter().map(state).collect()
}

/// What bodies use, read twice: cores are the difference.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Used {
    /// The reading before.
    pub before: Usages,
    /// The newest one.
    pub now: Usages,
}

/// Looks at a lab.
///
/// # Errors
/// When there is no such lab, or its client host does not run.
pub async fn status(docker: &Docker, lab: &str) -> Result<Status, LabError> {
    let record = record::require(docker, lab).await?;
    let seen = docker.observe(Some(lab)).await?;
    let states = states(&seen);
    let (began, before) = (clock::now(), usage(docker, &record).await);
    // a client that is gone blinds us, but what the engine shows can still be shown
    let sighting = match reach::look(docker, &record).await {
        Ok(sighting) => sighting,
        Err(LabError::Engine(_) | LabError::Client(_)) => blind(&record),
        Err(other) => return Err(other),
    };
    clock::sleep_until(began.plus(APART)).await;
    let used = Used { before, now: usage(docker, &record).await };
    Ok(describe(&record, &sighting, &used, Some(&states)))
}

/// What one look at the services and one at the engine say together. Without `states` nobody asked the engine.
#[must_use]
pub fn describe(record: &LabRecord, sighting: &Sighting, used: &Used, states: Option<&States>) -> Status {
    let lab = record.spec.name.as_str();
    let state = |container: &str| match states {
        Some(states) => states.get(container).map_or("absent", String::as_str).to_owned(),
        None => "not looked at".to_owned(),
    };
    let controllers = sighting.controllers.values().filter_map(Sight::seen);
    let work: BTreeMap<&MemberId, Work> =
        controllers.flat_map(|seen| seen.work.iter().map(|(member, work)| (member, *work))).collect();
    let waiting = not_ready(&record.members, ReadyWhen::of(&record.spec), sighting);
    let head = primary(sighting)
        .and_then(|member| sighting.postgres.get(member))
        .and_then(|seen| seen.sql.seen())
        .and_then(|sql| sql.lsn);
    let described = |member: &Member| {
        let mut status = body(record, member, used);
        status.state = state(&names::container(lab, member.id.as_str()));
        status.work = work.get(&member.id).copied();
        speak(&mut status, sighting, head);
        status
    };
    Status {
        schema_version: 1,
        lab: lab.to_owned(),
        preset: record.preset.clone(),
        ready: waiting.is_empty(),
        primary: primary(sighting).cloned(),
        hosts: hosts(record, &state),
        members: record.members.iter().map(described).collect(),
        waiting: waiting.into_iter().map(|waiting| (waiting.member, waiting.why)).collect(),
    }
}

/// What is known of a member from the outside.
fn body(record: &LabRecord, member: &Member, used: &Used) -> MemberStatus {
    let now = used.now.get(&member.id);
    let cores = now.and_then(|now| now.since(used.before.get(&member.id)?));
    MemberStatus {
        name: member.id.clone(),
        service: member.service,
        host: member.host.clone(),
        state: String::new(),
        size: member.size,
        most: record.spec.limits(member.service).map(|(_, most)| most),
        cpu_used: cores.map(|cores| cores.used),
        cpu_held_back: cores.map(|cores| cores.held_back),
        memory_used: now.map(|usage| usage.memory),
        disk_used: now.and_then(|usage| usage.disk).and_then(|disk| disk.used(member.size.disk)),
        work: None,
        role: None,
        timeline: None,
        wal: None,
        lag_bytes: None,
        routes_rw: None,
        routes_ro: None,
        sessions: None,
        controller: None,
    }
}

/// Adds what the service in the body says of itself; `head` is what the primary has written.
fn speak(status: &mut MemberStatus, sighting: &Sighting, head: Option<Lsn>) {
    match status.service {
        Service::Postgres => {
            if let Some(sql) = sighting.postgres.get(&status.name).and_then(|seen| seen.sql.seen()) {
                status.role = Some(if sql.in_recovery { "replica" } else { "primary" }.to_owned());
                status.timeline = sql.timeline;
                status.wal = if sql.in_recovery { sql.replayed } else { sql.lsn };
                status.lag_bytes = match (head, sql.in_recovery, sql.replayed) {
                    (Some(head), true, Some(replayed)) => Some(head.0.saturating_sub(replayed.0)),
                    _ => None,
                };
            }
        }
        Service::Etcd => {
            if let Some(Sight::Seen(etcd)) = sighting.etcd.get(&status.name) {
                let leads = etcd.leader.as_deref() == Some(etcd.id.as_str());
                status.role = Some(if leads { "leader" } else { "follower" }.to_owned());
            }
        }
        Service::Balancer => {
            if let Some(balancer) = sighting.balancers.get(&status.name) {
                status.routes_rw = balancer.rw.seen().map(up);
                status.routes_ro = balancer.ro.seen().map(up);
                let on = |servers: &BTreeMap<HostName, ServerSeen>| -> u32 {
                    servers.values().map(|server| server.sessions).sum()
                };
                status.sessions = match (balancer.rw.seen(), balancer.ro.seen()) {
                    (None, None) => None,
                    (rw, ro) => Some(rw.map_or(0, on) + ro.map_or(0, on)),
                };
            }
        }
        Service::Controller => {
            if let Some(Sight::Seen(seen)) = sighting.controllers.get(&status.name) {
                status.role = Some(if seen.active { "active" } else { "standby" }.to_owned());
                status.controller = Some(seen.clone());
            }
        }
        Service::Client | Service::Broker => {}
    }
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
