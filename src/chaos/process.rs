//! Faults on one process: `freeze` (SIGSTOP), `crash` (SIGKILL), and `kill` by a process on the
//! machine, after which the engine's restart policies act.
//!
//! A process is looked for in the body's own table, and remembered by its number and its start: a
//! number alone may belong to somebody else by the time of the heal. From inside nobody can stop or
//! kill the first process of a body; for that one the engine sends SIGSTOP and SIGCONT. Whatever restart policies must
//! see comes from the machine: from this program where it may send it, from a helper's body elsewhere.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::body::{bite, run_again, runs, stops};
use super::family::{Family, Scene, Victim, VictimSeen};
use super::table::{self, ProcessEntry};
use crate::engine::docker::{Docker, Helper};
use crate::engine::{clock, process_table};
use crate::lab::reach;
use crate::lab::record::LabRecord;
use crate::model::scenario::{BodyVerb, Process, ProcessVerb};
use crate::model::{ContainerStatus, FaultRecord};

const MACHINE_PROCESSES: &str = "process table of the machine";
const BODY_PROCESSES: &str = "process table inside the body";
/// Under this key the notes keep which process of which victim was hit.
const PROCESSES_NOTE: &str = "processes";

/// Longest wait for a body to end after the process it lives by.
const END_PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two looks at it.
const PROCESS_LOOK_PAUSE: Duration = Duration::from_millis(50);
/// So many looks without a trace of the process, with the body running: it runs anew.
const LOOKS_TO_TRUST: u32 = 10;

/// One process of a body.
#[derive(Clone, Copy, Debug)]
pub struct Processes<'a>(pub ProcessVerb<'a>);

/// A process as it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    pid: u32,
    started: u64,
}

#[async_trait]
impl Family for Processes<'_> {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        let (ProcessVerb::Freeze(process) | ProcessVerb::Crash(process)) = self.0 else {
            return Ok(());
        };
        let mut found = serde_json::Map::new();
        for victim in victims {
            let entry = find(scene, victim, process).await?;
            found.insert(victim.hit.to_string(), json!({ "pid": entry.pid, "started": entry.started }));
        }
        fault.notes.insert(PROCESSES_NOTE.to_owned(), Value::Object(found));
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        match self.0 {
            ProcessVerb::Kill { signal } => {
                signal_on_machine(scene.docker, scene.record, victim, signal.trim_start_matches("SIG")).await
            }
            ProcessVerb::Freeze(_) => stop_or_go(scene, victim, noted(fault, victim)?, "STOP").await,
            ProcessVerb::Crash(_) => match noted(fault, victim)? {
                Found { pid: 1, .. } => signal_on_machine(scene.docker, scene.record, victim, "KILL").await,
                found => signal_inside(scene, victim, found.pid, "KILL").await,
            },
        }
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        if let ProcessVerb::Kill { signal } = self.0 {
            return match scene.docker.inspect(&victim.container.id).await {
                Err(error) => VictimSeen::new(false, "engine inspect", error.to_string()),
                Ok(now) => {
                    let (bit, text) = bite(BodyVerb::Kill { signal }, &victim.container, &now);
                    VictimSeen::new(bit, "engine inspect, process table", text)
                }
            };
        }
        let frozen = matches!(self.0, ProcessVerb::Freeze(_));
        match look(scene, fault, victim).await {
            Err(why) => VictimSeen::new(false, BODY_PROCESSES, why),
            Ok((state, source, text)) => {
                VictimSeen::new(if frozen { state == Some('T') } else { gone(state) }, source, text)
            }
        }
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        match self.0 {
            ProcessVerb::Freeze(_) => match look(scene, fault, victim).await? {
                (Some('T'), ..) => stop_or_go(scene, victim, noted(fault, victim)?, "CONT").await,
                _ => Ok(()),
            },
            ProcessVerb::Kill { signal } if stops(signal) => {
                scene.docker.kill(&victim.container.id, "CONT").await.map_err(|error| error.to_string())
            }
            ProcessVerb::Crash(Process::Patroni | Process::Etcd | Process::Haproxy | Process::Controller) => {
                ended(scene, fault, victim).await?;
                run_again(scene, victim).await.map_err(|error| error.to_string())
            }
            ProcessVerb::Crash(Process::Postmaster | Process::Walreceiver | Process::Backend)
            | ProcessVerb::Kill { .. } => run_again(scene, victim).await.map_err(|error| error.to_string()),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        if !matches!(self.0, ProcessVerb::Freeze(_)) {
            return runs(scene, victim).await;
        }
        match look(scene, fault, victim).await {
            Err(why) => VictimSeen::new(false, BODY_PROCESSES, why),
            Ok((state, source, text)) => VictimSeen::new(state != Some('T'), source, text),
        }
    }
}

