//! `isolation`: list-append transactions kept the isolation level that was asked for.
//!
//! Theory (Adya, *Weak Consistency*, 1999; Kingsbury and Alvaro, *Elle*, VLDB 2020): a list that was read
//! shows the order in which its elements were appended, so every read betrays dependencies between
//! transactions. Some observations are wrong by themselves (`observe`); cycles of dependencies are
//! wrong at a level (`graph`): G0 and G1 at *read committed*, cycles without two adjacent
//! anti-dependencies at *repeatable read* (which PostgreSQL implements as snapshot isolation), any cycle
//! at *serializable*. A write nobody knows the end of may or may not have happened: it counts once
//! somebody has seen it.
//!
//! Judged by node and timeline: reads that one node acknowledged, against the writes of all. A replica
//! may show commits in another order than the primary does, so cycles *across* nodes are normal for
//! PostgreSQL (Jepsen, *Amazon RDS for PostgreSQL 17.4*, 2025): they are reported and fail nothing. A hot
//! standby knows no *serializable* (PostgreSQL documentation, "Hot Standby"), so where only reads were
//! acknowledged *repeatable read* is the most that is asked.
//!
//! Two things stand beside the levels. A read of a write that was not yet asked for (`future`) fails at every level.
//! Long forks (`forks`), two readers on different nodes that saw two writes in opposite order, are counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use super::whole::SIGNED;
use crate::history::{Class, Move, Op, OpQuestion, OpReply};
use crate::model::scenario::{Isolation, Workload};
use crate::model::{Expect, MemberId};

mod forks;
mod future;
mod graph;
mod index;
mod observe;
mod unread;

pub use forks::Fork;
use observe::{ElementWriters, ListOrder};
pub use observe::{IsolationAnomaly, Kind, Txn};
use unread::Unread;

/// Anomalies named in evidence at most.
const ANOMALIES_SHOWN: usize = 10;

/// What must not be in a history at a level; empty when the history keeps it. Reads of transactions that
/// are not `counted` are left out, their writes are not.
#[must_use]
pub fn anomalies(txns: &[Txn<'_>], level: Isolation) -> Vec<IsolationAnomaly> {
    of_reads(txns, &ElementWriters::of(txns), &ListOrder::of(txns), level)
}

fn of_reads(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    order: &ListOrder<'_>,
    level: Isolation,
) -> Vec<IsolationAnomaly> {
    let unread = Unread::of(txns, writers, order);
    let mut found = observe::directly(txns, writers, order, level);
    found.extend(unread.lost_updates(txns, order, level));
    found.extend(graph::Graph::of(txns, writers, order, &unread).forbidden(txns, level));
    found
}

/// Judges every load of the workload `append`.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let asked: Vec<Isolation> = record
        .scenario
        .expects
        .iter()
        .filter_map(|expect| match expect {
            Expect::Isolation { level } => Some(*level),
            _ => None,
        })
        .collect();
    let mut seen = IsolationSeen::default();
    for (number, load) in record.loads_of(Workload::Append).filter(|(_, load)| load.of.is_none()) {
        // nobody asked: what the load itself asked of the database
        let own = load.isolation.unwrap_or(Isolation::ReadCommitted);
        let level = asked.iter().copied().max_by_key(|level| strength(*level)).unwrap_or(own);
        look(record, number, level, &mut seen);
    }
    let evidence = json!({
        "groups": seen.groups,
        "anomalies": seen.anomalies.iter().take(ANOMALIES_SHOWN).collect::<Vec<_>>(),
        "across_nodes": seen.across.iter().take(ANOMALIES_SHOWN).collect::<Vec<_>>(),
        "long_forks": seen.forks.len(),
        "long_forks_shown": seen.forks.iter().take(ANOMALIES_SHOWN).collect::<Vec<_>>(),
    });
    match seen.anomalies.first() {
        Some((whose, anomaly)) => {
            let said = format!("{} on {whose}: {}", anomaly.kind.as_str(), anomaly.says);
            let finding = Finding::fail(said, evidence);
            if anomaly.kind.rests_on_absence() { finding } else { finding.firm() }
        }
        None if seen.reads == 0 => {
            Finding::unknown("no list was read, so nothing shows how transactions were isolated", evidence)
        }
        None => Finding::pass(
            format!(
                "{} transactions that read lists kept their level; {} anomalies across nodes{}",
                seen.reads,
                seen.across.len(),
                // a sentence of an older edition stays as it was
                if record.resolved.edition >= SIGNED {
                    format!(", {} long forks", seen.forks.len())
                } else {
                    String::new()
                }
            ),
            evidence,
        ),
    }
}

#[derive(Default)]
struct IsolationSeen {
    reads: usize,
    groups: Vec<Value>,
    anomalies: Vec<(String, IsolationAnomaly)>,
    across: Vec<IsolationAnomaly>,
    forks: Vec<Fork>,
}

