//! What the hands of every controller share: a look at the store, and orders to the broker and writes to the store,
//! each with proof of leadership.

use std::sync::Arc;

use serde_json::Value;

use super::broker_client::Broker;
use super::driver::Failed;
use crate::decide::repair::{HandoverSeen, LeaderSeen, StandbysSeen, StoreSeen, WishSeen};
use crate::engine::etcd::{Change, Compare, KeyValue};
use crate::engine::store::Store;
use crate::model::control::{Answer, Deed, Proof, Refusal, SwitchoverWish, Token, keys, switchover_key};
use crate::model::{MemberId, Name, Sight};

/// The way to the store and to the engine.
pub(super) struct Orders {
    /// The store.
    pub store: Arc<Store>,
    /// The way to the engine.
    pub broker: Arc<Broker>,
    lab: Name,
}

impl Orders {
    pub fn new(store: Arc<Store>, broker: Arc<Broker>, lab: Name) -> Self {
        Self { store, broker, lab }
    }

    /// Patroni's keys and those of the lab, read linearizably.
    pub async fn keys(&self) -> Result<(Vec<KeyValue>, Vec<KeyValue>), String> {
        let (patroni, ours) = (format!("/service/{}/", self.lab), keys(&self.lab));
        let (patroni, ours) = tokio::join!(self.store.list(&patroni), self.store.list(&ours));
        let said = |error: crate::engine::http::HttpError| error.to_string();
        Ok((patroni.map_err(said)?, ours.map_err(said)?))
    }

    /// What they say.
    pub async fn look(&self) -> Sight<StoreSeen> {
        match self.keys().await {
            Ok((patroni, ours)) => Sight::Seen(read(self.lab.as_str(), &patroni, &ours)),
            Err(why) => Sight::Blind(why),
        }
    }

    /// One transaction that happens only while this replica is the active one.
    pub async fn write(&self, when: &[Compare], changes: &[Change], token: &Token) -> Result<(), Failed> {
        let mut all = vec![Compare::ModRevision(token.key.clone(), token.revision)];
        all.extend_from_slice(when);
        match self.store.transact(&all, changes).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(Failed::Guard("the store changed: another leads, or the key is another".to_owned()))
            }
            Err(error) => Err(Failed::Trouble(error.to_string())),
        }
    }

    /// Has the broker do a deed.
    pub async fn deed(&self, deed: Deed, token: &Token) -> Result<Option<Proof>, Failed> {
        match self.broker.order(deed, token).await {
            Ok(Answer::Done) => Ok(None),
            Ok(Answer::Proof(proof)) => Ok(Some(proof)),
            Ok(Answer::Refused { why: Refusal::NotLeader, text }) => Err(Failed::NotLeader(text)),
            Ok(Answer::Refused { text, .. }) => Err(Failed::Guard(text)),
            Ok(Answer::Failed { text }) => Err(Failed::Trouble(text)),
            Err(error) => Err(Failed::Trouble(error.to_string())),
        }
    }
}

