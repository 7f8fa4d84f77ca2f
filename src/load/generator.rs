//! The load itself: workers that take intended starts from one queue and do one operation each.
//!
//! Open loop: the schedule is fixed, a worker that is late starts at once and the operation's
//! latency counts from when it was meant to start; nothing is skipped while the load lasts. Closed
//! loop: as many workers as clients, each waiting for its answer. A failed attempt to connect ends
//! the operation at hand, so an outage shows as operations and not as silence.
//!
//! How a worker comes by its connection is the matter of [`super::client`]. Clients that wait for ever
//! are waited for some seconds after the end of the load; then their operations stay open.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::classify::{OpStage, classify};
use super::client::pgbench::{self, Bench};
use super::client::pool::{Lent, Pool, VALIDATION};
use super::client::{Connected, Opener};
use super::counter::Counter;
use super::tally::Tallied;
use super::workload::dice::Dice;
use super::workload::turn::OpEnded;
use super::workload::{self, Script};
use crate::engine::clock::{self, KernelTimer};
use crate::engine::locked::Locked;
use crate::engine::postgres::{Broken, within};
use crate::history::Event;
use crate::history::event::{Ack, Outcome};
use crate::model::plan::{Endpoints, LoadPlan};
use crate::model::scenario::{Client, Endpoint, LoadModel, Recording, SessionUse, Via, Workload};
use crate::model::{Load, Mono};
use crate::spec::arrivals::{Arrivals, Starts};

/// Connections of an open load that names no number.
const CONNECTIONS: u32 = 8;
/// Longest wait for the logs of pgbench when the load is over.
const LAST_LOGS: Duration = Duration::from_secs(5);

/// What a load waits for of its own accord. Tests wait less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoadPatience {
    /// For operations under way when its time is over, where no limit of their own says more.
    pub answers: Duration,
    /// For the answer to a pool's trial of a connection.
    pub trial: Duration,
}

impl Default for LoadPatience {
    fn default() -> Self {
        Self { answers: Duration::from_secs(10), trial: VALIDATION }
    }
}

/// How the load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadEnd {
    /// Its time was up and every operation had ended.
    Done,
    /// It was told to stop; operations on their way have no end in the journal.
    Stopped,
}

/// Everything checked before the first connection: addresses and schedules of each load.
#[derive(Debug)]
pub struct Ready {
    loads: Vec<Declared>,
    patience: LoadPatience,
}

#[derive(Debug)]
struct Declared {
    load: Load,
    script: Script,
    /// Where its connections go; told anew when balancers move.
    doors: watch::Sender<Vec<SocketAddr>>,
    starts: Option<Starts>,
    workers: u32,
}

/// Checks the plan.
///
/// # Errors
/// A sentence about the first load that cannot be run.
pub fn ready(plan: &LoadPlan) -> Result<Ready, String> {
    let line = |(index, load): (usize, &Load)| {
        if load.workload == Workload::Pgbench {
            pgbench::installed().map_err(|why| format!("load `{}`: {why}", load.name))?;
        }
        let script = Script::new(plan, index)?;
        let doors = watch::Sender::new(doors(plan, load)?);
        let (starts, workers) = match load.model {
            LoadModel::Open => {
                let arrivals = Arrivals::of(load)
                    .ok_or_else(|| format!("load `{}` has neither `rate` nor `curve`", load.name))?;
                // pgbench draws its own
                let ours = load.workload != Workload::Pgbench;
                let starts = ours.then(|| arrivals.until(plan.duration.0));
                (starts, load.connections.unwrap_or(CONNECTIONS))
            }
            LoadModel::Closed => (None, load.clients.or(load.connections).unwrap_or(1)),
        };
        if workers == 0 {
            return Err(format!("load `{}` has no connection", load.name));
        }
        Ok(Declared { load: load.clone(), script, doors, starts, workers })
    };
    let loads = plan.loads.iter().enumerate().map(line).collect::<Result<_, _>>()?;
    Ok(Ready { loads, patience: LoadPatience::default() })
}

