//! Eyes and hands of the repair controller on a real lab: etcd, the broker, the instances, the balancers.
//!
//! Invariant: nothing is done on the word of a look alone. Orders to the engine and writes to the store
//! carry proof of leadership, and what they rest on is compared where they take effect.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use tokio::sync::Notify;

use super::balancers::Balancers;
use super::board::Board;
use super::broker_client::Broker;
use super::controllers::Controllers;
use super::driver::{Deeds, Entry, Failed};
use super::haproxy_words::{self, Left};
use super::instance::Instance;
use super::instances::Instances;
use super::kept;
use super::leadership::Leading;
use super::orders::{Orders, REPLACEMENTS};
use super::voters::Voters;
use crate::decide::repair::{InstanceSeen, Kept, Reply, Seen, Step, StoreSeen, World};
use crate::engine::clock;
use crate::engine::etcd::{Change, Compare};
use crate::engine::http::HttpError;
use crate::engine::patroni::Patroni;
use crate::engine::store::Store;
use crate::model::control::{
    Bodies, Budget, ControllerPlan, Deed, LeaderIs, Proof, Raised, RepairPolicy, Replacing, Token, asked_key,
    keys, switchover_key,
};
use crate::model::{ContainerStatus, HostName, MemberId, Mono, Service, Sight, Span};

/// Longest wait for Patroni to take a word.
const PATRONI: Duration = Duration::from_secs(2);
/// How long a list of bodies is good enough while somebody is about to take writes and nothing was heard.
const FRESH: Duration = Duration::from_millis(100);
/// Longest wait for a PostgreSQL that is being shut down.
const STOPS: Duration = Duration::from_secs(1);
/// Pause between two looks at it.
const GLANCE: Duration = Duration::from_millis(5);
/// A look that takes longer is told of.
const SLOW: Duration = Duration::from_millis(100);

/// The outcome, and how long it took.
async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let began = clock::now();
    let outcome = work.await;
    (outcome, clock::now().since(began))
}

/// Everything a repair controller touches.
pub struct Hands {
    plan: ControllerPlan,
    /// How long a replacement counts for the budget.
    replacements: Budget,
    orders: Orders,
    leading: Leading,
    instances: Mutex<Instances>,
    balancers: Balancers,
    voters: Voters,
    controllers: Controllers,
    proofs: Mutex<BTreeMap<String, Proof>>,
    /// For which revision of the leader key a container was fenced.
    fenced: Mutex<BTreeMap<String, i64>>,
    bodies: Mutex<Option<(Mono, Bodies)>>,
    /// Something was heard since the bodies were listed last.
    heard: Arc<AtomicBool>,
    wake: Arc<Notify>,
    board: Arc<Board>,
}

/// What wakes and what is shown, shared with the tasks beside the loop.
#[derive(Clone)]
pub struct Shared {
    /// The store.
    pub store: Arc<Store>,
    /// The way to the engine.
    pub broker: Arc<Broker>,
    /// Ends a sleep.
    pub wake: Arc<Notify>,
    /// Something was heard of a body.
    pub heard: Arc<AtomicBool>,
    /// What is shown of this process.
    pub board: Arc<Board>,
}

impl Shared {
    /// Everything in the plan, unasked.
    #[must_use]
    pub fn new(plan: &ControllerPlan, board: Arc<Board>) -> Self {
        Self {
            store: Arc::new(Store::new(&plan.etcd)),
            broker: Arc::new(Broker::new(plan.broker.clone())),
            wake: Arc::new(Notify::new()),
            heard: Arc::new(AtomicBool::new(true)),
            board,
        }
    }
}

impl Hands {
    /// Hands for one process.
    #[must_use]
    pub fn new(plan: ControllerPlan, shared: Shared, leading: Leading) -> Self {
        let instances = Mutex::new(Instances::new(&plan, &shared.wake));
        let name = plan.spec.name.clone();
        Self {
            replacements: RepairPolicy::told(&plan.policy).unwrap_or_default().replacements,
            balancers: Balancers::new(&plan),
            controllers: Controllers::new(&plan, leading.clone()),
            voters: Voters::new(&plan, Arc::clone(&shared.store), leading.clone()),
            plan,
            orders: Orders::new(shared.store, shared.broker, name),
            leading,
            instances,
            proofs: Mutex::default(),
            fenced: Mutex::default(),
            bodies: Mutex::default(),
            heard: shared.heard,
            wake: shared.wake,
            board: shared.board,
        }
    }

    fn patroni_key(&self, key: &str) -> String {
        format!("/service/{}/{key}", self.plan.spec.name)
    }

