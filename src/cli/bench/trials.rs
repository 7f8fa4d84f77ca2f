//! The trials of a suite: what each is, in which order they are run, and how one becomes a point.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use crate::cli::args::{BenchArgs, LabArgs};
use crate::cli::run::live::View;
use crate::cli::settings::{Over, ResolvedLab};
use crate::cli::{CliError, settings};
use crate::engine::docker::Docker;
use crate::lab::{record, up};
use crate::model::scenario::VerdictWord;
use crate::model::suite::{Comparison, Suite};
use crate::model::{LabSpec, Name, Scenario};
use crate::report::bench::told;
use crate::report::{self, Point, Report};
use crate::run::conduct;
use crate::run::order::Order;
use crate::run::{read, series, sql_files};
use crate::spec::suite::{self, Trial};

/// How often a trial that ends unknown is run again, with other choices of its seed.
const AGAIN: u64 = 2;
/// Seeds of a second attempt are as far from those of the first as no suite has trials.
const FAR: u64 = 1_000_000;
/// The lab of a bench, unless another name is given.
const LAB: &str = "bench";

/// One trial, ready to be run.
pub struct Planned<'a> {
    /// Its comparison.
    pub comparison: &'a Comparison,
    trial: Trial,
    /// What is run.
    pub order: Order,
}

impl Planned<'_> {
    fn arm(&self) -> &Name {
        &self.comparison.arms[self.trial.arm].name
    }

    /// Comparison, arm and number.
    pub fn words(&self) -> String {
        format!("{} {} {}", self.comparison.name, self.arm(), self.trial.number + 1)
    }
}

/// One trial that can be run.
pub struct Checked {
    trial: Trial,
    scenario: Scenario,
    scenario_text: String,
    sql: BTreeMap<Name, String>,
    lab: ResolvedLab,
}

/// Every trial of a comparison, in order, each with its lab.
///
/// # Errors
/// What keeps one of them from being run.
pub fn trials(args: &LabArgs, folder: &Path, comparison: &Comparison) -> Result<Vec<Checked>, CliError> {
    let path = folder.join(&comparison.scenario);
    let (scenario, _) = settings::scenario_to_run(&path)?;
    let sql = sql_files::read(&path, &scenario.loads).map_err(|why| CliError::usage(why, ""))?;
    let name = path.display().to_string();
    let checked = |trial: Trial| {
        let wrong = |why: String| CliError::usage(format!("{name}: {why}"), "");
        let scenario = suite::of_trial(comparison, &scenario, trial).map_err(wrong)?;
        let scenario_text = suite::text(&scenario).map_err(wrong)?;
        let lab = settings::on_lab(args, Over { name: &name, text: &scenario_text })?;
        Ok(Checked { trial, scenario, scenario_text, sql: sql.clone(), lab })
    };
    suite::order(comparison).into_iter().map(checked).collect()
}

/// Every trial of a comparison, in order; whatever is wrong is said before anything starts.
pub fn plan<'a>(args: &BenchArgs, comparison: &'a Comparison) -> Result<Vec<Planned<'a>>, CliError> {
    let folder = args.suite.parent().unwrap_or(Path::new("."));
    let mut planned = Vec::new();
    for Checked { trial, scenario, scenario_text, sql, lab: ResolvedLab { spec, preset } } in
        trials(&args.lab, folder, comparison)?
    {
        let order = Order {
            seed: scenario.seed,
            scenario,
            scenario_text,
            sql,
            spec: named(args, spec)?,
            preset,
            program: settings::program()?,
            runs: args.out.join("runs"),
            state: settings::state(),
            keep: false,
            more: false,
            live: false,
            wait: args.wait,
        };
        planned.push(Planned { comparison, trial, order });
    }
    Ok(planned)
}

/// A lab of its own, published nowhere, beside any other.
fn named(args: &BenchArgs, mut spec: LabSpec) -> Result<LabSpec, CliError> {
    if args.lab.lab.is_none() {
        spec.name = Name::new(LAB).map_err(|why| CliError::usage(why.to_string(), ""))?;
    }
    "none".clone_into(&mut spec.network.publish);
    Ok(spec)
}

