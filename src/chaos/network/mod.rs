//! Faults on the network of simulated hosts: `isolate`, `partition`, `loss`, `bandwidth`, `delay`,
//! `flap`. What is done stands in the namespace of the host's sandbox; what it did is read from the
//! kernel's counters there, and from connection attempts of other hosts.
//!
//! Invariants: several faults on one host are undone one by one, each has chains (and a queue
//! discipline, a helper) of its own. Undoing needs nothing but the fault's record. A sandbox that
//! started anew has no rules: there is nothing to undo, and that is proved like the rest.

mod flap;
pub mod probe;
mod queue;
pub mod rules;
mod width;
mod witness;

use std::net::Ipv4Addr;

use async_trait::async_trait;
use serde_json::json;

use super::family::{Family, Scene, Seen, Victim};
use crate::engine::docker::ExecOutput;
use crate::lab::names;
use crate::model::{ContainerStatus, FaultRecord, HostName, Service, Verb};
use rules::Rule;

/// The note that says what makes packets late: `netem` or `queue`.
const BY: &str = "by";

/// Packets that do not arrive, or late, or not fast.
#[derive(Clone, Copy, Debug)]
pub struct Network;

#[async_trait]
impl Family for Network {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        if matches!(fault.verb, Verb::Isolate { .. } | Verb::Flap { .. }) {
            spare_the_watcher(scene, victims)?;
        }
        for victim in victims {
            rules_of(scene, fault, &victim.name)?;
        }
        if matches!(fault.verb, Verb::Bandwidth { .. } | Verb::Delay { .. }) {
            let mut by = "netem";
            for victim in victims {
                by = one_of_a_kind(scene, &fault.verb, victim, by).await?;
            }
            if matches!(fault.verb, Verb::Delay { .. }) {
                fault.notes.insert(BY.to_owned(), json!(by));
            }
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let (rules, mark) = (rules_of(scene, fault, &victim.name)?, rules::mark(fault));
        if uses_queue(fault) {
            queue::start(scene, fault, victim).await?;
        }
        let script = match &fault.verb {
            Verb::Delay { delay, jitter, .. } if !uses_queue(fault) => {
                width::lay_netem(&mark, delay.0.as_micros(), jitter.0.as_micros())
            }
            Verb::Bandwidth { rate, .. } => {
                width::lay(&mark, *rate) + &restore(&rules::lay(&mark, &rules, true))
            }
            Verb::Flap { on, off, .. } => {
                restore(&rules::lay(&mark, &rules, false)) + &flap::start(&mark, &rules, *on, *off)
            }
            _ if rules.is_empty() => return Ok(()),
            _ => restore(&rules::lay(&mark, &rules, true)),
        };
        let said = run(scene, &victim.name, &script).await?;
        if said.code == 0 { Ok(()) } else { Err(said.stderr.trim().to_owned()) }
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        witness::bit(scene, fault, victim).await
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let mark = rules::mark(fault);
        let mut script = String::new();
        match &fault.verb {
            Verb::Flap { .. } => script += &flap::end(&mark),
            Verb::Bandwidth { .. } | Verb::Delay { .. } => script += &width::take_away(&mark),
            _ => {}
        }
        script += &rules::take_away(&mark, &rules_of(scene, fault, &victim.name)?);
        let said = run(scene, &victim.name, &script).await;
        if uses_queue(fault) {
            queue::end(scene, fault, victim).await?;
        }
        match said {
            Ok(said) if said.code == 0 => Ok(()),
            Ok(said) => Err(said.stderr.trim().to_owned()),
            // rules go with the namespace
            Err(_) if down(scene, &victim.name).await => Ok(()),
            Err(why) => Err(why),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        witness::undone(scene, fault, victim).await
    }
}

/// Refuses what would leave nobody to watch: load and samples come from the client host.
///
/// # Errors
/// A sentence that names the host.
pub fn spare_the_watcher(scene: &Scene<'_>, victims: &[Victim]) -> Result<(), String> {
    let client = client_host(scene);
    match victims.iter().find(|victim| Some(&victim.host) == client) {
        Some(victim) => Err(format!(
            "{} is the client host: without it nobody would see what the lab does; a `partition` of it is possible",
            victim.host
        )),
        None => Ok(()),
    }
}

/// The host that load and samples come from.
fn client_host<'a>(scene: &Scene<'a>) -> Option<&'a HostName> {
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

fn rules_of(scene: &Scene<'_>, fault: &FaultRecord, here: &HostName) -> Result<Vec<Rule>, String> {
    if matches!(fault.verb, Verb::Delay { .. }) && !uses_queue(fault) {
        return Ok(Vec::new());
    }
    rules::rules(fault, here, |host| address(scene, host))
}

fn uses_queue(fault: &FaultRecord) -> bool {
    matches!(fault.verb, Verb::Delay { .. }) && fault.notes.get(BY).is_some_and(|by| by == "queue")
}

fn restore(rules: &str) -> String {
    format!("iptables-restore --noflush <<'RULES' || exit 1\n{rules}RULES\n")
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
async fn down(scene: &Scene<'_>, host: &HostName) -> bool {
    let sandbox = names::sandbox(scene.record.spec.name.as_str(), host.as_str());
    scene.docker.inspect(&sandbox).await.is_ok_and(|now| now.status != ContainerStatus::Running)
}

/// A host has one queue discipline and one queue for late packets. Says how packets can be made late
/// here: `netem` when the kernel has it and `wanted` allows it.
async fn one_of_a_kind(
    scene: &Scene<'_>,
    verb: &Verb,
    victim: &Victim,
    wanted: &'static str,
) -> Result<&'static str, String> {
    let script = "tc qdisc show dev eth0 root; iptables -t mangle -S OUTPUT; \
                  tc qdisc add dev lo root netem delay 1ms 2>/dev/null && tc qdisc del dev lo root && echo 'has netem'";
    let said = run(scene, &victim.name, script).await?.stdout;
    let shaped = said.contains("qdisc tbf") || said.contains("qdisc netem");
    let late = said.contains("qdisc netem") || said.contains(rules::PREFIX);
    match verb {
        Verb::Bandwidth { .. } if shaped => {
            Err(format!("{} has a queue discipline of another fault: heal that first", victim.name))
        }
        Verb::Delay { .. } if late => {
            Err(format!("packets of {} are late already: heal that first", victim.name))
        }
        _ if shaped || !said.contains("has netem") => Ok("queue"),
        _ => Ok(wanted),
    }
}
