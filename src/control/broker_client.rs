//! The broker as a controller asks it.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::engine::clock;
use crate::engine::http::{self, HttpError};
use crate::model::control::{Bodies, BrokerAccess, BrokerAnswer, BrokerDeed, BrokerOrder, Token};
use crate::model::scaling::Usages;
use crate::model::sighting::EngineEvent;

/// Longest wait for a look: a little more than the broker itself waits for the engine.
const BROKER_LOOK_TIMEOUT: Duration = Duration::from_millis(2_500);
/// Longest wait for a deed.
const BROKER_DEED_TIMEOUT: Duration = Duration::from_secs(20);

/// A way to the engine.
#[derive(Debug)]
pub struct BrokerClient {
    door: BrokerAccess,
    looks: reqwest::Client,
    deeds: reqwest::Client,
    streams: reqwest::Client,
}

impl BrokerClient {
    /// The broker behind this door.
    #[must_use]
    pub fn new(door: BrokerAccess) -> Self {
        Self {
            door,
            looks: http::client(BROKER_LOOK_TIMEOUT),
            deeds: http::client(BROKER_DEED_TIMEOUT),
            streams: http::endless(),
        }
    }

    /// The lab's bodies as the engine shows them.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn bodies(&self) -> Result<Bodies, HttpError> {
        self.look("bodies").await
    }

    /// What bodies use.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn usage(&self) -> Result<Usages, HttpError> {
        self.look("usage").await
    }

    async fn look<T: DeserializeOwned>(&self, what: &str) -> Result<T, HttpError> {
        let url = self.url(what);
        let asked = self.looks.get(&url).bearer_auth(&self.door.secret);
        let (status, text) = http::exchange(&url, asked).await?;
        if status == 200 { http::json(&url, &text) } else { Err(http::unexpected(&url, status, &text)) }
    }

    /// Has a deed done, within the time the broker is waited for.
    ///
    /// # Errors
    /// [`HttpError`]; after silence the effect is open.
    pub async fn order(&self, deed: BrokerDeed, token: &Token) -> Result<BrokerAnswer, HttpError> {
        self.send(&BrokerOrder {
            token: token.clone(),
            deadline: clock::now().plus(BROKER_DEED_TIMEOUT),
            deed,
        })
        .await
    }

    /// Sends an order as it is.
    ///
    /// # Errors
    /// [`HttpError`]; after silence the effect is open.
    pub async fn send(&self, order: &BrokerOrder) -> Result<BrokerAnswer, HttpError> {
        let url = self.url("orders");
        let asked = self.deeds.post(&url).bearer_auth(&self.door.secret).json(order);
        let (status, text) = http::exchange(&url, asked).await?;
        if status == 200 { http::json(&url, &text) } else { Err(http::unexpected(&url, status, &text)) }
    }

    /// Events of the engine, each handed to `heard`, until the stream ends; `heard` is also called when it
    /// begins, because what happened before was not told.
    ///
    /// # Errors
    /// [`HttpError`]: why it ended.
    pub async fn events(&self, mut heard: impl FnMut(Option<EngineEvent>)) -> Result<(), HttpError> {
        let url = self.url("events");
        let asked = self.streams.get(&url).bearer_auth(&self.door.secret);
        let mut answer = asked.send().await.map_err(|error| http::silent(&url, &error))?;
        let status = answer.status().as_u16();
        if status != 200 {
            return Err(http::unexpected(&url, status, ""));
        }
        let mut rest = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| http::silent(&url, &error))? {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                heard(serde_json::from_slice(&line).ok());
            }
        }
        Ok(())
    }

    fn url(&self, what: &str) -> String {
        format!("http://{}/v1/{what}", self.door.address)
    }
}
