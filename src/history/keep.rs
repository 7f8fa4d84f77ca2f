//! Operations into rows and columns ([`super::ops`]).

use std::collections::HashMap;

use super::columns::{AckSource, KeptStep, part};
use super::event::{Ack, Answer, Asked, Error, Mop, Outcome};
use super::ops::{OpEnd, OpRow, Ops, Sought, ToldAt};
use crate::model::Mono;

/// A list that is read for the first time has room for twice its length: it will be read again when it is longer.
const ROOM: usize = 2;

/// Operations while they are read.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) ops: Ops,
    sources: HashMap<AckSource, u32>,
    last_source: usize,
    errors: HashMap<Error, u32>,
    longest: HashMap<u64, List>,
}

/// The longest read of a key, and how far it may grow where it stands.
#[derive(Clone, Copy, Debug)]
struct List {
    from: usize,
    number: usize,
    room: usize,
}

/// An invocation, as its line says.
#[derive(Debug)]
pub(super) struct Invoked {
    pub(super) load: u32,
    pub(super) op: u64,
    pub(super) worker: u32,
    pub(super) client: Option<u32>,
    pub(super) intended: Mono,
    pub(super) at: Mono,
    pub(super) asked: Option<Box<Asked>>,
}

impl Keeper {
    /// Adds a row; says which.
    pub(super) fn invoke(&mut self, said: Invoked) -> usize {
        let asked = match said.asked.map(|asked| *asked) {
            None => Sought::Nothing,
            Some(Asked::Read) => Sought::Read,
            Some(Asked::Txn(steps)) => {
                let odd = steps.iter().any(|step| matches!(step, Mop::Read(_, Some(_))));
                let (from, number) = self.steps(&steps);
                Sought::Txn { from, number, odd }
            }
            Some(Asked::Register(op)) => {
                self.ops.columns.registers.push(op);
                Sought::Register(self.ops.columns.registers.len() - 1)
            }
            Some(Asked::Transfer { from, to, amount }) => {
                self.ops.columns.transfers.push((from, to, amount));
                Sought::Transfer(self.ops.columns.transfers.len() - 1)
            }
        };
        self.ops.rows.push(OpRow {
            load: said.load,
            worker: said.worker,
            op: said.op,
            client: said.client,
            intended: said.intended,
            invoked: said.at,
            done: None,
            asked,
            answered: ToldAt::Nothing,
            end: OpEnd::Never,
            lo: 0,
            hi: 0,
            placed: (false, false),
        });
        self.ops.rows.len() - 1
    }

    /// Writes down how the operation of a row ended.
    pub(super) fn end(&mut self, at: usize, done: Mono, outcome: Outcome) {
        let (end, mut ack) = match outcome {
            Outcome::Fail(error) => (OpEnd::Fail(self.error(error)), None),
            Outcome::Info(error) => (OpEnd::Info(self.error(error)), None),
            Outcome::Ok(mut ack) => (OpEnd::Ok(self.source(&mut ack)), Some(ack)),
            Outcome::OkLocal(mut ack) => (OpEnd::OkLocal(self.source(&mut ack)), Some(ack)),
        };
        let answer = ack.as_mut().and_then(|ack| ack.v.take());
        let Some(asked) = self.ops.rows.get(at).map(|row| row.asked) else { return };
        let answered = answer.map_or(ToldAt::Nothing, |answer| self.answer(asked, *answer));
        let Some(row) = self.ops.rows.get_mut(at) else { return };
        row.done = Some(done);
        row.end = end;
        row.answered = answered;
        if let Some(ack) = ack {
            row.placed = (ack.lo.is_some(), ack.hi.is_some());
            (row.lo, row.hi) = (ack.lo.unwrap_or_default().0, ack.hi.unwrap_or_default().0);
        }
    }
}

