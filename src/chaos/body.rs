//! Faults on bodies by the engine's own verbs: kill, stop, pause, restart. Healed is what runs again.

use async_trait::async_trait;

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::engine::docker::EngineError;
use crate::engine::process_table;
use crate::model::scenario::BodyVerb;
use crate::model::{Container, ContainerStatus, FaultRecord};

/// Seconds a body gets to stop by itself when it is restarted: the engine's own default.
const RESTART_GRACE: u32 = 10;
const BODY_SOURCE: &str = "engine inspect, process table, cgroup freezer";

/// The engine's verbs.
#[derive(Clone, Copy, Debug)]
pub struct BodyFaults<'a>(pub BodyVerb<'a>);

#[async_trait]
impl Family for BodyFaults<'_> {
    async fn deed(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let (docker, id) = (scene.docker, victim.container.id.as_str());
        let done = match self.0 {
            BodyVerb::Kill { signal } => docker.kill(id, signal).await,
            BodyVerb::Stop { timeout } => {
                docker.stop(id, u32::try_from(timeout.0.as_secs()).unwrap_or(u32::MAX)).await
            }
            BodyVerb::Pause => docker.pause(id).await,
            BodyVerb::Restart => match docker.stop(id, RESTART_GRACE).await {
                Ok(()) => docker.start(id).await,
                refused => refused,
            },
        };
        done.map_err(|error| error.to_string())
    }

    async fn bit(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let (proved, text) = match scene.docker.inspect(&victim.container.id).await {
            Err(error) => (false, format!("inspect: {error}")),
            Ok(now) => bite(self.0, &victim.container, &now),
        };
        VictimSeen::new(proved, BODY_SOURCE, text)
    }

    async fn undo(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> Result<(), String> {
        match self.0 {
            BodyVerb::Restart => return Ok(()),
            // a stopped process runs as far as the engine can tell
            BodyVerb::Kill { signal } if stops(signal) => {
                scene.docker.kill(&victim.container.id, "CONT").await.map_err(|error| error.to_string())?;
            }
            BodyVerb::Kill { .. } | BodyVerb::Stop { .. } | BodyVerb::Pause => {}
        }
        run_again(scene, victim).await.map_err(|error| error.to_string())
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
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
pub async fn runs(scene: &Scene<'_>, victim: &Victim) -> VictimSeen {
    match scene.docker.inspect(&victim.container.id).await {
        Err(error) => VictimSeen::new(false, BODY_SOURCE, format!("inspect: {error}")),
        Ok(now) => {
            let thawed =
                process_table::frozen(now.pid) != Some(true) && process_table::state(now.pid) != Some('T');
            let proved = now.status == ContainerStatus::Running && now.pid != 0 && thawed;
            let state =
                process_table::state(now.pid).map_or_else(String::new, |s| format!(", process state {s}"));
            VictimSeen::new(proved, BODY_SOURCE, format!("{}, pid {}{state}", now.status.as_str(), now.pid))
        }
    }
}

/// Whether a fault bit one container, from what is seen before and after.
pub(super) fn bite(verb: BodyVerb<'_>, before: &Container, now: &Container) -> (bool, String) {
    let was_running = before.status == ContainerStatus::Running && before.pid != 0;
    if !was_running {
        return (false, format!("was {} before: there was nothing to hit", before.status.as_str()));
    }
    let process = match process_table::state(before.pid) {
        None => format!("process {} is gone", before.pid),
        Some(state) => format!("process {} is in state {state}", before.pid),
    };
    match verb {
        BodyVerb::Kill { signal } if stops(signal) => {
            (process_table::state(before.pid) == Some('T'), process)
        }
        BodyVerb::Kill { .. } | BodyVerb::Stop { .. } => {
            // a restart policy may have started it again at once: another process is proof as well
            let ended =
                now.pid != before.pid && process_table::state(before.pid).is_none_or(|state| state == 'Z');
            (ended, format!("{}, exit code {}, {process}", now.status.as_str(), now.exit_code))
        }
        BodyVerb::Pause => {
            let frozen = process_table::frozen(before.pid);
            let text = match frozen {
                Some(true) => "freezer holds it",
                Some(false) => "freezer does not hold it",
                None => "freezer not visible here",
            };
            let bit = now.status == ContainerStatus::Paused && frozen != Some(false);
            (bit, format!("{}, {text}, {process}", now.status.as_str()))
        }
        BodyVerb::Restart => {
            let anew = now.status == ContainerStatus::Running && now.pid != 0 && now.pid != before.pid;
            (anew, format!("{}, pid {} was {}", now.status.as_str(), now.pid, before.pid))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    const KILLED: BodyVerb<'_> = BodyVerb::Kill { signal: "KILL" };

    /// A process number no process has: the kernel's largest is 2^22.
    const NOBODY: u32 = 1 << 30;

    #[test]
    fn a_kill_bit_when_the_process_is_gone() {
        let before = container(ContainerStatus::Running, NOBODY);
        assert!(bite(KILLED, &before, &container(ContainerStatus::Exited, 0)).0);
        assert!(bite(KILLED, &before, &container(ContainerStatus::Running, NOBODY + 1)).0);
    }

    #[test]
    fn a_kill_of_a_dead_body_did_not_bite() {
        let before = container(ContainerStatus::Exited, 0);
        let (bit, text) = bite(KILLED, &before, &container(ContainerStatus::Exited, 0));
        assert!(!bit);
        assert!(text.contains("nothing to hit"), "{text}");
    }

    #[test]
    fn a_kill_that_left_the_process_alone_did_not_bite() {
        let alive = std::process::id();
        let before = container(ContainerStatus::Running, alive);
        assert!(!bite(KILLED, &before, &container(ContainerStatus::Running, alive)).0);
    }

    #[test]
    fn a_pause_that_froze_nothing_did_not_bite() {
        let before = container(ContainerStatus::Running, std::process::id());
        assert!(!bite(BodyVerb::Pause, &before, &container(ContainerStatus::Paused, std::process::id())).0);
    }
}
