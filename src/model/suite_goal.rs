//! What a comparison must reach, as a suite declares it. Plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::Name;
use super::units::Span;

/// What one arm must reach. Every key that is there is asked for, each for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Goal {
    /// Name of the arm that is measured.
    pub arm: Name,
    /// With fewer points than these nothing is decided.
    #[serde(default = "one")]
    pub points: u32,
    /// Longest median. For metrics of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<Span>,
    /// Longest 95th percentile. For metrics of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95: Option<Span>,
    /// The longest of all trials. For metrics of time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Span>,
    /// Longest median of the first client back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_back: Option<Span>,
    /// Most that any trial counts. For metrics that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Most clients that never come back, over all trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_back: Option<u32>,
    /// Most acknowledged writes that are lost, over all trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u32>,
    /// Whether acknowledged writes may be lost in no larger a share of the trials than in the baseline, chance aside.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lost_as_baseline: bool,
    /// Most writes acknowledged on an older timeline beside a newer one, over all trials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zombie_acks: Option<u32>,
    /// Least ratio of the baseline's median to this arm's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// What cannot be beaten, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

const fn one() -> u32 {
    1
}

/// What the load generator's test of itself must show (`cargo bench --bench generator`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SelfTestGoal {
    /// Most by which the latency of operations in a known stall may be off, a share of the stall.
    pub stall_error: f64,
}
