//! Whether an order stands: it is in time, whoever gives it is the active controller, and Patroni's leader key is whose the
//! order says. Asked just before the deed, after every wait for a turn: who waited may have been deposed meanwhile.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::clock;
use crate::engine::store::Store;
use crate::model::control::{BrokerAnswer, BrokerOrder, BrokerRefusal, LeaderIs, Token};
use crate::model::store_keys::{leadership_key, patroni_key};
use crate::model::{Mono, Name};

/// A leadership that was in force so long ago is in force: its lease lasts for seconds.
const WARRANT_FRESH: Duration = Duration::from_millis(100);

/// Why an order does not stand.
pub(super) type NoWarrant = (BrokerRefusal, String);

/// Asks whether orders stand.
pub(super) struct Warrants {
    store: Arc<Store>,
    lab: Name,
    /// Leadership keys of the controllers that may give orders.
    keys: Vec<String>,
}

impl Warrants {
    pub(super) fn new(store: Arc<Store>, lab: Name, controllers: &[Name]) -> Self {
        let keys = controllers.iter().map(|name| leadership_key(&lab, name)).collect();
        Self { store, lab, keys }
    }

    /// Whether an order stands now, by a linearizable read.
    pub(super) async fn stands(&self, order: &BrokerOrder) -> Result<(), NoWarrant> {
        in_time(order.deadline, clock::now())?;
        let token = &order.token;
        if !self.keys.contains(&token.key) {
            let text = format!("`{}` is the key of no controller of this lab", token.key);
            return Err((BrokerRefusal::NotLeader, text));
        }
        match self.store.get(&token.key).await {
            Ok(found) => leads(token, found.map(|found| found.mod_revision)),
            Err(error) => Err((BrokerRefusal::NotLeader, format!("etcd does not say who leads: {error}"))),
        }?;
        // the question itself may have taken too long
        in_time(order.deadline, clock::now())
    }

    /// Whether an order that stood at `asked` stands still: its deadline is compared, and the leadership once more where the
    /// engine was waited for longer than that takes.
    pub(super) async fn still_stands(&self, order: &BrokerOrder, asked: Mono) -> Result<(), NoWarrant> {
        let now = clock::now();
        in_time(order.deadline, now)?;
        if now.since(asked) < WARRANT_FRESH { Ok(()) } else { self.stands(order).await }
    }

    /// Whether Patroni's leader key is whose the order says it is, of the member it is about.
    pub(super) async fn leader(&self, is: Option<LeaderIs>, member: &str) -> Result<(), NoWarrant> {
        let Some(is) = is else { return Ok(()) };
        let found = self.store.get(&patroni_key(self.lab.as_str(), "leader")).await;
        let found = found.map_err(|error| {
            (BrokerRefusal::NotAllowed, format!("etcd does not say who holds the leader key: {error}"))
        })?;
        let key = found.as_ref().map(|found| (String::from_utf8_lossy(&found.value), found.mod_revision));
        let key = key.as_ref().map(|(holder, revision)| (holder.as_ref(), *revision));
        is.holds(member, key).map_err(|why| (BrokerRefusal::NotAllowed, why))
    }
}

/// An order that does not stand, as it is answered.
pub(super) fn answered((why, text): NoWarrant) -> BrokerAnswer {
    BrokerAnswer::Refused { why, text }
}

fn in_time(deadline: Mono, now: Mono) -> Result<(), NoWarrant> {
    let late = || (BrokerRefusal::TooLate, "the order's deadline has passed".to_owned());
    if now > deadline { Err(late()) } else { Ok(()) }
}

/// Whether the leadership that an order shows is the one in force.
fn leads(token: &Token, found: Option<i64>) -> Result<(), NoWarrant> {
    let text = match found {
        Some(revision) if revision == token.revision => return Ok(()),
        Some(revision) => {
            format!("the leadership was written by revision {revision}, the order shows {}", token.revision)
        }
        None => "nobody holds the leadership".to_owned(),
    };
    Err((BrokerRefusal::NotLeader, text))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::json;

    use super::*;
    use crate::engine::etcd::fake_gateway::gateway;
    use crate::model::control::BrokerDeed;

    #[test]
    fn an_order_stands_in_time_and_under_the_leadership_in_force() {
        let token = Token { key: "leader".to_owned(), revision: 7 };
        assert_eq!(leads(&token, Some(7)), Ok(()));
        for (found, said) in [
            (Some(8), "the leadership was written by revision 8, the order shows 7"),
            (None, "nobody holds the leadership"),
        ] {
            assert_eq!(leads(&token, found), Err((BrokerRefusal::NotLeader, said.to_owned())));
        }
        assert_eq!(in_time(Mono(5), Mono(5)), Ok(()));
        assert_eq!(in_time(Mono(5), Mono(6)).expect_err("late").0, BrokerRefusal::TooLate);
    }

    #[test]
    fn the_leader_key_is_whose_the_order_says() {
        let key = Some(("postgres-1", 7));
        assert_eq!(LeaderIs::Itself(7).holds("postgres-1", key), Ok(()));
        assert_eq!(LeaderIs::Another.holds("postgres-2", key), Ok(()));
        assert_eq!(LeaderIs::Nobody.holds("postgres-2", None), Ok(()));
        // it wrote its key anew, leads meanwhile, or nobody does
        for (is, member, key) in [
            (LeaderIs::Itself(6), "postgres-1", key),
            (LeaderIs::Itself(7), "postgres-2", key),
            (LeaderIs::Another, "postgres-1", key),
            (LeaderIs::Another, "postgres-1", None),
            (LeaderIs::Nobody, "postgres-1", key),
            (LeaderIs::Itself(7), "postgres-1", None),
        ] {
            assert!(is.holds(member, key).is_err(), "{is:?} {member} {key:?}");
        }
    }

    #[tokio::test]
    async fn an_order_that_waited_is_asked_again_by_whom_and_until_when_it_stands() {
        let (key, lab) = ("/pgha/lab/controllers/repair/leader", "lab".parse::<Name>().expect("a name"));
        let revision = Arc::new(AtomicI64::new(7));
        let now = Arc::clone(&revision);
        let encoded = STANDARD.encode(key);
        let address = gateway(move |_, _| {
            let revision = now.load(Ordering::SeqCst).to_string();
            json!({ "kvs": [{ "key": encoded, "value": "", "mod_revision": revision }] })
        })
        .await;
        let store = Arc::new(Store::new(&[address]));
        let warrants = Warrants { store, lab, keys: vec![key.to_owned()] };
        let hour = Duration::from_hours(1);
        let order = |deadline| BrokerOrder {
            token: Token { key: key.to_owned(), revision: 7 },
            deadline,
            deed: BrokerDeed::Start { container: "c".to_owned() },
        };
        let (good, asked) = (order(clock::now().plus(hour)), clock::now());
        assert_eq!(warrants.stands(&good).await, Ok(()));
        // whoever gave it was deposed while it waited
        revision.store(8, Ordering::SeqCst);
        assert_eq!(warrants.still_stands(&good, clock::now()).await, Ok(()), "it was asked a moment ago");
        let long_ago = Mono(asked.0.saturating_sub(1_000_000_000));
        let deposed = warrants.still_stands(&good, long_ago).await.expect_err("another leads");
        assert_eq!(deposed.0, BrokerRefusal::NotLeader);
        assert_eq!(warrants.stands(&good).await, Err(deposed));
        // its deadline passed while it waited
        let late = warrants.still_stands(&order(long_ago), clock::now()).await.expect_err("late");
        assert_eq!(late.0, BrokerRefusal::TooLate);
    }
}
