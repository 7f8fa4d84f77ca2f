//! Eyes of the repair controller: one look at bodies, store, instances, balancers and other controllers, side by side.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::{join_all, join3};

use super::controller_hands::ControllerHands;
use crate::decide::repair::{ConnectionReply, InstanceSeen, RepairSeen, RepairStoreSeen};
use crate::engine::clock;
use crate::model::control::Bodies;
use crate::model::{ContainerStatus, HostName, MemberId, Sight, Span};

/// How long a list of bodies is good enough while somebody is about to take writes and nothing was heard.
const BODIES_FRESH: Duration = Duration::from_millis(100);
/// A look that takes longer is told of.
const SLOW_LOOK: Duration = Duration::from_millis(100);

/// The outcome, and how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = clock::now();
    let outcome = work.await;
    (outcome, clock::now().since(began))
}

impl ControllerHands {
    /// One look at everything repair decides by; with `hurry` instances are asked anew.
    pub(super) async fn look_at_lab(&self, hurry: bool) -> RepairSeen {
        let at = clock::now();
        let instances = self.instances().all();
        let failures = instances.iter().map(|(member, one)| (member.clone(), one.checksum_failures()));
        let corrupt = failures.filter(|(_, times)| *times > 0).collect();
        let instances = instances
            .into_iter()
            .map(|(member, instance)| async move { (member, instance.seen(hurry).await) });
        let ((bodies, engine_took), (mut store, store_took), postgres) =
            join3(timed(self.look_at_bodies(hurry)), timed(self.orders.look()), join_all(instances)).await;
        if let Sight::Seen(bodies) = &bodies {
            self.instances().follow(&self.plan, bodies, &self.wake);
            self.voters.follow(&self.plan, bodies);
            self.controllers.follow(&self.plan, bodies);
            self.balancers.follow(&self.plan, bodies);
        }
        let unrenewed = self.look_at_renewal(&bodies, &store, &postgres).await;
        if let Sight::Seen(store) = &mut store {
            store.unrenewed = unrenewed;
        }
        let leader = store.seen().and_then(|store| store.leader.as_ref());
        let leader = leader.and_then(|key| self.instance(&key.member));
        let lost_slots = leader.as_ref().map(|leader| leader.lost_slots()).unwrap_or_default();
        let sent = leader.and_then(|leader| leader.sent());
        let owed = self.owes_candidate(&bodies, &store);
        let postgres = match bodies.seen().filter(|_| owed) {
            Some(bodies) => self.ask_for_positions(postgres, bodies).await,
            None => postgres,
        };
        let writes =
            |seen: &InstanceSeen| matches!(&seen.sql, ConnectionReply::Answers(sql) if !sql.in_recovery);
        // how balancers route counts when somebody takes writes: before, nothing is decided by it
        let ask = !holder_lies(&bodies, &store) && (!hurry || postgres.iter().any(|(_, seen)| writes(seen)));
        let (balancers, balancers_took) = timed(self.balancers.look(ask)).await;
        let took = clock::now().since(at);
        if took > SLOW_LOOK {
            tracing::warn!(?took, ?engine_took, ?store_took, ?balancers_took, hurry, "a slow look");
        }
        let proofs = self.proofs.lock().clone();
        let voters = self.voters.seen(at);
        let fenced = self.fenced.lock().clone();
        RepairSeen {
            at,
            bodies,
            proofs,
            fenced,
            store,
            postgres: postgres.into_iter().collect(),
            corrupt,
            lost_slots,
            sent,
            balancers,
            voters,
            controllers: self.controllers.seen(at),
        }
    }

    pub(super) async fn look_at_bodies(&self, hurry: bool) -> Sight<Bodies> {
        let now = clock::now();
        let heard = self.heard.swap(false, Ordering::SeqCst);
        if hurry && !heard {
            let known = self.bodies.lock();
            if let Some((_, bodies)) = known.as_ref().filter(|(at, _)| now.since(*at) < BODIES_FRESH) {
                return Sight::Seen(bodies.clone());
            }
        }
        match self.orders.broker.bodies().await {
            Ok(bodies) => {
                *self.bodies.lock() = Some((now, bodies.clone()));
                Sight::Seen(bodies)
            }
            Err(error) => Sight::Blind(error.to_string()),
        }
    }

    /// Whether the holder of the leader key went down with its host: then a candidate must be named, and by
    /// what was said a moment ago nobody is chosen.
    pub(super) fn owes_candidate(&self, bodies: &Sight<Bodies>, store: &Sight<RepairStoreSeen>) -> bool {
        let (Sight::Seen(bodies), Sight::Seen(store)) = (bodies, store) else { return false };
        let Some(key) = &store.leader else { return false };
        let members = bodies.placed_or(&self.plan.members);
        let placed = members.iter().find(|member| member.id == key.member);
        let host = placed.and_then(|member| bodies.hosts.get(&member.host));
        let proved = |id: &str| self.proofs.lock().contains_key(id);
        let holder = bodies.members.get(&key.member).and_then(|found| found.first());
        host.is_some_and(|host| host.status != ContainerStatus::Running)
            && holder.is_none_or(|body| proved(&body.id))
    }

    /// How long ago the holder of the leader key renewed its lease, where that counts: its body runs and its Patroni says
    /// nothing.
    pub(super) async fn look_at_renewal(
        &self,
        bodies: &Sight<Bodies>,
        store: &Sight<RepairStoreSeen>,
        postgres: &[(MemberId, InstanceSeen)],
    ) -> Option<Span> {
        let Sight::Seen(seen) = store else { return None };
        let key = seen.leader.as_ref()?;
        let (_, its) = postgres.iter().find(|(member, _)| *member == key.member)?;
        if holder_lies(bodies, store) || !matches!(its.rest, ConnectionReply::Silent(_)) {
            return None;
        }
        self.orders.store.unrenewed(key.lease).await.ok().flatten()
    }

    /// What Patroni says of everybody at this moment. Whose body does not run is not asked: its answer would be waited
    /// for, and be none.
    pub(super) async fn ask_for_positions(
        &self,
        seen: Vec<(MemberId, InstanceSeen)>,
        bodies: &Bodies,
    ) -> Vec<(MemberId, InstanceSeen)> {
        let asked = seen.into_iter().map(|(member, seen)| async move {
            if !runs(bodies, &member) {
                let rest = ConnectionReply::Silent("its body does not run".to_owned());
                return (member, InstanceSeen { rest, ..seen });
            }
            match self.instance(&member) {
                Some(instance) => (member, instance.position(seen).await),
                None => (member, seen),
            }
        });
        join_all(asked).await
    }
}

/// Whether the holder of the leader key has no process.
fn holder_lies(bodies: &Sight<Bodies>, store: &Sight<RepairStoreSeen>) -> bool {
    let (Sight::Seen(bodies), Sight::Seen(store)) = (bodies, store) else { return false };
    let holder = store.leader.as_ref().and_then(|key| bodies.members.get(&key.member));
    holder.is_some_and(|found| found.iter().all(|body| body.status != ContainerStatus::Running))
}

/// Whether the engine shows a body of this member that runs, on a host that does.
fn runs(bodies: &Bodies, member: &MemberId) -> bool {
    let up = |host: &HostName| {
        bodies.hosts.get(host).is_some_and(|sandbox| sandbox.status == ContainerStatus::Running)
    };
    let found = bodies.members.get(member).map_or(&[][..], Vec::as_slice);
    found.iter().any(|body| body.status == ContainerStatus::Running && up(&body.host))
}
