//! Patroni's REST of one member (<https://patroni.readthedocs.io/en/latest/rest_api.html>).
//!
//! Reading needs no credentials, the verbs do. Patroni writes `master` or `primary` depending on
//! its version; here it is always `primary`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::http::{self, HttpError};
use crate::model::Lsn;
use crate::model::sighting::PatroniSeen;

/// The REST of one Patroni.
#[derive(Clone)]
pub struct PatroniClient {
    base: String,
    login: Option<(String, String)>,
    http: reqwest::Client,
}

impl fmt::Debug for PatroniClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patroni({}, {})", self.base, if self.login.is_some() { "with login" } else { "read only" })
    }
}

/// A cluster as one Patroni knows it (`GET /cluster`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// Who has a key in Patroni's scope.
    #[serde(default)]
    pub members: Vec<ClusterMember>,
    /// The scope: the lab's name.
    #[serde(default)]
    pub scope: String,
    /// Maintenance mode.
    #[serde(default)]
    pub pause: bool,
}

/// A member of [`Cluster`], as its own Patroni wrote it down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterMember {
    /// What its Patroni calls itself.
    pub name: String,
    /// `leader`, `replica`, `sync_standby`, `quorum_standby`, `standby_leader`.
    #[serde(default)]
    pub role: String,
    /// `running`, `streaming`, `stopped`, …
    #[serde(default)]
    pub state: String,
    /// Timeline, when known.
    #[serde(default)]
    pub timeline: Option<u32>,
    /// Bytes behind the leader; Patroni writes the word `unknown` for a lag it does not know.
    #[serde(default)]
    pub lag: Option<Value>,
}

impl Cluster {
    /// The member that holds the leader key.
    #[must_use]
    pub fn leader(&self) -> Option<&str> {
        self.members
            .iter()
            .find(|m| matches!(m.role.as_str(), "leader" | "standby_leader"))
            .map(|m| m.name.as_str())
    }
}

/// One entry of `GET /history`: a timeline ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry(pub Vec<Value>);

impl HistoryEntry {
    /// The timeline that ended.
    #[must_use]
    pub fn timeline(&self) -> Option<u32> {
        self.0.first()?.as_u64().and_then(|n| u32::try_from(n).ok())
    }

    /// Where it ended.
    #[must_use]
    pub fn ended_at(&self) -> Option<Lsn> {
        self.0.get(1)?.as_u64().map(Lsn)
    }
}

impl PatroniClient {
    /// The REST at `address`; each call ends after `limit`.
    #[must_use]
    pub fn new(address: SocketAddr, limit: Duration) -> Self {
        Self { base: format!("http://{address}"), login: None, http: http::client(limit) }
    }

    /// The same with the credentials that the verbs need.
    #[must_use]
    pub fn with_login(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// What the member says of itself, and whom it takes for the leader.
    ///
    /// # Errors
    /// [`HttpError`] when `GET /patroni` gives no usable answer. A missing answer to `/cluster`
    /// only leaves the leader open: it needs the store, which may be away.
    pub async fn seen(&self) -> Result<PatroniSeen, HttpError> {
        let (own, cluster) = futures_util::future::join(self.itself(), self.cluster()).await;
        let mut seen = own?;
        seen.leader = cluster.ok().as_ref().and_then(Cluster::leader).map(str::to_owned);
        Ok(seen)
    }

    /// What the member says of itself, without whom it takes for the leader.
    ///
    /// # Errors
    /// [`HttpError`] when `GET /patroni` gives no usable answer.
    pub async fn itself(&self) -> Result<PatroniSeen, HttpError> {
        parse_member(&self.url("/patroni"), &self.read("/patroni").await?)
    }

    /// Makes Patroni's loop turn at once: a change of its configuration that changes nothing (`PATCH /config`
    /// wakes the loop of the member it is sent to, whatever it says).
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn wake(&self) -> Result<String, HttpError> {
        let url = self.url("/config");
        // null takes away a key that nobody ever set
        self.send(&url, self.http.patch(&url).json(&json!({ "pgha-wake": null })), &[200]).await
    }

    /// The cluster as this member knows it.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn cluster(&self) -> Result<Cluster, HttpError> {
        let body = self.read("/cluster").await?;
        http::json(&self.url("/cluster"), &body)
    }

