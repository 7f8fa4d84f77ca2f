//! The cluster of etcd as the repair controller watches it: beside its loop, so that a member that is silent costs no
//! look any time, and only in the replica that is active.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::leadership::{self, Leading};
use crate::decide::body::ETCD_PEER_PORT;
use crate::decide::repair::{VoterStanding, VotersSeen as Seen};
use crate::engine::clock;
use crate::engine::locked::Locked;
use crate::engine::store::{self, Store};
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::{Member, MemberId, Mono, Service, Sight};

/// Pause between two looks.
const VOTER_LOOK_PAUSE: Duration = Duration::from_secs(1);
/// A look older than that says nothing any more.
const VOTERS_STALE_AFTER: Duration = Duration::from_secs(5);

/// What is watched, and what was seen last.
#[derive(Debug, Default)]
struct WatchedVoters {
    placed: Vec<(MemberId, IpAddr)>,
    last: Option<(Mono, Sight<Seen>)>,
}

/// The members of etcd, and the task that watches them.
#[derive(Debug)]
pub(super) struct VoterWatch(Arc<Locked<WatchedVoters>>, AbortHandle);

impl VoterWatch {
    /// Those of the plan; must be called inside the runtime, which watches them.
    pub(super) fn new(plan: &ControllerPlan, store: Arc<Store>, leading: Leading) -> Self {
        let placed = placed(plan, &plan.members);
        let known = Arc::new(Locked::new(WatchedVoters { placed, last: None }));
        let task = tokio::spawn(watch(Arc::clone(&known), store, leading));
        Self(known, task.abort_handle())
    }

    /// Watches whoever stands in the lab now. A record nobody could read changes nothing.
    pub(super) fn follow(&self, plan: &ControllerPlan, bodies: &Bodies) {
        if !bodies.placed.is_empty() {
            locked(&self.0).placed = placed(plan, &bodies.placed);
        }
    }

    /// What was seen last, if that is not long ago.
    pub(super) fn seen(&self, now: Mono) -> Sight<Seen> {
        let known = locked(&self.0);
        let young = known.last.as_ref().filter(|(at, _)| now.since(*at) < VOTERS_STALE_AFTER);
        young.map_or_else(|| Sight::Blind("nobody looked lately".to_owned()), |(_, seen)| seen.clone())
    }
}

impl Drop for VoterWatch {
    fn drop(&mut self) {
        self.1.abort();
    }
}

fn locked(known: &Locked<WatchedVoters>) -> MutexGuard<'_, WatchedVoters> {
    known.lock()
}

fn placed(plan: &ControllerPlan, members: &[Member]) -> Vec<(MemberId, IpAddr)> {
    let voters = members.iter().filter(|member| member.service == Service::Etcd);
    voters.filter_map(|member| Some((member.id.clone(), *plan.hosts.get(&member.host)?))).collect()
}

async fn watch(known: Arc<Locked<WatchedVoters>>, store: Arc<Store>, leading: Leading) {
    loop {
        leadership::is_active(&leading).await;
        let seen = match store.votes().await {
            Ok(votes) => Sight::Seen(sorted(&votes, &locked(&known).placed)),
            Err(error) => Sight::Blind(error.to_string()),
        };
        locked(&known).last = Some((clock::now(), seen));
        clock::sleep(VOTER_LOOK_PAUSE).await;
    }
}

/// The cluster's list by the lab's members.
fn sorted(votes: &[store::VoterState], placed: &[(MemberId, IpAddr)]) -> Seen {
    let vote = |id: &MemberId, address: IpAddr| {
        let peer = format!("http://{}", SocketAddr::new(address, ETCD_PEER_PORT));
        match votes.iter().find(|vote| vote.is(id.as_str(), &peer)) {
            None => VoterStanding::Out,
            Some(vote) if !vote.listed.joined() => VoterStanding::Joins,
            Some(store::VoterState { trouble: Some(why), .. }) => VoterStanding::Fails(why.clone()),
            Some(_) => VoterStanding::Serves,
        }
    };
    let voting = votes.iter().filter(|vote| !vote.listed.learner).count();
    Seen {
        listed: u32::try_from(voting).unwrap_or(u32::MAX),
        members: placed.iter().map(|(id, address)| (id.clone(), vote(id, *address))).collect(),
    }
}
