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
mod controller;
mod etcd;
mod host;
mod postgres;
mod secrets;
mod template;

#[cfg(test)]
pub(crate) mod samples;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use sha2::{Digest, Sha256};

use crate::model::body::{LABEL_HOST, LABEL_LAB, LABEL_MEMBER, LABEL_RECIPE, LABEL_SERVICE};
use crate::model::lab::Restart;
use crate::model::{Body, BodyFile, HostName, ImageRole, LabSpec, Member, Mount, Name, Namespace, Service};

pub use client::UID as CLIENT_UID;
pub use postgres::{UID as POSTGRES_UID, slot};
pub use secrets::Secrets;
pub use template::{BadTemplate, fill};

/// Port of PostgreSQL: 5432 and 5433 of every host are left to a balancer.
pub const POSTGRES_PORT: u16 = 15432;
/// Port of Patroni's REST interface.
pub const PATRONI_PORT: u16 = 8008;
/// Port on which etcd serves clients.
pub const ETCD_PORT: u16 = 2379;
/// Port on which etcd's members talk to one another.
pub const ETCD_PEER_PORT: u16 = 2380;
/// Port on which a balancer serves the primary.
pub const RW_PORT: u16 = 5432;
/// Port on which a balancer serves reads.
pub const RO_PORT: u16 = 5433;
/// Port of a balancer's statistics, over HTTP.
pub const STATISTICS_PORT: u16 = 8404;
/// Port of a balancer's runtime API (HAProxy: `stats socket`), where there are controllers.
pub const ADMIN_PORT: u16 = 8405;
/// Port of the broker.
pub const BROKER_PORT: u16 = 7070;
/// Port of the first controller of the spec; the next one has the next.
pub const CONTROLLER_PORT: u16 = 8410;
/// Where a body finds its configuration and secrets.
pub const CONF_PATH: &str = "/etc/pgha";
pub use crate::model::body::DATA_PATH;

/// Everything a recipe depends on besides the member itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The lab as declared.
    pub spec: &'a LabSpec,
    /// Every member as placed. etcd members are listed to one another and to Patroni from here.
    pub members: &'a [Member],
    /// Network address of the lab's /24.
    pub subnet: Ipv4Addr,
    /// Passwords of the lab.
    pub secrets: &'a Secrets,
    /// Token of the etcd cluster: keeps the etcd of two labs apart.
    pub token: &'a str,
}

impl Context<'_> {
    /// Address of a host: `<subnet>.(11 + k)` for the host declared at position k. A host that is
    /// not declared has the unspecified address, with which no engine creates anything; placement
    /// never names one.
    #[must_use]
    pub fn address(&self, host: &HostName) -> Ipv4Addr {
        let [a, b, c, _] = self.subnet.octets();
        self.spec
            .host_index(host)
            .and_then(|k| u8::try_from(k + 11).ok())
            .map_or(Ipv4Addr::UNSPECIFIED, |d| Ipv4Addr::new(a, b, c, d))
    }

    /// Address of the broker: it stands on no simulated host, as an engine's own interface would not.
    fn broker(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.subnet.octets();
        Ipv4Addr::new(a, b, c, 9)
    }

    /// Where every member of one service listens on `port`.
    fn sockets(&self, service: Service, port: u16) -> impl Iterator<Item = (&Member, SocketAddr)> {
        self.peers(service).map(move |(member, address)| (member, SocketAddr::from((address, port))))
    }

    /// Every member of one service with its address, in the order of `members`.
    fn peers(&self, service: Service) -> impl Iterator<Item = (&Member, Ipv4Addr)> {
        self.members.iter().filter(move |m| m.service == service).map(|m| (m, self.address(&m.host)))
    }
}

/// The container that embodies `member`.
#[must_use]
pub fn recipe(ctx: &Context, member: &Member) -> Body {
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
pub fn broker(ctx: &Context) -> Option<Body> {
    (!ctx.spec.controllers.is_empty()).then(|| labelled(ctx, broker::body(ctx)))
}

/// The sandbox of `host`: the container that owns the host's namespace, address and name.
#[must_use]
pub fn sandbox(ctx: &Context, host: &HostName) -> Body {
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

/// What all services have in common; each sets the rest.
fn service_body(ctx: &Context, member: &Member, image: ImageRole, uid: u32) -> Body {
    let lab = &ctx.spec.name;
    Body {
        member: member.id.clone(),
        service: Some(member.service),
        host: member.host.clone(),
        container: format!("pgha-{lab}-{}", member.id),
        image,
        foreign: None,
        engine: false,
        namespace: Namespace::Of(sandbox_name(lab, &member.host)),
        command: Vec::new(),
        user: format!("{uid}:{uid}"),
        capabilities: Vec::new(),
        mounts: Vec::new(),
        files: Vec::new(),
        tmpfs: vec!["/tmp".to_owned()],
        size: Some(member.size),
        restart: Restart::No,
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
    }
}

/// Name of the sandbox container of a host.
fn sandbox_name(lab: &Name, host: &HostName) -> String {
    format!("pgha-{lab}-host-{host}")
}

/// The small volume with configuration and secrets of a member.
fn conf_mount(ctx: &Context, member: &Member, uid: u32) -> Mount {
    Mount {
        volume: format!("pgha-{}-{}-conf", ctx.spec.name, member.id),
        path: CONF_PATH.to_owned(),
        sized: None,
        owner: (uid, uid),
    }
}

/// The sized volume with the data of a member.
fn data_mount(ctx: &Context, member: &Member, uid: u32) -> Mount {
    Mount {
        volume: format!("pgha-{}-{}-data", ctx.spec.name, member.id),
        path: DATA_PATH.to_owned(),
        sized: Some(member.size.disk),
        owner: (uid, uid),
    }
}

/// A file only the service itself can read.
fn private_file(name: &str, uid: u32, contents: String) -> BodyFile {
    BodyFile { path: format!("{CONF_PATH}/{name}"), mode: 0o600, uid, gid: uid, contents }
}

/// Text as JSON, quotes and all.
fn json(text: impl Into<String>) -> String {
    serde_json::Value::String(text.into()).to_string()
}

/// A program and its arguments.
fn command(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn labelled(ctx: &Context, mut body: Body) -> Body {
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
