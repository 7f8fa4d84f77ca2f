//! Instants stand in the order in which a run goes: the tables are made, baseline, hurt, heal, settle, final reads,
//! the end. All are of one clock, and every writer takes the instant of a line before it writes the next one, so no
//! rule here allows for anything, but where two tasks of the runner write at once.

use super::hole::{Hole, SIGNED, load_name};
use crate::check::record::RunRecord;
use crate::history::{JournalWriter, Op, Phase};
use crate::model::scenario::Skip;
use crate::model::{FaultRecord, Mono};

/// Two tasks of the runner, or its own and one on another core, may take their instants in another order than they
/// write, nanoseconds.
const TASKS: u64 = 1_000_000_000;
/// How long after its end a runner of the first edition may have looked at the lab, nanoseconds.
const FIRST_EDITION: u64 = 10_000_000_000;

/// Everything that stands before what it comes after.
pub(super) fn holes(record: &RunRecord) -> Vec<Hole> {
    let mut holes = phases(record);
    holes.extend(record.history.faults.iter().filter_map(|fault| own_order(record, fault)));
    holes.extend(load(record));
    holes.extend(reads(record));
    holes.extend(looks(record));
    holes.extend(end(record));
    holes
}

fn writer<'a>(record: &'a RunRecord, name: &str) -> Option<&'a JournalWriter> {
    record.history.writers.iter().find(|writer| writer.name == name)
}

fn phase(record: &RunRecord, wanted: Phase) -> Option<Mono> {
    record.history.phases.iter().find(|(_, phase)| *phase == wanted).map(|(at, _)| *at)
}

/// Each phase once, one after the other, and none left out.
fn phases(record: &RunRecord) -> Vec<Hole> {
    let mut phases = record.history.phases.clone();
    phases.sort_unstable();
    let mut holes = Vec::new();
    for pair in phases.windows(2) {
        if pair[0].1 == pair[1].1 {
            holes.push(Hole::strange(format!("phase {} began twice", pair[0].1.as_str())));
        } else if pair[0].1 > pair[1].1 {
            let (one, other) = (pair[0].1.as_str(), pair[1].1.as_str());
            holes.push(Hole::strange(format!("phase {other} began after phase {one}")));
        }
    }
    let whole = record.resolved.edition >= SIGNED && record.history.ended_in_order();
    let began = record.history.faults.iter().any(|fault| fault.began.is_some());
    let read = !record.scenario.skip.contains(&Skip::FinalReads);
    let wanted = [
        (Phase::Baseline, true),
        (Phase::Hurt, began),
        (Phase::Heal, true),
        (Phase::Settle, true),
        (Phase::FinalReads, read),
    ];
    let missing =
        wanted.into_iter().filter(|(wanted, due)| whole && *due && phase(record, *wanted).is_none());
    holes.extend(missing.map(|(phase, _)| Hole::absent(format!("phase {} never began", phase.as_str()))));
    holes
}

/// Meant, injected, healed; after the load began, and before the lab settled.
fn own_order(record: &RunRecord, fault: &FaultRecord) -> Option<Hole> {
    let id = &fault.id;
    let told: Vec<Mono> =
        [Some(fault.intent), fault.began, fault.healing, fault.healed].into_iter().flatten().collect();
    if !told.is_sorted() {
        return Some(Hole::strange(format!("the instants of fault `{id}` stand in no order")));
    }
    let began = fault.began?;
    let last = fault.healed.unwrap_or(began);
    if phase(record, Phase::Baseline).is_some_and(|baseline| fault.intent < baseline) {
        return Some(Hole::strange(format!("fault `{id}` was meant before the load began")));
    }
    if phase(record, Phase::Hurt).is_some_and(|hurt| began.0.saturating_add(TASKS) < hurt.0) {
        return Some(Hole::strange(format!("fault `{id}` was injected before phase hurt began")));
    }
    if phase(record, Phase::Settle).is_some_and(|settle| last > settle) {
        return Some(Hole::strange(format!("fault `{id}` was on when the lab settled already")));
    }
    None
}

