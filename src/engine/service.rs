//! What processes inside a lab that serve something have in common: why they cannot, and when they end.

use std::net::SocketAddr;

use tokio::signal::unix::{SignalKind, signal};

/// Why a controller or a broker cannot do its work.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Its address cannot be had.
    #[error("cannot listen at {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// Its plan is none.
    #[error("the plan: {0}")]
    Plan(String),
    /// Nobody takes its journal, or its server broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Ready when the process is asked to end.
pub async fn asked_to_end() {
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
