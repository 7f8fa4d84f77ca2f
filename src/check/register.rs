//! `register`: reads, writes and compare-and-sets of single keys were linearizable.
//!
//! By key and by *epoch*: operations acknowledged on one timeline, by one primary. What a failover loses is
//! judged by `lost-acks`; within an epoch nothing may be. The first epoch begins with empty tables, a later
//! one with any one value. A write nobody knows the end of may take effect at any time after it was sent,
//! in any epoch, or never. Loads that read what another one writes go to replicas, which promise no
//! linearizable read: of them it is asked that somebody wrote before what they saw (`replicas`).
//!
//! Method: [`search`]. Its work is bounded; beyond the bound the key is *unknown*, with what stood in the way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use crate::history::{Class, Op, OpQuestion, OpReply, RegisterOp};
use crate::model::Mono;
use crate::model::scenario::Workload;

mod replicas;
pub mod search;
use search::{KnownValue, RegisterAnswer, RegisterDeed, RegisterStep, Short};

/// Keys named in evidence at most.
const KEYS_SHOWN: usize = 10;
/// Work for one key of one epoch at most (`search::linearizable`), besides `EACH`. Measured on one core of two:
/// 0.3 to 0.8 s.
pub const SEARCH_WORK: u64 = 500_000_000;
/// Work for every operation: many times what a history takes of which each operation ends soon.
const EACH: u64 = 1_000;
/// Work for all keys of a run together, besides [`EACH`]: a run full of hard keys is judged in ten seconds.
const WORK_OF_ALL: u64 = 10 * SEARCH_WORK;

/// Judges every load of the workload `register`.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut seen = RegisterSeen { work: WORK_OF_ALL, ..RegisterSeen::default() };
    for (number, load) in record.loads_of(Workload::Register).filter(|(_, load)| load.of.is_none()) {
        let empty = record.history.prepared.contains(&(number, 0));
        let (ops, first) = by_key(record, number);
        for ops in ops.chunk_by(|(one, _), (other, _)| one == other) {
            let (epochs, open) = split(ops);
            for (epoch, mut steps) in epochs {
                let start =
                    if empty && Some(epoch) == first { KnownValue::Is(None) } else { KnownValue::Anything };
                let key = ops.first().map_or(0, |(key, _)| *key);
                let whose = || format!("key {key} of load `{}` on timeline {epoch}", load.name);
                seen.told += steps.len();
                let last = steps.iter().filter_map(|step| step.done).max();
                let open = open.iter().filter(|step| last.is_some_and(|last| step.invoked <= last));
                steps.extend(open.copied());
                seen.look(whose, start, &steps);
            }
        }
    }
    seen.broken.extend(replicas::impossible(record));
    let told = seen.told;
    let evidence = seen.evidence();
    Finding::first_of(&seen.broken, &seen.gaps, evidence, |evidence| match told {
        0 => Finding::unknown("no register was read or written", evidence),
        told => Finding::pass(format!("{told} operations on registers are linearizable"), evidence),
    })
}

/// What was found, and the work that is left.
#[derive(Default)]
struct RegisterSeen {
    keys: u64,
    told: usize,
    broken: Vec<String>,
    gaps: Vec<String>,
    undecided: Vec<Value>,
    work: u64,
}

impl RegisterSeen {
    fn look(&mut self, whose: impl Fn() -> String, start: KnownValue, steps: &[RegisterStep]) {
        self.keys += 1;
        let each = EACH.saturating_mul(steps.len() as u64);
        let given = self.work.min(SEARCH_WORK).saturating_add(each);
        let mut left = given;
        match search::linearizable(start, steps, &mut left) {
            RegisterAnswer::Yes => {}
            RegisterAnswer::No(op) => {
                self.broken.push(format!("{} is not linearizable at operation {op}", whose()));
            }
            RegisterAnswer::TooMuch(short) => {
                self.gaps.push(undecided(&whose(), &short));
                self.undecided.push(json!({
                    "key": whose(), "operation": short.op, "ended": short.ended, "of": short.ends,
                    "worlds": short.worlds, "writes_of_unknown_end": short.unknown, "work": given,
                }));
            }
        }
        self.work = self.work.saturating_sub((given - left).saturating_sub(each));
    }

