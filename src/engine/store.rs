//! etcd as one store: every member is one way to the same store. The one that answered last is
//! asked first; one that is silent costs its time limit once. Members come and go: whoever knows where
//! they stand now says so, and what hangs on one that left ends.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::etcd::{Compare, EtcdMember, KeyValue, ListedMember, StoreChange, Watch};
use super::http::HttpError;
use crate::model::Span;
use crate::model::store_keys::NOBODYS_KEY;

/// Longest wait for one member.
const ETCD_MEMBER_TIMEOUT: Duration = Duration::from_millis(700);

/// Longest wait for a member that is defragmented.
const DEFRAGMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// One member of the cluster, and what keeps it from counting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoterState {
    /// The member as the cluster lists it.
    pub listed: ListedMember,
    /// Why it does not serve; `None`: it reads linearizably, so a quorum stands behind it.
    pub trouble: Option<String>,
}

impl VoterState {
    /// Whether this is the member of that name; one that has not started has none and is known by where its peers
    /// will reach it.
    #[must_use]
    pub fn is(&self, name: &str, peer: &str) -> bool {
        let listed = &self.listed;
        if listed.joined() { listed.name == name } else { listed.peers.iter().any(|known| known == peer) }
    }
}

/// Whether a cluster has a quorum of members that serve, without one of them (by its number in the cluster), and with
/// so many `more` that do not serve yet.
///
/// # Errors
/// Why not, in words.
pub fn carried(votes: &[VoterState], without: Option<u64>, more: usize) -> Result<(), String> {
    let stay = || votes.iter().filter(|vote| !vote.listed.learner && Some(vote.listed.id) != without);
    let healthy = stay().filter(|vote| vote.trouble.is_none()).count();
    let voters = stay().count() + more;
    let quorum = voters / 2 + 1;
    if healthy >= quorum {
        return Ok(());
    }
    Err(format!("of {voters} members of etcd {healthy} would serve, and {quorum} must"))
}

/// Ways to the members, by address.
type Ways = Vec<(SocketAddr, EtcdMember)>;

/// The store behind all its members.
#[derive(Debug)]
pub struct Store {
    members: watch::Sender<Ways>,
    last: AtomicUsize,
}

impl Store {
    /// The store whose members listen there.
    #[must_use]
    pub fn new(addresses: &[SocketAddr]) -> Self {
        let ways = addresses
            .iter()
            .map(|address| (*address, EtcdMember::new(*address, ETCD_MEMBER_TIMEOUT)))
            .collect();
        Self { members: watch::Sender::new(ways), last: AtomicUsize::new(0) }
    }

    /// The members listen there now. Nobody at all is no news: whoever says so knows less.
    pub fn follow(&self, addresses: &[SocketAddr]) {
        if addresses.is_empty() {
            return;
        }
        self.members.send_if_modified(|ways| {
            let news = !ways.iter().map(|(address, _)| address).eq(addresses);
            if news {
                *ways = addresses
                    .iter()
                    .map(|address| {
                        let known = ways.iter().find(|(known, _)| known == address);
                        known
                            .cloned()
                            .unwrap_or_else(|| (*address, EtcdMember::new(*address, ETCD_MEMBER_TIMEOUT)))
                    })
                    .collect();
            }
            news
        });
    }

    /// Ends when the members are others than now.
    pub async fn moved(&self) {
        let mut members = self.members.subscribe();
        // the sender is this store, which is there
        let _ = members.changed().await;
    }

