//! Hands of the repair controller on a real lab: each step is given to the broker, to etcd, to Patroni or to the
//! balancers. `controller_eyes` looks, `leader_words` speaks to Patroni, `replacement_words` writes down replacements.
//!
//! Invariant: nothing is done on the word of a look alone. Orders to the engine and writes to the store
//! carry proof of leadership, and what they rest on is compared where they take effect.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, MutexGuard};

use tokio::sync::Notify;

use super::balancers::BalancerClients;
use super::broker_client::BrokerClient;
use super::controllers::Controllers;
use super::driver::{Deeds, Failed, JournalEntry};
use super::haproxy_words::{self, ServersLeft};
use super::instance::Instance;
use super::instances::Instances;
use super::leadership::Leading;
use super::orders::{HandOverWords, OrderSender};
use super::status_server::StatusServer;
use super::stored_memory;
use super::voter_watch::VoterWatch;
use crate::decide::repair::{RepairSeen, RepairStep, RepairWorld, StoredMemory};
use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::engine::locked::Locked;
use crate::engine::store::Store;
use crate::model::control::{
    Bodies, BrokerDeed, Budget, ControllerPlan, LeaderIs, Proof, Raised, RepairPolicy, Replacing, Token,
};
use crate::model::store_keys::{patroni_key, repair_key};
use crate::model::{HostName, MemberId, Mono, Service, Span};

/// Everything a repair controller touches.
pub struct ControllerHands {
    pub(super) plan: ControllerPlan,
    /// How long a replacement counts for the budget.
    pub(super) replacements: Budget,
    pub(super) orders: OrderSender,
    pub(super) leading: Leading,
    pub(super) instances: Locked<Instances>,
    pub(super) balancers: BalancerClients,
    pub(super) voters: VoterWatch,
    pub(super) controllers: Controllers,
    pub(super) proofs: Locked<BTreeMap<String, Proof>>,
    /// For which revision of the leader key a container was fenced.
    pub(super) fenced: Locked<BTreeMap<String, i64>>,
    pub(super) bodies: Locked<Option<(Mono, Bodies)>>,
    /// Something was heard since the bodies were listed last.
    pub(super) heard: Arc<AtomicBool>,
    pub(super) wake: Arc<Notify>,
    pub(super) board: Arc<StatusServer>,
}

/// What wakes and what is shown, shared with the tasks beside the loop.
#[derive(Clone)]
pub struct HandsShared {
    /// The members of etcd.
    pub store: Arc<Store>,
    /// The way to the engine.
    pub broker: Arc<BrokerClient>,
    /// Ends a sleep.
    pub wake: Arc<Notify>,
    /// Something was heard of a body.
    pub heard: Arc<AtomicBool>,
    /// What is shown of this process.
    pub board: Arc<StatusServer>,
}

impl HandsShared {
    /// Everything in the plan, unasked.
    #[must_use]
    pub fn new(plan: &ControllerPlan, board: Arc<StatusServer>) -> Self {
        Self {
            store: Arc::new(Store::new(&plan.etcd)),
            broker: Arc::new(BrokerClient::new(plan.broker.clone())),
            wake: Arc::new(Notify::new()),
            heard: Arc::new(AtomicBool::new(true)),
            board,
        }
    }
}

impl ControllerHands {
    /// Hands for one process.
    #[must_use]
    pub fn new(plan: ControllerPlan, shared: HandsShared, leading: Leading) -> Self {
        let instances = Locked::new(Instances::new(&plan, &shared.wake, leading.clone()));
        let name = plan.spec.name.clone();
        Self {
            replacements: RepairPolicy::told(&plan.policy).unwrap_or_default().replacements,
            balancers: BalancerClients::new(&plan),
            controllers: Controllers::new(&plan, leading.clone()),
            voters: VoterWatch::new(&plan, Arc::clone(&shared.store), leading.clone()),
            plan,
            orders: OrderSender::new(shared.store, shared.broker, name),
            leading,
            instances,
            proofs: Locked::default(),
            fenced: Locked::default(),
            bodies: Locked::default(),
            heard: shared.heard,
            wake: shared.wake,
            board: shared.board,
        }
    }

    pub(super) fn patroni_key(&self, key: &str) -> String {
        patroni_key(self.plan.spec.name.as_str(), key)
    }

    pub(super) fn parked_key(&self, host: &str) -> String {
        repair_key(self.plan.spec.name.as_str(), &format!("parked/{host}"))
    }