fn doors(plan: &LoadPlan, load: &Load) -> Result<Vec<SocketAddr>, String> {
    let doors = match (&load.direct, load.via, load.endpoint) {
        (Some(member), ..) => plan.nodes.get(member).copied().into_iter().collect(),
        (None, Via::Instances, _) => plan.hosts.clone(),
        (None, Via::Balancers, Some(Endpoint::Ro)) => plan.endpoints.ro.clone(),
        (None, Via::Balancers, Some(Endpoint::Rw) | None) => plan.endpoints.rw.clone(),
    };
    if doors.is_empty() { Err(format!("load `{}` has no address to go to", load.name)) } else { Ok(doors) }
}

/// The doors of every load that goes through balancers.
#[derive(Debug)]
pub struct BalancerAddresses(Vec<(Endpoint, watch::Sender<Vec<SocketAddr>>)>);

impl BalancerAddresses {
    /// Balancers stand there now: new connections go there, those that are open go on. Nobody at all is no news.
    pub fn follow(&self, endpoints: &Endpoints) {
        for (endpoint, doors) in &self.0 {
            let now = match endpoint {
                Endpoint::Rw => &endpoints.rw,
                Endpoint::Ro => &endpoints.ro,
            };
            if !now.is_empty() {
                doors.send_replace(now.clone());
            }
        }
    }
}

impl Ready {
    /// The same, with other waits.
    #[must_use]
    pub const fn with_patience(mut self, patience: LoadPatience) -> Self {
        self.patience = patience;
        self
    }

    /// Its doors, to be told where balancers stand.
    #[must_use]
    pub fn doors(&self) -> BalancerAddresses {
        let balanced = |load: &Load| load.direct.is_none() && load.via == Via::Balancers;
        let through = self.loads.iter().filter(|line| balanced(&line.load));
        BalancerAddresses(
            through.map(|line| (line.load.endpoint.unwrap_or(Endpoint::Rw), line.doors.clone())).collect(),
        )
    }
}

/// Runs every load from `start` until its duration is over or `stop` resolves.
pub async fn run(
    ready: Ready,
    plan: &Arc<LoadPlan>,
    journal: &Tallied,
    start: Mono,
    stop: impl Future<Output = ()>,
) -> LoadEnd {
    let end = start.plus(plan.duration.0);
    let LoadPatience { answers, trial } = ready.patience;
    let queues: Vec<Arc<Queue>> = ready
        .loads
        .iter()
        .map(|line| {
            let starts = line.starts.clone().map(Locked::new);
            Arc::new(Queue { start, end, starts, next: AtomicU64::new(0) })
        })
        .collect();
    let names = Arc::new(AtomicU32::new(0));
    let (mut workers, mut benches) = (JoinSet::new(), JoinSet::new());
    let (ending, over) = watch::channel(false);
    let mut counters = Vec::new();
    for (at, line) in ready.loads.iter().enumerate() {
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        let writer = ready.loads.iter().position(|other| Some(&other.load.name) == line.load.of.as_ref());
        let counter = (line.load.record == Recording::Histogram).then(Arc::<Counter>::default);
        counters.extend(counter.iter().map(|counter| (index, Arc::clone(counter))));
        if line.load.workload == Workload::Pgbench {
            let bench = Bench {
                plan: Arc::clone(plan),
                load: line.load.clone(),
                doors: line.doors.subscribe(),
                index,
                clients: line.workers,
                numbers: Arc::default(),
                names: Arc::clone(&names),
                journal: journal.clone(),
                over: over.clone(),
            };
            (0..line.workers).for_each(|client| drop(benches.spawn(bench.clone().run(client, start, end))));
            continue;
        }
        let pooled = || Arc::new(Pool::new(line.load.max_age, trial, Dice::new(plan.seed, u64::from(index))));
        let pool = (line.load.client == Client::Pool).then(pooled);
        for door in 0..line.workers {
            let worker = Worker {
                opener: Opener {
                    plan: Arc::clone(plan),
                    load: line.load.clone(),
                    script: line.script.clone(),
                    doors: line.doors.subscribe(),
                },
                pool: pool.clone(),
                index,
                door: door as usize,
                names: Arc::clone(&names),
                id: names.fetch_add(1, Ordering::Relaxed),
                client: door,
                journal: journal.clone(),
                counter: counter.clone(),
                line: None,
                alarm: KernelTimer::new().ok(),
                writer: writer.map(|writer| Arc::clone(&queues[writer])),
            };
            workers.spawn(worker.run(Arc::clone(&queues[at])));
        }
    }
    let limits = ready.loads.iter().filter_map(|line| line.load.answer_limit());
    let patience = limits.max().unwrap_or_default().max(answers);
    let over = tokio::select! {
        () = stop => LoadEnd::Stopped,
        () = async {
            while workers.join_next().await.is_some() {}
            while benches.join_next().await.is_some() {}
        } => LoadEnd::Done,
        () = clock::sleep_until(end.plus(patience)) => {
            let text = format!(
                "operations that had no answer {} s after the end of the load are left open",
                patience.as_secs_f64()
            );
            journal.say(Event::Note { t: clock::now(), text });
            LoadEnd::Done
        }
        never = join_all(counters.iter().map(|(l, counter)| count(*l, counter, journal, start))), if !counters.is_empty() => {
            drop(never);
            LoadEnd::Done
        }
    };
    // what pgbench wrote down is read when it is over
    ending.send_replace(true);
    let _ = clock::timeout(LAST_LOGS, async { while benches.join_next().await.is_some() {} }).await;
    // nobody writes any more when it is signed how much there is
    benches.shutdown().await;
    workers.shutdown().await;
    for (l, counter) in counters {
        journal.say(Event::Counted(Box::new(counter.take(clock::now(), l))));
    }
    for (line, queue) in ready.loads.iter().zip(queues) {
        let dropped = queue.dropped();
        if dropped > 0 {
            let text =
                format!("load {}: {dropped} operations were never started before the end", line.load.name);
            journal.say(Event::Note { t: clock::now(), text });
        }
    }
    over
}

