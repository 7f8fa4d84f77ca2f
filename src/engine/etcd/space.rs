//! The disk quota of etcd: who raised an alarm over it, and what frees space (etcd, "Maintenance: Space quota").

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{EtcdMember, EtcdStatus, number};
use crate::engine::http::HttpError;

/// The alarm of a member whose quota is spent: until it is lifted the cluster refuses every write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaSpent {
    /// etcd's own number of the member.
    pub id: u64,
}

#[derive(Deserialize)]
struct EtcdAlarms {
    #[serde(default)]
    alarms: Vec<EtcdAlarm>,
}

#[derive(Deserialize)]
struct EtcdAlarm {
    #[serde(default, rename = "memberID", deserialize_with = "number")]
    id: u64,
    #[serde(default)]
    alarm: String,
}

impl EtcdMember {
    /// Members whose quota is spent.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn spent(&self) -> Result<Vec<QuotaSpent>, HttpError> {
        let answer: EtcdAlarms = self.post("/v3/maintenance/alarm", &json!({ "action": "GET" })).await?;
        let spent = answer.alarms.into_iter().filter(|alarm| alarm.alarm == "NOSPACE");
        Ok(spent.map(|alarm| QuotaSpent { id: alarm.id }).collect())
    }

    /// Forgets every revision but the last one, in the whole cluster; that it is done already is fine.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn compact(&self) -> Result<(), HttpError> {
        let status: EtcdStatus = self.post("/v3/maintenance/status", &json!({})).await?;
        let body = json!({ "revision": status.header.revision.to_string(), "physical": true });
        match self.post::<Value>("/v3/kv/compaction", &body).await {
            Err(HttpError::Status { .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Gives the space that is free inside back to the disk, of this member; it answers nobody meanwhile.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn defragment(&self) -> Result<(), HttpError> {
        self.post::<Value>("/v3/maintenance/defragment", &json!({})).await.map(drop)
    }

    /// Lifts the alarm of a member; where its quota is spent still, the next write raises it again.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn disarm(&self, spent: QuotaSpent) -> Result<(), HttpError> {
        let body = json!({ "action": "DEACTIVATE", "memberID": spent.id.to_string(), "alarm": "NOSPACE" });
        self.post::<Value>("/v3/maintenance/alarm", &body).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_are_read_as_the_gateway_writes_them() {
        let text = r#"{"header":{},"alarms":[{"memberID":"10276657743932975437","alarm":"NOSPACE"},{"alarm":"CORRUPT"}]}"#;
        let alarms: EtcdAlarms = serde_json::from_str(text).expect("an answer");
        assert_eq!(
            (alarms.alarms[0].id, alarms.alarms[0].alarm.as_str()),
            (10_276_657_743_932_975_437, "NOSPACE")
        );
        let none: EtcdAlarms = serde_json::from_str(r#"{"header":{}}"#).expect("an answer");
        assert!(none.alarms.is_empty());
    }
}
