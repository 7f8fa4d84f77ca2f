//! `bench.json` as plain data.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fsync::FsyncTimes;
use super::goals::GoalLine;
use super::numbers::ComparisonLine;
use super::point::Point;
use super::self_test::SelfTest;
use crate::model::Name;
use crate::report::Environment;

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
    /// What one core takes for the password of one login, median of all runs, milliseconds. Absent where no run measured it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_p50_ms: Option<f64>,
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
