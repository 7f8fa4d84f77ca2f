//! How a body is fenced: no restart, killed, cut off in its host where it does not die at once; and what proves that it
//! is dead, or how far it got.
//!
//! Invariant: a proof is about one container, by its id, and says no more than the engine or the kernel showed after
//! the deed.

use std::time::Duration;

use super::engine_limits::{ENGINE_DEED_TIMEOUT, ENGINE_LOOK_TIMEOUT, limited, short};
use super::{cut_off, doomed_body};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::model::control::{Proof, ProofLevel};
use crate::model::{Container, ContainerStatus, Service};

/// A kill that has not ended by then lets the doors be closed meanwhile.
const KILL_BEFORE_DOORS: Duration = Duration::from_millis(400);
/// A kill that has not ended by then is no proof yet; it goes on by itself.
const KILL_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest look at the tasks of a body that does not die.
const DOOM: Duration = Duration::from_secs(8);

/// Takes bodies of one lab down.
pub(super) struct Fence<'a> {
    pub docker: &'a Docker,
    pub lab: &'a str,
}

impl Fence<'_> {
    /// No restart, killed, no way in where it does not die at once; then what the engine shows of the very container.
    pub(super) async fn take_down(&self, found: Container) -> Proof {
        let id = found.id.clone();
        if dead(&found) && !found.restarts {
            return proof(&found, "it had ended before");
        }
        if found.restarts
            && let Err(error) = limited(ENGINE_DEED_TIMEOUT, self.docker.never_restart(&id)).await
        {
            return nothing(format!("the engine may start it again: {error}"));
        }
        if found.service() != Some(Service::Postgres.as_str()) {
            return self.end(&id).await;
        }
        // most bodies die at once, and the dead need no closed door; who does not is cut off meanwhile
        let mut kill = std::pin::pin!(limited(KILL_TIMEOUT, self.docker.kill(&id, "KILL")));
        let (killed, closed) = if let Ok(killed) = clock::timeout(KILL_BEFORE_DOORS, &mut kill).await {
            (killed, None)
        } else {
            let (closed, killed) = tokio::join!(self.close(&found), kill);
            (killed, Some(closed))
        };
        let killed = match killed {
            Ok(()) => "killed".to_owned(),
            // it had ended in this moment, which the next look shows
            Err(EngineError::Conflict(_)) => "it had ended before the kill".to_owned(),
            Err(error) => format!("the kill came to nothing: {error}"),
        };
        let now = match limited(ENGINE_LOOK_TIMEOUT, self.docker.inspect(&id)).await {
            Ok(now) => now,
            Err(EngineError::NotFound(_)) => {
                self.open_if(closed.is_some(), &found).await;
                return Proof {
                    level: ProofLevel::Dead,
                    evidence: format!("{killed}; the container is gone"),
                };
            }
            Err(error) => {
                return unseen(closed.as_ref(), format!("{killed}; the engine does not show it: {error}"));
            }
        };
        if dead(&now) && !now.restarts {
            // whoever starts it again shall not find a closed door
            self.open_if(closed.is_some(), &found).await;
            return proof(&now, &killed);
        }
        let closed = match closed {
            Some(closed) => closed,
            None => self.close(&found).await,
        };
        match closed {
            Ok(()) => {
                let so_far =
                    format!("{killed}; its ports are closed; the engine says {}", now.status.as_str());
                let (level, tasks) = self.doom(&now).await;
                Proof { level, evidence: format!("{so_far}; {tasks}") }
            }
            Err(error) => nothing(format!("{killed}; its ports could not be closed: {error}")),
        }
    }

    /// Ends a body that is no database: the doors of its host are another's.
    async fn end(&self, id: &str) -> Proof {
        let killed = match limited(KILL_TIMEOUT, self.docker.kill(id, "KILL")).await {
            Ok(()) => "killed".to_owned(),
            Err(error) => format!("the kill came to nothing: {error}"),
        };
        match limited(ENGINE_LOOK_TIMEOUT, self.docker.inspect(id)).await {
            Ok(now) if dead(&now) && !now.restarts => proof(&now, &killed),
            Ok(now) => nothing(format!("{killed}; the engine says {}", now.status.as_str())),
            Err(error) => nothing(format!("{killed}; the engine does not show it: {error}")),
        }
    }

    /// How certain the end is of a body that is cut off and does not die.
    async fn doom(&self, container: &Container) -> (ProofLevel, String) {
        let look = doomed_body::doomed(self.docker, self.lab, container);
        match clock::timeout(DOOM, look).await {
            Ok(Ok(shown)) => (ProofLevel::Doomed, shown),
            Ok(Err(why)) => (ProofLevel::CutOff, why),
            Err(late) => (ProofLevel::CutOff, format!("its tasks could not be seen: {late}")),
        }
    }

    async fn open_if(&self, closed: bool, container: &Container) {
        if closed {
            self.open(container).await;
        }
    }

    /// Nobody gets through to the body any more, and nothing it says gets out: its ports are shut in its host's
    /// namespace.
    async fn close(&self, container: &Container) -> Result<(), EngineError> {
        self.in_host(container, &cut_off::shut()).await
    }

    /// Undoes [`Fence::close`]; a host that does not run has no doors.
    pub(super) async fn open(&self, container: &Container) {
        if let Err(error) = self.in_host(container, &cut_off::open()).await {
            tracing::warn!(%error, container = container.name, "its doors could not be opened");
        }
    }

    async fn in_host(&self, container: &Container, script: &str) -> Result<(), EngineError> {
        let host = container.host().unwrap_or_default();
        let sandbox = format!("pgha-{}-host-{host}", self.lab);
        let command = ["/bin/sh", "-c", script].map(str::to_owned);
        let ran = limited(ENGINE_LOOK_TIMEOUT, self.docker.exec(&sandbox, &command)).await?;
        if ran.code == 0 { Ok(()) } else { Err(EngineError::Refused(ran.stderr.trim().to_owned())) }
    }
}

