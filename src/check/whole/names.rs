//! What a record names is in the scenario or in the lab.

use std::collections::BTreeSet;

use super::hole::{Hole, SIGNED, is_of_step, load_name};
use crate::check::record::RunRecord;
use crate::model::lab::{Service, controller_of};
use crate::model::scenario::{Recording as Kept, Skip, Verb};
use crate::model::{FaultRecord, MemberId, Name, Step, Target};
use crate::spec::scenario::step_id;
use crate::spec::schedule;

/// Every name that nothing has.
pub(super) fn holes(record: &RunRecord) -> Vec<Hole> {
    let mut holes = loads(record);
    holes.extend(faults(record));
    holes.extend(members(record));
    holes.extend(logs(record));
    holes
}

fn loads(record: &RunRecord) -> Vec<Hole> {
    let (history, loads) = (&record.history, &record.scenario.loads);
    let mut holes = Vec::new();
    let declared: Vec<&Name> = loads.iter().map(|load| &load.name).collect();
    let named: Vec<&Name> = history.loads.iter().collect();
    let same = if record.resolved.edition == 0 {
        declared.starts_with(&named)
    } else {
        named.is_empty() && history.writers.iter().all(|writer| writer.name != "client") || declared == named
    };
    if !same {
        holes.push(Hole::strange("the client ran other loads than the scenario has"));
    }
    let number = u32::try_from(loads.len()).unwrap_or(u32::MAX);
    let strange = [
        history.ops.iter().map(|op| op.load).find(|load| *load >= number),
        history.prepared.iter().map(|(load, _)| *load).find(|load| *load >= number),
        history.reads.iter().map(|read| read.l).find(|load| *load >= number),
        history.counted.iter().map(|second| second.l).find(|load| *load >= number),
    ];
    if let Some(load) = strange.into_iter().flatten().next() {
        holes.push(Hole::strange(format!("the record tells of load {load}, the scenario has {number}")));
    }
    let counted = |load: u32| {
        let load = usize::try_from(load).ok().and_then(|load| loads.get(load));
        load.is_none_or(|load| load.record == Kept::Histogram)
    };
    if let Some(second) = history.counted.iter().find(|second| !counted(second.l)) {
        let name = load_name(record, second.l);
        holes.push(Hole::strange(format!("load {name} is not one that is only counted, and it was counted")));
    }
    holes
}

fn faults(record: &RunRecord) -> Vec<Hole> {
    let steps = &record.scenario.steps;
    let strict = record.resolved.edition >= SIGNED;
    let mut holes = Vec::new();
    for fault in &record.history.faults {
        let id = &fault.id;
        let of = (0..).zip(steps).find(|(index, step)| {
            let step_id = step_id(*index, step);
            if strict { is_of(fault, &step_id, step) } else { is_of_step(record, id, &step_id) }
        });
        match of {
            // the first editions have runs that tell of faults and of no step at all
            None if strict || !steps.is_empty() => {
                holes.push(Hole::strange(format!("fault `{id}` is of no step of the scenario")));
            }
            Some((_, step)) if strict && !does(fault, step) => {
                let (did, wanted) = (fault.verb.name(), step.verb.name());
                holes.push(Hole::strange(format!("fault `{id}` is a {did}, its step says {wanted}")));
            }
            _ => {}
        }
    }
    holes
}

/// Whether a fault is a step, or one of its turns.
fn is_of(fault: &FaultRecord, id: &Name, step: &Step) -> bool {
    match &step.verb {
        Verb::Repeat { every, times, verb } => {
            let mut turns = schedule::turns(id, *every, *times, verb, step.lasts).into_iter();
            turns.any(|turn| turn.id == fault.id)
        }
        Verb::Swizzle { .. } => {
            let Verb::Isolate { target: Target::Host(host) } = &fault.verb else { return false };
            let hosts = std::slice::from_ref(host);
            let turns = schedule::swizzle(id, hosts, step.lasts.unwrap_or_default(), &mut schedule::rng(0));
            turns.iter().any(|turn| turn.id == fault.id)
        }
        _ => fault.id == *id,
    }
}

/// Whether a fault does what its step says.
fn does(fault: &FaultRecord, step: &Step) -> bool {
    match &step.verb {
        Verb::Repeat { verb, .. } => fault.verb == **verb,
        Verb::Swizzle { .. } => matches!(fault.verb, Verb::Isolate { .. }),
        verb => fault.verb == *verb,
    }
}

/// Members by the plan and by every look.
fn known(record: &RunRecord) -> BTreeSet<&MemberId> {
    let planned = record.resolved.members.iter().map(|member| &member.id);
    let seen = record.sightings.iter().flat_map(|seen| seen.bodies.keys().chain(seen.postgres.keys()));
    planned.chain(seen).collect()
}

fn members(record: &RunRecord) -> Vec<Hole> {
    // where nobody looked, nobody saw who came
    if record.scenario.skip.contains(&Skip::Sightings) {
        return Vec::new();
    }
    let known = known(record);
    let mut strange: BTreeSet<(&MemberId, &str)> = BTreeSet::new();
    let reads = record.history.reads.iter().map(|read| &read.node);
    strange.extend(reads.filter(|node| !known.contains(node)).map(|node| (node, "was read in the end")));
    if record.resolved.edition >= SIGNED {
        let acks = record.history.ops.iter().filter_map(|op| op.ack()?.1.n);
        strange.extend(acks.filter(|node| !known.contains(node)).map(|node| (node, "acknowledged")));
    }
    let says =
        strange.into_iter().map(|(node, did)| format!("`{node}` {did}, and the lab has no such member"));
    says.map(Hole::strange).collect()
}

/// A log for every member, as long as the runner signed, and no other.
fn logs(record: &RunRecord) -> Vec<Hole> {
    let known = known(record);
    let controllers = &record.resolved.lab.controllers;
    let ours = |member: &MemberId| {
        // replicas of controllers move, and take another name; the broker is no member
        let replica = controllers.iter().any(|known| known.name.as_str() == controller_of(member));
        known.contains(member) || replica || *member == MemberId::from(Service::Broker)
    };
    let mut holes: Vec<Hole> = Vec::new();
    // from then on the runner signs whose logs it kept
    if record.resolved.edition == 1 {
        let strange = record.logs.keys().filter(|member| !ours(member));
        holes.extend(strange.map(|member| {
            Hole::strange(format!("a log is there of `{member}`, and the lab has no such member"))
        }));
    }
    if record.resolved.edition < SIGNED {
        return holes;
    }
    let Some((_, signed)) = record.history.logs.first() else {
        holes.push(Hole::absent("the runner signed no log"));
        return holes;
    };
    for (member, bytes) in signed {
        match record.logs.get(member).map(|log| log.len() as u64) {
            None => holes.push(Hole::absent(format!("the log of `{member}` is gone"))),
            Some(there) if there != *bytes => {
                let says = format!("the log of `{member}` has {there} bytes, the runner signed {bytes}");
                holes.push(if there < *bytes { Hole::absent(says) } else { Hole::strange(says) });
            }
            Some(_) => {}
        }
    }
    let more = record.logs.keys().find(|member| !signed.contains_key(*member));
    holes.extend(
        more.map(|member| Hole::strange(format!("the runner kept no log of `{member}`, and one is there"))),
    );
    let unkept = record.resolved.members.iter().find(|member| !signed.contains_key(&member.id));
    holes.extend(unkept.map(|member| Hole::absent(format!("the runner kept no log of `{}`", member.id))));
    holes
}