    /// Timelines that ended, oldest first.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn history(&self) -> Result<Vec<HistoryEntry>, HttpError> {
        let body = self.read("/history").await?;
        http::json(&self.url("/history"), &body)
    }

    /// Whether Patroni's own loop runs (`GET /liveness`).
    ///
    /// # Errors
    /// [`HttpError`] when nothing answered.
    pub async fn alive(&self) -> Result<bool, HttpError> {
        let url = self.url("/liveness");
        let (status, _) = http::exchange(&url, self.http.get(&url)).await?;
        Ok(status == 200)
    }

    /// Planned handover from `leader` to `candidate`, or to whom Patroni chooses.
    ///
    /// # Errors
    /// [`HttpError`]; a refusal comes with Patroni's own words.
    pub async fn switchover(&self, leader: &str, candidate: Option<&str>) -> Result<String, HttpError> {
        let mut body = json!({ "leader": leader });
        if let Some(candidate) = candidate {
            body["candidate"] = json!(candidate);
        }
        self.command("/switchover", &body, &[200]).await
    }

    /// Handover to `candidate` without asking the leader; a synchronous mode is not heeded.
    ///
    /// # Errors
    /// [`HttpError`]; a refusal comes with Patroni's own words.
    pub async fn failover(&self, candidate: &str) -> Result<String, HttpError> {
        self.command("/failover", &json!({ "candidate": candidate }), &[200]).await
    }

    /// Maintenance on or off, for the whole cluster (`PATCH /config`).
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn pause(&self, on: bool) -> Result<String, HttpError> {
        // null takes the key away: that is what "not paused" means in a fresh cluster
        let body = if on { json!({ "pause": true }) } else { json!({ "pause": null }) };
        let url = self.url("/config");
        self.send(&url, self.http.patch(&url).json(&body), &[200]).await
    }

    /// Restarts PostgreSQL of this member; the answer comes when it runs again.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn restart(&self) -> Result<String, HttpError> {
        self.command("/restart", &json!({}), &[200]).await
    }

    /// Makes Patroni read its configuration again.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn reload(&self) -> Result<String, HttpError> {
        self.command("/reload", &json!({}), &[200, 202]).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    async fn read(&self, path: &str) -> Result<String, HttpError> {
        let url = self.url(path);
        let (status, body) = http::exchange(&url, self.http.get(&url)).await?;
        // a member that is starting or stopped answers 503 with the same document
        if matches!(status, 200 | 503) { Ok(body) } else { Err(http::unexpected(&url, status, &body)) }
    }

    async fn command(&self, path: &str, body: &Value, good: &[u16]) -> Result<String, HttpError> {
        let url = self.url(path);
        self.send(&url, self.http.post(&url).json(body), good).await
    }

    async fn send(
        &self,
        url: &str,
        mut request: reqwest::RequestBuilder,
        good: &[u16],
    ) -> Result<String, HttpError> {
        if let Some((user, password)) = &self.login {
            request = request.basic_auth(user, Some(password));
        }
        let (status, text) = http::exchange(url, request).await?;
        if good.contains(&status) { Ok(text) } else { Err(http::unexpected(url, status, &text)) }
    }
}

#[derive(Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the shape is Patroni's")]
struct PatroniMember {
    state: String,
    #[serde(default)]
    role: String,
    timeline: Option<u32>,
    replication_state: Option<String>,
    database_system_identifier: Option<String>,
    #[serde(default)]
    xlog: Xlog,
    #[serde(default)]
    pause: bool,
    #[serde(default)]
    pending_restart: bool,
    #[serde(default)]
    pending_restart_reason: BTreeMap<String, Value>,
    #[serde(default)]
    sync_standby: bool,
    #[serde(default)]
    quorum_standby: bool,
    #[serde(default)]
    tags: BTreeMap<String, Value>,
    patroni: Option<Itself>,
}

#[derive(Default, Deserialize)]
struct Xlog {
    location: Option<u64>,
    received_location: Option<u64>,
    replayed_location: Option<u64>,
}

#[derive(Deserialize)]
struct Itself {
    version: Option<String>,
}

