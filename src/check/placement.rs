//! `placement`: anti-affinity and capacity at every look at the bodies, also in the middle of a
//! replacement: two bodies of one service on one host are one host's loss away from an outage.

use std::collections::BTreeMap;

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::model::lab::{Service, Size, kind};
use crate::model::observed::ContainerStatus;
use crate::model::{Bytes, HostName, MemberId, Mono, Sighting};

/// What a fraction of a core may be off by without being too much.
const CORE_ROUNDING: f64 = 1e-6;

/// Judges every sighting of the engine.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut looks = 0_usize;
    let mut first: Option<(Mono, String)> = None;
    let mut broken = 0_usize;
    for seen in record.sightings_in_order().into_iter().filter(|seen| !seen.bodies.is_empty()) {
        looks += 1;
        if let Some(problem) = problem(record, seen) {
            broken += 1;
            first.get_or_insert((seen.at, problem));
        }
    }
    let evidence = json!({
        "looks": looks,
        "broken_looks": broken,
        "first": first.as_ref().map(|(at, problem)| json!({ "at_ns": at, "problem": problem })),
    });
    match first {
        Some((_, problem)) => Finding::fail(problem, evidence).firm(),
        None if looks == 0 => Finding::unknown("nobody looked where the bodies stand", evidence),
        None => Finding::pass(
            format!("no host carried two of a kind or more than it holds, in {looks} looks"),
            evidence,
        ),
    }
}

fn problem(record: &RunRecord, seen: &Sighting) -> Option<String> {
    let mut kinds: BTreeMap<(&HostName, &str), &MemberId> = BTreeMap::new();
    let mut load: BTreeMap<&HostName, Size> = BTreeMap::new();
    for (member, body) in &seen.bodies {
        // the broker stands on no simulated host
        if body.service == "host" || body.service == Service::Broker.as_str() {
            continue;
        }
        // a dead body still holds its disk, but neither a port nor cores nor memory
        let dead = matches!(
            body.status,
            ContainerStatus::Exited | ContainerStatus::Dead | ContainerStatus::Removing
        );
        let size = size(record, member, &body.service);
        let sum = load.entry(&body.host).or_insert(Size { cpus: 0.0, memory: Bytes(0), disk: Bytes(0) });
        sum.disk.0 += size.disk.0;
        if dead {
            continue;
        }
        sum.cpus += size.cpus;
        sum.memory.0 += size.memory.0;
        if let Some(other) = kinds.insert((&body.host, kind(member, &body.service)), member) {
            return Some(format!(
                "host `{}` carried `{other}` and `{member}`, two of one service",
                body.host
            ));
        }
    }
    load.into_iter().find_map(|(name, sum)| {
        let Some(host) = record.resolved.lab.host(name) else {
            return Some(format!("a body stood on `{name}`, which the lab does not have"));
        };
        let fits =
            sum.cpus <= host.cpus + CORE_ROUNDING && sum.memory <= host.memory && sum.disk <= host.disk;
        let (cpus, memory, disk) = (sum.cpus, sum.memory, sum.disk);
        (!fits).then(|| {
            format!(
                "host `{name}` carried {cpus} cores, {memory}, {disk} of disk; it holds {}, {}, {}",
                host.cpus, host.memory, host.disk
            )
        })
    })
}

/// What a body gets: as planned, or for a newcomer what its service starts with.
fn size(record: &RunRecord, member: &MemberId, service: &str) -> Size {
    if let Some(planned) = record.resolved.members.iter().find(|planned| planned.id == *member) {
        return planned.size;
    }
    let all = [Service::Client, Service::Etcd, Service::Postgres, Service::Balancer, Service::Controller];
    all.into_iter()
        .find(|known| known.as_str() == service)
        .map_or(Size { cpus: 0.0, memory: Bytes(0), disk: Bytes(0) }, |known| {
            record.resolved.lab.start_size(known)
        })
}