/// Waits until the body of a crashed first process has ended, too, or runs anew: the engine calls it running
/// for a moment longer, and what seems to run is started by nobody.
async fn ended(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
    let deadline = clock::now().plus(END_PATIENCE);
    let mut quiet = 0;
    while quiet < LOOKS_TO_TRUST && clock::now() < deadline {
        let now = scene.docker.inspect(&victim.container.id).await.map_err(|error| error.to_string())?;
        if now.status != ContainerStatus::Running {
            return Ok(());
        }
        // a body that was started again has no trace of the process; one that is ending still may, and one that
        // has ended since the line before cannot be looked into: the next look at the engine says so
        let trace = look(scene, fault, victim).await;
        quiet = if matches!(trace, Ok((None, ..))) { quiet + 1 } else { 0 };
        clock::sleep(PROCESS_LOOK_PAUSE).await;
    }
    Ok(())
}

const fn gone(state: Option<char>) -> bool {
    matches!(state, None | Some('Z'))
}

/// Whether a process on the machine may signal a body's: what `kill {by = "process"}` and a `crash` of
/// a body's first process need.
///
/// # Errors
/// Why not, as a sentence.
pub async fn can_signal(docker: &Docker, lab: &str, image: &str) -> Result<(), String> {
    on_machine(docker, lab, image, 1, "0").await.map_err(|why| {
        format!("a helper that sees the machine's processes cannot signal them ({why}): `kill` with by = \"process\" and `crash` of etcd and haproxy need one")
    })
}

async fn signal_on_machine(
    docker: &Docker,
    record: &LabRecord,
    victim: &Victim,
    signal: &str,
) -> Result<(), String> {
    let body = &victim.container;
    if body.pid == 0 {
        return Err(format!("it is {}: there is no process", body.status.as_str()));
    }
    // to make and remove a helper costs the engine time right beside what is measured: only where there must be one
    match process_table::signal_first(&body.id, body.pid, signal) {
        Some(sent) => sent.map_err(|error| format!("process {}: {error}", body.pid)),
        None => on_machine(docker, record.spec.name.as_str(), &body.image, body.pid, signal).await,
    }
}

async fn on_machine(docker: &Docker, lab: &str, image: &str, pid: u32, signal: &str) -> Result<(), String> {
    let helper = Helper {
        lab: lab.to_owned(),
        image: image.to_owned(),
        command: kill_command(pid, signal),
        capabilities: vec!["KILL"],
        machine_processes: true,
        ..Helper::default()
    };
    match docker.help(&helper).await {
        Ok((0, _)) => Ok(()),
        Ok((code, said)) => Err(format!("the helper ended with {code}: {}", said.trim())),
        Err(error) => Err(error.to_string()),
    }
}

/// The shell's own `kill`: images have no program of that name.
fn kill_command(pid: u32, signal: &str) -> Vec<String> {
    ["/bin/sh", "-c", "kill -s \"$2\" \"$1\"", "sh", &pid.to_string(), signal].map(str::to_owned).to_vec()
}

