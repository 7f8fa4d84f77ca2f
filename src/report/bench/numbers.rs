//! Points of a comparison → its numbers.
//!
//! A fail is a point, an unknown proves nothing and is only counted. A client that never came back stands as *never*: its
//! time to the end of the load is a bound, and every number that rests on it says so.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::point::Point;
use crate::model::Name;
use crate::model::scenario::VerdictWord;
use crate::model::suite::{Arm, Comparison, Metric};
use crate::stats::bootstrap;
use crate::stats::contrast::{Contrast, contrast};

/// Fixes the resamples of every interval.
pub const SEED: u64 = 20_260;
/// The stage that is the return of the last client.
const LAST: &str = "last-back";
/// Fewer points have no halves that say anything.
const HALVED: usize = 4;

/// What the points of one arm come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ArmLine {
    /// Name of the arm.
    pub arm: Name,
    /// Its lab, in words. Absent in reports of older editions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lab: String,
    /// Points: runs that proved something.
    pub points: usize,
    /// Runs that ended unknown.
    pub unknown: usize,
    /// Points whose run was judged a fail.
    pub failed: usize,
    /// The smallest value.
    pub min: Option<f64>,
    /// The median of the values.
    pub median: Option<f64>,
    /// Their 95th percentile, by nearest rank.
    pub p95: Option<f64>,
    /// The largest value.
    pub max: Option<f64>,
    /// From which of these on it is *never*, and the number a bound; absent where every trial ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never_from: Option<Rank>,
    /// The run of the largest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<String>,
    /// Median of the first client back, where points say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_back: Option<f64>,
    /// Points in which a client never came back.
    #[serde(default)]
    pub points_with_never_back: usize,
    /// Clients that never came back, over all points.
    #[serde(default)]
    pub never_back: usize,
    /// Points that say how many these were; those of older editions do not.
    #[serde(default)]
    pub points_with_clients: usize,
    /// Acknowledged writes lost, over all points.
    pub lost: u64,
    /// Points that lost any.
    pub points_with_loss: usize,
    /// Writes acknowledged on an older timeline beside a newer one, over all points; absent where one does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zombie_acks: Option<u64>,
    /// Median of the baseline divided by this one's; absent for the baseline and where this one's is 0.
    pub ratio: Option<f64>,
    /// Its 95 % bootstrap interval; absent with fewer than two points in an arm.
    pub interval: Option<(f64, f64)>,
    /// What the ratio is where a median is *never*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound: Option<Bound>,
    /// This arm beside the candidate: ratio and interval are this arm's median divided by the candidate's. Absent for the
    /// candidate itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside_candidate: Option<Contrast>,
    /// Its trials with an odd number beside those with an even one: what chance does within one lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halves: Option<Contrast>,
    /// Medians of the stages, milliseconds from the fault.
    pub stages: BTreeMap<String, f64>,
}

impl ArmLine {
    /// Whether a number of this arm is *never*.
    #[must_use]
    pub fn never(&self, rank: Rank) -> bool {
        self.never_from.is_some_and(|from| from <= rank)
    }
}

/// Numbers of an arm, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rank {
    /// The smallest.
    Min,
    /// The median.
    Median,
    /// The 95th percentile.
    P95,
    /// The largest.
    Max,
}

/// What a ratio is when a median is *never*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// The baseline's is: the ratio is at least this.
    AtLeast,
    /// The arm's is: the ratio is at most this.
    AtMost,
    /// Both are: there is none.
    None,
}

/// What one comparison came to, arm by arm.
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
    /// The arm it is about. Absent in reports of older editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Name>,
    /// Whether its arms are one lab under several names.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noise: bool,
    /// Its arms.
    pub arms: Vec<ArmLine>,
}

impl ComparisonLine {
    /// An arm by its name.
    #[must_use]
    pub fn arm(&self, name: &Name) -> Option<&ArmLine> {
        self.arms.iter().find(|arm| arm.arm == *name)
    }
}

/// Points of one arm that prove something.
pub fn proving<'a>(
    points: &'a [Point],
    comparison: &'a Name,
    arm: &'a Name,
) -> impl Iterator<Item = &'a Point> {
    points.iter().filter(move |point| {
        point.comparison == *comparison && point.arm == *arm && point.verdict != VerdictWord::Unknown
    })
}

/// What they count, in the order of their trials.
#[must_use]
pub fn values(points: &[Point], comparison: &Name, arm: &Name) -> Vec<f64> {
    let mut points: Vec<&Point> = proving(points, comparison, arm).collect();
    points.sort_by_key(|point| point.trial);
    points.into_iter().filter_map(|point| point.value).collect()
}

/// The numbers of one comparison.
#[must_use]
pub fn compare(comparison: &Comparison, points: &[Point]) -> ComparisonLine {
    let candidate = comparison.candidate();
    let baseline: Vec<&Point> = proving(points, &comparison.name, &comparison.baseline).collect();
    let baseline_never = never_from(comparison, &baseline).is_some_and(|from| from <= Rank::Median);
    let mut arms: Vec<ArmLine> =
        comparison.arms.iter().map(|arm| line(comparison, arm, points, baseline_never)).collect();
    if let Some(candidate) = candidate {
        let own = values(points, &comparison.name, candidate);
        for arm in arms.iter_mut().filter(|arm| arm.arm != *candidate && arm.points > 0 && !own.is_empty()) {
            arm.beside_candidate = Some(contrast(&own, &values(points, &comparison.name, &arm.arm), SEED));
        }
    }
    ComparisonLine {
        name: comparison.name.clone(),
        about: comparison.about.clone(),
        metric: comparison.metric,
        baseline: comparison.baseline.clone(),
        candidate: candidate.cloned(),
        noise: comparison.is_noise(),
        arms,
    }
}

