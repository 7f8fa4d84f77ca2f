//! Labs side by side: points of trials → numbers, goals, pages, and what changed from one bench to another. Pure.
//!
//! Every claim is a ratio of two arms that took turns on one machine.

mod changes;
mod document;
mod fsync;
mod goals;
mod made;
mod markdown;
mod numbers;
mod point;
mod self_test;
#[cfg(test)]
pub(crate) mod tests;
mod trackers;
mod words;

use std::collections::BTreeMap;

use serde_json::Value;

pub use changes::{ChangeLine, Changes, Side, changes, changes_markdown};
pub use document::BenchReport;
pub use fsync::FsyncTimes;
pub use goals::{GoalLine, worst};
pub use made::{environment, facts, measured_anew, plain};
pub use markdown::{bench_markdown, beside, outcome};
pub use numbers::{ArmLine, Bound, ComparisonLine, Rank, compare, proving, values};
pub use point::{Point, STAGES, point};
pub use self_test::{Rate, SelfTest, Stall};
pub use trackers::{bencher, smaller_is_better};
pub use words::{ratio_told, told};

use super::Environment;
use crate::model::Name;
use crate::model::suite::Suite;

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
        disk: fsync::disk(points),
        login_p50_ms: fsync::login(points),
        span: fsync::span(points),
        self_test: beside.self_test,
        comparisons,
        goals,
        not_measured: absent.into_iter().map(|comparison| comparison.name.clone()).collect(),
        points: points.to_vec(),
    }
}
