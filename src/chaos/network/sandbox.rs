//! The sandbox of a host: its address, the hosts beside it, the rules that a fault lays there, and scripts in it.

use std::net::Ipv4Addr;

use super::rules::{self, PacketRule};
use crate::chaos::family::Scene;
use crate::engine::docker::ExecOutput;
use crate::lab::names;
use crate::model::scenario::NetworkVerb;
use crate::model::{ContainerStatus, FaultRecord, HostName, Service};

/// The note that says what makes packets late: `netem` or `queue`.
pub(super) const BY: &str = "by";

/// The host that load and samples come from.
pub(super) fn client_host<'a>(scene: &Scene<'a>) -> Option<&'a HostName> {
    scene.record.members.iter().find(|member| member.service == Service::Client).map(|member| &member.host)
}

/// Address of a host of the lab.
#[must_use]
pub fn address(scene: &Scene<'_>, host: &HostName) -> Option<Ipv4Addr> {
    scene.record.spec.host_index(host).map(|index| names::host_address(scene.record.subnet, index))
}

/// Hosts to try a host's network with, the client's first: it is never off.
#[must_use]
pub fn peers<'a>(scene: &Scene<'a>, of: &HostName) -> Vec<&'a HostName> {
    let hosts = scene.record.spec.hosts.iter().map(|host| &host.name);
    let mut peers: Vec<&HostName> =
        client_host(scene).into_iter().chain(hosts).filter(|host| *host != of).collect();
    let mut seen = std::collections::BTreeSet::new();
    peers.retain(|host| seen.insert(*host));
    peers
}

pub(super) fn rules_of(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    here: &HostName,
) -> Result<Vec<PacketRule>, String> {
    if matches!(verb, NetworkVerb::Delay { .. }) && !uses_queue(fault) {
        return Ok(Vec::new());
    }
    rules::rules(fault, verb, here, |host| address(scene, host))
}

pub(super) fn uses_queue(fault: &FaultRecord) -> bool {
    fault.notes.get(BY).is_some_and(|by| by == "queue")
}

/// Runs a bash script in a host's sandbox.
///
/// # Errors
/// When the sandbox does not run.
pub async fn run(scene: &Scene<'_>, host: &HostName, script: &str) -> Result<ExecOutput, String> {
    let sandbox = names::sandbox(scene.record.spec.name.as_str(), host.as_str());
    let command = ["bash", "-c", script].map(str::to_owned);
    scene.docker.exec(&sandbox, &command).await.map_err(|error| format!("{sandbox}: {error}"))
}

/// Whether a host's sandbox does not run.
pub(super) async fn down(scene: &Scene<'_>, host: &HostName) -> bool {
    let sandbox = names::sandbox(scene.record.spec.name.as_str(), host.as_str());
    scene.docker.inspect(&sandbox).await.is_ok_and(|now| now.status != ContainerStatus::Running)
}
