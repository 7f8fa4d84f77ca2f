//! `outage`: how long the clients of an endpoint were out, by fault.
//!
//! For every client the time from its last acknowledgement before a fault to its first one after it. *Last back*
//! is the longest of these times, *first back* the shortest, of the clients that were hurt; [`clients`] says when
//! a client is out, [`backs`] which outages a fault answers for. A bound is one on the last client back, unless
//! `of = "first"`. A client that never came back breaks every bound; where the load ended before the bound was
//! reached, it is not known.
//!
//! Beside it stands the time in which nobody was acknowledged: from the last acknowledgement before to the first
//! of a run of five after, on any client ([`windows`]). It is what a bound means where no client was hurt, and in
//! runs of older editions, whose journals number no clients.

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use super::whole::is_of_step;
use crate::model::scenario::{Endpoint, Whose};
use crate::model::{Expect, Name, Span};
use crate::stats;

pub mod backs;
pub mod clients;
pub mod windows;
mod words;
use backs::blamed;
pub use backs::{Backs, Part, backs_of, client_of_fault, of_fault};
pub use clients::{Clients, Out, OutageEnd};
pub use windows::{ClientOutage, EndpointOutages, Outage};

/// Outages named in evidence at most, the longest first.
const OUTAGES_SHOWN: usize = 20;

/// Judges the bounds a scenario asks for; without any, the outages are reported.
#[must_use]
pub fn check(record: &RunRecord, endpoints: &[EndpointOutages]) -> Finding {
    let evidence =
        json!({ "endpoints": endpoints.iter().map(|outages| show(record, outages)).collect::<Vec<_>>() });
    let mut broken: Vec<String> = Vec::new();
    let mut gaps: Vec<String> = Vec::new();
    let mut told: Vec<(u64, String)> = Vec::new();
    for expect in &record.scenario.expects {
        let Expect::Outage { endpoint, after, of, max } = expect else { continue };
        let ask = Ask { endpoint: *endpoint, after: after.as_ref(), of: *of, max: *max };
        match bound(record, endpoints, &ask) {
            BoundHeld::Yes(took, said) => told.push((took, said)),
            BoundHeld::No(why) => broken.push(why),
            BoundHeld::Unclear(why) => gaps.push(why),
        }
    }
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        let asked = !told.is_empty();
        if !asked {
            told.extend(endpoints.iter().map(|seen| words::told(record, seen, None)));
        }
        // of several the longest; of equal ones the first
        let longest = told.into_iter().rev().max_by_key(|(took, _)| *took).map(|(_, said)| said);
        let said = longest.unwrap_or_else(|| "no load used `rw` or `ro`".to_owned());
        let held = if asked { ", within what was asked" } else { "; nothing was asked of it" };
        Finding::pass(format!("{said}{held}"), evidence)
    })
}

/// The outages of every endpoint that a load used.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<EndpointOutages> {
    [Endpoint::Rw, Endpoint::Ro]
        .into_iter()
        .filter_map(|endpoint| windows::of_endpoint(record, endpoint))
        .collect()
}

/// One bound of the scenario.
#[derive(Clone, Copy)]
struct Ask<'a> {
    endpoint: Endpoint,
    after: Option<&'a Name>,
    of: Whose,
    max: Span,
}

enum BoundHeld {
    /// What was judged, nanoseconds, and in words.
    Yes(u64, String),
    No(String),
    Unclear(String),
}

impl BoundHeld {
    /// The worse, the higher.
    const fn rank(&self) -> (u8, u64) {
        match self {
            Self::Yes(took, _) => (0, *took),
            Self::Unclear(_) => (1, 0),
            Self::No(_) => (2, 0),
        }
    }
}

fn bound(record: &RunRecord, endpoints: &[EndpointOutages], ask: &Ask<'_>) -> BoundHeld {
    let endpoint = ask.endpoint;
    let Some(seen) = endpoints.iter().find(|seen| seen.endpoint == endpoint) else {
        return BoundHeld::Unclear(format!("no load used `{endpoint}`, so its outage is not known"));
    };
    if seen.acks == 0 {
        return BoundHeld::Unclear(format!(
            "nothing was ever acknowledged on `{endpoint}`, so no outage of it has a beginning"
        ));
    }
    match ask.after {
        None => of_part(record, seen, ask),
        Some(step) => of_step(record, seen, ask, step),
    }
}

/// A bound on a step: every fault it made must keep it, each for itself.
fn of_step(record: &RunRecord, seen: &EndpointOutages, ask: &Ask<'_>, step: &Name) -> BoundHeld {
    let faults = record.history.faults.iter().filter(|fault| is_of_step(record, &fault.id, step));
    let faults: Vec<&Name> = faults.filter(|fault| fault.began.is_some()).map(|fault| &fault.id).collect();
    let mut worst: Option<BoundHeld> = None;
    for fault in faults {
        let held = of_part(record, seen, &Ask { after: Some(fault), ..*ask });
        if worst.as_ref().is_none_or(|worst| held.rank() > worst.rank()) {
            worst = Some(held);
        }
    }
    let never = || format!("fault `{step}` was never injected, so no outage is its own");
    worst.unwrap_or_else(|| BoundHeld::Unclear(never()))
}

