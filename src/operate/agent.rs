//! The hidden subcommand: a plan comes in as one line of JSON, the outcome goes out as one.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};

use super::verbs;
use crate::model::plan::OperatePlan;

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The plan did not come, or cannot be read.
    #[error("no plan for an operator's verb: {0}")]
    NoPlan(String),
    /// Nobody reads the outcome.
    #[error("nobody reads the output: {0}")]
    Output(#[from] std::io::Error),
}

/// Carries a plan out.
///
/// # Errors
/// [`AgentError`]; what Patroni refuses is an outcome, no error.
pub async fn run<R, W>(input: R, mut output: W) -> Result<(), AgentError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let line = input.lines().next_line().await.map_err(|error| AgentError::NoPlan(error.to_string()))?;
    let line = line.ok_or_else(|| AgentError::NoPlan("it ended".to_owned()))?;
    // the text of a plan holds a password: the error names the place and what was wrong, no more
    let plan: OperatePlan =
        serde_json::from_str(&line).map_err(|error| AgentError::NoPlan(error.to_string()))?;
    let outcome = verbs::carry_out(&plan).await;
    let mut text = serde_json::to_vec(&outcome).map_err(|error| AgentError::NoPlan(error.to_string()))?;
    text.push(b'\n');
    output.write_all(&text).await?;
    Ok(output.flush().await?)
}

#[cfg(test)]
mod tests {
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn what_is_no_plan_is_refused_without_showing_it() {
        let text = "{\"operation\":\"dance\",\"login\":{\"password\":\"s3cret\"}}\n";
        let error = run(BufReader::new(text.as_bytes()), Vec::new()).await.expect_err("no plan");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[tokio::test]
    async fn nobody_to_ask_is_an_outcome() {
        let text = r#"{"operation":{"maintenance":{"on":true}},"rest":{},"login":{"user":"u","password":"p","database":""},"lab":"lab","timeout":"1s"}"#;
        let mut output = Vec::new();
        run(BufReader::new(format!("{text}\n").as_bytes()), &mut output).await.expect("an outcome");
        let text = String::from_utf8(output).expect("text");
        assert!(text.contains("\"done\":false"), "{text}");
    }
}
