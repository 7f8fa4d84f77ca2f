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
mod sandbox;
mod width;
mod witness;

use async_trait::async_trait;
use serde_json::json;

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::model::FaultRecord;
use crate::model::scenario::NetworkVerb;
use sandbox::{BY, client_host, down, rules_of, uses_queue};
pub use sandbox::{address, peers, run};

/// Packets that do not arrive, or late, or not fast.
#[derive(Clone, Copy, Debug)]
pub struct NetworkFaults<'a>(pub NetworkVerb<'a>);

#[async_trait]
impl Family for NetworkFaults<'_> {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        if matches!(self.0, NetworkVerb::Isolate | NetworkVerb::Flap { .. }) {
            spare_the_watcher(scene, victims)?;
        }
        for victim in victims {
            rules_of(scene, fault, self.0, &victim.host)?;
        }
        if matches!(self.0, NetworkVerb::Bandwidth { .. } | NetworkVerb::Delay { .. }) {
            let mut by = "netem";
            for victim in victims {
                by = one_of_a_kind(scene, self.0, victim, by).await?;
            }
            if matches!(self.0, NetworkVerb::Delay { .. }) {
                fault.notes.insert(BY.to_owned(), json!(by));
            }
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let (rules, mark) = (rules_of(scene, fault, self.0, &victim.host)?, rules::mark(fault));
        if let NetworkVerb::Delay { delay, jitter } = self.0
            && uses_queue(fault)
        {
            queue::start(scene, fault, victim, delay, jitter).await?;
        }
        let script = match self.0 {
            NetworkVerb::Delay { delay, jitter } if !uses_queue(fault) => {
                width::lay_netem(&mark, delay.0.as_micros(), jitter.0.as_micros())
            }
            NetworkVerb::Bandwidth { rate } => {
                width::lay(&mark, rate) + &restore(&rules::lay(&mark, &rules, true))
            }
            NetworkVerb::Flap { on, off } => {
                restore(&rules::lay(&mark, &rules, false)) + &flap::start(&mark, &rules, on, off)
            }
            NetworkVerb::Isolate
            | NetworkVerb::Partition { .. }
            | NetworkVerb::Loss { .. }
            | NetworkVerb::Delay { .. }
                if rules.is_empty() =>
            {
                return Ok(());
            }
            NetworkVerb::Isolate
            | NetworkVerb::Partition { .. }
            | NetworkVerb::Loss { .. }
            | NetworkVerb::Delay { .. } => restore(&rules::lay(&mark, &rules, true)),
        };
        let said = run(scene, &victim.host, &script).await?;
        if said.code == 0 { Ok(()) } else { Err(said.stderr.trim().to_owned()) }
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        witness::bit(scene, fault, self.0, victim).await
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let mark = rules::mark(fault);
        let mut script = String::new();
        match self.0 {
            NetworkVerb::Flap { .. } => script += &flap::end(&mark),
            NetworkVerb::Bandwidth { .. } | NetworkVerb::Delay { .. } => script += &width::take_away(&mark),
            NetworkVerb::Isolate | NetworkVerb::Partition { .. } | NetworkVerb::Loss { .. } => {}
        }
        script += &rules::take_away(&mark, &rules_of(scene, fault, self.0, &victim.host)?);
        let said = run(scene, &victim.host, &script).await;
        if uses_queue(fault) {
            queue::end(scene, fault, victim).await?;
        }
        match said {
            Ok(said) if said.code == 0 => Ok(()),
            Ok(said) => Err(said.stderr.trim().to_owned()),
            // rules go with the namespace
            Err(_) if down(scene, &victim.host).await => Ok(()),
            Err(why) => Err(why),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        witness::undone(scene, fault, self.0, victim).await
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

fn restore(rules: &str) -> String {
    format!("iptables-restore --noflush <<'RULES' || exit 1\n{rules}RULES\n")
}

/// A host has one queue discipline and one queue for late packets. Says how packets can be made late
/// here: `netem` when the kernel has it and `wanted` allows it.
async fn one_of_a_kind(
    scene: &Scene<'_>,
    verb: NetworkVerb<'_>,
    victim: &Victim,
    wanted: &'static str,
) -> Result<&'static str, String> {
    let script = "tc qdisc show dev eth0 root; iptables -t mangle -S OUTPUT; \
                  tc qdisc add dev lo root netem delay 1ms 2>/dev/null && tc qdisc del dev lo root && echo 'has netem'";
    let said = run(scene, &victim.host, script).await?.stdout;
    let shaped = said.contains("qdisc tbf") || said.contains("qdisc netem");
    let late = said.contains("qdisc netem") || said.contains(rules::PREFIX);
    match verb {
        NetworkVerb::Bandwidth { .. } if shaped => {
            Err(format!("{} has a queue discipline of another fault: heal that first", victim.host))
        }
        NetworkVerb::Delay { .. } if late => {
            Err(format!("packets of {} are late already: heal that first", victim.host))
        }
        _ if shaped || !said.contains("has netem") => Ok("queue"),
        _ => Ok(wanted),
    }
}
