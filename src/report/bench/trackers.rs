//! The numbers of a bench as files that trackers of benchmarks read.
//!
//! `smaller-is-better.json` is what github-action-benchmark calls `customSmallerIsBetter` (README of
//! benchmark-action/github-action-benchmark): a list of name, unit, value, range and extra. `bmf.json` is the Bencher Metric
//! Format (bencher.dev, "Bencher Metric Format (BMF)"): benchmark → measure → value with lower and upper value. Both take
//! numbers alone: for *never* stands the time to the end of the load, and the count of clients that never came back beside it.

use serde_json::{Map, Value, json};

use super::BenchReport;
use super::numbers::{ArmLine, ComparisonLine};
use crate::stats::figures::dash;

/// Every arm that has points, with its comparison.
fn arms(report: &BenchReport) -> impl Iterator<Item = (&ComparisonLine, &ArmLine)> {
    let all = report.comparisons.iter().flat_map(|line| line.arms.iter().map(move |arm| (line, arm)));
    all.filter(|(_, arm)| arm.points > 0)
}

/// For github-action-benchmark, tool `customSmallerIsBetter`.
#[must_use]
pub fn smaller_is_better(report: &BenchReport) -> Value {
    let mut list = Vec::new();
    for (line, arm) in arms(report) {
        let name = |what: &str| format!("{}/{}: {what}", line.name, arm.arm);
        let (unit, metric) = (line.metric.unit(), line.metric.word());
        let ratio = arm.ratio.map_or_else(dash, |ratio| format!("{ratio:.1}"));
        let interval = arm.interval.map_or_else(dash, |(low, high)| format!("{low:.1} to {high:.1}"));
        let extra = format!(
            "n {}, {} ÷ {} {ratio} ({interval}), never back {}, lost {}",
            arm.points, line.baseline, arm.arm, arm.never_back, arm.lost
        );
        let spread = arm.max.zip(arm.min).map_or(0.0, |(max, min)| (max - min) / 2.0);
        if let (Some(median), Some(max)) = (arm.median, arm.max) {
            let range = format!("± {spread:.1}");
            list.push(json!({ "name": name(&format!("{metric}, median")), "unit": unit, "value": median, "range": range, "extra": extra }));
            list.push(json!({ "name": name(&format!("{metric}, max")), "unit": unit, "value": max, "extra": extra }));
        }
        list.push(
            json!({ "name": name("never back"), "unit": "clients", "value": arm.never_back, "extra": extra }),
        );
        list.push(json!({ "name": name("lost"), "unit": "writes", "value": arm.lost, "extra": extra }));
    }
    Value::Array(list)
}

/// For Bencher, adapter `json`.
#[must_use]
pub fn bencher(report: &BenchReport) -> Value {
    let mut all = Map::new();
    for (line, arm) in arms(report) {
        let mut measures = Map::new();
        if let (Some(median), Some(min), Some(max)) = (arm.median, arm.min, arm.max) {
            let unit = if line.metric.unit() == "ms" { "-ms" } else { "" };
            let measure = format!("{}{unit}", line.metric.word());
            measures.insert(measure, json!({ "value": median, "lower_value": min, "upper_value": max }));
        }
        if let (Some(ratio), Some((low, high))) = (arm.ratio, arm.interval) {
            let value = json!({ "value": ratio, "lower_value": low, "upper_value": high });
            measures.insert("ratio-to-baseline".to_owned(), value);
        }
        measures.insert("never-back".to_owned(), json!({ "value": arm.never_back }));
        measures.insert("lost-writes".to_owned(), json!({ "value": arm.lost }));
        all.insert(format!("{}/{}", line.name, arm.arm), Value::Object(measures));
    }
    Value::Object(all)
}
