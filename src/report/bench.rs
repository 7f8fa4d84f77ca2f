//! Points of a comparison → its numbers, as JSON and as Markdown. Pure.
//!
//! A fail is a point, an unknown proves nothing and is only counted. Every claim is a ratio of two arms that took
//! turns on one machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{BackLine, Report};
use crate::check::brokered::done;
use crate::check::{RunRecord, failovers, latency};
use crate::model::scenario::{Endpoint, LoadModel, VerdictWord};
use crate::model::suite::{Comparison, Metric};
use crate::model::{Mono, Name};
use crate::stats::figures::{count, dash, rate, seconds_or_dash};
use crate::stats::{self, Percentiles, bootstrap};

/// Fixes the resamples of every interval.
const SEED: u64 = 20_260;
/// So long after a fault whoever deals with it has had time for it.
const SETTLED: Duration = Duration::from_secs(20);
/// So long after a fault what was under way to a dead server has failed.
const UNDER_WAY: Duration = Duration::from_millis(50);
/// A read that takes longer is late.
const LATE: Duration = Duration::from_millis(100);
/// Stages in the order in which they happen; what an arm does not have stays empty.
const STAGES: [&str; 8] =
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
    /// Milliseconds from the intent of the fault to each stage that was seen.
    pub stages: BTreeMap<String, f64>,
    /// Its run directory.
    pub run: String,
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
    Point {
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
        stages: record.map(|record| stages(comparison, report, record)).unwrap_or_default(),
        run,
    }
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
        // a handful, far below 2^53
        Metric::Failovers => failovers::measure(record?).map(|changes| changes.len() as f64),
        Metric::FailedWrites => Some(failed(report, record, "rw")),
        Metric::FailedReads => unserved(record?, &comparison.fault, None),
        Metric::LateReads => unserved(record?, &comparison.fault, Some(LATE)),
        Metric::ReadP99 => settled_reads(record?, &comparison.fault).map(|took| took.p99),
    }
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

/// One arm in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ArmLine {
    /// The arm.
    pub arm: Name,
    /// Points: runs that proved something.
    pub points: usize,
    /// Runs that ended unknown.
    pub unknown: usize,
    /// Points whose run was judged a fail.
    pub failed: usize,
    /// Smallest.
    pub min: Option<f64>,
    /// Median.
    pub median: Option<f64>,
    /// 95th percentile, nearest rank.
    pub p95: Option<f64>,
    /// Largest.
    pub max: Option<f64>,
    /// Median of the first client back, where points say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_back: Option<f64>,
    /// Points in which a client never came back.
    #[serde(default)]
    pub points_with_never_back: usize,
    /// Clients that never came back, over all points.
    #[serde(default)]
    pub never_back: usize,
    /// Acknowledged writes lost, over all points.
    pub lost: u64,
    /// Points that lost any.
    pub points_with_loss: usize,
    /// Median of the baseline divided by this one's; absent for the baseline and where this one's is 0.
    pub ratio: Option<f64>,
    /// Its 95 % bootstrap interval; absent with fewer than two points in an arm.
    pub interval: Option<(f64, f64)>,
    /// Medians of the stages, milliseconds from the fault.
    pub stages: BTreeMap<String, f64>,
}

/// One comparison in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ComparisonLine {
    /// Its name.
    pub name: Name,
    /// What it shows.
    pub about: String,
    /// What was read off each run.
    pub metric: Metric,
    /// The arm of comparison.
    pub baseline: Name,
    /// Its arms.
    pub arms: Vec<ArmLine>,
}

/// `bench.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BenchReport {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Version of this program, and how it was built.
    pub pgha: String,
    /// The machine, as the newest run saw it.
    pub machine: BTreeMap<String, Value>,
    /// What was compared.
    pub comparisons: Vec<ComparisonLine>,
    /// Every point.
    pub points: Vec<Point>,
}

