//! The run itself, which reads as the sentence: prepare, baseline, hurt, heal, settle, read, judge.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::claim::Claim;
use super::dir::RunDir;
use super::journal::Lines;
use super::order::{Order, Tell};
use super::phases::StandingRun;
use super::resolved::resolved;
use super::samples::Samples;
use super::{RunError, finish, read, refusals};
use crate::chaos::{Injector, Ledger, ledger};
use crate::check::{self, Judgement};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::history::Event;
use crate::lab::news::News;
use crate::lab::record::{self, LabRecord};
use crate::lab::up::{self, UpOrder};
use crate::lab::{LabError, down};
use crate::model::scenario::Skip;
use crate::model::{Expect, Stamp};
use crate::report::{self, Report};

/// `outcome.json`: that a run came to its own end, and how long it took.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Whether somebody asked to stop.
    pub interrupted: bool,
    /// From the order to the verdict.
    pub seconds: f64,
}

/// The name of the file that holds [`Ended`].
pub const OUTCOME: &str = "outcome.json";

/// What came out.
#[derive(Clone, Debug)]
pub struct RunOutcome {
    /// Its directory.
    pub dir: PathBuf,
    /// The verdict and its checks.
    pub judgement: Judgement,
    /// The report.
    pub report: Report,
    /// Whether somebody asked to stop, and how long it took.
    pub ended: Ended,
}

/// Runs one scenario. `interrupt` becomes true when somebody asks to stop: then everything is
/// healed, what there is gets judged, and what the run brought up is taken down.
///
/// # Errors
/// [`RunError`] when the run never began; one that began and broke is judged, and unknown.
pub async fn run(
    docker: &Docker,
    order: &Order,
    interrupt: watch::Receiver<bool>,
    tell: &(impl Fn(Tell) + Sync),
) -> Result<RunOutcome, RunError> {
    let step = |text: String| tell(Tell::Step(text));
    let began = clock::now();
    let news = |news: News| tell(Tell::Lab(news));
    let cannot = refusals::refusals(docker, &order.spec, &order.scenario, &order.program, &news).await?;
    if !cannot.is_empty() {
        return Err(RunError::Refused(cannot));
    }
    let lab = order.spec.name.to_string();
    let mut claim = Claim::take(&order.state, &lab)?.ok_or_else(|| RunError::Busy(lab.clone()))?;
    let standing = record::read(docker, &lab).await?;
    let ours = standing.as_ref().is_none_or(|record| claim.founded_by_a_run(&record.token));
    let dir = RunDir::create(&order.runs, order.scenario.name.as_str(), &clock::utc_now(), order.seed)?;
    dir.write("scenario.toml", &order.scenario_text)?;
    dir.write_json("scenario.json", &order.scenario)?;
    for (load, text) in &order.sql {
        dir.write(&format!("{load}.sql"), text)?;
    }
    step(format!("run directory {}", dir.path().display()));

    match &standing {
        Some(record) => leftovers(docker, order, record, &step).await?,
        None => claim.founding()?,
    }
    let claim = if ours { Some(&mut claim) } else { None };
    let carried = carry_out(docker, order, &dir, claim, interrupt.clone(), tell).await;
    let interrupted = *interrupt.borrow();
    if ours && !order.keep && (!order.more || interrupted) {
        step(format!("taking lab `{lab}` down"));
        let removed = down::down(docker, &lab).await;
        // what went wrong first is what a person must hear of
        carried?;
        removed?;
        ledger::forget(&order.state, &lab)?;
    } else {
        carried?;
    }
    step("judging".to_owned());
    let (judgement, report) = judge(&dir)?;
    let ended = Ended { interrupted, seconds: clock::now().since(began).as_secs_f64() };
    dir.write_json(OUTCOME, &ended)?;
    Ok(RunOutcome { dir: dir.path().to_owned(), judgement, report, ended })
}

/// Takes a lab down that runs founded and left to one another; one that people founded stays.
///
/// # Errors
/// When another run uses it, or the engine does not remove it.
pub async fn clear(docker: &Docker, state: &Path, lab: &str) -> Result<(), RunError> {
    let claim = Claim::take(state, lab)?.ok_or_else(|| RunError::Busy(lab.to_owned()))?;
    let ours = match record::read(docker, lab).await? {
        Some(record) => claim.founded_by_a_run(&record.token),
        None => claim.founding_was_cut_short(),
    };
    if ours {
        down::down(docker, lab).await?;
        ledger::forget(state, lab)?;
    }
    Ok(())
}

/// Undoes what a killed run or a person left on: a run must begin with a whole lab.
async fn leftovers(
    docker: &Docker,
    order: &Order,
    record: &LabRecord,
    step: &(impl Fn(String) + Sync),
) -> Result<(), RunError> {
    let path = ledger::of_lab(&order.state, order.spec.name.as_str(), &record.token);
    let on = ledger::standing(&path)?;
    let ledger = Ledger::open_lab(path)?;
    for fault in on.into_iter().rev() {
        step(format!("heal {}, which somebody left on", fault.id));
        let injector = Injector { docker, record, ledger: &ledger };
        let healed = injector.heal(fault, &mut |_| {}).await;
        if ledger::is_on(&healed) {
            let why = healed.heal.map(|heal| heal.evidence).unwrap_or_default();
            step(format!("{} is still on: {why}", healed.id));
        }
    }
    Ok(())
}

