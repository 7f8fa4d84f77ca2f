//! Reaching into a lab: the plans that the program inside the client host is given, and the
//! conversations with it. What runs there is room `load`; here is only how it is started.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::record::LabRecord;
use super::{LabError, names};
use crate::decide::body::{
    CONTROLLER_PORT, ETCD_PORT, PATRONI_PORT, POSTGRES_PORT, RO_PORT, RW_PORT, STATISTICS_PORT,
};
use crate::engine::clock;
use crate::engine::docker::{Docker, ExecStream};
use crate::model::plan::{
    BalancerDoors, Credentials, OperateOutcome, OperatePlan, Operation, PostgresPorts, WatchPlan,
};
use crate::model::{Member, Service, Sighting, Span};

/// Longest wait of the sampler for any one answer.
const LOOK_TIMEOUT: Span = Span::millis(1000);

/// The program in the client, with one of its hidden verbs.
#[must_use]
pub fn program(verb: &str) -> Vec<String> {
    ["/usr/local/bin/pgha", "client", verb].map(str::to_owned).to_vec()
}

/// Addresses of one service, by member, at `port`.
#[must_use]
pub fn addresses(
    record: &LabRecord,
    service: Service,
    port: u16,
) -> BTreeMap<crate::model::MemberId, SocketAddr> {
    record
        .of(service)
        .map(|(member, address)| (member.id.clone(), SocketAddr::new(IpAddr::V4(address), port)))
        .collect()
}

/// Where a member serves clients: an instance itself, or a balancer's port of the primary; `None` for others.
#[must_use]
pub fn door(record: &LabRecord, member: &Member) -> Option<SocketAddr> {
    let port = match member.service {
        Service::Postgres => POSTGRES_PORT,
        Service::Balancer => RW_PORT,
        _ => return None,
    };
    record.address(member).map(|address| SocketAddr::new(IpAddr::V4(address), port))
}

/// Every host that may carry PostgreSQL, at its port, in the order of the lab file: what a connection string names
/// that leaves out the balancers. As a balancer's configuration it outlives members that come and go.
#[must_use]
pub fn database_hosts(record: &LabRecord) -> Vec<SocketAddr> {
    let hosts = record.spec.hosts.iter().enumerate();
    hosts
        .filter(|(_, host)| record.spec.may_stand(Service::Postgres, host))
        .map(|(index, _)| SocketAddr::from((names::host_address(record.subnet, index), POSTGRES_PORT)))
        .collect()
}

/// psql inside an instance's own body: over its socket the superuser needs no password and no network.
/// Columns of its answer are parted by `|`.
#[must_use]
pub fn psql(statement: &str) -> Vec<String> {
    let port = POSTGRES_PORT.to_string();
    ["/usr/local/lib/postgresql/psql", "-X", "-A", "-t", "-h", "/run/postgresql", "-p", &port]
        .into_iter()
        .chain(["-U", "postgres", "-d", "postgres", "-c", statement])
        .map(str::to_owned)
        .collect()
}

/// Credentials that Patroni's REST wants for its verbs.
#[must_use]
pub fn patroni_login(record: &LabRecord) -> Credentials {
    Credentials { user: "pgha".to_owned(), password: record.secrets.rest.clone(), database: String::new() }
}

/// Longest wait for an operator's verb: a restart of several instances, each with its checkpoint.
const OPERATE: Span = Span::secs(180);

