//! Every writer signs: who it is, that it ended in order, and how much it wrote.

use std::collections::BTreeMap;

use super::hole::{Hole, SIGNED, load_name};
use crate::check::record::RunRecord;
use crate::history::{JournalWriter, Tally};
use crate::model::scenario::{Recording as Kept, Skip};

/// Writers of every journal.
const ALWAYS: [&str; 2] = ["runner", "client"];
/// Notes with which a client of an edition that counts nothing says why operations stay open.
const STOPPED: [&str; 2] = ["stopped before its time", "are left open"];

/// What was torn, cut off or never signed.
pub(super) fn files(record: &RunRecord) -> Vec<Hole> {
    let history = &record.history;
    let mut holes = Vec::new();
    if !record.complete {
        holes.push(Hole::absent("a file of the record ends in a torn line"));
    }
    if history.writers.is_empty() {
        holes.push(Hole::absent("nobody signed the journal"));
    }
    for writer in history.writers.iter().filter(|writer| writer.ended.is_none()) {
        holes.push(Hole::absent(format!("the journal of the {} was cut off", writer.name)));
    }
    let mut boots = history.boots();
    if !boots.is_empty() && !boots.contains(&record.resolved.boot_id.as_str()) {
        boots.push(&record.resolved.boot_id);
    }
    if boots.len() > 1 {
        let number = boots.len();
        holes.push(Hole::strange(format!(
            "the clocks belong to {number} different boots and cannot be merged"
        )));
    }
    if !history.writers.is_empty() {
        let signed = |name: &str| history.writers.iter().any(|writer| writer.name == name);
        let missing = wanted(record).into_iter().filter(|name| !signed(name));
        holes.extend(missing.map(|name| Hole::absent(format!("the {name} never signed the journal"))));
        let strange = history.writers.iter().filter(|writer| !known(&writer.name));
        holes.extend(strange.map(|writer| Hole::strange(format!("`{}` signed the journal", writer.name))));
    }
    holes
}

fn known(writer: &str) -> bool {
    ALWAYS.contains(&writer) || ["witness", "final-reads"].contains(&writer)
}

/// Writers that sign the journal of such a run.
fn wanted(record: &RunRecord) -> Vec<&'static str> {
    let mut wanted = ALWAYS.to_vec();
    if record.resolved.edition >= SIGNED {
        let skipped = |part: Skip| record.scenario.skip.contains(&part);
        wanted.extend((!skipped(Skip::Sightings)).then_some("witness"));
        wanted.extend((!skipped(Skip::FinalReads)).then_some("final-reads"));
    }
    wanted
}

/// Where what a writer counted is not what is there.
pub(super) fn counts(record: &RunRecord) -> Vec<Hole> {
    match record.resolved.edition {
        // the first journals do not say why an operation stays open
        0 => Vec::new(),
        1 => unexplained(record),
        _ => signatures(record),
    }
}

/// Operations that stay open in a journal whose client says of none.
fn unexplained(record: &RunRecord) -> Vec<Hole> {
    let notes = &record.history.notes;
    if notes.iter().any(|(_, text)| STOPPED.iter().any(|why| text.ends_with(why) || text.contains(why))) {
        return Vec::new();
    }
    let open = record.history.ops.iter().filter(|op| op.done.is_none());
    let first = open.clone().next();
    let says = first.map(|op| {
        let (load, number) = (load_name(record, op.load), open.count());
        format!("operation {} of load {load} has no end, and the load was not stopped ({number} such)", op.op)
    });
    says.map(Hole::absent).into_iter().collect()
}

fn signatures(record: &RunRecord) -> Vec<Hole> {
    let mut holes = Vec::new();
    for writer in record.history.writers.iter().filter(|writer| writer.ended.is_some()) {
        let name = writer.name.as_str();
        let Some(signed) = &writer.signed else {
            holes.push(Hole::absent(format!("the {name} did not sign how much it wrote")));
            continue;
        };
        let there = match name {
            // the signature itself is a line as well
            "runner" => Some(record.history.lines.saturating_sub(1)),
            "witness" => Some(record.sightings.len() as u64),
            "final-reads" => Some(record.history.reads.len() as u64),
            _ => None,
        };
        if let Some(there) = there.filter(|there| Some(*there) != signed.lines) {
            let (what, wrote) = (what(name), signed.lines.unwrap_or_default());
            let says = format!("the {name} signed {wrote} {what}, {there} are there");
            holes.push(if there < wrote { Hole::absent(says) } else { Hole::strange(says) });
        }
        if name == "client" {
            holes.extend(operations(record, writer, &signed.loads));
        }
    }
    holes
}

fn what(writer: &str) -> &'static str {
    match writer {
        "witness" => "sightings",
        "final-reads" => "reads",
        _ => "lines",
    }
}

/// Where the operations of a load are not as many as its client signed.
fn operations(record: &RunRecord, client: &JournalWriter, signed: &[Tally]) -> Vec<Hole> {
    let there = tallies(record);
    let mut holes = Vec::new();
    for (number, load) in (0..).zip(&record.scenario.loads) {
        let name = &load.name;
        let Some(said) = signed.iter().find(|tally| tally.l == number) else {
            holes.push(Hole::absent(format!("the {} signed nothing of load `{name}`", client.name)));
            continue;
        };
        let seen = there.get(&number).copied().unwrap_or(Tally { l: number, ..Tally::default() });
        if seen != *said {
            let says = format!(
                "load `{name}` signed {} answered and {} open operations, {} and {} are there",
                said.answered, said.open, seen.answered, seen.open
            );
            let more =
                seen.answered > said.answered || seen.open > said.open && seen.answered == said.answered;
            holes.push(if more { Hole::strange(says) } else { Hole::absent(says) });
        }
    }
    holes
}

fn tallies(record: &RunRecord) -> BTreeMap<u32, Tally> {
    let mut tallies: BTreeMap<u32, Tally> = BTreeMap::new();
    for op in &record.history.ops {
        let tally = tallies.entry(op.load).or_insert(Tally { l: op.load, ..Tally::default() });
        tally.answered += u64::from(op.done.is_some());
        tally.open += u64::from(op.done.is_none());
    }
    let histogram = |l: u32| {
        let load = usize::try_from(l).ok().and_then(|l| record.scenario.loads.get(l));
        load.is_some_and(|load| load.record == Kept::Histogram)
    };
    for second in record.history.counted.iter().filter(|second| histogram(second.l)) {
        let ended = second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>();
        tallies.entry(second.l).or_insert(Tally { l: second.l, ..Tally::default() }).answered += ended;
    }
    tallies
}
