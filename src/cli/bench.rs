//! `bench`: comparisons of a suite, trial by trial; points kept, numbers made from all of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::args::{BenchArgs, LabArgs, Output};
use super::run::live::View;
use super::run::{interrupts, write};
use super::settings::{Over, ResolvedLab};
use super::{CliError, Exit, settings};
use crate::engine::docker::Docker;
use crate::lab::{record, up};
use crate::model::scenario::VerdictWord;
use crate::model::suite::{Comparison, Suite};
use crate::model::{LabSpec, Name, Scenario};
use crate::report::{self, BenchReport, Point, Report};
use crate::run::conduct::{self, Order};
use crate::run::{read, series, sql_files};
use crate::spec::suite::{self, Trial};
use crate::stats::figures::{rate, seconds};

/// How often a trial that ends unknown is run again, with other choices of its seed.
const AGAIN: u64 = 2;
/// Seeds of a second attempt are as far from those of the first as no suite has trials.
const FAR: u64 = 1_000_000;
/// The lab of a bench, unless another name is given.
const LAB: &str = "bench";

/// One trial, ready to be run.
struct Planned<'a> {
    comparison: &'a Comparison,
    trial: Trial,
    order: Order,
}

impl Planned<'_> {
    fn arm(&self) -> &Name {
        &self.comparison.arms[self.trial.arm].name
    }

    fn words(&self) -> String {
        format!("{} {} {}", self.comparison.name, self.arm(), self.trial.number + 1)
    }
}

/// `pgha bench`
pub async fn bench(args: &BenchArgs) -> Result<Exit, CliError> {
    if args.lab.preset.is_some() {
        let hint = "presets are the arms of the suite: write one there, or choose with --only";
        return Err(CliError::usage("a suite names its own presets", hint));
    }
    let text = settings::read(&args.suite)?;
    let suite = suite::parse(&args.suite.display().to_string(), &text)?;
    let chosen = chosen(&suite, args)?;
    let mut planned = Vec::new();
    for comparison in &chosen {
        planned.extend(plan(args, comparison)?);
    }
    if args.dry_run {
        for one in &planned {
            let at = one.order.scenario.steps.iter().find_map(|step| step.at).unwrap_or_default();
            println!("{}: fault at {at}, load for {}", one.words(), one.order.scenario.duration);
        }
        return Ok(Exit::Done);
    }
    let docker = super::engine().await?;
    let interrupt = interrupts()?;
    fs::create_dir_all(&args.out).map_err(|error| {
        CliError::usage(format!("cannot make {}: {error}", args.out.display()), "is the path right?")
    })?;
    let measured = Box::pin(measure(args, &suite, &chosen, &planned, &docker, &interrupt)).await;
    // nothing of ours may stay behind, whatever went wrong; what went wrong first is what a person must hear of
    let cleared = match planned.first() {
        Some(one) => conduct::clear(&docker, &one.order.state, one.order.spec.name.as_str()).await,
        None => Ok(()),
    };
    if *interrupt.borrow() {
        cleared?;
        eprintln!("interrupted: the same command goes on from here");
        return Ok(Exit::Interrupted);
    }
    let report = measured?;
    cleared?;
    match args.output {
        Output::Text => print!("{}", report::bench_markdown(&report)),
        Output::Json => println!("{}", json(&report)?),
    }
    Ok(Exit::Done)
}

