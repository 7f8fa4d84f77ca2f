//! The load itself: workers that take intended starts from one queue and do one operation each.
//!
//! Open loop: the schedule is fixed, a worker that is late starts at once and the operation's
//! latency counts from when it was meant to start; nothing is skipped while the load lasts. Closed
//! loop: as many workers as clients, each waiting for its answer. A failed attempt to connect ends
//! the operation at hand, so an outage shows as operations and not as silence.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::classify::{Stage, classify};
use super::counter::Counter;
use super::workload::turn::Ended;
use super::workload::{self, Identity, Script};
use crate::engine::clock::{self, Alarm};
use crate::engine::journal::Journal;
use crate::engine::postgres::Broken;
use crate::engine::wire::Wire;
use crate::history::Event;
use crate::history::event::{Ack, Outcome};
use crate::model::plan::{Endpoints, LoadPlan};
use crate::model::scenario::{Endpoint, LoadModel, Record, Session};
use crate::model::{Load, Mono};
use crate::spec::arrivals::{Arrivals, Starts};

/// Connections of an open load that names no number.
const CONNECTIONS: u32 = 8;

/// How the load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Its time was up and every operation had ended.
    Done,
    /// It was told to stop; operations on their way have no end in the journal.
    Stopped,
}

/// Everything checked before the first connection: addresses and schedules of each load.
#[derive(Debug)]
pub struct Ready {
    loads: Vec<Line>,
}

#[derive(Debug)]
struct Line {
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
        let script = Script::new(plan, index)?;
        let doors = watch::Sender::new(doors(plan, load)?);
        let (starts, workers) = match load.model {
            LoadModel::Open => {
                let arrivals = Arrivals::of(load)
                    .ok_or_else(|| format!("load `{}` has neither `rate` nor `curve`", load.name))?;
                (Some(arrivals.until(plan.duration.0)), load.connections.unwrap_or(CONNECTIONS))
            }
            LoadModel::Closed => (None, load.clients.or(load.connections).unwrap_or(1)),
        };
        if workers == 0 {
            return Err(format!("load `{}` has no connection", load.name));
        }
        Ok(Line { load: load.clone(), script, doors, starts, workers })
    };
    Ok(Ready { loads: plan.loads.iter().enumerate().map(line).collect::<Result<_, _>>()? })
}

fn doors(plan: &LoadPlan, load: &Load) -> Result<Vec<SocketAddr>, String> {
    let doors = match (&load.direct, load.endpoint) {
        (Some(member), _) => plan.nodes.get(member).copied().into_iter().collect(),
        (None, Some(Endpoint::Ro)) => plan.endpoints.ro.clone(),
        (None, Some(Endpoint::Rw) | None) => plan.endpoints.rw.clone(),
    };
    if doors.is_empty() { Err(format!("load `{}` has no address to go to", load.name)) } else { Ok(doors) }
}

/// The doors of every load that goes through balancers.
#[derive(Debug)]
pub struct Doors(Vec<(Endpoint, watch::Sender<Vec<SocketAddr>>)>);

impl Doors {
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
    /// Its doors, to be told where balancers stand.
    #[must_use]
    pub fn doors(&self) -> Doors {
        let through = self.loads.iter().filter(|line| line.load.direct.is_none());
        Doors(through.map(|line| (line.load.endpoint.unwrap_or(Endpoint::Rw), line.doors.clone())).collect())
    }
}