    fn parked_key(&self, host: &str) -> String {
        format!("{}repair/parked/{host}", keys(&self.plan.spec.name))
    }

    fn replacements_key(&self) -> String {
        format!("{}repair/{REPLACEMENTS}", keys(&self.plan.spec.name))
    }

    fn replacing_key(&self) -> String {
        format!("{}repair/replacing", keys(&self.plan.spec.name))
    }

    async fn look_at_bodies(&self, hurry: bool) -> Sight<Bodies> {
        let now = clock::now();
        let heard = self.heard.swap(false, Ordering::SeqCst);
        if hurry && !heard {
            let known = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, bodies)) = known.as_ref().filter(|(at, _)| now.since(*at) < FRESH) {
                return Sight::Seen(bodies.clone());
            }
        }
        match self.orders.broker.bodies().await {
            Ok(bodies) => {
                *self.bodies.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, bodies.clone()));
                Sight::Seen(bodies)
            }
            Err(error) => Sight::Blind(error.to_string()),
        }
    }

    /// Whether the holder of the leader key went down with its host: then a candidate must be named, and by
    /// what was said a moment ago nobody is chosen.
    fn owes_candidate(&self, bodies: &Sight<Bodies>, store: &Sight<StoreSeen>) -> bool {
        let (Sight::Seen(bodies), Sight::Seen(store)) = (bodies, store) else { return false };
        let Some(key) = &store.leader else { return false };
        let members = bodies.placed_or(&self.plan.members);
        let placed = members.iter().find(|member| member.id == key.member);
        let host = placed.and_then(|member| bodies.hosts.get(&member.host));
        let proved = |id: &str| self.proofs.lock().unwrap_or_else(PoisonError::into_inner).contains_key(id);
        let holder = bodies.members.get(&key.member).and_then(|found| found.first());
        host.is_some_and(|host| host.status != ContainerStatus::Running)
            && holder.is_none_or(|body| proved(&body.id))
    }

    /// How long ago the holder of the leader key renewed its lease, where that counts: its body runs and its Patroni says
    /// nothing.
    async fn look_at_renewal(
        &self,
        bodies: &Sight<Bodies>,
        store: &Sight<StoreSeen>,
        postgres: &[(MemberId, InstanceSeen)],
    ) -> Option<Span> {
        let Sight::Seen(seen) = store else { return None };
        let key = seen.leader.as_ref()?;
        let (_, its) = postgres.iter().find(|(member, _)| *member == key.member)?;
        if holder_lies(bodies, store) || !matches!(its.rest, Reply::Silent(_)) {
            return None;
        }
        self.orders.store.unrenewed(key.lease).await.ok().flatten()
    }

    /// What Patroni says of everybody at this moment. Whose body does not run is not asked: its answer would be waited
    /// for, and be none.
    async fn ask_for_positions(
        &self,
        seen: Vec<(MemberId, InstanceSeen)>,
        bodies: &Bodies,
    ) -> Vec<(MemberId, InstanceSeen)> {
        let asked = seen.into_iter().map(|(member, seen)| async move {
            if !runs(bodies, &member) {
                let rest = Reply::Silent("its body does not run".to_owned());
                return (member, InstanceSeen { rest, ..seen });
            }
            match self.instance(&member) {
                Some(instance) => (member, instance.position(seen).await),
                None => (member, seen),
            }
        });
        join_all(asked).await
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
            return self.balancers.close(host, Left::Parked).await;
        }
        // a balancer that cannot be reached must not keep the primary of the others from coming back
        if let Err(error) = self.balancers.close(host, Left::Down).await {
            tracing::warn!(%error, "a balancer was not told");
        }
        Ok(())
    }

    async fn unpark(&self, host: &HostName, token: &Token) -> Result<(), Failed> {
        self.balancers.turn(host, &haproxy_words::left_to_checks(host)).await?;
        self.orders.write(&[], &[Change::Delete(self.parked_key(host.as_str()))], token).await
    }

    /// The leader key is the one that was seen.
    fn still_held(&self, member: &MemberId, mod_revision: i64) -> [Compare; 2] {
        let key = self.patroni_key("leader");
        let value = Compare::Value(key.clone(), member.as_str().as_bytes().to_vec());
        [value, Compare::ModRevision(key, mod_revision)]
    }

    async fn release(
        &self,
        member: &MemberId,
        mod_revision: i64,
        lease: i64,
        candidate: Option<&MemberId>,
        token: &Token,
    ) -> Result<(), Failed> {
        let when = self.still_held(member, mod_revision);
        let mut changes = Vec::new();
        if let Some(next) = candidate {
            let value = serde_json::json!({ "member": next }).to_string().into_bytes();
            // before the deletion, in one transaction: Patroni reads both at once
            changes.push(Change::Put { key: self.patroni_key("failover"), value, lease: 0 });
        }
        changes.push(Change::Delete(self.patroni_key("leader")));
        self.orders.write(&when, &changes, token).await?;
        // the dead one's member key goes with its lease; that the lease is gone already is fine
        self.orders.store.revoke(lease).await.map_err(|error| Failed::Trouble(error.to_string()))
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
        let owed = [Change::Put { key, value: member.as_str().into(), lease: 0 }];
        self.orders.write(&[], &owed, token).await
    }

    async fn hand_over(
        &self,
        member: &MemberId,
        mod_revision: i64,
        candidate: &MemberId,
        [wish, idle]: [i64; 2],
        token: &Token,
    ) -> Result<(), Failed> {
        let (wanted, asked) = (switchover_key(&self.plan.spec.name), self.patroni_key("failover"));
        let [value, revision] = self.still_held(member, mod_revision);
        let words = [(&wanted, wish), (&asked, idle)];
        let [wish, idle] = words.map(|(key, revision)| Compare::ModRevision(key.clone(), revision));
        let when = [value, revision, wish, idle];
        let value = serde_json::json!({ "leader": member, "member": candidate }).to_string().into_bytes();
        let changes = [Change::Put { key: asked, value, lease: 0 }, Change::Delete(wanted)];
        self.orders.write(&when, &changes, token).await?;
        // it would look at its next turn, up to `loop_wait` later
        self.wake_patroni(member).await
    }

    /// Waits a moment for the end of a PostgreSQL that is being shut down: what is to be seen takes milliseconds,
    /// and its Patroni looks once a second.
    async fn yield_key(
        &self,
        member: &MemberId,
        mod_revision: i64,
        handover: i64,
        token: &Token,
    ) -> Result<(), Failed> {
        let Some(instance) = self.instance(member) else {
            return Err(Failed::Guard(format!("{member} is no instance")));
        };
        let deadline = clock::now().plus(STOPS);
        while !instance.has_stopped().await {
            if clock::now() >= deadline {
                return Err(Failed::Guard(format!("{member} has not stopped yet")));
            }
            clock::sleep(GLANCE).await;
        }
        let [value, revision] = self.still_held(member, mod_revision);
        let when = [value, revision, Compare::ModRevision(self.patroni_key("failover"), handover)];
        self.orders.write(&when, &[Change::Delete(self.patroni_key("leader"))], token).await
    }

    /// Patroni's dynamic configuration with another number of synchronous standbys, and nothing else changed.
    async fn keep_standbys(&self, count: u32, mod_revision: i64, token: &Token) -> Result<(), Failed> {
        let key = self.patroni_key("config");
        let found = self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
        let found = found.filter(|found| found.mod_revision == mod_revision);
        let found = found.ok_or_else(|| Failed::Guard("Patroni's configuration is another".to_owned()))?;
        let mut config: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&found.value)
            .map_err(|error| Failed::Guard(format!("Patroni's configuration cannot be read: {error}")))?;
        config.insert("synchronous_node_count".to_owned(), count.into());
        // plain data: serialising it cannot fail
        let value = serde_json::to_vec(&config).unwrap_or_default();
        let same = [Compare::ModRevision(key.clone(), mod_revision)];
        self.orders.write(&same, &[Change::Put { key, value, lease: 0 }], token).await
    }

    /// Has a body taken down, and keeps the proof.
    async fn fence(&self, container: &str, leader: LeaderIs, token: &Token) -> Result<(), Failed> {
        let deed = Deed::Fence { container: container.to_owned(), leader: Some(leader) };
        let Some(proof) = self.orders.deed(deed, token).await? else { return Ok(()) };
        if let LeaderIs::Itself(revision) = leader {
            let mut fenced = self.fenced.lock().unwrap_or_else(PoisonError::into_inner);
            fenced.insert(container.to_owned(), revision);
        }
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).insert(container.to_owned(), proof);
        Ok(())
    }

    /// Writes down what is about to be done, and, of a replacement, when it was begun: the budget outlives this process.
    async fn intend(&self, word: &Replacing, token: &Token) -> Result<(), Failed> {
        let key = self.replacing_key();
        // plain data: serialising it cannot fail
        let value = serde_json::to_vec(word).unwrap_or_default();
        let mut when = vec![Compare::ModRevision(key.clone(), 0)];
        let mut changes = vec![Change::Put { key, value, lease: 0 }];
        if word.member != word.by {
            let key = self.replacements_key();
            let found =
                self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
            let known =
                found.as_ref().and_then(|found| serde_json::from_slice::<Vec<Mono>>(&found.value).ok());
            let per = self.replacements.per.0;
            let now = clock::now();
            let mut begun: Vec<Mono> =
                known.unwrap_or_default().into_iter().filter(|when| now.since(*when) < per).collect();
            begun.push(now);
            when.push(Compare::ModRevision(key.clone(), found.map_or(0, |found| found.mod_revision)));
            changes.push(Change::Put {
                key,
                value: serde_json::to_vec(&begun).unwrap_or_default(),
                lease: 0,
            });
        }
        self.orders.write(&when, &changes, token).await
    }

    /// Takes back what was written down, and the operator's wish where that ends with it.
    async fn forget(&self, member: &MemberId, wish: Option<i64>, token: &Token) -> Result<(), Failed> {
        let mut changes = vec![Change::Delete(self.replacing_key())];
        let mut when = Vec::new();
        if let Some(revision) = wish {
            let asked = asked_key(&self.plan.spec.name, member);
            when.push(Compare::ModRevision(asked.clone(), revision));
            changes.push(Change::Delete(asked));
        }
        if !self.placed(member) {
            // what Patroni kept of a member that left goes with its lease, or now
            changes.push(Change::Delete(self.patroni_key(&format!("members/{member}"))));
        }
        self.orders.write(&when, &changes, token).await
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
        self.proofs.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
        self.fenced.lock().unwrap_or_else(PoisonError::into_inner).remove(container);
        self.orders.deed(Deed::Start { container: container.to_owned() }, token).await.map(drop)
    }

    /// Alone a PostgreSQL would take a dead leader's lock back, or found a cluster; and a leader does not leave.
    async fn somebody_else_leads(&self, member: &MemberId) -> Result<(), Failed> {
        let leader = self.orders.store.get(&self.patroni_key("leader")).await;
        match leader.map_err(|error| Failed::Trouble(error.to_string()))? {
            Some(key) if key.value != member.as_str().as_bytes() => Ok(()),
            _ => Err(Failed::Guard("the leader key is gone or its own".to_owned())),
        }
    }

    /// Nobody who runs may lead: the body that has the data starts. Of a cluster that is founded it founds no other, and
    /// nobody else leads.
    async fn may_start_alone(&self, member: &MemberId) -> Result<(), Failed> {
        let (initialized, leader) = (self.patroni_key("initialize"), self.patroni_key("leader"));
        let (initialized, leader) =
            join(self.orders.store.get(&initialized), self.orders.store.get(&leader)).await;
        let trouble = |error: HttpError| Failed::Trouble(error.to_string());
        let founded = initialized.map_err(trouble)?.is_some_and(|found| !found.value.is_empty());
        let its = leader.map_err(trouble)?.is_none_or(|found| found.value == member.as_str().as_bytes());
        if founded && its {
            return Ok(());
        }
        Err(Failed::Guard("the cluster is not founded, or somebody else leads".to_owned()))
    }

    /// Whether a member belongs to the lab, by the last look.
    fn placed(&self, member: &MemberId) -> bool {
        let known = self.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().is_none_or(|(_, bodies)| bodies.placed.iter().any(|placed| placed.id == *member))
    }

    fn instances(&self) -> MutexGuard<'_, Instances> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn instance(&self, member: &MemberId) -> Option<Arc<Instance>> {
        self.instances().of(member)
    }

    async fn wake_patroni(&self, member: &MemberId) -> Result<(), Failed> {
        let Some(instance) = self.instance(member) else {
            return Err(Failed::Guard(format!("{member} is no instance")));
        };
        let login = &self.plan.rest;
        let patroni = Patroni::new(instance.doors().rest, PATRONI).with_login(&login.user, &login.password);
        patroni.wake().await.map(drop).map_err(|error: HttpError| Failed::Trouble(error.to_string()))
    }
}

