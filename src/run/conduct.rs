//! The run itself, which reads as the sentence: prepare, baseline, hurt, heal, settle, read, judge.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::dir::RunDir;
use super::journal::Lines;
use super::samples::Samples;
use super::steps::{self, Stage};
use super::{RunError, read};
use crate::chaos::Ledger;
use crate::check::{self, Judgement};
use crate::decide::body::{POSTGRES_PORT, RO_PORT, RW_PORT};
use crate::engine::clock;
use crate::engine::docker::{Docker, ExecStream};
use crate::history::Event;
use crate::history::event::Phase;
use crate::lab::ready::not_ready;
use crate::lab::record::{self, Record};
use crate::lab::up::{self, News, Order as UpOrder};
use crate::lab::{down, images, names, reach};
use crate::load::agent::READY;
use crate::model::plan::{Credentials, Endpoints, FinalReadPlan, LoadPlan};
use crate::model::run::Resolved;
use crate::model::{LabSpec, Mono, Name, Scenario, Service, Span};
use crate::report::{self, Report};
use crate::spec::schedule;

/// What a run is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The experiment.
    pub scenario: Scenario,
    /// Its text, kept verbatim.
    pub scenario_text: String,
    /// The lab it wants.
    pub spec: LabSpec,
    /// The preset in force; `None` when the lab file stands alone.
    pub preset: Option<Name>,
    /// The seed in force.
    pub seed: u64,
    /// The binary that goes into the client.
    pub program: PathBuf,
    /// Where run directories go.
    pub runs: PathBuf,
    /// Leave a lab standing that this run brought up.
    pub keep: bool,
    /// Longest wait for the lab.
    pub wait: Span,
}

/// What a run tells while it goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Tell {
    /// A step of the run, in words.
    Step(String),
    /// News of `up`.
    Lab(News),
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its directory.
    pub dir: PathBuf,
    /// The verdict and its checks.
    pub judgement: Judgement,
    /// The report.
    pub report: Report,
    /// Whether somebody asked to stop.
    pub interrupted: bool,
}

/// How long the client may take to prepare its tables, and to hand over its last lines.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// Longest wait of a load for one connection until it answers.
const CONNECT_TIMEOUT: Span = Span::secs(2);
/// In the client: locked while a run writes into the lab.
const LOCK: &str = "/tmp/pgha-run.lock";
/// Between the word "go" and the first operation, so that every worker stands ready.
const LEAD: Duration = Duration::from_secs(1);

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
) -> Result<Outcome, RunError> {
    let step = |text: String| tell(Tell::Step(text));
    let dir = RunDir::create(&order.runs, order.scenario.name.as_str(), &clock::utc_now(), order.seed)?;
    dir.write("scenario.toml", &order.scenario_text)?;
    dir.write_json("scenario.json", &order.scenario)?;
    step(format!("run directory {}", dir.path().display()));

    let lab = order.spec.name.to_string();
    let ours = record::read(docker, &lab).await?.is_none();
    let carried = carry_out(docker, order, &dir, interrupt.clone(), tell).await;
    let stop = *interrupt.borrow();
    if ours && !order.keep {
        step(format!("taking lab `{lab}` down"));
        let removed = down::down(docker, &lab).await;
        // what went wrong first is what a person must hear of
        carried?;
        removed?;
    } else {
        carried?;
    }
    step("judging".to_owned());
    let (judgement, report) = judge(&dir)?;
    Ok(Outcome { dir: dir.path().to_owned(), judgement, report, interrupted: stop })
}

/// Judges a run from its directory alone and writes verdict and reports into it.
///
/// # Errors
/// When the directory cannot be read or written.
pub fn judge(dir: &RunDir) -> Result<(Judgement, Report), RunError> {
    let record = read::read(dir.path())?;
    let judgement = check::judge(&record);
    let report = report::build(&record, &judgement);
    dir.write_json("verdict.json", &judgement)?;
    dir.write_json("report.json", &report)?;
    dir.write("report.md", report::markdown(&report))?;
    dir.write("junit.xml", report::junit(std::slice::from_ref(&report)))?;
    Ok((judgement, report))
}

