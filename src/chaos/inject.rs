//! Injecting and healing on the real engine, each with its receipt.

use std::io;
use std::time::Duration;

use futures_util::future::join_all;

use super::ledger::Ledger;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::{clock, process};
use crate::lab::names;
use crate::model::{Container, ContainerStatus, FaultRecord, MemberId, Name, Receipt, ReceiptState, Verb};

/// How long evidence is waited for: the engine needs a moment to notice what happened.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(5);
/// Seconds a body gets to stop by itself when it is restarted: the engine's own default.
const RESTART_GRACE: u32 = 10;
/// Where evidence is read.
const SOURCE: &str = "engine inspect, process table, cgroup freezer";

/// Why a fault could not be injected.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// The engine refused the deed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The intent could not be written down.
    #[error("the fault ledger cannot be written: {0}")]
    Ledger(#[from] io::Error),
    /// This version cannot do it.
    #[error("`{0}` is not built in this version")]
    NotBuilt(&'static str),
}

/// Injects into one lab.
#[derive(Debug)]
pub struct Injector<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The lab.
    pub lab: &'a str,
    /// Where intents go first.
    pub ledger: &'a Ledger,
}

impl Injector<'_> {
    /// Injects `verb` on `members`; `told` hears every change of the record.
    ///
    /// From the first deed on there is no error any more: a deed the engine refused is evidence that
    /// the fault did not bite, and the record comes back in any case, because it must be healed.
    ///
    /// # Errors
    /// [`InjectError`], while nothing has been touched yet.
    pub async fn inject(
        &self,
        id: &Name,
        verb: &Verb,
        members: &[MemberId],
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> Result<FaultRecord, InjectError> {
        if !verb.built() {
            return Err(InjectError::NotBuilt(verb.name()));
        }
        let mut before = Vec::new();
        for member in members {
            before.push(self.docker.inspect(&names::container(self.lab, member.as_str())).await?);
        }
        let mut record = FaultRecord {
            id: id.clone(),
            verb: verb.clone(),
            targets: members.to_vec(),
            containers: before.iter().map(|container| container.id.clone()).collect(),
            intent: clock::now(),
            began: None,
            healed: None,
            receipt: None,
            heal: None,
        };
        self.ledger.write(&record)?;
        told(&record);
        let refusals = join_all(before.iter().map(|container| self.deed(verb, container))).await;
        record.began = Some(clock::now());
        record.receipt = Some(self.receipt(verb, &before, &refusals).await);
        self.keep(&record);
        told(&record);
        Ok(record)
    }

    /// Writes down what has happened already: it must be healed and told even when that fails.
    fn keep(&self, record: &FaultRecord) {
        if let Err(error) = self.ledger.write(record) {
            tracing::error!(fault = %record.id, %error, "the fault ledger cannot be written");
        }
    }

    /// The deed itself; what the engine refused, in its words.
    async fn deed(&self, verb: &Verb, container: &Container) -> Option<String> {
        let id = container.id.as_str();
        let done = match verb {
            Verb::Kill { signal, .. } => self.docker.kill(id, signal).await,
            Verb::Stop { timeout, .. } => {
                self.docker.stop(id, u32::try_from(timeout.0.as_secs()).unwrap_or(u32::MAX)).await
            }
            Verb::Pause { .. } => self.docker.pause(id).await,
            Verb::Restart { .. } => match self.docker.stop(id, RESTART_GRACE).await {
                Ok(()) => self.docker.start(id).await,
                refused => refused,
            },
            other => return Some(format!("`{}` is not built", other.name())),
        };
        done.err().map(|error| error.to_string())
    }

    /// Evidence for every container that was hit; one refutation refutes the fault.
    async fn receipt(&self, verb: &Verb, before: &[Container], refusals: &[Option<String>]) -> Receipt {
        let seen = join_all(before.iter().map(|container| self.evidence(verb, container))).await;
        let texts: Vec<String> = before
            .iter()
            .zip(refusals)
            .zip(&seen)
            .map(|((container, refused), (_, text))| {
                let member = container.member().unwrap_or(&container.name);
                let refused = refused.as_ref().map_or_else(String::new, |why| format!(" (refused: {why})"));
                format!("{member}: {text}{refused}")
            })
            .collect();
        let bit = seen.iter().all(|(bit, _)| *bit);
        Receipt {
            state: if bit { ReceiptState::Confirmed } else { ReceiptState::Refuted },
            source: SOURCE.to_owned(),
            evidence: texts.join("; "),
        }
    }

    async fn evidence(&self, verb: &Verb, before: &Container) -> (bool, String) {
        let deadline = clock::now().plus(EVIDENCE_PATIENCE);
        loop {
            let (bit, text) = match self.docker.inspect(&before.id).await {
                Err(error) => (false, format!("inspect: {error}")),
                Ok(now) => bite(verb, before, &now),
            };
            if bit || clock::now() >= deadline {
                return (bit, text);
            }
            clock::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Undoes a fault as its verb defines it, on every body it hit, and brings evidence. What the
    /// engine refuses is a refuted receipt: one body that cannot be healed keeps no other from it.
    pub async fn heal(
        &self,
        mut record: FaultRecord,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> FaultRecord {
        let hit = record.targets.iter().zip(&record.containers);
        let verb = &record.verb;
        let receipts = join_all(hit.map(|(member, id)| async move {
            let healed = self.heal_one(verb, member, id).await;
            (member, healed.unwrap_or_else(|error| (ReceiptState::Refuted, error.to_string())))
        }))
        .await;
        // the worst of all counts: refuted before anything else
        let rank = |state: ReceiptState| match state {
            ReceiptState::Refuted => 0,
            ReceiptState::Superseded => 1,
            ReceiptState::Confirmed => 2,
            ReceiptState::Nothing => 3,
        };
        let state = receipts.iter().map(|(_, (state, _))| *state).min_by_key(|state| rank(*state));
        let evidence: Vec<String> =
            receipts.iter().map(|(member, (_, evidence))| format!("{member}: {evidence}")).collect();
        let heal = Receipt {
            state: state.unwrap_or(ReceiptState::Nothing),
            source: SOURCE.to_owned(),
            evidence: evidence.join("; "),
        };
        record.healed = Some(clock::now());
        record.heal = Some(heal);
        self.keep(&record);
        told(&record);
        record
    }

    async fn heal_one(
        &self,
        verb: &Verb,
        member: &MemberId,
        id: &str,
    ) -> Result<(ReceiptState, String), EngineError> {
        if matches!(verb, Verb::Restart { .. }) {
            return Ok((ReceiptState::Nothing, "a restart leaves nothing to undo".to_owned()));
        }
        let name = names::container(self.lab, member.as_str());
        let now = match self.docker.inspect(&name).await {
            Ok(now) => now,
            Err(EngineError::NotFound(_)) => {
                return Ok((ReceiptState::Superseded, "the body has been removed".to_owned()));
            }
            Err(other) => return Err(other),
        };
        if now.id != id {
            return Ok((ReceiptState::Superseded, format!("replaced by {:.12}", now.id)));
        }
        if now.status == ContainerStatus::Paused {
            self.docker.unpause(id).await?;
        } else if now.status != ContainerStatus::Running {
            self.docker.start(id).await?;
        }
        let deadline = clock::now().plus(EVIDENCE_PATIENCE);
        loop {
            let now = self.docker.inspect(id).await?;
            let thawed = process::frozen(now.pid) != Some(true);
            if now.status == ContainerStatus::Running && now.pid != 0 && thawed {
                let text = format!("running, pid {}{}", now.pid, process_text(now.pid));
                return Ok((ReceiptState::Confirmed, text));
            }
            if clock::now() >= deadline {
                let text = format!("still {}{}", now.status.as_str(), process_text(now.pid));
                return Ok((ReceiptState::Refuted, text));
            }
            clock::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn process_text(pid: u32) -> String {
    process::state(pid).map_or_else(String::new, |state| format!(", process state {state}"))
}

/// Whether a fault bit one container, from what is seen before and after.
fn bite(verb: &Verb, before: &Container, now: &Container) -> (bool, String) {
    let was_running = before.status == ContainerStatus::Running && before.pid != 0;
    if !was_running {
        return (false, format!("was {} before: there was nothing to hit", before.status.as_str()));
    }
    let process = match process::state(before.pid) {
        None => format!("process {} is gone", before.pid),
        Some(state) => format!("process {} is in state {state}", before.pid),
    };
    match verb {
        Verb::Kill { signal, .. } if matches!(signal.trim_start_matches("SIG"), "STOP" | "TSTP") => {
            (process::state(before.pid) == Some('T'), process)
        }
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
