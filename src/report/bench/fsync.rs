//! Facts over all points of a bench: how fast the disk was, and when the first and the last run began.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::point::Point;
use crate::stats::bootstrap;

/// The disk under the data, as each run measured it when it began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FsyncTimes {
    /// Runs that measured it.
    pub runs: usize,
    /// Median of their medians of `fdatasync`.
    pub p50_ms: f64,
    /// Median of their 99th percentiles.
    pub p99_ms: f64,
    /// The largest of these.
    pub p99_max_ms: f64,
}

/// The disk, over all points; points of comparisons that share runs are counted once.
#[must_use]
pub fn disk(points: &[Point]) -> Option<FsyncTimes> {
    let runs: BTreeMap<&str, (f64, f64)> = points
        .iter()
        .filter_map(|point| Some((point.run.as_str(), (point.fsync_p50_ms?, point.fsync_p99_ms?))))
        .collect();
    let (p50, p99): (Vec<f64>, Vec<f64>) = runs.values().copied().unzip();
    Some(FsyncTimes {
        runs: runs.len(),
        p50_ms: bootstrap::middle(&p50)?,
        p99_ms: bootstrap::middle(&p99)?,
        p99_max_ms: bootstrap::quantile(&p99, 1.0)?,
    })
}

/// Median over all runs of what one core took for the password of one login, milliseconds; points that share a run are
/// counted once. `None` where no run measured it.
#[must_use]
pub fn login(points: &[Point]) -> Option<f64> {
    let runs: BTreeMap<&str, f64> =
        points.iter().filter_map(|point| Some((point.run.as_str(), point.login_p50_ms?))).collect();
    bootstrap::middle(&runs.into_values().collect::<Vec<f64>>())
}

/// When the first and the last run began.
#[must_use]
pub fn span(points: &[Point]) -> Option<(String, String)> {
    let started = || points.iter().filter_map(|point| point.started.as_ref());
    Some((started().min()?.clone(), started().max()?.clone()))
}
