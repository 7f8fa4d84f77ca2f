//! Labs side by side: points of trials → numbers, goals, pages, and what changed from one bench to another. Pure.
//!
//! Every claim is a ratio of two arms that took turns on one machine.

mod changes;
mod goals;
mod made;
mod markdown;
mod numbers;
mod point;
mod self_test;
#[cfg(test)]
pub(crate) mod tests;
mod trackers;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use changes::{ChangeLine, Changes, Side, changes, changes_markdown};
pub use goals::{GoalLine, worst};
pub use made::{FsyncTimes, environment, facts, plain};
pub use markdown::{bench_markdown, beside, outcome};
pub use numbers::{ArmLine, Bound, ComparisonLine, Rank, compare, proving, values};
pub use point::{Point, point};
pub use self_test::{Rate, SelfTest, Stall};
pub use trackers::{bencher, smaller_is_better};

use super::Environment;
use crate::model::Name;
use crate::model::suite::{Metric, Suite};
use crate::stats::figures::{dash, rate, seconds};

/// Stages in the order in which they happen; what an arm does not have stays empty.
pub const STAGES: [&str; 8] =
    ["decided", "fenced", "released", "elected", "writable", "pushed", "first-ack", "last-back"];

/// `bench.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BenchReport {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Version of this program, and how it was built.
    pub pgha: String,
    /// The machine, as the newest run saw it.
    pub machine: BTreeMap<String, Value>,
    /// What points were made on, by the key that they name.
    #[serde(default)]
    pub environments: BTreeMap<String, Environment>,
    /// The disk under the data. Absent where no run measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<FsyncTimes>,
    /// When the first and the last run began, RFC 3339 in UTC. Absent where no point says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<(String, String)>,
    /// The load generator's test of itself, where it stands beside the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTest>,
    /// What was compared.
    pub comparisons: Vec<ComparisonLine>,
    /// What the suite asks for, and whether it was met.
    #[serde(default)]
    pub goals: Vec<GoalLine>,
    /// Comparisons of the suite without a point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_measured: Vec<Name>,
    /// Every point.
    pub points: Vec<Point>,
}

/// What is known beside points and suite.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Version of this program, and how it was built.
    pub pgha: String,
    /// The machine, as the newest run saw it.
    pub machine: BTreeMap<String, Value>,
    /// What points were made on, by the key that they name.
    pub environments: BTreeMap<String, Environment>,
    /// The load generator's test of itself.
    pub self_test: Option<SelfTest>,
}

/// The numbers of a bench.
#[must_use]
pub fn bench_report(suite: &Suite, points: &[Point], beside: Beside) -> BenchReport {
    let measured = |name: &Name| points.iter().any(|point| point.comparison == *name);
    let (known, absent): (Vec<_>, Vec<_>) =
        suite.comparisons.iter().partition(|comparison| measured(&comparison.name));
    let comparisons: Vec<ComparisonLine> =
        known.into_iter().map(|comparison| compare(comparison, points)).collect();
    let goals = goals::judged(suite, &comparisons, beside.self_test.as_ref());
    // what no point names any more is not what these points were made on
    let named = |key: &String| points.iter().any(|point| point.environment.as_ref() == Some(key));
    let environments = beside.environments.into_iter().filter(|(key, _)| named(key)).collect();
    BenchReport {
        schema_version: 1,
        pgha: beside.pgha,
        machine: beside.machine,
        environments,
        disk: made::disk(points),
        span: made::span(points),
        self_test: beside.self_test,
        comparisons,
        goals,
        not_measured: absent.into_iter().map(|comparison| comparison.name.clone()).collect(),
        points: points.to_vec(),
    }
}

/// A value of a metric as people read it; *never* where it never ended.
#[must_use]
pub fn told(metric: Metric, value: Option<f64>, never: bool) -> String {
    match value {
        _ if never => "never".to_owned(),
        None => dash(),
        Some(value) if metric.unit() == "ms" => seconds(value),
        Some(value) => rate(value),
    }
}

/// The ratio of an arm to the baseline as people read it, and its interval; a bound says so.
#[must_use]
pub fn ratio_told(arm: &ArmLine) -> (String, String) {
    let bound = match arm.bound {
        None => "",
        Some(Bound::AtLeast) => "≥ ",
        Some(Bound::AtMost) => "≤ ",
        Some(Bound::None) => return (dash(), dash()),
    };
    let ratio = arm.ratio.map_or_else(dash, |ratio| format!("{bound}{ratio:.1}"));
    let interval = arm.interval.map_or_else(dash, |(low, high)| format!("{low:.1} to {high:.1}"));
    (ratio, interval)
}
