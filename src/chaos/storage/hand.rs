//! The helper that stands beside a victim while its disk is faulty: the volume at `/disk`, named
//! capabilities, no network. It is started before the intent, so that the deed is one `exec`, and
//! named after fault and victim, so that another process finds it. It carries the lab's label.

use std::time::Duration;

use crate::chaos::family::{Scene, Victim};
use crate::engine::clock;
use crate::engine::docker::{EngineError, ExecOutput, Helper};
use crate::lab::names;
use crate::model::{ContainerStatus, FaultTarget};

/// Longest that one script may take: none does more than a few system calls.
const SCRIPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Helper of `fault` on `victim`'s disk.
#[derive(Clone, Copy, Debug)]
pub struct Hand<'a> {
    scene: &'a Scene<'a>,
    fault: &'a str,
    victim: &'a FaultTarget,
}

/// The volume of a member's data.
pub fn volume(lab: &str, member: &str) -> String {
    format!("{}-data", names::container(lab, member))
}

impl<'a> Hand<'a> {
    /// The helper of `fault` on `victim`'s disk, started or not.
    pub const fn of(scene: &'a Scene<'a>, fault: &'a str, victim: &'a FaultTarget) -> Self {
        Self { scene, fault, victim }
    }

    fn name(&self) -> String {
        let lab = self.scene.record.spec.name.as_str();
        names::container(lab, &format!("{}{}-{}", names::DISK_HELPER, self.fault, self.victim))
    }

    /// Starts it; one that runs already stays.
    pub async fn start(&self) -> Result<(), String> {
        let docker = self.scene.docker;
        let name = self.name();
        match docker.inspect(&name).await {
            Ok(found) if found.status == ContainerStatus::Running => return Ok(()),
            Ok(_) => docker.remove_container(&name).await.map_err(|error| error.to_string())?,
            Err(EngineError::NotFound(_)) => {}
            Err(error) => return Err(error.to_string()),
        }
        let lab = self.scene.record.spec.name.as_str();
        let helper = Helper {
            lab: lab.to_owned(),
            image: docker.helper_image(lab).await.map_err(|error| error.to_string())?,
            // somebody must collect what outlives its script
            command: ["tini", "--", "sleep", "infinity"].map(str::to_owned).to_vec(),
            capabilities: vec!["SYS_ADMIN", "DAC_OVERRIDE"],
            binds: vec![
                format!("{}:/disk", volume(lab, self.victim.as_str())),
                "/sys/fs/cgroup:/cgroup".to_owned(),
            ],
            ..Helper::default()
        };
        docker.start_helper(&name, &helper).await.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Runs a script in it, starting it when it is not there; what it printed.
    pub async fn run(&self, script: &str, words: &[&str]) -> Result<String, String> {
        let again = match self.exec(script, words).await {
            Err(EngineError::NotFound(_) | EngineError::Conflict(_)) => {
                self.start().await?;
                self.exec(script, words).await
            }
            answered => answered,
        };
        let done = again.map_err(|error| error.to_string())?;
        printed(&done)
    }

    async fn exec(&self, script: &str, words: &[&str]) -> Result<ExecOutput, EngineError> {
        exec(self.scene, &self.name(), script, words).await
    }

    /// Removes it; one that is gone is fine.
    pub async fn remove(&self) -> Result<(), String> {
        self.scene.docker.remove_container(&self.name()).await.map_err(|error| error.to_string())
    }
}

/// Removes the helpers of a fault that is refused: it is never healed, so nobody else would.
pub async fn remove_all(scene: &Scene<'_>, fault: &str, victims: &[Victim]) -> Result<(), String> {
    for victim in victims {
        Hand::of(scene, fault, &victim.hit).remove().await?;
    }
    Ok(())
}

/// Runs a script in a body, under its own user and in its own cgroup.
pub async fn in_body(
    scene: &Scene<'_>,
    container: &str,
    script: &str,
    words: &[&str],
) -> Result<String, String> {
    printed(&exec(scene, container, script, words).await.map_err(|error| error.to_string())?)
}

async fn exec(
    scene: &Scene<'_>,
    container: &str,
    script: &str,
    words: &[&str],
) -> Result<ExecOutput, EngineError> {
    let command: Vec<String> =
        ["sh", "-c", script, "disk"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    match clock::timeout(SCRIPT_TIMEOUT, scene.docker.exec(container, &command)).await {
        Ok(done) => done,
        Err(_) => Err(EngineError::Timeout(format!("a script in {container}"))),
    }
}

fn printed(done: &ExecOutput) -> Result<String, String> {
    if done.code == 0 {
        return Ok(done.stdout.trim().to_owned());
    }
    let said = if done.stderr.trim().is_empty() { done.stdout.trim() } else { done.stderr.trim() };
    Err(format!("the script ended with {}: {said}", done.code))
}