impl Deeds<World> for Hands {
    async fn leadership(&self) -> Option<Token> {
        self.board.beat(clock::now());
        self.leading.borrow().clone()
    }

    async fn look(&self, hurry: bool) -> Seen {
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
        let writes = |seen: &InstanceSeen| matches!(&seen.sql, Reply::Answers(sql) if !sql.in_recovery);
        // how balancers route counts when somebody takes writes: before, nothing is decided by it
        let ask = !holder_lies(&bodies, &store) && (!hurry || postgres.iter().any(|(_, seen)| writes(seen)));
        let (balancers, balancers_took) = timed(self.balancers.look(ask)).await;
        let took = clock::now().since(at);
        if took > SLOW {
            tracing::warn!(?took, ?engine_took, ?store_took, ?balancers_took, hurry, "a slow look");
        }
        let proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let voters = self.voters.seen(at);
        let fenced = self.fenced.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Seen {
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

    async fn act(&self, step: &Step, token: &Token) -> Result<(), Failed> {
        match step {
            Step::Close { host, member, park } => self.close(host, member, *park, token).await,
            Step::Fence { container, key, .. } => {
                // by an old look a body that serves now would be taken for the leader that died: the broker compares
                let leader = key.map_or(LeaderIs::Another, LeaderIs::Itself);
                self.fence(container, leader, token).await
            }
            Step::End { container, .. } => self.fence(container, LeaderIs::Nobody, token).await,
            Step::Release { member, mod_revision, lease, candidate } => {
                self.release(member, *mod_revision, *lease, candidate.as_ref(), token).await
            }
            Step::Prepare { member } => self.prepare(member).await,
            Step::Drain { host, member } => self.drain(host, member, "rw", token).await,
            Step::Shut { member } | Step::Reopen { member } => {
                self.orders.write(&[], &[], token).await?;
                self.balancers.set_ports(member, matches!(step, Step::Reopen { .. })).await
            }
            Step::DrainReads { host, member } => self.drain(host, member, "ro", token).await,
            Step::HandOver { member, mod_revision, candidate, wish, idle } => {
                self.hand_over(member, *mod_revision, candidate, [*wish, *idle], token).await
            }
            Step::Yield { member, mod_revision, handover } => {
                self.yield_key(member, *mod_revision, *handover, token).await
            }
            Step::Open { host, member } => match self.instance(member) {
                Some(instance) if instance.writes().await => {
                    self.balancers.turn(host, &haproxy_words::open(host)).await
                }
                _ => Err(Failed::Guard(format!("{member} does not say that it takes writes"))),
            },
            Step::EndSessions { host, .. } => {
                self.orders.write(&[], &[], token).await?;
                self.balancers.end_sessions("rw", host).await
            }
            Step::Unpark { host } => self.unpark(host, token).await,
            Step::Start { member, container, alone } => self.start(member, container, *alone, token).await,
            Step::Create { member, service, host } => {
                let deed = Deed::Create { member: member.clone(), service: *service, host: host.clone() };
                if *service == Service::Postgres {
                    self.somebody_else_leads(member).await?;
                }
                self.orders.deed(deed, token).await.map(drop)
            }
            Step::Intend { service, member, by, host, why } => {
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
            Step::Retire { member } => {
                self.orders.deed(Deed::Retire { member: member.clone() }, token).await.map(drop)
            }
            Step::Remove { container, .. } => {
                self.orders.deed(Deed::Remove { container: container.clone() }, token).await.map(drop)
            }
            Step::Discard { member } => {
                self.orders.deed(Deed::Discard { member: member.clone() }, token).await.map(drop)
            }
            Step::Forget { member, wish } => self.forget(member, *wish, token).await,
            Step::Standbys { count, mod_revision, .. } => {
                self.keep_standbys(*count, *mod_revision, token).await
            }
            Step::Wake { member } => self.wake_patroni(member).await,
        }
    }

    async fn recall(&self) -> Option<Kept> {
        match self.orders.store.get(&kept::key(&self.plan.spec.name)).await {
            Ok(None) => Some(Kept::default()),
            Ok(Some(found)) => Some(kept::read(&found.value).unwrap_or_else(|why| {
                tracing::warn!(why, "every grace begins anew: what was written down is of no use");
                Kept::default()
            })),
            Err(error) => {
                tracing::warn!(%error, "what was written down cannot be read yet");
                None
            }
        }
    }

    async fn keep(&self, kept: &Kept, token: &Token) -> Result<(), Failed> {
        let key = kept::key(&self.plan.spec.name);
        let found = self.orders.store.get(&key).await.map_err(|error| Failed::Trouble(error.to_string()))?;
        let same = [Compare::ModRevision(key.clone(), found.map_or(0, |found| found.mod_revision))];
        self.orders.write(&same, &[Change::Put { key, value: kept::written(kept), lease: 0 }], token).await
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

    fn tell(&self, entry: &Entry<'_, Step>) {
        self.board.tell(entry);
    }

    fn raised(&self, raised: Vec<Raised>) {
        self.board.raised(raised);
    }
}

/// Whether the holder of the leader key has no process.
fn holder_lies(bodies: &Sight<Bodies>, store: &Sight<StoreSeen>) -> bool {
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