/// One trial, run or known; `None` when somebody asked to stop in the middle of it.
pub async fn trial(
    docker: &Docker,
    one: &Planned<'_>,
    stays: bool,
    interrupt: &watch::Receiver<bool>,
) -> Result<Option<(Point, Report)>, CliError> {
    let mut newest = None;
    for attempt in 0..=AGAIN {
        let seed = one.order.seed.wrapping_add(attempt.wrapping_mul(FAR));
        let scenario = Scenario { seed, ..one.order.scenario.clone() };
        let scenario_text = suite::text(&scenario).map_err(|why| CliError::usage(why, ""))?;
        let order = Order { seed, scenario, scenario_text, more: stays, ..one.order.clone() };
        let known =
            series::finished(&order.runs, &order.scenario, &order.scenario_text, &order.spec, order.seed);
        let (dir, report) = match known {
            Some(known) => (known.dir, known.report),
            None => match Box::pin(run(docker, &order, interrupt)).await? {
                Some(ran) => ran,
                None => return Ok(None),
            },
        };
        let unknown = report.verdict == VerdictWord::Unknown;
        newest = Some((point(one, &dir, &report), report));
        if !unknown {
            break;
        }
    }
    Ok(newest)
}

async fn run(
    docker: &Docker,
    order: &Order,
    interrupt: &watch::Receiver<bool>,
) -> Result<Option<(PathBuf, Report)>, CliError> {
    make_room(docker, order).await?;
    let view = View::lines(false);
    let order = Order { live: view.is_live(), ..order.clone() };
    let outcome = conduct::run(docker, &order, interrupt.clone(), &|tell| view.show(tell)).await;
    view.finish();
    let outcome = outcome?;
    Ok((!outcome.ended.interrupted).then_some((outcome.dir, outcome.report)))
}

/// A lab of another arm makes room; one that people founded does not, and is refused by the run.
async fn make_room(docker: &Docker, order: &Order) -> Result<(), CliError> {
    let lab = order.spec.name.as_str();
    let standing = record::read(docker, lab).await?;
    if standing.is_some_and(|standing| !up::fits(&standing, &order.spec)) {
        conduct::clear(docker, &order.state, lab).await?;
    }
    Ok(())
}

fn point(one: &Planned<'_>, dir: &Path, report: &Report) -> Point {
    // a directory that cannot be read any more has a report all the same
    let record = read::read(dir).ok();
    let run = dir.display().to_string();
    report::point(one.comparison, one.arm(), one.trial.number, report, record.as_ref(), run)
}

/// What a trial gave, in a line.
pub fn said(comparison: &Comparison, point: &Point) -> String {
    let value = match point.value {
        None => "nothing to read".to_owned(),
        Some(value) if comparison.metric.unit() == "ms" => told(comparison.metric, Some(value), false),
        Some(value) => {
            format!("{} {}", told(comparison.metric, Some(value), false), comparison.metric.unit())
        }
    };
    let never = point.never_back.filter(|never| *never > 0);
    let never = never.map(|never| format!(", {never} clients never back")).unwrap_or_default();
    format!("{}: {value}{never}, {} lost   {}", point.verdict, point.lost, point.run)
}

/// The comparisons that are asked for, with as many trials as are asked for.
pub fn chosen(suite: &Suite, args: &BenchArgs) -> Result<Vec<Comparison>, CliError> {
    let mut chosen = named_ones(suite, &args.only)?;
    for arm in chosen.iter_mut().flat_map(|comparison| &mut comparison.arms) {
        arm.trials = args.trials.map_or(arm.trials, |most| arm.trials.min(most));
    }
    Ok(chosen)
}

/// The comparisons of these names; all of them where none is named.
pub fn named_ones(suite: &Suite, only: &[Name]) -> Result<Vec<Comparison>, CliError> {
    let names: Vec<&str> = suite.comparisons.iter().map(|comparison| comparison.name.as_str()).collect();
    if let Some(unknown) = only.iter().find(|only| !names.contains(&only.as_str())) {
        let hint = format!("comparisons: {}", names.join(", "));
        return Err(CliError::usage(format!("the suite has no comparison `{unknown}`"), hint));
    }
    let wanted = |comparison: &&Comparison| only.is_empty() || only.contains(&comparison.name);
    Ok(suite.comparisons.iter().filter(wanted).cloned().collect())
}
