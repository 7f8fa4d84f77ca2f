//! Somebody asks a run to stop.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::CliError;

/// What is said when somebody asks a run to stop.
pub const INTERRUPTED: &str = "interrupted: healing, then judging what there is; this takes a moment";

/// Becomes true at the first Ctrl-C or SIGTERM, or when a view is told to stop what it shows.
pub fn interrupts() -> Result<Arc<watch::Sender<bool>>, CliError> {
    let asked = Arc::new(watch::Sender::new(false));
    let failed = |error: std::io::Error| CliError::usage(format!("signals cannot be handled: {error}"), "");
    let mut int = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    let by_signal = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = int.recv() => {}
                _ = term.recv() => {}
            }
            eprintln!("{INTERRUPTED}");
            by_signal.send_replace(true);
        }
    });
    Ok(asked)
}