/// Reads the document of `GET /patroni`; `leader` stays open, it is not in there.
///
/// # Errors
/// [`HttpError::Shape`].
pub fn parse_member(url: &str, body: &str) -> Result<PatroniSeen, HttpError> {
    let member: PatroniMember = http::json(url, body)?;
    let role = if member.role == "master" { "primary".to_owned() } else { member.role };
    Ok(PatroniSeen {
        role,
        state: member.state,
        timeline: member.timeline,
        replication_state: member.replication_state,
        system_identifier: member.database_system_identifier,
        lsn: member.xlog.location.or(member.xlog.received_location).map(Lsn),
        replayed: member.xlog.replayed_location.map(Lsn),
        pause: member.pause,
        nofailover: member.tags.get("nofailover") == Some(&Value::Bool(true)),
        pending_restart: member.pending_restart,
        restart_for: member.pending_restart_reason.into_keys().collect(),
        leader: None,
        sync_standby: member.sync_standby || member.quorum_standby,
        version: member.patroni.and_then(|p| p.version),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_primary_shows_its_position_and_timeline() {
        let body = r#"{"state":"running","postmaster_start_time":"2026-01-01 10:00:00.1+00:00","role":"master",
            "server_version":170006,"xlog":{"location":67108960},"timeline":2,"replication":[{"usename":"replicator",
            "application_name":"postgres-2","client_addr":"198.18.0.12","state":"streaming","sync_state":"async",
            "sync_priority":0}],"dcs_last_seen":1767261600,"database_system_identifier":"7575757575757575757",
            "patroni":{"version":"4.0.7","scope":"demo","name":"postgres-1"}}"#;
        let seen = parse_member("u", body).expect("a member");
        assert_eq!(seen.role, "primary");
        assert_eq!(seen.timeline, Some(2));
        assert_eq!(seen.lsn, Some(Lsn(67_108_960)));
        assert_eq!(seen.replayed, None);
        assert_eq!(seen.system_identifier.as_deref(), Some("7575757575757575757"));
        assert_eq!(seen.version.as_deref(), Some("4.0.7"));
    }

    #[test]
    fn a_replica_shows_what_it_received_and_replayed() {
        let body = r#"{"state":"running","role":"replica","server_version":170006,"xlog":{"received_location":200,
            "replayed_location":100,"replayed_timestamp":null,"paused":false},"timeline":1,"replication_state":"streaming",
            "quorum_standby":true,"pause":true,"pending_restart":true,"tags":{"nofailover":true},"patroni":{"version":"4.0.7","scope":"demo"}}"#;
        let seen = parse_member("u", body).expect("a member");
        assert_eq!((seen.lsn, seen.replayed), (Some(Lsn(200)), Some(Lsn(100))));
        assert_eq!(seen.replication_state.as_deref(), Some("streaming"));
        assert!(seen.sync_standby && seen.pause && seen.pending_restart && seen.nofailover);
    }

    #[test]
    fn a_member_without_a_database_is_seen_as_well() {
        let seen =
            parse_member("u", r#"{"state":"stopped","role":"replica","patroni":{}}"#).expect("a member");
        assert_eq!(seen.state, "stopped");
        assert_eq!(seen.timeline, None);
        assert!(matches!(parse_member("u", "<html>"), Err(HttpError::Shape { .. })));
    }

    #[test]
    fn the_leader_is_the_member_with_the_key() {
        let cluster: Cluster = serde_json::from_str(
            r#"{"members":[{"name":"postgres-2","role":"replica","state":"streaming","lag":"unknown"},
                {"name":"postgres-1","role":"leader","state":"running","timeline":1}],"scope":"demo"}"#,
        )
        .expect("a cluster");
        assert_eq!(cluster.leader(), Some("postgres-1"));
        assert_eq!(Cluster::default().leader(), None);
    }

    #[test]
    fn history_is_a_list_of_lists() {
        let entries: Vec<HistoryEntry> = serde_json::from_str(
            r#"[[1,50331800,"no recovery target specified","2026-01-01T10:00:00+00:00","postgres-2"]]"#,
        )
        .expect("a history");
        assert_eq!((entries[0].timeline(), entries[0].ended_at()), (Some(1), Some(Lsn(50_331_800))));
    }

    #[test]
    fn credentials_never_show() {
        let patroni = PatroniClient::new(SocketAddr::from(([127, 0, 0, 1], 8008)), Duration::from_secs(1));
        let text = format!("{:?}", patroni.with_login("admin", "s3cret"));
        assert!(!text.contains("s3cret") && !text.contains("admin"), "{text}");
    }
}