    /// One key, linearizably.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn get(&self, key: &str) -> Result<Option<KeyValue>, HttpError> {
        self.any(|member| async move { member.get(key).await }).await
    }

    /// Every key with this prefix, linearizably.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn list(&self, prefix: &str) -> Result<Vec<KeyValue>, HttpError> {
        self.any(|member| async move { member.list(prefix).await }).await
    }

    /// A lease.
    ///
    /// # Errors
    /// [`HttpError`]; a lease that nobody heard of runs out.
    pub async fn grant(&self, seconds: u32) -> Result<i64, HttpError> {
        self.any(|member| async move { member.grant(seconds).await }).await
    }

    /// Renews a lease; 0: it is gone.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn keep_alive(&self, lease: i64) -> Result<i64, HttpError> {
        self.any(|member| async move { member.keep_alive(lease).await }).await
    }

    /// How long ago a lease was renewed, to the second; `None`: it is gone.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn unrenewed(&self, lease: i64) -> Result<Option<Span>, HttpError> {
        self.any(|member| async move { member.unrenewed(lease).await }).await
    }

    /// One transaction, asked of one member only: after silence nobody knows whether it happened, and asking
    /// another could make it seem refused by its own effect.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn transact(&self, when: &[Compare], changes: &[StoreChange]) -> Result<bool, HttpError> {
        let at = self.last.load(Ordering::Relaxed);
        let outcome = self.member(at)?.transact(when, changes).await;
        if outcome.is_err() {
            self.last.store(at.wrapping_add(1), Ordering::Relaxed);
        }
        outcome
    }

    /// Ends a lease; one that is gone is fine.
    ///
    /// # Errors
    /// [`HttpError::NoAnswer`].
    pub async fn revoke(&self, lease: i64) -> Result<(), HttpError> {
        match self.member(self.last.load(Ordering::Relaxed))?.revoke(lease).await {
            Err(HttpError::Status { .. }) => Ok(()),
            other => other,
        }
    }

    /// Changes of a key from now on, or of every key below one that ends with a slash.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn watch(&self, key: &str) -> Result<Watch, HttpError> {
        self.any(|member| async move { member.watch(key).await }).await
    }

    /// Everybody in the cluster, linearizably.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn members(&self) -> Result<Vec<ListedMember>, HttpError> {
        self.any(|member| async move { member.members().await }).await
    }

    /// Everybody in the cluster, each asked whether it serves.
    ///
    /// # Errors
    /// [`HttpError`] when the cluster does not say who belongs to it.
    pub async fn votes(&self) -> Result<Vec<VoterState>, HttpError> {
        let asked = self.members().await?.into_iter().map(|listed| async move {
            let address = listed.clients.iter().find_map(|url| url.strip_prefix("http://")?.parse().ok());
            let trouble = match address {
                None => Some("it has not started".to_owned()),
                Some(address) => self.way(address).get(NOBODYS_KEY).await.err().map(|why| why.to_string()),
            };
            VoterState { listed, trouble }
        });
        Ok(join_all(asked).await)
    }

    /// Frees space where the quota of a member is spent: old revisions are forgotten, each member is defragmented, one
    /// after the other, and the alarm is lifted. What was done, in words; `None`: no quota is spent.
    ///
    /// # Errors
    /// [`HttpError`] of whoever could not be asked.
    pub async fn free_space(&self) -> Result<Option<String>, HttpError> {
        let spent = self.any(|member| async move { member.spent().await }).await?;
        if spent.is_empty() {
            return Ok(None);
        }
        self.any(|member| async move { member.compact().await }).await?;
        let addresses: Vec<SocketAddr> = self.members.borrow().iter().map(|(address, _)| *address).collect();
        let mut done = 0;
        for address in addresses {
            // one that does not answer keeps its space and no alarm of the others
            done += usize::from(EtcdMember::new(address, DEFRAGMENT_TIMEOUT).defragment().await.is_ok());
        }
        for one in &spent {
            self.any(|member| async move { member.disarm(*one).await }).await?;
        }
        Ok(Some(format!(
            "{} members had spent their quota: compacted, {done} defragmented, the alarm is lifted",
            spent.len()
        )))
    }

    fn way(&self, address: SocketAddr) -> EtcdMember {
        let ways = self.members.borrow();
        let known = ways.iter().find(|(known, _)| *known == address);
        known.map_or_else(|| EtcdMember::new(address, ETCD_MEMBER_TIMEOUT), |(_, member)| member.clone())
    }

    /// One more member, asked of one that answers; after an error the effect is open.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn add_member(&self, peer: &str) -> Result<(), HttpError> {
        self.member(self.last.load(Ordering::Relaxed))?.add_member(peer).await
    }

    /// One member less, asked of one that answers; after an error the effect is open.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn remove_member(&self, id: u64) -> Result<(), HttpError> {
        self.member(self.last.load(Ordering::Relaxed))?.remove_member(id).await
    }

    fn member(&self, at: usize) -> Result<EtcdMember, HttpError> {
        let ways = self.members.borrow();
        let index = at % ways.len().max(1);
        let none =
            || HttpError::NoAnswer { url: "etcd".to_owned(), cause: "the plan names no member".to_owned() };
        ways.get(index).map(|(_, member)| member.clone()).ok_or_else(none)
    }

    async fn any<T, F>(&self, ask: impl Fn(EtcdMember) -> F) -> Result<T, HttpError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let first = self.last.load(Ordering::Relaxed);
        let count = self.members.borrow().len();
        let mut outcome = ask(self.member(first)?).await;
        for step in 1..count {
            if outcome.is_ok() {
                break;
            }
            let at = first.wrapping_add(step);
            outcome = ask(self.member(at)?).await;
            if outcome.is_ok() {
                self.last.store(at, Ordering::Relaxed);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use serde_json::json;

    use super::*;
    use crate::engine::etcd::fake_gateway::gateway;
    use crate::engine::locked::Locked;

    fn vote(id: u64, serves: bool) -> VoterState {
        let listed = ListedMember {
            id,
            name: format!("etcd-{id}"),
            peers: Vec::new(),
            clients: Vec::new(),
            learner: false,
        };
        VoterState { listed, trouble: (!serves).then(|| "silent".to_owned()) }
    }

    #[test]
    fn a_quorum_of_those_who_serve_must_be_left() {
        let three = [vote(1, false), vote(2, true), vote(3, true)];
        assert_eq!(carried(&three, Some(1), 0), Ok(()));
        let said = carried(&three, Some(2), 0).expect_err("one of two would serve");
        assert_eq!(said, "of 2 members of etcd 1 would serve, and 2 must");
        // one that was added and has not started counts for the quorum and not for those who serve
        assert_eq!(carried(&three[1..], None, 1), Ok(()));
        assert!(carried(&three[..2], None, 1).is_err());
        assert!(carried(&three[1..2], Some(2), 0).is_err(), "the last one never leaves");
    }

    #[test]
    fn who_has_not_started_is_known_by_where_it_will_be_reached() {
        let mut one = vote(1, true);
        one.listed.peers = vec!["http://h1:2380".to_owned()];
        assert!(one.is("etcd-1", "elsewhere") && !one.is("etcd-4", "http://h1:2380"));
        one.listed.name.clear();
        assert!(one.is("etcd-4", "http://h1:2380") && !one.is("etcd-4", "http://h2:2380"));
    }

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[tokio::test]
    async fn who_stands_where_is_followed_and_nobody_is_no_news() {
        let store = Store::new(&[at(1), at(2)]);
        let mut members = store.members.subscribe();
        store.follow(&[]);
        store.follow(&[at(1), at(2)]);
        assert!(!members.has_changed().expect("it is there"));
        store.follow(&[at(2), at(3)]);
        let now: Vec<SocketAddr> = members.borrow_and_update().iter().map(|(address, _)| *address).collect();
        assert_eq!(now, [at(2), at(3)]);
        let moved = tokio::join!(store.moved(), async {
            tokio::task::yield_now().await;
            store.follow(&[at(4)]);
        });
        assert_eq!(moved, ((), ()));
    }

    #[tokio::test]
    async fn where_the_quota_is_spent_space_is_made_before_the_alarm_is_lifted() {
        let calls = Arc::new(Locked::new(Vec::new()));
        let (noted, spent) = (Arc::clone(&calls), Arc::new(AtomicBool::new(true)));
        let lifted = Arc::clone(&spent);
        let address = gateway(move |path, asked| {
            let lifts = asked.get("action").is_some_and(|action| action == "DEACTIVATE");
            noted.lock().push(if lifts { "lift".to_owned() } else { path.to_owned() });
            match path {
                "/v3/maintenance/alarm" if lifts => lifted.store(false, Ordering::SeqCst),
                "/v3/maintenance/alarm" if lifted.load(Ordering::SeqCst) => {
                    return json!({ "alarms": [{ "memberID": "9", "alarm": "NOSPACE" }] });
                }
                "/v3/maintenance/status" => return json!({ "header": { "revision": "42" } }),
                _ => {}
            }
            json!({})
        })
        .await;
        let store = Store::new(&[address]);
        let said = store.free_space().await.expect("it answers").expect("the quota was spent");
        assert_eq!(said, "1 members had spent their quota: compacted, 1 defragmented, the alarm is lifted");
        assert_eq!(
            std::mem::take(&mut *calls.lock()),
            [
                "/v3/maintenance/alarm",
                "/v3/maintenance/status",
                "/v3/kv/compaction",
                "/v3/maintenance/defragment",
                "lift"
            ]
        );
        assert_eq!(store.free_space().await, Ok(None), "nobody's quota is spent any more");
    }
}
