//! Sightings and the ledger of faults are of this run and of this boot, and say what the journal says.

use super::hole::{Hole, SIGNED};
use crate::check::record::RunRecord;
use crate::model::{FaultRecord, Stamp};

/// Everything that is of another run.
pub(super) fn holes(record: &RunRecord) -> Vec<Hole> {
    if record.resolved.edition < SIGNED {
        return Vec::new();
    }
    let Some(own) = record.resolved.stamp() else {
        return vec![Hole::absent("the run has no name")];
    };
    let mut holes = Vec::new();
    let strange = record.history.writers.iter().find(|writer| writer.run.as_ref() != Some(&own.run));
    holes.extend(strange.map(|writer| Hole::strange(format!("the {} wrote about another run", writer.name))));
    let of_it = |stamp: Option<&Stamp>| stamp == Some(&own);
    let number = record.sightings.iter().filter(|seen| !of_it(seen.of.as_ref())).count();
    if number > 0 {
        holes.push(Hole::strange(format!("{number} sightings are not of this run")));
    }
    holes.extend(ledger(record, &of_it));
    holes
}

/// The ledger is written and synced first, so it has what the journal has.
fn ledger(record: &RunRecord, of_it: &impl Fn(Option<&Stamp>) -> bool) -> Vec<Hole> {
    let Some(ledger) = &record.ledger else {
        return vec![Hole::absent("the ledger of faults is gone")];
    };
    let mut holes = Vec::new();
    let number = ledger.iter().filter(|line| !of_it(line.of.as_ref())).count();
    if number > 0 {
        holes.push(Hole::strange(format!("{number} lines of the ledger are not of this run")));
    }
    let mut last: Vec<&FaultRecord> = Vec::new();
    for line in ledger {
        match last.iter_mut().find(|known| known.id == line.id) {
            Some(known) => *known = line,
            None => last.push(line),
        }
    }
    let journal = &record.history.faults;
    for fault in &last {
        let id = &fault.id;
        match journal.iter().find(|told| told.id == *id) {
            None => holes.push(Hole::absent(format!("the journal does not tell of fault `{id}`"))),
            Some(told) if !same(fault, told) => {
                holes.push(Hole::strange(format!("ledger and journal do not say the same of fault `{id}`")));
            }
            Some(_) => {}
        }
    }
    // a turn that was never injected stands in the journal alone
    let unledgered = |fault: &&FaultRecord| {
        (fault.began.is_some() || !fault.targets.is_empty()) && !last.iter().any(|line| line.id == fault.id)
    };
    holes.extend(
        journal
            .iter()
            .find(unledgered)
            .map(|fault| Hole::absent(format!("the ledger does not tell of fault `{}`", fault.id))),
    );
    holes
}

fn same(ledger: &FaultRecord, told: &FaultRecord) -> bool {
    FaultRecord { of: None, ..ledger.clone() } == FaultRecord { of: None, ..told.clone() }
}
