//! One member of etcd: questions, transactions, leases, and what is watched.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::engine::http::{self, HttpError};
use crate::model::Span;

/// One member of the store.
#[derive(Clone, Debug)]
pub struct EtcdMember {
    pub(super) base: String,
    pub(super) http: reqwest::Client,
}

/// A key with its value and the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// Where it stands in etcd.
    pub key: String,
    /// What was written, byte for byte.
    pub value: Vec<u8>,
    /// Revision of the last write.
    pub mod_revision: i64,
    /// The lease it hangs on; 0 without one.
    pub lease: i64,
}

/// What must hold for a transaction to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key has this value.
    Value(String, Vec<u8>),
    /// The key was last written by this revision; 0: it does not exist.
    ModRevision(String, i64),
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreChange {
    /// Writes a key; `lease` 0 for none.
    Put {
        /// Where it is to stand in etcd.
        key: String,
        /// What is to be written, byte for byte.
        value: Vec<u8>,
        /// The lease it shall hang on; 0 for none.
        lease: i64,
    },
    /// Removes a key.
    Delete(String),
}

impl EtcdMember {
    /// The member at `address`; each call ends after `limit`.
    #[must_use]
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { base: format!("http://{address}"), http: http::client(limit) }
    }

    /// One key, linearizably.
    ///
    /// # Errors
    /// [`HttpError`]; without quorum the call times out.
    pub async fn get(&self, key: &str) -> Result<Option<KeyValue>, HttpError> {
        Ok(self.range(json!({ "key": encode(key.as_bytes()) })).await?.pop())
    }

    /// Every key that begins with `prefix`, linearizably, in order.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn list(&self, prefix: &str) -> Result<Vec<KeyValue>, HttpError> {
        let end = encode(&prefix_end(prefix.as_bytes()));
        self.range(json!({ "key": encode(prefix.as_bytes()), "range_end": end })).await
    }

    /// Writes one key; `lease` 0 for none.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn put(&self, key: &str, value: &[u8], lease: i64) -> Result<(), HttpError> {
        let body =
            json!({ "key": encode(key.as_bytes()), "value": encode(value), "lease": lease.to_string() });
        self.post::<Value>("/v3/kv/put", &body).await.map(drop)
    }

    /// Does `changes` at once when every comparison holds; says whether it did.
    ///
    /// # Errors
    /// [`HttpError`]; after a timeout nobody knows whether it happened.
    pub async fn transact(&self, when: &[Compare], changes: &[StoreChange]) -> Result<bool, HttpError> {
        let answer: TxnAnswer = self.post("/v3/kv/txn", &transaction(when, changes)).await?;
        Ok(answer.succeeded)
    }

    /// A new lease of so many seconds; returns its id.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn grant(&self, seconds: u32) -> Result<i64, HttpError> {
        let answer: LeaseGranted =
            self.post("/v3/lease/grant", &json!({ "TTL": seconds.to_string() })).await?;
        Ok(answer.id)
    }

    /// Renews a lease; returns the seconds it now has, 0 when it is gone.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn keep_alive(&self, lease: i64) -> Result<i64, HttpError> {
        let answer: KeptAlive = self.post("/v3/lease/keepalive", &json!({ "ID": lease.to_string() })).await?;
        Ok(answer.result.ttl)
    }

    /// How long ago a lease was renewed, to the second, as the leader of etcd counts; `None`: it is gone. A new leader
    /// of etcd renews them all.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn unrenewed(&self, lease: i64) -> Result<Option<Span>, HttpError> {
        let answer: TimeToLive =
            self.post("/v3/lease/timetolive", &json!({ "ID": lease.to_string() })).await?;
        Ok(answer.unrenewed())
    }

    /// Ends a lease and removes every key on it.
    ///
    /// # Errors
    /// [`HttpError`]; a lease that is gone already is one.
    pub async fn revoke(&self, lease: i64) -> Result<(), HttpError> {
        self.post::<Value>("/v3/lease/revoke", &json!({ "ID": lease.to_string() })).await.map(drop)
    }

    /// Changes of one key from now on, or of every key below one that ends with a slash. The call has no time limit: whoever waits for it bounds it.
    ///
    /// # Errors
    /// [`HttpError`] when the member does not take it.
    pub async fn watch(&self, key: &str) -> Result<Watch, HttpError> {
        let url = format!("{}/v3/watch", self.base);
        let mut request = json!({ "key": encode(key.as_bytes()) });
        if key.ends_with('/') {
            request["range_end"] = json!(encode(&prefix_end(key.as_bytes())));
        }
        let body = json!({ "create_request": request });
        let answer = http::endless().post(&url).json(&body).send().await;
        let answer = answer.map_err(|error| http::silent(&url, &error))?;
        let mut watch = Watch { url, answer };
        // the first message only says that the watch stands
        watch.changed().await?;
        Ok(watch)
    }

    pub(super) async fn range(&self, body: Value) -> Result<Vec<KeyValue>, HttpError> {
        let answer: RangeAnswer = self.post("/v3/kv/range", &body).await?;
        answer.kvs.into_iter().map(|kv| kv.decode(&self.base)).collect()
    }

    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T, HttpError> {
        let url = format!("{}{path}", self.base);
        let (status, text) = http::exchange(&url, self.http.post(&url).json(body)).await?;
        if status == 200 { http::json(&url, &text) } else { Err(http::unexpected(&url, status, &text)) }
    }
}