    async fn close(
        &self,
        host: &HostName,
        member: &MemberId,
        park: bool,
        token: &Token,
    ) -> Result<(), Failed> {
        if park {
            self.owe(host, member, token).await?;
            return self.balancers.close(host, ServersLeft::Parked).await;
        }
        // a balancer that cannot be reached must not keep the primary of the others from coming back
        if let Err(error) = self.balancers.close(host, ServersLeft::Down).await {
            tracing::warn!(%error, "a balancer was not told");
        }
        Ok(())
    }

    async fn unpark(&self, host: &HostName, token: &Token) -> Result<(), Failed> {
        self.balancers.turn(host, &haproxy_words::left_to_checks(host)).await?;
        self.orders.write(&[], &[StoreChange::Delete(self.parked_key(host.as_str()))], token).await
    }

    /// What is in memory goes to the disk of the leader while it still serves.
    async fn prepare(&self, member: &MemberId) -> Result<(), Failed> {
        match self.instance(member) {
            Some(instance) => instance.checkpoint().await.map_err(Failed::Trouble),
            None => Err(Failed::Guard(format!("{member} is no instance"))),
        }
    }

    async fn drain(
        &self,
        host: &HostName,
        member: &MemberId,
        backend: &str,
        token: &Token,
    ) -> Result<(), Failed> {
        self.owe(host, member, token).await?;
        self.balancers.turn(host, &haproxy_words::drained(host, backend)).await
    }

    /// Whoever comes after this controller knows for whose sake a host was taken from the checks, and gives it back.
    async fn owe(&self, host: &HostName, member: &MemberId, token: &Token) -> Result<(), Failed> {
        let key = self.parked_key(host.as_str());
        let owed = [StoreChange::Put { key, value: member.as_str().into(), lease: 0 }];
        self.orders.write(&[], &owed, token).await
    }

    /// Has a body taken down, and keeps the proof.
    async fn fence(&self, container: &str, leader: LeaderIs, token: &Token) -> Result<(), Failed> {
        let deed = BrokerDeed::Fence { container: container.to_owned(), leader: Some(leader) };
        let Some(proof) = self.orders.deed(deed, token).await? else { return Ok(()) };
        if let LeaderIs::Itself(revision) = leader {
            let mut fenced = self.fenced.lock();
            fenced.insert(container.to_owned(), revision);
        }
        self.proofs.lock().insert(container.to_owned(), proof);
        Ok(())
    }

    async fn start(
        &self,
        member: &MemberId,
        container: &str,
        alone: bool,
        token: &Token,
    ) -> Result<(), Failed> {
        if alone {
            self.may_start_alone(member).await?;
        } else if self.instance(member).is_some() {
            self.somebody_else_leads(member).await?;
        }
        self.proofs.lock().remove(container);
        self.fenced.lock().remove(container);
        self.orders.deed(BrokerDeed::Start { container: container.to_owned() }, token).await.map(drop)
    }

    /// Whether a member belongs to the lab, by the last look.
    pub(super) fn placed(&self, member: &MemberId) -> bool {
        let known = self.bodies.lock();
        known.as_ref().is_none_or(|(_, bodies)| bodies.placed.iter().any(|placed| placed.id == *member))
    }

    pub(super) fn instances(&self) -> MutexGuard<'_, Instances> {
        self.instances.lock()
    }

    pub(super) fn instance(&self, member: &MemberId) -> Option<Arc<Instance>> {
        self.instances().of(member)
    }
}

impl Deeds<RepairWorld> for ControllerHands {
    async fn leadership(&self) -> Option<Token> {
        self.board.beat(clock::now());
        self.leading.borrow().clone()
    }

    async fn look(&self, hurry: bool) -> RepairSeen {
        self.look_at_lab(hurry).await
    }

