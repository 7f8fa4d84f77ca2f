//! What a controller that releases Patroni's leader key relies on, held against the real Patroni: who
//! has the key after it was taken away from a primary that lives, that is frozen, that is dead, and from
//! one that came back under its own name before it was taken away.
//!
//! Each claim was derived from Patroni's source (ha.py, etcd3.py); here it is seen to be so. The store is
//! asked by its own command line, not by this crate.

use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgha::engine::clock;
use pgha::engine::docker::Docker;
use pgha::lab::ready::primary;
use pgha::lab::record::{self, LabRecord};
use pgha::model::Sighting;
use serde_json::Value;

use crate::desk::{Lab, succeed, whole};

/// Longest wait for another holder of the key.
const PATIENCE: Duration = Duration::from_mins(1);

/// The leader key.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    holder: String,
    /// Revision at which it came to be: another one means that it was gone in between.
    created: u64,
    lease: u64,
}

struct Desk<'a> {
    lab: &'a Lab,
    docker: Docker,
    record: LabRecord,
}

/// Every claim, one after the other, on one lab with one etcd member and two instances.
pub fn keeps_what_a_release_relies_on(lab: &Lab) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let docker = Docker::connect().await.expect("an engine");
        let record = record::require(&docker, &lab.name).await.expect("a record");
        let desk = Desk { lab, docker, record };
        desk.a_living_primary_takes_its_key_back(false).await;
        desk.a_living_primary_takes_its_key_back(true).await;
        desk.a_primary_that_does_not_answer_is_followed_once_its_key_is_gone("kill", "start").await;
        desk.a_primary_that_does_not_answer_is_followed_once_its_key_is_gone("pause", "unpause").await;
        desk.a_primary_that_is_back_before_its_lease_ends_keeps_its_key().await;
    });
}

impl Desk<'_> {
    /// Nobody follows a primary that answers: the others ask it before they race.
    async fn a_living_primary_takes_its_key_back(&self, with_its_lease: bool) {
        let (before, key) = self.calm().await;
        self.take_away(&key, with_its_lease);
        let after = self.key_other_than(&key).await;
        assert_eq!(after.holder, key.holder, "somebody else has the key of a primary that lives");
        assert_eq!(after.lease != key.lease, with_its_lease, "{key:?} became {after:?}");
        let seen = self.whole().await;
        assert_eq!(lead(&seen), lead(&before), "its lease revoked: {with_its_lease}");
        println!("living primary, lease revoked: {with_its_lease}: {key:?} became {after:?}");
    }

    /// The other one leads on a new timeline although the lease had not run out. Back in life, or thawed, the old
    /// one finds it leading and follows.
    async fn a_primary_that_does_not_answer_is_followed_once_its_key_is_gone(&self, gone: &str, back: &str) {
        let (before, key) = self.calm().await;
        self.engine(gone, &key.holder);
        self.take_away(&key, true);
        let after = self.key_other_than(&key).await;
        assert_ne!(after.holder, key.holder);
        self.engine(back, &key.holder);
        self.followed(&before, &after).await;
        println!("primary after {gone}: {key:?} became {after:?}");
    }

    /// Why a controller never starts the holder of the key before another leads: the key is never gone, and
    /// the one that died leads again.
    async fn a_primary_that_is_back_before_its_lease_ends_keeps_its_key(&self) {
        let (before, key) = self.calm().await;
        self.engine("kill", &key.holder);
        self.engine("start", &key.holder);
        let seen = self.whole().await;
        let after = self.key().expect("a leader key");
        assert_eq!((&after.holder, after.created), (&key.holder, key.created), "the key was gone in between");
        assert_eq!(lead(&seen).map(|(who, _)| who), lead(&before).map(|(who, _)| who));
        println!(
            "back before its lease ended: {key:?} is {after:?}, {:?} is {:?}",
            lead(&before),
            lead(&seen)
        );
    }

    async fn calm(&self) -> (Sighting, Key) {
        let seen = self.whole().await;
        let key = self.key().expect("a leader key");
        assert_eq!(lead(&seen).map(|(who, _)| who), Some(key.holder.clone()));
        (seen, key)
    }

    async fn whole(&self) -> Sighting {
        whole(&self.docker, &self.record).await
    }

    /// The holder of `key` leads, one timeline further than in `before`, and everybody follows it.
    async fn followed(&self, before: &Sighting, key: &Key) {
        let (_, timeline) = lead(before).expect("a primary");
        let seen = self.whole().await;
        assert_eq!(lead(&seen), Some((key.holder.clone(), timeline + 1)));
    }

    fn engine(&self, verb: &str, member: &str) {
        succeed(Command::new("docker").args([verb, &format!("pgha-{}-{member}", self.lab.name)]));
    }

    fn etcdctl(&self, words: &[&str]) -> String {
        let words = [&["exec", "etcd-1", "--", "/usr/bin/etcdctl"], words].concat();
        self.lab.pgha(&words)
    }

    fn path(&self) -> String {
        format!("/service/{}/leader", self.lab.name)
    }

    /// The leader key as it is; `None` while there is none.
    fn key(&self) -> Option<Key> {
        let said = self.etcdctl(&["get", &self.path(), "--write-out", "json"]);
        let said: Value = serde_json::from_str(&said).expect("JSON");
        let found = said["kvs"].get(0)?;
        let holder = STANDARD.decode(found["value"].as_str().expect("a value")).expect("base64");
        Some(Key {
            holder: String::from_utf8(holder).expect("text"),
            created: found["create_revision"].as_u64().expect("a revision"),
            lease: found["lease"].as_u64().expect("a lease"),
        })
    }

    /// Takes the key away, and with it whatever else hangs on its lease.
    fn take_away(&self, key: &Key, with_its_lease: bool) {
        if with_its_lease {
            self.etcdctl(&["lease", "revoke", &format!("{:x}", key.lease)]);
        } else {
            self.etcdctl(&["del", &self.path()]);
        }
    }

    /// The key that came after `key` was gone.
    async fn key_other_than(&self, key: &Key) -> Key {
        let deadline = clock::now().plus(PATIENCE);
        loop {
            if let Some(found) = self.key().filter(|found| found.created != key.created) {
                return found;
            }
            assert!(clock::now() < deadline, "nobody took the key after {key:?}");
            clock::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Who is primary, and on which timeline.
fn lead(seen: &Sighting) -> Option<(String, u32)> {
    let member = primary(seen)?;
    let sql = seen.postgres.get(member)?.sql.seen()?;
    Some((member.to_string(), sql.timeline?))
}
