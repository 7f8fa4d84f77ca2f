//! Direct write probes: does this instance, past every balancer, acknowledge a write?
//!
//! One row per member is written again and again. Three answers: acknowledged, refused as
//! read-only, or nothing that says either. Only the first two are facts about the instance.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::Statement;

use crate::engine::clock;
use crate::engine::locked::Locked;
use crate::engine::postgres::Session;
use crate::model::plan::Credentials;
use crate::model::{MemberId, Mono};

/// The table that probes write; made when the lab is founded.
pub const PROBE_TABLE: &str = "pgha_probe";

/// Writes probes to one instance over a kept connection.
#[derive(Debug)]
pub struct Prober {
    member: MemberId,
    address: SocketAddr,
    who: Credentials,
    limit: Duration,
    session: Option<(Session, Statement)>,
}

/// The latest answer of a probing task.
#[derive(Debug, Default)]
pub struct Latest(Locked<Option<(Mono, Option<bool>)>>);

impl Latest {
    /// The answer, unless it is older than `fresh`.
    #[must_use]
    pub fn get(&self, now: Mono, fresh: Duration) -> Option<bool> {
        let latest = self.0.lock();
        latest.filter(|(at, _)| now.since(*at) <= fresh).and_then(|(_, writable)| writable)
    }

    /// Notes an answer; true when it differs from the one before.
    pub fn set(&self, at: Mono, writable: Option<bool>) -> bool {
        let mut latest = self.0.lock();
        let before = latest.replace((at, writable));
        before.is_none_or(|(_, was)| was != writable)
    }
}

impl Prober {
    /// A prober without a connection yet.
    #[must_use]
    pub const fn new(member: MemberId, address: SocketAddr, who: Credentials, limit: Duration) -> Self {
        Self { member, address, who, limit, session: None }
    }

    /// One probe: `Some(true)` acknowledged, `Some(false)` refused as read-only, `None` otherwise.
    pub async fn probe(&mut self) -> Option<bool> {
        let (session, write) = match self.session.take().filter(|(session, _)| !session.is_closed()) {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        // an instance that replays is asked and not written to: ten refused writes a second would
        // bury whatever else its log has to say
        let probing = async {
            let row = session.client().query_one("select pg_is_in_recovery()", &[]).await?;
            if row.try_get(0)? { Ok(false) } else { self.write(&session, &write).await }
        };
        let answer = clock::timeout(self.limit, probing).await.ok()?.ok();
        if answer.is_some() {
            self.session = Some((session, write));
        }
        // else it is dropped, and with it whatever still hangs on it
        answer
    }

    async fn connect(&self) -> Option<(Session, Statement)> {
        let connecting = async {
            let session = Session::connect(self.address, &self.who, "pgha-probe", self.limit).await.ok()?;
            let write = format!(
                "insert into {PROBE_TABLE} (member, at) values ($1, clock_timestamp())
                 on conflict (member) do update set at = excluded.at"
            );
            let write = session.client().prepare(&write).await.ok()?;
            Some((session, write))
        };
        clock::timeout(self.limit, connecting).await.ok()?
    }

    /// One write; `false` when it was refused as read-only.
    async fn write(&self, session: &Session, write: &Statement) -> Result<bool, tokio_postgres::Error> {
        match session.client().execute(write, &[&self.member.as_str()]).await {
            Ok(_) => Ok(true),
            Err(error) if error.code().is_some_and(|state| state.code() == "25006") => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Probes for ever, every so often; `changed` is told when the answer changes.
    pub async fn run(mut self, every: Duration, latest: Arc<Latest>, changed: Arc<Notify>) {
        loop {
            let began = clock::now();
            let writable = self.probe().await;
            if latest.set(clock::now(), writable) {
                changed.notify_one();
            }
            clock::sleep_until(began.plus(every)).await;
            // a probe that took longer than its turn must not become a busy loop
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_answer_is_no_answer() {
        let latest = Latest::default();
        let second = Duration::from_secs(1);
        assert_eq!(latest.get(Mono(0), second), None);
        assert!(latest.set(Mono(5), Some(true)), "the first answer is news");
        assert!(!latest.set(Mono(6), Some(true)));
        assert!(latest.set(Mono(7), Some(false)));
        assert_eq!(latest.get(Mono(7).plus(second), second), Some(false));
        assert_eq!(latest.get(Mono(8).plus(second), second), None);
    }
}
