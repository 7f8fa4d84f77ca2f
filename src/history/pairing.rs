//! Events → one table: every operation with its invocation and its end, and the frame around them
//! (writers, phases, faults, final reads).
//!
//! Theory: an operation that never ended is one nobody knows the end of, like *info*. What does not
//! fit (an end without a beginning, two ends) is not repaired but listed as a [`Problem`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::event::{Counted, Event, FinalRead, Phase, Signed};
use super::gather::Pairing;
use super::ops::Ops;
use crate::model::{FaultRecord, MemberId, Mono, Name};

/// A journal, paired.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Who wrote, and whether they ended in order.
    pub writers: Vec<Writer>,
    /// Loads by index.
    pub loads: Vec<Name>,
    /// Rows each load found in its tables before its first write: (load, rows).
    pub prepared: Vec<(u32, u64)>,
    /// Phases with their beginnings, as written.
    pub phases: Vec<(Mono, Phase)>,
    /// Operations in the order of their invocation.
    pub ops: Ops,
    /// Faults in the order of their first record, each as its last record says.
    pub faults: Vec<FaultRecord>,
    /// Final reads.
    pub reads: Vec<FinalRead>,
    /// Searches for passwords, in the order of writing; a sound journal tells of one.
    pub searches: Vec<Search>,
    /// Bytes of every log the runner kept, statement by statement; a sound journal makes one.
    pub logs: Vec<(Mono, BTreeMap<MemberId, u64>)>,
    /// Numbers of loads that were only counted, in the order of writing.
    pub counted: Vec<Counted>,
    /// Notes for people.
    pub notes: Vec<(Mono, String)>,
    /// What did not fit.
    pub problems: Vec<Problem>,
    /// Statements, the signatures of writers among them.
    pub lines: u64,
}

/// One search for passwords.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// When.
    pub at: Mono,
    /// Files searched.
    pub files: u32,
    /// Where one was found.
    pub found: Vec<String>,
}

/// What is known of the end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Acknowledged.
    Ok,
    /// Acknowledged by the primary alone.
    OkLocal,
    /// It certainly did not happen.
    Fail,
    /// Nobody knows, or it never ended.
    Info,
}

/// One writer of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// `runner`, `client`, `witness` or `final-reads`.
    pub name: String,
    /// Which boot its clock belongs to.
    pub boot_id: String,
    /// The run it is about, where its edition says so.
    pub run: Option<String>,
    /// When it began.
    pub began: Mono,
    /// When it ended in order; `None`: it was cut off.
    pub ended: Option<Mono>,
    /// How much it wrote, where its edition says so.
    pub signed: Option<Box<Signed>>,
}

/// Something that cannot be in a sound journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Problem {
    /// An end without a beginning.
    #[error("operation {op} of load {load} ended without having been invoked")]
    NeverInvoked {
        /// Load.
        load: u32,
        /// Operation.
        op: u64,
    },
    /// Two beginnings.
    #[error("operation {op} of load {load} was invoked twice")]
    InvokedTwice {
        /// Load.
        load: u32,
        /// Operation.
        op: u64,
    },
    /// Two ends.
    #[error("operation {op} of load {load} ended twice")]
    EndedTwice {
        /// Load.
        load: u32,
        /// Operation.
        op: u64,
    },
    /// An end before the beginning.
    #[error("operation {op} of load {load} ended before it was invoked")]
    EndedEarly {
        /// Load.
        load: u32,
        /// Operation.
        op: u64,
    },
    /// A fault whose later line takes back what an earlier one said.
    #[error("fault `{fault}` was told twice, and not the same")]
    ToldTwice {
        /// Fault.
        fault: Name,
    },
    /// The end of a journal nobody began.
    #[error("writer `{writer}` ended a journal it never began")]
    NoJournal {
        /// Writer.
        writer: String,
    },
}

impl History {
    /// Pairs the events of a run. Several journals may stand one after the other or mixed: only the
    /// clock orders.
    #[must_use]
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Self {
        let mut pairing = Pairing::default();
        events.into_iter().for_each(|event| pairing.add(event));
        pairing.finish()
    }

    pub(super) fn fault(&mut self, record: FaultRecord) {
        match self.faults.iter_mut().find(|known| known.id == record.id) {
            Some(known) => {
                if !goes_on(known, &record) {
                    self.problems.push(Problem::ToldTwice { fault: record.id.clone() });
                }
                *known = record;
            }
            None => self.faults.push(record),
        }
    }

    pub(super) fn close(&mut self, closed: Vec<(Mono, String, Option<Box<Signed>>)>) {
        for (t, writer, signed) in closed {
            match self.writers.iter_mut().find(|known| known.name == writer && known.ended.is_none()) {
                Some(known) => (known.ended, known.signed) = (Some(t), signed),
                None => self.problems.push(Problem::NoJournal { writer }),
            }
        }
    }

    /// The last instant at which the load did anything; `None` without operations.
    #[must_use]
    pub fn load_end(&self) -> Option<Mono> {
        self.ops.iter().map(|op| op.done.unwrap_or(op.invoked).max(op.invoked)).max()
    }

    /// The first instant at which the load did anything.
    #[must_use]
    pub fn load_start(&self) -> Option<Mono> {
        self.ops.first().map(|op| op.invoked)
    }

    /// Whether every writer ended its journal in order (false when nobody wrote).
    #[must_use]
    pub fn ended_in_order(&self) -> bool {
        !self.writers.is_empty() && self.writers.iter().all(|writer| writer.ended.is_some())
    }

    /// The boots the journals' clocks belong to, each once. Clocks of two boots cannot be merged.
    #[must_use]
    pub fn boots(&self) -> Vec<&str> {
        let mut boots: Vec<&str> = self.writers.iter().map(|writer| writer.boot_id.as_str()).collect();
        boots.sort_unstable();
        boots.dedup();
        boots
    }
}

