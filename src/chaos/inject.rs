//! Injecting and healing on the real engine, each with its receipt.

use std::io;
use std::time::Duration;

use super::ledger::Ledger;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::{clock, process};
use crate::lab::names;
use crate::model::{Container, ContainerStatus, FaultRecord, MemberId, Name, Receipt, ReceiptState, Verb};

/// How long evidence is waited for: the engine needs a moment to notice what happened.
const EVIDENCE_PATIENCE: Duration = Duration::from_secs(5);

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
    /// # Errors
    /// [`InjectError`]; the returned record of a fault that did not bite carries a refuting receipt instead.
    pub async fn inject(
        &self,
        id: &Name,
        verb: &Verb,
        members: &[MemberId],
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> Result<FaultRecord, InjectError> {
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
        let deeds = before.iter().map(|container| self.deed(verb, container));
        let outcomes = futures_util::future::join_all(deeds).await;
        record.began = Some(clock::now());
        for outcome in outcomes {
            outcome?;
        }
        record.receipt = Some(self.receipt(verb, &before).await);
        self.ledger.write(&record)?;
        told(&record);
        Ok(record)
    }

    async fn deed(&self, verb: &Verb, container: &Container) -> Result<(), InjectError> {
        match verb {
            Verb::Kill { signal, .. } => match self.docker.kill(&container.id, signal).await {
                // it is dead already: the receipt will say so, this is no reason to stop the run
                Ok(()) | Err(EngineError::Conflict(_)) => Ok(()),
                Err(other) => Err(other.into()),
            },
            Verb::Stop { timeout, .. } => {
                let grace = u32::try_from(timeout.0.as_secs()).unwrap_or(u32::MAX);
                Ok(self.docker.stop(&container.id, grace).await?)
            }
            Verb::Pause { .. } => match self.docker.pause(&container.id).await {
                Ok(()) | Err(EngineError::Conflict(_)) => Ok(()),
                Err(other) => Err(other.into()),
            },
            Verb::Restart { .. } => {
                self.docker.stop(&container.id, 10).await?;
                Ok(self.docker.start(&container.id).await?)
            }
            other => Err(InjectError::NotBuilt(other.name())),
        }
    }

    /// Evidence for every container that was hit; one refutation refutes the fault.
    async fn receipt(&self, verb: &Verb, before: &[Container]) -> Receipt {
        let mut texts = Vec::new();
        let mut state = ReceiptState::Confirmed;
        for container in before {
            let (bit, text) = self.evidence(verb, container).await;
            if !bit {
                state = ReceiptState::Refuted;
            }
            texts.push(format!("{}: {text}", container.member().unwrap_or(&container.name)));
        }
        Receipt {
            state,
            source: "engine inspect, process table, cgroup freezer".to_owned(),
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

    /// Undoes a fault as its verb defines it, and brings evidence.
    ///
    /// # Errors
    /// When the engine refuses or the ledger cannot be written.
    pub async fn heal(
        &self,
        mut record: FaultRecord,
        told: &mut (dyn FnMut(&FaultRecord) + Send),
    ) -> Result<FaultRecord, InjectError> {
        let mut receipts = Vec::new();
        for (member, id) in record.targets.iter().zip(&record.containers) {
            receipts.push((member.clone(), self.heal_one(&record.verb, member, id).await?));
        }
        record.healed = Some(clock::now());
        // the worst of all counts: refuted before anything else
        let rank = |state: ReceiptState| match state {
            ReceiptState::Refuted => 0,
            ReceiptState::Superseded => 1,
            ReceiptState::Confirmed => 2,
            ReceiptState::Nothing => 3,
        };
        let state = receipts.iter().map(|(_, receipt)| receipt.state).min_by_key(|state| rank(*state));
        let evidence: Vec<String> =
            receipts.iter().map(|(member, receipt)| format!("{member}: {}", receipt.evidence)).collect();
        record.heal = Some(Receipt {
            state: state.unwrap_or(ReceiptState::Nothing),
            source: "engine inspect, process table, cgroup freezer".to_owned(),
            evidence: evidence.join("; "),
        });
        self.ledger.write(&record)?;
        told(&record);
        Ok(record)
    }

    async fn heal_one(&self, verb: &Verb, member: &MemberId, id: &str) -> Result<Receipt, InjectError> {
        let receipt =
            |state, evidence: String| Receipt { state, source: "engine inspect".to_owned(), evidence };
        if matches!(verb, Verb::Restart { .. }) {
            return Ok(receipt(ReceiptState::Nothing, "a restart leaves nothing to undo".to_owned()));
        }
        let name = names::container(self.lab, member.as_str());
        let now = match self.docker.inspect(&name).await {
            Ok(now) => now,
            Err(EngineError::NotFound(_)) => {
                return Ok(receipt(ReceiptState::Superseded, "the body has been removed".to_owned()));
            }
            Err(other) => return Err(other.into()),
        };
        if now.id != id {
            return Ok(receipt(ReceiptState::Superseded, format!("replaced by {:.12}", now.id)));
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
                return Ok(receipt(
                    ReceiptState::Confirmed,
                    format!("running, pid {}{}", now.pid, process_text(now.pid)),
                ));
            }
            if clock::now() >= deadline {
                let text = format!("still {}{}", now.status.as_str(), process_text(now.pid));
                return Ok(receipt(ReceiptState::Refuted, text));
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
