//! `outage`: how long an endpoint acknowledged nothing, by fault.
//!
//! An outage goes from the last acknowledgement before to the first of a run of five after, on any
//! client; where it begins and what counts as one is said in [`windows`]. A fault is blamed for the
//! longest outage that overlaps the time from its injection to the next fault.

use serde_json::{Value, json};

use super::record::{Finding, Record};
use crate::model::scenario::Endpoint;
use crate::model::{Expect, Mono, Name, Span};
use crate::stats;

pub mod windows;
pub use windows::{ClientOutage, EndpointOutages, Outage};

/// Outages named in evidence at most, the longest first.
const SHOWN: usize = 20;

/// Judges the bounds a scenario asks for; without any, the outages are reported.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let endpoints = measure(record);
    let evidence =
        json!({ "endpoints": endpoints.iter().map(|outages| show(record, outages)).collect::<Vec<_>>() });
    let mut broken: Vec<String> = Vec::new();
    let mut gaps: Vec<String> = Vec::new();
    let mut asked = 0;
    for expect in &record.scenario.expects {
        if let Expect::Outage { endpoint, after, max } = expect {
            asked += 1;
            match bound(record, &endpoints, *endpoint, after.as_ref(), *max) {
                Held::Yes => {}
                Held::No(why) => broken.push(why),
                Held::Unclear(why) => gaps.push(why),
            }
        }
    }
    let longest =
        endpoints.iter().flat_map(|seen| &seen.windows).map(Outage::nanos).max().map_or(0.0, stats::millis);
    Finding::first_of(&broken, &gaps, evidence, |evidence| {
        let held = if asked > 0 { ", within what was asked" } else { "; nothing was asked of it" };
        Finding::pass(format!("the longest outage took {longest} ms{held}"), evidence)
    })
}

/// The outages of every endpoint that a load used.
#[must_use]
pub fn measure(record: &Record) -> Vec<EndpointOutages> {
    [Endpoint::Rw, Endpoint::Ro]
        .into_iter()
        .filter_map(|endpoint| windows::of_endpoint(record, endpoint))
        .collect()
}

/// The span a fault answers for: from its injection to the next one; to the end of time for the last.
fn span_of(record: &Record, fault: &Name) -> Option<(Mono, Mono)> {
    let began = record.history.faults.iter().find(|known| known.id == *fault)?.began?;
    let next =
        record.history.faults.iter().filter_map(|known| known.began).filter(|other| *other > began).min();
    Some((began, next.unwrap_or(Mono(u64::MAX))))
}

/// The longest outage a fault answers for on an endpoint; `None` when there was none.
#[must_use]
pub fn of_fault<'a>(record: &Record, outages: &'a EndpointOutages, fault: &Name) -> Option<&'a Outage> {
    let (began, next) = span_of(record, fault)?;
    outages
        .windows
        .iter()
        .filter(|window| window.to > began && window.from < next)
        .max_by_key(|window| window.nanos())
}

/// The longest outage of a single client a fault answers for on an endpoint; `None` when there was none.
#[must_use]
pub fn client_of_fault<'a>(
    record: &Record,
    outages: &'a EndpointOutages,
    fault: &Name,
) -> Option<&'a ClientOutage> {
    let (began, next) = span_of(record, fault)?;
    let overlapping = outages.clients.iter().filter(|outage| outage.to > began && outage.from < next);
    overlapping.max_by_key(|outage| outage.nanos())
}

enum Held {
    Yes,
    No(String),
    Unclear(String),
}

fn bound(
    record: &Record,
    endpoints: &[EndpointOutages],
    endpoint: Endpoint,
    after: Option<&Name>,
    max: Span,
) -> Held {
    let Some(outages) = endpoints.iter().find(|seen| seen.endpoint == endpoint) else {
        return Held::Unclear(format!("no load used `{endpoint}`, so its outage is not known"));
    };
    if outages.acks == 0 {
        return Held::Unclear(format!(
            "nothing was ever acknowledged on `{endpoint}`, so no outage of it has a beginning"
        ));
    }
    let (blamed, whose) = match after {
        None => (outages.windows.iter().max_by_key(|window| window.nanos()), String::new()),
        Some(fault) if span_of(record, fault).is_none() => {
            return Held::Unclear(format!("fault `{fault}` was never injected, so no outage is its own"));
        }
        Some(fault) => (of_fault(record, outages, fault), format!(" after `{fault}`")),
    };
    let Some(window) = blamed else { return Held::Yes };
    let took = stats::millis(window.nanos());
    let limit = max.as_ms();
    if u128::from(window.nanos()) > max.0.as_nanos() {
        return Held::No(if window.ended {
            format!("the outage of `{endpoint}`{whose} took {took} ms, at most {limit} ms are allowed")
        } else {
            format!("the outage of `{endpoint}`{whose} never ended: {took} ms without an acknowledgement")
        });
    }
    // the load may have ended before the outage did: what was not seen to the end is not known
    if !window.ended {
        return Held::Unclear(format!("the load ended {took} ms into an outage of `{endpoint}`{whose}"));
    }
    Held::Yes
}

fn show(record: &Record, outages: &EndpointOutages) -> Value {
    let mut longest: Vec<&Outage> = outages.windows.iter().collect();
    longest.sort_by_key(|window| std::cmp::Reverse(window.nanos()));
    let faults: Vec<Value> = record
        .history
        .faults
        .iter()
        .map(|fault| {
            let took = of_fault(record, outages, &fault.id).map(|window| stats::millis(window.nanos()));
            let client = client_of_fault(record, outages, &fault.id);
            json!({
                "fault": fault.id,
                "outage_ms": took,
                "client_outage_max_ms": client.map(|outage| stats::millis(outage.nanos())),
            })
        })
        .collect();
    json!({
        "endpoint": outages.endpoint,
        "acks": outages.acks,
        "outages": outages.windows.len(),
        "outage_max_ms": outages.max_ms(),
        "outage_total_ms": outages.total_ms(),
        "client_outages": outages.clients.len(),
        "worker_silence_max_ms": outages.worker_silence_ms,
        "ordinary_gap_median_ms": outages.median_gap_ms,
        "faults": faults,
        "longest": longest.iter().take(SHOWN).map(|window| json!({
            "from_ns": window.from,
            "to_ns": window.to,
            "took_ms": stats::millis(window.nanos()),
            "unacknowledged": window.unacknowledged,
            "ended": window.ended,
        })).collect::<Vec<_>>(),
    })
}
