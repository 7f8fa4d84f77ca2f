//! `receipts`: every fault bit, and every fault was undone, by evidence from a second source. A fault
//! that did not bite proves nothing about the lab.

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use crate::model::fault::{FaultRecord, ReceiptState};
use crate::model::{Name, Step};
use crate::spec::scenario::step_id;

/// Judges the receipts of every fault and that every step of the scenario was carried out.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let faults = &record.history.faults;
    let mut gaps: Vec<String> = faults.iter().filter_map(gap).collect();
    let steps = &record.scenario.steps;
    let left_no_record = |id: &Name| {
        // a step with `repeat` or `swizzle` leaves one record for each of its turns
        let turn = format!("{id}-");
        !faults.iter().any(|fault| fault.id == *id || fault.id.as_str().starts_with(&turn))
    };
    let (named, nameless): (Vec<_>, Vec<_>) =
        steps.iter().enumerate().partition(|(_, step)| step.id.is_some());
    let ids = |steps: Vec<(usize, &Step)>| -> Vec<Name> {
        steps.into_iter().map(|(index, step)| step_id(index, step)).filter(left_no_record).collect()
    };
    gaps.extend(ids(named).iter().map(|id| format!("step `{id}` left no record")));
    if faults.len() < steps.len() {
        gaps.push(format!("{} steps, but {} faults on record", steps.len(), faults.len()));
    }
    // turns of one step may hide in that number that another has none
    gaps.extend(ids(nameless).iter().map(|id| format!("{id} left no record")));
    let seen: Vec<Value> = faults
        .iter()
        .map(|fault| json!({ "id": fault.id, "verb": fault.verb.name(), "receipt": fault.receipt, "heal": fault.heal }))
        .collect();
    let evidence = json!({ "faults": seen, "gaps": gaps });
    match (gaps.first(), faults.len()) {
        (Some(first), _) => Finding::unknown(first.clone(), evidence),
        (None, 0) => Finding::pass("no fault was asked for, none was injected", evidence),
        (None, 1) => Finding::pass("the fault bit and was healed", evidence),
        (None, number) => Finding::pass(format!("all {number} faults bit and were healed"), evidence),
    }
}

/// What is missing of a fault, if anything.
fn gap(fault: &FaultRecord) -> Option<String> {
    let id = &fault.id;
    if fault.began.is_none() {
        return Some(format!("fault `{id}` was meant and never injected"));
    }
    match &fault.receipt {
        None => return Some(format!("fault `{id}` has no receipt")),
        Some(receipt) if receipt.state != ReceiptState::Confirmed => {
            return Some(format!("fault `{id}` did not bite: {} ({})", receipt.evidence, receipt.source));
        }
        Some(_) => {}
    }
    match &fault.heal {
        None if fault.verb.lasting() => None,
        None => Some(format!("fault `{id}` was not healed")),
        Some(heal) if heal.state == ReceiptState::Refuted => {
            Some(format!("the heal of fault `{id}` did not take: {} ({})", heal.evidence, heal.source))
        }
        Some(heal) if heal.state == ReceiptState::Nothing && !fault.verb.lasting() => {
            Some(format!("fault `{id}` has something to heal, its record says it has not"))
        }
        Some(_) => None,
    }
}
