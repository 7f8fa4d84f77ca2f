//! Numbers of a comparison and what its suite asks for → each demand, met or not.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::numbers::{ArmLine, Bound, ComparisonLine, Rank, SEED};
use super::self_test::SelfTest;
use crate::model::scenario::VerdictWord;
use crate::model::suite::Suite;
use crate::model::suite_goal::{Goal, SelfTestGoal};
use crate::model::{Name, Span};
use crate::stats::contrast::{Lies, shares};
use crate::stats::figures::{count, dash, rate, seconds};

/// What one demand of a suite came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct GoalLine {
    /// The comparison; absent: the load generator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Name>,
    /// Name of the arm that is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arm: Option<Name>,
    /// What is asked for, in words.
    pub asks: String,
    /// What was measured, in words.
    pub measured: String,
    /// How many points it rests on.
    pub points: usize,
    /// Met is a pass. Unknown: too few points, or nothing to read.
    pub outcome: VerdictWord,
    /// Why it is not met, or not decided; empty where it is met.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What cannot be beaten, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// What one demand came to.
struct Demand {
    /// What is asked.
    asks: String,
    /// What was measured.
    measured: String,
    /// Whether that is enough; `None`: it was not measured.
    met: Option<bool>,
    /// Whether one trial breaks it, however few they are: a bound of all trials, not of their middle.
    firm: bool,
    /// Whether it is of the quantity that has a limit which cannot be beaten.
    limited: bool,
}

/// Every demand of a suite on what was measured; comparisons without a point are not among them.
#[must_use]
pub fn judged(suite: &Suite, lines: &[ComparisonLine], self_test: Option<&SelfTest>) -> Vec<GoalLine> {
    let mut judged = Vec::new();
    for comparison in &suite.comparisons {
        let Some(line) = lines.iter().find(|line| line.name == comparison.name) else { continue };
        for goal in &comparison.goals {
            judged.extend(of_arm(line, goal));
        }
    }
    judged.extend(suite.self_test.map(|goal| of_self_test(goal, self_test)));
    judged
}

/// The worst of several demands; a pass where nothing is asked for.
#[must_use]
pub fn worst<'a>(goals: impl IntoIterator<Item = &'a GoalLine>) -> VerdictWord {
    goals.into_iter().map(|goal| goal.outcome).max().unwrap_or(VerdictWord::Pass)
}

fn of_arm(line: &ComparisonLine, goal: &Goal) -> Vec<GoalLine> {
    let Some(arm) = line.arm(&goal.arm) else { return Vec::new() };
    let needed = usize::try_from(goal.points).unwrap_or(usize::MAX);
    let lined = |demand: Demand| {
        let enough = arm.points >= needed;
        let outcome = match demand.met {
            Some(false) if enough || demand.firm => VerdictWord::Fail,
            Some(true) if enough => VerdictWord::Pass,
            _ => VerdictWord::Unknown,
        };
        let why = match (outcome, demand.met) {
            (VerdictWord::Pass, _) => String::new(),
            (_, None) => "these points do not say".to_owned(),
            (VerdictWord::Unknown, _) => format!("{} of {needed} points", arm.points),
            (VerdictWord::Fail, _) => format!("{} is not {}", demand.measured, demand.asks),
        };
        GoalLine {
            comparison: Some(line.name.clone()),
            arm: Some(goal.arm.clone()),
            asks: demand.asks,
            measured: demand.measured,
            points: arm.points,
            outcome,
            why,
            limit: goal.limit.clone().filter(|_| demand.limited),
        }
    };
    demands(line, arm, goal).into_iter().map(lined).collect()
}

fn demands(line: &ComparisonLine, arm: &ArmLine, goal: &Goal) -> Vec<Demand> {
    let what = line.metric.word();
    let timed = |name: &str, most: f64, seen: Option<f64>, never: bool| Demand {
        asks: format!("{name} ≤ {}", seconds(most)),
        measured: told(seen, never),
        met: seen.map(|seen| !never && seen <= most),
        firm: false,
        limited: true,
    };
    let counted = |name: &str, most: u32, seen: Option<u64>| Demand {
        asks: if most == 0 { format!("no {name}") } else { format!("{name} ≤ {}", count(most.into())) },
        measured: seen.map_or_else(dash, count),
        met: seen.map(|seen| seen <= u64::from(most)),
        firm: true,
        limited: false,
    };
    let of = |rank: Rank, name: &str, most: Option<Span>, seen: Option<f64>| {
        most.map(|most| timed(&format!("{what}, {name}"), most.as_ms(), seen, arm.never(rank)))
    };
    let any = |seen: u64| (arm.points > 0).then_some(seen);
    // points that do not say it prove no zero, but one that says it proves one
    let says = arm.points_with_clients == arm.points || arm.never_back > 0;
    let hung = any(arm.never_back as u64).filter(|_| says);
    let longest = of(Rank::Max, "max", goal.max, arm.max).map(|demand| Demand { firm: true, ..demand });
    let largest = goal.count.map(|most| counted(&format!("{what} in any trial"), most, arm.max.map(whole)));
    let zombies = "acknowledgements on an old timeline";
    let demands = [
        goal.first_back.map(|most| timed("first-back, median", most.as_ms(), arm.first_back, false)),
        of(Rank::Median, "median", goal.median, arm.median),
        of(Rank::P95, "p95", goal.p95, arm.p95),
        longest,
        largest.map(|demand| Demand { limited: true, ..demand }),
        goal.never_back.map(|most| counted("clients that never came back", most, hung)),
        goal.lost.map(|most| counted("acknowledged writes lost", most, any(arm.lost))),
        goal.zombie_acks.map(|most| counted(zombies, most, arm.zombie_acks)),
    ];
    let mut demands: Vec<Demand> = demands.into_iter().flatten().collect();
    if goal.lost_as_baseline {
        demands.push(lost_as_baseline(line, arm));
    }
    demands.extend(goal.ratio.map(|least| ratio(line, arm, least)));
    demands
}