/// Whether the engine shows that no process of it is left.
pub(super) fn dead(container: &Container) -> bool {
    let over = matches!(
        container.status,
        ContainerStatus::Created | ContainerStatus::Exited | ContainerStatus::Dead
    );
    over && container.pid == 0
}

fn proof(container: &Container, how: &str) -> Proof {
    let evidence = format!(
        "{how}; container {} is {}, pid 0, restart policy no",
        short(&container.id),
        container.status.as_str()
    );
    Proof { level: ProofLevel::Dead, evidence }
}

/// The kernel's word is as good as the engine's, and comes sooner.
pub(super) fn by_the_kernel(ended: &Container) -> Proof {
    let evidence = format!(
        "the kernel says that process {}, the first one of container {}, has ended, and with it all others of its \
         namespace; restart policy no",
        ended.pid,
        short(&ended.id)
    );
    Proof { level: ProofLevel::Dead, evidence }
}

fn nothing(evidence: String) -> Proof {
    Proof { level: ProofLevel::Nothing, evidence }
}

/// The engine does not show what became of the body. Closed ports are closed all the same.
fn unseen(closed: Option<&Result<(), EngineError>>, evidence: String) -> Proof {
    match closed {
        Some(Ok(())) => {
            Proof { level: ProofLevel::CutOff, evidence: format!("{evidence}; its ports are closed") }
        }
        _ => nothing(evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::server::tests::container;

    #[test]
    fn only_a_body_without_a_process_is_dead() {
        let mut body = container("a", &[]);
        assert!(dead(&body));
        body.pid = 7;
        assert!(!dead(&body), "a pid is a process");
        body.pid = 0;
        for status in [ContainerStatus::Running, ContainerStatus::Paused, ContainerStatus::Unknown] {
            body.status = status;
            assert!(!dead(&body), "{status:?}");
        }
    }

    #[test]
    fn what_was_cut_off_is_told_though_the_engine_does_not_show_it() {
        let level = |closed: Option<Result<(), EngineError>>| unseen(closed.as_ref(), String::new()).level;
        let refused = || EngineError::Refused("no such host".to_owned());
        assert_eq!(level(Some(Ok(()))), ProofLevel::CutOff);
        assert_eq!(level(Some(Err(refused()))), ProofLevel::Nothing);
        assert_eq!(level(None), ProofLevel::Nothing, "nobody closed anything");
    }
}