async fn signal_inside(scene: &Scene<'_>, victim: &Victim, pid: u32, signal: &str) -> Result<(), String> {
    let said = scene.docker.exec(&victim.container.id, &kill_command(pid, signal)).await;
    match said {
        Ok(said) if said.code == 0 => Ok(()),
        Ok(said) => Err(said.stderr.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

async fn stop_or_go(scene: &Scene<'_>, victim: &Victim, found: Found, signal: &str) -> Result<(), String> {
    if found.pid == 1 {
        return scene.docker.kill(&victim.container.id, signal).await.map_err(|error| error.to_string());
    }
    signal_inside(scene, victim, found.pid, signal).await
}

/// The processes of a body, as it sees them itself.
pub(super) async fn processes(docker: &Docker, container: &str) -> Result<Vec<ProcessEntry>, String> {
    let command = ["/bin/sh", "-c", table::PRINT_PROCESSES].map(str::to_owned);
    match docker.exec(container, &command).await {
        Ok(said) => Ok(table::parse(&said.stdout)),
        Err(error) => Err(error.to_string()),
    }
}

async fn find(scene: &Scene<'_>, victim: &Victim, which: Process) -> Result<ProcessEntry, String> {
    let body = &victim.container;
    if body.status != ContainerStatus::Running {
        return Err(format!("{} is {}: none of its processes can be hit", victim.hit, body.status.as_str()));
    }
    let table = processes(scene.docker, &body.id).await?;
    let scope = scene.record.spec.name.as_str();
    let application = reach::application(scene.record).user;
    table::pick(&table, which, scope, &application)
        .cloned()
        .ok_or_else(|| format!("{} has no process of that sort: {}", victim.hit, whose(which)))
}

/// Where a process is to be found, for people.
const fn whose(which: Process) -> &'static str {
    match which {
        Process::Patroni | Process::Postmaster => "members of postgres have one, while PostgreSQL runs",
        Process::Walreceiver => "a replica has one, while it streams",
        Process::Backend => "an instance has one for every connection of the application; a load must be on",
        Process::Etcd => "members of etcd have one",
        Process::Haproxy => "balancers have one",
        Process::Controller => "controllers of pgha's own image have one",
    }
}

fn noted(fault: &FaultRecord, victim: &Victim) -> Result<Found, String> {
    let note = fault.notes.get(PROCESSES_NOTE).and_then(|all| all.get(victim.hit.as_str()));
    let number = |key: &str| note.and_then(|note| note.get(key)).and_then(Value::as_u64);
    match (number("pid").and_then(|pid| u32::try_from(pid).ok()), number("started")) {
        (Some(pid), Some(started)) => Ok(Found { pid, started }),
        _ => Err(format!("the fault's record does not say which process of {} was hit", victim.hit)),
    }
}

/// State of the process that was hit, where that was read, and both in words; no state when it is gone.
async fn look(
    scene: &Scene<'_>,
    fault: &FaultRecord,
    victim: &Victim,
) -> Result<(Option<char>, &'static str, String), String> {
    let found = noted(fault, victim)?;
    let id = victim.container.id.as_str();
    let now = scene.docker.inspect(id).await.map_err(|error| error.to_string())?;
    if !matches!(now.status, ContainerStatus::Running | ContainerStatus::Paused) {
        return Ok((None, "engine inspect", format!("the body is {}", now.status.as_str())));
    }
    let (state, source) = if process_table::inside(id, 1).is_some() {
        let seen = process_table::inside(id, found.pid)
            .filter(|pid| process_table::started(*pid) == Some(found.started));
        (seen.and_then(process_table::state), MACHINE_PROCESSES)
    } else {
        let table = processes(scene.docker, id).await?;
        let same = table.iter().find(|entry| entry.pid == found.pid && entry.started == found.started);
        (same.map(|entry| entry.state), BODY_PROCESSES)
    };
    let name = format!("process {} started at tick {}", found.pid, found.started);
    let text = state.map_or_else(|| format!("{name} is gone"), |state| format!("{name} is in state {state}"));
    Ok((state, source, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_or_vanished_process_is_gone_and_a_stopped_one_is_not() {
        assert!(gone(None) && gone(Some('Z')));
        assert!(!gone(Some('T')) && !gone(Some('S')));
    }

    #[test]
    fn no_word_of_a_scenario_becomes_shell() {
        let command = kill_command(7, "KILL; rm -rf /");
        assert_eq!(command[2], "kill -s \"$2\" \"$1\"");
        assert_eq!(command[5], "KILL; rm -rf /");
    }
}
