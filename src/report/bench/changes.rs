//! Two benches → what changed from one to the other beyond chance, arm by arm.
//!
//! Arms of two benches did not take turns, and perhaps not on one machine: a change may be the machine's. What differs
//! between the machines is said first.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::numbers::{ArmLine, ComparisonLine, Rank, SEED, values};
use super::{BenchReport, made, told};
use crate::model::Name;
use crate::model::scenario::VerdictWord;
use crate::model::suite::Metric;
use crate::stats::contrast::{Contrast, Lies, contrast, shares};
use crate::stats::figures::dash;

/// What changed from one bench to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Changes {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// The older bench, as it was named.
    pub before: String,
    /// The newer one.
    pub after: String,
    /// Facts of the machines, versions and images that differ: name, value before, value after.
    pub made_on: Vec<(String, String, String)>,
    /// Every arm that both have.
    pub arms: Vec<ChangeLine>,
    /// Arms that only the older one has, or whose metric is another one.
    pub only_before: Vec<String>,
    /// Arms that only the newer one has, or whose metric is another one.
    pub only_after: Vec<String>,
    /// *Fail* where an arm got worse, *unknown* where none could be told, else *pass*.
    pub verdict: VerdictWord,
}

/// One arm in two benches. *Above* is worse: every metric is better when it is smaller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ChangeLine {
    /// Name of the comparison.
    pub comparison: Name,
    /// Name of the arm.
    pub arm: Name,
    /// What was read off each run.
    pub metric: Metric,
    /// Before.
    pub before: Side,
    /// After.
    pub after: Side,
    /// What was read: the ratio is after ÷ before.
    pub value: Contrast,
    /// How often a client never came back.
    pub never_back: Lies,
    /// How often acknowledged writes were lost.
    pub lost: Lies,
}

/// One arm in one bench.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Side {
    /// How many points there are.
    pub points: usize,
    /// The median of their values.
    pub median: Option<f64>,
    /// Whether that is *never*.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub median_never: bool,
    /// The largest of their values.
    pub max: Option<f64>,
    /// Whether that is *never*.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub max_never: bool,
    /// Points in which a client never came back.
    pub points_with_never_back: usize,
    /// Points that lost acknowledged writes.
    pub points_with_loss: usize,
}

impl Side {
    fn of(arm: &ArmLine) -> Self {
        Self {
            points: arm.points,
            median: arm.median,
            median_never: arm.never(Rank::Median),
            max: arm.max,
            max_never: arm.never(Rank::Max),
            points_with_never_back: arm.points_with_never_back,
            points_with_loss: arm.points_with_loss,
        }
    }
}

impl ChangeLine {
    /// All that can change of an arm.
    fn all(&self) -> [Lies; 3] {
        [self.value.lies, self.never_back, self.lost]
    }

    /// How it changed, in a word or two; the worst first.
    #[must_use]
    pub fn word(&self) -> &'static str {
        let any = |lies: Lies| self.all().contains(&lies);
        match (any(Lies::Above), any(Lies::Below)) {
            (true, true) => "worse and better",
            (true, false) => "worse",
            (false, true) => "better",
            (false, false) if self.value.lies == Lies::TooFew => "too few points",
            (false, false) => "no change beyond chance",
        }
    }
}

