//! An etcd member. Heartbeat and election timings stay etcd's own.

use super::context::RecipeContext;
use super::parts::{command, conf_mount, data_mount, json, private_file, service_body};
use super::ports::{ETCD_PEER_PORT, ETCD_PORT};
use super::template::fill_own;
use crate::decide::placement::number;
use crate::model::{Body, Bytes, ImageRole, Member, Service};

/// The user the etcd image knows.
const ETCD_UID: u32 = 998;
const ETCD_TEMPLATE: &str = include_str!("../../../lab/config/etcd.json");

pub(super) fn body(ctx: &RecipeContext, member: &Member) -> Body {
    let mut body = service_body(ctx, member, ImageRole::Etcd, ETCD_UID);
    body.command = command(&["/usr/bin/etcd", "--config-file", "/etc/pgha/etcd.json"]);
    body.mounts = vec![data_mount(ctx, member, ETCD_UID), conf_mount(ctx, member, ETCD_UID)];
    body.files = vec![private_file("etcd.json", ETCD_UID, config(ctx, member))];
    body
}

fn config(ctx: &RecipeContext, member: &Member) -> String {
    let address = ctx.address(&member.host);
    let cluster: Vec<String> = ctx
        .peers(Service::Etcd)
        .map(|(peer, address)| format!("{}=http://{address}:{ETCD_PEER_PORT}", peer.id))
        .collect();
    fill_own(
        ETCD_TEMPLATE,
        &[
            ("name", json(member.id.as_str())),
            ("peer-url", json(format!("http://{address}:{ETCD_PEER_PORT}"))),
            ("client-url", json(format!("http://{address}:{ETCD_PORT}"))),
            ("cluster", json(cluster.join(","))),
            ("token", json(ctx.token)),
            ("state", json(state(ctx, member))),
            ("quota", quota(member.size.disk).to_string()),
        ],
    )
}

/// Those the lab was founded with found the cluster; whoever comes later joins it. A founder that lost its data says
/// *new* to a cluster that knows it, and ends; one that joins would take part as if it had forgotten nothing.
fn state(ctx: &RecipeContext, member: &Member) -> &'static str {
    if number(&member.id) <= ctx.spec.etcd.members { "new" } else { "existing" }
}

/// Largest database, bytes. The disk also holds write-ahead logs of 64 MB (two kept, one
/// prepared) and snapshots as large as the database: a quarter leaves room for them. More than
/// etcd's own default, 2 GiB, is never needed here.
fn quota(disk: Bytes) -> u64 {
    (disk.0 / 4).clamp(Bytes::mib(64).0, Bytes::gib(2).0)
}
