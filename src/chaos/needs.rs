//! What verbs need of the kernel and the engine, and whether it is there: asked before a run starts, so
//! that what cannot be done is refused by name and reason and not found out in the middle.

use std::collections::BTreeMap;

use crate::engine::docker::Docker;
use crate::engine::locked::Locked;
use crate::lab::images::References;
use crate::model::scenario::{Cache, DiskVerb, FamilyVerb, NetworkVerb};
use crate::model::{ImageRole, Verb};

/// Something that is not everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// Rules of the packet filter.
    PacketFilter,
    /// Netem, or a queue to user space.
    NetemOrQueue,
    /// The token bucket, and rules that count bytes.
    Tbf,
    /// Rules that match a share of packets.
    Statistic,
    /// Volumes that are disks of their own.
    Disks,
    /// Throttles of block devices.
    BlockThrottle,
    /// A clock of its own for one process.
    FakeClock,
    /// The machine's processes, seen and signalled.
    MachineProcesses,
}

/// What is known already: the kernel does not change while this program runs.
static KNOWN: Locked<BTreeMap<Need, Option<String>>> = Locked::new(BTreeMap::new());

/// What a verb needs.
#[must_use]
pub fn of(verb: &Verb) -> Vec<Need> {
    match verb.family() {
        FamilyVerb::Network(verb) => vec![match verb {
            NetworkVerb::Isolate | NetworkVerb::Partition { .. } | NetworkVerb::Flap { .. } => {
                Need::PacketFilter
            }
            NetworkVerb::Loss { .. } => Need::Statistic,
            NetworkVerb::Delay { .. } => Need::NetemOrQueue,
            NetworkVerb::Bandwidth { .. } => Need::Tbf,
        }],
        FamilyVerb::Power(Cache::Kept) => vec![Need::PacketFilter],
        FamilyVerb::Power(Cache::Lost) => vec![Need::PacketFilter, Need::Disks],
        FamilyVerb::Disk(DiskVerb::Slow { .. }) => vec![Need::Disks, Need::BlockThrottle],
        FamilyVerb::Disk(DiskVerb::Fill { .. } | DiskVerb::Freeze | DiskVerb::Corrupt { .. }) => {
            vec![Need::Disks]
        }
        FamilyVerb::Clock { .. } => vec![Need::FakeClock],
        FamilyVerb::Process(_) => vec![Need::MachineProcesses],
        FamilyVerb::Body(_)
        | FamilyVerb::Wipe
        | FamilyVerb::Resource(_)
        | FamilyVerb::Connections { .. }
        | FamilyVerb::Engine(_)
        | FamilyVerb::Operator(_) => Vec::new(),
    }
}

/// A sentence for every verb whose need is not there; empty when all can be done.
pub async fn missing(docker: &Docker, images: &References, verbs: &[&Verb]) -> Vec<String> {
    let mut sentences = Vec::new();
    for verb in verbs {
        for need in of(verb) {
            if let Some(why) = why_not(docker, images, need).await {
                sentences.push(format!("`{}` needs {}: {why}", verb.name(), words(need)));
            }
        }
    }
    sentences.sort();
    sentences.dedup();
    sentences
}

const fn words(need: Need) -> &'static str {
    match need {
        Need::PacketFilter => "rules of the packet filter",
        Need::NetemOrQueue => "netem or a queue to user space",
        Need::Tbf => "the token bucket and rules that count bytes",
        Need::Statistic => "rules that match a share of packets",
        Need::Disks => "volumes that are disks of their own",
        Need::BlockThrottle => "throttles of block devices",
        Need::FakeClock => "a clock of its own for one process",
        Need::MachineProcesses => "the machine's processes",
    }
}

/// Why a need is not met; tried once a process.
async fn why_not(docker: &Docker, images: &References, need: Need) -> Option<String> {
    let known = || KNOWN.lock().get(&need).cloned();
    if let Some(known) = known() {
        return known;
    }
    let found = match need {
        Need::PacketFilter | Need::NetemOrQueue | Need::Tbf | Need::Statistic => {
            network(docker, images).await
        }
        // whether the lab's clocks can be set wrong follows from its settings, not from the kernel
        Need::FakeClock => BTreeMap::from([(need, None)]),
        Need::Disks | Need::BlockThrottle | Need::MachineProcesses => {
            BTreeMap::from([(need, helper(docker, images, need).await)])
        }
    };
    KNOWN.lock().extend(found);
    known().unwrap_or_else(|| Some("it could not be tried".to_owned()))
}

/// What a helper from the host's image can do to disks and to processes.
async fn helper(docker: &Docker, images: &References, need: Need) -> Option<String> {
    let Some(image) = images.get(&ImageRole::Host) else {
        return Some("there is no image to try it with".to_owned());
    };
    let tried = match need {
        Need::Disks => docker.try_disk(image).await,
        Need::BlockThrottle => docker.try_throttle(image).await,
        _ => return super::process::can_signal(docker, "doctor", image).await.err(),
    };
    tried.unwrap_or_else(|error| Some(error.to_string()))
}

async fn network(docker: &Docker, images: &References) -> BTreeMap<Need, Option<String>> {
    let all = |why: String| {
        [Need::PacketFilter, Need::NetemOrQueue, Need::Tbf, Need::Statistic]
            .map(|need| (need, Some(why.clone())))
            .into()
    };
    let (Some(host), Some(program)) = (images.get(&ImageRole::Host), images.get(&ImageRole::Pgha)) else {
        return all("there is no image to try it with".to_owned());
    };
    let (able, netem) =
        match tokio::try_join!(docker.try_network(host, Some(program)), docker.try_netem(host)) {
            Ok(tried) => tried,
            Err(error) => return all(error.to_string()),
        };
    let first = |names: &[&str]| names.iter().find_map(|name| able.get(name).cloned().flatten());
    let late = netem.and_then(|netem| first(&["nfqueue", "queue"]).map(|queue| format!("{netem}; {queue}")));
    BTreeMap::from([
        (Need::PacketFilter, first(&["filter"])),
        (Need::Statistic, first(&["filter", "statistic"])),
        (Need::Tbf, first(&["filter", "hashlimit", "tbf"])),
        (Need::NetemOrQueue, late),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_needs_what_its_deed_uses() {
        for (verb, needs) in [
            (r#"{"isolate":{"target":"host:h1"}}"#, vec![Need::PacketFilter]),
            (r#"{"delay":{"target":"host:h1","delay":"1ms"}}"#, vec![Need::NetemOrQueue]),
            (r#"{"power-off":{"target":"host:h1","cache":"lost"}}"#, vec![Need::PacketFilter, Need::Disks]),
            (r#"{"kill":{"target":"primary"}}"#, vec![]),
            (r#"{"kill":{"target":"primary","by":"process"}}"#, vec![Need::MachineProcesses]),
            (
                r#"{"repeat":{"every":"1s","times":2,"do":{"loss":{"target":"primary","percent":1.0}}}}"#,
                vec![Need::Statistic],
            ),
        ] {
            let verb: Verb = serde_json::from_str(verb).expect("a verb");
            assert_eq!(of(&verb), needs, "{}", verb.name());
        }
    }
}