/// A standing question for the changes of a key.
#[derive(Debug)]
pub struct Watch {
    url: String,
    answer: reqwest::Response,
}

impl Watch {
    /// Waits for the next message: something changed.
    ///
    /// # Errors
    /// [`HttpError`] when the member ended the watch.
    pub async fn changed(&mut self) -> Result<(), HttpError> {
        match self.answer.chunk().await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => {
                Err(HttpError::NoAnswer { url: self.url.clone(), cause: "the watch ended".to_owned() })
            }
            Err(error) => Err(http::silent(&self.url, &error)),
        }
    }
}

fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The smallest key behind every key with this prefix, as etcd's clients compute it.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

fn transaction(when: &[Compare], changes: &[StoreChange]) -> Value {
    let compare = when.iter().map(|c| match c {
        Compare::Value(key, value) => {
            json!({ "key": encode(key.as_bytes()), "target": "VALUE", "result": "EQUAL", "value": encode(value) })
        }
        Compare::ModRevision(key, revision) => {
            json!({ "key": encode(key.as_bytes()), "target": "MOD", "result": "EQUAL", "mod_revision": revision.to_string() })
        }
    });
    let success = changes.iter().map(|c| match c {
        StoreChange::Put { key, value, lease } => {
            json!({ "request_put": { "key": encode(key.as_bytes()), "value": encode(value), "lease": lease.to_string() } })
        }
        StoreChange::Delete(key) => json!({ "request_delete_range": { "key": encode(key.as_bytes()) } }),
    });
    json!({ "compare": compare.collect::<Vec<_>>(), "success": success.collect::<Vec<_>>() })
}

#[derive(Default, Deserialize)]
pub(super) struct Header {
    #[serde(default, deserialize_with = "number")]
    pub(super) member_id: u64,
    #[serde(default, deserialize_with = "number")]
    pub(super) revision: u64,
}

#[derive(Deserialize)]
pub(super) struct EtcdStatus {
    #[serde(default)]
    pub(super) header: Header,
    #[serde(default)]
    pub(super) version: String,
    #[serde(default, deserialize_with = "number")]
    pub(super) leader: u64,
    #[serde(default, rename = "raftTerm", deserialize_with = "number")]
    pub(super) raft_term: u64,
}

#[derive(Deserialize)]
struct RangeAnswer {
    #[serde(default)]
    kvs: Vec<RawKeyValue>,
}

#[derive(Deserialize)]
struct RawKeyValue {
    key: String,
    #[serde(default)]
    value: String,
    #[serde(default, deserialize_with = "number")]
    mod_revision: i64,
    #[serde(default, deserialize_with = "number")]
    lease: i64,
}

impl RawKeyValue {
    fn decode(self, url: &str) -> Result<KeyValue, HttpError> {
        let shape = |problem: String| HttpError::Shape { url: url.to_owned(), problem };
        let bytes = |text: &str| STANDARD.decode(text).map_err(|e| shape(e.to_string()));
        Ok(KeyValue {
            key: String::from_utf8(bytes(&self.key)?).map_err(|e| shape(e.to_string()))?,
            value: bytes(&self.value)?,
            mod_revision: self.mod_revision,
            lease: self.lease,
        })
    }
}