/// Everything that needs a living lab. Once the load is to begin, trouble is written down and judged.
async fn carry_out(
    docker: &Docker,
    order: &Order,
    dir: &RunDir,
    mut interrupt: watch::Receiver<bool>,
    tell: &(impl Fn(Tell) + Sync),
) -> Result<(), RunError> {
    let step = |text: String| tell(Tell::Step(text));
    let up_order = UpOrder {
        spec: order.spec.clone(),
        preset: order.preset.clone(),
        program: order.program.clone(),
        wait: order.wait,
    };
    let news = |news: News| tell(Tell::Lab(news));
    let standing = tokio::select! {
        biased;
        () = asked_to_stop(&mut interrupt) => return Err(RunError::Interrupted),
        standing = up::up(docker, &up_order, &news) => standing?,
    };
    step(format!("lab `{}` is ready after {:.1} s", order.spec.name, standing.took.as_secs_f64()));
    let record = Arc::new(standing.record);
    dir.write_json("resolved.json", &resolved(docker, order, &record, &standing.images).await?)?;

    let history = Arc::new(Lines::open(&dir.path().join("history.jsonl"))?);
    let sightings = Arc::new(Lines::open(&dir.path().join("sightings.jsonl"))?);
    let ledger = Arc::new(Ledger::open(&dir.path().join("faults.jsonl"))?);
    history.event(&Event::Journal {
        t: clock::now(),
        writer: "runner".to_owned(),
        boot_id: clock::boot_id(),
        loads: Vec::new(),
    })?;
    let samples = Samples::start(docker, &record, sightings).await?;
    let outcome = phases(docker, order, &record, &history, &ledger, &samples, interrupt, tell).await;
    if let Err(error) = &outcome {
        // what there is gets judged: without its end signed, the journal says unknown
        step(format!("the run was cut short: {error}"));
        history.note(format!("the run was cut short: {error}"))?;
    }
    step("collecting logs".to_owned());
    collect_logs(docker, &record, dir).await?;
    samples.stop().await;
    if outcome.is_ok() {
        history.event(&Event::End { t: clock::now(), writer: "runner".to_owned() })?;
    }
    Ok(())
}

/// From the first operation to the last read.
#[expect(clippy::too_many_arguments, reason = "the parts of a run are made once, and handed on once")]
async fn phases(
    docker: &Docker,
    order: &Order,
    record: &Arc<Record>,
    history: &Arc<Lines>,
    ledger: &Arc<Ledger>,
    samples: &Samples,
    mut interrupt: watch::Receiver<bool>,
    tell: &(impl Fn(Tell) + Sync),
) -> Result<(), RunError> {
    let step = |text: String| tell(Tell::Step(text));
    let mut client = prepare(docker, order, record, history).await?;
    let start = clock::now().plus(LEAD);
    client.send_line(&format!("{{\"go\":{}}}", start.0)).await?;
    clock::sleep_until(start).await;
    history.phase(Phase::Baseline)?;
    step(format!("load for {}", order.scenario.duration));

    let (over_in, over) = watch::channel(false);
    let (tell_in, mut told) = mpsc::unbounded_channel();
    let stage = Stage {
        docker: docker.clone(),
        record: Arc::clone(record),
        ledger: Arc::clone(ledger),
        history: Arc::clone(history),
        newest: samples.watch(),
        start,
        over,
        tell: tell_in,
    };
    let plan = schedule::plan(&order.scenario, order.seed);
    let steps = tokio::spawn(async move { steps::run(&stage, &plan).await });
    let stopping = load(order, history, &mut client, start, &over_in, &mut told, &mut interrupt, &step).await;
    // healing always runs: also when the load broke, or nothing can be written down any more
    let written = history.phase(Phase::Heal);
    over_in.send_replace(true);
    while let Some(text) = told.recv().await {
        step(at(start, &text));
    }
    match steps.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            step(format!("a step failed: {error}"));
            history.note(format!("a step failed: {error}"))?;
        }
        Err(error) => history.note(format!("the steps broke: {error}"))?,
    }
    written?;
    let stopping = stopping?;
    settle(order, record, history, samples, &mut interrupt, stopping, &step).await?;
    final_reads(docker, order, record, history, &step).await
}

