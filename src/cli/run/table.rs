//! The rows of many runs, as a table and as JSON lines.

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::check::Judgement;
use crate::cli::{CliError, Exit, check};
use crate::model::scenario::{Endpoint, VerdictWord};
use crate::model::{Name, Scenario};
use crate::report::{EndpointLine, Report};
use crate::run::conduct::RunOutcome;
use crate::run::series::Finished;
use crate::stats::figures::{count, dash, seconds, seconds_or_dash};

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// It was run now.
    Ran,
    /// It had been run before.
    Known,
}

/// One run, or one that could not begin.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Name of the scenario.
    pub scenario: Name,
    /// Which trial, from 0.
    pub trial: u32,
    /// Seed in force.
    pub seed: u64,
    /// Exit code of this run alone.
    pub exit: Exit,
    /// Its directory.
    pub dir: Option<PathBuf>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// Its report.
    pub report: Option<Box<Report>>,
    /// Why there is none.
    pub error: Option<String>,
    /// Where it comes from.
    pub source: Source,
}

impl RunRow {
    /// A run that ended in a verdict.
    pub fn ran(scenario: &Scenario, trial: u32, seed: u64, exit: Exit, outcome: RunOutcome) -> Self {
        Self {
            scenario: scenario.name.clone(),
            trial,
            seed,
            exit,
            dir: Some(outcome.dir),
            seconds: Some(outcome.ended.seconds),
            report: Some(Box::new(outcome.report)),
            error: None,
            source: Source::Ran,
        }
    }

    /// A run that could not begin or not be ended.
    pub fn broken(scenario: &Scenario, trial: u32, seed: u64, error: &CliError) -> Self {
        Self {
            scenario: scenario.name.clone(),
            trial,
            seed,
            exit: error.exit(),
            dir: None,
            seconds: None,
            report: None,
            error: Some(error.to_string()),
            source: Source::Ran,
        }
    }

    /// A run of an interrupted series that had been ended before.
    pub fn known(scenario: &Scenario, trial: u32, seed: u64, finished: Finished) -> Self {
        let report = finished.report;
        let ends = report.ends.clone();
        let checks = report.checks.clone();
        let reasons = report.reasons.clone();
        let judgement = Judgement { verdict: report.verdict, checks, reasons, ends };
        Self {
            scenario: scenario.name.clone(),
            trial,
            seed,
            exit: check::exit(&judgement),
            dir: Some(finished.dir),
            seconds: Some(finished.ended.seconds),
            report: Some(Box::new(report)),
            error: None,
            source: Source::Known,
        }
    }

    /// Outages of the service's writes.
    fn writes(&self) -> Option<&EndpointLine> {
        self.report.as_ref()?.endpoints.get(&Endpoint::Rw)
    }

    /// How long the last client was out, to the end of the load where it never came back; `None` where the journal
    /// numbers no clients.
    fn last_ms(&self) -> Option<f64> {
        Some(self.writes()?.back.as_ref()?.longest_ms)
    }

    /// How long the first hurt client was out; where clients have no numbers or none was hurt, the longest time in
    /// which nobody was acknowledged.
    fn first_ms(&self) -> Option<f64> {
        let line = self.writes()?;
        line.back.as_ref().and_then(|back| back.first_back_ms).or(Some(line.outage_max_ms))
    }

    fn never_back(&self) -> usize {
        self.writes().and_then(|line| line.back.as_ref()).map_or(0, |back| back.never_back)
    }

    /// One line of `pgha run -o json` over several runs; keys are only ever added.
    pub fn json(&self) -> Value {
        json!({
            "schema_version": 1,
            "scenario": self.scenario,
            "trial": self.trial + 1,
            "seed": self.seed,
            "exit": self.exit.code(),
            "directory": self.dir,
            "seconds": self.seconds,
            "error": self.error,
            "report": self.report,
        })
    }

    fn cells(&self) -> Vec<String> {
        let report = self.report.as_deref();
        let elected =
            |report: &Report| report.failovers.iter().filter(|seen| seen.stages.elected_ms.is_some()).count();
        vec![
            self.scenario.to_string(),
            self.seed.to_string(),
            report.map_or_else(|| "not run".to_owned(), verdict),
            match (self.last_ms(), self.never_back()) {
                (None, _) => dash(),
                (Some(ms), 0) => seconds(ms),
                (Some(_), never) => format!("{never} never"),
            },
            seconds_or_dash(self.first_ms()),
            report.map_or_else(dash, |report| count(report.loss.lost)),
            report.map_or_else(dash, |report| elected(report).to_string()),
            self.seconds.map_or_else(dash, |seconds| format!("{seconds:.0}")),
            match (&self.dir, &self.error) {
                (_, Some(error)) => error.lines().next().unwrap_or_default().to_owned(),
                (Some(dir), None) => dir.display().to_string(),
                (None, None) => dash(),
            },
        ]
    }
}

/// The verdict, and what a sabotage made of it.
fn verdict(report: &Report) -> String {
    match &report.ends {
        None => report.verdict.to_string(),
        Some(ends) if ends.met => format!("{} as it must", report.verdict),
        Some(ends) => format!("{}, not {}", report.verdict, ends.verdict),
    }
}

/// Every run in one line, and for each series of trials the spread of its times out of service. Without a last newline.
pub fn table(rows: &[RunRow]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "SCENARIO",
        "SEED",
        "VERDICT",
        "LAST BACK",
        "FIRST BACK",
        "LOST",
        "FAILOVERS",
        "SECONDS",
        "DIRECTORY",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    let mut lines = vec![table.to_string()];
    let mut names: Vec<&Name> = rows.iter().map(|row| &row.scenario).collect();
    names.dedup();
    for name in names {
        let trials: Vec<&RunRow> = rows.iter().filter(|row| row.scenario == *name).collect();
        if trials.len() > 1 {
            lines.push(spread(name, &trials));
        }
    }
    lines.join("\n")
}

fn spread(name: &Name, trials: &[&RunRow]) -> String {
    let of = |word: VerdictWord| {
        trials.iter().filter(|row| row.report.as_ref().is_some_and(|report| report.verdict == word)).count()
    };
    let of_rows =
        |ms: fn(&RunRow) -> Option<f64>| trials.iter().filter_map(|row| ms(row)).collect::<Vec<f64>>();
    let last = range("last back", of_rows(RunRow::last_ms));
    let first = range("first back", of_rows(RunRow::first_ms));
    let never: usize = trials.iter().map(|row| row.never_back()).sum();
    let never = if never == 0 { String::new() } else { format!("; {never} clients never came back") };
    let outage = format!("{last}{first}{never}");
    let unrun = trials.iter().filter(|row| row.report.is_none()).count();
    let unrun = if unrun == 0 { String::new() } else { format!(", {unrun} not run") };
    format!(
        "{name}: {} trials: {} pass, {} unknown, {} fail{unrun}{outage}",
        trials.len(),
        of(VerdictWord::Pass),
        of(VerdictWord::Unknown),
        of(VerdictWord::Fail),
    )
}

/// The spread of a time over several runs; nothing where none was measured.
fn range(what: &str, mut sample: Vec<f64>) -> String {
    sample.sort_by(f64::total_cmp);
    match (sample.first(), sample.get(sample.len().saturating_sub(1) / 2), sample.last()) {
        (Some(least), Some(median), Some(most)) => {
            format!("; {what} min {}, median {}, max {}", seconds(*least), seconds(*median), seconds(*most))
        }
        _ => String::new(),
    }
}
