//! A controller: our program or anybody's image, with a plan in a file of its own volume and nothing else.

use std::net::SocketAddr;

use super::client::CLIENT_UID;
use super::context::RecipeContext;
use super::parts::{command, conf_mount, private_file, service_body};
use super::ports::{
    ADMIN_PORT, BROKER_PORT, CONTROLLER_PORT, ETCD_PORT, PATRONI_PORT, POSTGRES_PORT, STATISTICS_PORT,
};
use crate::model::control::{BalancerPorts, BrokerAccess, ControllerPlan};
use crate::model::lab::{ControllerSpec, OURS};
use crate::model::plan::{Credentials, PostgresPorts};
use crate::model::{Body, ImageRole, Member, Service};

pub(super) fn body(ctx: &RecipeContext, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Pgha, CLIENT_UID);
    body.mounts = vec![conf_mount(ctx, member, CLIENT_UID)];
    let declared = ctx.spec.controllers.iter().enumerate();
    let mut mine = declared.filter(|(_, controller)| Some(controller.name.as_str()) == member.controller());
    if let Some((index, controller)) = mine.next() {
        if controller.image == OURS {
            body.command = command(&["/usr/local/bin/pgha", "controller", controller.name.as_str()]);
        } else {
            // its own program: the command of the image
            body.foreign = Some(controller.image.clone());
        }
        let plan = plan(ctx, member, controller, index);
        // plain data: serialising it cannot fail
        let text = serde_json::to_string(&plan).unwrap_or_default();
        body.files = vec![private_file("controller.json", CLIENT_UID, text)];
    }
    body
}

fn plan(ctx: &RecipeContext, member: &Member, controller: &ControllerSpec, index: usize) -> ControllerPlan {
    let login = |user: &str, password: &str, database: &str| Credentials {
        user: user.to_owned(),
        password: password.to_owned(),
        database: database.to_owned(),
    };
    let port = CONTROLLER_PORT.saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
    let instances =
        ctx.sockets(Service::Postgres, POSTGRES_PORT).zip(ctx.sockets(Service::Postgres, PATRONI_PORT));
    let balancers =
        ctx.sockets(Service::Balancer, STATISTICS_PORT).zip(ctx.sockets(Service::Balancer, ADMIN_PORT));
    ControllerPlan {
        schema: 1,
        controller: controller.name.clone(),
        replica: member.id.clone(),
        listen: SocketAddr::from((ctx.address(&member.host), port)),
        spec: ctx.spec.clone(),
        members: ctx.members.to_vec(),
        hosts: ctx
            .spec
            .hosts
            .iter()
            .map(|host| (host.name.clone(), ctx.address(&host.name).into()))
            .collect(),
        etcd: ctx.sockets(Service::Etcd, ETCD_PORT).map(|(_, at)| at).collect(),
        broker: BrokerAccess {
            address: SocketAddr::from((ctx.broker(), BROKER_PORT)),
            secret: ctx.secrets.broker.clone(),
        },
        postgres: instances
            .map(|((member, sql), (_, rest))| (member.id.clone(), PostgresPorts { sql, rest }))
            .collect(),
        balancers: balancers
            .map(|((member, stats), (_, admin))| (member.id.clone(), BalancerPorts { stats, admin }))
            .collect(),
        superuser: login("postgres", &ctx.secrets.superuser, "postgres"),
        rest: login("pgha", &ctx.secrets.rest, ""),
        policy: controller.policy.clone(),
    }
}