impl Keeper {
    /// Gives the end of a row to another one that has none; says whether both had one, of which the other's stays.
    pub(super) fn move_end(&mut self, from: usize, to: usize) -> bool {
        let Some(row) = self.ops.rows.get_mut(from) else { return false };
        if row.done.is_none() || from == to {
            return false;
        }
        let (done, end, answered, lo, hi, placed) =
            (row.done.take(), row.end, row.answered, row.lo, row.hi, row.placed);
        (row.end, row.answered) = (OpEnd::Never, ToldAt::Nothing);
        let Some(first) = self.ops.rows.get_mut(to).filter(|first| first.done.is_none()) else { return true };
        (first.done, first.end, first.lo, first.hi, first.placed) = (done, end, lo, hi, placed);
        // steps stand with the question that was answered
        first.answered = if matches!(answered, ToldAt::Steps) { ToldAt::Nothing } else { answered };
        false
    }

    /// All operations, when there are no more.
    pub(super) fn finish(self) -> Ops {
        self.ops
    }

    /// The number of who acknowledged.
    fn source(&mut self, ack: &mut Ack) -> u32 {
        let source = AckSource { n: ack.n.take(), tl: ack.tl, sys: ack.sys.take() };
        // mostly the same as that of the acknowledgement before
        if self.ops.columns.sources.get(self.last_source) == Some(&source) {
            return number(self.last_source);
        }
        let next = number(self.ops.columns.sources.len());
        let at = *self.sources.entry(source.clone()).or_insert(next);
        if at == next {
            self.ops.columns.sources.push(source);
        }
        self.last_source = usize::try_from(at).unwrap_or(usize::MAX);
        at
    }

    fn error(&mut self, error: Error) -> u32 {
        if let Some(known) = self.errors.get(&error) {
            return *known;
        }
        let next = number(self.ops.columns.errors.len());
        self.ops.columns.errors.push(error.clone());
        self.errors.insert(error, next);
        next
    }

    fn answer(&mut self, asked: Sought, answer: Answer) -> ToldAt {
        match answer {
            Answer::Txn(steps) => self.answered_steps(asked, &steps),
            Answer::Value(value) => value.map_or(ToldAt::NoValue, ToldAt::Value),
            Answer::Swapped(swapped) => ToldAt::Swapped(swapped),
            Answer::Balances(balances) => {
                let from = self.ops.columns.balances.len();
                self.ops.columns.balances.extend_from_slice(&balances);
                ToldAt::Balances(from, number(balances.len()))
            }
            Answer::Heartbeat(beat) => beat.map_or(ToldAt::NoBeat, ToldAt::Beat),
        }
    }

    /// Steps that answer those that were asked for one by one fill them; others are kept beside them.
    fn answered_steps(&mut self, asked: Sought, steps: &[Mop]) -> ToldAt {
        let Sought::Txn { from, number, odd: false } = asked else { return self.other_steps(steps) };
        let sought = part(&self.ops.columns.steps, from, number);
        let fits = |(sought, step): (&KeptStep, &Mop)| match (sought, step) {
            (KeptStep::Append(key, element), Mop::Append(to, own)) => (key, element) == (to, own),
            (KeptStep::Ask(key), Mop::Read(of, _)) => key == of,
            _ => false,
        };
        if sought.len() != steps.len() || !sought.iter().zip(steps).all(fits) {
            return self.other_steps(steps);
        }
        for (at, step) in (from..).zip(steps) {
            let kept = self.step(step);
            if let Some(sought) = self.ops.columns.steps.get_mut(at) {
                *sought = kept;
            }
        }
        ToldAt::Steps
    }

    fn other_steps(&mut self, steps: &[Mop]) -> ToldAt {
        let (from, number) = self.steps(steps);
        ToldAt::Txn(from, number)
    }

    fn steps(&mut self, steps: &[Mop]) -> (usize, u32) {
        let from = self.ops.columns.steps.len();
        for step in steps {
            let kept = self.step(step);
            self.ops.columns.steps.push(kept);
        }
        (from, number(steps.len()))
    }

