//! A judged run → its point: what one trial gave, read off its report and its record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::made;
use crate::check::brokered::done;
use crate::check::{RunRecord, answering, failovers, latency};
use crate::model::scenario::{Endpoint, LoadModel, VerdictWord};
use crate::model::suite::{Comparison, Metric};
use crate::model::{Mono, Name};
use crate::report::{BackLine, Report};
use crate::stats::{self, Percentiles};

/// So long after a fault whoever deals with it has had time for it.
const SETTLED: Duration = Duration::from_secs(20);
/// So long after a fault what was under way to a dead server has failed.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// A read that takes longer is late.
const LATE: Duration = Duration::from_millis(100);

/// Stages in the order in which they happen; what an arm does not have stays empty.
pub const STAGES: [&str; 8] =
    ["decided", "fenced", "released", "elected", "writable", "pushed", "first-ack", "last-back"];

/// What one run gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Point {
    /// The comparison.
    pub comparison: Name,
    /// The arm.
    pub arm: Name,
    /// Number of the trial, from 0.
    pub trial: u32,
    /// How it was judged.
    pub verdict: VerdictWord,
    /// What was read off it; `None`: it cannot be read off this run.
    pub value: Option<f64>,
    /// Last client back on 5432 after the fault, milliseconds; the end of the load stands for one that never came
    /// back. Absent in points of older editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_back: Option<f64>,
    /// The middle one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_back: Option<f64>,
    /// The first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_back: Option<f64>,
    /// Clients that were hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hurt: Option<usize>,
    /// Of these, those that never came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_back: Option<usize>,
    /// Acknowledged writes that were lost.
    pub lost: u64,
    /// Writes that were acknowledged on an older timeline when a newer one had begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zombie_acks: Option<u64>,
    /// Milliseconds from the intent of the fault to each stage that was seen.
    pub stages: BTreeMap<String, f64>,
    /// Its run directory.
    pub run: String,
    /// When it began, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// What it was made on: a key of `environments` in `bench.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Median of the disk's `fdatasync` when it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsync_p50_ms: Option<f64>,
    /// Its 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsync_p99_ms: Option<f64>,
    /// Median of what one core took for the password of one login then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_p50_ms: Option<f64>,
}

impl Point {
    /// Whether what it counts never ended: a time to the end of the load stands in its place.
    #[must_use]
    pub fn never(&self, metric: Metric) -> bool {
        let never = self.never_back.unwrap_or(0);
        match metric {
            Metric::LastBack => never > 0,
            Metric::FirstBack => never > 0 && self.hurt == Some(never),
            _ => false,
        }
    }

    /// Adds where and when it was made, as the report of its run says.
    #[must_use]
    pub fn made_on(mut self, report: &Report) -> Self {
        let measured = |key: &str| report.environment.machine.get(key).and_then(Value::as_f64);
        self.started = Some(report.started.clone());
        self.environment = Some(made::environment(report).0);
        (self.fsync_p50_ms, self.fsync_p99_ms) = (measured("fsync_p50_ms"), measured("fsync_p99_ms"));
        self.login_p50_ms = measured("login_p50_ms");
        self
    }
}

/// The point of a judged run.
#[must_use]
pub fn point(
    comparison: &Comparison,
    arm: &Name,
    trial: u32,
    report: &Report,
    record: Option<&RunRecord>,
    run: String,
) -> Point {
    let line = back(comparison, report);
    let ms = |pick: fn(&BackLine) -> Option<f64>| line.map(|line| out(line, pick(line)));
    let point = Point {
        comparison: comparison.name.clone(),
        arm: arm.clone(),
        trial,
        verdict: report.verdict,
        value: value(comparison, report, record),
        last_back: ms(|line| line.last_back_ms),
        median_back: ms(|line| line.median_back_ms),
        first_back: ms(|line| line.first_back_ms),
        hurt: line.map(|line| line.hurt),
        never_back: line.map(|line| line.never_back),
        lost: report.loss.lost,
        zombie_acks: Some(report.loss.zombie_acks),
        stages: record.map(|record| stages(comparison, report, record)).unwrap_or_default(),
        run,
        started: None,
        environment: None,
        fsync_p50_ms: None,
        fsync_p99_ms: None,
        login_p50_ms: None,
    };
    point.made_on(report)
}

/// How the clients of 5432 came back after the fault.
fn back<'a>(comparison: &Comparison, report: &'a Report) -> Option<&'a BackLine> {
    let rw = report.endpoints.get(&Endpoint::Rw)?;
    rw.backs.iter().find(|line| line.fault.as_ref() == Some(&comparison.fault))
}

/// How long a client was out: as measured, to the end of the load where it never came back, and where none was
/// hurt, the time in which nobody was acknowledged.
fn out(line: &BackLine, back: Option<f64>) -> f64 {
    back.unwrap_or(if line.hurt > 0 { line.longest_ms } else { line.nobody_ms })
}

