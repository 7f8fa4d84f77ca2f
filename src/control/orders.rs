//! What the hands of every controller share: a look at the store, and orders to the broker and writes to the store,
//! each with proof of leadership.

use std::sync::Arc;

use serde_json::Value;

use super::broker_client::BrokerClient;
use super::driver::Failed;
use crate::decide::repair::{HandoverSeen, LeaderSeen, RepairStoreSeen, StandbysSeen, WishSeen};
use crate::engine::etcd::{Compare, KeyValue, StoreChange};
use crate::engine::store::Store;
use crate::model::control::{BrokerAnswer, BrokerDeed, BrokerRefusal, Proof, SwitchoverWish, Token};
use crate::model::store_keys::{keys, keys_below, patroni_keys, repair_key, switchover_key};
use crate::model::{HostName, Lsn, MemberId, Name, Sight};

/// Last word of the key that says when replacements were begun.
pub(super) const REPLACEMENTS: &str = "replacements";

/// The words that a handover is asked by, each by the revision that wrote it.
#[derive(Clone, Copy)]
pub(super) struct HandOverWords {
    /// The operator's wish.
    pub(super) wish: i64,
    /// The word that asks Patroni for nothing; 0: there is none.
    pub(super) idle: i64,
}

/// The way to the store and to the engine.
pub(super) struct OrderSender {
    /// The members of etcd.
    pub store: Arc<Store>,
    /// The way to the engine.
    pub broker: Arc<BrokerClient>,
    lab: Name,
}

impl OrderSender {
    pub fn new(store: Arc<Store>, broker: Arc<BrokerClient>, lab: Name) -> Self {
        Self { store, broker, lab }
    }

    /// Patroni's keys and those of the lab, read linearizably.
    pub async fn keys(&self) -> Result<(Vec<KeyValue>, Vec<KeyValue>), String> {
        let (patroni, ours) = (patroni_keys(self.lab.as_str()), keys(&self.lab));
        let (patroni, ours) = tokio::join!(self.store.list(&patroni), self.store.list(&ours));
        let said = |error: crate::engine::http::HttpError| error.to_string();
        Ok((patroni.map_err(said)?, ours.map_err(said)?))
    }

    /// What they say.
    pub async fn look(&self) -> Sight<RepairStoreSeen> {
        match self.keys().await {
            Ok((patroni, ours)) => Sight::Seen(read(self.lab.as_str(), &patroni, &ours)),
            Err(why) => Sight::Blind(why),
        }
    }

