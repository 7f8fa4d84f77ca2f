//! The phases of a run on a living lab: baseline, hurt, heal, settle, final reads.
//!
//! Invariant: healing always runs, whatever becomes of the load or of the journal.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::RunError;
use super::journal::Lines;
use super::order::{Order, Tell};
use super::pulse::Pulse;
use super::samples::Samples;
use super::steps::{self, Hears, Stage, Word};
use super::under_way::under_way;
use crate::chaos::Ledger;
use crate::decide::body::{POSTGRES_PORT, RO_PORT, RW_PORT};
use crate::engine::clock;
use crate::engine::docker::{Docker, ExecStream};
use crate::engine::locked::Locked;
use crate::history::Event;
use crate::history::event::Phase;
use crate::lab::reach;
use crate::lab::ready::{NotReady, ReadyWhen, not_ready};
use crate::lab::record::LabRecord;
use crate::lab::status::{Used, describe};
use crate::load::agent::READY;
use crate::model::plan::{Credentials, Endpoints, FinalReadPlan, LoadPlan};
use crate::model::scenario::Skip;
use crate::model::{Mono, Service, Sighting, Span};
use crate::spec::schedule;

/// How long the client may take to prepare its tables, and to hand over its last lines.
const CLIENT_PATIENCE: Duration = Duration::from_secs(30);
/// How long the runner waits for a line of the client: longer, so that the client can still say why it gave up.
const RUNNER_PATIENCE: Duration = Duration::from_secs(35);
/// Longest wait of a load for one connection until it answers.
const CONNECT_TIMEOUT: Span = Span::secs(2);
/// In the client: locked while a run writes into the lab.
const LOCK: &str = "/tmp/pgha-run.lock";
/// Between the word "go" and the first operation, so that every worker stands ready.
const LEAD: Duration = Duration::from_secs(1);
/// Pause between two beats for those who watch.
const BEAT: Duration = Duration::from_millis(500);

/// A run whose lab stands.
pub(super) struct StandingRun<'a, T> {
    pub docker: &'a Docker,
    pub order: &'a Order,
    pub record: &'a Arc<LabRecord>,
    pub history: &'a Arc<Lines>,
    pub samples: &'a Samples,
    pub tell: &'a T,
    /// The name of the run.
    pub name: &'a str,
}

/// Where balancers serve.
fn endpoints(record: &LabRecord) -> Endpoints {
    let at = |port| reach::addresses(record, Service::Balancer, port).into_values().collect();
    Endpoints { rw: at(RW_PORT), ro: at(RO_PORT) }
}

/// What is shown live, and since when.
struct Show {
    start: Mono,
    phase: Locked<Phase>,
    pulse: Locked<Pulse>,
    used: Locked<Used>,
}

