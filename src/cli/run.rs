//! `run`: scenarios one after the other, a verdict each, one summary.

use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::RunArgs;
use super::lab::NewsPrinter;
use super::settings::Resolved;
use super::{CliError, Exit, check, settings};
use crate::engine::docker::Docker;
use crate::lab::{record, up};
use crate::model::{LabSpec, Scenario};
use crate::report::{self, Report};
use crate::run::conduct::{self, Order, Tell};

/// `pgha run`
pub async fn run(args: &RunArgs) -> Result<Exit, CliError> {
    // every file is read before anything starts: a typo in the third must not cost two runs
    let mut orders = Vec::new();
    for path in &args.scenarios {
        orders.push(order(args, path)?);
    }
    let docker = Docker::connect().await?;
    let interrupt = interrupts()?;
    let mut reports: Vec<Report> = Vec::new();
    let mut worst = Exit::Done;
    for mut order in orders {
        order.spec = lab_for(&docker, args, &order).await?;
        let printer = NewsPrinter::new();
        let tell = |tell: Tell| match tell {
            Tell::Step(text) => printer.line(&text),
            Tell::Lab(news) => printer.news(&news),
        };
        let outcome = conduct::run(&docker, &order, interrupt.clone(), &tell).await;
        printer.finish();
        let outcome = outcome?;
        check::print(&outcome.report, args.output)?;
        eprintln!("verdict: {}   {}", outcome.judgement.verdict, outcome.dir.display());
        let exit = if outcome.interrupted { Exit::Interrupted } else { check::exit(&outcome.judgement) };
        worst = worse(worst, exit);
        reports.push(outcome.report);
        if outcome.interrupted {
            break;
        }
    }
    if let Some(path) = &args.junit {
        write(path, &report::junit(&reports))?;
    }
    if reports.len() > 1 {
        for report in &reports {
            eprintln!("{:8} {}", report.verdict, report.scenario);
        }
    }
    Ok(worst)
}

/// pass < unknown < fail, and an interruption before all of them.
const fn worse(one: Exit, other: Exit) -> Exit {
    const fn rank(exit: Exit) -> u8 {
        match exit {
            Exit::Done => 0,
            Exit::Unknown => 1,
            Exit::Failed => 2,
            _ => 3,
        }
    }
    if rank(other) > rank(one) { other } else { one }
}

fn order(args: &RunArgs, path: &Path) -> Result<Order, CliError> {
    let (scenario, scenario_text) = settings::scenario_to_run(path)?;
    let Resolved { spec, preset } = settings::resolve(&args.lab, Some(&scenario))?;
    Ok(Order {
        seed: args.seed.unwrap_or(scenario.seed),
        scenario,
        scenario_text,
        spec,
        preset,
        program: settings::program()?,
        runs: args.runs.clone(),
        keep: args.keep,
        wait: args.wait,
    })
}

/// The lab a run uses: the one that is up when it fits, else one of its own, named after the
/// scenario and published nowhere, so that it can stand beside any other.
async fn lab_for(docker: &Docker, args: &RunArgs, order: &Order) -> Result<LabSpec, CliError> {
    if args.lab.lab.is_some() {
        return Ok(order.spec.clone());
    }
    let standing = record::read(docker, order.spec.name.as_str()).await?;
    if standing.is_some_and(|record| up::fits(&record, &order.spec)) {
        return Ok(order.spec.clone());
    }
    Ok(own_lab(order.spec.clone(), &order.scenario))
}

fn own_lab(mut spec: LabSpec, scenario: &Scenario) -> LabSpec {
    spec.name = scenario.name.clone();
    "none".clone_into(&mut spec.network.publish);
    spec
}

/// Becomes true at the first Ctrl-C or SIGTERM.
fn interrupts() -> Result<watch::Receiver<bool>, CliError> {
    let (asked, interrupt) = watch::channel(false);
    let failed = |error: std::io::Error| CliError::usage(format!("signals cannot be handled: {error}"), "");
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            eprintln!("interrupted: healing, then judging what there is; this takes a moment");
            asked.send_replace(true);
        }
    });
    Ok(interrupt)
}

fn write(path: &Path, text: &str) -> Result<(), CliError> {
    std::fs::write(path, text)
        .map_err(|error| CliError::usage(format!("cannot write {}: {error}", path.display()), ""))
}
