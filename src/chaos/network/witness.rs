//! Evidence for faults on the network: counters of the kernel, the statistics of the link, and whether
//! a connection attempt is answered. A silent link is baited with attempts of our own, and the
//! receipt says so.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use futures_util::future::join_all;

use super::probe::{self, ProbeAnswer};
use super::rules::{self, Bait, Hook, PacketRule};
use super::sandbox::{address, client_host, down, peers, rules_of, run, uses_queue};
use super::{flap, queue, width};
use crate::chaos::family::{Scene, Victim, VictimSeen};
use crate::model::scenario::NetworkVerb;
use crate::model::{FaultRecord, HostName};

const COUNTERS: &str = "packet counters of the rules";
const LINK: &str = "statistics of the link";
const QUEUE: &str = "the kernel's queue, connection attempts";
const GONE_SOURCE: &str = "chains in the host's namespace, connection attempts";
/// Datagrams that bait a rule which catches only some packets.
const DATAGRAMS: u32 = 200;

/// Whether a fault bit one host.
pub(super) async fn bit(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    victim: &Victim,
) -> VictimSeen {
    let (source, seen) = match verb {
        NetworkVerb::Bandwidth { rate } => (LINK, narrow(scene, fault, victim, rate).await),
        NetworkVerb::Delay { delay, jitter } => {
            let least = delay.0.saturating_sub(jitter.0);
            (QUEUE, late(scene, fault, victim, least, delay.0 + jitter.0).await)
        }
        NetworkVerb::Isolate
        | NetworkVerb::Partition { .. }
        | NetworkVerb::Loss { .. }
        | NetworkVerb::Flap { .. } => (COUNTERS, dropped(scene, fault, verb, victim).await),
    };
    match seen {
        Ok((proved, text)) => VictimSeen::new(proved, source, text),
        Err(why) => VictimSeen::new(false, source, why),
    }
}

/// Every rule caught something.
async fn dropped(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    victim: &Victim,
) -> Result<(bool, String), String> {
    let rules = rules_of(scene, fault, verb, &victim.host)?;
    if rules.is_empty() {
        return Ok((true, "its packets are dropped where they would arrive".to_owned()));
    }
    let mark = rules::mark(fault);
    let flaps = matches!(verb, NetworkVerb::Flap { .. });
    let look = rules::count(&mark, &rules) + &if flaps { flap::look(&mark) } else { String::new() };
    let mut baited = "";
    let (mut printed, mut counts) = counted(scene, victim, &mark, &rules, &look).await?;
    if silent(&rules, &counts) > 0 {
        bait(scene, verb, victim, &rules, &counts).await;
        baited = ", some of them attempts of ours";
        (printed, counts) = counted(scene, victim, &mark, &rules, &look).await?;
    }
    let running = !flaps || printed.contains("loop on");
    let total: u64 = counts.iter().sum();
    let quiet = silent(&rules, &counts);
    let text = match (quiet, running) {
        (_, false) => "the loop in the sandbox does not run".to_owned(),
        (0, true) => format!("{} rules dropped {total} packets{baited}", rules.len()),
        (quiet, true) => format!("{quiet} of {} rules dropped nothing", rules.len()),
    };
    Ok((quiet == 0 && running, text))
}

/// Rules that should have caught something and did not.
fn silent(rules: &[PacketRule], counts: &[u64]) -> usize {
    rules.iter().zip(counts).filter(|(rule, count)| **count == 0 && !rule.shadowed).count()
}

async fn counted(
    scene: &Scene<'_>,
    victim: &Victim,
    mark: &str,
    rules: &[PacketRule],
    look: &str,
) -> Result<(String, Vec<u64>), String> {
    let said = run(scene, &victim.host, look).await?;
    let counts = rules::caught(mark, rules, &said.stdout)
        .ok_or_else(|| format!("the rules are not there: {}", said.stderr.trim()))?;
    Ok((said.stdout, counts))
}