impl<T: Fn(Tell) + Sync> StandingRun<'_, T> {
    fn step(&self, text: impl Into<String>) {
        (self.tell)(Tell::Step(text.into()));
    }

    /// From the first operation to the last read.
    pub async fn phases(
        &self,
        ledger: &Arc<Ledger>,
        mut interrupt: watch::Receiver<bool>,
    ) -> Result<(), RunError> {
        let mut client = self.prepare().await?;
        let start = clock::now().plus(LEAD);
        client.send_line(&format!("{{\"go\":{}}}", start.0)).await?;
        clock::sleep_until(start).await;
        // the client begins at this very instant, whenever the runner comes to write it down
        self.history.event(&Event::Phase { t: start, phase: Phase::Baseline })?;
        self.step(format!("load for {}", self.order.scenario.duration));

        let names = self.order.scenario.loads.iter().map(|load| &load.name);
        let show = Arc::new(Show {
            start,
            phase: Locked::new(Phase::Baseline),
            pulse: Locked::new(Pulse::new(names, start)),
            used: Locked::default(),
        });
        let (over_in, over) = watch::channel(false);
        let (says, mut said) = mpsc::unbounded_channel();
        let stage = Stage::new(
            self.docker.clone(),
            self.samples.records(),
            Arc::clone(ledger),
            self.samples.watch(),
            start,
            over,
            hears(Arc::clone(self.history), Arc::clone(&show), says),
            !self.order.leaves_out(Skip::Faults),
        )
        .measuring(self.samples.measured());
        let plan = schedule::plan(&self.order.scenario, self.order.seed);
        let steps = tokio::spawn(async move { steps::run(&stage, &plan).await });
        let stopping = self.load(&mut client, &show, &over_in, &mut said, &mut interrupt).await;
        // healing always runs: also when the load broke, or nothing can be written down any more
        let written = self.phase(&show, Phase::Heal);
        over_in.send_replace(true);
        while let Some(text) = said.recv().await {
            self.step(at(start, &text));
        }
        match steps.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.step(format!("a step failed: {error}"));
                self.history.note(format!("a step failed: {error}"))?;
            }
            Err(error) => self.history.note(format!("the steps broke: {error}"))?,
        }
        written?;
        let stopping = stopping?;
        self.settle(&show, &mut interrupt, stopping).await?;
        if self.order.leaves_out(Skip::FinalReads) {
            self.step("the final reads are left out on purpose");
            return Ok(());
        }
        self.final_reads(&show).await
    }

    fn phase(&self, show: &Show, phase: Phase) -> Result<(), RunError> {
        *show.phase.lock() = phase;
        self.beat(show);
        Ok(self.history.phase(phase)?)
    }

    fn beat(&self, show: &Show) {
        if !self.order.live {
            return;
        }
        let mut used = show.used.lock();
        let measured = self.samples.measured().borrow().clone();
        if measured != used.now {
            *used = Used { before: std::mem::take(&mut used.now), now: measured };
        }
        let states = self.samples.states();
        let lab = describe(&self.samples.record(), &self.samples.newest(), &used, states.as_ref());
        let phase = *show.phase.lock();
        let mut pulse = show.pulse.lock();
        (self.tell)(Tell::Beat(Box::new(pulse.beat(show.start, clock::now(), phase, lab))));
    }

    /// Takes down what the client says until its load is over; whether somebody asked to stop.
    async fn load(
        &self,
        client: &mut ExecStream,
        show: &Show,
        over: &watch::Sender<bool>,
        said: &mut mpsc::UnboundedReceiver<String>,
        interrupt: &mut watch::Receiver<bool>,
    ) -> Result<bool, RunError> {
        let deadline = show.start.plus(self.order.scenario.timeout.0);
        let mut beat = show.start.plus(BEAT);
        let mut stopping = false;
        let mut record = self.samples.records();
        let mut known = endpoints(self.record);
        loop {
            tokio::select! {
                biased;
                Ok(()) = record.changed() => {
                    // as a registry of services would tell it
                    let now = endpoints(&record.borrow_and_update());
                    if now != known {
                        self.history.note("clients are told where balancers stand")?;
                        // a client that is gone is noticed by its silence
                        let _ = client.send_line(&serde_json::json!({ "endpoints": now }).to_string()).await;
                        known = now;
                    }
                }
                () = asked_to_stop(interrupt), if !stopping => {
                    stopping = true;
                    self.step("asked to stop: healing");
                    self.history.note("somebody asked to stop")?;
                    // it may have ended by itself at this very moment
                    let _ = client.send_line("{\"stop\":true}").await;
                    over.send_replace(true);
                }
                Some(text) = said.recv() => self.step(at(show.start, &text)),
                () = clock::sleep_until(beat), if self.order.live => {
                    beat = beat.plus(BEAT);
                    self.beat(show);
                }
                line = client.next_line() => match line? {
                    Some(line) => self.line(show, &line)?,
                    None => break,
                },
                () = clock::sleep_until(deadline) => {
                    self.history.note("the run took longer than its timeout")?;
                    client.close_input().await;
                    break;
                }
            }
        }
        if !client.stderr().trim().is_empty() {
            self.history.note(format!("client: {}", client.stderr().trim()))?;
        }
        Ok(stopping)
    }

    fn line(&self, show: &Show, line: &str) -> Result<(), RunError> {
        self.history.line(line)?;
        if self.order.live
            && let Ok(event) = serde_json::from_str::<Event>(line)
        {
            show.pulse.lock().feel(&event);
        }
        Ok(())
    }

    /// Starts the load in the client and waits until its tables are there.
    async fn prepare(&self) -> Result<ExecStream, RunError> {
        let plan = LoadPlan {
            loads: self.order.scenario.loads.clone(),
            duration: self.order.scenario.duration,
            seed: self.order.seed,
            endpoints: endpoints(self.record),
            nodes: reach::addresses(self.record, Service::Postgres, POSTGRES_PORT),
            hosts: reach::database_hosts(self.record),
            members_by_address: self
                .record
                .of(Service::Postgres)
                .map(|(member, address)| (IpAddr::V4(address), member.id.clone()))
                .collect(),
            credentials: reach::application(self.record),
            connect_timeout: CONNECT_TIMEOUT,
            sql: self.order.sql.clone(),
            lock: Some(LOCK.into()),
            prepare_timeout: Span(CLIENT_PATIENCE),
            run: Some(self.name.to_owned()),
        };
        let mut client = reach::start(self.docker, self.record.spec.name.as_str(), "load", &plan).await?;
        loop {
            let line = clock::timeout(RUNNER_PATIENCE, client.next_line())
                .await
                .map_err(|_| RunError::Load(format!("not prepared within {} s", RUNNER_PATIENCE.as_secs())))??
                .ok_or_else(|| RunError::Load(client.stderr().trim().to_owned()))?;
            self.history.line(&line)?;
            if matches!(serde_json::from_str::<Event>(&line), Ok(Event::Note { text, .. }) if text == READY) {
                break;
            }
        }
        Ok(client)
    }

    /// Waits until the lab is whole again and no controller has anything under way, or the scenario's patience ends.
    async fn settle(
        &self,
        show: &Show,
        interrupt: &mut watch::Receiver<bool>,
        stopping: bool,
    ) -> Result<(), RunError> {
        self.phase(show, Phase::Settle)?;
        self.step("waiting until the lab is whole");
        let began = clock::now();
        let deadline = began.plus(self.order.scenario.settle.0);
        let mut newest = self.samples.watch();
        let mut whole = 0;
        loop {
            tokio::select! {
                biased;
                () = asked_to_stop(interrupt), if !stopping => return Ok(()),
                () = clock::sleep_until(deadline) => {
                    let newest = self.samples.newest();
                    for waiting in self.waiting(&newest) {
                        self.step(format!("not whole: {}: {}", waiting.member, waiting.why));
                    }
                    if let Some((member, status)) = under_way(&self.record.spec.controllers, &newest) {
                        self.step(format!("{member} is still at it: {}: {}", status.step, status.reason));
                    }
                    return Ok(());
                }
                changed = newest.changed() => {
                    if changed.is_err() {
                        self.history.note("the sampler ended before the lab was whole")?;
                        return Ok(());
                    }
                    self.beat(show);
                    let sighting = newest.borrow_and_update().clone();
                    // only looks that began after the heal count, and one may be luck
                    let fresh = sighting.at > began
                        && self.waiting(&sighting).is_empty()
                        && under_way(&self.record.spec.controllers, &sighting).is_none();
                    whole = if fresh { whole + 1 } else { 0 };
                    if whole >= 3 {
                        self.step(format!("whole after {:.1} s", clock::now().since(began).as_secs_f64()));
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Who is not ready, of those who belong to the lab now.
    fn waiting(&self, sighting: &Sighting) -> Vec<NotReady> {
        let record = self.samples.record();
        not_ready(&record.members, ReadyWhen::of(&record.spec), sighting)
    }

    async fn final_reads(&self, show: &Show) -> Result<(), RunError> {
        self.phase(show, Phase::FinalReads)?;
        self.step("reading every node");
        let plan = FinalReadPlan {
            loads: self.order.scenario.loads.clone(),
            nodes: reach::addresses(&self.samples.record(), Service::Postgres, POSTGRES_PORT),
            // the superuser in the application's database: every table can be read and locked there
            superuser: Credentials {
                database: reach::application(self.record).database,
                ..reach::superuser(self.record)
            },
            timeout: Span::secs(60),
            run: Some(self.name.to_owned()),
        };
        let mut reader =
            reach::start(self.docker, self.record.spec.name.as_str(), "final-read", &plan).await?;
        while let Some(line) = clock::timeout(Duration::from_secs(90), reader.next_line())
            .await
            .map_err(|_| RunError::Load("the final reads took longer than 90 s".to_owned()))??
        {
            self.history.line(&line)?;
        }
        if !reader.stderr().trim().is_empty() {
            self.history.note(format!("final reads: {}", reader.stderr().trim()))?;
        }
        Ok(())
    }
}

/// What becomes of the words of the steps: changes into the journal, news to people.
fn hears(history: Arc<Lines>, show: Arc<Show>, says: mpsc::UnboundedSender<String>) -> Hears {
    Arc::new(move |word| match word {
        Word::Hurt => {
            *show.phase.lock() = Phase::Hurt;
            history.phase(Phase::Hurt)
        }
        Word::Fault(fault) => {
            show.pulse.lock().fault(&fault);
            history.event(&Event::Fault(fault))
        }
        Word::Note(text) => history.note(text),
        Word::Says(text) => {
            // nobody listens any more when the run has been cut short
            let _ = says.send(text);
            Ok(())
        }
    })
}

/// A line of news with the seconds since the load began.
fn at(start: Mono, text: &str) -> String {
    format!("{:6.1} s  {text}", clock::now().since(start).as_secs_f64())
}

/// Resolves when somebody asks to stop; never when nobody can any more.
pub(super) async fn asked_to_stop(interrupt: &mut watch::Receiver<bool>) {
    if interrupt.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}
