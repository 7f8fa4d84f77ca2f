//! The little that Patroni's REST, etcd's gateway and HAProxy's statistics have in common: one
//! HTTP client without proxies or pools of long life, one error with its cause spelled out.

use std::error::Error as _;
use std::time::Duration;

use serde::de::DeserializeOwned;

/// Why an HTTP call gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// No connection, no answer in time, or the connection broke.
    #[error("{url}: {cause}")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// Every cause, outermost first.
        cause: String,
    },
    /// An answer with a status that was not expected.
    #[error("{url}: status {status}: {body}")]
    Status {
        /// What was asked.
        url: String,
        /// Status code of HTTP.
        status: u16,
        /// The first 200 characters of the body.
        body: String,
    },
    /// An answer that is not shaped as documented.
    #[error("{url}: the answer is not as documented: {problem}")]
    Shape {
        /// What was asked.
        url: String,
        /// What does not fit.
        problem: String,
    },
}

/// A client whose every call ends after `limit`. It honours no proxy variables: members of a lab
/// are never behind one.
#[must_use]
pub fn client(limit: Duration) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(limit)
        .timeout(limit)
        .tcp_nodelay(true)
        .build()
        // building fails only for TLS back ends and resolvers, and none is compiled in
        .unwrap_or_default()
}

/// A client for streams that last: only the connection has a time limit.
#[must_use]
pub fn endless() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .tcp_nodelay(true)
        .build()
        // as above
        .unwrap_or_default()
}

/// The error of a request that was not answered.
#[must_use]
pub fn silent(url: &str, error: &reqwest::Error) -> HttpError {
    HttpError::NoAnswer { url: url.to_owned(), cause: causes(error) }
}

/// Sends `request` and returns status and body.
///
/// # Errors
/// [`HttpError::NoAnswer`].
pub async fn exchange(url: &str, request: reqwest::RequestBuilder) -> Result<(u16, String), HttpError> {
    let answer = request.send().await.map_err(|e| silent(url, &e))?;
    let status = answer.status().as_u16();
    let body = answer.text().await.map_err(|e| silent(url, &e))?;
    Ok((status, body))
}

/// Reads `body` as JSON.
///
/// # Errors
/// [`HttpError::Shape`].
pub fn json<T: DeserializeOwned>(url: &str, body: &str) -> Result<T, HttpError> {
    serde_json::from_str(body).map_err(|e| HttpError::Shape { url: url.to_owned(), problem: e.to_string() })
}

/// An answer whose status is not the wanted one.
#[must_use]
pub fn unexpected(url: &str, status: u16, body: &str) -> HttpError {
    HttpError::Status { url: url.to_owned(), status, body: body.trim().chars().take(200).collect() }
}

fn causes(error: &reqwest::Error) -> String {
    // the outermost text repeats the address, the causes below it say what happened
    let mut texts = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        cause = inner.source();
    }
    if error.is_timeout() && texts.is_empty() {
        texts.push("timed out".to_owned());
    }
    if texts.is_empty() { error.to_string() } else { texts.join(": ") }
}