/// Patroni's keys and ours.
pub(super) fn read(lab: &str, patroni: &[KeyValue], ours: &[KeyValue]) -> StoreSeen {
    let scope = format!("/service/{lab}/");
    let key = |name: &str| patroni.iter().find(|found| found.key.strip_prefix(&scope) == Some(name));
    let json = |name: &str| -> Option<Value> { serde_json::from_slice(&key(name)?.value).ok() };
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let leader = key("leader").and_then(|found| {
        let member = MemberId::new(String::from_utf8_lossy(&found.value)).ok()?;
        Some(LeaderSeen { member, mod_revision: found.mod_revision, lease: found.lease })
    });
    let may_lead = json("sync").and_then(|sync| {
        let leader = text(&sync, "leader")?;
        let standbys = text(&sync, "sync_standby").unwrap_or_default();
        let names = std::iter::once(leader.as_str()).chain(standbys.split(','));
        Some(names.filter_map(|name| MemberId::new(name.trim()).ok()).collect())
    });
    let named = |value: &Value, field: &str| MemberId::new(text(value, field)?).ok();
    let handover = key("failover").and_then(|found| {
        let value = json("failover")?;
        let (from, to) = (named(&value, "leader"), named(&value, "member"));
        let somebody = from.is_some() || to.is_some();
        somebody.then_some(HandoverSeen { from, to, mod_revision: found.mod_revision })
    });
    let wish = Name::new(lab).ok().and_then(|lab| {
        let wanted = switchover_key(&lab);
        let found = ours.iter().find(|found| found.key == wanted)?;
        let wish: SwitchoverWish = serde_json::from_slice(&found.value).ok()?;
        let idle = key("failover").map_or(0, |found| found.mod_revision);
        Some(WishSeen { candidate: wish.candidate, mod_revision: found.mod_revision, idle })
    });
    // keys of ours below this part of the lab's, by their last word
    let part = |part: &str| -> Vec<(MemberId, &[u8])> {
        let prefix = format!("/pgha/{lab}/{part}/");
        let named = |found: &KeyValue| MemberId::new(found.key.strip_prefix(&prefix)?).ok();
        ours.iter().filter_map(|found| Some((named(found)?, found.value.as_slice()))).collect()
    };
    let parked = part("repair/parked")
        .into_iter()
        .filter_map(|(host, value)| Some((host, MemberId::new(String::from_utf8_lossy(value)).ok()?)));
    let standbys = key("config").and_then(|found| {
        let count = json("config")?.get("synchronous_node_count")?.as_u64()?;
        Some(StandbysSeen { count: u32::try_from(count).ok()?, mod_revision: found.mod_revision })
    });
    let replacing = ours.iter().find(|found| found.key == format!("/pgha/{lab}/repair/replacing"));
    StoreSeen {
        leader,
        unrenewed: None,
        initialized: key("initialize").is_some_and(|found| !found.value.is_empty()),
        maintenance: json("config").is_some_and(|config| config.get("pause") == Some(&Value::Bool(true))),
        handover,
        wish,
        may_lead,
        standbys,
        parked: parked.collect(),
        replacing: replacing.and_then(|found| serde_json::from_slice(&found.value).ok()),
        asked: part("asked/replace").into_iter().map(|(member, _)| member).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: value.as_bytes().to_vec(), mod_revision: 7, lease: 70 }
    }

    fn name(text: &str) -> MemberId {
        MemberId::new(text).expect("a name")
    }

    #[test]
    fn patronis_keys_are_read_as_it_writes_them() {
        let seen = read(
            "lab",
            &[
                found("/service/lab/leader", "postgres-1"),
                found("/service/lab/initialize", "7711382897169322014"),
                found("/service/lab/config", r#"{"ttl":30,"pause":true,"synchronous_node_count":2}"#),
                found("/service/lab/failover", r#"{"leader":"postgres-1","member":"postgres-2"}"#),
                found(
                    "/service/lab/sync",
                    r#"{"leader":"postgres-1","sync_standby":"postgres-2,postgres-3"}"#,
                ),
            ],
            &[
                found("/pgha/lab/repair/parked/h4", "postgres-1"),
                found("/pgha/lab/asked/switchover", r#"{"candidate":"postgres-2"}"#),
            ],
        );
        assert_eq!(seen.leader, Some(LeaderSeen { member: name("postgres-1"), mod_revision: 7, lease: 70 }));
        assert!(seen.initialized && seen.maintenance);
        let (from, to) = (Some(name("postgres-1")), Some(name("postgres-2")));
        assert_eq!(seen.handover, Some(HandoverSeen { from, to: to.clone(), mod_revision: 7 }));
        assert_eq!(seen.wish, Some(WishSeen { candidate: to, mod_revision: 7, idle: 7 }));
        assert_eq!(seen.may_lead.expect("a sync mode").len(), 3);
        assert_eq!(seen.standbys, Some(StandbysSeen { count: 2, mod_revision: 7 }));
        assert_eq!(seen.parked, [(name("h4"), name("postgres-1"))].into());
    }

    #[test]
    fn what_is_not_there_or_empty_asks_for_nothing() {
        let nothing = read("lab", &[], &[]);
        assert_eq!(nothing, StoreSeen::default());
        let quiet = read(
            "lab",
            &[
                found("/service/lab/initialize", ""),
                found("/service/lab/config", r#"{"ttl":30}"#),
                found("/service/lab/failover", "{}"),
                found("/service/lab/sync", r#"{"leader":null,"sync_standby":null}"#),
                found("/service/labor/leader", "postgres-9"),
                found("/service/lab/config2", "torn"),
            ],
            &[],
        );
        assert_eq!(quiet, StoreSeen::default());
    }
}
