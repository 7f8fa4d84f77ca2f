//! What the broker does for etcd by itself, without an order: who may give orders is written in etcd, so nobody could give
//! one while it is away.
//!
//! Theory: a member that has its data may be started by anybody at any time: it takes part as what it was. A cluster whose
//! disk quota is spent raises an alarm and refuses every write, a lease among them; once old revisions are compacted and
//! members defragmented the alarm is lifted (etcd, "Maintenance: Space quota").
//!
//! Invariants: nobody is started while a quorum answers, for then controllers do that; nobody whose data is gone; each
//! waits twice as long from one start to the next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::engine_limits::{ENGINE_CHANGE_TIMEOUT, limited};
use super::fence::dead;
use super::membership::Membership;
use crate::engine::clock;
use crate::lab::names;
use crate::model::body::DATA_PATH;
use crate::model::store_keys::NOBODYS_KEY;
use crate::model::{ContainerStatus, MemberId, Mono, Service};

/// Pause between two looks.
const ETCD_LOOK_PAUSE: Duration = Duration::from_secs(2);
/// How long etcd must be away before its members are started.
const ETCD_GRACE: Duration = Duration::from_secs(4);
/// Pause after the first start of a member; doubled with each.
const FIRST_START_PAUSE: Duration = Duration::from_secs(4);
/// The longest such pause.
const LONGEST_START_PAUSE: Duration = Duration::from_secs(30);
/// Pause between two attempts to free space.
const SPACE: Duration = Duration::from_secs(20);

/// What is remembered of etcd.
#[derive(Debug, Default)]
struct Tended {
    /// Since when no quorum answers.
    away: Option<Mono>,
    /// Starts of members, and the last one.
    starts: BTreeMap<MemberId, (u32, Mono)>,
    /// When space was freed last.
    freed: Option<Mono>,
}

impl Tended {
    /// Notes whether a quorum answers.
    fn looks(&mut self, answers: bool, now: Mono) {
        if answers {
            (self.away, self.starts) = (None, BTreeMap::new());
        } else {
            self.away.get_or_insert(now);
        }
    }

    /// Whether a member that lies dead is to be started now.
    fn starts(&self, id: &MemberId, now: Mono) -> bool {
        let away = self.away.is_some_and(|since| now.since(since) >= ETCD_GRACE);
        let due = self.starts.get(id).is_none_or(|(times, last)| now.since(*last) >= pause(*times));
        away && due
    }

    fn started(&mut self, id: MemberId, now: Mono) {
        let (times, last) = self.starts.entry(id).or_insert((0, now));
        (*times, *last) = (times.saturating_add(1), now);
    }

    /// Whether space may be freed again.
    fn frees(&self, now: Mono) -> bool {
        self.freed.is_none_or(|last| now.since(last) >= SPACE)
    }
}

/// The pause after so many starts.
fn pause(times: u32) -> Duration {
    FIRST_START_PAUSE.saturating_mul(1 << times.saturating_sub(1).min(8)).min(LONGEST_START_PAUSE)
}

impl Membership {
    /// Looks after etcd for ever.
    pub(super) async fn tend(&self) {
        let mut tended = Tended::default();
        loop {
            clock::sleep(ETCD_LOOK_PAUSE).await;
            let answers = self.store.get(NOBODYS_KEY).await.is_ok();
            tended.looks(answers, clock::now());
            if answers {
                self.free_space(&mut tended).await;
            } else {
                self.start_voters(&mut tended).await;
            }
        }
    }

    /// Starts members that have their data while no quorum answers.
    async fn start_voters(&self, tended: &mut Tended) {
        let Some(record) = self.known() else { return };
        for (member, _) in record.of(Service::Etcd) {
            let now = clock::now();
            if !tended.starts(&member.id, now) {
                continue;
            }
            let container = names::container(self.lab.as_str(), member.id.as_str());
            match self.revive(&container).await {
                Ok(None) => {}
                Ok(Some(id)) => {
                    tended.started(member.id.clone(), now);
                    let why = "etcd does not answer, and this member has its data";
                    tracing::warn!(member = member.id.as_str(), why, "started without an order");
                    self.say_started(&id, now);
                }
                Err(error) => {
                    tended.started(member.id.clone(), now);
                    tracing::warn!(%error, member = member.id.as_str(), "it cannot be started");
                }
            }
        }
    }

    /// Starts a body of etcd that is dead, on a host that runs, with its data; its id when that was done.
    async fn revive(&self, container: &str) -> Result<Option<String>, String> {
        let said = |error: crate::engine::docker::EngineError| error.to_string();
        // nobody replaces or removes it meanwhile
        let _turn = self.turn.lock().await;
        let found = limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(container)).await.map_err(said)?;
        let host = format!("pgha-{}-host-{}", self.lab, found.host().unwrap_or_default());
        let sandbox = limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(&host)).await.map_err(said)?;
        if !dead(&found) || sandbox.status != ContainerStatus::Running {
            return Ok(None);
        }
        let wal = format!("{DATA_PATH}/etcd/member/wal");
        if !limited(ENGINE_CHANGE_TIMEOUT, self.docker.has(&found.id, &wal)).await.map_err(said)? {
            return Ok(None);
        }
        limited(ENGINE_CHANGE_TIMEOUT, self.docker.start(&found.id)).await.map_err(said)?;
        Ok(Some(found.id))
    }

    /// Compacts, defragments and lifts the alarm where the quota of etcd is spent.
    async fn free_space(&self, tended: &mut Tended) {
        let now = clock::now();
        if !tended.frees(now) {
            return;
        }
        match self.store.free_space().await {
            Ok(None) => {}
            Ok(Some(said)) => {
                tended.freed = Some(now);
                tracing::warn!(said, "etcd was out of space");
            }
            Err(error) => {
                tended.freed = Some(now);
                tracing::warn!(%error, "etcd is out of space, and that cannot be mended");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000_000)
    }

    #[test]
    fn nobody_is_started_while_a_quorum_answers_or_was_there_a_moment_ago() {
        let id: MemberId = "etcd-1".parse().expect("a name");
        let mut tended = Tended::default();
        tended.looks(true, at(0));
        assert!(!tended.starts(&id, at(100)));
        tended.looks(false, at(100));
        tended.looks(false, at(102));
        assert!(!tended.starts(&id, at(103)), "an election is no loss");
        assert!(tended.starts(&id, at(104)));
        tended.looks(true, at(105));
        assert!(!tended.starts(&id, at(120)));
    }

    #[test]
    fn who_ends_again_waits_twice_as_long_each_time() {
        let id: MemberId = "etcd-1".parse().expect("a name");
        let mut tended = Tended::default();
        tended.looks(false, at(0));
        let mut starts = Vec::new();
        for second in 0..120 {
            if tended.starts(&id, at(second)) {
                tended.started(id.clone(), at(second));
                starts.push(second);
            }
        }
        assert_eq!(starts, [4, 8, 16, 32, 62, 92]);
    }
}