/// Gives the rules that caught nothing yet something to catch.
async fn bait(
    scene: &Scene<'_>,
    verb: NetworkVerb<'_>,
    victim: &Victim,
    rules: &[PacketRule],
    counts: &[u64],
) {
    let quiet = || rules.iter().zip(counts).filter(|(_, count)| **count == 0).map(|(rule, _)| rule);
    let here = &victim.host;
    if let (NetworkVerb::Loss { .. }, Some(peer), Some(to)) =
        (verb, peers(scene, here).first(), address(scene, here))
    {
        let script = format!("for i in $(seq {DATAGRAMS}); do echo > /dev/udp/{to}/9; done 2>/dev/null");
        // whether they left is seen in the counter
        let _ = run(scene, peer, &script).await;
        return;
    }
    let baits: Vec<Bait> = quiet().map(|rule| bait_for(scene, here, rule)).collect();
    let _ = attempts(scene, &baits, probe::SILENCE_BEGINS).await;
}

/// The attempt that a rule must catch.
fn bait_for(scene: &Scene<'_>, here: &HostName, rule: &PacketRule) -> Bait {
    let peer = || peers(scene, here).first().copied().unwrap_or(here).clone();
    rule.bait.clone().unwrap_or_else(|| match rule.hook {
        Hook::In => Bait { from: peer(), to: here.clone(), port: None },
        Hook::Out | Hook::Late => Bait { from: here.clone(), to: peer(), port: None },
    })
}

/// Tries every connection, all hosts at once. `None` for one whose host did not run.
async fn attempts(scene: &Scene<'_>, baits: &[Bait], limit: Duration) -> Vec<Option<ProbeAnswer>> {
    let mut by_host: BTreeMap<&HostName, Vec<(Ipv4Addr, u16)>> = BTreeMap::new();
    for bait in baits {
        if let Some(to) = address(scene, &bait.to) {
            by_host.entry(&bait.from).or_default().push((to, bait.port.unwrap_or(probe::CLOSED)));
        }
    }
    let asked = by_host.iter().map(|(host, whom)| async move {
        let said = run(scene, host, &probe::script(whom, limit)).await;
        ((*host).clone(), said.map(|said| probe::read(&said.stdout)).unwrap_or_default())
    });
    let said: BTreeMap<HostName, Vec<ProbeAnswer>> = join_all(asked).await.into_iter().collect();
    let find = |bait: &Bait| {
        let (to, port) = (address(scene, &bait.to)?, bait.port.unwrap_or(probe::CLOSED));
        said.get(&bait.from)?.iter().find(|probe| probe.to == to && probe.port == port).copied()
    };
    baits.iter().map(find).collect()
}

/// The bucket holds packets back, and the rule counts what arrived too fast.
async fn narrow(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    rate: crate::model::Bytes,
) -> Result<(bool, String), String> {
    let mark = rules::mark(fault);
    let (mut stats, mut baited) = (link(scene, victim, &mark, "").await?, "");
    if stats.1 == 0
        && let Some(to) = peers(scene, &victim.host).first().and_then(|peer| address(scene, peer))
    {
        stats = link(scene, victim, &mark, &width::fill(to, rate)).await?;
        baited = ", most of them datagrams of ours";
    }
    let (sent, held) = stats;
    let text =
        format!("{sent} packets left through a bucket of {rate}/s, {held} times one was held back{baited}");
    Ok((held > 0, text))
}

async fn link(scene: &Scene<'_>, victim: &Victim, mark: &str, before: &str) -> Result<(u64, u64), String> {
    let said = run(scene, &victim.host, &format!("{before}{}", width::LINK_STATISTICS)).await?;
    width::read(mark, &said.stdout)
        .ok_or_else(|| format!("no queue discipline of ours: {}", said.stdout.trim()))
}