fn line(comparison: &Comparison, arm: &Arm, points: &[Point], baseline_never: bool) -> ArmLine {
    let name = &comparison.name;
    let proving: Vec<&Point> = proving(points, name, &arm.name).collect();
    let of_arm = || points.iter().filter(|point| point.comparison == *name && point.arm == arm.name);
    let (sample, baseline) = (values(points, name, &arm.name), values(points, name, &comparison.baseline));
    let other = arm.name != comparison.baseline;
    let median_never = never_from(comparison, &proving).is_some_and(|from| from <= Rank::Median);
    let zombies: Option<u64> = proving.iter().map(|point| point.zombie_acks).sum();
    ArmLine {
        arm: arm.name.clone(),
        lab: lab(arm),
        points: sample.len(),
        unknown: of_arm().filter(|point| point.verdict == VerdictWord::Unknown).count(),
        failed: of_arm().filter(|point| point.verdict == VerdictWord::Fail).count(),
        min: bootstrap::quantile(&sample, 0.0),
        median: bootstrap::middle(&sample),
        p95: bootstrap::quantile(&sample, 0.95),
        max: bootstrap::quantile(&sample, 1.0),
        never_from: never_from(comparison, &proving),
        worst: worst(comparison.metric, &proving),
        first_back: bootstrap::middle(
            &proving.iter().filter_map(|point| point.first_back).collect::<Vec<f64>>(),
        ),
        points_with_never_back: proving.iter().filter(|point| point.never_back > Some(0)).count(),
        never_back: proving.iter().filter_map(|point| point.never_back).sum(),
        points_with_clients: proving.iter().filter(|point| point.never_back.is_some()).count(),
        lost: proving.iter().map(|point| point.lost).sum(),
        points_with_loss: proving.iter().filter(|point| point.lost > 0).count(),
        zombie_acks: zombies.filter(|_| !proving.is_empty()),
        ratio: bootstrap::ratio_of_medians(&baseline, &sample).filter(|_| other),
        interval: bootstrap::interval(&baseline, &sample, SEED).filter(|_| other),
        bound: match (baseline_never, median_never) {
            _ if !other => None,
            (true, true) => Some(Bound::None),
            (true, false) => Some(Bound::AtLeast),
            (false, true) => Some(Bound::AtMost),
            (false, false) => None,
        },
        beside_candidate: None,
        halves: halves(&sample),
        stages: medians(&proving),
    }
}

/// From which rank on trials never ended: these are longer than any that did.
fn never_from(comparison: &Comparison, points: &[&Point]) -> Option<Rank> {
    let endless = |point: &&Point| {
        let value = point.value?;
        Some(if point.never(comparison.metric) { f64::INFINITY } else { value })
    };
    let sample: Vec<f64> = points.iter().filter_map(endless).collect();
    let ranks = [
        (Rank::Min, bootstrap::quantile(&sample, 0.0)),
        (Rank::Median, bootstrap::middle(&sample)),
        (Rank::P95, bootstrap::quantile(&sample, 0.95)),
        (Rank::Max, bootstrap::quantile(&sample, 1.0)),
    ];
    ranks.into_iter().find(|(_, value)| value.is_some_and(f64::is_infinite)).map(|(rank, _)| rank)
}

/// The run of the largest value; one that never ended is larger than any that did.
fn worst(metric: Metric, points: &[&Point]) -> Option<String> {
    let counted = points.iter().filter_map(|point| Some((point.never(metric), point.value?, &point.run)));
    let worst = counted.max_by(|one, other| one.0.cmp(&other.0).then(one.1.total_cmp(&other.1)))?;
    Some(worst.2.clone()).filter(|run| !run.is_empty())
}

/// Trials with an odd number beside those with an even one; arms take turns, so that both are spread over the same hours.
fn halves(sample: &[f64]) -> Option<Contrast> {
    if sample.len() < HALVED {
        return None;
    }
    let even: Vec<f64> = sample.iter().copied().step_by(2).collect();
    let odd: Vec<f64> = sample.iter().copied().skip(1).step_by(2).collect();
    Some(contrast(&even, &odd, SEED))
}

/// The lab of an arm in words.
fn lab(arm: &Arm) -> String {
    let mut words = vec![format!("preset {}", arm.preset)];
    if !arm.set.is_null() {
        words.push(format!("set {}", arm.set));
    }
    if let Some(via) = arm.via {
        words.push(format!(
            "via {}",
            serde_json::to_value(via).unwrap_or_default().as_str().unwrap_or_default()
        ));
    }
    if let Some(timeout) = arm.connect_timeout {
        words.push(format!("connect-timeout {timeout}"));
    }
    if let Some(verb) = &arm.verb {
        words.push(format!("does {}", serde_json::to_string(verb).unwrap_or_default()));
    }
    words.join(", ")
}

/// Medians of the stages. Where a client never came back, the stage that is its return never came: it is later than any.
fn medians(points: &[&Point]) -> BTreeMap<String, f64> {
    let names: BTreeSet<&String> = points.iter().flat_map(|point| point.stages.keys()).collect();
    let median = |name: &String| {
        let at = |point: &&Point| match point.stages.get(name) {
            None if name == LAST && point.never_back > Some(0) => Some(f64::INFINITY),
            at => at.copied(),
        };
        let sample: Vec<f64> = points.iter().filter_map(at).collect();
        let median = bootstrap::middle(&sample).filter(|median| median.is_finite())?;
        Some((name.clone(), median))
    };
    names.into_iter().filter_map(median).collect()
}
