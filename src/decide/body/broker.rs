//! The broker: the one process between controllers and the engine. It has an address of its own and stands
//! on no simulated host: like a power controller beside real computers, it is reached also while these are
//! cut off from one another.

use super::context::RecipeContext;
use super::parts::command;
use super::ports::{BROKER_PORT, ETCD_PORT};
use crate::model::control::BrokerPlan;
use crate::model::lab::RestartRule;
use crate::model::{Body, BodyFile, HostName, ImageRole, Mount, Namespace, Service};
use std::collections::BTreeMap;
use std::net::SocketAddr;

/// Its own directory: the image gives the other one to a user that root without capabilities is not.
const CONF: &str = "/etc/pgha-broker";

pub(super) fn body(ctx: &RecipeContext) -> Body {
    let lab = &ctx.spec.name;
    let plan = BrokerPlan {
        lab: lab.clone(),
        listen: SocketAddr::from((ctx.broker(), BROKER_PORT)),
        secret: ctx.secrets.broker.clone(),
        etcd: ctx.sockets(Service::Etcd, ETCD_PORT).map(|(_, at)| at).collect(),
        controllers: ctx.spec.controllers.iter().map(|controller| controller.name.clone()).collect(),
    };
    Body {
        member: Service::Broker.into(),
        service: Some(Service::Broker),
        host: HostName::of_broker(),
        container: format!("pgha-{lab}-broker"),
        image: ImageRole::Pgha,
        foreign: None,
        engine: true,
        namespace: Namespace::Own { address: ctx.broker(), publish: None },
        command: command(&["/usr/local/bin/pgha", "broker"]),
        // the owner of the engine's socket, without a single capability
        user: "0:0".to_owned(),
        capabilities: Vec::new(),
        mounts: vec![Mount {
            volume: format!("pgha-{lab}-broker-conf"),
            path: CONF.to_owned(),
            sized: None,
            owner: (0, 0),
        }],
        files: vec![BodyFile {
            path: crate::model::control::BROKER_PLAN.to_owned(),
            mode: 0o600,
            uid: 0,
            gid: 0,
            // plain data: serialising it cannot fail
            contents: serde_json::to_string(&plan).unwrap_or_default(),
        }],
        tmpfs: vec!["/tmp".to_owned()],
        size: Some(ctx.spec.start_size(Service::Broker)),
        restart: RestartRule::No,
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
    }
}
