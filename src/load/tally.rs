//! A journal that counts what it is told, so that its writer can sign in the end how much it wrote.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::journal_writer::Journal;
use crate::history::{Event, Signed, Tally};

/// A journal with its counts. Clones share them.
#[derive(Clone, Debug)]
pub struct Tallied {
    journal: Journal<Event>,
    loads: Arc<[Counts]>,
    reads: Arc<AtomicU64>,
}

/// What one load was told of.
#[derive(Debug, Default)]
struct Counts {
    invoked: AtomicU64,
    ended: AtomicU64,
    counted: AtomicU64,
}

impl Tallied {
    /// One that counts the operations of so many loads.
    #[must_use]
    pub fn new(journal: Journal<Event>, loads: usize) -> Self {
        let loads = (0..loads).map(|_| Counts::default()).collect();
        Self { journal, loads, reads: Arc::default() }
    }

    /// Counts an event and hands it on.
    pub fn say(&self, event: Event) {
        match &event {
            Event::Invoke { l, .. } => self.count(*l, |load| &load.invoked, 1),
            Event::Done { l, .. } => self.count(*l, |load| &load.ended, 1),
            Event::Counted(second) => {
                let ended = second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>();
                self.count(second.l, |load| &load.counted, ended);
            }
            Event::FinalRead(_) => {
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
        self.journal.say(event);
    }

    fn count(&self, load: u32, what: impl Fn(&Counts) -> &AtomicU64, by: u64) {
        let load = usize::try_from(load).ok().and_then(|load| self.loads.get(load));
        if let Some(load) = load {
            what(load).fetch_add(by, Ordering::Relaxed);
        }
    }

    /// The operations of every load so far. Whoever signs has ended all who write before.
    #[must_use]
    pub fn operations(&self) -> Box<Signed> {
        let tally = |(l, load): (u32, &Counts)| {
            let [invoked, ended, counted] =
                [&load.invoked, &load.ended, &load.counted].map(|count| count.load(Ordering::Relaxed));
            Tally { l, answered: ended + counted, open: invoked.saturating_sub(ended) }
        };
        Box::new(Signed { lines: None, loads: (0..).zip(self.loads.iter()).map(tally).collect() })
    }

    /// The final reads so far.
    #[must_use]
    pub fn reads(&self) -> Box<Signed> {
        Box::new(Signed { lines: Some(self.reads.load(Ordering::Relaxed)), loads: Vec::new() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::journal_writer;
    use crate::history::{Ack, Counted, Outcome};
    use crate::model::Mono;

    #[test]
    fn what_ended_and_what_did_not_is_counted_by_load() {
        let (journal, _lines) = journal_writer::channel();
        let told = Tallied::new(journal, 2);
        for op in 0..3 {
            told.say(Event::invoke(Mono(1), 0, op, 0, Mono(1)));
        }
        told.clone().say(Event::done(Mono(2), 0, 1, Outcome::Ok(Ack::default())));
        let fail = [("40001".to_owned(), 2)].into();
        told.say(Event::Counted(Box::new(Counted { l: 1, ok: 5, fail, ..Counted::default() })));
        let wanted = [Tally { l: 0, answered: 1, open: 2 }, Tally { l: 1, answered: 7, open: 0 }];
        assert_eq!(told.operations().loads, wanted);
        assert_eq!(told.reads().lines, Some(0));
    }
}
