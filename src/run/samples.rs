//! The runner's own samples of the lab: services from the client host, bodies and events from the
//! engine. The judged do not keep the record.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::journal::Lines;
use crate::engine::clock;
use crate::engine::docker::{Docker, ExecStream};
use crate::engine::locked::Locked;
use crate::lab::record::{self, LabRecord};
use crate::lab::status::{self, States};
use crate::lab::{LabError, reach};
use crate::model::scaling::Usages;
use crate::model::sighting::{BodySeen, EngineEvent};
use crate::model::{Container, ContainerStatus, HostName, MemberId, Sighting, Span};

/// Pause between two looks at the services.
const EVERY: Span = Span::millis(500);
/// Pause between two direct write probes of one node.
const PROBE_EVERY: Span = Span::millis(100);
/// Pause between two looks at the engine.
const ENGINE_EVERY: Duration = Duration::from_secs(1);

/// Samplers that run until they are stopped.
#[derive(Debug)]
pub struct Samples {
    newest: watch::Receiver<Sighting>,
    record: watch::Receiver<Arc<LabRecord>>,
    measured: watch::Sender<Usages>,
    states: watch::Receiver<Option<States>>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    looks: JoinHandle<bool>,
}

impl Samples {
    /// Starts the samplers; what they see is written into `lines`, or only handed to who watches. With `sizes`
    /// also what bodies use and are held to.
    ///
    /// # Errors
    /// When the client does not run.
    pub async fn start(
        docker: &Docker,
        record: &Arc<LabRecord>,
        lines: Option<Arc<Lines>>,
        sizes: bool,
    ) -> Result<Self, LabError> {
        let plan = reach::watch_plan(record, EVERY, Some(PROBE_EVERY), false);
        let stream = reach::start(docker, record.spec.name.as_str(), "watch", &plan).await?;
        let (newest_in, newest) = watch::channel(Sighting::default());
        let (stop, stopped) = watch::channel(false);
        let (record_in, record) = watch::channel(Arc::clone(record));
        let measured = watch::Sender::new(Usages::new());
        let (states_in, states) = watch::channel(None);
        let written = lines.clone();
        let mut tasks = Vec::new();
        let looks = tokio::spawn(services(stream, newest_in, written, record.clone(), stopped.clone()));
        if sizes {
            let (docker, record, measured) = (docker.clone(), record.clone(), measured.clone());
            tasks.push(tokio::spawn(usage(docker, lines.clone(), record, measured, stopped.clone())));
        }
        if let Some(lines) = lines {
            let (docker, lab) = (docker.clone(), record.borrow().spec.name.to_string());
            let heard = Arc::new(Locked::new(Vec::new()));
            tasks.push(tokio::spawn(listen(
                docker.clone(),
                lab.clone(),
                Arc::clone(&heard),
                stopped.clone(),
            )));
            let seen = Seen { record: record_in, states: states_in };
            tasks.push(tokio::spawn(engine(docker, lab, lines, heard, seen, stopped)));
        }
        Ok(Self { newest, record, measured, states, stop, tasks, looks })
    }

    /// The newest look at the services; empty before the first.
    #[must_use]
    pub fn newest(&self) -> Sighting {
        self.newest.borrow().clone()
    }

    /// The lab's record as it was read last: members come and go.
    #[must_use]
    pub fn record(&self) -> Arc<LabRecord> {
        Arc::clone(&self.record.borrow())
    }

    /// The engine's word for the state of every container; `None` before the first look, and where the engine is not looked at.
    #[must_use]
    pub fn states(&self) -> Option<States> {
        self.states.borrow().clone()
    }

    /// A receiver that is told of every new record.
    #[must_use]
    pub fn records(&self) -> watch::Receiver<Arc<LabRecord>> {
        self.record.clone()
    }

