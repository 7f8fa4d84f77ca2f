//! The hidden half: what runs inside the client host, driven over stdin and stdout.

use tokio::io::{BufReader, stdin, stdout};

use super::args::ClientPart;
use super::{CliError, Exit};
use crate::load::agent;

/// `pgha client …`
pub async fn client(part: ClientPart) -> Result<Exit, CliError> {
    let input = BufReader::new(stdin());
    let outcome = match part {
        ClientPart::Idle => {
            let _ = agent::idle().await;
            return Ok(Exit::Done);
        }
        ClientPart::Load => agent::load(input, stdout()).await,
        ClientPart::Watch => agent::watch(input, stdout()).await,
        ClientPart::FinalRead => agent::final_read(input, stdout()).await,
    };
    outcome.map(|()| Exit::Done).map_err(|error| CliError::usage(error.to_string(), ""))
}
