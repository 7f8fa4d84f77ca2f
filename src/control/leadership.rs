//! Which replica of a controller is the active one: whoever wrote the leadership key, as long as its lease
//! lasts.
//!
//! A lease alone excludes nobody: a replica that slept may still believe in it. That is harmless, because
//! every write and every order carries the revision that wrote the key ([`Token`]) and is compared with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::status_server::StatusServer;
use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::engine::http::HttpError;
use crate::engine::store::Store;
use crate::model::MemberId;
use crate::model::control::Token;

/// Seconds of the lease. etcd looks for leases that ran out every half second.
const LEASE: u32 = 4;
/// Pause between two renewals, and between two attempts to become active.
const RENEWAL_PAUSE: Duration = Duration::from_millis(700);

/// The token of this replica while it is the active one.
pub type Leading = watch::Receiver<Option<Token>>;

/// Waits until this replica is the active one; for ever, where its campaign has ended.
pub async fn is_active(leading: &Leading) {
    let mut leading = leading.clone();
    if leading.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// The lease of this replica; 0 without one.
#[derive(Clone, Debug, Default)]
pub struct ReplicaLease(Arc<AtomicI64>);

impl ReplicaLease {
    /// Gives up what this replica has, so that another need not wait for it to run out.
    pub async fn give_up(&self, store: &Store) {
        let lease = self.0.swap(0, Ordering::SeqCst);
        if lease != 0
            && let Err(error) = store.revoke(lease).await
        {
            tracing::warn!(%error, "the lease could not be given up: it runs out");
        }
    }
}

/// Campaigns for ever; the receiver shows the outcome.
pub fn campaign(
    store: Arc<Store>,
    key: String,
    replica: MemberId,
    lease: ReplicaLease,
    board: Arc<StatusServer>,
) -> (Leading, impl Future<Output = ()>) {
    let (told, leading) = watch::channel(None);
    (leading, run(store, key, replica, lease, told, board))
}

async fn run(
    store: Arc<Store>,
    key: String,
    replica: MemberId,
    shown: ReplicaLease,
    told: watch::Sender<Option<Token>>,
    board: Arc<StatusServer>,
) {
    let mut lease = None;
    loop {
        let outcome = turn(&store, &key, &replica, &mut lease).await;
        shown.0.store(lease.unwrap_or(0), Ordering::SeqCst);
        match outcome {
            Ok(token) => {
                board.store_says(None);
                told.send_if_modified(|now| {
                    let news = *now != token;
                    *now = token;
                    news
                });
            }
            Err(error) => {
                // not knowing is not leading; the lease may still be there, so it is kept
                tracing::warn!(%error, "the leadership cannot be seen");
                board.store_says(Some(&error.to_string()));
                told.send_if_modified(|now| now.take().is_some());
            }
        }
        clock::sleep(RENEWAL_PAUSE).await;
    }
}

/// Renews what there is, takes what is free, reads who has it.
async fn turn(
    store: &Store,
    key: &str,
    replica: &MemberId,
    lease: &mut Option<i64>,
) -> Result<Option<Token>, HttpError> {
    if let Some(mine) = *lease
        && store.keep_alive(mine).await? == 0
    {
        *lease = None;
    }
    let found = store.get(key).await?;
    if let Some(found) = found {
        // a key on somebody else's lease is somebody else's, also of a namesake that died
        let own = found.value == replica.as_str().as_bytes() && Some(found.lease) == *lease;
        return Ok(own.then(|| Token { key: key.to_owned(), revision: found.mod_revision }));
    }
    let mine = match *lease {
        Some(mine) => mine,
        None => *lease.insert(store.grant(LEASE).await?),
    };
    let free = [Compare::ModRevision(key.to_owned(), 0)];
    let take =
        [StoreChange::Put { key: key.to_owned(), value: replica.as_str().as_bytes().to_vec(), lease: mine }];
    store.transact(&free, &take).await?;
    let found = store.get(key).await?;
    Ok(found
        .filter(|found| found.value == replica.as_str().as_bytes() && found.lease == mine)
        .map(|found| Token { key: key.to_owned(), revision: found.mod_revision }))
}