/// Operations stand between the signatures of the client, and before anything is healed for good.
fn load(record: &RunRecord) -> Vec<Hole> {
    let ops = &record.history.ops;
    let ended = |op: Op<'_>| op.done.unwrap_or(op.invoked).max(op.invoked);
    let first = ops.iter().min_by_key(|op| op.invoked);
    let last = ops.iter().max_by_key(|op| ended(*op));
    let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
    let of = |op: Op<'_>| format!("operation {} of load {}", op.op, load_name(record, op.load));
    let client = writer(record, "client");
    let mut holes = Vec::new();
    if client.is_some_and(|client| first.invoked < client.began) {
        holes.push(Hole::strange(format!("{} was sent before its client began", of(first))));
    }
    let baseline = phase(record, Phase::Baseline);
    if baseline.is_some_and(|baseline| first.invoked.0.saturating_add(TASKS) < baseline.0) {
        holes.push(Hole::strange(format!("{} was sent before the load began", of(first))));
    }
    if client.and_then(|client| client.ended).is_some_and(|over| ended(last) > over) {
        holes.push(Hole::strange(format!("{} is newer than the end of its client", of(last))));
    }
    if phase(record, Phase::Heal).is_some_and(|heal| ended(last) > heal) {
        holes.push(Hole::strange(format!("{} is newer than the end of the load", of(last))));
    }
    let over = client.and_then(|client| client.ended);
    let late = record.history.counted.iter().find(|second| over.is_some_and(|over| second.t > over));
    holes.extend(late.map(|second| {
        let load = load_name(record, second.l);
        Hole::strange(format!("load {load} counted a second that is newer than the end of its client"))
    }));
    holes
}

/// The final reads come last: after every operation, after every fault, after their phase began.
fn reads(record: &RunRecord) -> Option<Hole> {
    let first = record.history.reads.iter().min_by_key(|read| read.t)?;
    let (t, node) = (first.t, &first.node);
    let faults = record.history.faults.iter();
    let healed = faults.filter_map(|fault| fault.healed.max(fault.began)).max();
    let says = if record.history.load_end().is_some_and(|end| t < end) {
        "before the last operation"
    } else if healed.is_some_and(|healed| t < healed) {
        "before the last fault was over"
    } else if phase(record, Phase::FinalReads).is_some_and(|began| t < began) {
        "before the final reads began"
    } else {
        return None;
    };
    Some(Hole::strange(format!("`{node}` was read {says}")))
}

/// Looks at the lab stand between the signatures of the runner.
fn looks(record: &RunRecord) -> Vec<Hole> {
    let Some(runner) = writer(record, "runner") else { return Vec::new() };
    let late = if record.resolved.edition == 0 { FIRST_EDITION } else { 0 };
    let mut holes = Vec::new();
    let looks = || record.sightings.iter().map(|seen| seen.at);
    if looks().min().is_some_and(|first| first < runner.began) {
        holes.push(Hole::strange("the lab was looked at before the run began"));
    }
    let over = runner.ended.map(|over| over.0.saturating_add(late));
    if looks().max().zip(over).is_some_and(|(last, over)| last.0 > over) {
        holes.push(Hole::strange("the lab was looked at after the run had ended"));
    }
    holes
}

/// The runner signs its end after everything else.
fn end(record: &RunRecord) -> Vec<Hole> {
    let runner = writer(record, "runner");
    let Some(over) = runner.and_then(|runner| runner.ended).filter(|_| record.resolved.edition > 0) else {
        return Vec::new();
    };
    let history = &record.history;
    let faults =
        history.faults.iter().flat_map(|fault| [Some(fault.intent), fault.began, fault.healed]).flatten();
    let written = [
        ("a phase", history.phases.iter().map(|(at, _)| *at).max()),
        ("a fault", faults.max()),
        ("a final read", history.reads.iter().map(|read| read.t).max()),
        ("a search", history.searches.iter().map(|search| search.at).max()),
        ("a log", history.logs.iter().map(|(at, _)| *at).max()),
        ("a note", history.notes.iter().map(|(at, _)| *at).max()),
        ("the end of a writer", history.writers.iter().filter_map(|writer| writer.ended).max()),
        ("the beginning of a writer", history.writers.iter().map(|writer| writer.began).max()),
    ];
    let late = written.into_iter().filter(|(_, at)| at.is_some_and(|at| at > over));
    late.map(|(what, _)| Hole::strange(format!("{what} is newer than the end of the runner"))).collect()
}