    async fn act(&self, step: &RepairStep, token: &Token) -> Result<(), Failed> {
        match step {
            RepairStep::Close { host, member, park } => self.close(host, member, *park, token).await,
            RepairStep::Fence { container, key, .. } => {
                // by an old look a body that serves now would be taken for the leader that died: the broker compares
                let leader = key.map_or(LeaderIs::Another, LeaderIs::Itself);
                self.fence(container, leader, token).await
            }
            RepairStep::End { container, .. } => self.fence(container, LeaderIs::Nobody, token).await,
            RepairStep::Release { member, mod_revision, lease, candidate } => {
                self.release(member, *mod_revision, *lease, candidate.as_ref(), token).await
            }
            RepairStep::Prepare { member } => self.prepare(member).await,
            RepairStep::Drain { host, member } => self.drain(host, member, "rw", token).await,
            RepairStep::Shut { member } | RepairStep::Reopen { member } => {
                self.orders.write(&[], &[], token).await?;
                self.balancers.set_ports(member, matches!(step, RepairStep::Reopen { .. })).await
            }
            RepairStep::DrainReads { host, member } => self.drain(host, member, "ro", token).await,
            RepairStep::HandOver { member, mod_revision, candidate, wish, idle } => {
                let by = HandOverWords { wish: *wish, idle: *idle };
                self.hand_over(member, *mod_revision, candidate, by, token).await
            }
            RepairStep::Yield { member, mod_revision, handover } => {
                self.yield_key(member, *mod_revision, *handover, token).await
            }
            RepairStep::Open { host, member } => match self.instance(member) {
                Some(instance) if instance.writes().await => {
                    self.balancers.turn(host, &haproxy_words::open(host)).await
                }
                _ => Err(Failed::Guard(format!("{member} does not say that it takes writes"))),
            },
            RepairStep::EndSessions { host, .. } => {
                self.orders.write(&[], &[], token).await?;
                self.balancers.end_sessions("rw", host).await
            }
            RepairStep::Unpark { host } => self.unpark(host, token).await,
            RepairStep::Start { member, container, alone } => {
                self.start(member, container, *alone, token).await
            }
            RepairStep::Create { member, service, host } => {
                let deed =
                    BrokerDeed::Create { member: member.clone(), service: *service, host: host.clone() };
                if *service == Service::Postgres {
                    self.somebody_else_leads(member).await?;
                }
                self.orders.deed(deed, token).await.map(drop)
            }
            RepairStep::Intend { service, member, by, host, why } => {
                let word = Replacing {
                    service: *service,
                    member: member.clone(),
                    by: by.clone(),
                    host: host.clone(),
                    why: why.clone(),
                    begun: Some(clock::now()),
                };
                self.intend(&word, token).await
            }
            RepairStep::Retire { member } => {
                self.orders.deed(BrokerDeed::Retire { member: member.clone() }, token).await.map(drop)
            }
            RepairStep::Remove { container, .. } => {
                self.orders.deed(BrokerDeed::Remove { container: container.clone() }, token).await.map(drop)
            }
            RepairStep::Discard { member } => {
                self.orders.deed(BrokerDeed::Discard { member: member.clone() }, token).await.map(drop)
            }
            RepairStep::Forget { member, wish } => self.forget(member, *wish, token).await,
            RepairStep::Standbys { count, mod_revision, .. } => {
                self.keep_standbys(*count, *mod_revision, token).await
            }
            RepairStep::Wake { member } => self.wake_patroni(member).await,
        }
    }

    async fn recall(&self) -> Option<StoredMemory> {
        match self.orders.store.get(&stored_memory::key(&self.plan.spec.name)).await {
            Ok(None) => Some(StoredMemory::default()),
            Ok(Some(found)) => Some(stored_memory::read(&found.value).unwrap_or_else(|why| {
                tracing::warn!(why, "every grace begins anew: what was written down is of no use");
                StoredMemory::default()
            })),
            Err(error) => {
                tracing::warn!(%error, "what was written down cannot be read yet");
                None
            }
        }
    }

    async fn keep(&self, kept: &StoredMemory, token: &Token) -> Result<(), Failed> {
        let key = stored_memory::key(&self.plan.spec.name);
        let found = self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
        let same = [Compare::ModRevision(key.clone(), found.map_or(0, |found| found.mod_revision))];
        self.orders
            .write(&same, &[StoreChange::Put { key, value: stored_memory::written(kept), lease: 0 }], token)
            .await
    }

    async fn wait(&self, at_most: Span) {
        tokio::select! {
            biased;
            () = self.wake.notified() => {}
            () = clock::sleep(at_most.0) => {}
        }
    }

    fn now(&self) -> Mono {
        clock::now()
    }

    fn tell(&self, entry: &JournalEntry<'_, RepairStep>) {
        self.board.tell(entry);
    }

    fn raised(&self, raised: Vec<Raised>) {
        self.board.raised(raised);
    }
}
