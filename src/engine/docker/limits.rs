//! What a running body is given: its limits changed live, a program started beside its own, a file
//! replaced, running or not.

use bollard::exec::StartExecOptions;
use bollard::models::{ContainerUpdateBody, ExecConfig, RestartPolicy, RestartPolicyNameEnum};

use super::bodies::archive;
use super::connection::{Docker, EngineResult};
use crate::engine::engine_error::EngineError;
use crate::model::{BodyFile, Bytes};

impl Docker {
    /// Changes what a container may use; what is `None` stays as it is.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when the kernel does not take it, for example a limit below the memory in use.
    pub async fn limit(&self, container: &str, cpus: Option<f64>, memory: Option<Bytes>) -> EngineResult<()> {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "cores are small numbers, billionths of one fit i64"
        )]
        let nano_cpus = cpus.map(|cpus| (cpus * 1e9) as i64);
        let memory = memory.and_then(|memory| i64::try_from(memory.0).ok());
        // swap moves with it: a limit that can be swapped around is none
        let change =
            ContainerUpdateBody { nano_cpus, memory, memory_swap: memory, ..ContainerUpdateBody::default() };
        self.api.update_container(container, change).await?;
        Ok(())
    }

    /// The engine never starts this container again by itself.
    ///
    /// # Errors
    /// When the container does not exist.
    pub async fn never_restart(&self, container: &str) -> EngineResult<()> {
        let policy = RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None };
        let change = ContainerUpdateBody { restart_policy: Some(policy), ..ContainerUpdateBody::default() };
        self.api.update_container(container, change).await?;
        Ok(())
    }

    /// Starts a program in a running container and leaves it alone: it lives as long as it wants, or
    /// as the container does.
    ///
    /// # Errors
    /// When the container does not run or the program cannot be started.
    pub async fn exec_alone(&self, container: &str, command: &[String]) -> EngineResult<()> {
        let config = ExecConfig { cmd: Some(command.to_vec()), ..ExecConfig::default() };
        let created = self.api.create_exec(container, config).await?;
        let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
        self.api.start_exec(&created.id, Some(options)).await?;
        Ok(())
    }

    /// Replaces one file in a volume of a container, running or not.
    ///
    /// # Errors
    /// When the container does not exist, or its directory does not.
    pub async fn write_file(&self, container: &str, file: &BodyFile) -> EngineResult<()> {
        let (directory, _) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let tar = archive(&[file], directory).map_err(|error| EngineError::Refused(error.to_string()))?;
        self.upload(container, directory, tar).await
    }
}