    /// A receiver that is told of every new look.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Sighting> {
        self.newest.clone()
    }

    /// A receiver that is told what bodies are held to, where that is looked at.
    #[must_use]
    pub fn measured(&self) -> watch::Receiver<Usages> {
        self.measured.subscribe()
    }

    /// Stops all and waits for their last line; whether every sampler went on until then.
    pub async fn stop(self) -> bool {
        self.stop.send_replace(true);
        let mut whole = self.looks.await.unwrap_or(false);
        for task in self.tasks {
            // a sampler that panicked has said so on stderr
            whole &= task.await.is_ok();
        }
        whole
    }
}

/// Takes down what the client host sees; whether it saw until it was stopped.
async fn services(
    mut stream: ExecStream,
    newest: watch::Sender<Sighting>,
    lines: Option<Arc<Lines>>,
    mut record: watch::Receiver<Arc<LabRecord>>,
    mut stopped: watch::Receiver<bool>,
) -> bool {
    let whole = loop {
        let line = tokio::select! {
            biased;
            _ = stopped.changed() => break true,
            Ok(()) = record.changed() => {
                let plan = reach::watch_plan(&record.borrow_and_update(), EVERY, Some(PROBE_EVERY), false);
                // plain data can be written; a client that is gone is noticed by its silence
                let _ = stream.send_line(&serde_json::to_string(&plan).unwrap_or_default()).await;
                continue;
            }
            line = stream.next_line() => line,
        };
        let Ok(Some(line)) = line else { break false };
        match serde_json::from_str::<Sighting>(&line) {
            Ok(sighting) => {
                if let Some(lines) = &lines {
                    // a full disk shows up as a short file, which the judge notices
                    let _ = lines.sighting(&sighting);
                }
                newest.send_replace(sighting);
            }
            Err(error) => tracing::warn!(%error, "the sampler said something unreadable"),
        }
    };
    stream.close_input().await;
    whole
}

type Heard = Arc<Locked<Vec<EngineEvent>>>;

/// Collects the engine's events until it is stopped. A connection that breaks is made anew from the next
/// second on: what happened in between is told then.
async fn listen(docker: Docker, lab: String, heard: Heard, mut stopped: watch::Receiver<bool>) {
    let mut since = clock::utc_seconds();
    loop {
        let mut events = Box::pin(docker.events(&lab, since));
        loop {
            let event = tokio::select! {
                biased;
                _ = stopped.changed() => return,
                event = events.next() => event,
            };
            let Some(Ok(event)) = event else { break };
            since = clock::utc_seconds();
            heard.lock().push(event);
        }
        since += 1;
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = clock::sleep(ENGINE_EVERY) => {}
        }
    }
}

/// Measures what bodies whose sizes move use, again and again.
async fn usage(
    docker: Docker,
    lines: Option<Arc<Lines>>,
    record: watch::Receiver<Arc<LabRecord>>,
    measured: watch::Sender<Usages>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let (at, now) = (clock::now(), Arc::clone(&record.borrow()));
        let usage = status::usage(&docker, &now).await;
        measured.send_replace(usage.clone());
        if let Some(lines) = &lines {
            let _ = lines.sighting(&Sighting { at, usage, ..Sighting::default() });
        }
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = clock::sleep(ENGINE_EVERY) => {}
        }
    }
}

/// Whom the looks at the engine are told to.
struct Seen {
    record: watch::Sender<Arc<LabRecord>>,
    states: watch::Sender<Option<States>>,
}

