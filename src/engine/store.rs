//! etcd as one store: every member is one way to the same store. The one that answered last is
//! asked first; one that is silent costs its time limit once.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::etcd::{Change, Compare, Etcd, KeyValue, Watch};
use super::http::HttpError;

/// Longest wait for one member.
const LIMIT: Duration = Duration::from_millis(700);

/// The store behind all its members.
#[derive(Debug)]
pub struct Store {
    members: Vec<Etcd>,
    last: AtomicUsize,
}

impl Store {
    /// The store whose members listen there.
    #[must_use]
    pub fn new(addresses: &[SocketAddr]) -> Self {
        let members = addresses.iter().map(|address| Etcd::new(*address, LIMIT)).collect();
        Self { members, last: AtomicUsize::new(0) }
    }

    /// One key, linearizably.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn get(&self, key: &str) -> Result<Option<KeyValue>, HttpError> {
        self.any(|member| member.get(key)).await
    }

    /// Every key with this prefix, linearizably.
    ///
    /// # Errors
    /// [`HttpError`] of the member that was asked last.
    pub async fn list(&self, prefix: &str) -> Result<Vec<KeyValue>, HttpError> {
        self.any(|member| member.list(prefix)).await
    }

    /// A lease.
    ///
    /// # Errors
    /// [`HttpError`]; a lease that nobody heard of runs out.
    pub async fn grant(&self, seconds: u32) -> Result<i64, HttpError> {
        self.any(|member| member.grant(seconds)).await
    }

    /// Renews a lease; 0: it is gone.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn keep_alive(&self, lease: i64) -> Result<i64, HttpError> {
        self.any(|member| member.keep_alive(lease)).await
    }

    /// One transaction, asked of one member only: after silence nobody knows whether it happened, and asking
    /// another could make it seem refused by its own effect.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn transact(&self, when: &[Compare], changes: &[Change]) -> Result<bool, HttpError> {
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
        self.any(|member| member.watch(key)).await
    }

    fn member(&self, at: usize) -> Result<&Etcd, HttpError> {
        let index = at % self.members.len().max(1);
        let none =
            || HttpError::NoAnswer { url: "etcd".to_owned(), cause: "the plan names no member".to_owned() };
        self.members.get(index).ok_or_else(none)
    }

    async fn any<'a, T, F>(&'a self, ask: impl Fn(&'a Etcd) -> F) -> Result<T, HttpError>
    where
        F: Future<Output = Result<T, HttpError>>,
    {
        let first = self.last.load(Ordering::Relaxed);
        let mut outcome = ask(self.member(first)?).await;
        for step in 1..self.members.len() {
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
