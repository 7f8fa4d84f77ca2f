//! `register`: reads, writes and compare-and-sets of single keys were linearizable.
//!
//! By key and by *epoch*: operations acknowledged on one timeline, by one primary. What a failover loses is
//! judged by `lost-acks`; within an epoch nothing may be. The first epoch begins with empty tables, a later
//! one with any one value. A write nobody knows the end of may take effect at any time after it was sent,
//! in any epoch, or never. Loads that read what another one writes go to replicas, which promise no
//! linearizable read: they are left out.
//!
//! Method: [`search`]. Its work is bounded; beyond the bound the key is *unknown*, with the reason.

use std::collections::BTreeMap;

use serde_json::json;

use super::record::{Finding, Record};
use crate::history::{Answer, Asked, Class, Op, RegisterOp};
use crate::model::Mono;
use crate::model::scenario::Workload;

pub mod search;
use search::{Deed, Known, Step, Told};

/// Keys named in evidence at most.
const SHOWN: usize = 10;
/// States looked at for one key of one epoch at most.
const BUDGET: usize = 2_000_000;

/// Judges every load of the workload `register`.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let mut broken: Vec<String> = Vec::new();
    let mut gaps: Vec<String> = Vec::new();
    let (mut keys, mut told) = (0_u64, 0_usize);
    for (number, load) in record.loads_of(Workload::Register).filter(|(_, load)| load.of.is_none()) {
        let empty = record.history.prepared.contains(&(number, 0));
        let (mut by_key, first) = split(record, number);
        for (key, (epochs, open)) in &mut by_key {
            for (epoch, steps) in epochs {
                keys += 1;
                told += steps.len();
                let start = if empty && Some(*epoch) == first { Known::Is(None) } else { Known::Anything };
                let last = steps.iter().filter_map(|step| step.done).max();
                let open = open.iter().filter(|step| last.is_some_and(|last| step.invoked <= last));
                steps.extend(open.copied());
                let whose = format!("key {key} of load `{}` on timeline {epoch}", load.name);
                match search::linearizable(start, steps, BUDGET) {
                    Told::Yes => {}
                    Told::No(op) => broken.push(format!("{whose} is not linearizable at operation {op}")),
                    Told::TooMuch => gaps.push(format!(
                        "{whose} has too many ways to be ordered: more than {BUDGET} were looked at"
                    )),
                }
            }
        }
    }
    let evidence = json!({
        "keys_by_epoch": keys,
        "operations": told,
        "broken": broken.iter().take(SHOWN).collect::<Vec<_>>(),
        "gaps": gaps.iter().take(SHOWN).collect::<Vec<_>>(),
    });
    Finding::first_of(&broken, &gaps, evidence, |evidence| match told {
        0 => Finding::unknown("no register was read or written", evidence),
        told => Finding::pass(format!("{told} operations on registers are linearizable"), evidence),
    })
}

/// Of one key: steps acknowledged by epoch, and those nobody knows the end of.
type Key = (BTreeMap<u32, Vec<Step>>, Vec<Step>);

/// The steps of a load by key, and its first epoch.
fn split(record: &Record, number: u32) -> (BTreeMap<u64, Key>, Option<u32>) {
    let mut by_key: BTreeMap<u64, Key> = BTreeMap::new();
    let mut first: Option<(Mono, u32)> = None;
    for op in record.history.ops.iter().filter(|op| op.load == number) {
        let Some(Asked::Register(asked)) = op.asked.as_deref() else { continue };
        let (RegisterOp::Read { k } | RegisterOp::Write { k, .. } | RegisterOp::Cas { k, .. }) = *asked;
        let key = by_key.entry(k).or_default();
        match op.ack() {
            Some((done, ack)) => {
                let epoch = ack.tl.unwrap_or_default();
                if first.is_none_or(|(earliest, _)| done < earliest) {
                    first = Some((done, epoch));
                }
                key.0.entry(epoch).or_default().extend(deed(op, *asked).map(|deed| Step {
                    op: op.op,
                    invoked: op.invoked,
                    done: Some(done),
                    deed,
                }));
            }
            None if op.class() == Class::Info => {
                let deed = match *asked {
                    RegisterOp::Read { .. } => continue,
                    RegisterOp::Write { v, .. } => Deed::Write(v),
                    RegisterOp::Cas { from, to, .. } => Deed::Swap(from, to),
                };
                key.1.push(Step { op: op.op, invoked: op.invoked, done: None, deed });
            }
            None => {}
        }
    }
    (by_key, first.map(|(_, epoch)| epoch))
}

/// What an acknowledged operation did; `None` when its answer does not fit what it asked.
fn deed(op: &Op, asked: RegisterOp) -> Option<Deed> {
    match (asked, op.answer()) {
        (RegisterOp::Read { .. }, Some(Answer::Value(value))) => Some(Deed::Read(*value)),
        (RegisterOp::Write { v, .. }, _) => Some(Deed::Write(v)),
        (RegisterOp::Cas { from, to, .. }, Some(Answer::Swapped(true))) => Some(Deed::Swap(from, to)),
        (RegisterOp::Cas { from, .. }, Some(Answer::Swapped(false))) => Some(Deed::Refuse(from)),
        _ => None,
    }
}