/// Whether a later line of a fault only adds to an earlier one.
fn goes_on(before: &FaultRecord, after: &FaultRecord) -> bool {
    fn kept<T: PartialEq>(before: Option<&T>, after: Option<&T>) -> bool {
        before.is_none() || before == after
    }
    (&before.verb, &before.targets, &before.containers, before.intent)
        == (&after.verb, &after.targets, &after.containers, after.intent)
        && kept(before.began.as_ref(), after.began.as_ref())
        && kept(before.healing.as_ref(), after.healing.as_ref())
        && kept(before.healed.as_ref(), after.healed.as_ref())
        && kept(before.receipt.as_ref(), after.receipt.as_ref())
        && kept(before.heal.as_ref(), after.heal.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error, Outcome};

    fn info() -> Outcome {
        Outcome::Info(Error { c: "eof".to_owned(), m: String::new() })
    }

    #[test]
    fn an_operation_is_paired_with_its_end_wherever_that_stands() {
        let history = History::from_events([
            Event::done(Mono(9), 0, 1, Outcome::Ok(Ack::default())),
            Event::invoke(Mono(5), 0, 1, 0, Mono(4)),
            Event::invoke(Mono(3), 0, 0, 0, Mono(3)),
        ]);
        let seen: Vec<_> = history.ops.iter().map(|op| (op.op, op.done, op.class())).collect();
        assert_eq!(seen, [(0, None, Class::Info), (1, Some(Mono(9)), Class::Ok)]);
        assert_eq!(history.problems, []);
        assert_eq!((history.load_start(), history.load_end()), (Some(Mono(3)), Some(Mono(9))));
    }

    #[test]
    fn what_does_not_fit_is_listed() {
        let history = History::from_events([
            Event::invoke(Mono(5), 0, 1, 0, Mono(4)),
            Event::invoke(Mono(6), 0, 1, 0, Mono(4)),
            Event::done(Mono(7), 0, 1, info()),
            Event::done(Mono(8), 0, 1, info()),
            Event::done(Mono(8), 1, 1, info()),
            Event::invoke(Mono(9), 0, 2, 0, Mono(4)),
            Event::done(Mono(8), 0, 2, info()),
            Event::end(Mono(10), "client"),
        ]);
        assert_eq!(
            history.problems,
            [
                Problem::NoJournal { writer: "client".to_owned() },
                Problem::InvokedTwice { load: 0, op: 1 },
                Problem::EndedTwice { load: 0, op: 1 },
                Problem::NeverInvoked { load: 1, op: 1 },
                Problem::EndedEarly { load: 0, op: 2 },
            ]
        );
    }

    #[test]
    fn a_later_line_of_a_fault_takes_nothing_back() {
        let verb = crate::model::Verb::Pause { target: crate::model::Target::Primary };
        let meant = FaultRecord::meant(Name::new("pause").expect("a name"), verb, Mono(1));
        let began = FaultRecord { began: Some(Mono(2)), ..meant.clone() };
        let healed = FaultRecord { healed: Some(Mono(3)), ..began.clone() };
        let told = |records: &[&FaultRecord]| {
            let events = records.iter().map(|record| Event::Fault(Box::new((*record).clone())));
            History::from_events(events).problems.len()
        };
        assert_eq!(told(&[&meant, &began, &healed, &healed]), 0);
        assert_eq!(told(&[&meant, &healed, &began]), 1, "it was healed and then was not");
        let other = FaultRecord { intent: Mono(9), ..meant.clone() };
        assert_eq!(told(&[&meant, &other]), 1, "another fault of its name");
    }

    #[test]
    fn of_two_that_were_invoked_the_first_has_the_end() {
        let ends =
            |history: &History| history.ops.iter().map(|op| (op.invoked.0, op.done)).collect::<Vec<_>>();
        let ok = || Outcome::Ok(Ack::default());
        let (early, late) =
            (Event::invoke(Mono(5), 0, 1, 0, Mono(4)), Event::invoke(Mono(7), 0, 1, 0, Mono(4)));
        let (one, other) = (Event::done(Mono(6), 0, 1, ok()), Event::done(Mono(8), 0, 1, ok()));
        let twice = Problem::InvokedTwice { load: 0, op: 1 };
        let history = History::from_events([early.clone(), late.clone(), one.clone()]);
        assert_eq!(
            (ends(&history), &history.problems[..]),
            (vec![(5, Some(Mono(6))), (7, None)], &[twice.clone()][..])
        );
        let history = History::from_events([late.clone(), one.clone(), early.clone()]);
        assert_eq!(ends(&history), [(5, Some(Mono(6))), (7, None)]);
        let history = History::from_events([early, one, late, other]);
        assert_eq!(ends(&history), [(5, Some(Mono(6))), (7, None)]);
        assert_eq!(history.problems, [twice, Problem::EndedTwice { load: 0, op: 1 }]);
    }

    #[test]
    fn a_writer_that_never_said_end_was_cut_off() {
        let journal = |writer: &str, boot: &str| Event::Journal {
            t: Mono(0),
            writer: writer.to_owned(),
            boot_id: boot.to_owned(),
            loads: Vec::new(),
            run: None,
        };
        let end = Event::end(Mono(9), "runner");
        assert!(!History::default().ended_in_order());
        assert!(History::from_events([journal("runner", "a"), end.clone()]).ended_in_order());
        let cut = History::from_events([journal("runner", "a"), journal("client", "b"), end]);
        assert!(!cut.ended_in_order());
        assert_eq!(cut.boots(), ["a", "b"]);
    }
}
