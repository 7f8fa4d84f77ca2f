//! What the scaling controller is told in `[controller.policy]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::units::{Bytes, Span};

/// What the scaling controller is told in `[controller.policy]`. The defaults are the published numbers of the
/// service that has the page of 2022 (zeropsio/docs, features/scaling, 2026).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScalingPolicy {
    /// Pause between two measurements.
    pub every: Span,
    /// Cores.
    pub cpu: ScalingRule<f64>,
    /// When memory is given and taken back.
    pub memory: ScalingRule<Bytes>,
    /// Data volumes. They never shrink, so their window for shrinking says nothing.
    pub disk: ScalingRule<Bytes>,
    /// The number of PostgreSQL instances.
    pub instances: CountRule,
    /// Whether readers are led to the instances that are least busy, by weights at the balancers. Without it
    /// connections alone decide (HAProxy: `balance leastconn`).
    pub weigh: bool,
    /// For tests: the process ends when it has done this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
}

/// When one resource grows and shrinks, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScalingRule<T> {
    /// How long it must be short before it grows.
    pub up_window: Span,
    /// How long it must be idle before it shrinks.
    pub down_window: Span,
    /// Percentile of the use in the window for growing.
    pub up_percentile: u8,
    /// Percentile of the use in the window for shrinking.
    pub down_percentile: u8,
    /// The first step; each one that follows at once is twice as large.
    pub min_step: T,
    /// The largest step.
    pub max_step: T,
    /// So much shall be free.
    pub min_free: T,
    /// So much of the whole shall be free, 0 to 1; the larger of the two counts.
    pub min_free_share: f64,
}

/// When the number of instances changes by itself. The service with the page of 2022 gives no numbers for that: a new copy is
/// made when cores cannot be given any more, and takes reads from the other replicas, never writes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CountRule {
    /// How long every replica must be short of cores, with as many as it may have, before one more is made.
    pub out_window: Span,
    /// How long those who would stay must be able to carry it all before one leaves.
    pub in_window: Span,
    /// What those who stay may have to use of their cores then, 0 to 1.
    pub in_share: f64,
}

impl Default for ScalingPolicy {
    fn default() -> Self {
        Self {
            every: Span::secs(10),
            cpu: ScalingRule {
                up_window: Span::secs(20),
                down_window: Span::secs(60),
                up_percentile: 60,
                down_percentile: 40,
                min_step: 0.1,
                max_step: 4.0,
                min_free: 0.1,
                min_free_share: 0.0,
            },
            memory: ScalingRule {
                up_window: Span::secs(10),
                down_window: Span::secs(120),
                up_percentile: 50,
                down_percentile: 50,
                min_step: Bytes::mib(128),
                max_step: Bytes::gib(32),
                min_free: Bytes::mib(64),
                min_free_share: 0.0,
            },
            disk: ScalingRule {
                up_window: Span::secs(10),
                down_window: Span::secs(300),
                up_percentile: 50,
                down_percentile: 50,
                min_step: Bytes::mib(512),
                max_step: Bytes::gib(128),
                // the service does not say how much disk it keeps free: a step's worth would double a small disk
                min_free: Bytes::mib(128),
                min_free_share: 0.0,
            },
            instances: CountRule { out_window: Span::secs(60), in_window: Span::secs(600), in_share: 0.5 },
            weigh: true,
            stop_at: None,
        }
    }
}

impl ScalingPolicy {
    /// The policy as told, on top of the defaults.
    ///
    /// # Errors
    /// When it says something that is no policy.
    pub fn told(policy: &BTreeMap<String, Value>) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        let mut all = serde_json::to_value(Self::default()).map_err(wrong)?;
        merge(&mut all, &serde_json::to_value(policy).map_err(wrong)?);
        let policy: Self = serde_json::from_value(all).map_err(wrong)?;
        policy.problem().map_or(Ok(policy), Err)
    }

    fn problem(&self) -> Option<String> {
        if self.every.0.is_zero() {
            return Some("`every` is a pause: it must be longer than nothing".to_owned());
        }
        let percentile = |percent: u8| (1..=100).contains(&percent);
        let steps = |min: f64, max: f64| min > 0.0 && min <= max;
        let (cpu, memory, disk) = (&self.cpu, &self.memory, &self.disk);
        let free = |share: f64| (0.0..1.0).contains(&share);
        if !(self.instances.in_share > 0.0 && self.instances.in_share <= 1.0) {
            return Some("instances: `in-share` is a share: more than 0 and at most 1".to_owned());
        }
        let rules = [
            ("cpu", steps(cpu.min_step, cpu.max_step) && cpu.min_free >= 0.0, cpu.shape()),
            ("memory", memory.min_step.0 > 0 && memory.min_step <= memory.max_step, memory.shape()),
            ("disk", disk.min_step.0 > 0 && disk.min_step <= disk.max_step, disk.shape()),
        ];
        rules.into_iter().find_map(|(name, steps, (up, down, share))| {
            let why = if !steps {
                "`min-step` must be more than nothing and no more than `max-step`"
            } else if !percentile(up) || !percentile(down) {
                "percentiles are 1 to 100"
            } else if !free(share) {
                "`min-free-share` is a share: at least 0 and below 1"
            } else {
                return None;
            };
            Some(format!("{name}: {why}"))
        })
    }
}

impl<T: Copy> ScalingRule<T> {
    const fn shape(&self) -> (u8, u8, f64) {
        (self.up_percentile, self.down_percentile, self.min_free_share)
    }
}

/// Lays `over` over `all`: tables merge, everything else replaces.
fn merge(all: &mut Value, over: &Value) {
    match (all, over) {
        (Value::Object(all), Value::Object(over)) => {
            for (key, value) in over {
                match all.get_mut(key) {
                    Some(known) => merge(known, value),
                    None => {
                        all.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (all, over) => all.clone_from(over),
    }
}