const fn strength(level: Isolation) -> u8 {
    match level {
        Isolation::ReadCommitted => 0,
        Isolation::RepeatableRead => 1,
        Isolation::Serializable => 2,
    }
}

type Group<'a> = (&'a MemberId, Option<u32>);
/// The number of no group.
const NO_GROUP: u32 = u32::MAX;

/// Judges what one load wrote, as all loads that read it saw it.
fn look(record: &RunRecord, number: u32, level: Isolation, seen: &mut IsolationSeen) {
    let shares: Vec<bool> = (0..)
        .zip(&record.scenario.loads)
        .map(|(other, load)| load.workload == Workload::Append && record.tables_of(other, load) == number)
        .collect();
    let shares = |op: &Op<'_>| usize::try_from(op.load).is_ok_and(|load| shares.get(load) == Some(&true));
    let mut groups: BTreeMap<Group<'_>, (u32, bool)> = BTreeMap::new();
    let mut txns: Vec<Txn<'_>> = Vec::new();
    let mut group_of: Vec<u32> = Vec::new();
    let mut times: Vec<future::Times> = Vec::new();
    for op in record.history.ops.iter().filter(shares) {
        let Some(txn) = txn(op) else { continue };
        let group = op.ack().and_then(|(_, ack)| Some((ack.n?, ack.tl)));
        let number = group.map_or(NO_GROUP, |group| {
            let next = u32::try_from(groups.len()).unwrap_or(NO_GROUP);
            let (number, writes) = groups.entry(group).or_insert((next, false));
            *writes |= txn.steps.iter().any(|step| matches!(step, Move::Append(..)));
            *number
        });
        txns.push(txn);
        group_of.push(number);
        times.push((op.invoked, op.acked()));
    }
    let writers = ElementWriters::of(&txns);
    for (group, (number, writes)) in &groups {
        let mut reads = 0;
        for (txn, theirs) in txns.iter_mut().zip(&group_of) {
            txn.counted = theirs == number;
            reads += usize::from(txn.counted && txn.reads());
        }
        let level = if *writes || strength(level) < 2 { level } else { Isolation::RepeatableRead };
        let order = ListOrder::of(&txns);
        let mut found = future::reads(&txns, &writers, &order, &times);
        found.extend(of_reads(&txns, &writers, &order, level));
        let whose = match group.1 {
            Some(timeline) => format!("`{}`, timeline {timeline}", group.0),
            None => format!("`{}`", group.0),
        };
        seen.reads += reads;
        seen.groups.push(json!({
            "node": group.0, "timeline": group.1, "level": level, "reads": reads, "anomalies": found.len(),
        }));
        seen.anomalies.extend(found.into_iter().map(|anomaly| (whose.clone(), anomaly)));
    }
    if groups.len() > 1 {
        for txn in &mut txns {
            txn.counted = true;
        }
        let order = ListOrder::of(&txns);
        let found = of_reads(&txns, &writers, &order, level);
        // what one node showed by itself is said already
        let known = |anomaly: &IsolationAnomaly| seen.anomalies.iter().any(|(_, known)| known == anomaly);
        let across: Vec<IsolationAnomaly> = found.into_iter().filter(|anomaly| !known(anomaly)).collect();
        seen.across.extend(across);
        let nodes = nodes(&groups);
        let node_of = |txn: usize| {
            let node = nodes.get(&group_of[txn]).copied();
            node.filter(|_| reads_snapshots(record, txns[txn].load))
        };
        seen.forks.extend(forks::long(&txns, &writers, &order, node_of));
    }
}

/// A number for the node of each group, by the number of the group.
fn nodes(groups: &BTreeMap<Group<'_>, (u32, bool)>) -> BTreeMap<u32, usize> {
    let mut names: Vec<&MemberId> = groups.keys().map(|(node, _)| *node).collect();
    names.dedup();
    let number = |node: &MemberId| names.iter().position(|known| *known == node);
    groups.iter().filter_map(|((node, _), (group, _))| Some((*group, number(node)?))).collect()
}

/// Whether a transaction of this load reads in one snapshot; at *read committed* every statement has its own.
fn reads_snapshots(record: &RunRecord, load: u32) -> bool {
    let load = usize::try_from(load).ok().and_then(|load| record.scenario.loads.get(load));
    load.is_some_and(|load| load.isolation != Some(Isolation::ReadCommitted))
}

/// An operation as a transaction; what reads came back with counts for acknowledged ones alone.
fn txn(op: Op<'_>) -> Option<Txn<'_>> {
    let Some(OpQuestion::Txn(asked)) = op.asked() else { return None };
    let answered = match op.answer() {
        Some(OpReply::Txn(steps)) => steps,
        _ => asked,
    };
    let class = op.class();
    Some(Txn {
        load: op.load,
        op: op.op,
        class,
        steps: answered,
        counted: matches!(class, Class::Ok | Class::OkLocal),
    })
}
