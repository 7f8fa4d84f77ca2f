//! One comparison → its section: pictures and tables.

use super::page::{Dot, Section, Strip, Strips, Waterfall};
use crate::model::scenario::VerdictWord;
use crate::model::suite::Metric;
use crate::report::bench::{
    ArmLine, BenchReport, ComparisonLine, Point, Rank, STAGES, beside, proving, ratio_told, told,
};
use crate::report::html::markup::cut;
use crate::report::html::page::{Fact, Table, Unit};
use crate::stats::bootstrap::quantile;
use crate::stats::figures::{count, dash, seconds, seconds_or_dash};

/// Stages that looks saw, half a second apart: no end of another.
const LOOKED: [&str; 2] = ["elected", "writable"];
/// The axis is one of ratios where the largest value is so many times the smallest.
const FAR: f64 = 8.0;
/// Fewer points have no quartiles.
const QUARTERED: usize = 4;

/// The section of a comparison.
pub fn section(
    report: &BenchReport,
    line: &ComparisonLine,
    href: &dyn Fn(&str) -> Option<String>,
) -> Section {
    Section {
        name: line.name.to_string(),
        about: line.about.clone(),
        reads: reads(line),
        strips: strips(report, line),
        numbers: numbers(line),
        labs: labs(line),
        waterfalls: line.arms.iter().filter_map(|arm| waterfall(line, arm)).collect(),
        worst: worst(line, href),
        trials: trials(report, line),
    }
}

fn reads(line: &ComparisonLine) -> String {
    let never = line.arms.iter().any(|arm| arm.points_with_never_back > 0);
    let never = if never {
        " A client that never came back is “never”: it stands in the column behind the axis. In a ratio it counts to the end of \
         the load, and the ratio is a bound."
    } else {
        ""
    };
    format!(
        "Read off each run: {}. Ratio: median of `{}` ÷ median of the arm.{never}",
        line.metric.words(),
        line.baseline
    )
}

fn strips(report: &BenchReport, line: &ComparisonLine) -> Strips {
    let timed = line.metric.unit() == "ms";
    let strips: Vec<Strip> =
        line.arms.iter().filter(|arm| arm.points > 0).map(|arm| strip(report, line, arm)).collect();
    let ended = || strips.iter().flat_map(|strip| &strip.dots).filter(|dot| !dot.never).map(|dot| dot.value);
    let (least, most) = (ended().fold(f64::INFINITY, f64::min), ended().fold(0.0, f64::max));
    let log = least > 0.0 && least.is_finite() && most / least >= FAR;
    let (from, to) = match (log, most > 0.0) {
        (true, _) => (step_below(least * 0.97), step_above(most * 1.03)),
        (false, true) => (0.0, most * 1.05),
        (false, false) => (0.0, if timed { 1000.0 } else { 1.0 }),
    };
    Strips { unit: if timed { Unit::Millis } else { Unit::Count }, log, from, to, strips }
}

/// The nearest of 1, 2 and 5 with zeros that is not above a number.
fn step_below(number: f64) -> f64 {
    let power = 10_f64.powf(number.log10().floor());
    [5.0, 2.0].into_iter().map(|step| step * power).find(|step| *step <= number).unwrap_or(power)
}

/// The nearest that is not below it.
fn step_above(number: f64) -> f64 {
    crate::report::html::scale::round_step(number)
}

fn strip(report: &BenchReport, line: &ComparisonLine, arm: &ArmLine) -> Strip {
    let dot = |point: &Point| {
        let (value, never) = (point.value?, point.never(line.metric));
        let seen = told(line.metric, Some(value), never);
        let more = if never {
            format!(", out for {} to the end of the load", seconds(value))
        } else {
            String::new()
        };
        Some(Dot {
            value,
            never,
            failed: point.verdict == VerdictWord::Fail,
            says: format!("{}, trial {}: {seen}{more}, {}", arm.arm, point.trial + 1, point.verdict),
        })
    };
    let dots: Vec<Dot> = proving(&report.points, &line.name, &arm.arm).filter_map(dot).collect();
    let values: Vec<f64> = dots.iter().map(|dot| dot.value).collect();
    let whole = dots.len() >= QUARTERED && dots.iter().all(|dot| !dot.never);
    let median = told(line.metric, arm.median, arm.never(Rank::Median));
    let hung = if arm.never_back > 0 { format!(", {} never back", arm.never_back) } else { String::new() };
    Strip {
        label: arm.arm.to_string(),
        note: format!("median {median}, n {}{hung}", arm.points),
        candidate: line.candidate.as_ref() == Some(&arm.arm),
        quartiles: quantile(&values, 0.25).zip(quantile(&values, 0.75)).filter(|_| whole),
        median: arm.median.filter(|_| !arm.never(Rank::Median)),
        p95: arm.p95.filter(|_| !arm.never(Rank::P95)),
        dots,
    }
}

/// Points of an arm; how many of them are of runs that were judged a fail, and runs that are no points.
fn runs(arm: &ArmLine) -> String {
    let beside = [(arm.failed, "fail"), (arm.unknown, "unknown beside them")];
    let beside = beside.into_iter().filter(|(number, _)| *number > 0);
    let beside: Vec<String> = beside.map(|(number, what)| format!("{number} {what}")).collect();
    let beside = if beside.is_empty() { String::new() } else { format!(" ({})", beside.join(", ")) };
    format!("{}{beside}", arm.points)
}

