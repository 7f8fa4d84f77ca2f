//! Words to Patroni: its leader key released, given up or handed over, standbys that it keeps, and its next turn.

use std::time::Duration;

use futures_util::future::join;

use super::controller_hands::ControllerHands;
use super::driver::Failed;
use super::orders::HandOverWords;
use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::engine::http::HttpError;
use crate::engine::patroni::PatroniClient;
use crate::model::MemberId;
use crate::model::control::{Token, switchover_key};

/// Longest wait for a PostgreSQL that is being shut down.
const STOPS: Duration = Duration::from_secs(1);
/// Pause between two looks at it.
const HANDS_LOOK_PAUSE: Duration = Duration::from_millis(5);
/// Longest wait for Patroni to take a word.
const PATRONI_TIMEOUT: Duration = Duration::from_secs(2);

impl ControllerHands {
    /// The leader key is the one that was seen.
    pub(super) fn still_held(&self, member: &MemberId, mod_revision: i64) -> [Compare; 2] {
        let key = self.patroni_key("leader");
        let value = Compare::Value(key.clone(), member.as_str().as_bytes().to_vec());
        [value, Compare::ModRevision(key, mod_revision)]
    }

    pub(super) async fn release(
        &self,
        member: &MemberId,
        mod_revision: i64,
        lease: i64,
        candidate: Option<&MemberId>,
        token: &Token,
    ) -> Result<(), Failed> {
        let when = self.still_held(member, mod_revision);
        let mut changes = Vec::new();
        if let Some(next) = candidate {
            let value = serde_json::json!({ "member": next }).to_string().into_bytes();
            // before the deletion, in one transaction: Patroni reads both at once
            changes.push(StoreChange::Put { key: self.patroni_key("failover"), value, lease: 0 });
        }
        changes.push(StoreChange::Delete(self.patroni_key("leader")));
        self.orders.write(&when, &changes, token).await?;
        // the dead one's member key goes with its lease; that the lease is gone already is fine
        self.orders.store.revoke(lease).await.map_err(|error| Failed::Trouble(error.to_string()))
    }

    pub(super) async fn hand_over(
        &self,
        member: &MemberId,
        mod_revision: i64,
        candidate: &MemberId,
        by: HandOverWords,
        token: &Token,
    ) -> Result<(), Failed> {
        let (wanted, asked) = (switchover_key(&self.plan.spec.name), self.patroni_key("failover"));
        let [value, revision] = self.still_held(member, mod_revision);
        let words = [(&wanted, by.wish), (&asked, by.idle)];
        let [wish, idle] = words.map(|(key, revision)| Compare::ModRevision(key.clone(), revision));
        let when = [value, revision, wish, idle];
        let value = serde_json::json!({ "leader": member, "member": candidate }).to_string().into_bytes();
        let changes = [StoreChange::Put { key: asked, value, lease: 0 }, StoreChange::Delete(wanted)];
        self.orders.write(&when, &changes, token).await?;
        // it would look at its next turn, up to `loop_wait` later
        self.wake_patroni(member).await
    }

    /// Waits a moment for the end of a PostgreSQL that is being shut down: what is to be seen takes milliseconds,
    /// and its Patroni looks once a second.
    pub(super) async fn yield_key(
        &self,
        member: &MemberId,
        mod_revision: i64,
        handover: i64,
        token: &Token,
    ) -> Result<(), Failed> {
        let Some(instance) = self.instance(member) else {
            return Err(Failed::Guard(format!("{member} is no instance")));
        };
        let deadline = clock::now().plus(STOPS);
        while !instance.has_stopped().await {
            if clock::now() >= deadline {
                return Err(Failed::Guard(format!("{member} has not stopped yet")));
            }
            clock::sleep(HANDS_LOOK_PAUSE).await;
        }
        let [value, revision] = self.still_held(member, mod_revision);
        let when = [value, revision, Compare::ModRevision(self.patroni_key("failover"), handover)];
        self.orders.write(&when, &[StoreChange::Delete(self.patroni_key("leader"))], token).await
    }

    /// Patroni's dynamic configuration with another number of synchronous standbys, and nothing else changed.
    pub(super) async fn keep_standbys(
        &self,
        count: u32,
        mod_revision: i64,
        token: &Token,
    ) -> Result<(), Failed> {
        let key = self.patroni_key("config");
        let found = self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
        let found = found.filter(|found| found.mod_revision == mod_revision);
        let found = found.ok_or_else(|| Failed::Guard("Patroni's configuration is another".to_owned()))?;
        let mut config: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&found.value)
            .map_err(|error| Failed::Guard(format!("Patroni's configuration cannot be read: {error}")))?;
        config.insert("synchronous_node_count".to_owned(), count.into());
        // plain data: serialising it cannot fail
        let value = serde_json::to_vec(&config).unwrap_or_default();
        let same = [Compare::ModRevision(key.clone(), mod_revision)];
        self.orders.write(&same, &[StoreChange::Put { key, value, lease: 0 }], token).await
    }

    /// Alone a PostgreSQL would take a dead leader's lock back, or found a cluster; and a leader does not leave.
    pub(super) async fn somebody_else_leads(&self, member: &MemberId) -> Result<(), Failed> {
        let leader = self.orders.store.get(&self.patroni_key("leader")).await;
        match leader.map_err(|error| Failed::Trouble(error.to_string()))? {
            Some(key) if key.value != member.as_str().as_bytes() => Ok(()),
            _ => Err(Failed::Guard("the leader key is gone or its own".to_owned())),
        }
    }

    /// Nobody who runs may lead: the body that has the data starts. Of a cluster that is founded it founds no other, and
    /// nobody else leads.
    pub(super) async fn may_start_alone(&self, member: &MemberId) -> Result<(), Failed> {
        let (initialized, leader) = (self.patroni_key("initialize"), self.patroni_key("leader"));
        let (initialized, leader) =
            join(self.orders.store.get(&initialized), self.orders.store.get(&leader)).await;
        let trouble = |error: HttpError| Failed::Trouble(error.to_string());
        let founded = initialized.map_err(trouble)?.is_some_and(|found| !found.value.is_empty());
        let its = leader.map_err(trouble)?.is_none_or(|found| found.value == member.as_str().as_bytes());
        if founded && its {
            return Ok(());
        }
        Err(Failed::Guard("the cluster is not founded, or somebody else leads".to_owned()))
    }

    pub(super) async fn wake_patroni(&self, member: &MemberId) -> Result<(), Failed> {
        let Some(instance) = self.instance(member) else {
            return Err(Failed::Guard(format!("{member} is no instance")));
        };
        let login = &self.plan.rest;
        let patroni = PatroniClient::new(instance.doors().rest, PATRONI_TIMEOUT)
            .with_login(&login.user, &login.password);
        patroni.wake().await.map(drop).map_err(|error: HttpError| Failed::Trouble(error.to_string()))
    }
}
