//! Nothing is stated twice. Two statements of one thing are two runs in one file, or one of them is made up: which
//! of them is so, nobody can tell.

use std::collections::BTreeSet;

use super::hole::{Hole, SIGNED, load_name};
use crate::check::record::RunRecord;

/// Every statement that is there again.
pub(super) fn holes(record: &RunRecord) -> Vec<Hole> {
    let history = &record.history;
    let mut holes = Vec::new();
    let mut met = BTreeSet::new();
    let again = history.writers.iter().filter(|writer| !met.insert(writer.name.as_str()));
    holes.extend(again.map(|writer| Hole::strange(format!("the {} signed the journal twice", writer.name))));
    let mut met = BTreeSet::new();
    let again = history.prepared.iter().filter(|(load, _)| !met.insert(*load));
    holes.extend(again.map(|(load, _)| {
        let name = load_name(record, *load);
        Hole::strange(format!("the tables of load {name} were prepared twice"))
    }));
    let mut met = BTreeSet::new();
    let again = history.reads.iter().filter(|read| !met.insert((&read.node, read.l)));
    holes.extend(again.map(|read| {
        let name = load_name(record, read.l);
        Hole::strange(format!("`{}` was read twice for load {name} in the end", read.node))
    }));
    // a second search was no statement of its own in older editions
    if record.resolved.edition >= SIGNED {
        if history.searches.len() > 1 {
            holes.push(Hole::strange("the files were searched for passwords twice"));
        }
        if history.logs.len() > 1 {
            holes.push(Hole::strange("the logs were kept twice"));
        }
        holes.extend(seconds(record));
    }
    holes
}

/// A load that is only counted tells of each second once.
fn seconds(record: &RunRecord) -> Option<Hole> {
    let mut met = BTreeSet::new();
    let again = record.history.counted.iter().find(|second| !met.insert((second.l, second.t)))?;
    let name = load_name(record, again.l);
    Some(Hole::strange(format!("load {name} told of one second twice")))
}
