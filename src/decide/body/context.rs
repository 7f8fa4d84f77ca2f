//! What recipes depend on besides the member itself.

use std::net::{Ipv4Addr, SocketAddr};

use super::secrets::Secrets;
use crate::model::{HostName, LabSpec, Member, Service};

/// Everything a recipe depends on besides the member itself.
#[derive(Clone, Copy, Debug)]
pub struct RecipeContext<'a> {
    /// The lab as its file declares it.
    pub spec: &'a LabSpec,
    /// Every member as placed. etcd members are listed to one another and to Patroni from here.
    pub members: &'a [Member],
    /// Network address of the lab's /24.
    pub subnet: Ipv4Addr,
    /// Passwords that the bodies are given.
    pub secrets: &'a Secrets,
    /// Token of the etcd cluster: keeps the etcd of two labs apart.
    pub token: &'a str,
}

impl RecipeContext<'_> {
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
    pub(super) fn broker(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.subnet.octets();
        Ipv4Addr::new(a, b, c, 9)
    }

    /// Where every member of one service listens on `port`.
    pub(super) fn sockets(&self, service: Service, port: u16) -> impl Iterator<Item = (&Member, SocketAddr)> {
        self.peers(service).map(move |(member, address)| (member, SocketAddr::from((address, port))))
    }

    /// Every member of one service with its address, in the order of `members`.
    pub(super) fn peers(&self, service: Service) -> impl Iterator<Item = (&Member, Ipv4Addr)> {
        self.members.iter().filter(move |m| m.service == service).map(|m| (m, self.address(&m.host)))
    }
}