    fn step(&mut self, step: &Mop) -> KeptStep {
        match step {
            Mop::Append(key, element) => KeptStep::Append(*key, *element),
            Mop::Read(key, None) => KeptStep::Ask(*key),
            Mop::Read(key, Some(list)) => {
                KeptStep::Read { key: *key, from: self.list(*key, list), number: number(list.len()) }
            }
        }
    }

    /// Where a list stands: within the longest of its key when one begins as the other.
    fn list(&mut self, key: u64, list: &[u64]) -> usize {
        let lists = &mut self.ops.columns.lists;
        let known = self.longest.get(&key).copied().unwrap_or(List { from: lists.len(), number: 0, room: 0 });
        let longest = part(lists, known.from, number(known.number));
        if longest.starts_with(list) {
            return known.from;
        }
        let Some(more) = list.strip_prefix(longest) else {
            lists.extend_from_slice(list);
            return lists.len() - list.len();
        };
        let mut grown = List { number: list.len(), ..known };
        if list.len() <= known.room {
            let at = known.from + known.number;
            if let Some(room) = lists.get_mut(at..at + more.len()) {
                room.copy_from_slice(more);
            }
        } else {
            grown = List { from: lists.len(), number: list.len(), room: list.len() * ROOM };
            lists.extend_from_slice(list);
            lists.resize(grown.from + grown.room, 0);
        }
        self.longest.insert(key, grown);
        grown.from
    }
}

fn number(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::history::{Event, History, Move, OpReply};

    /// A transaction that reads lists, and what its reads were answered.
    fn reads(op: u64, lists: &[(u64, Vec<u64>)]) -> [Event; 2] {
        let asked = lists.iter().map(|(key, _)| Mop::Read(*key, None)).collect();
        let answered = lists.iter().map(|(key, list)| Mop::Read(*key, Some(list.clone()))).collect();
        let ack = Ack { v: Some(Box::new(Answer::Txn(answered))), ..Ack::default() };
        let (t, q, c) = (Mono(op), Some(Box::new(Asked::Txn(asked))), None);
        [Event::Invoke { t, l: 0, o: op, w: 0, i: t, q, c }, Event::done(t, 0, op, Outcome::Ok(ack))]
    }

    proptest! {
        #[test]
        fn lists_read_back_as_they_were(
            all in prop::collection::vec(prop::collection::vec((0u64..3, 0u64..2, 0u64..40), 0..4), 0..30)
        ) {
            // of each key there are two lists that begin alike, and every read saw some part of one of them
            let list = |which: u64, upto: u64| (0..upto).map(|at| if at < 9 { at } else { at + which * 100 }).collect();
            let all: Vec<Vec<(u64, Vec<u64>)>> = all
                .iter()
                .map(|lists| lists.iter().map(|(key, which, upto)| (*key, list(*which, *upto))).collect())
                .collect();
            let history = History::from_events((0..).zip(&all).flat_map(|(op, lists)| reads(op, lists)));
            prop_assert_eq!(history.ops.len(), all.len());
            for (op, wanted) in history.ops.iter().zip(&all) {
                let Some(OpReply::Txn(steps)) = op.answer() else { panic!("no answer") };
                let seen: Vec<Move<'_>> = steps.iter().collect();
                let wanted: Vec<Move<'_>> = wanted.iter().map(|(key, list)| Move::Read(*key, Some(list))).collect();
                prop_assert_eq!(seen, wanted);
            }
        }
    }

    #[test]
    fn lists_of_one_key_cost_what_the_longest_costs() {
        let upto = |upto: u64| (0..upto).collect::<Vec<u64>>();
        let all = (0..1000).map(|op| reads(op, &[(7, upto(op / 10))])).collect::<Vec<_>>();
        let history = History::from_events(all.into_iter().flatten());
        assert!(history.ops.columns.lists.len() < 600, "{}", history.ops.columns.lists.len());
    }
}