    fn evidence(&self) -> Value {
        let mut evidence = json!({
            "keys_by_epoch": self.keys,
            "operations": self.told,
            "broken": self.broken.iter().take(KEYS_SHOWN).collect::<Vec<_>>(),
            "gaps": self.gaps.iter().take(KEYS_SHOWN).collect::<Vec<_>>(),
        });
        if !self.undecided.is_empty() {
            evidence["undecided"] = self.undecided.iter().take(KEYS_SHOWN).cloned().collect();
        }
        evidence
    }
}

/// What a search would have needed that was given up.
fn undecided(whose: &str, short: &Short) -> String {
    let Short { op, ended, ends, worlds, unknown } = short;
    format!(
        "{whose} is not decided: the search spent its work at operation {op}, after {ended} of {ends} ends, \
         with {worlds} possible worlds; the ends of {unknown} writes of unknown end would decide it"
    )
}

type Keyed<'a> = Vec<(u64, Op<'a>)>;

/// The operations of a load by key, each key's in the order of their invocation, and the first epoch.
fn by_key(record: &RunRecord, number: u32) -> (Keyed<'_>, Option<u32>) {
    let mut ops: Keyed<'_> = Vec::new();
    let mut first: Option<(Mono, u32)> = None;
    for op in record.history.ops.iter().filter(|op| op.load == number) {
        let Some(OpQuestion::Register(asked)) = op.asked() else { continue };
        let (RegisterOp::Read { k } | RegisterOp::Write { k, .. } | RegisterOp::Cas { k, .. }) = asked;
        if let Some((done, ack)) = op.ack()
            && first.is_none_or(|(earliest, _)| done < earliest)
        {
            first = Some((done, ack.tl.unwrap_or_default()));
        }
        ops.push((k, op));
    }
    ops.sort_by_key(|(key, _)| *key);
    (ops, first.map(|(_, epoch)| epoch))
}

/// The steps of one key: those acknowledged by epoch, and those of which nobody knows the end.
fn split(ops: &[(u64, Op<'_>)]) -> (BTreeMap<u32, Vec<RegisterStep>>, Vec<RegisterStep>) {
    let (mut epochs, mut open): (BTreeMap<u32, Vec<RegisterStep>>, Vec<RegisterStep>) =
        (BTreeMap::new(), Vec::new());
    for (_, op) in ops {
        let Some(OpQuestion::Register(asked)) = op.asked() else { continue };
        let step = |done, deed| RegisterStep { op: op.op, invoked: op.invoked, done, deed };
        if let Some((done, ack)) = op.ack() {
            let steps = epochs.entry(ack.tl.unwrap_or_default()).or_default();
            steps.extend(deed(*op, asked).map(|deed| step(Some(done), deed)));
        } else if op.class() == Class::Info {
            match asked {
                RegisterOp::Read { .. } => {}
                RegisterOp::Write { v, .. } => open.push(step(None, RegisterDeed::Write(v))),
                RegisterOp::Cas { from, to, .. } => open.push(step(None, RegisterDeed::Swap(from, to))),
            }
        }
    }
    (epochs, open)
}

/// What an acknowledged operation did; `None` when its answer does not fit what it asked.
fn deed(op: Op<'_>, asked: RegisterOp) -> Option<RegisterDeed> {
    match (asked, op.answer()) {
        (RegisterOp::Read { .. }, Some(OpReply::Value(value))) => Some(RegisterDeed::Read(value)),
        (RegisterOp::Write { v, .. }, _) => Some(RegisterDeed::Write(v)),
        (RegisterOp::Cas { from, to, .. }, Some(OpReply::Swapped(true))) => {
            Some(RegisterDeed::Swap(from, to))
        }
        (RegisterOp::Cas { from, .. }, Some(OpReply::Swapped(false))) => Some(RegisterDeed::Refuse(from)),
        _ => None,
    }
}
