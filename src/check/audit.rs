//! `audit`: nobody touched a body whom the record does not name.
//!
//! While the load runs and until the final reads begin, every creation, start, stop, kill, pause and removal
//! of a member's body that the engine told of must belong to a fault's injection or heal, or to the
//! engine's own restart policy after a death. A body that dies by itself needs no explanation (`die`, `oom`);
//! that is what the lab is for. A second source is the looks at bodies: a container that changed without an event is a
//! gap in what was heard.
//!
//! Controllers act through the broker, and its journal answers for what the engine told of them
//! (`brokered.rs`): a deed nobody ordered is unexplained, and an order in the name of one of our controllers
//! must follow from a decision it wrote down. A lab that has controllers is *unknown* without the broker's journal.

use serde_json::{Value, json};

use super::brokered::BrokeredOrders;
use super::deeds::{self, By};
use super::record::{Finding, RunRecord};
use crate::history::Phase;
use crate::model::Mono;
use crate::model::sighting::EngineEvent;

/// Deeds that somebody must answer for.
const DEEDS: [&str; 9] =
    ["create", "start", "restart", "stop", "kill", "pause", "unpause", "destroy", "update"];

/// Deeds named in evidence at most.
const DEEDS_SHOWN: usize = 10;

/// Judges what the engine told.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    if !record.keeps_evidence() {
        return Finding::pass(
            "not judged: this run is older than the record of what the engine did",
            json!(null),
        );
    }
    let (from, to) = (load_start(record), final_reads(record));
    let hosts = deeds::hosts(record);
    let events = deeds::events(record);
    let orders = BrokeredOrders::of(record);
    let (mut alone, mut injected, mut healed) = (Vec::new(), 0_u64, 0_u64);
    let (mut ordered, mut policy) = (0_u64, 0_u64);
    for event in
        events.iter().filter(|event| event.when() >= from && event.when() < to && needs_a_reason(event))
    {
        if orders.explain(event) {
            ordered += 1;
            continue;
        }
        match deeds::explained(record, &hosts, &event.member, &event.id, event.when()) {
            Some(By::Inject(_)) => injected += 1,
            Some(By::Heal(_)) => healed += 1,
            None if event.action == "start" && deeds::by_policy(record, &events, event) => policy += 1,
            None => alone.push(*event),
        }
    }
    let gaps = gaps(record, &events, from, to);
    let evidence = json!({
        "events": events.len(),
        "by_injections": injected,
        "by_heals": healed,
        "by_restart_policy": policy,
        "by_controllers": ordered,
        "orders": orders.count(),
        "unexplained": alone.iter().take(DEEDS_SHOWN).map(|event| show(event)).collect::<Vec<_>>(),
        "gaps": gaps,
    });
    if !record.resolved.lab.controllers.is_empty() && !orders.heard {
        return Finding::unknown("the lab has controllers, and the broker's journal was not kept", evidence);
    }
    if let Some(order) = orders.undecided() {
        let (deed, key) = (order.order.deed.name(), &order.order.token.key);
        let said =
            format!("the broker was told to `{deed}` in the name of {key}, and no decision explains it");
        return Finding::fail(said, evidence);
    }
    if let Some(first) = alone.first() {
        let (action, member) = (&first.action, &first.member);
        let said = format!("the engine told of `{action}` on `{member}`, and no fault explains it");
        return Finding::fail(said, evidence);
    }
    match gaps.first() {
        Some(first) => Finding::unknown(first.clone(), evidence),
        None => Finding::pass(
            format!("all {} deeds of the engine are explained", injected + healed + policy + ordered),
            evidence,
        ),
    }
}

fn needs_a_reason(event: &EngineEvent) -> bool {
    DEEDS.contains(&event.action.as_str())
}

fn show(event: &EngineEvent) -> Value {
    json!({ "at_ns": event.when(), "action": event.action, "member": event.member, "container": event.id })
}

/// What must have been heard and was not.
fn gaps(record: &RunRecord, events: &[&EngineEvent], from: Mono, to: Mono) -> Vec<String> {
    let mut gaps = Vec::new();
    for fault in &record.history.faults {
        let (Some(action), Some(began)) = (deeds::told_as(&fault.verb), fault.began) else { continue };
        let told = |target: &&crate::model::FaultTarget| {
            let here = |event: &&&EngineEvent| {
                event.member == target.as_str()
                    && event.action == action
                    && event.when() >= fault.intent
                    && event.when().0 <= began.0.saturating_add(deeds::SLACK)
            };
            !events.iter().any(|event| here(&event))
        };
        if let Some(target) = fault.targets.iter().find(told) {
            gaps.push(format!("fault `{}` hit `{target}`, and nobody heard the engine tell of it", fault.id));
        }
    }
    // a container that changed between two looks was created, and the engine tells of that
    for new in super::replaced::newcomers(record).unwrap_or_default() {
        let created = |event: &&EngineEvent| event.id == new.body.id && event.action == "create";
        if new.at >= from && new.at < to && !events.iter().any(created) {
            gaps.push(format!(
                "`{}` got a new container, and nobody heard the engine tell of it",
                new.member
            ));
        }
    }
    gaps
}

/// When the load began: its first operation, or its first phase.
pub(super) fn load_start(record: &RunRecord) -> Mono {
    let phase = record.history.phases.iter().find(|(_, phase)| *phase == Phase::Baseline).map(|(at, _)| *at);
    record.history.load_start().into_iter().chain(phase).min().unwrap_or_default()
}

/// When the final reads began; never, when they did not.
fn final_reads(record: &RunRecord) -> Mono {
    let mut phases = record.history.phases.iter();
    phases.find(|(_, phase)| *phase == Phase::FinalReads).map_or(Mono(u64::MAX), |(at, _)| *at)
}