/// The numbers of one comparison.
#[must_use]
pub fn compare(comparison: &Comparison, points: &[Point]) -> ComparisonLine {
    let of = |arm: &Name| -> Vec<&Point> {
        points.iter().filter(|point| point.comparison == comparison.name && point.arm == *arm).collect()
    };
    let values = |arm: &Name| -> Vec<f64> { proving(&of(arm)).filter_map(|point| point.value).collect() };
    let baseline = values(&comparison.baseline);
    let arms = comparison.arms.iter().map(|arm| {
        let (all, sample) = (of(&arm.name), values(&arm.name));
        let other = arm.name != comparison.baseline;
        ArmLine {
            arm: arm.name.clone(),
            points: sample.len(),
            unknown: all.iter().filter(|point| point.verdict == VerdictWord::Unknown).count(),
            failed: all.iter().filter(|point| point.verdict == VerdictWord::Fail).count(),
            min: bootstrap::quantile(&sample, 0.0),
            median: bootstrap::middle(&sample),
            p95: bootstrap::quantile(&sample, 0.95),
            max: bootstrap::quantile(&sample, 1.0),
            first_back: bootstrap::middle(
                &proving(&all).filter_map(|point| point.first_back).collect::<Vec<f64>>(),
            ),
            points_with_never_back: proving(&all).filter(|point| point.never_back > Some(0)).count(),
            never_back: proving(&all).filter_map(|point| point.never_back).sum(),
            lost: proving(&all).map(|point| point.lost).sum(),
            points_with_loss: proving(&all).filter(|point| point.lost > 0).count(),
            ratio: bootstrap::ratio_of_medians(&baseline, &sample).filter(|_| other),
            interval: bootstrap::interval(&baseline, &sample, SEED).filter(|_| other),
            stages: medians(&all),
        }
    });
    ComparisonLine {
        name: comparison.name.clone(),
        about: comparison.about.clone(),
        metric: comparison.metric,
        baseline: comparison.baseline.clone(),
        arms: arms.collect(),
    }
}

