//! `converged`: in the end the lab is whole again, by the runner's own sightings.
//!
//! Whole: exactly one primary; every other database streams from it on its timeline and in its system;
//! both balancers route writes to the primary's host alone and serve both ports; every etcd member reads
//! linearizably under one leader; every body runs, and there are as many as the lab declares.
//! Observers see different parts, so a state is put together from the latest look at each part; parts
//! last seen before the last heal do not count.

use serde_json::json;

use super::copies::Copies;
use super::record::{Finding, RunRecord};
use crate::model::{Expect, Mono, Sighting};
use crate::stats;

mod whole;

/// When the lab was whole again.
#[derive(Clone, Debug, PartialEq)]
pub struct Convergence {
    /// The last heal (the last injection of a fault that leaves nothing to heal; 0 without faults).
    pub healed: Mono,
    /// Since when the lab was whole without interruption until the last look; `None`: it was not in the end.
    pub since: Option<Mono>,
    /// Looks after the last heal.
    pub looks: usize,
    /// What was not whole at the last look.
    pub wrong: Vec<String>,
    /// What nobody could see at the last look.
    pub blind: Vec<String>,
}

impl Convergence {
    /// From the last heal until the lab was whole, milliseconds. `None` when it was not, or without faults.
    #[must_use]
    pub fn took_ms(&self) -> Option<f64> {
        let since = self.since?;
        (self.healed > Mono(0)).then(|| stats::millis(since.0.saturating_sub(self.healed.0)))
    }
}

/// Judges the end of the run, and the time to it when a bound was asked for.
#[must_use]
pub fn check(record: &RunRecord, seen: &Convergence) -> Finding {
    let bound = record.scenario.expects.iter().filter_map(|expect| match expect {
        Expect::Converged { within } => Some(*within),
        _ => None,
    });
    let bound = bound.min();
    let took = seen.took_ms();
    let evidence = json!({
        "took_ms": took,
        "bound_ms": bound.map(crate::model::Span::as_ms),
        "looks": seen.looks,
        "wrong": seen.wrong,
        "not_seen": seen.blind,
    });
    let open = record.history.faults.iter().find(|fault| still_on(fault));
    if let Some(fault) = open {
        return Finding::unknown(
            format!("fault `{}` was never healed, so nothing could converge", fault.id),
            evidence,
        );
    }
    if seen.looks == 0 {
        return Finding::unknown("nobody looked at the lab after the last heal", evidence);
    }
    if let Some(first) = seen.wrong.first() {
        return Finding::fail(format!("the lab is not whole in the end: {first}"), evidence);
    }
    if let Some(first) = seen.blind.first() {
        return Finding::unknown(format!("whether the lab is whole was not seen: {first}"), evidence);
    }
    match (bound, took) {
        (Some(bound), Some(took)) if took > bound.as_ms() => {
            let limit = bound.as_ms();
            Finding::fail(
                format!("the lab was whole {took} ms after the last heal, {limit} ms are allowed"),
                evidence,
            )
        }
        (_, Some(took)) => {
            Finding::pass(format!("the lab was whole {took} ms after the last heal"), evidence)
        }
        (_, None) => Finding::pass("the lab was whole in the end", evidence),
    }
}

fn still_on(fault: &crate::model::FaultRecord) -> bool {
    fault.began.is_some() && fault.healed.is_none() && !fault.verb.lasting()
}

/// Follows the lab from the last heal to the last look.
#[must_use]
pub fn measure(record: &RunRecord) -> Convergence {
    let ends = record.history.faults.iter().filter_map(|fault| fault.healed.max(fault.began));
    let healed = ends.max().unwrap_or_default();
    let copies = Copies::of(record);
    let mut state = Sighting::default();
    let (mut since, mut looks) = (None, 0);
    let (mut wrong, mut blind) = (Vec::new(), Vec::new());
    for seen in record.sightings_in_order().into_iter().filter(|seen| seen.at >= healed) {
        looks += 1;
        state.at = seen.at;
        merge(&mut state, seen);
        (wrong, blind) = whole::judge(record, &copies, &state);
        if wrong.is_empty() && blind.is_empty() {
            since.get_or_insert(seen.at);
        } else {
            since = None;
        }
    }
    Convergence { healed, since, looks, wrong, blind }
}

/// A look replaces the parts it saw.
fn merge(state: &mut Sighting, seen: &Sighting) {
    if !seen.bodies.is_empty() {
        state.bodies.clone_from(&seen.bodies);
    }
    if !seen.postgres.is_empty() {
        state.postgres.clone_from(&seen.postgres);
    }
    if !seen.etcd.is_empty() {
        state.etcd.clone_from(&seen.etcd);
    }
    if !seen.balancers.is_empty() {
        state.balancers.clone_from(&seen.balancers);
    }
}