#[derive(Deserialize)]
struct TxnAnswer {
    // the gateway leaves out what is false
    #[serde(default)]
    succeeded: bool,
}

#[derive(Deserialize)]
struct LeaseGranted {
    #[serde(rename = "ID", deserialize_with = "number")]
    id: i64,
}

#[derive(Deserialize)]
struct KeptAlive {
    result: LeaseKept,
}

#[derive(Deserialize)]
struct LeaseKept {
    #[serde(default, rename = "TTL", deserialize_with = "number")]
    ttl: i64,
}

#[derive(Deserialize)]
struct TimeToLive {
    // what is left; -1: the lease is gone
    #[serde(default, rename = "TTL", deserialize_with = "number")]
    left: i64,
    #[serde(default, rename = "grantedTTL", deserialize_with = "number")]
    granted: i64,
}

impl TimeToLive {
    fn unrenewed(&self) -> Option<Span> {
        let since = self.granted.checked_sub(self.left).filter(|_| self.left >= 0)?;
        u64::try_from(since).ok().map(Span::secs)
    }
}

/// 64 bit numbers are text in the gateway's JSON.
pub(super) fn number<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let text = match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    };
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_read_from_text_numbers() {
        let status: EtcdStatus = serde_json::from_str(
            r#"{"header":{"cluster_id":"14841639068965178418","member_id":"10276657743932975437","revision":"42","raft_term":"3"},
                "version":"3.5.16","dbSize":"20480","leader":"10276657743932975437","raftIndex":"99","raftTerm":"3"}"#,
        )
        .expect("a status");
        assert_eq!((status.header.revision, status.raft_term), (42, 3));
        assert_eq!(format!("{:x}", status.leader), "8e9e05c52164694d");
        let leaderless: EtcdStatus = serde_json::from_str(r#"{"version":"3.5.16"}"#).expect("a status");
        assert_eq!(leaderless.leader, 0);
    }

    #[test]
    fn keys_come_back_as_they_were_written() {
        let answer: RangeAnswer = serde_json::from_str(
            r#"{"header":{},"kvs":[{"key":"Zm9v","create_revision":"2","mod_revision":"7","version":"1","value":"YmFy","lease":"-5"}],"count":"1"}"#,
        )
        .expect("a range");
        let kv = answer.kvs.into_iter().next().expect("a key").decode("u").expect("base64");
        assert_eq!(kv, KeyValue { key: "foo".into(), value: b"bar".to_vec(), mod_revision: 7, lease: -5 });
    }

    #[test]
    fn a_lease_tells_when_it_was_renewed_while_it_is_there() {
        let read = |text| serde_json::from_str::<TimeToLive>(text).expect("an answer").unrenewed();
        assert_eq!(read(r#"{"ID":"7","TTL":"18","grantedTTL":"30"}"#), Some(Span::secs(12)));
        assert_eq!(read(r#"{"ID":"7","grantedTTL":"30"}"#), Some(Span::secs(30)));
        assert_eq!(read(r#"{"ID":"7","TTL":"-1"}"#), None);
    }

    #[test]
    fn a_transaction_compares_before_it_changes() {
        let body = transaction(
            &[Compare::Value("k".into(), b"old".to_vec()), Compare::ModRevision("n".into(), 0)],
            &[
                StoreChange::Put { key: "k".into(), value: b"new".to_vec(), lease: 9 },
                StoreChange::Delete("d".into()),
            ],
        );
        assert_eq!(body["compare"][0]["value"], encode(b"old"));
        assert_eq!(body["compare"][1]["mod_revision"], "0");
        assert_eq!(body["success"][0]["request_put"]["lease"], "9");
        assert_eq!(body["success"][1]["request_delete_range"]["key"], encode(b"d"));
    }

    #[test]
    fn a_prefix_ends_before_its_successor() {
        assert_eq!(prefix_end(b"/service/a"), b"/service/b");
        assert_eq!(prefix_end(&[b'a', 0xFF]), b"b");
        assert_eq!(prefix_end(&[0xFF]), [0]);
    }
}
