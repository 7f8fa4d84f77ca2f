//! A journal, paired: every operation with its invocation and its end, and the frame around them.

use std::collections::BTreeMap;

use super::event::{Counted, FinalRead, Phase, Signed};
use super::ops::Ops;
use super::problem::{JournalProblem, JournalWriter, PasswordSearch};
use crate::model::{FaultRecord, MemberId, Mono, Name};

/// The journal of a run, with beginnings and ends of operations paired.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Who wrote, and whether they ended in order.
    pub writers: Vec<JournalWriter>,
    /// Names of the loads, by their number.
    pub loads: Vec<Name>,
    /// Rows each load found in its tables before its first write: (load, rows).
    pub prepared: Vec<(u32, u64)>,
    /// Phases with their beginnings, as written.
    pub phases: Vec<(Mono, Phase)>,
    /// Operations in the order of their invocation.
    pub ops: Ops,
    /// Faults in the order of their first record, each as its last record says.
    pub faults: Vec<FaultRecord>,
    /// What was read from each node in the end.
    pub reads: Vec<FinalRead>,
    /// Searches for passwords, in the order of writing; a sound journal tells of one.
    pub searches: Vec<PasswordSearch>,
    /// Bytes of every log the runner kept, statement by statement; a sound journal makes one.
    pub logs: Vec<(Mono, BTreeMap<MemberId, u64>)>,
    /// Numbers of loads that were only counted, in the order of writing.
    pub counted: Vec<Counted>,
    /// Notes for people, each with its instant.
    pub notes: Vec<(Mono, String)>,
    /// Lines that do not fit the others.
    pub problems: Vec<JournalProblem>,
    /// Statements, the signatures of writers among them.
    pub lines: u64,
}

impl History {
    pub(super) fn fault(&mut self, record: FaultRecord) {
        match self.faults.iter_mut().find(|known| known.id == record.id) {
            Some(known) => {
                if !goes_on(known, &record) {
                    self.problems.push(JournalProblem::ToldTwice { fault: record.id.clone() });
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
                None => self.problems.push(JournalProblem::NoJournal { writer }),
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
