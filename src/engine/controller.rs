//! A controller as anybody asks it: `GET /status` and `GET /healthz`, which every controller serves.

use std::net::SocketAddr;
use std::time::Duration;

use super::http::{self, HttpError};
use crate::model::control::ControllerStatus;

/// One replica of a controller.
#[derive(Clone, Debug)]
pub struct ControllerClient {
    address: SocketAddr,
    http: reqwest::Client,
}

impl ControllerClient {
    /// The replica that serves at `address`; each call ends after `limit`.
    #[must_use]
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { address, http: http::client(limit) }
    }

    /// Where it serves.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it says that it is well.
    ///
    /// # Errors
    /// [`HttpError`]: it does not answer, or says that it is not.
    pub async fn is_well(&self) -> Result<(), HttpError> {
        let url = format!("http://{}/healthz", self.address);
        match http::exchange(&url, self.http.get(&url)).await? {
            (200, _) => Ok(()),
            (status, body) => Err(http::unexpected(&url, status, &body)),
        }
    }

    /// What it says of its work.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn status(&self) -> Result<ControllerStatus, HttpError> {
        let url = format!("http://{}/status", self.address);
        let (status, body) = http::exchange(&url, self.http.get(&url)).await?;
        if status == 200 { http::json(&url, &body) } else { Err(http::unexpected(&url, status, &body)) }
    }
}