/// Says once a second what a load counted; never ends.
async fn count(l: u32, counter: &Counter, journal: &Tallied, start: Mono) {
    for second in 1.. {
        clock::sleep_until(start.plus(Duration::from_secs(second))).await;
        journal.say(Event::Counted(Box::new(counter.take(clock::now(), l))));
    }
}

/// Intended starts of one load, taken by whichever worker is free.
#[derive(Debug)]
struct Queue {
    start: Mono,
    end: Mono,
    starts: Option<Locked<Starts>>,
    next: AtomicU64,
}

impl Queue {
    /// The next operation and when it is meant to start; `None` when the load is over.
    fn take(&self) -> Option<(u64, Mono)> {
        let now = clock::now();
        if now >= self.end {
            return None;
        }
        let Some(starts) = &self.starts else {
            return Some((self.next.fetch_add(1, Ordering::Relaxed), now.max(self.start)));
        };
        // number and start are taken under one lock, so that numbers follow the schedule
        let mut starts = starts.lock();
        let offset = starts.next()?;
        Some((self.next.fetch_add(1, Ordering::Relaxed), self.start.plus(offset)))
    }

    /// The newest operation that was taken.
    fn newest(&self) -> u64 {
        self.next.load(Ordering::Relaxed).saturating_sub(1)
    }

    fn dropped(&self) -> usize {
        self.starts.as_ref().map_or(0, |starts| starts.lock().by_ref().count())
    }
}

/// The connection of a worker, between and under its operations.
enum WorkerConnection {
    /// Its own.
    Kept(Connected),
    /// The pool's.
    Lent(Lent),
}

impl WorkerConnection {
    const fn connected(&mut self) -> &mut Connected {
        match self {
            Self::Kept(line) => line,
            Self::Lent(lent) => &mut lent.line,
        }
    }
}

struct Worker {
    opener: Opener,
    pool: Option<Arc<Pool>>,
    index: u32,
    door: usize,
    names: Arc<AtomicU32>,
    id: u32,
    /// Its number within the load, which stays.
    client: u32,
    journal: Tallied,
    /// Counts operations instead of recording them.
    counter: Option<Arc<Counter>>,
    line: Option<WorkerConnection>,
    alarm: Option<KernelTimer>,
    /// The load whose tables are read, for a load that only reads.
    writer: Option<Arc<Queue>>,
}

