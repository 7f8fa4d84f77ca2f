//! `run`: scenarios one after the other, a verdict each, one summary. A run that cannot begin is a row of
//! its own and stops no other.

mod interrupts;
pub mod live;
mod pick;
#[cfg(test)]
mod replay_tests;
mod table;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;

pub(super) use self::interrupts::interrupts;
use self::live::View;
use self::table::{RunRow, Source};
use super::args::{Output, RunArgs};
use super::settings::{CheckedScenario, ResolvedLab};
use super::{CliError, Exit, check, screen, settings};
use crate::engine::docker::Docker;
use crate::lab::{record, up};
use crate::model::{LabSpec, Scenario};
use crate::report;
use crate::run::order::Order;
use crate::run::{conduct, dry, series};

/// `pgha run`
pub async fn run(args: &RunArgs) -> Result<Exit, CliError> {
    // every file is read before anything starts: a typo in the third must not cost two runs
    let mut orders = Vec::new();
    for path in pick::files(&args.scenarios, &args.tags)? {
        orders.push(order(args, &path)?);
    }
    if args.dry_run {
        for order in &orders {
            let text = dry::actions(&order.scenario, &order.spec, order.seed);
            print!(
                "{}",
                text.map_err(|why| CliError::usage(why, "add a host, make one larger, or ask for less"))?
            );
        }
        return Ok(Exit::Done);
    }
    let docker = crate::cli::engine().await?;
    let asked = interrupts()?;
    let alone = orders.len() == 1 && args.trials == 1;
    let mut rows: Vec<RunRow> = Vec::new();
    for mut order in orders {
        order.spec = lab_for(&docker, args, &order).await?;
        let ended = Box::pin(trials(&docker, args, &order, alone, &asked, &mut rows)).await?;
        if ended == Some(Exit::Interrupted) {
            break;
        }
    }
    finish(args, alone, &rows)
}

/// Every trial of one scenario; how the last one ended.
async fn trials(
    docker: &Docker,
    args: &RunArgs,
    order: &Order,
    alone: bool,
    asked: &Arc<watch::Sender<bool>>,
    rows: &mut Vec<RunRow>,
) -> Result<Option<Exit>, CliError> {
    let mut pending = Vec::new();
    for trial in 0..args.trials {
        let seed = order.seed.wrapping_add(u64::from(trial));
        let known =
            || series::finished(&order.runs, &order.scenario, &order.scenario_text, &order.spec, seed);
        match args.resume.then(known).flatten() {
            Some(finished) => {
                eprintln!(
                    "trial {} of {}: done already, {}",
                    trial + 1,
                    order.scenario.name,
                    finished.dir.display()
                );
                rows.push(RunRow::known(&order.scenario, trial, seed, finished));
            }
            None => pending.push((trial, seed)),
        }
    }
    let mut last = None;
    for (index, (trial, seed)) in pending.iter().enumerate() {
        let order = Order { seed: *seed, more: index + 1 < pending.len(), ..order.clone() };
        if args.trials > 1 {
            eprintln!("trial {} of {}, {}, seed {seed}", trial + 1, args.trials, order.scenario.name);
        }
        let row = Box::pin(one(docker, args, &order, *trial, alone, asked)).await?;
        let exit = row.exit;
        rows.push(row);
        last = Some(exit);
        if exit == Exit::Interrupted {
            break;
        }
    }
    Ok(last)
}

/// One run and its row. Alone, an error is the program's own.
async fn one(
    docker: &Docker,
    args: &RunArgs,
    order: &Order,
    trial: u32,
    alone: bool,
    asked: &Arc<watch::Sender<bool>>,
) -> Result<RunRow, CliError> {
    let title = format!("{} (seed {})", order.scenario.name, order.seed);
    let view = match screen::look(args.plain) {
        Some(look) => View::on_screen(look, title, Arc::clone(asked)),
        None => View::lines(args.plain),
    };
    let order = Order { live: view.is_live(), ..order.clone() };
    let outcome = conduct::run(docker, &order, asked.subscribe(), &|tell| view.show(tell)).await;
    view.finish();
    let row = match outcome {
        Err(error) => {
            let error = CliError::Run(error);
            if alone {
                return Err(error);
            }
            eprintln!("{}", error.render());
            RunRow::broken(&order.scenario, trial, order.seed, &error)
        }
        Ok(outcome) => {
            let judged = check::exit(&outcome.judgement);
            let exit = if outcome.ended.interrupted { Exit::Interrupted } else { judged };
            match args.output {
                Output::Text => print!("{}", report::summary(&outcome.report, &outcome.dir.display())),
                Output::Json if alone => check::print(&outcome.report, args.output)?,
                Output::Json => {
                    eprintln!("verdict: {}   {}", outcome.judgement.verdict, outcome.dir.display());
                }
            }
            RunRow::ran(&order.scenario, trial, order.seed, exit, outcome)
        }
    };
    if !alone && args.output == Output::Json {
        println!("{}", row.json());
    }
    Ok(row)
}

/// The summary, the `JUnit` file, and the worst exit code.
fn finish(args: &RunArgs, alone: bool, rows: &[RunRow]) -> Result<Exit, CliError> {
    if let Some(path) = &args.junit {
        let reports: Vec<_> = rows.iter().filter_map(|row| row.report.as_deref().cloned()).collect();
        let broken: Vec<_> =
            rows.iter().filter_map(|row| Some((row.scenario.as_str(), row.error.as_deref()?))).collect();
        settings::write(path, &report::junit_with(&reports, &broken))?;
    }
    if !alone {
        match args.output {
            Output::Text => println!("{}", table::table(rows)),
            Output::Json => {
                for row in rows.iter().filter(|row| row.source == Source::Known) {
                    println!("{}", row.json());
                }
                eprintln!("{}", table::table(rows));
            }
        }
    }
    Ok(rows.iter().fold(Exit::Done, |worst, row| worse(worst, row.exit)))
}

/// pass < unknown < fail, and an interruption before all of them.
const fn worse(one: Exit, other: Exit) -> Exit {
    const fn rank(exit: Exit) -> u8 {
        match exit {
            Exit::Done => 0,
            Exit::Unknown => 1,
            Exit::Failed => 2,
            Exit::Interrupted => 4,
            _ => 3,
        }
    }
    if rank(other) > rank(one) { other } else { one }
}

fn order(args: &RunArgs, path: &Path) -> Result<Order, CliError> {
    let CheckedScenario { scenario, text, sql, lab: ResolvedLab { spec, preset } } =
        settings::checked(&args.lab, path)?;
    Ok(Order {
        seed: args.seed.unwrap_or(scenario.seed),
        scenario,
        scenario_text: text,
        sql,
        spec,
        preset,
        program: settings::program()?,
        runs: args.runs.clone(),
        state: settings::state(),
        keep: args.keep,
        more: false,
        live: false,
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