/// A count that points hold as a number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts are whole and not negative"
)]
fn whole(number: f64) -> u64 {
    number.max(0.0).round() as u64
}

fn told(seen: Option<f64>, never: bool) -> String {
    match seen {
        Some(_) if never => "never".to_owned(),
        Some(seen) => seconds(seen),
        None => dash(),
    }
}

fn ratio(line: &ComparisonLine, arm: &ArmLine, least: f64) -> Demand {
    let baseline = line.arm(&line.baseline);
    let (measured, met) = match (arm.ratio, arm.bound) {
        (_, Some(Bound::None)) => ("both never".to_owned(), Some(false)),
        (None, _) => match (arm.median, baseline.and_then(|baseline| baseline.median)) {
            // nothing at all is any number of times less than something
            (Some(_), Some(of)) if of > 0.0 => ("no bound: the median is 0".to_owned(), Some(true)),
            _ => (dash(), None),
        },
        (Some(ratio), Some(Bound::AtLeast)) => {
            (format!("at least {ratio:.1}"), (ratio >= least).then_some(true))
        }
        (Some(_), Some(Bound::AtMost)) => ("never".to_owned(), Some(false)),
        (Some(ratio), None) => {
            let interval =
                arm.interval.map(|(low, high)| format!(" ({low:.1} to {high:.1})")).unwrap_or_default();
            (format!("{ratio:.1}{interval}"), Some(ratio >= least))
        }
    };
    Demand {
        asks: format!("{} ÷ {} ≥ {}", line.baseline, arm.arm, rate(least)),
        measured,
        met,
        firm: false,
        limited: false,
    }
}

/// In a lab that may lose writes, how many of its trials did is chance: only a share beyond that of the baseline counts.
fn lost_as_baseline(line: &ComparisonLine, arm: &ArmLine) -> Demand {
    let asks = format!("acknowledged writes lost no more often than in {}", line.baseline);
    let Some(baseline) = line.arm(&line.baseline).filter(|baseline| baseline.points > 0 && arm.points > 0)
    else {
        return Demand { asks, measured: dash(), met: None, firm: false, limited: false };
    };
    let of = |arm: &ArmLine| (arm.points_with_loss, arm.points);
    let measured = format!(
        "in {} of {} trials, {} of {}",
        arm.points_with_loss, arm.points, baseline.points_with_loss, baseline.points
    );
    let fewer = of(arm).0 * of(baseline).1 <= of(baseline).0 * of(arm).1;
    let met = match shares(of(baseline), of(arm), SEED) {
        _ if fewer => Some(true),
        Lies::Above => Some(false),
        Lies::Below | Lies::Within => Some(true),
        Lies::TooFew => None,
    };
    Demand { asks, measured, met, firm: false, limited: false }
}

fn of_self_test(goal: SelfTestGoal, seen: Option<&SelfTest>) -> GoalLine {
    let asks = format!("error on a known stall ≤ {:.1} %", goal.stall_error * 100.0);
    let off = seen.and_then(SelfTest::worst_error);
    let outcome = match off {
        None => VerdictWord::Unknown,
        Some(off) if off <= goal.stall_error => VerdictWord::Pass,
        Some(_) => VerdictWord::Fail,
    };
    let measured = off.map_or_else(dash, |off| format!("{:.1} %", off * 100.0));
    let why = match outcome {
        VerdictWord::Pass => String::new(),
        VerdictWord::Unknown => "the self-test was not run beside these runs".to_owned(),
        VerdictWord::Fail => format!("{measured} is not {asks}"),
    };
    GoalLine {
        comparison: None,
        arm: None,
        asks,
        measured,
        points: seen.map_or(0, |seen| seen.stalls.len()),
        outcome,
        why,
        limit: None,
    }
}
