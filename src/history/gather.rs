//! Events, as they come, into one history, so that no more than one of them is held.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::event::{Event, Outcome, Signed};
use super::keep::{Invoked, Keeper};
use super::paired::History;
use super::problem::{JournalProblem, JournalWriter, PasswordSearch};
use crate::model::Mono;

/// Events, as they come, into one history. An end meets its beginning at once where it stands behind it, as it
/// does in every journal of one process; all others wait for the end of the journal.
#[derive(Debug, Default)]
pub struct Pairing {
    history: History,
    keeper: Keeper,
    closed: Vec<(Mono, String, Option<Box<Signed>>)>,
    /// Operations that were invoked and have not ended, with their rows.
    open: HashMap<(u32, u64), usize>,
    /// Operations whose ends wait.
    odd: HashSet<(u32, u64)>,
    /// The ends that wait, each with its number among all ends.
    waiting: Vec<(u64, Mono, (u32, u64), Outcome)>,
    ends: u64,
    /// Problems with ends, each with that number.
    problems: Vec<(u64, JournalProblem)>,
}

impl Pairing {
    /// Takes in one event.
    pub fn add(&mut self, event: Event) {
        let history = &mut self.history;
        history.lines += 1;
        match event {
            Event::Journal { t, writer, boot_id, loads, run } => {
                let (began, name) = (t, writer);
                history.writers.push(JournalWriter { name, boot_id, run, began, ended: None, signed: None });
                if !loads.is_empty() {
                    history.loads = loads;
                }
            }
            Event::Phase { t, phase } => history.phases.push((t, phase)),
            Event::Prepared { l, rows, .. } => history.prepared.push((l, rows)),
            Event::Invoke { t, l, o, w, i, q, c } => {
                self.invoke(Invoked { load: l, op: o, worker: w, client: c, intended: i, at: t, asked: q });
            }
            Event::Done { t, l, o, outcome } => self.end(t, (l, o), outcome),
            Event::Fault(record) => history.fault(*record),
            Event::FinalRead(read) => history.reads.push(*read),
            Event::Searched { t, files, found } => {
                history.searches.push(PasswordSearch { at: t, files, found });
            }
            Event::Logs { t, bytes } => history.logs.push((t, bytes)),
            Event::Counted(counted) => history.counted.push(*counted),
            Event::Note { t, text } => history.notes.push((t, text)),
            Event::End { t, writer, signed } => self.closed.push((t, writer, signed)),
        }
    }

    fn invoke(&mut self, said: Invoked) {
        let key = (said.load, said.op);
        let row = self.keeper.invoke(said);
        if !self.odd.contains(&key) && self.open.insert(key, row).is_some() {
            self.open.remove(&key);
            self.odd.insert(key);
        }
    }

    fn end(&mut self, t: Mono, key: (u32, u64), outcome: Outcome) {
        self.ends += 1;
        if let Some(row) = self.open.remove(&key) {
            self.meet(self.ends, row, t, outcome);
        } else {
            self.odd.insert(key);
            self.waiting.push((self.ends, t, key, outcome));
        }
    }

    fn meet(&mut self, number: u64, row: usize, t: Mono, outcome: Outcome) {
        if let Some(op) = self.keeper.ops.get(row).filter(|op| t < op.invoked) {
            self.problems.push((number, JournalProblem::EndedEarly { load: op.load, op: op.op }));
        }
        self.keeper.end(row, t, outcome);
    }

    /// The history, when there are no more events.
    #[must_use]
    pub fn finish(mut self) -> History {
        let closed = std::mem::take(&mut self.closed);
        self.history.close(closed);
        self.open = HashMap::new();
        self.keeper.ops.sort();
        let twice = self.keeper.ops.twice();
        if !twice.is_empty() || !self.waiting.is_empty() {
            self.late(&twice);
        }
        self.problems.sort_by_key(|(number, _)| *number);
        self.history.problems.extend(self.problems.drain(..).map(|(_, problem)| problem));
        self.history.ops = self.keeper.finish();
        self.history
    }

    /// Of operations that were invoked twice the first one has the end, and ends that waited meet their
    /// beginnings.
    fn late(&mut self, twice: &[usize]) {
        let mut at: HashMap<(u32, u64), usize> = HashMap::with_capacity(self.keeper.ops.len());
        for (index, op) in self.keeper.ops.iter().enumerate() {
            if let Entry::Vacant(free) = at.entry((op.load, op.op)) {
                free.insert(index);
            }
        }
        for row in twice {
            let Some(op) = self.keeper.ops.get(*row) else { continue };
            let (load, number) = (op.load, op.op);
            self.history.problems.push(JournalProblem::InvokedTwice { load, op: number });
            let first = at.get(&(load, number)).copied().unwrap_or(*row);
            if self.keeper.move_end(*row, first) {
                self.problems.push((0, JournalProblem::EndedTwice { load, op: number }));
            }
        }
        for (seen, t, (load, op), outcome) in std::mem::take(&mut self.waiting) {
            match at.get(&(load, op)) {
                None => self.problems.push((seen, JournalProblem::NeverInvoked { load, op })),
                Some(row) if self.keeper.ops.get(*row).is_some_and(|op| op.done.is_some()) => {
                    self.problems.push((seen, JournalProblem::EndedTwice { load, op }));
                }
                Some(row) => self.meet(seen, *row, t, outcome),
            }
        }
    }
}
