//! Values of metrics and ratios of arms as people read them.

use super::numbers::{ArmLine, Bound};
use crate::model::suite::Metric;
use crate::stats::figures::{dash, rate, seconds};

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
