//! A controller as anybody asks it: `GET /status`, which every controller serves.

use std::net::SocketAddr;
use std::time::Duration;

use super::http::{self, HttpError};
use crate::model::control::ControllerStatus;

/// One replica of a controller.
#[derive(Clone, Debug)]
pub struct Controller {
    url: String,
    http: reqwest::Client,
}

impl Controller {
    /// The replica that serves at `address`; each call ends after `limit`.
    #[must_use]
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { url: format!("http://{address}/status"), http: http::client(limit) }
    }

    /// What it says of its work.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn status(&self) -> Result<ControllerStatus, HttpError> {
        let (status, body) = http::exchange(&self.url, self.http.get(&self.url)).await?;
        if status == 200 {
            http::json(&self.url, &body)
        } else {
            Err(http::unexpected(&self.url, status, &body))
        }
    }
}
