//! Who belongs to a cluster of etcd, by its own list: read, added to and taken from.

use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{EtcdMember, EtcdStatus, number};
use crate::engine::http::HttpError;
use crate::model::sighting::EtcdSeen;
use crate::model::store_keys::NOBODYS_KEY;

/// One member as the cluster lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedMember {
    /// etcd's own number of it.
    pub id: u64,
    /// Its name; empty until it has started for the first time.
    pub name: String,
    /// Where the others reach it.
    pub peers: Vec<String>,
    /// Where clients reach it; none until it has started for the first time.
    pub clients: Vec<String>,
    /// Whether it only learns and has no vote.
    pub learner: bool,
}

impl ListedMember {
    /// Whether it has been part of the cluster: it told the others its name.
    #[must_use]
    pub const fn joined(&self) -> bool {
        !self.name.is_empty()
    }
}

impl EtcdMember {
    /// The member's state, with a linearizable read as proof that it has a quorum behind it.
    ///
    /// # Errors
    /// [`HttpError`] when the member's own status cannot be read; a read without quorum is no error.
    pub async fn seen(&self) -> Result<EtcdSeen, HttpError> {
        let empty = json!({});
        let (status, members, read) = tokio::join!(
            self.post::<EtcdStatus>("/v3/maintenance/status", &empty),
            self.post::<Members>("/v3/cluster/member/list", &empty),
            self.get(NOBODYS_KEY),
        );
        let status = status?;
        let voting = members.map_or(0, |listed| listed.voting());
        Ok(EtcdSeen {
            id: format!("{:x}", status.header.member_id),
            leader: (status.leader != 0).then(|| format!("{:x}", status.leader)),
            term: status.raft_term,
            revision: status.header.revision,
            linearizable: read.is_ok(),
            members: u32::try_from(voting).unwrap_or(u32::MAX),
            version: status.version,
        })
    }

    /// Everybody in the cluster, linearizably.
    ///
    /// # Errors
    /// [`HttpError`]; without quorum the call times out.
    pub async fn members(&self) -> Result<Vec<ListedMember>, HttpError> {
        let answer: Members = self.post("/v3/cluster/member/list", &json!({ "linearizable": true })).await?;
        Ok(answer.members.into_iter().map(ListedMember::from).collect())
    }

    /// One more member with a vote, which will be reached at `peer`.
    ///
    /// # Errors
    /// [`HttpError`]; etcd refuses while a voter is not connected, and an address that is listed already.
    pub async fn add_member(&self, peer: &str) -> Result<(), HttpError> {
        self.post::<Value>("/v3/cluster/member/add", &json!({ "peerURLs": [peer] })).await.map(drop)
    }

    /// One member less: it ends, and its data is of no use any more.
    ///
    /// # Errors
    /// [`HttpError`]; etcd refuses where no quorum of those that run would be left.
    pub async fn remove_member(&self, id: u64) -> Result<(), HttpError> {
        self.post::<Value>("/v3/cluster/member/remove", &json!({ "ID": id.to_string() })).await.map(drop)
    }
}

/// The answer of the gateway.
#[derive(Deserialize)]
pub(super) struct Members {
    #[serde(default)]
    members: Vec<Raw>,
}

impl Members {
    /// How many have a vote.
    pub(super) fn voting(&self) -> usize {
        self.members.iter().filter(|member| !member.is_learner).count()
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "ID", deserialize_with = "number")]
    id: u64,
    // the gateway leaves out what is empty or false
    #[serde(default)]
    name: String,
    #[serde(default, rename = "peerURLs")]
    peers: Vec<String>,
    #[serde(default, rename = "clientURLs")]
    clients: Vec<String>,
    #[serde(default, rename = "isLearner")]
    is_learner: bool,
}

impl From<Raw> for ListedMember {
    fn from(raw: Raw) -> Self {
        let Raw { id, name, peers, clients, is_learner } = raw;
        Self { id, name, peers, clients, learner: is_learner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_has_not_started_has_no_name() {
        let answer: Members = serde_json::from_str(
            r#"{"header":{},"members":[
                {"ID":"10276657743932975437","name":"etcd-1","peerURLs":["http://198.18.0.11:2380"],"clientURLs":["http://198.18.0.11:2379"]},
                {"ID":"7","peerURLs":["http://198.18.0.14:2380"],"isLearner":true}]}"#,
        )
        .expect("a list");
        assert_eq!(answer.voting(), 1);
        let members: Vec<ListedMember> = answer.members.into_iter().map(ListedMember::from).collect();
        assert_eq!(format!("{:x}", members[0].id), "8e9e05c52164694d");
        assert!(members[0].joined() && !members[1].joined());
        assert!(members[1].clients.is_empty() && members[1].learner);
    }
}
