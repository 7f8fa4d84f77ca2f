//! From what a lab declares to the container that embodies one member: image, command, volumes,
//! rendered configuration. Pure: the same context gives the same recipe, to the byte, so `up` and
//! a replacement years later make the same thing.
//!
//! Invariants: no service keeps a capability, and none but the broker, which holds the engine's socket, runs
//! as root; every root is read-only, what must
//! be written goes to a volume or to memory; a password appears in files of mode 0600 only.

mod balancer;
mod broker;
mod client;
mod context;
mod controller;
mod etcd;
mod host;
mod parts;
mod ports;
mod postgres;
mod secrets;
mod template;

#[cfg(test)]
pub(crate) mod samples;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::model::body::{LABEL_HOST, LABEL_LAB, LABEL_MEMBER, LABEL_RECIPE, LABEL_SERVICE};
use crate::model::{Body, HostName, Member, Service};

pub use client::CLIENT_UID;
pub use context::RecipeContext;
pub use ports::{
    ADMIN_PORT, BROKER_PORT, CONF_PATH, CONTROLLER_PORT, ETCD_PEER_PORT, ETCD_PORT, PATRONI_PORT,
    POSTGRES_PORT, RO_PORT, RW_PORT, STATISTICS_PORT,
};
pub use postgres::{POSTGRES_UID, slot};
pub use secrets::Secrets;
pub use template::{BadTemplate, fill};

pub use crate::model::body::DATA_PATH;

/// The container that embodies `member`.
#[must_use]
pub fn recipe(ctx: &RecipeContext, member: &Member) -> Body {
    let body = match member.service {
        Service::Etcd => etcd::body(ctx, member),
        Service::Postgres => postgres::body(ctx, member),
        Service::Balancer => balancer::body(ctx, member),
        Service::Controller => controller::body(ctx, member),
        // the broker is no member, nobody asks for its recipe here
        Service::Client | Service::Broker => client::body(ctx, member),
    };
    labelled(ctx, body)
}

/// The broker, where there are controllers: the only container with the engine's socket.
#[must_use]
pub fn broker(ctx: &RecipeContext) -> Option<Body> {
    (!ctx.spec.controllers.is_empty()).then(|| labelled(ctx, broker::body(ctx)))
}

/// The sandbox of `host`: the container that owns the host's namespace, address and name.
#[must_use]
pub fn sandbox(ctx: &RecipeContext, host: &HostName) -> Body {
    labelled(ctx, host::body(ctx, host))
}

/// Digest of a recipe, 16 hex digits, for telling drift. Labels are no part of it, nor is
/// anything a running body takes up without being made anew: its sizes, and what its files say
/// (which follows sizes and who else is there). What remains is the shape of the container.
#[must_use]
pub fn digest(body: &Body) -> String {
    let mut shape = body.clone();
    shape.labels.clear();
    shape.size = None;
    for mount in &mut shape.mounts {
        mount.sized = mount.sized.map(|_| crate::model::Bytes(0));
    }
    for file in &mut shape.files {
        file.contents.clear();
    }
    // serializing plain data to memory fails only for maps with keys that are no text: there is none
    let text = serde_json::to_vec(&shape).unwrap_or_default();
    let hash = Sha256::digest(&text).iter().take(8).fold(0_u64, |hash, &byte| hash << 8 | u64::from(byte));
    format!("{hash:016x}")
}

fn labelled(ctx: &RecipeContext, mut body: Body) -> Body {
    let service = body.service.map_or("host", Service::as_str);
    body.labels = BTreeMap::from([
        (LABEL_LAB.to_owned(), ctx.spec.name.to_string()),
        (LABEL_SERVICE.to_owned(), service.to_owned()),
        (LABEL_HOST.to_owned(), body.host.to_string()),
        (LABEL_RECIPE.to_owned(), digest(&body)),
    ]);
    if body.service.is_some() {
        body.labels.insert(LABEL_MEMBER.to_owned(), body.member.to_string());
    }
    body
}

#[cfg(test)]
mod tests;