    /// One transaction that happens only while this replica is the active one.
    pub async fn write(
        &self,
        when: &[Compare],
        changes: &[StoreChange],
        token: &Token,
    ) -> Result<(), Failed> {
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
    pub async fn deed(&self, deed: BrokerDeed, token: &Token) -> Result<Option<Proof>, Failed> {
        match self.broker.order(deed, token).await {
            Ok(BrokerAnswer::Done) => Ok(None),
            Ok(BrokerAnswer::Proof(proof)) => Ok(Some(proof)),
            Ok(BrokerAnswer::Refused { why: BrokerRefusal::NotLeader, text }) => Err(Failed::NotLeader(text)),
            // late is no word about the deed: the same may be asked for again
            Ok(
                BrokerAnswer::Refused { why: BrokerRefusal::TooLate, text } | BrokerAnswer::Failed { text },
            ) => Err(Failed::Trouble(text)),
            Ok(BrokerAnswer::Refused { text, .. }) => Err(Failed::Guard(text)),
            Err(error) => Err(Failed::Trouble(error.to_string())),
        }
    }
}

/// Patroni's keys and ours.
pub(super) fn read(lab: &str, patroni: &[KeyValue], ours: &[KeyValue]) -> RepairStoreSeen {
    let scope = patroni_keys(lab);
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
        let scheduled = value.get("scheduled_at").is_some_and(|at| !at.is_null());
        somebody.then_some(HandoverSeen { from, to, scheduled, mod_revision: found.mod_revision })
    });
    let wish = Name::new(lab).ok().and_then(|lab| {
        let wanted = switchover_key(&lab);
        let found = ours.iter().find(|found| found.key == wanted)?;
        let wish: SwitchoverWish = serde_json::from_slice(&found.value).ok()?;
        let idle = key("failover").map_or(0, |found| found.mod_revision);
        Some(WishSeen { candidate: wish.candidate, mod_revision: found.mod_revision, idle })
    });
    // keys of ours below this part of the lab's, by their last word
    let part = |part: &str| -> Vec<(&str, &KeyValue)> {
        let prefix = keys_below(lab, part);
        ours.iter().filter_map(|found| Some((found.key.strip_prefix(&prefix)?, found))).collect()
    };
    let parked = part("repair/parked").into_iter().filter_map(|(host, found)| {
        Some((HostName::new(host).ok()?, MemberId::new(String::from_utf8_lossy(&found.value)).ok()?))
    });
    let standbys = key("config").and_then(|found| {
        let count = json("config")?.get("synchronous_node_count")?.as_u64()?;
        Some(StandbysSeen { count: u32::try_from(count).ok()?, mod_revision: found.mod_revision })
    });
    let own = |name: &str| ours.iter().find(|found| found.key == repair_key(lab, name));
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let confirms = json("sync").filter(|sync| text(sync, "leader").is_some());
    let quorum = confirms.as_ref().and_then(|sync| u32::try_from(number(sync.get("quorum")?)?).ok());
    // a line says which timeline ended, where, why, when, and who led the next one
    let last =
        json("history").and_then(|lines| lines.as_array()?.last()?.get(4)?.as_str().map(str::to_owned));
    let led = confirms.as_ref().and_then(|sync| text(sync, "leader")).or(last);
    let word = own("replacing").map(|found| serde_json::from_slice(&found.value));
    RepairStoreSeen {
        leader,
        unrenewed: None,
        initialized: key("initialize").is_some_and(|found| !found.value.is_empty()),
        maintenance: json("config").is_some_and(|config| config.get("pause") == Some(&Value::Bool(true))),
        handover,
        wish,
        may_lead,
        quorum: quorum.unwrap_or(0),
        position: json("status").and_then(|status| number(status.get("optime")?)).map(Lsn),
        led: led.and_then(|led| MemberId::new(led).ok()),
        standbys,
        parked: parked.collect(),
        unreadable: word.as_ref().and_then(|word| word.as_ref().err().map(ToString::to_string)),
        replacing: word.and_then(Result::ok),
        replaced: own(REPLACEMENTS)
            .and_then(|found| serde_json::from_slice(&found.value).ok())
            .unwrap_or_default(),
        asked: part("asked/replace")
            .into_iter()
            .filter_map(|(member, found)| Some((MemberId::new(member).ok()?, found.mod_revision)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(key: &str, value: &str) -> KeyValue {
        KeyValue { key: key.to_owned(), value: value.as_bytes().to_vec(), mod_revision: 7, lease: 70 }
    }

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
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
        let asked = HandoverSeen { from, to: to.clone(), scheduled: false, mod_revision: 7 };
        assert_eq!(seen.handover, Some(asked));
        assert_eq!(seen.wish, Some(WishSeen { candidate: to, mod_revision: 7, idle: 7 }));
        assert_eq!(seen.may_lead.expect("a sync mode").len(), 3);
        assert_eq!(seen.standbys, Some(StandbysSeen { count: 2, mod_revision: 7 }));
        assert_eq!(seen.parked, [(name("h4"), name("postgres-1"))].into());
    }

    #[test]
    fn votes_positions_and_who_led_are_read_as_patroni_writes_them() {
        let keys = [
            found(
                "/service/lab/sync",
                r#"{"leader":"postgres-1","sync_standby":"postgres-2,postgres-3","quorum":1}"#,
            ),
            found("/service/lab/status", r#"{"optime":67108960,"slots":{"postgres_2":67108960}}"#),
            found(
                "/service/lab/failover",
                r#"{"leader":"postgres-1","scheduled_at":"2030-01-01T10:00:00+00:00"}"#,
            ),
        ];
        let ours = [
            found("/pgha/lab/asked/replace/postgres-3", "an operator"),
            found("/pgha/lab/repair/replacements", "[5,9]"),
        ];
        let seen = read("lab", &keys, &ours);
        assert_eq!((seen.quorum, seen.position), (1, Some(Lsn(67_108_960))));
        assert_eq!(seen.led, Some(name("postgres-1")));
        assert!(seen.handover.is_some_and(|handover| handover.scheduled));
        assert_eq!(seen.asked, [(name("postgres-3"), 7)].into());
        assert_eq!(seen.replaced, [crate::model::Mono(5), crate::model::Mono(9)]);
        let other = [found("/pgha/lab/repair/replacing", r#"{"member":"postgres-2","phase":"added"}"#)];
        let seen_other = read("lab", &keys, &other);
        assert!(seen_other.replacing.is_none() && seen_other.unreadable.is_some(), "{seen_other:?}");
        let history = r#"[[1,100,"no recovery target specified","2026-01-01T10:00:00+00:00","postgres-2"]]"#;
        let seen = read("lab", &[found("/service/lab/history", history)], &[]);
        assert_eq!(seen.led, Some(name("postgres-2")));
    }

    #[test]
    fn what_is_not_there_or_empty_asks_for_nothing() {
        let nothing = read("lab", &[], &[]);
        assert_eq!(nothing, RepairStoreSeen::default());
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
        assert_eq!(quiet, RepairStoreSeen::default());
    }
}