/// Packets went through the queue, and an answer takes as long as it must.
async fn late(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
    least: Duration,
    most: Duration,
) -> Result<(bool, String), String> {
    let mark = rules::mark(fault);
    let whom: Vec<(Ipv4Addr, u16)> = peers(scene, &victim.host)
        .first()
        .and_then(|peer| address(scene, peer))
        .map(|to| (to, probe::CLOSED))
        .into_iter()
        .collect();
    let look = if uses_queue(fault) { queue::QUEUE_STATISTICS } else { width::LINK_STATISTICS };
    let said =
        run(scene, &victim.host, &(probe::script(&whom, most + probe::SILENCE_BEGINS) + look)).await?.stdout;
    let through = if uses_queue(fault) {
        queue::read(rules::queue(&mark), &said)
    } else {
        width::read(&mark, &said).map(|(sent, _)| sent)
    };
    let Some(through) = through else {
        let why = queue::broken(scene, fault, victim).await.unwrap_or_default();
        return Ok((false, format!("nobody reads the queue {why}")));
    };
    let took = probe::read(&said).first().filter(|probe| probe.answered).map(|probe| probe.took);
    let ms =
        took.map_or_else(|| "no answer".to_owned(), |took| format!("{:.1} ms", took.as_secs_f64() * 1e3));
    let proved = through > 0 && took.is_some_and(|took| took >= least);
    Ok((proved, format!("{through} packets were late, an attempt from here took {ms}")))
}

/// Whether nothing of a fault is left on one host, and packets come through again.
pub(super) async fn undone(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    victim: &Victim,
) -> VictimSeen {
    let seen = match left(scene, fault, victim).await {
        Ok(None) => through(scene, fault, verb, victim).await,
        Ok(Some(left)) => (false, left),
        Err(_) if down(scene, &victim.host).await => {
            (true, "the sandbox does not run: its rules went with its namespace".to_owned())
        }
        Err(why) => (false, why),
    };
    VictimSeen::new(seen.0, GONE_SOURCE, seen.1)
}

/// What is left of a fault on one host.
async fn left(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<Option<String>, String> {
    let mark = rules::mark(fault);
    let look = format!(
        "iptables-save | grep -c -- {}{mark}\n{}{}",
        rules::PREFIX,
        flap::look(&mark),
        width::LINK_STATISTICS
    );
    let said = run(scene, &victim.host, &look).await?.stdout;
    let lines: u32 = said.lines().next().and_then(|line| line.parse().ok()).ok_or("iptables said nothing")?;
    Ok(if lines > 0 {
        Some(format!("{lines} lines of its rules are left"))
    } else if said.contains("loop on") {
        Some("its loop still runs".to_owned())
    } else if width::read(&mark, &said).is_some() {
        Some("its queue discipline is left".to_owned())
    } else if uses_queue(fault) && !queue::gone(scene, fault, victim).await {
        Some("its helper is left".to_owned())
    } else {
        None
    })
}

/// Whether packets come through where the fault was, when nothing else keeps them from it.
async fn through(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    victim: &Victim,
) -> (bool, String) {
    let here = &victim.host;
    let mut baits: Vec<Bait> = match rules_of(scene, fault, verb, here) {
        Ok(rules) => rules.into_iter().filter_map(|rule| rule.bait).collect(),
        Err(why) => return (false, why),
    };
    if matches!(verb, NetworkVerb::Partition { .. }) {
        if baits.is_empty() {
            return (true, "no rule was laid here".to_owned());
        }
    } else {
        let client = client_host(scene).filter(|client| *client != here);
        let Some(to) = client.or_else(|| peers(scene, here).first().copied()) else {
            return (true, "its rules are gone; there is no other host to speak to".to_owned());
        };
        baits = vec![Bait { from: here.clone(), to: to.clone(), port: None }];
    }
    let tried = attempts(scene, &baits, probe::ANSWER_TIMEOUT).await;
    let silent: Vec<&Bait> = baits
        .iter()
        .zip(&tried)
        .filter(|(_, probe)| !probe.is_some_and(|probe| probe.answered))
        .map(|(bait, _)| bait)
        .collect();
    for bait in &silent {
        if !excused(scene, bait).await {
            return (false, format!("its rules are gone, but {} does not reach {}", bait.from, bait.to));
        }
    }
    let answered = baits.len() - silent.len();
    let rest = if silent.is_empty() { "" } else { ", the others are kept from it by other faults" };
    (true, format!("its rules are gone, {answered} of {} attempts were answered{rest}", baits.len()))
}

/// Whether another fault keeps two hosts apart: one is off, or has rules.
async fn excused(scene: &Scene<'_>, bait: &Bait) -> bool {
    for host in [&bait.from, &bait.to] {
        match run(scene, host, &format!("iptables-save | grep -c -- {}", rules::PREFIX)).await {
            Ok(said) if said.stdout.trim() != "0" => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}
