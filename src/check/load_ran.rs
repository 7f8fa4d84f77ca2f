//! `load-ran`: there was something to lose. Without writes before, during and after the fault a pass
//! would only say that nobody looked.

use serde_json::{Value, json};

use super::record::{Finding, Record, leaves_marks};
use crate::history::{Counted, Op};
use crate::model::Mono;
use crate::model::scenario::{Load, Record as Kept};

/// Fewer acknowledged operations than this before the first fault are no baseline.
const ENOUGH: u64 = 10;
/// An operation invoked this close to an injection counts as hit by it, nanoseconds.
const AROUND: u64 = 1_000_000_000;

/// Judges that every load began on empty tables and ran before, during and after the faults.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let mut gaps: Vec<String> = Vec::new();
    let mut evidence: Vec<Value> = Vec::new();
    if record.scenario.loads.is_empty() {
        gaps.push("the scenario has no load".to_owned());
    }
    for (index, load) in record.scenario.loads.iter().enumerate() {
        let seen = look(record, index, load);
        gaps.extend(seen.0);
        evidence.push(seen.1);
    }
    let evidence = json!({ "loads": evidence, "gaps": gaps });
    match gaps.first() {
        None => Finding::pass("the load ran before, during and after the faults", evidence),
        Some(first) => Finding::unknown(first.clone(), evidence),
    }
}

fn look(record: &Record, index: usize, load: &Load) -> (Vec<String>, Value) {
    let history = &record.history;
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let ops = || history.ops.iter().filter(|op| op.load == number);
    let injected: Vec<Mono> = history.faults.iter().filter_map(|fault| fault.began).collect();
    let (first, last) = (injected.iter().min().copied(), injected.iter().max().copied());
    let seconds: Vec<&Counted> = history.counted.iter().filter(|second| second.l == number).collect();
    let acked = |from: Option<Mono>, to: Option<Mono>| {
        let inside = |t: Mono| from.is_none_or(|from| t > from) && to.is_none_or(|to| t < to);
        let recorded = ops().filter(|op| op.acked().is_some_and(inside)).count() as u64;
        recorded + seconds.iter().filter(|second| inside(second.t)).map(|second| second.ok).sum::<u64>()
    };
    let (before, after) = (acked(None, first), acked(last, None));
    let name = &load.name;
    let mut gaps = Vec::new();
    if leaves_marks(load) {
        match history.prepared.iter().find(|(l, _)| *l == number) {
            None => gaps.push(format!("nobody looked whether the tables of load `{name}` were empty")),
            Some((_, 0)) => {}
            Some((_, rows)) => {
                gaps.push(format!("the tables of load `{name}` held {rows} rows before its start"));
            }
        }
    }
    if before < ENOUGH {
        gaps.push(format!(
            "load `{name}` had {before} acknowledged operations before the first fault, {ENOUGH} are wanted"
        ));
    }
    for fault in &history.faults {
        let Some(began) = fault.began else { continue };
        let counted = load.record == Kept::Histogram && seconds.iter().any(|second| covers(second, began));
        if !counted && !ops().any(|op| hit(op, began)) {
            gaps.push(format!(
                "no operation of load `{name}` was in flight or begun within 1 s of fault `{}`",
                fault.id
            ));
        }
    }
    // its clients hang while others are served: that is what the run shows, not that it was not asked
    let hangs =
        last.is_some_and(|last| ops().any(|op| op.done.is_none()) && others_go_on(record, index, last));
    if last.is_some() && after == 0 && !hangs {
        gaps.push(format!("load `{name}` had no acknowledged operation after the last fault"));
    }
    if first.is_none() && !record.scenario.steps.is_empty() {
        gaps.push("the scenario has steps, the record has no injected fault".to_owned());
    }
    let operations = ops().count() as u64 + seconds.iter().map(|second| done(second)).sum::<u64>();
    let evidence =
        json!({ "load": name, "operations": operations, "acked_before": before, "acked_after": after });
    (gaps, evidence)
}

/// Whether another load of the same endpoint was acknowledged after `last`.
fn others_go_on(record: &Record, index: usize, last: Mono) -> bool {
    let endpoint = |index: usize| record.scenario.loads.get(index).map(|load| (load.via, load.endpoint));
    record.history.ops.iter().any(|op| {
        let its = op.load as usize;
        its != index && endpoint(its) == endpoint(index) && op.ack().is_some_and(|(t, _)| t > last)
    })
}

/// Operations of a counted second, however they ended.
fn done(second: &Counted) -> u64 {
    second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>()
}

/// Whether something ended in a counted second, and within [`AROUND`] of `at`.
fn covers(second: &Counted, at: Mono) -> bool {
    done(second) > 0 && second.t.0.abs_diff(at.0) <= AROUND
}

/// Whether an operation was in flight at `began`, or begun within [`AROUND`] of it.
fn hit(op: Op<'_>, began: Mono) -> bool {
    let in_flight = op.invoked <= began && op.done.is_none_or(|done| done >= began);
    in_flight || op.invoked.0.abs_diff(began.0) <= AROUND
}