/// Has the client host ask Patroni for an operator's verb.
///
/// # Errors
/// When the client does not run or says nothing sensible. What Patroni refuses is an outcome.
pub async fn operate(
    docker: &Docker,
    record: &LabRecord,
    operation: Operation,
) -> Result<OperateOutcome, LabError> {
    let plan = OperatePlan {
        operation,
        rest: addresses(record, Service::Postgres, PATRONI_PORT),
        login: patroni_login(record),
        etcd: addresses(record, Service::Etcd, ETCD_PORT).into_values().collect(),
        controllers: !record.spec.controllers.is_empty(),
        lab: record.spec.name.clone(),
        timeout: OPERATE,
    };
    let mut stream = start(docker, record.spec.name.as_str(), "operate", &plan).await?;
    let limit = OPERATE.0 + std::time::Duration::from_secs(5);
    match clock::timeout(limit, stream.next_line()).await {
        Ok(Ok(Some(line))) => {
            serde_json::from_str(&line).map_err(|error| LabError::Client(format!("{error} in `{line}`")))
        }
        Ok(Ok(None)) => Err(LabError::Client(format!("it said nothing: {}", stream.stderr().trim()))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(LabError::Client(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// Credentials of PostgreSQL's superuser.
#[must_use]
pub fn superuser(record: &LabRecord) -> Credentials {
    Credentials {
        user: "postgres".to_owned(),
        password: record.secrets.superuser.clone(),
        database: "postgres".to_owned(),
    }
}

/// Credentials of the application.
#[must_use]
pub fn application(record: &LabRecord) -> Credentials {
    Credentials {
        user: "pgha".to_owned(),
        password: record.secrets.application.clone(),
        database: "pgha".to_owned(),
    }
}

/// Where every replica of every controller serves.
fn controllers(record: &LabRecord) -> BTreeMap<crate::model::MemberId, SocketAddr> {
    let port = |member: &Member| {
        let named = |controller: &crate::model::lab::ControllerSpec| {
            Some(controller.name.as_str()) == member.controller()
        };
        let index = u16::try_from(record.spec.controllers.iter().position(named)?).ok()?;
        CONTROLLER_PORT.checked_add(index)
    };
    let of = record.of(Service::Controller);
    of.filter_map(|(member, address)| Some((member.id.clone(), SocketAddr::from((address, port(member)?)))))
        .collect()
}

/// What the sampler looks at.
#[must_use]
pub fn watch_plan(record: &LabRecord, every: Span, probe_writes: Option<Span>, once: bool) -> WatchPlan {
    let socket = |address, port| SocketAddr::new(IpAddr::V4(address), port);
    WatchPlan {
        every,
        write_probe_every: probe_writes,
        postgres: record
            .of(Service::Postgres)
            .map(|(member, address)| {
                let addresses = PostgresPorts {
                    sql: socket(address, POSTGRES_PORT),
                    rest: socket(address, PATRONI_PORT),
                };
                (member.id.clone(), addresses)
            })
            .collect(),
        etcd: addresses(record, Service::Etcd, ETCD_PORT),
        balancers: record
            .of(Service::Balancer)
            .map(|(member, address)| {
                let addresses = BalancerDoors {
                    stats: socket(address, STATISTICS_PORT),
                    rw: socket(address, RW_PORT),
                    ro: socket(address, RO_PORT),
                };
                (member.id.clone(), addresses)
            })
            .collect(),
        controllers: controllers(record),
        superuser: superuser(record),
        application: Some(application(record)),
        timeout: LOOK_TIMEOUT,
        once,
    }
}

/// Starts a verb of the client program and hands it its plan.
///
/// # Errors
/// When the client does not run.
pub async fn start(
    docker: &Docker,
    lab: &str,
    verb: &str,
    plan: &impl serde::Serialize,
) -> Result<ExecStream, LabError> {
    let plan = serde_json::to_string(plan).map_err(|error| LabError::Client(error.to_string()))?;
    let mut stream = docker.exec_stream(&names::container(lab, "client"), &program(verb)).await?;
    stream.send_line(&plan).await?;
    Ok(stream)
}

/// One look at the lab from its client host.
///
/// # Errors
/// When the client does not run or says nothing sensible.
pub async fn look(docker: &Docker, record: &LabRecord) -> Result<Sighting, LabError> {
    let plan = watch_plan(record, Span::secs(1), None, true);
    let mut stream = start(docker, record.spec.name.as_str(), "watch", &plan).await?;
    let line = clock::timeout(std::time::Duration::from_secs(20), stream.next_line()).await;
    match line {
        Ok(Ok(Some(line))) => {
            serde_json::from_str(&line).map_err(|error| LabError::Client(format!("{error} in `{line}`")))
        }
        Ok(Ok(None)) => Err(LabError::Client(format!("it said nothing: {}", stream.stderr().trim()))),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(LabError::Client("no answer within 20 s".to_owned())),
    }
}
