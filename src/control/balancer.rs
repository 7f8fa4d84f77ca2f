//! One balancer: the ways to it, what it said last, and whose word about a host is the newest.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex as Talk, MutexGuard as Talking};

use crate::decide::repair::Routes;
use crate::engine::haproxy::{Admin, Haproxy};
use crate::engine::locked::Locked;
use crate::model::control::BalancerPorts;
use crate::model::{HostName, MemberId, Sight};

/// Longest wait for a balancer.
const BALANCER: Duration = Duration::from_millis(500);

/// A balancer of the lab, and how it is reached.
pub(super) struct Balancer {
    pub(super) member: MemberId,
    pub(super) doors: BalancerPorts,
    pub(super) stats: Haproxy,
    pub(super) admin: Admin,
    pub(super) last: Locked<Sight<Routes>>,
    /// Whose word about a host is the newest.
    pub(super) turns: Turns,
}

impl Balancer {
    pub(super) fn new(member: MemberId, doors: BalancerPorts) -> Arc<Self> {
        let (stats, admin) = (Haproxy::new(doors.stats, BALANCER), Admin::new(doors.admin, BALANCER));
        Arc::new(Self { member, doors, stats, admin, last: Locked::default(), turns: Turns::default() })
    }

    /// Says words about a host, unless a newer word about it was begun meanwhile.
    pub(super) async fn say_in_turn(
        &self,
        host: &HostName,
        turn: u64,
        commands: &[String],
    ) -> Result<(), String> {
        let _talking = self.turns.talk().await;
        if !self.turns.holds(host, turn) {
            return Ok(());
        }
        self.admin.say(commands).await.map_err(|error| format!("{}: {error}", self.member))
    }
}

/// Which word about the servers of a host is the newest, and that one word is said at a time.
#[derive(Default)]
pub(super) struct Turns {
    newest: Locked<BTreeMap<HostName, u64>>,
    talk: Talk<()>,
}

impl Turns {
    /// A new word about a host; older ones are void from here on.
    pub(super) fn begin(&self, host: &HostName) -> u64 {
        let mut newest = self.newest.lock();
        let turn = newest.entry(host.clone()).or_default();
        *turn += 1;
        *turn
    }

    /// Whether no newer word about the host was begun.
    pub(super) fn holds(&self, host: &HostName, turn: u64) -> bool {
        self.newest.lock().get(host) == Some(&turn)
    }

    /// Waits until nobody else talks to the balancer.
    pub(super) async fn talk(&self) -> Talking<'_, ()> {
        self.talk.lock().await
    }
}
