//! Events → one table: every operation with its invocation and its end, and the frame around them
//! (writers, phases, faults, final reads).
//!
//! Theory: an operation that never ended is one nobody knows the end of, like *info*. What does not
//! fit (an end without a beginning, two ends) is not repaired but listed as a [`JournalProblem`](super::JournalProblem).

use super::event::Event;
use super::gather::Pairing;
use super::paired::History;

impl History {
    /// Pairs the events of a run. Several journals may stand one after the other or mixed: only the
    /// clock orders.
    #[must_use]
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Self {
        let mut pairing = Pairing::default();
        events.into_iter().for_each(|event| pairing.add(event));
        pairing.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::{Ack, Error, Outcome};
    use crate::history::{Class, JournalProblem};
    use crate::model::{FaultRecord, Mono, Name};

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
                JournalProblem::NoJournal { writer: "client".to_owned() },
                JournalProblem::InvokedTwice { load: 0, op: 1 },
                JournalProblem::EndedTwice { load: 0, op: 1 },
                JournalProblem::NeverInvoked { load: 1, op: 1 },
                JournalProblem::EndedEarly { load: 0, op: 2 },
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
        let twice = JournalProblem::InvokedTwice { load: 0, op: 1 };
        let history = History::from_events([early.clone(), late.clone(), one.clone()]);
        assert_eq!(
            (ends(&history), &history.problems[..]),
            (vec![(5, Some(Mono(6))), (7, None)], &[twice.clone()][..])
        );
        let history = History::from_events([late.clone(), one.clone(), early.clone()]);
        assert_eq!(ends(&history), [(5, Some(Mono(6))), (7, None)]);
        let history = History::from_events([early, one, late, other]);
        assert_eq!(ends(&history), [(5, Some(Mono(6))), (7, None)]);
        assert_eq!(history.problems, [twice, JournalProblem::EndedTwice { load: 0, op: 1 }]);
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
