//! The hidden half: what runs inside the client host, driven over stdin and stdout.

use tokio::io::{BufReader, stdin, stdout};

use super::args::ClientPart;
use super::{CliError, Exit};
use crate::load::{agent, late_packets, storm};
use crate::operate;

/// `pgha client …`
pub async fn client(part: ClientPart, plan: Option<&str>) -> Result<Exit, CliError> {
    let input = BufReader::new(stdin());
    let outcome = match part {
        ClientPart::Idle => {
            let _ = agent::idle().await;
            return Ok(Exit::Done);
        }
        ClientPart::Load => agent::load(input, stdout()).await,
        ClientPart::Watch => agent::watch(input, stdout()).await,
        ClientPart::Late => {
            let plan = serde_json::from_str(plan.unwrap_or_default())
                .map_err(|error| CliError::usage(format!("`--plan`: {error}"), ""))?;
            return late_packets::run(&plan)
                .await
                .map(|()| Exit::Done)
                .map_err(|error| CliError::usage(format!("queue {}: {error}", plan.queue), ""));
        }
        ClientPart::FinalRead => agent::final_read(input, stdout()).await,
        ClientPart::Storm => storm::storm(input, stdout()).await,
        ClientPart::Operate => {
            let done = operate::agent::run(input, stdout()).await;
            return done.map(|()| Exit::Done).map_err(|error| CliError::usage(error.to_string(), ""));
        }
    };
    outcome.map(|()| Exit::Done).map_err(|error| CliError::usage(error.to_string(), ""))
}
