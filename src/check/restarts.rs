//! `restarts`: how often bodies were started again without a fault's heal (or the fault itself) or a controller
//! asking for it.
//!
//! From the engine's events where they were heard, else from the start of a body's last run as the looks show it. A
//! restart by the engine's restart policy counts: nobody asked for it.

use std::collections::BTreeMap;

use serde_json::json;

use super::brokered::BrokeredOrders;
use super::deeds;
use super::record::{Finding, RunRecord};
use crate::model::sighting::EngineEvent;
use crate::model::{Expect, MemberId, Mono};

/// One restart nobody asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// When it was heard of or seen.
    pub at: Mono,
    /// Name of the member whose body it is.
    pub member: String,
}

/// Judges the number of restarts.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let seen = measure(record);
    let evidence = json!({
        "restarts": seen.as_ref().map(|seen| seen.iter().map(|restart| {
            json!({ "at_ns": restart.at, "member": restart.member })
        }).collect::<Vec<_>>()),
    });
    let Some(seen) = seen else {
        return Finding::unknown("nobody looked when bodies were started", evidence);
    };
    let number = seen.len();
    let bound = record.scenario.expects.iter().filter_map(|expect| match expect {
        Expect::Restarts { max } => Some(*max),
        _ => None,
    });
    if let Some(max) = bound.min().filter(|max| number > *max as usize) {
        let first = seen.first().map(|restart| restart.member.clone()).unwrap_or_default();
        let said =
            format!("{number} restarts that no fault explains, at most {max} may be; the first of `{first}`");
        return Finding::fail(said, evidence);
    }
    Finding::pass(format!("{number} restarts that no fault explains"), evidence)
}

/// Restarts from the start of the load on that no fault explains; `None` when nothing shows them.
#[must_use]
pub fn measure(record: &RunRecord) -> Option<Vec<Restart>> {
    let hosts = deeds::hosts(record);
    let from = super::audit::load_start(record);
    let asked_for = |member: &str, id: &str, at| deeds::explained(record, &hosts, member, id, at).is_some();
    let events = deeds::events(record);
    if !events.is_empty() {
        let starts = events.iter().filter(|event| event.action == "start" && event.when() >= from);
        let orders = BrokeredOrders::of(record);
        let ordered = |event: &&&EngineEvent| orders.explain(event);
        let alone = starts
            .filter(|event| !asked_for(&event.member, &event.id, event.when()))
            .filter(|event| !ordered(event));
        return Some(alone.map(|event| Restart { at: event.when(), member: event.member.clone() }).collect());
    }
    let mut known: BTreeMap<&MemberId, (&str, &str)> = BTreeMap::new();
    let mut restarts = Vec::new();
    for seen in record.sightings_in_order() {
        for (member, body) in seen.bodies.iter().filter(|(_, body)| !body.started.is_empty()) {
            let before = known.insert(member, (&body.id, &body.started));
            let again = before.is_some_and(|(id, started)| id == body.id && started != body.started);
            if again && seen.at >= from && !asked_for(member.as_str(), &body.id, seen.at) {
                restarts.push(Restart { at: seen.at, member: member.to_string() });
            }
        }
    }
    (!known.is_empty()).then_some(restarts)
}