/// Judges a run from its directory alone and writes verdict and reports into it.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn judge(dir: &RunDir) -> Result<(Judgement, Report), RunError> {
    let record = read::read(dir.path())?;
    let measured = check::Measured::of(&record);
    let judgement = check::judge_measured(&measured);
    let (report, page) = report::with_page(&measured, &judgement);
    dir.write_json("verdict.json", &judgement)?;
    dir.write_json("report.json", &report)?;
    dir.write("report.md", report::markdown(&report))?;
    dir.write(report::html::FILE, page)?;
    dir.write("junit.xml", report::junit(std::slice::from_ref(&report)))?;
    Ok((judgement, report))
}

/// Everything that needs a living lab. Once the load is to begin, trouble is written down and judged.
async fn carry_out(
    docker: &Docker,
    order: &Order,
    dir: &RunDir,
    claim: Option<&mut Claim>,
    mut interrupt: watch::Receiver<bool>,
    tell: &(impl Fn(Tell) + Sync),
) -> Result<(), RunError> {
    let step = |text: String| tell(Tell::Step(text));
    let since = clock::utc_seconds();
    let up_order = UpOrder {
        spec: order.spec.clone(),
        preset: order.preset.clone(),
        program: order.program.clone(),
        wait: order.wait,
    };
    let news = |news: News| tell(Tell::Lab(news));
    let standing = tokio::select! {
        biased;
        () = super::phases::asked_to_stop(&mut interrupt) => return Err(RunError::Interrupted),
        standing = Box::pin(up::up(docker, &up_order, &news)) => standing,
    };
    let standing = match standing {
        Err(error @ LabError::NotReady { .. }) => {
            step("the lab did not get ready: keeping what its bodies wrote".to_owned());
            Box::pin(finish::keep_logs(docker, order.spec.name.as_str(), since, dir)).await;
            return Err(RunError::NotReady { error, logs: dir.path().join("logs") });
        }
        other => other?,
    };
    step(format!("lab `{}` is ready after {:.1} s", order.spec.name, standing.took.as_secs_f64()));
    let record = Arc::new(standing.record);
    if let Some(claim) = claim {
        claim.write(if order.keep { "" } else { &record.token })?;
    }
    let stamp = Stamp { run: name(order, dir), boot: clock::boot_id() };
    let made_of = resolved(docker, order, &record, &standing.images, &stamp.run).await?;
    dir.write_json("resolved.json", &made_of)?;

    let history = Arc::new(Lines::open(&dir.path().join("history.jsonl"))?);
    let sightings = Arc::new(Lines::open(&dir.path().join("sightings.jsonl"))?.stamped(stamp.clone()));
    let lab_ledger = ledger::of_lab(&order.state, record.spec.name.as_str(), &record.token);
    let ledger = Ledger::open(&dir.path().join("faults.jsonl"))?.stamped(stamp.clone());
    let ledger = Arc::new(ledger.and_lab(lab_ledger)?);
    history.begin("runner", &stamp.run)?;
    let written = (!order.leaves_out(Skip::Sightings)).then(|| Arc::clone(&sightings));
    if written.is_some() {
        history.begin("witness", &stamp.run)?;
    }
    let sizes = order.scenario.expects.iter().any(|expect| matches!(expect, Expect::Scaled { .. }))
        || crate::spec::schedule::asks_for_sizes(&order.scenario);
    let looks = written.is_some();
    let samples = Samples::start(docker, &record, written, sizes).await?;
    let run = StandingRun {
        docker,
        order,
        record: &record,
        history: &history,
        samples: &samples,
        tell,
        name: &stamp.run,
    };
    let outcome = run.phases(&ledger, interrupt).await;
    if let Err(error) = &outcome {
        // what there is gets judged: without its end signed, the journal says unknown
        step(format!("the run was cut short: {error}"));
        history.note(format!("the run was cut short: {error}"))?;
    }
    step("collecting logs".to_owned());
    let bytes = finish::collect_logs(docker, &record.spec, [&record, &samples.record()], since, dir).await?;
    history.event(&Event::Logs { t: clock::now(), bytes })?;
    if samples.stop().await && looks {
        history.end("witness", sightings.written())?;
    }
    finish::search_all(&record, dir, &history)?;
    if outcome.is_ok() {
        history.end("runner", history.written())?;
    }
    Ok(())
}

/// A name that no other run on this boot has.
fn name(order: &Order, dir: &RunDir) -> String {
    let directory = dir.path().file_name().map(|name| name.to_string_lossy().into_owned());
    format!("{}/{}@{}", order.scenario.name, directory.unwrap_or_default(), clock::now().0)
}