/// A line of news with the seconds since the load began.
fn at(start: Mono, text: &str) -> String {
    format!("{:6.1} s  {text}", clock::now().since(start).as_secs_f64())
}

/// Takes down what the client says until its load is over; whether somebody asked to stop.
#[expect(clippy::too_many_arguments, reason = "it waits for everything that can happen under load")]
async fn load(
    order: &Order,
    history: &Lines,
    client: &mut ExecStream,
    start: Mono,
    over: &watch::Sender<bool>,
    told: &mut mpsc::UnboundedReceiver<String>,
    interrupt: &mut watch::Receiver<bool>,
    step: &(impl Fn(String) + Sync),
) -> Result<bool, RunError> {
    let deadline = start.plus(order.scenario.timeout.0);
    let mut stopping = false;
    loop {
        tokio::select! {
            biased;
            () = asked_to_stop(interrupt), if !stopping => {
                stopping = true;
                step("asked to stop: healing".to_owned());
                // it may have ended by itself at this very moment
                let _ = client.send_line("{\"stop\":true}").await;
                over.send_replace(true);
            }
            Some(text) = told.recv() => step(at(start, &text)),
            line = client.next_line() => match line? {
                Some(line) => history.line(&line)?,
                None => break,
            },
            () = clock::sleep_until(deadline) => {
                history.note("the run took longer than its timeout")?;
                client.close_input().await;
                break;
            }
        }
    }
    if !client.stderr().trim().is_empty() {
        history.note(format!("client: {}", client.stderr().trim()))?;
    }
    Ok(stopping)
}

/// Starts the load in the client and waits until its tables are there.
async fn prepare(
    docker: &Docker,
    order: &Order,
    record: &Record,
    history: &Lines,
) -> Result<ExecStream, RunError> {
    let plan = LoadPlan {
        loads: order.scenario.loads.clone(),
        duration: order.scenario.duration,
        seed: order.seed,
        endpoints: Endpoints {
            rw: reach::addresses(record, Service::Balancer, RW_PORT).into_values().collect(),
            ro: reach::addresses(record, Service::Balancer, RO_PORT).into_values().collect(),
        },
        nodes: reach::addresses(record, Service::Postgres, POSTGRES_PORT),
        members_by_address: record
            .of(Service::Postgres)
            .map(|(member, address)| (IpAddr::V4(address), member.id.clone()))
            .collect(),
        credentials: reach::application(record),
        connect_timeout: CONNECT_TIMEOUT,
        lock: Some(LOCK.into()),
        prepare_timeout: Span(CLIENT_PATIENCE),
    };
    let mut client = reach::start(docker, record.spec.name.as_str(), "load", &plan).await?;
    loop {
        let line = clock::timeout(CLIENT_PATIENCE, client.next_line())
            .await
            .map_err(|_| RunError::Load(format!("not prepared within {} s", CLIENT_PATIENCE.as_secs())))??
            .ok_or_else(|| RunError::Load(client.stderr().trim().to_owned()))?;
        history.line(&line)?;
        if matches!(serde_json::from_str::<Event>(&line), Ok(Event::Note { text, .. }) if text == READY) {
            break;
        }
    }
    Ok(client)
}

/// Waits until the lab is whole again, or the scenario's patience ends.
async fn settle(
    order: &Order,
    record: &Record,
    history: &Lines,
    samples: &Samples,
    interrupt: &mut watch::Receiver<bool>,
    stopping: bool,
    step: &(impl Fn(String) + Sync),
) -> Result<(), RunError> {
    history.phase(Phase::Settle)?;
    step("waiting until the lab is whole".to_owned());
    let began = clock::now();
    let deadline = began.plus(order.scenario.settle.0);
    let mut newest = samples.watch();
    let mut whole = 0;
    loop {
        tokio::select! {
            biased;
            () = asked_to_stop(interrupt), if !stopping => return Ok(()),
            () = clock::sleep_until(deadline) => {
                let waiting = not_ready(&record.members, &samples.newest());
                for waiting in waiting {
                    step(format!("not whole: {}: {}", waiting.member, waiting.why));
                }
                return Ok(());
            }
            changed = newest.changed() => {
                if changed.is_err() {
                    history.note("the sampler ended before the lab was whole")?;
                    return Ok(());
                }
                let sighting = newest.borrow_and_update().clone();
                // only looks that began after the heal count, and one may be luck
                let fresh = sighting.at > began && not_ready(&record.members, &sighting).is_empty();
                whole = if fresh { whole + 1 } else { 0 };
                if whole >= 3 {
                    step(format!("whole after {:.1} s", clock::now().since(began).as_secs_f64()));
                    return Ok(());
                }
            }
        }
    }
}