fn value(comparison: &Comparison, report: &Report, record: Option<&RunRecord>) -> Option<f64> {
    match comparison.metric {
        Metric::WriteOutage => report.endpoints.get(&Endpoint::Rw).map(|line| line.outage_max_ms),
        Metric::LastBack => back(comparison, report).map(|line| out(line, line.last_back_ms)),
        Metric::FirstBack => back(comparison, report).map(|line| out(line, line.first_back_ms)),
        Metric::Redundancy => {
            let line = report.redundancy.iter().find(|line| line.fault == comparison.fault)?;
            if line.lost_ms.is_none() { Some(0.0) } else { line.restored_ms }
        }
        Metric::MembersBack => members_back(record?, &comparison.fault),
        // a handful, far below 2^53
        Metric::Failovers => failovers::measure(record?).map(|changes| changes.len() as f64),
        Metric::FailedWrites => Some(failed(report, record, "rw")),
        Metric::FailedReads => unserved(record?, &comparison.fault, None),
        Metric::LateReads => unserved(record?, &comparison.fault, Some(LATE)),
        Metric::ReadP99 => settled_reads(record?, &comparison.fault).map(|took| took.p99),
    }
}

/// Milliseconds until as many members answered as before the fault, 0 where none was missed; `None` where they never did.
fn members_back(record: &RunRecord, fault: &Name) -> Option<f64> {
    let fault = record.history.faults.iter().find(|known| known.id == *fault)?;
    let spell = answering::measure(record, fault)?;
    if spell.lost_ms.is_none() { Some(0.0) } else { spell.restored_ms }
}

/// Operations of scheduled loads through a port that were not acknowledged.
fn failed(report: &Report, record: Option<&RunRecord>, endpoint: &str) -> f64 {
    let closed = |name: &str| {
        let mut declared = record.into_iter().flat_map(|record| &record.scenario.loads);
        declared.any(|load| load.name.as_str() == name && load.model == LoadModel::Closed)
    };
    let loads = report.loads.iter().filter(|load| load.endpoint == endpoint && !closed(load.name.as_str()));
    let failed: u64 = loads.map(|load| load.operations.fail + load.operations.info).sum();
    // counts of a run are far below 2^53
    failed as f64
}

/// Reads meant for a while after a fault that were not acknowledged, or not within `limit` of the instant they were meant
/// for; `None` where the fault never began.
fn unserved(record: &RunRecord, fault: &Name, limit: Option<Duration>) -> Option<f64> {
    let fault = record.history.faults.iter().find(|known| known.id == *fault)?;
    let from = fault.began?.plus(UNDER_WAY);
    let reads = reads(record);
    let meant = record.history.ops.iter().filter(|op| reads.contains(&op.load) && op.intended >= from);
    let served = |done: Mono, intended: Mono| limit.is_none_or(|limit| done.since(intended) <= limit);
    let missed = meant.filter(|op| !op.acked().is_some_and(|done| served(done, op.intended)));
    // operations of a run are far below 2^53
    Some(missed.count() as f64)
}

/// Numbers of the loads on 5433.
fn reads(record: &RunRecord) -> BTreeSet<u32> {
    let loads = (0_u32..).zip(&record.scenario.loads);
    loads.filter(|(_, load)| load.endpoint == Some(Endpoint::Ro)).map(|(number, _)| number).collect()
}

/// Latencies of what was read through 5433 when a fault had been on for a while.
fn settled_reads(record: &RunRecord, fault: &Name) -> Option<Percentiles> {
    let fault = record.history.faults.iter().find(|known| known.id == *fault)?;
    let from = fault.began?.plus(SETTLED);
    let reads = reads(record);
    latency::of(record, |load| reads.contains(&load), |at| at >= from)
}

/// When what happened after the fault was intended.
fn stages(comparison: &Comparison, report: &Report, record: &RunRecord) -> BTreeMap<String, f64> {
    let Some(fault) = record.history.faults.iter().find(|fault| fault.id == comparison.fault) else {
        return BTreeMap::new();
    };
    let since = |at: Mono| stats::millis(at.0.saturating_sub(fault.intent.0));
    let mut seen = BTreeMap::new();
    for (stage, at) in done(record, fault.intent) {
        seen.entry(stage.to_owned()).or_insert(since(at));
    }
    let began = fault.began.map_or(0.0, since);
    let way = report.failovers.iter().find(|way| way.fault == comparison.fault).map(|way| way.stages);
    let way = way.unwrap_or_default();
    for (stage, ms) in [
        ("elected", way.elected_ms),
        ("writable", way.writable_ms),
        ("first-ack", way.first_ack_ms),
        ("last-back", way.last_back_ms),
    ] {
        if let Some(ms) = ms {
            seen.insert(stage.to_owned(), ms + began);
        }
    }
    seen
}
