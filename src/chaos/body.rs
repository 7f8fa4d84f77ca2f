//! Faults on bodies by the engine's own verbs: kill, stop, pause, restart. Healed is what runs again.

use async_trait::async_trait;

use super::family::{Family, Scene, Seen, Victim};
use crate::engine::docker::EngineError;
use crate::engine::process;
use crate::model::{Container, ContainerStatus, FaultRecord, Verb};

/// Seconds a body gets to stop by itself when it is restarted: the engine's own default.
const RESTART_GRACE: u32 = 10;
const SOURCE: &str = "engine inspect, process table, cgroup freezer";

/// The engine's verbs.
#[derive(Clone, Copy, Debug)]
pub struct Bodies;

#[async_trait]
impl Family for Bodies {
    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let (docker, id) = (scene.docker, victim.container.id.as_str());
        let done = match &fault.verb {
            Verb::Kill { signal, .. } => docker.kill(id, signal).await,
            Verb::Stop { timeout, .. } => {
                docker.stop(id, u32::try_from(timeout.0.as_secs()).unwrap_or(u32::MAX)).await
            }
            Verb::Pause { .. } => docker.pause(id).await,
            Verb::Restart { .. } => match docker.stop(id, RESTART_GRACE).await {
                Ok(()) => docker.start(id).await,
                refused => refused,
            },
            other => return Err(format!("`{}` is no verb of the engine", other.name())),
        };
        done.map_err(|error| error.to_string())
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        let (proved, text) = match scene.docker.inspect(&victim.container.id).await {
            Err(error) => (false, format!("inspect: {error}")),
            Ok(now) => bite(&fault.verb, &victim.container, &now),
        };
        Seen::new(proved, SOURCE, text)
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        match &fault.verb {
            Verb::Restart { .. } => return Ok(()),
            // a stopped process runs as far as the engine can tell
            Verb::Kill { signal, .. } if stops(signal) => {
                scene.docker.kill(&victim.container.id, "CONT").await.map_err(|error| error.to_string())?;
            }
            _ => {}
        }
        run_again(scene, victim).await.map_err(|error| error.to_string())
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Seen {
        runs(scene, victim).await
    }
}

/// Whether a signal only stops a process.
#[must_use]
pub fn stops(signal: &str) -> bool {
    matches!(signal.trim_start_matches("SIG"), "STOP" | "TSTP")
}

/// Thaws or starts a body, whatever it needs to run.
///
/// # Errors
/// What the engine says.
pub async fn run_again(scene: &Scene<'_>, victim: &Victim) -> Result<(), EngineError> {
    let id = victim.container.id.as_str();
    let now = scene.docker.inspect(id).await?;
    if now.status == ContainerStatus::Paused {
        scene.docker.unpause(id).await
    } else if now.status != ContainerStatus::Running {
        scene.docker.start(id).await
    } else {
        Ok(())
    }
}

/// Whether a body runs and no freezer holds it.
pub async fn runs(scene: &Scene<'_>, victim: &Victim) -> Seen {
    match scene.docker.inspect(&victim.container.id).await {
        Err(error) => Seen::new(false, SOURCE, format!("inspect: {error}")),
        Ok(now) => {
            let thawed = process::frozen(now.pid) != Some(true) && process::state(now.pid) != Some('T');
            let proved = now.status == ContainerStatus::Running && now.pid != 0 && thawed;
            let state = process::state(now.pid).map_or_else(String::new, |s| format!(", process state {s}"));
            Seen::new(proved, SOURCE, format!("{}, pid {}{state}", now.status.as_str(), now.pid))
        }
    }
}

/// Whether a fault bit one container, from what is seen before and after.
pub(super) fn bite(verb: &Verb, before: &Container, now: &Container) -> (bool, String) {
    let was_running = before.status == ContainerStatus::Running && before.pid != 0;
    if !was_running {
        return (false, format!("was {} before: there was nothing to hit", before.status.as_str()));
    }
    let process = match process::state(before.pid) {
        None => format!("process {} is gone", before.pid),
        Some(state) => format!("process {} is in state {state}", before.pid),
    };
    match verb {
        Verb::Kill { signal, .. } if stops(signal) => (process::state(before.pid) == Some('T'), process),
        Verb::Kill { .. } | Verb::Stop { .. } => {
            // a restart policy may have started it again at once: another process is proof as well
            let ended = now.pid != before.pid && process::state(before.pid).is_none_or(|state| state == 'Z');
            (ended, format!("{}, exit code {}, {process}", now.status.as_str(), now.exit_code))
        }
        Verb::Pause { .. } => {
            let frozen = process::frozen(before.pid);
            let text = match frozen {
                Some(true) => "freezer holds it",
                Some(false) => "freezer does not hold it",
                None => "freezer not visible here",
            };
            let bit = now.status == ContainerStatus::Paused && frozen != Some(false);
            (bit, format!("{}, {text}, {process}", now.status.as_str()))
        }
        Verb::Restart { .. } => {
            let anew = now.status == ContainerStatus::Running && now.pid != 0 && now.pid != before.pid;
            (anew, format!("{}, pid {} was {}", now.status.as_str(), now.pid, before.pid))
        }
        other => (false, format!("`{}` is not built", other.name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Target;

    fn container(status: ContainerStatus, pid: u32) -> Container {
        Container {
            id: "c".to_owned(),
            name: "c".to_owned(),
            image: String::new(),
            status,
            pid,
            exit_code: 137,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: std::collections::BTreeMap::new(),
            address: None,
        }
    }

    fn kill() -> Verb {
        Verb::Kill {
            target: Target::Primary,
            signal: "KILL".to_owned(),
            by: crate::model::scenario::KillBy::Engine,
        }
    }

    /// A process number no process has: the kernel's largest is 2^22.
    const NOBODY: u32 = 1 << 30;

    #[test]
    fn a_kill_bit_when_the_process_is_gone() {
        let before = container(ContainerStatus::Running, NOBODY);
        assert!(bite(&kill(), &before, &container(ContainerStatus::Exited, 0)).0);
        assert!(bite(&kill(), &before, &container(ContainerStatus::Running, NOBODY + 1)).0);
    }

    #[test]
    fn a_kill_of_a_dead_body_did_not_bite() {
        let before = container(ContainerStatus::Exited, 0);
        let (bit, text) = bite(&kill(), &before, &container(ContainerStatus::Exited, 0));
        assert!(!bit);
        assert!(text.contains("nothing to hit"), "{text}");
    }

    #[test]
    fn a_kill_that_left_the_process_alone_did_not_bite() {
        let alive = std::process::id();
        let before = container(ContainerStatus::Running, alive);
        assert!(!bite(&kill(), &before, &container(ContainerStatus::Running, alive)).0);
    }

    #[test]
    fn a_pause_that_froze_nothing_did_not_bite() {
        let before = container(ContainerStatus::Running, std::process::id());
        let pause = Verb::Pause { target: Target::Primary };
        assert!(!bite(&pause, &before, &container(ContainerStatus::Paused, std::process::id())).0);
    }
}
