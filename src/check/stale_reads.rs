//! `stale-reads`: how old what was read on 5433 was.
//!
//! One load writes heartbeats, numbered; others read the newest. A read is stale when a newer heartbeat than
//! the one it saw had been acknowledged before the read began; its staleness is the time from the earliest
//! such acknowledgement to the beginning of the read, else 0. Both instants are of one clock.
//!
//! Counted besides, failing nothing, because 5433 promises neither: reads in which a worker saw less than
//! it had seen before (monotonic reads), and reads that missed a heartbeat the same client had had
//! acknowledged before (read your writes across ports; the worker of a number in the reading load and the
//! one in the writing load are one client with both ports).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::record::{Finding, RunRecord};
use super::when::{Spans, called};
use crate::history::{Op, OpQuestion, OpReply};
use crate::model::scenario::{When, Workload};
use crate::model::{Expect, MemberId, Mono};
use crate::stats::Percentiles;

/// A read of a heartbeat, and how old the beat was that it showed.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatRead<'a> {
    /// When it was sent, on the machine's monotonic clock.
    pub at: Mono,
    /// The node that answered, when it said so.
    pub node: Option<&'a MemberId>,
    /// How old what it saw was, nanoseconds.
    pub stale: u64,
    /// Its worker had seen more before.
    pub backwards: bool,
    /// It missed a heartbeat its own client had written.
    pub missed_own: bool,
}

