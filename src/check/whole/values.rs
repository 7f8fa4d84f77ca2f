//! Values are closed: an operation asks what its workload asks, an answer has the kind of its question and is not
//! older than it, a reader says who answered it, and a mark is given once.

use super::hole::{Hole, load_name};
use crate::check::record::RunRecord;
use crate::history::{Move, Op, OpQuestion, OpReply, RegisterOp};
use crate::model::Load;
use crate::model::scenario::Workload;

/// Everything that no operation can say of itself.
pub(super) fn holes(record: &RunRecord) -> Vec<Hole> {
    let mut seen = ValuesSeen::default();
    for op in &record.history.ops {
        let load = usize::try_from(op.load).ok().and_then(|load| record.scenario.loads.get(load));
        // that there is no such load is said by its name
        let Some(load) = load else { continue };
        seen.early.count(op, op.intended > op.invoked);
        seen.asked.count(op, !asks(load, op.asked().as_ref()));
        let Some((_, ack)) = op.ack() else { continue };
        seen.answered.count(op, !fits(load.workload, op.asked().as_ref(), op.answer().as_ref()));
        seen.nobody.count(op, ack.n.is_none() && reads(load, op));
        seen.timeless.count(op, ack.tl.is_none() && is_register_read(op) && load.of.is_none());
    }
    let mut holes = seen.holes(record);
    holes.extend(marks(record));
    holes
}

/// Operations with one thing wrong: the first of them, and how many there are.
#[derive(Default)]
struct WrongOps {
    first: Option<(u32, u64)>,
    number: usize,
}

impl WrongOps {
    fn count(&mut self, op: Op<'_>, wrong: bool) {
        if wrong {
            self.first.get_or_insert((op.load, op.op));
            self.number += 1;
        }
    }
}

#[derive(Default)]
struct ValuesSeen {
    early: WrongOps,
    asked: WrongOps,
    answered: WrongOps,
    nobody: WrongOps,
    timeless: WrongOps,
}

impl ValuesSeen {
    fn holes(&self, record: &RunRecord) -> Vec<Hole> {
        type Make = fn(String) -> Hole;
        let (strange, absent): (Make, Make) = (Hole::strange, Hole::absent);
        let all = [
            (&self.early, strange, "was sent before it was meant to be"),
            (&self.asked, strange, "asks what its workload does not ask"),
            (&self.answered, strange, "was not answered what it asked for"),
            (&self.nobody, absent, "was answered, and does not say by which member"),
            (&self.timeless, absent, "read a register, and does not say on which timeline"),
        ];
        let says = |(wrong, make, what): (&WrongOps, Make, &str)| {
            let (load, op) = wrong.first?;
            let (name, number) = (load_name(record, load), wrong.number);
            Some(make(format!("operation {op} of load {name} {what} ({number} such)")))
        };
        all.into_iter().filter_map(says).collect()
    }
}

/// Whether a load of this workload asks such a thing.
fn asks(load: &Load, asked: Option<&OpQuestion<'_>>) -> bool {
    let only_reads = load.of.is_some();
    match (load.workload, asked) {
        (Workload::Append, Some(OpQuestion::Txn(steps))) => {
            !only_reads || steps.iter().all(|step| matches!(step, Move::Read(..)))
        }
        (Workload::Bank, Some(OpQuestion::Transfer { .. })) => !only_reads,
        (Workload::Register, Some(OpQuestion::Register(op))) => {
            !only_reads || matches!(op, RegisterOp::Read { .. })
        }
        (Workload::Freshness, asked) => matches!(asked, Some(OpQuestion::Read)) == only_reads,
        (Workload::Bank | Workload::Select, Some(OpQuestion::Read))
        | (Workload::Set | Workload::Tpcb | Workload::Sql | Workload::Pgbench, None) => true,
        _ => false,
    }
}

/// Whether an answer is one to this question.
fn fits(workload: Workload, asked: Option<&OpQuestion<'_>>, answer: Option<&OpReply<'_>>) -> bool {
    match (asked, answer) {
        (Some(OpQuestion::Txn(asked)), Some(OpReply::Txn(answered))) => {
            asked.len() == answered.len()
                && asked.iter().zip(answered.iter()).all(|(asked, answered)| same(asked, answered))
        }
        // a transaction that reads nothing has nothing to be told
        (Some(OpQuestion::Txn(asked)), None) => asked.iter().all(|step| matches!(step, Move::Append(..))),
        (Some(OpQuestion::Register(RegisterOp::Read { .. })), answer) => {
            matches!(answer, Some(OpReply::Value(_)))
        }
        (Some(OpQuestion::Register(RegisterOp::Cas { .. })), answer) => {
            matches!(answer, Some(OpReply::Swapped(_)))
        }
        (Some(OpQuestion::Read), answer) => match workload {
            Workload::Bank => matches!(answer, Some(OpReply::Balances(_))),
            Workload::Freshness => matches!(answer, Some(OpReply::Heartbeat(_))),
            // the balance of one account says nothing of the others
            _ => answer.is_none(),
        },
        (
            None | Some(OpQuestion::Transfer { .. } | OpQuestion::Register(RegisterOp::Write { .. })),
            answer,
        ) => answer.is_none(),
        (Some(OpQuestion::Txn(_)), Some(_)) => false,
    }
}

/// Whether a step was answered: an append as it was asked, a read of its list with a list.
fn same(asked: Move<'_>, answered: Move<'_>) -> bool {
    match (asked, answered) {
        (Move::Append(..), _) => asked == answered,
        (Move::Read(asked, _), Move::Read(answered, Some(_))) => asked == answered,
        (Move::Read(..), _) => false,
    }
}

/// Whether an acknowledged operation is one that other checkers leave out when nobody says who answered: `one-writer`
/// counts those that write.
fn reads(load: &Load, op: Op<'_>) -> bool {
    let only_reads = load.of.is_some() || load.workload == Workload::Select;
    let wrote = match op.asked() {
        Some(OpQuestion::Read) => false,
        Some(OpQuestion::Register(op)) => !matches!(op, RegisterOp::Read { .. }),
        Some(OpQuestion::Txn(steps)) => steps.iter().any(|step| matches!(step, Move::Append(..))),
        Some(OpQuestion::Transfer { .. }) | None => true,
    };
    only_reads || !wrote
}

fn is_register_read(op: Op<'_>) -> bool {
    matches!(op.asked(), Some(OpQuestion::Register(RegisterOp::Read { .. })))
}

/// A mark that two operations leave, or one twice: what is read of it says nothing of either.
fn marks(record: &RunRecord) -> Vec<Hole> {
    // an append's mark is its element; of other workloads it is the number, which is there once or is a problem
    let mut marks: Vec<(u32, u64, u64)> = Vec::new();
    for op in &record.history.ops {
        if let Some(OpQuestion::Txn(steps)) = op.asked() {
            marks.extend(steps.iter().filter_map(|step| match step {
                Move::Append(key, element) => Some((op.load, key, element)),
                Move::Read(..) => None,
            }));
        }
    }
    marks.sort_unstable();
    let again = marks.windows(2).filter(|pair| pair[0] == pair[1]);
    let (first, number) = (again.clone().next(), again.count());
    let says = first.map(|pair| {
        let (load, key, element) = pair[0];
        let name = load_name(record, load);
        format!("element {element} was appended to list {key} of load {name} twice ({number} such)")
    });
    says.map(Hole::strange).into_iter().collect()
}
