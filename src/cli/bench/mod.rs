//! `bench`: comparisons of a suite, trial by trial; points kept, numbers and pages made from all of them, judged by the goals
//! of the suite, published, and held against those of another bench.

mod folder;
mod publish;
mod suite_file;
mod trials;

use std::path::Path;

use tokio::sync::watch;

use self::folder::{Folder, json};
use self::suite_file::read;
use self::trials::{Planned, chosen, named_ones, plan, said, trial};
use super::args::{BenchArgs, BenchVerb, Output};
use super::run::interrupts;
use super::{CliError, Exit};
use crate::engine::docker::Docker;
use crate::model::Name;
use crate::model::scenario::VerdictWord;
use crate::model::suite::Comparison;
use crate::report::bench::worst;
use crate::report::{self, BenchReport};
use crate::run::conduct;

pub use trials::trials;

/// `pgha bench`
pub async fn bench(args: &BenchArgs) -> Result<Exit, CliError> {
    match &args.verb {
        None => run(args).await,
        Some(BenchVerb::Report { suite, only, out, output }) => again(suite, only, out, *output),
        Some(BenchVerb::Publish { suite, out, machine, into }) => publish::publish(suite, out, machine, into),
        Some(BenchVerb::Compare { before, after, output }) => compare(before, after, *output),
    }
}

async fn run(args: &BenchArgs) -> Result<Exit, CliError> {
    if args.lab.preset.is_some() {
        let hint = "presets are the arms of the suite: write one there, or choose with --only";
        return Err(CliError::usage("a suite names its own presets", hint));
    }
    let suite = read(&args.suite)?;
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
    let interrupt = interrupts()?.subscribe();
    let mut folder = Folder::open(&args.out, &suite)?;
    folder.forget(&chosen);
    let measured = Box::pin(measure(&mut folder, &planned, &docker, &interrupt)).await;
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
    print(&report, args.output)?;
    eprintln!("page: {}", folder.page().display());
    Ok(exit(&report, &chosen))
}

/// Every trial in turn, until somebody asks to stop.
async fn measure(
    folder: &mut Folder<'_>,
    planned: &[Planned<'_>],
    docker: &Docker,
    interrupt: &watch::Receiver<bool>,
) -> Result<BenchReport, CliError> {
    for (index, one) in planned.iter().enumerate() {
        let next = planned.get(index + 1);
        let stays = next.is_some_and(|next| next.order.spec == one.order.spec);
        eprintln!("{} of {}: {}", index + 1, planned.len(), one.words());
        if let Some((point, report)) = Box::pin(trial(docker, one, stays, interrupt)).await? {
            eprintln!("  {}", said(one.comparison, &point));
            folder.add(point, &report);
            folder.keep()?;
        }
        if *interrupt.borrow() {
            break;
        }
    }
    folder.keep()
}

/// `pgha bench report`
fn again(suite: &Path, only: &[Name], out: &Path, output: Output) -> Result<Exit, CliError> {
    let suite = read(suite)?;
    let chosen = named_ones(&suite, only)?;
    let mut folder = Folder::known(out, &suite)?;
    folder.fill_in();
    let report = folder.keep()?;
    print(&report, output)?;
    eprintln!("page: {}", folder.page().display());
    // what nobody asked for and nobody measured is no gap
    let measured =
        |comparison: &Comparison| !only.is_empty() || !report.not_measured.contains(&comparison.name);
    let chosen: Vec<Comparison> = chosen.into_iter().filter(measured).collect();
    Ok(exit(&report, &chosen))
}

/// `pgha bench compare`
fn compare(before: &Path, after: &Path, output: Output) -> Result<Exit, CliError> {
    let (old, new) = (folder::stored(before)?, folder::stored(after)?);
    let names = (before.display().to_string(), after.display().to_string());
    let changes = report::changes((&names.0, &names.1), &old, &new);
    match output {
        Output::Text => print!("{}", report::changes_markdown(&changes)),
        Output::Json => println!("{}", json(&changes)?),
    }
    Ok(of_verdict(changes.verdict))
}

fn print(report: &BenchReport, output: Output) -> Result<(), CliError> {
    match output {
        Output::Text => print!("{}", report::bench_markdown(report)),
        Output::Json => println!("{}", json(report)?),
    }
    Ok(())
}

/// How a bench ends: by the goals of the comparisons that were asked for. A self-test that was not run decides nothing.
fn exit(report: &BenchReport, chosen: &[Comparison]) -> Exit {
    let asked = |name: &Name| chosen.iter().any(|comparison| comparison.name == *name);
    let counts = |goal: &&report::GoalLine| match &goal.comparison {
        Some(name) => asked(name),
        None => report.self_test.is_some(),
    };
    let absent = chosen
        .iter()
        .any(|comparison| !comparison.goals.is_empty() && report.not_measured.contains(&comparison.name));
    let goals = worst(report.goals.iter().filter(counts));
    of_verdict(if absent { goals.max(VerdictWord::Unknown) } else { goals })
}

const fn of_verdict(verdict: VerdictWord) -> Exit {
    match verdict {
        VerdictWord::Pass => Exit::Done,
        VerdictWord::Fail => Exit::Failed,
        VerdictWord::Unknown => Exit::Unknown,
    }
}
