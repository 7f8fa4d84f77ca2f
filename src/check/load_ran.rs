//! `load-ran`: there was something to lose. Without writes before, during and after the fault a pass
//! would only say that nobody looked.
//!
//! How much a load must have had acknowledged follows from what it is declared to give: a load of one operation in
//! 30 s cannot have given ten in 20 s, and no operation of it need be under way when a fault strikes.

use std::time::Duration;

use serde_json::{Value, json};

use super::record::{Finding, RunRecord, leaves_marks};
use crate::history::{Counted, Op, Phase};
use crate::model::Mono;
use crate::model::scenario::{Load, LoadModel, Recording as Kept};
use crate::spec::arrivals::Arrivals;

/// Fewer acknowledged operations than this before the first fault are no baseline, of a load that can give them.
const ENOUGH: u64 = 10;
/// An operation invoked this close to an injection counts as hit by it, nanoseconds.
const HIT_WITHIN: u64 = 1_000_000_000;
/// How long an operation may take and is still one that a load gives in time, nanoseconds.
const ANSWER: u64 = 1_000_000_000;

/// Judges that every load began on empty tables and ran before, during and after the faults.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
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

fn look(record: &RunRecord, index: usize, load: &Load) -> (Vec<String>, Value) {
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
    // a load that asked nothing in the whole run shows nothing, whatever it declares
    let least = u64::from(first.is_none() || acked(None, None) == 0);
    let wanted = given(record, load, first, ENOUGH).max(least);
    if before < wanted {
        gaps.push(format!(
            "load `{name}` had {before} acknowledged operations before the first fault, {wanted} are wanted"
        ));
    }
    let around = around(load);
    for fault in &history.faults {
        let Some(began) = fault.began else { continue };
        let counted =
            load.record == Kept::Histogram && seconds.iter().any(|second| covers(second, began, around));
        if !counted && !ops().any(|op| hit(op, began, around)) {
            gaps.push(format!(
                "no operation of load `{name}` was in flight or begun within {} s of fault `{}`",
                Duration::from_nanos(around).as_secs_f64(),
                fault.id
            ));
        }
    }
    // its clients hang while others are served: that is what the run shows, not that it was not asked
    let hangs =
        last.is_some_and(|last| ops().any(|op| op.done.is_none()) && others_go_on(record, index, last));
    if last.is_some_and(|last| due_after(record, load, last)) && after == 0 && !hangs {
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
fn others_go_on(record: &RunRecord, index: usize, last: Mono) -> bool {
    let endpoint = |index: usize| record.scenario.loads.get(index).map(|load| (load.via, load.endpoint));
    record.history.ops.iter().any(|op| {
        let its = op.load as usize;
        its != index && endpoint(its) == endpoint(index) && op.ack().is_some_and(|(t, _)| t > last)
    })
}

/// When the load began: its phase, or the first operation of any load.
fn start(record: &RunRecord) -> Option<Mono> {
    let mut phases = record.history.phases.iter();
    let baseline = phases.find(|(_, phase)| *phase == Phase::Baseline).map(|(at, _)| *at);
    baseline.or_else(|| record.history.load_start())
}

/// How many acknowledged operations a load must have given before an instant, `enough` at most: as many as it was to
/// start early enough to be answered.
fn given(record: &RunRecord, load: &Load, until: Option<Mono>, enough: u64) -> u64 {
    let Some(start) = start(record) else { return enough };
    let until = until.unwrap_or_else(|| start.plus(record.scenario.duration.0));
    // a fault so early leaves no baseline, whatever is declared
    let Some(time) = until.0.saturating_sub(start.0).checked_sub(ANSWER) else { return enough };
    let most = usize::try_from(enough).unwrap_or(usize::MAX);
    match (load.model, Arrivals::of(load)) {
        (LoadModel::Open, Some(arrivals)) => {
            arrivals.until(Duration::from_nanos(time)).take(most).count() as u64
        }
        // each client gives one operation, and one more after every pause
        (LoadModel::Closed, _) if load.think.is_some() => {
            let pause = load.think.map_or(0, |think| u64::try_from(think.0.as_nanos()).unwrap_or(u64::MAX));
            let clients = u64::from(load.clients.or(load.connections).unwrap_or(1));
            let turns = time / pause.saturating_add(ANSWER).max(1);
            clients.saturating_mul(turns.saturating_add(1)).min(enough)
        }
        _ => enough,
    }
}

/// Whether a load was to start an operation after an instant, early enough to be answered before its end.
fn due_after(record: &RunRecord, load: &Load, last: Mono) -> bool {
    let Some((start, arrivals)) = start(record).zip(Arrivals::of(load)) else { return true };
    let before = Duration::from_nanos(last.0.saturating_sub(start.0));
    let end = record.scenario.duration.0.saturating_sub(Duration::from_nanos(ANSWER));
    let slow = around(load) > HIT_WITHIN;
    !slow || arrivals.until(end).any(|at| at > before)
}

/// How close to an injection a load begins an operation at least: the pause between two of them.
fn around(load: &Load) -> u64 {
    let pause = match (load.model, load.rate, load.think) {
        (LoadModel::Open, Some(rate), _) if rate > 0.0 => Duration::try_from_secs_f64(1.0 / rate).ok(),
        (LoadModel::Closed, _, Some(think)) => Some(think.0),
        _ => None,
    };
    let pause = pause.map_or(0, |pause| u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX));
    HIT_WITHIN.max(pause)
}

/// Operations of a counted second, however they ended.
fn done(second: &Counted) -> u64 {
    second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>()
}

/// Whether something ended in a counted second, and within `around` nanoseconds of `at`.
fn covers(second: &Counted, at: Mono, around: u64) -> bool {
    done(second) > 0 && second.t.0.abs_diff(at.0) <= around
}

/// Whether an operation was in flight at `began`, or begun within `around` nanoseconds of it.
fn hit(op: Op<'_>, began: Mono, around: u64) -> bool {
    let in_flight = op.invoked <= began && op.done.is_none_or(|done| done >= began);
    in_flight || op.invoked.0.abs_diff(began.0) <= around
}