impl Worker {
    async fn run(mut self, queue: Arc<Queue>) {
        self.connect_ahead(queue.start).await;
        self.sleep_until(queue.start).await;
        while let Some((op, intended)) = queue.take() {
            self.sleep_until(intended).await;
            let ended = self.recorded(op, intended).await;
            if !ended.reusable {
                self.line = None;
                if ended.read_only {
                    self.door += 1;
                }
                clock::sleep(self.load().reconnect.0).await;
                continue;
            }
            self.put_away();
            if let Some(think) = self.load().think {
                clock::sleep(think.0).await;
            }
        }
    }

    const fn load(&self) -> &Load {
        &self.opener.load
    }

    fn kept(&self) -> bool {
        self.load().session == SessionUse::Kept
    }

    /// Ahead of the first operation, so that it does not pay for the connection; a failure here is no
    /// operation's and the first operation will meet it again.
    async fn connect_ahead(&mut self, start: Mono) {
        while self.kept() && self.line.is_none() && clock::now() < start {
            let left = start.since(clock::now());
            if let Ok(line) = within(Some(left), self.open()).await {
                self.line = Some(line);
            } else {
                self.door += 1;
                clock::sleep(self.load().reconnect.0).await;
            }
        }
        if self.pool.is_some() {
            self.put_away();
        }
    }

    /// After an operation whose connection is good for another one.
    fn put_away(&mut self) {
        match (self.line.take(), &self.pool) {
            (Some(WorkerConnection::Lent(lent)), Some(pool)) => pool.give_back(lent),
            (line, _) if self.kept() => self.line = line,
            _ => {}
        }
    }

    /// Does one operation and records or counts it.
    async fn recorded(&mut self, op: u64, intended: Mono) -> OpEnded {
        let near = self.writer.as_ref().map_or(op, |writer| writer.newest());
        let task = self.opener.script.task(op, near);
        // a wait may end a moment early, and nothing is sent before it is meant to be
        let (t, l) = (clock::now().max(intended), self.index);
        if self.counter.is_none() {
            let (w, c) = (self.id, Some(self.client));
            self.journal.say(Event::Invoke { t, l, o: op, w, i: intended, q: task.asked(), c });
        }
        let mut ended = self.operation(op, &task).await;
        if matches!(ended.outcome, Outcome::Info(_)) {
            // the operation stays concurrent with all that follows: its worker is used up
            self.id = self.names.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(counter) = &self.counter {
            counter.count(intended, t, ended.at, &ended.outcome);
        } else {
            let outcome = std::mem::replace(&mut ended.outcome, Outcome::Ok(Ack::default()));
            self.journal.say(Event::Done { t: ended.at, l, o: op, outcome });
        }
        ended
    }

    async fn operation(&mut self, op: u64, task: &workload::OpTask) -> OpEnded {
        // libpq learns of an end by asking; a pool has just asked
        let looks = self.load().client == Client::Wire;
        if looks && self.line.as_mut().is_some_and(|line| line.connected().wire.is_closed()) {
            self.line = None;
        }
        if self.line.is_none() {
            match self.connect().await {
                Ok(line) => self.line = Some(line),
                Err(broken) => {
                    self.door += 1;
                    return Self::unconnected(&broken);
                }
            }
        }
        let Some(line) = &mut self.line else {
            return Self::unconnected(&Broken::Eof);
        };
        let Connected { wire, who } = line.connected();
        self.opener.script.run(wire, who, op, task).await
    }

    fn unconnected(broken: &Broken) -> OpEnded {
        let outcome = classify(OpStage::Connecting, broken);
        OpEnded { at: clock::now(), outcome, reusable: false, read_only: false }
    }

    /// A new connection, the pool's or its own.
    async fn open(&self) -> Result<WorkerConnection, Broken> {
        match &self.pool {
            Some(pool) => pool.open(&self.opener).await.map(WorkerConnection::Lent),
            None => self.opener.open(self.door).await.map(WorkerConnection::Kept),
        }
    }

    /// A connection for one operation: what the pool lends, or a new one.
    async fn connect(&self) -> Result<WorkerConnection, Broken> {
        match &self.pool {
            Some(pool) => pool.borrow(&self.opener).await.map(WorkerConnection::Lent),
            None => self.open().await,
        }
    }

    async fn sleep_until(&self, when: Mono) {
        let waited = match &self.alarm {
            Some(alarm) => alarm.wait_until(when).await.is_ok(),
            None => false,
        };
        if !waited {
            clock::sleep_until(when).await;
        }
    }
}