/// Looks at the bodies again and again, and once more when it is stopped.
async fn engine(
    docker: Docker,
    lab: String,
    lines: Arc<Lines>,
    heard: Heard,
    told: Seen,
    mut stopped: watch::Receiver<bool>,
) {
    let mut known = Known::default();
    let mut there = BTreeSet::new();
    let mut last = false;
    loop {
        let at = clock::now();
        let events = std::mem::take(&mut *heard.lock());
        known.forget(&events);
        let bodies = bodies(&docker, &lab, &mut known, &told.states).await;
        // events are written also when the engine does not show its bodies
        if bodies.is_some() || !events.is_empty() {
            let bodies = bodies.unwrap_or_default();
            let now: BTreeSet<MemberId> = bodies.keys().cloned().collect();
            if !bodies.is_empty() && now != there {
                there = now;
                renew(&docker, &lab, &told.record).await;
            }
            let _ = lines.sighting(&Sighting { at, bodies, events, ..Sighting::default() });
        }
        if last {
            return;
        }
        tokio::select! {
            biased;
            _ = stopped.changed() => last = true,
            () = clock::sleep(ENGINE_EVERY) => {}
        }
    }
}

/// Reads the lab's record again: somebody came or went.
async fn renew(docker: &Docker, lab: &str, known: &watch::Sender<Arc<LabRecord>>) {
    if let Ok(Some(read)) = record::read(docker, lab).await {
        known.send_if_modified(|known| {
            let news = **known != read;
            if news {
                *known = Arc::new(read);
            }
            news
        });
    }
}

/// What only a full inspection tells, by container; asked again when something happened to it.
#[derive(Debug, Default)]
struct Known(BTreeMap<String, (ContainerStatus, String, bool)>);

impl Known {
    /// Drops what may have changed.
    fn forget(&mut self, events: &[EngineEvent]) {
        for event in events {
            self.0.remove(&event.id);
        }
    }

    /// Start of the last run, and whether memory ran out, as far as both are known to be still so.
    fn of(&self, container: &Container) -> Option<(String, bool)> {
        let (status, started, oom_killed) = self.0.get(&container.id)?;
        (*status == container.status).then(|| (started.clone(), *oom_killed))
    }
}

/// One look at the bodies; `None` when the engine does not answer.
async fn bodies(
    docker: &Docker,
    lab: &str,
    known: &mut Known,
    states: &watch::Sender<Option<States>>,
) -> Option<BTreeMap<MemberId, BodySeen>> {
    let seen = docker.observe(Some(lab)).await.ok()?;
    states.send_replace(Some(status::states(&seen)));
    let mut bodies = BTreeMap::new();
    for container in seen.containers.values() {
        let (Some(member), Some(host)) = (container.member(), container.host()) else { continue };
        let (Ok(member), Ok(host)) = (MemberId::new(member), HostName::new(host)) else { continue };
        let Some(service) = container.service() else { continue };
        if known.of(container).is_none()
            && let Ok(full) = docker.inspect(&container.id).await
        {
            known.0.insert(full.id, (full.status, full.started_at, full.oom_killed));
        }
        let (started, oom_killed) = known.of(container).unwrap_or_default();
        let (id, status, service) = (container.id.clone(), container.status, service.to_owned());
        bodies.insert(member, BodySeen { id, status, host, service, started, oom_killed });
    }
    Some(bodies)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_inspected_again_when_something_happened_to_it() {
        let mut known = Known::default();
        known.0.insert("c1".to_owned(), (ContainerStatus::Running, "t1".to_owned(), false));
        let container = |status| Container {
            id: "c1".to_owned(),
            name: String::new(),
            image: String::new(),
            status,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: BTreeMap::new(),
            address: None,
        };
        let running = container(ContainerStatus::Running);
        assert_eq!(known.of(&running), Some(("t1".to_owned(), false)));
        assert_eq!(known.of(&container(ContainerStatus::Exited)), None, "its state changed");
        let event = |id: &str| EngineEvent {
            at: clock::now(),
            happened: None,
            action: "restart".to_owned(),
            id: id.to_owned(),
            member: String::new(),
            service: String::new(),
        };
        known.forget(&[event("c2")]);
        assert!(known.of(&running).is_some(), "another body's event");
        known.forget(&[event("c1")]);
        assert_eq!(known.of(&running), None, "it may have been started anew between two looks");
    }
}