/// A bound on what one fault answers for, or on the whole run.
fn of_part(record: &RunRecord, seen: &EndpointOutages, ask: &Ask<'_>) -> BoundHeld {
    let backs = backs_of(record, seen, ask.after);
    match backs.filter(|backs| seen.crowd.numbered && backs.hurt > 0) {
        Some(backs) => of_clients(record, seen, ask, &backs),
        None => of_everybody(record, seen, ask),
    }
}

/// A bound on the last client back, or the first.
fn of_clients(record: &RunRecord, seen: &EndpointOutages, ask: &Ask<'_>, backs: &Backs) -> BoundHeld {
    let (endpoint, limit) = (ask.endpoint, ask.max.as_ms());
    let whose = words::after(ask.after);
    let (word, known, took) = match ask.of {
        Whose::Last => ("last", backs.last, backs.longest),
        Whose::First => ("first", backs.first, backs.least),
    };
    let (load, ms) = (words::client(record, backs.worst), stats::millis(took));
    let over = u128::from(took) > ask.max.0.as_nanos();
    match (known, over) {
        (Some(_), true) => {
            let whom = if ask.of == Whose::Last { load } else { words::loads(record, endpoint) };
            BoundHeld::No(format!(
                "the {word} client of `{endpoint}`{whose} was back after {ms} ms, at most {limit} ms are allowed ({whom})"
            ))
        }
        (None, true) => BoundHeld::No(format!(
            "{} of {} hurt clients of `{endpoint}`{whose} never came back: {ms} ms without an acknowledgement, at most \
             {limit} ms are allowed ({load})",
            backs.never_back, backs.hurt
        )),
        // the load may have ended before the client was back: what was not seen to the end is not known
        (None, false) => BoundHeld::Unclear(format!(
            "the load ended while {} of {} hurt clients of `{endpoint}`{whose} were out, {ms} ms at most ({load})",
            backs.never_back, backs.hurt
        )),
        (Some(_), false) => {
            let (_, said) = words::told(record, seen, ask.after);
            BoundHeld::Yes(took, said)
        }
    }
}

/// A bound on the time in which nobody was acknowledged.
fn of_everybody(record: &RunRecord, seen: &EndpointOutages, ask: &Ask<'_>) -> BoundHeld {
    let (endpoint, whose) = (ask.endpoint, words::after(ask.after));
    let blamed = blamed(record, seen, ask.after);
    if let Some(window) = blamed {
        let (took, limit) = (stats::millis(window.nanos()), ask.max.as_ms());
        if u128::from(window.nanos()) > ask.max.0.as_nanos() {
            return BoundHeld::No(if window.ended {
                format!("the outage of `{endpoint}`{whose} took {took} ms, at most {limit} ms are allowed")
            } else {
                format!("the outage of `{endpoint}`{whose} never ended: {took} ms without an acknowledgement")
            });
        }
        // the load may have ended before the outage did: what was not seen to the end is not known
        if !window.ended {
            return BoundHeld::Unclear(format!(
                "the load ended {took} ms into an outage of `{endpoint}`{whose}"
            ));
        }
    }
    let (took, said) = words::told(record, seen, ask.after);
    BoundHeld::Yes(took, said)
}

fn show(record: &RunRecord, outages: &EndpointOutages) -> Value {
    let mut longest: Vec<&Outage> = outages.windows.iter().collect();
    longest.sort_by_key(|window| std::cmp::Reverse(window.nanos()));
    let faults: Vec<Value> = record
        .history
        .faults
        .iter()
        .map(|fault| {
            let took = of_fault(record, outages, &fault.id).map(|window| stats::millis(window.nanos()));
            let client = client_of_fault(record, outages, &fault.id);
            let mut line = json!({
                "fault": fault.id,
                "outage_ms": took,
                "client_outage_max_ms": client.map(|outage| stats::millis(outage.nanos())),
            });
            if let (true, Some(backs)) = (outages.crowd.numbered, backs_of(record, outages, Some(&fault.id)))
            {
                line["clients"] = words::backs(record, &backs);
            }
            line
        })
        .collect();
    let mut shown = json!({
        "endpoint": outages.endpoint,
        "acks": outages.acks,
        "outages": outages.windows.len(),
        "outage_max_ms": outages.max_ms(),
        "outage_total_ms": outages.total_ms(),
        "client_outages": outages.clients.len(),
        "worker_silence_max_ms": outages.worker_silence_ms,
        "ordinary_gap_median_ms": outages.median_gap_ms,
        "faults": faults,
        "longest": longest.iter().take(OUTAGES_SHOWN).map(|window| json!({
            "from_ns": window.from,
            "to_ns": window.to,
            "took_ms": stats::millis(window.nanos()),
            "unacknowledged": window.unacknowledged,
            "ended": window.ended,
        })).collect::<Vec<_>>(),
    });
    if let (true, Some(backs)) = (outages.crowd.numbered, backs_of(record, outages, None)) {
        shown["clients"] = words::backs(record, &backs);
    }
    shown
}
