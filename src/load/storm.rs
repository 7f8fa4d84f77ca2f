//! A storm of connections: so many are opened at once and held, those that are refused or lost are
//! tried again, until the storm's file is gone. It does not care who started it, and outlives them:
//! whoever removes the file ends it.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

use super::agent::ClientHostError;
use crate::engine::clock;
use crate::engine::postgres::Session;
use crate::model::plan::StormPlan;

/// What `pg_stat_activity` shows of a storm.
pub const APPLICATION: &str = "pgha-storm";
/// Pause before a connection that was refused or lost is tried again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(250);
/// Pause between two looks for the file.
const FILE_LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Holds the connections of a [`StormPlan`]; says `{"tried":<count>}` when each was tried once.
///
/// # Errors
/// [`ClientHostError`]; a connection that is refused is none.
pub async fn storm<R, W>(input: R, mut output: W) -> Result<(), ClientHostError>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let line = input.lines().next_line().await.map_err(|error| ClientHostError::NoPlan(error.to_string()))?;
    let line = line.ok_or_else(|| ClientHostError::NoPlan("it ended".to_owned()))?;
    let plan: StormPlan =
        serde_json::from_str(&line).map_err(|error| ClientHostError::BadPlan(error.to_string()))?;
    File::create(&plan.until_gone)?;
    let plan = Arc::new(plan);
    let tried = Arc::new(AtomicU32::new(0));
    let mut connections = JoinSet::new();
    for _ in 0..plan.count {
        connections.spawn(hold(Arc::clone(&plan), Arc::clone(&tried)));
    }
    let mut told = false;
    while there(&plan.until_gone) {
        if !told && tried.load(Ordering::SeqCst) >= plan.count {
            told = true;
            // whoever started it may be gone: the storm goes on
            let _ = output.write_all(format!("{{\"tried\":{}}}\n", plan.count).as_bytes()).await;
            let _ = output.flush().await;
        }
        clock::sleep(FILE_LOOK_PAUSE).await;
    }
    connections.abort_all();
    Ok(())
}

fn there(file: &Path) -> bool {
    file.exists()
}

async fn hold(plan: Arc<StormPlan>, tried: Arc<AtomicU32>) {
    let mut first = true;
    loop {
        let session = Session::connect(plan.to, &plan.credentials, APPLICATION, plan.timeout.0).await;
        if std::mem::take(&mut first) {
            tried.fetch_add(1, Ordering::SeqCst);
        }
        if let Ok(session) = session {
            while !session.is_closed() {
                clock::sleep(RECONNECT_PAUSE).await;
            }
        }
        clock::sleep(RECONNECT_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tokio::io::BufReader;
    use tokio::net::TcpListener;

    use super::*;

    fn plan(to: std::net::SocketAddr, file: &Path, count: u32) -> String {
        format!(
            r#"{{"to":"{to}","count":{count},"credentials":{{"user":"pgha","password":"s3cret","database":"pgha"}},"timeout":"5s","until-gone":"{}"}}"#,
            file.display()
        )
    }

    #[tokio::test]
    async fn a_storm_lasts_as_long_as_its_file() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let to = listener.local_addr().expect("an address");
        let dir = tempfile::tempdir().expect("a directory");
        let file: PathBuf = dir.path().join("storm");
        let text = format!("{}\n", plan(to, &file, 3));
        let running = tokio::spawn(async move { storm(BufReader::new(text.as_bytes()), Vec::new()).await });
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(listener.accept().await.expect("a connection"));
        }
        assert!(!running.is_finished());
        std::fs::remove_file(&file).expect("its file");
        running.await.expect("no panic").expect("an end in order");
    }

    #[tokio::test]
    async fn what_is_no_plan_is_refused_without_showing_it() {
        let text = "{\"to\":\"127.0.0.1:1\",\"credentials\":{\"password\":\"s3cret\"}}\n";
        let error = storm(BufReader::new(text.as_bytes()), Vec::new()).await.expect_err("no plan");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