fn numbers(line: &ComparisonLine) -> Table {
    let row = |arm: &ArmLine| {
        let value = |value: Option<f64>, never: bool| told(line.metric, value, never);
        let (ratio, interval) = ratio_told(arm);
        let share = |number: String, points: usize| {
            if points == 0 { "0".to_owned() } else { format!("{number} in {points}") }
        };
        vec![
            arm.arm.to_string(),
            runs(arm),
            value(arm.min, arm.never(Rank::Min)),
            value(arm.median, arm.never(Rank::Median)),
            value(arm.p95, arm.never(Rank::P95)),
            value(arm.max, arm.never(Rank::Max)),
            seconds_or_dash(arm.first_back),
            share(arm.never_back.to_string(), arm.points_with_never_back),
            share(count(arm.lost), arm.points_with_loss),
            ratio,
            interval,
            beside(line, arm),
        ]
    };
    Table {
        title: "In numbers".to_owned(),
        head: vec![
            "arm",
            "points",
            "min",
            "median",
            "p95",
            "max",
            "first back",
            "never back",
            "lost writes",
            "ratio",
            "95 % interval",
            "beside the candidate",
        ],
        rows: line.arms.iter().map(row).collect(),
        more: String::new(),
    }
}

fn labs(line: &ComparisonLine) -> Vec<Fact> {
    let told = line.arms.iter().filter(|arm| !arm.lab.is_empty());
    told.map(|arm| Fact::new(arm.arm.as_str(), cut(&arm.lab, 400))).collect()
}

fn waterfall(line: &ComparisonLine, arm: &ArmLine) -> Option<Waterfall> {
    let mut bands = Vec::new();
    let mut from = 0.0;
    let mut ended: Vec<(&'static str, f64)> = STAGES
        .into_iter()
        .filter(|stage| !LOOKED.contains(stage))
        .filter_map(|stage| Some((stage, *arm.stages.get(stage)?)))
        .collect();
    // medians of stages are not those of one trial: they may come in another order
    ended.sort_by(|one, other| one.1.total_cmp(&other.1));
    for (stage, at) in ended {
        bands.push((from, at.max(from), stage));
        from = at.max(from);
    }
    let marks: Vec<(f64, &'static str)> =
        LOOKED.into_iter().filter_map(|stage| Some((*arm.stages.get(stage)?, stage))).collect();
    let to = marks.iter().map(|(at, _)| *at).fold(from, f64::max);
    let never = line.metric == Metric::LastBack && arm.never(Rank::Median);
    (to > 0.0).then(|| Waterfall { label: arm.arm.to_string(), bands, marks, to, never })
}

fn worst(line: &ComparisonLine, href: &dyn Fn(&str) -> Option<String>) -> Vec<(String, String, String)> {
    let of = |arm: &ArmLine| {
        let run = arm.worst.as_ref()?;
        let told = format!("{}, {}", told(line.metric, arm.max, arm.never(Rank::Max)), run_name(run));
        Some((arm.arm.to_string(), told, href(run).unwrap_or_default()))
    };
    line.arms.iter().filter_map(of).collect()
}

/// The end of a run's path: scenario and directory.
fn run_name(run: &str) -> String {
    let parts: Vec<&str> = run.rsplit('/').take(2).collect();
    parts.into_iter().rev().collect::<Vec<&str>>().join("/")
}

fn trials(report: &BenchReport, line: &ComparisonLine) -> Table {
    let mut points: Vec<&Point> =
        report.points.iter().filter(|point| point.comparison == line.name).collect();
    let place = |point: &Point| line.arms.iter().position(|arm| arm.arm == point.arm);
    points.sort_by_key(|point| (place(point), point.trial));
    let row = |point: &&Point| {
        let never = point.never_back.unwrap_or(0);
        let hurt = point.hurt.map_or_else(dash, |hurt| hurt.to_string());
        let back = point.hurt.unwrap_or(0).saturating_sub(never);
        // of an even number the earlier one is the middle
        let middle = point.hurt.unwrap_or(0).saturating_sub(1) / 2;
        let told_back = |value: Option<f64>, at: usize| {
            if never > 0 && at >= back { "never".to_owned() } else { seconds_or_dash(value) }
        };
        let mut row = vec![
            point.arm.to_string(),
            (point.trial + 1).to_string(),
            point.verdict.to_string(),
            told(line.metric, point.value, point.value.is_some() && point.never(line.metric)),
            told_back(point.first_back, 0),
            told_back(point.median_back, middle),
            told_back(point.last_back, back),
            hurt,
            point.never_back.map_or_else(dash, |never| never.to_string()),
            count(point.lost),
        ];
        row.extend(STAGES.map(|stage| seconds_or_dash(point.stages.get(stage).copied())));
        row.push(run_name(&point.run));
        row
    };
    let mut head = vec![
        "arm",
        "trial",
        "verdict",
        line.metric.word(),
        "first back",
        "median back",
        "last back",
        "hurt",
        "never back",
        "lost",
    ];
    head.extend(STAGES);
    head.push("run");
    Table {
        title: "Every trial".to_owned(),
        head,
        rows: points.iter().map(row).collect(),
        more: String::new(),
    }
}
