//! The numbers of a bench as Markdown: for a terminal, a pull request, and papers that quote them.

use std::fmt::Write as _;

use super::numbers::{ArmLine, ComparisonLine, Rank};
use super::{BenchReport, GoalLine, STAGES, made, ratio_told, told};
use crate::model::scenario::VerdictWord;
use crate::model::suite::Metric;
use crate::stats::contrast::Lies;
use crate::stats::figures::{bytes, count, dash, seconds, seconds_or_dash};

/// The report for people.
#[must_use]
pub fn bench_markdown(report: &BenchReport) -> String {
    let mut text = format!("# Side by side\n\n{}.", report.pgha);
    let machine: Vec<String> = report
        .machine
        .iter()
        .filter(|(key, _)| !made::measured_anew(key))
        .map(|(key, value)| match (key.as_str(), value.as_u64()) {
            ("memory-bytes", Some(number)) => format!("memory {}", bytes(number)),
            _ => format!("{key} {}", made::plain(value)),
        })
        .collect();
    let _ = write!(text, " Machine: {}.", machine.join(", "));
    if let Some(disk) = &report.disk {
        let _ = write!(
            text,
            " Its disk makes a write last in {} (p50) or {} (p99).",
            seconds(disk.p50_ms),
            seconds(disk.p99_ms)
        );
    }
    if let Some(login) = report.login_p50_ms {
        let _ = write!(text, " One core computes the password of a login in {login:.1} ms.");
    }
    text.push_str(
        "\n\nOne machine, containers, these faults. Arms took turns. The fault came at a random phase of Patroni's loop, the \
         same for the same trial of every arm. A fail is a point. An unknown proves nothing and is counted apart. The \
         engine stands for an out-of-band power controller that stays reachable whatever happens to the lab. That the \
         fault was announced was no sensor. Other faults, networks and durability give other numbers.\n",
    );
    goals(&mut text, report);
    for comparison in &report.comparisons {
        one(&mut text, comparison);
    }
    text
}

/// How a demand ended, in a word or two.
#[must_use]
pub fn outcome(verdict: VerdictWord) -> &'static str {
    match verdict {
        VerdictWord::Pass => "met",
        VerdictWord::Fail => "not met",
        VerdictWord::Unknown => "not decided",
    }
}

fn goals(text: &mut String, report: &BenchReport) {
    if report.goals.is_empty() {
        return;
    }
    text.push_str("\n## Goals\n\n| comparison | arm | asked | measured | n | |\n|---|---|---|---|---|---|\n");
    for GoalLine { comparison, arm, asks, measured, points, outcome: ended, why, .. } in &report.goals {
        let comparison = comparison.as_ref().map_or("load generator", |name| name.as_str());
        let arm = arm.as_ref().map_or("–", |name| name.as_str());
        let why = if *ended == VerdictWord::Unknown { format!(": {why}") } else { String::new() };
        let ended = outcome(*ended);
        let _ = writeln!(text, "| {comparison} | {arm} | {asks} | {measured} | {points} | {ended}{why} |");
    }
    if !report.not_measured.is_empty() {
        let names: Vec<String> = report.not_measured.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "\nNot measured: {}.", names.join(", "));
    }
}

fn one(text: &mut String, line: &ComparisonLine) {
    let _ = write!(
        text,
        "\n## {}\n\n{}\n\nRead off each run: {}. Ratio: median of `{}` ÷ median of the arm.\n\n",
        line.name,
        line.about,
        line.metric.words(),
        line.baseline
    );
    if line.metric == Metric::LastBack {
        text.push_str(
            "A client is out from its last acknowledgement before the fault to its first one after it. One that never \
             came back is *never*, and counts to the end of the load in the ratio.\n\n",
        );
    }
    text.push_str(
        "| arm | points | unknown | fail | min | median | p95 | max | first back | never back | lost writes | ratio | 95 % interval | beside the candidate |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for arm in &line.arms {
        let value = |value: Option<f64>, never: bool| told(line.metric, value, never);
        let (ratio, interval) = ratio_told(arm);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} in {} | {} in {} | {ratio} | {interval} | {} |",
            arm.arm,
            arm.points,
            arm.unknown,
            arm.failed,
            value(arm.min, arm.never(Rank::Min)),
            value(arm.median, arm.never(Rank::Median)),
            value(arm.p95, arm.never(Rank::P95)),
            value(arm.max, arm.never(Rank::Max)),
            seconds_or_dash(arm.first_back),
            arm.never_back,
            arm.points_with_never_back,
            count(arm.lost),
            arm.points_with_loss,
            beside(line, arm),
        );
    }
    stages(text, line);
}

/// How an arm lies to the candidate, in words.
#[must_use]
pub fn beside(line: &ComparisonLine, arm: &ArmLine) -> String {
    let Some(contrast) = &arm.beside_candidate else {
        return if line.candidate.as_ref() == Some(&arm.arm) { "candidate".to_owned() } else { dash() };
    };
    match contrast.lies {
        Lies::Above => "worse",
        Lies::Below => "better",
        Lies::Within => "no difference beyond chance",
        Lies::TooFew => "too few points",
    }
    .to_owned()
}

fn stages(text: &mut String, line: &ComparisonLine) {
    if line.arms.iter().all(|arm| arm.stages.is_empty()) {
        return;
    }
    let _ = write!(
        text,
        "\nWhere the time goes, medians from the fault (elected and writable as looks half a second apart saw them):\n\n| arm |"
    );
    for stage in STAGES {
        let _ = write!(text, " {stage} |");
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(STAGES.len()));
    for arm in &line.arms {
        let _ = write!(text, "| {} |", arm.arm);
        for stage in STAGES {
            let _ = write!(text, " {} |", seconds_or_dash(arm.stages.get(stage).copied()));
        }
        text.push('\n');
    }
}