async fn final_reads(
    docker: &Docker,
    order: &Order,
    record: &Record,
    history: &Lines,
    step: &(impl Fn(String) + Sync),
) -> Result<(), RunError> {
    history.phase(Phase::FinalReads)?;
    step("reading every node".to_owned());
    let plan = FinalReadPlan {
        loads: order.scenario.loads.clone(),
        nodes: reach::addresses(record, Service::Postgres, POSTGRES_PORT),
        // the superuser in the application's database: every table can be read and locked there
        superuser: Credentials { database: reach::application(record).database, ..reach::superuser(record) },
        timeout: Span::secs(60),
    };
    let mut reader = reach::start(docker, record.spec.name.as_str(), "final-read", &plan).await?;
    while let Some(line) = clock::timeout(Duration::from_secs(90), reader.next_line())
        .await
        .map_err(|_| RunError::Load("the final reads took longer than 90 s".to_owned()))??
    {
        history.line(&line)?;
    }
    if !reader.stderr().trim().is_empty() {
        history.note(format!("final reads: {}", reader.stderr().trim()))?;
    }
    Ok(())
}

/// Resolves when somebody asks to stop; never when nobody can any more.
async fn asked_to_stop(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn collect_logs(docker: &Docker, record: &Record, dir: &RunDir) -> Result<(), RunError> {
    for member in &record.members {
        let name = names::container(record.spec.name.as_str(), member.id.as_str());
        let text = match docker.logs(&name, None).await {
            Ok(text) => text,
            // a body that is gone has no logs any more; the directory says so
            Err(error) => format!("no logs: {error}\n"),
        };
        dir.write(&format!("logs/{}.log", member.id), text)?;
    }
    Ok(())
}

/// Everything about this run that is not in its scenario.
async fn resolved(
    docker: &Docker,
    order: &Order,
    record: &Record,
    images: &images::References,
) -> Result<Resolved, RunError> {
    let info = docker.info().await?;
    let machine = BTreeMap::from([
        ("engine".to_owned(), info.version.into()),
        ("engine-api".to_owned(), info.api.into()),
        ("cgroup".to_owned(), info.cgroup.into()),
        ("kernel".to_owned(), info.kernel.into()),
        ("system".to_owned(), info.system.into()),
        ("storage".to_owned(), info.storage.into()),
        ("cpus".to_owned(), info.cpus.into()),
        ("memory-bytes".to_owned(), info.memory.into()),
    ]);
    Ok(Resolved {
        schema_version: 1,
        scenario: order.scenario.name.clone(),
        preset: order.preset.clone(),
        seed: order.seed,
        lab: record.spec.clone(),
        members: record.members.clone(),
        started: clock::utc_now(),
        boot_id: clock::boot_id(),
        versions: versions(docker, record).await,
        images: up::image_ids(docker, images).await?,
        machine,
        pgha: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Versions as the programs report them; one that does not answer is left out.
async fn versions(docker: &Docker, record: &Record) -> BTreeMap<String, String> {
    let asked = [
        (Service::Postgres, "patroni", vec!["patroni", "--version"]),
        (Service::Etcd, "etcd", vec!["etcd", "--version"]),
        (Service::Balancer, "haproxy", vec!["haproxy", "-v"]),
    ];
    let mut versions = BTreeMap::new();
    for (service, name, command) in asked {
        let Some((member, _)) = record.of(service).next() else { continue };
        let container = names::container(record.spec.name.as_str(), member.id.as_str());
        let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        if let Ok(output) = docker.exec(&container, &command).await
            && let Some(line) = output.stdout.lines().next()
        {
            versions.insert(name.to_owned(), line.to_owned());
        }
    }
    versions.insert("postgresql".to_owned(), record.spec.images.postgres.to_string());
    versions
}
