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

use super::record::{Finding, Record};
use crate::history::{Class, Op, Question, RegisterOp, Reply};
use crate::model::Mono;
use crate::model::scenario::Workload;

mod replicas;
pub mod search;
use search::{Deed, Known, Short, Step, Told};

/// Keys named in evidence at most.
const SHOWN: usize = 10;
/// Work for one key of one epoch at most (`search::linearizable`), besides `EACH`. Measured on one core of two:
/// 0.3 to 0.8 s.
pub const WORK: u64 = 500_000_000;
/// Work for every operation: many times what a history takes of which each operation ends soon.
const EACH: u64 = 1_000;
/// Work for all keys of a run together, besides [`EACH`]: a run full of hard keys is judged in ten seconds.
const WORK_OF_ALL: u64 = 10 * WORK;

/// Judges every load of the workload `register`.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let mut seen = Seen { work: WORK_OF_ALL, ..Seen::default() };
    for (number, load) in record.loads_of(Workload::Register).filter(|(_, load)| load.of.is_none()) {
        let empty = record.history.prepared.contains(&(number, 0));
        let (ops, first) = by_key(record, number);
        for ops in ops.chunk_by(|(one, _), (other, _)| one == other) {
            let (epochs, open) = split(ops);
            for (epoch, mut steps) in epochs {
                let start = if empty && Some(epoch) == first { Known::Is(None) } else { Known::Anything };
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
struct Seen {
    keys: u64,
    told: usize,
    broken: Vec<String>,
    gaps: Vec<String>,
    undecided: Vec<Value>,
    work: u64,
}

impl Seen {
    fn look(&mut self, whose: impl Fn() -> String, start: Known, steps: &[Step]) {
        self.keys += 1;
        let each = EACH.saturating_mul(steps.len() as u64);
        let given = self.work.min(WORK).saturating_add(each);
        let mut left = given;
        match search::linearizable(start, steps, &mut left) {
            Told::Yes => {}
            Told::No(op) => self.broken.push(format!("{} is not linearizable at operation {op}", whose())),
            Told::TooMuch(short) => {
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
            "broken": self.broken.iter().take(SHOWN).collect::<Vec<_>>(),
            "gaps": self.gaps.iter().take(SHOWN).collect::<Vec<_>>(),
        });
        if !self.undecided.is_empty() {
            evidence["undecided"] = self.undecided.iter().take(SHOWN).cloned().collect();
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
fn by_key(record: &Record, number: u32) -> (Keyed<'_>, Option<u32>) {
    let mut ops: Keyed<'_> = Vec::new();
    let mut first: Option<(Mono, u32)> = None;
    for op in record.history.ops.iter().filter(|op| op.load == number) {
        let Some(Question::Register(asked)) = op.asked() else { continue };
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
fn split(ops: &[(u64, Op<'_>)]) -> (BTreeMap<u32, Vec<Step>>, Vec<Step>) {
    let (mut epochs, mut open): (BTreeMap<u32, Vec<Step>>, Vec<Step>) = (BTreeMap::new(), Vec::new());
    for (_, op) in ops {
        let Some(Question::Register(asked)) = op.asked() else { continue };
        let step = |done, deed| Step { op: op.op, invoked: op.invoked, done, deed };
        if let Some((done, ack)) = op.ack() {
            let steps = epochs.entry(ack.tl.unwrap_or_default()).or_default();
            steps.extend(deed(*op, asked).map(|deed| step(Some(done), deed)));
        } else if op.class() == Class::Info {
            match asked {
                RegisterOp::Read { .. } => {}
                RegisterOp::Write { v, .. } => open.push(step(None, Deed::Write(v))),
                RegisterOp::Cas { from, to, .. } => open.push(step(None, Deed::Swap(from, to))),
            }
        }
    }
    (epochs, open)
}

/// What an acknowledged operation did; `None` when its answer does not fit what it asked.
fn deed(op: Op<'_>, asked: RegisterOp) -> Option<Deed> {
    match (asked, op.answer()) {
        (RegisterOp::Read { .. }, Some(Reply::Value(value))) => Some(Deed::Read(value)),
        (RegisterOp::Write { v, .. }, _) => Some(Deed::Write(v)),
        (RegisterOp::Cas { from, to, .. }, Some(Reply::Swapped(true))) => Some(Deed::Swap(from, to)),
        (RegisterOp::Cas { from, .. }, Some(Reply::Swapped(false))) => Some(Deed::Refuse(from)),
        _ => None,
    }
}