/// What changed from one bench to another.
#[must_use]
pub fn changes(names: (&str, &str), before: &BenchReport, after: &BenchReport) -> Changes {
    let lines = arms(before).into_iter().filter_map(|(line, arm)| {
        let (other_line, other) = arms(after).into_iter().find(|(other_line, other)| {
            other_line.name == line.name && other_line.metric == line.metric && other.arm == arm.arm
        })?;
        let first = values(&before.points, &line.name, &arm.arm);
        let second = values(&after.points, &other_line.name, &other.arm);
        let of =
            |pick: fn(&ArmLine) -> usize| shares((pick(arm), arm.points), (pick(other), other.points), SEED);
        Some(ChangeLine {
            comparison: line.name.clone(),
            arm: arm.arm.clone(),
            metric: line.metric,
            before: Side::of(arm),
            after: Side::of(other),
            value: contrast(&first, &second, SEED),
            never_back: of(|arm| arm.points_with_never_back),
            lost: of(|arm| arm.points_with_loss),
        })
    });
    let lines: Vec<ChangeLine> = lines.collect();
    let only = |report: &BenchReport| -> Vec<String> {
        let shared: BTreeSet<(&Name, &Name)> =
            lines.iter().map(|line| (&line.comparison, &line.arm)).collect();
        let alone = arms(report).into_iter().filter(|(line, arm)| !shared.contains(&(&line.name, &arm.arm)));
        alone.map(|(line, arm)| format!("{}/{}", line.name, arm.arm)).collect()
    };
    let worse = lines.iter().any(|line| line.all().contains(&Lies::Above));
    let verdict = if worse {
        VerdictWord::Fail
    } else if lines.iter().all(|line| line.value.lies == Lies::TooFew) {
        VerdictWord::Unknown
    } else {
        VerdictWord::Pass
    };
    Changes {
        schema_version: 1,
        before: names.0.to_owned(),
        after: names.1.to_owned(),
        made_on: made_on(before, after),
        only_before: only(before),
        only_after: only(after),
        arms: lines,
        verdict,
    }
}

/// Every arm with points.
fn arms(report: &BenchReport) -> Vec<(&ComparisonLine, &ArmLine)> {
    let all = report.comparisons.iter().flat_map(|line| line.arms.iter().map(move |arm| (line, arm)));
    all.filter(|(_, arm)| arm.points > 0).collect()
}

fn made_on(before: &BenchReport, after: &BenchReport) -> Vec<(String, String, String)> {
    let facts = |report: &BenchReport| {
        if !report.environments.is_empty() {
            return made::facts(&report.environments);
        }
        report.machine.iter().map(|(name, value)| (name.clone(), vec![made::plain(value)])).collect()
    };
    let (before, after) = (facts(before), facts(after));
    let differs = before.iter().filter_map(|(name, values)| {
        let (_, others) = after.iter().find(|(other, _)| other == name)?;
        (values != others).then(|| (name.clone(), values.join("; "), others.join("; ")))
    });
    differs.filter(|(name, ..)| !made::measured_anew(name)).collect()
}

/// What changed, for people.
#[must_use]
pub fn changes_markdown(changes: &Changes) -> String {
    let (changed, same): (Vec<&ChangeLine>, Vec<&ChangeLine>) =
        changes.arms.iter().partition(|line| matches!(line.word(), "worse" | "better" | "worse and better"));
    let few = same.iter().filter(|line| line.value.lies == Lies::TooFew).count();
    let mut text = format!("# From {} to {}\n\n", changes.before, changes.after);
    let _ = writeln!(
        text,
        "{} of {} arms changed beyond chance. {} did not, {few} have too few points. A 95 % interval calls one arm in twenty \
         changed that is not.\n",
        changed.len(),
        changes.arms.len(),
        same.len() - few,
    );
    if !changes.made_on.is_empty() {
        text.push_str("Made on different things, to which a change may be due:\n\n");
        for (name, before, after) in &changes.made_on {
            let _ = writeln!(text, "- {name}: {before} → {after}");
        }
        text.push('\n');
    }
    if !changes.arms.is_empty() {
        text.push_str(
            "| comparison | arm | metric | n | median before | after | after ÷ before | never back | lost | |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
    }
    for line in changed.into_iter().chain(same) {
        let ChangeLine { before, after, value, .. } = line;
        let ratio = value.ratio.map_or_else(dash, |ratio| match value.interval {
            Some((low, high)) => format!("{ratio:.2} ({low:.2} to {high:.2})"),
            None => format!("{ratio:.2}"),
        });
        let _ = writeln!(
            text,
            "| {} | {} | {} | {}, {} | {} | {} | {ratio} | in {} → {} | in {} → {} | {} |",
            line.comparison,
            line.arm,
            line.metric.word(),
            before.points,
            after.points,
            told(line.metric, before.median, before.median_never),
            told(line.metric, after.median, after.median_never),
            before.points_with_never_back,
            after.points_with_never_back,
            before.points_with_loss,
            after.points_with_loss,
            line.word(),
        );
    }
    for (which, names) in [("before", &changes.only_before), ("after", &changes.only_after)] {
        if !names.is_empty() {
            let _ = writeln!(text, "\nOnly {which}: {}.", names.join(", "));
        }
    }
    text
}
