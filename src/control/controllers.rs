//! The replicas of every controller as the repair controller watches them: whether each says that it is well. It is asked
//! beside the loop, so that a replica that is frozen costs no look any time, and only by the replica that is active.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::AbortHandle;

use super::leadership::{self, Leading};
use crate::decide::body::CONTROLLER_PORT;
use crate::engine::clock;
use crate::engine::controller::ControllerClient;
use crate::engine::locked::Locked;
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::{Member, MemberId, Mono, Service, Sight};

/// Longest wait for an answer.
const ANSWERS: Duration = Duration::from_secs(2);
/// Pause between two rounds of questions.
const ROUND_PAUSE: Duration = Duration::from_secs(2);
/// An answer older than that says nothing any more.
const ANSWER_STALE_AFTER: Duration = Duration::from_secs(10);

/// What the last round brought, and when.
type Round = (Mono, BTreeMap<MemberId, Sight<()>>);

#[derive(Default)]
struct KnownControllers {
    placed: Vec<(MemberId, ControllerClient)>,
    last: Option<Round>,
}

/// All of them, and the task that asks them.
pub(super) struct Controllers(Arc<Locked<KnownControllers>>, AbortHandle);

impl Controllers {
    /// Those of the plan; must be called inside the runtime, which asks them.
    pub(super) fn new(plan: &ControllerPlan, leading: Leading) -> Self {
        let placed = asked(plan, &plan.members);
        let known = Arc::new(Locked::new(KnownControllers { placed, last: None }));
        let task = tokio::spawn(watch(Arc::clone(&known), leading));
        Self(known, task.abort_handle())
    }

    /// Asks whoever stands in the lab now. A record nobody could read changes nothing.
    pub(super) fn follow(&self, plan: &ControllerPlan, bodies: &Bodies) {
        if bodies.placed.is_empty() {
            return;
        }
        let doors = doors(plan, &bodies.placed);
        let mut known = locked(&self.0);
        if !known
            .placed
            .iter()
            .map(|(id, one)| (id, one.address()))
            .eq(doors.iter().map(|(id, at)| (id, *at)))
        {
            known.placed = asked(plan, &bodies.placed);
        }
    }

    /// Who said that it is well, and who did not, if that was asked lately.
    pub(super) fn seen(&self, now: Mono) -> BTreeMap<MemberId, Sight<()>> {
        let known = locked(&self.0);
        let young = known.last.as_ref().filter(|(at, _)| now.since(*at) < ANSWER_STALE_AFTER);
        young.map(|(_, seen)| seen.clone()).unwrap_or_default()
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.1.abort();
    }
}

fn locked(known: &Locked<KnownControllers>) -> MutexGuard<'_, KnownControllers> {
    known.lock()
}

/// Where every replica but this one serves: the port follows from the place of its controller in the lab file.
fn doors(plan: &ControllerPlan, members: &[Member]) -> Vec<(MemberId, SocketAddr)> {
    let index = |member: &Member| {
        let its = |name: &str| Some(name) == member.controller();
        let at = plan.spec.controllers.iter().position(|declared| its(declared.name.as_str()))?;
        u16::try_from(at).ok()
    };
    let address = |member: &Member| plan.hosts.get(&member.host).copied();
    let door = |member: &Member| -> Option<(MemberId, SocketAddr)> {
        let (address, index): (IpAddr, u16) = (address(member)?, index(member)?);
        Some((member.id.clone(), SocketAddr::new(address, CONTROLLER_PORT.checked_add(index)?)))
    };
    let others = members.iter().filter(|member| member.service == Service::Controller);
    others.filter(|member| member.id != plan.replica).filter_map(door).collect()
}

fn asked(plan: &ControllerPlan, members: &[Member]) -> Vec<(MemberId, ControllerClient)> {
    doors(plan, members).into_iter().map(|(id, at)| (id, ControllerClient::new(at, ANSWERS))).collect()
}

async fn watch(known: Arc<Locked<KnownControllers>>, leading: Leading) {
    loop {
        leadership::is_active(&leading).await;
        let placed = locked(&known).placed.clone();
        let answers = placed.into_iter().map(|(id, one)| async move {
            let answer = match one.is_well().await {
                Ok(()) => Sight::Seen(()),
                Err(error) => Sight::Blind(error.to_string()),
            };
            (id, answer)
        });
        let seen = join_all(answers).await.into_iter().collect();
        locked(&known).last = Some((clock::now(), seen));
        clock::sleep(ROUND_PAUSE).await;
    }
}
