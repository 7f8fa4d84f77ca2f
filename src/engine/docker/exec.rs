//! Running a program inside a body: once with its output, or as a conversation over stdin and stdout.

use std::pin::Pin;

use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::connection::{Docker, EngineResult};
use crate::engine::engine_error::EngineError;

/// What a program printed and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutput {
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Exit code.
    pub code: i64,
}

/// A running program: lines go in, chunks come out. Dropping it closes the program's stdin.
pub struct ExecStream {
    docker: Docker,
    id: String,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    output: Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    rest: BytesMut,
    errors: Vec<u8>,
}

impl std::fmt::Debug for ExecStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ExecStream({})", self.id)
    }
}

/// Most of a program's stderr that is kept for an error message.
const STDERR_KEPT: usize = 16 * 1024;

impl ExecStream {
    /// Sends one line to the program.
    ///
    /// # Errors
    /// When the program has gone.
    pub async fn send_line(&mut self, line: &str) -> EngineResult<()> {
        let gone = |error: std::io::Error| EngineError::Refused(format!("writing to the program: {error}"));
        self.input.write_all(line.as_bytes()).await.map_err(gone)?;
        self.input.write_all(b"\n").await.map_err(gone)?;
        self.input.flush().await.map_err(gone)
    }

    /// Closes the program's stdin.
    pub async fn close_input(&mut self) {
        // it may have ended by itself, then there is nothing to close
        let _ = self.input.shutdown().await;
    }

    /// The next whole line of stdout; `None` when the program has closed it.
    ///
    /// # Errors
    /// When the engine breaks the stream.
    pub async fn next_line(&mut self) -> EngineResult<Option<String>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line = self.rest.split_to(end + 1);
                return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
            }
            match self.output.next().await {
                None => {
                    // a torn last line is handed on: the reader knows how to judge it
                    let rest = std::mem::take(&mut self.rest);
                    return Ok((!rest.is_empty()).then(|| String::from_utf8_lossy(&rest).into_owned()));
                }
                Some(Ok(LogOutput::StdErr { message })) => {
                    let room = STDERR_KEPT.saturating_sub(self.errors.len());
                    self.errors.extend_from_slice(&message[..message.len().min(room)]);
                }
                Some(Ok(chunk)) => self.rest.extend_from_slice(chunk.as_ref()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    /// What it wrote to stderr so far (the beginning of it).
    #[must_use]
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.errors).into_owned()
    }

    /// Exit code, once it has ended.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn exit_code(&self) -> EngineResult<Option<i64>> {
        self.docker.exit_of(&self.id).await
    }
}

impl Docker {
    async fn exit_of(&self, exec: &str) -> EngineResult<Option<i64>> {
        let found = self.api.inspect_exec(exec).await?;
        Ok(if found.running == Some(true) { None } else { found.exit_code })
    }

    /// Starts a program in a running container with stdin and stdout attached.
    ///
    /// # Errors
    /// When the container does not run or the program cannot be started.
    pub async fn exec_stream(&self, container: &str, command: &[String]) -> EngineResult<ExecStream> {
        let config = ExecConfig {
            cmd: Some(command.to_vec()),
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..ExecConfig::default()
        };
        let created = self.api.create_exec(container, config).await?;
        match self.api.start_exec(&created.id, None).await? {
            StartExecResults::Attached { output, input } => Ok(ExecStream {
                docker: self.clone(),
                id: created.id,
                input,
                output,
                rest: BytesMut::new(),
                errors: Vec::new(),
            }),
            StartExecResults::Detached => {
                Err(EngineError::Refused("the engine detached the program".to_owned()))
            }
        }
    }

    /// Runs a program in a running container without input and waits for its end.
    ///
    /// # Errors
    /// When the container does not run or the program cannot be started. A non-zero exit is no error here.
    pub async fn exec(&self, container: &str, command: &[String]) -> EngineResult<ExecOutput> {
        let mut stream = self.exec_stream(container, command).await?;
        stream.close_input().await;
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = stream.output.next().await {
            match chunk? {
                LogOutput::StdErr { message } => stderr.extend_from_slice(&message),
                other => stdout.extend_from_slice(other.as_ref()),
            }
        }
        // by its id: a stream may move between threads, but not be looked at from two
        let id = std::mem::take(&mut stream.id);
        drop(stream);
        let code = self.api.inspect_exec(&id).await?.exit_code.unwrap_or(-1);
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(ExecOutput { stdout: text(stdout), stderr: text(stderr), code })
    }
}