/// Points that prove something.
fn proving<'a>(points: &'a [&'a Point]) -> impl Iterator<Item = &'a Point> {
    points.iter().copied().filter(|point| point.verdict != VerdictWord::Unknown)
}

fn medians(points: &[&Point]) -> BTreeMap<String, f64> {
    let names: BTreeSet<&String> = proving(points).flat_map(|point| point.stages.keys()).collect();
    let median = |name: &String| {
        let sample: Vec<f64> = proving(points).filter_map(|point| point.stages.get(name)).copied().collect();
        bootstrap::middle(&sample).map(|median| (name.clone(), median))
    };
    names.into_iter().filter_map(median).collect()
}

/// The report for people.
#[must_use]
pub fn bench_markdown(report: &BenchReport) -> String {
    let mut text = format!("# Side by side\n\n{}.", report.pgha);
    let machine: Vec<String> = report
        .machine
        .iter()
        .map(|(key, value)| {
            format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect();
    let _ = write!(text, " Machine: {}.\n\n", machine.join(", "));
    text.push_str(
        "One machine, containers, these faults. Arms took turns; the fault came at a random phase of Patroni's loop, the \
         same for the same trial of every arm. A fail is a point, an unknown proves nothing and is counted apart. The \
         engine stands for an out-of-band power controller that stays reachable whatever happens to the lab; that the \
         fault was announced was no sensor. Other faults, networks and durability give other numbers.\n",
    );
    for comparison in &report.comparisons {
        one(&mut text, comparison);
    }
    text
}

fn one(text: &mut String, line: &ComparisonLine) {
    let timed = line.metric.unit() == "ms";
    let value = |value: Option<f64>| if timed { seconds_or_dash(value) } else { number(value) };
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\nRead off each run: {}. Ratio: median of `{}` ÷ median of the arm.\n\n",
        line.name,
        line.about,
        line.metric.words(),
        line.baseline
    );
    if line.metric == Metric::LastBack {
        text.push_str(
            "A client is out from its last acknowledgement before the fault to its first one after it. One that never \
             came back counts to the end of the load, and is counted in *never back*.\n\n",
        );
    }
    text.push_str(
        "| arm | points | unknown | fail | min | median | p95 | max | first back | never back | lost writes | ratio | 95 % interval |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for arm in &line.arms {
        let interval =
            arm.interval.map_or_else(|| "–".to_owned(), |(low, high)| format!("{low:.1} to {high:.1}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} in {} | {} in {} | {} | {interval} |",
            arm.arm,
            arm.points,
            arm.unknown,
            arm.failed,
            value(arm.min),
            value(arm.median),
            value(arm.p95),
            value(arm.max),
            seconds_or_dash(arm.first_back),
            arm.never_back,
            arm.points_with_never_back,
            count(arm.lost),
            arm.points_with_loss,
            arm.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.1}")),
        );
    }
    if line.arms.iter().all(|arm| arm.stages.is_empty()) {
        return;
    }
    let _ = write!(
        text,
        "\nWhere the time goes, medians from the fault (elected and writable as looks half a second apart saw them):\n\n| arm |"
    );
    for stage in STAGES {
        let _ = write!(text, " {stage} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(STAGES.len()));
    for arm in &line.arms {
        let _ = write!(text, "| {} |", arm.arm);
        for stage in STAGES {
            let _ = write!(text, " {} |", seconds_or_dash(arm.stages.get(stage).copied()));
        }
        text.push('\n');
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(dash, rate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::suite;

    fn points(arm: &str, values: &[f64]) -> Vec<Point> {
        let point = |(trial, value): (u32, &f64)| Point {
            comparison: "dies".parse().expect("a name"),
            arm: arm.parse().expect("a name"),
            trial,
            verdict: if *value < 0.0 { VerdictWord::Unknown } else { VerdictWord::Pass },
            value: Some(*value),
            last_back: Some(*value),
            median_back: None,
            first_back: (arm == "ours").then_some(value / 2.0),
            hurt: (arm == "ours").then_some(8),
            never_back: (arm == "ours").then_some(usize::from(trial == 2)),
            lost: u64::from(trial == 1),
            stages: [("first-ack".to_owned(), *value)].into(),
            run: String::new(),
        };
        (0..).zip(values).map(point).collect()
    }

    #[test]
    fn a_comparison_in_markdown() {
        let suite =
            suite::parse("suite", suite::SAMPLE).unwrap_or_else(|problems| panic!("{}", problems.render()));
        let points =
            [points("stock", &[28_000.0, 30_000.0]), points("ours", &[500.0, 400.0, 600.0, -1.0])].concat();
        let report = BenchReport {
            schema_version: 1,
            pgha: "pgha 0.1.0".to_owned(),
            machine: BTreeMap::new(),
            comparisons: vec![compare(&suite.comparisons[0], &points)],
            points,
        };
        let text = bench_markdown(&report);
        let tables: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).collect();
        insta::assert_snapshot!(tables.join("\n"), @r"
        | arm | points | unknown | fail | min | median | p95 | max | first back | never back | lost writes | ratio | 95 % interval |
        | stock | 2 | 0 | 0 | 28.0 s | 29.0 s | 30.0 s | 30.0 s | – | 0 in 0 | 1 in 1 | – | – |
        | ours | 3 | 1 | 0 | 0.40 s | 0.50 s | 0.60 s | 0.60 s | 0.25 s | 1 in 1 | 1 in 1 | 58.0 | 46.7 to 75.0 |
        | arm | decided | fenced | released | elected | writable | pushed | first-ack | last-back |
        | stock | – | – | – | – | – | – | 29.0 s | – |
        | ours | – | – | – | – | – | – | 0.50 s | – |
        ");
    }
}
