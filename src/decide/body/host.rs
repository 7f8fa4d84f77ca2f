//! The sandbox: owner of a simulated host's network namespace, and the only container with a
//! capability, `NET_ADMIN` over that namespace.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::context::RecipeContext;
use super::parts::sandbox_name;
use super::ports::ADMIN_PORT;
use crate::model::lab::RestartRule;
use crate::model::{Body, Capability, HostName, ImageRole, MemberId, Namespace, Service};

pub(super) fn body(ctx: &RecipeContext, host: &HostName) -> Body {
    let address = ctx.address(host);
    Body {
        member: MemberId::of_host(host),
        service: None,
        host: host.clone(),
        container: sandbox_name(&ctx.spec.name, host),
        image: ImageRole::Host,
        foreign: None,
        engine: false,
        namespace: Namespace::Own { address, publish: published(ctx, host) },
        command: ["/usr/bin/tini", "--", "/bin/sh", "-c"]
            .map(str::to_owned)
            .into_iter()
            .chain([start(ctx, host, address)])
            .collect(),
        user: "0:0".to_owned(),
        capabilities: vec![Capability::NetAdmin],
        mounts: Vec::new(),
        files: Vec::new(),
        // the lock of iptables and the names of iproute2
        tmpfs: vec!["/run".to_owned(), "/tmp".to_owned()],
        size: None,
        restart: RestartRule::No,
        stop_signal: "SIGTERM".to_owned(),
        labels: BTreeMap::new(),
    }
}

/// Acknowledging at once on the lab's link keeps the 40 ms of Nagle's algorithm against delayed
/// acknowledgement out of Patroni's requests to etcd, which leave Nagle on. A route that cannot be
/// changed ends the sandbox: a host that is not as described must not pass for one.
fn start(ctx: &RecipeContext, host: &HostName, address: Ipv4Addr) -> String {
    let subnet = ctx.subnet;
    let route =
        format!("ip route change {subnet}/24 dev eth0 proto kernel scope link src {address} quickack 1");
    format!("{route} && {}exec sleep infinity", guard(ctx, host))
}

/// HAProxy's runtime API knows no password: where a balancer may listen for it, only hosts that may carry a
/// controller get through. Nothing at all in a lab without controllers.
fn guard(ctx: &RecipeContext, host: &HostName) -> String {
    let spec = ctx.spec;
    let carries = spec.host(host).is_some_and(|host| spec.may_stand(Service::Balancer, host));
    if spec.controllers.is_empty() || !carries {
        return String::new();
    }
    let from = spec.hosts.iter().filter(|from| spec.may_stand(Service::Controller, from));
    let mut rules = vec!["iptables -w -N PGHA-ADMIN".to_owned()];
    rules.extend(
        from.map(|from| format!("iptables -w -A PGHA-ADMIN -s {} -j RETURN", ctx.address(&from.name))),
    );
    rules.push("iptables -w -A PGHA-ADMIN -j REJECT --reject-with tcp-reset -p tcp".to_owned());
    rules.push(format!("iptables -w -A INPUT -p tcp --dport {ADMIN_PORT} -j PGHA-ADMIN"));
    rules.push(String::new());
    rules.join(" && ")
}

/// Host n of the declaration, counted from 1, publishes on address n of the loopback network.
fn published(ctx: &RecipeContext, host: &HostName) -> Option<Ipv4Addr> {
    let network: Ipv4Addr = ctx.spec.network.publish.split('/').next()?.parse().ok()?;
    let [a, b, c, _] = network.octets();
    let n = u8::try_from(ctx.spec.host_index(host)? + 1).ok()?;
    Some(Ipv4Addr::new(a, b, c, n))
}
