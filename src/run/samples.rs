//! The runner's own samples of the lab: services from the client host, bodies from the engine.
//! The judged do not keep the record.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::journal::Lines;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::{LabError, reach, record::Record};
use crate::model::sighting::BodySeen;
use crate::model::{Name, Sighting, Span};

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
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Samples {
    /// Starts both samplers.
    ///
    /// # Errors
    /// When the client does not run.
    pub async fn start(docker: &Docker, record: &Record, lines: Arc<Lines>) -> Result<Self, LabError> {
        let plan = reach::watch_plan(record, EVERY, Some(PROBE_EVERY), false);
        let mut stream = reach::start(docker, record.spec.name.as_str(), "watch", &plan).await?;
        let (newest_in, newest) = watch::channel(Sighting::default());
        let (stop, mut stopped) = watch::channel(false);
        let services = {
            let lines = Arc::clone(&lines);
            tokio::spawn(async move {
                loop {
                    let line = tokio::select! {
                        biased;
                        _ = stopped.changed() => break,
                        line = stream.next_line() => line,
                    };
                    let Ok(Some(line)) = line else { break };
                    match serde_json::from_str::<Sighting>(&line) {
                        Ok(sighting) => {
                            // a full disk shows up as a short file, which the judge notices
                            let _ = lines.line(&line);
                            newest_in.send_replace(sighting);
                        }
                        Err(error) => tracing::warn!(%error, "the sampler said something unreadable"),
                    }
                }
                stream.close_input().await;
            })
        };
        let engine = {
            let (docker, lab) = (docker.clone(), record.spec.name.to_string());
            let mut stopped = stop.subscribe();
            tokio::spawn(async move {
                loop {
                    if let Some(sighting) = bodies(&docker, &lab).await {
                        let _ = lines.sighting(&sighting);
                    }
                    tokio::select! {
                        biased;
                        _ = stopped.changed() => break,
                        () = clock::sleep(ENGINE_EVERY) => {}
                    }
                }
            })
        };
        Ok(Self { newest, stop, tasks: vec![services, engine] })
    }

    /// The newest look at the services; empty before the first.
    #[must_use]
    pub fn newest(&self) -> Sighting {
        self.newest.borrow().clone()
    }

    /// A receiver that is told of every new look.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Sighting> {
        self.newest.clone()
    }

    /// Stops both and waits for their last line.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            // a sampler that panicked has said so on stderr
            let _ = task.await;
        }
    }
}

/// One look at the engine; `None` when it does not answer.
async fn bodies(docker: &Docker, lab: &str) -> Option<Sighting> {
    let at = clock::now();
    let seen = docker.observe(Some(lab)).await.ok()?;
    let bodies = seen
        .containers
        .values()
        .filter_map(|container| {
            let member = Name::new(container.member()?).ok()?;
            let body = BodySeen {
                id: container.id.clone(),
                status: container.status,
                host: Name::new(container.host()?).ok()?,
                service: container.service()?.to_owned(),
            };
            Some((member, body))
        })
        .collect();
    Some(Sighting { at, bodies, ..Sighting::default() })
}