/// Runs every load from `start` until its duration is over or `stop` resolves.
pub async fn run(
    ready: Ready,
    plan: &Arc<LoadPlan>,
    journal: &Journal<Event>,
    start: Mono,
    stop: impl Future<Output = ()>,
) -> Over {
    let end = start.plus(plan.duration.0);
    let queues: Vec<Arc<Queue>> = ready
        .loads
        .iter()
        .map(|line| {
            let starts = line.starts.clone().map(Mutex::new);
            Arc::new(Queue { start, end, starts, next: AtomicU64::new(0) })
        })
        .collect();
    let names = Arc::new(AtomicU32::new(0));
    let mut workers = JoinSet::new();
    let mut counters = Vec::new();
    for (at, line) in ready.loads.iter().enumerate() {
        let index = u32::try_from(at).unwrap_or(u32::MAX);
        let writer = ready.loads.iter().position(|other| Some(&other.load.name) == line.load.of.as_ref());
        let counter = (line.load.record == Record::Histogram).then(Arc::<Counter>::default);
        counters.extend(counter.iter().map(|counter| (index, Arc::clone(counter))));
        for door in 0..line.workers {
            let worker = Worker {
                plan: Arc::clone(plan),
                load: line.load.clone(),
                script: line.script.clone(),
                index,
                doors: line.doors.subscribe(),
                door: door as usize,
                names: Arc::clone(&names),
                id: names.fetch_add(1, Ordering::Relaxed),
                client: door,
                journal: journal.clone(),
                counter: counter.clone(),
                line: None,
                alarm: Alarm::new().ok(),
                writer: writer.map(|writer| Arc::clone(&queues[writer])),
            };
            workers.spawn(worker.run(Arc::clone(&queues[at])));
        }
    }
    let over = tokio::select! {
        () = stop => Over::Stopped,
        () = async { while workers.join_next().await.is_some() {} } => Over::Done,
        never = join_all(counters.iter().map(|(l, counter)| count(*l, counter, journal, start))), if !counters.is_empty() => {
            drop(never);
            Over::Done
        }
    };
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
async fn count(l: u32, counter: &Counter, journal: &Journal<Event>, start: Mono) {
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
    starts: Option<Mutex<Starts>>,
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
        let mut starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
        let offset = starts.next()?;
        Some((self.next.fetch_add(1, Ordering::Relaxed), self.start.plus(offset)))
    }

    /// The newest operation that was taken.
    fn newest(&self) -> u64 {
        self.next.load(Ordering::Relaxed).saturating_sub(1)
    }

    fn dropped(&self) -> usize {
        self.starts
            .as_ref()
            .map_or(0, |starts| starts.lock().unwrap_or_else(PoisonError::into_inner).by_ref().count())
    }
}

/// A connection ready for operations.
struct Connected {
    wire: Wire,
    who: Identity,
}

struct Worker {
    plan: Arc<LoadPlan>,
    load: Load,
    script: Script,
    index: u32,
    doors: watch::Receiver<Vec<SocketAddr>>,
    door: usize,
    names: Arc<AtomicU32>,
    id: u32,
    /// Its number within the load, which stays.
    client: u32,
    journal: Journal<Event>,
    /// Counts operations instead of recording them.
    counter: Option<Arc<Counter>>,
    line: Option<Connected>,
    alarm: Option<Alarm>,
    /// The load whose tables are read, for a load that only reads.
    writer: Option<Arc<Queue>>,
}

impl Worker {
    async fn run(mut self, queue: Arc<Queue>) {
        // ahead of the first operation, so that it does not pay for the connection; a failure here
        // is no operation's and the first operation will meet it again
        let kept = self.load.session == Session::Kept;
        while kept && self.line.is_none() && clock::now() < queue.start {
            self.line = self.connect().await.ok();
            if self.line.is_none() {
                self.door += 1;
                clock::sleep(self.load.reconnect.0).await;
            }
        }
        self.sleep_until(queue.start).await;
        while let Some((op, intended)) = queue.take() {
            self.sleep_until(intended).await;
            let ended = self.recorded(op, intended).await;
            if !ended.reusable {
                self.line = None;
                if ended.read_only {
                    self.door += 1;
                }
                clock::sleep(self.load.reconnect.0).await;
            } else if !kept {
                self.line = None;
            }
        }
    }

    /// Does one operation and records or counts it.
    async fn recorded(&mut self, op: u64, intended: Mono) -> Ended {
        let near = self.writer.as_ref().map_or(op, |writer| writer.newest());
        let task = self.script.task(op, near);
        let (t, l) = (clock::now(), self.index);
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

    async fn operation(&mut self, op: u64, task: &workload::Task) -> Ended {
        if self.line.as_mut().is_none_or(|line| line.wire.is_closed()) {
            self.line = None;
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
        self.script.run(&mut line.wire, &line.who, op, task).await
    }

    fn unconnected(broken: &Broken) -> Ended {
        let outcome = classify(Stage::Connecting, broken);
        Ended { at: clock::now(), outcome, reusable: false, read_only: false }
    }

    /// Connects at the door in turn; the limit covers everything up to the first operation.
    async fn connect(&self) -> Result<Connected, Broken> {
        let limit = self.plan.connect_timeout.0.min(self.load.timeout.0);
        let door = {
            let doors = self.doors.borrow();
            doors[self.door % doors.len()]
        };
        let connecting = async {
            let application = format!("pgha-{}", self.load.name);
            let mut wire = Wire::connect(door, &self.plan.credentials, &application, limit).await?;
            let who = workload::identify(&mut wire, &self.plan.members_by_address, limit).await?;
            self.script.prepare(&mut wire).await?;
            Ok(Connected { wire, who })
        };
        clock::timeout(limit, connecting).await.unwrap_or(Err(Broken::Timeout(limit)))
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