/// Judges the bounds a scenario asks for; without any, the staleness is reported.
#[must_use]
pub fn check(record: &RunRecord, reads: &[HeartbeatRead<'_>]) -> Finding {
    let mut nodes: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for read in reads {
        nodes.entry(read.node.map_or("unknown", MemberId::as_str)).or_default().push(read.stale);
    }
    let all = Percentiles::of_nanos(reads.iter().map(|read| read.stale));
    let nodes: Vec<Value> = nodes
        .into_iter()
        .map(|(node, stale)| {
            json!({ "node": node, "reads": stale.len(), "staleness_ms": Percentiles::of_nanos(stale) })
        })
        .collect();
    let backwards = reads.iter().filter(|read| read.backwards).count();
    let missed = reads.iter().filter(|read| read.missed_own).count();
    let evidence = json!({
        "reads": reads.len(),
        "staleness_ms": all,
        "nodes": nodes,
        "went_backwards": backwards,
        "missed_own_write": missed,
    });
    if let Some(finding) = impossible(record, &evidence) {
        return finding;
    }
    let mut gap = None;
    for expect in &record.scenario.expects {
        let Expect::StaleReads { max, when } = expect else { continue };
        match p99(record, reads, *when) {
            Some(p99) if p99 > max.as_ms() => {
                let (limit, part) = (max.as_ms(), called(*when));
                let said =
                    format!("1 of 100 reads{part} was at least {p99} ms old, at most {limit} ms are allowed");
                return Finding::fail(said, evidence);
            }
            Some(_) => {}
            None => gap = Some(format!("nobody read a heartbeat{}", called(*when))),
        }
    }
    match (gap, all) {
        (Some(gap), _) => Finding::unknown(gap, evidence),
        (None, None) => Finding::unknown("nobody read a heartbeat", evidence),
        (None, Some(all)) => Finding::pass(
            format!("99 of 100 reads were at most {} ms old, the oldest {} ms", all.p99, all.max),
            evidence,
        ),
    }
}

/// A read that saw a heartbeat nobody sent, or sent only after the read had ended.
fn impossible(record: &RunRecord, evidence: &Value) -> Option<Finding> {
    for (number, load) in record.loads_of(Workload::Freshness).filter(|(_, load)| load.of.is_some()) {
        let tables = record.tables_of(number, load);
        let beats = record.history.ops.iter().filter(|op| op.load == tables);
        let sent: HashMap<u64, Mono> = beats.map(|op| (op.op, op.invoked)).collect();
        for op in record.history.ops.iter().filter(|op| op.load == number) {
            let (Some(OpReply::Heartbeat(Some(seen))), Some(done)) = (op.answer(), op.acked()) else {
                continue;
            };
            let said = |how: &str| {
                format!("operation {} of load `{}` read heartbeat {seen}, {how}", op.op, load.name)
            };
            match sent.get(&seen) {
                None => return Some(Finding::fail(said("and nobody sent it"), evidence.clone())),
                Some(sent) if *sent > done => {
                    return Some(Finding::fail(said("which was sent later"), evidence.clone()).firm());
                }
                Some(_) => {}
            }
        }
    }
    None
}

fn p99(record: &RunRecord, reads: &[HeartbeatRead<'_>], when: When) -> Option<f64> {
    let spans = Spans::of(record, when);
    let there = reads.iter().filter(|read| spans.contain(read.at));
    Percentiles::of_nanos(there.map(|read| read.stale)).map(|percentiles| percentiles.p99)
}

/// Every acknowledged read of a heartbeat, in the order in which they began.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<HeartbeatRead<'_>> {
    let mut reads = Vec::new();
    for (number, load) in record.loads_of(Workload::Freshness) {
        let beats = Beats::of(record, record.tables_of(number, load));
        let mut newest: HashMap<u32, u64> = HashMap::new();
        for op in record.history.ops.iter().filter(|op| op.load == number) {
            let (Some(OpReply::Heartbeat(seen)), Some((_, ack))) = (op.answer(), op.ack()) else { continue };
            // "none yet" is older than heartbeat 0
            let seen = seen.map_or(0, |seen| seen + 1);
            let best = newest.entry(op.worker).or_default();
            reads.push(HeartbeatRead {
                at: op.invoked,
                node: ack.n,
                stale: beats.newer_since(seen).map_or(0, |since| op.invoked.0.saturating_sub(since.0)),
                backwards: seen < *best,
                missed_own: beats.own_before(op.worker, op.invoked) > seen,
            });
            *best = seen.max(*best);
        }
    }
    reads.sort_by_key(|read| read.at);
    reads
}

/// Acknowledged heartbeats of one load; numbered from 1, so that 0 is none.
struct Beats {
    /// In the order of their numbers: the number, and the earliest acknowledgement of it or any newer one.
    earliest: Vec<(u64, Mono)>,
    /// By worker, in the order of acknowledgement: when, and the newest until then.
    own: HashMap<u32, Vec<(Mono, u64)>>,
}

impl Beats {
    fn of(record: &RunRecord, number: u32) -> Self {
        let writes = |op: &Op<'_>| op.load == number && !matches!(op.asked(), Some(OpQuestion::Read));
        let mut earliest = Vec::new();
        let mut own: HashMap<u32, Vec<(Mono, u64)>> = HashMap::new();
        for op in record.history.ops.iter().filter(writes) {
            let Some(done) = op.acked() else { continue };
            earliest.push((op.op + 1, done));
            own.entry(op.worker).or_default().push((done, op.op + 1));
        }
        earliest.sort_unstable();
        let mut least = Mono(u64::MAX);
        for (_, done) in earliest.iter_mut().rev() {
            least = least.min(*done);
            *done = least;
        }
        for beats in own.values_mut() {
            beats.sort_unstable();
            let mut newest = 0;
            for (_, beat) in beats {
                newest = newest.max(*beat);
                *beat = newest;
            }
        }
        Self { earliest, own }
    }

    /// When the first heartbeat newer than `seen` was acknowledged.
    fn newer_since(&self, seen: u64) -> Option<Mono> {
        let at = self.earliest.partition_point(|(beat, _)| *beat <= seen);
        self.earliest.get(at).map(|(_, done)| *done)
    }

    /// The newest heartbeat a worker had had acknowledged before an instant.
    fn own_before(&self, worker: u32, at: Mono) -> u64 {
        let Some(beats) = self.own.get(&worker) else { return 0 };
        let before = beats.partition_point(|(done, _)| *done < at);
        before.checked_sub(1).map_or(0, |last| beats[last].1)
    }
}