/// Every trial in turn, until somebody asks to stop.
async fn measure(
    args: &BenchArgs,
    suite: &Suite,
    chosen: &[Comparison],
    planned: &[Planned<'_>],
    docker: &Docker,
    interrupt: &watch::Receiver<bool>,
) -> Result<BenchReport, CliError> {
    let mut points = of_others(args, chosen);
    let mut machine = BTreeMap::new();
    for (index, one) in planned.iter().enumerate() {
        let next = planned.get(index + 1);
        let stays = next.is_some_and(|next| next.order.spec == one.order.spec);
        eprintln!("{} of {}: {}", index + 1, planned.len(), one.words());
        if let Some((point, report)) = Box::pin(trial(docker, one, stays, interrupt)).await? {
            eprintln!("  {}", said(one.comparison, &point));
            machine = report.environment.machine;
            points.push(point);
            keep(args, suite, &points, &machine)?;
        }
        if *interrupt.borrow() {
            break;
        }
    }
    keep(args, suite, &points, &machine)
}

fn chosen(suite: &Suite, args: &BenchArgs) -> Result<Vec<Comparison>, CliError> {
    let names: Vec<&str> = suite.comparisons.iter().map(|comparison| comparison.name.as_str()).collect();
    if let Some(unknown) = args.only.iter().find(|only| !names.contains(&only.as_str())) {
        let hint = format!("comparisons: {}", names.join(", "));
        return Err(CliError::usage(format!("the suite has no comparison `{unknown}`"), hint));
    }
    let wanted = |comparison: &&Comparison| args.only.is_empty() || args.only.contains(&comparison.name);
    let mut chosen: Vec<Comparison> = suite.comparisons.iter().filter(wanted).cloned().collect();
    for arm in chosen.iter_mut().flat_map(|comparison| &mut comparison.arms) {
        arm.trials = args.trials.map_or(arm.trials, |most| arm.trials.min(most));
    }
    Ok(chosen)
}

/// Points that stand in OUT of comparisons that are not run now: a part does not undo the rest.
fn of_others(args: &BenchArgs, chosen: &[Comparison]) -> Vec<Point> {
    let text = fs::read_to_string(args.out.join("points.jsonl")).unwrap_or_default();
    let points = text.lines().filter_map(|line| serde_json::from_str::<Point>(line).ok());
    points.filter(|point| chosen.iter().all(|comparison| comparison.name != point.comparison)).collect()
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
fn plan<'a>(args: &BenchArgs, comparison: &'a Comparison) -> Result<Vec<Planned<'a>>, CliError> {
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
async fn trial(
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
    let view = View::new();
    let order = Order { live: view.is_live(), ..order.clone() };
    let outcome = conduct::run(docker, &order, interrupt.clone(), &|tell| view.show(&tell)).await;
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

fn said(comparison: &Comparison, point: &Point) -> String {
    let written = |value: f64| match comparison.metric.unit() {
        "ms" => seconds(value),
        unit => format!("{} {unit}", rate(value)),
    };
    let value = point.value.map_or_else(|| "nothing to read".to_owned(), written);
    let never = point.never_back.filter(|never| *never > 0);
    let never = never.map(|never| format!(", {never} clients never back")).unwrap_or_default();
    format!("{}: {value}{never}, {} lost   {}", point.verdict, point.lost, point.run)
}

/// Writes everything known so far, and returns it.
fn keep(
    args: &BenchArgs,
    suite: &Suite,
    points: &[Point],
    machine: &BTreeMap<String, serde_json::Value>,
) -> Result<BenchReport, CliError> {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let report = BenchReport {
        schema_version: 1,
        pgha: format!("pgha {}, {build} build", env!("CARGO_PKG_VERSION")),
        machine: machine.clone(),
        comparisons: suite
            .comparisons
            .iter()
            .filter(|comparison| points.iter().any(|point| point.comparison == comparison.name))
            .map(|comparison| report::compare(comparison, points))
            .collect(),
        points: points.to_vec(),
    };
    let lines: Result<Vec<String>, CliError> = points.iter().map(json).collect();
    write(&args.out.join("points.jsonl"), &(lines?.join("\n") + "\n"))?;
    write(&args.out.join("bench.json"), &json(&report)?)?;
    write(&args.out.join("bench.md"), &report::bench_markdown(&report))?;
    Ok(report)
}

fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string(value)
        .map_err(|error| CliError::usage(format!("the numbers cannot be written: {error}"), ""))
}
