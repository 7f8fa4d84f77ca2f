//! Eyes and hands of the scaling controller on a real lab: what bodies use, through the broker; the store;
//! Patroni of whoever was resized, so that its settings follow its size.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use metrics::gauge;
use tokio::sync::Notify;

use super::balancers::BalancerClients;
use super::controller_hands::HandsShared;
use super::deeds_under_way::asked;
use super::driver::{Deeds, Failed, JournalEntry, LateAnswer};
use super::leadership::Leading;
use super::orders::{OrderSender, read};
use super::self_reports::InstanceConnections;
use super::status_server::StatusServer;
use crate::decide::body::PATRONI_PORT;
use crate::decide::scaling::{OperatorWish, ScalingSeen, ScalingStep, ScalingStoreSeen, ScalingWorld};
use crate::engine::clock;
use crate::engine::etcd::{Compare, KeyValue, StoreChange};
use crate::engine::http::HttpError;
use crate::engine::locked::Locked;
use crate::engine::patroni::PatroniClient;
use crate::model::control::{Bodies, BrokerDeed, ControllerPlan, Raised, Token};
use crate::model::scaling::{CountWish, SizeWish, Usage, Usages, resize_keys, scale_key};
use crate::model::self_report::SelfReport;
use crate::model::sighting::PatroniSeen;
use crate::model::{HostName, Member, MemberId, Mono, Name, Service, Sight, Size, Span};

/// Longest wait for Patroni to take a word.
const PATRONI_WORD_TIMEOUT: Duration = Duration::from_secs(2);
/// How long Patroni itself takes for a restart or a handover, at most.
const PATRONI_RESTART_TIMEOUT: Duration = Duration::from_mins(1);
/// So long a step waits for the answer to what it asked for.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Everything a scaling controller touches.
pub struct Sizes {
    way: Arc<Way>,
    leading: Leading,
    balancers: BalancerClients,
    doors: InstanceConnections,
    /// What bodies used when they were looked at last: rates are differences.
    last: Locked<Usages>,
    /// What was asked for and not done after all, until the loop hears of it.
    late: Arc<Locked<Vec<LateAnswer<ScalingStep>>>>,
    wake: Arc<Notify>,
    board: Arc<StatusServer>,
}

impl Sizes {
    /// Hands for one process.
    #[must_use]
    pub fn new(plan: ControllerPlan, shared: HandsShared, leading: Leading) -> Self {
        let orders = OrderSender::new(shared.store, shared.broker, plan.spec.name.clone());
        let (balancers, doors) = (BalancerClients::new(&plan), InstanceConnections::new(&plan));
        let (last, late) = (Locked::default(), Arc::default());
        let (wake, board) = (shared.wake, shared.board);
        Self { way: Arc::new(Way { plan, orders }), leading, balancers, doors, last, late, wake, board }
    }

    /// Has a deed done whose answer is waited for a moment only. Where it says later that it is not done, the loop hears
    /// of that at once.
    async fn ask(
        &self,
        step: &ScalingStep,
        deed: impl Future<Output = Result<(), Failed>> + Send + 'static,
    ) -> Result<(), Failed> {
        let (late, wake) = (Arc::clone(&self.late), Arc::clone(&self.wake));
        let (step, began) = (step.clone(), clock::now());
        asked(ANSWER_WITHIN, deed, move |error| {
            late.lock().push(LateAnswer { step, began, at: clock::now(), error });
            wake.notify_one();
        })
        .await
    }

    async fn look_at_store(&self) -> Sight<ScalingStoreSeen> {
        let lab = &self.way.plan.spec.name;
        match self.way.orders.keys().await {
            Ok((patroni, ours)) => {
                let seen = read(lab.as_str(), &patroni, &ours);
                Sight::Seen(ScalingStoreSeen {
                    leader: seen.leader.map(|key| key.member),
                    maintenance: seen.maintenance,
                    replacing: seen.replacing,
                    asked: wishes(&resize_keys(lab), &ours),
                    counts: counts(lab, &ours),
                    may_lead: seen.may_lead,
                })
            }
            Err(why) => Sight::Blind(why),
        }
    }

    /// What every Patroni says of its member.
    async fn look_at_postgres(&self, bodies: &Bodies) -> BTreeMap<MemberId, Sight<PatroniSeen>> {
        let plan = &self.way.plan;
        let members = bodies.placed_or(&plan.members).iter();
        let asked = members.filter(|member| member.service == Service::Postgres).map(|member| async {
            let door = rest(plan, bodies, &member.id)?;
            Some((member.id.clone(), sight(PatroniClient::new(door, PATRONI_WORD_TIMEOUT).itself().await)))
        });
        join_all(asked).await.into_iter().flatten().collect()
    }
}

/// What deeds need that go on behind their step.
struct Way {
    plan: ControllerPlan,
    orders: OrderSender,
}

impl Way {
    /// Patroni asks for no proof of leadership, so it is read again before it is asked for anything that is felt.
    async fn leads(&self, token: &Token) -> Result<(), Failed> {
        self.orders.write(&[], &[], token).await
    }

    /// Patroni of a member, with the right to change something.
    async fn patroni(&self, member: &MemberId, limit: Duration) -> Result<PatroniClient, Failed> {
        let bodies = self.orders.broker.bodies().await.map_err(trouble)?;
        let door = rest(&self.plan, &bodies, member)
            .ok_or_else(|| Failed::Guard(format!("{member} is no PostgreSQL of this lab")))?;
        let login = &self.plan.rest;
        Ok(PatroniClient::new(door, limit).with_login(&login.user, &login.password))
    }

    /// A wish is no more; another one that was written meanwhile stands.
    async fn forget(&self, key: String, revision: i64, token: &Token) -> Result<(), Failed> {
        let seen = [Compare::ModRevision(key.clone(), revision)];
        self.orders.write(&seen, &[StoreChange::Delete(key)], token).await
    }

    /// Gives a member another size; its settings follow.
    async fn resize(&self, member: MemberId, from: Size, to: Size, token: &Token) -> Result<(), Failed> {
        self.orders.deed(BrokerDeed::Resize { member: member.clone(), from, to }, token).await?;
        self.reload(&member).await
    }

    async fn restart(&self, member: &MemberId) -> Result<(), Failed> {
        self.patroni(member, PATRONI_RESTART_TIMEOUT).await?.restart().await.map(drop).map_err(trouble)
    }

    async fn hand_over(&self, member: &MemberId, to: &MemberId) -> Result<(), Failed> {
        let patroni = self.patroni(member, PATRONI_RESTART_TIMEOUT).await?;
        patroni.switchover(member.as_str(), Some(to.as_str())).await.map(drop).map_err(trouble)
    }

    /// Has Patroni of a member read its settings, which follow its size, again.
    async fn reload(&self, member: &MemberId) -> Result<(), Failed> {
        let Ok(patroni) = self.patroni(member, PATRONI_WORD_TIMEOUT).await else { return Ok(()) };
        if let Err(error) = patroni.reload().await {
            // a Patroni that is away reads them when it starts
            tracing::warn!(%error, %member, "its settings were not read again");
        }
        Ok(())
    }
}

/// Where Patroni of a member listens; `None` when it has none.
fn rest(plan: &ControllerPlan, bodies: &Bodies, id: &MemberId) -> Option<std::net::SocketAddr> {
    let database = |member: &&Member| member.id == *id && member.service == Service::Postgres;
    let member = bodies.placed_or(&plan.members).iter().find(database)?;
    Some((*plan.hosts.get(&member.host)?, PATRONI_PORT).into())
}

/// Sizes operators want; what cannot be read is nobody's wish.
fn wishes(prefix: &str, ours: &[KeyValue]) -> BTreeMap<MemberId, OperatorWish<SizeWish>> {
    let wish = |found: &KeyValue| {
        let member = MemberId::new(found.key.strip_prefix(prefix)?).ok()?;
        let wish = serde_json::from_slice(&found.value).unwrap_or_default();
        Some((member, OperatorWish { wish, revision: found.mod_revision }))
    };
    ours.iter().filter_map(wish).collect()
}

/// Weights of readers in the words of a balancer (`readers.lua`).
fn weigh(weights: &BTreeMap<HostName, u32>, hold: Span) -> String {
    let servers: Vec<String> = weights.iter().map(|(host, weight)| format!("{host}={weight}")).collect();
    format!("pgha weigh {} {}", hold.0.as_secs().max(1), servers.join(" "))
}

/// How many of what an operator wants; what cannot be read is nobody's wish.
fn counts(lab: &Name, ours: &[KeyValue]) -> BTreeMap<Service, OperatorWish<CountWish>> {
    let wish = |service| {
        let found = ours.iter().find(|found| found.key == scale_key(lab, service))?;
        let wish = serde_json::from_slice(&found.value).ok()?;
        Some((service, OperatorWish { wish, revision: found.mod_revision }))
    };
    Service::SIZED.into_iter().filter_map(wish).collect()
}

impl Deeds<ScalingWorld> for Sizes {
    async fn leadership(&self) -> Option<Token> {
        self.board.beat(clock::now());
        self.leading.borrow().clone()
    }

    async fn look(&self, _: bool) -> ScalingSeen {
        let at = clock::now();
        let (bodies, usage, store) = tokio::join!(
            self.way.orders.broker.bodies(),
            self.way.orders.broker.usage(),
            self.look_at_store()
        );
        let (postgres, inside) = match &bodies {
            Ok(bodies) => {
                self.balancers.follow(&self.way.plan, bodies);
                let inside = self.doors.look(&self.way.plan, bodies, &self.balancers);
                tokio::join!(self.look_at_postgres(bodies), inside)
            }
            Err(_) => (BTreeMap::new(), BTreeMap::new()),
        };
        if let Ok(usage) = &usage {
            let last = {
                let mut last = self.last.lock();
                std::mem::replace(&mut *last, usage.clone())
            };
            for (member, usage) in usage {
                show(member, usage, last.get(member));
            }
        }
        for (member, inside) in &inside {
            show_inside(member, inside);
        }
        self.board.work(inside.iter().map(|(member, inside)| (member.clone(), inside.work)).collect());
        ScalingSeen { at, bodies: sight(bodies), usage: sight(usage), store, postgres, inside }
    }

    async fn act(&self, step: &ScalingStep, token: &Token) -> Result<(), Failed> {
        self.board.beat(clock::now());
        let (way, token) = (Arc::clone(&self.way), token.clone());
        match step.clone() {
            ScalingStep::Resize { member, from, to, .. } => {
                self.ask(step, async move { way.resize(member, from, to, &token).await }).await
            }
            ScalingStep::Restart { member } => {
                way.leads(&token).await?;
                self.ask(step, async move { way.restart(&member).await }).await
            }
            ScalingStep::HandOver { member, to } => {
                way.leads(&token).await?;
                self.ask(step, async move { way.hand_over(&member, &to).await }).await
            }
            ScalingStep::Scale { service, generation, count, leaving, .. } => {
                let deed = BrokerDeed::Scale { service, generation, count, leaving };
                self.ask(step, async move { way.orders.deed(deed, &token).await.map(drop) }).await
            }
            ScalingStep::Weigh { member, weights, hold } => {
                way.leads(&token).await?;
                self.balancers.push_to(&member, &[weigh(&weights, hold)]).await
            }
            ScalingStep::Admit { member, sessions } => {
                way.leads(&token).await?;
                let ports = ["rw", "ro"].map(|port| format!("set maxconn frontend {port} {sessions}"));
                self.balancers.push_to(&member, &ports).await
            }
            ScalingStep::ForgetCount { service, revision } => {
                way.forget(scale_key(&way.plan.spec.name, service), revision, &token).await
            }
            ScalingStep::Forget { member, revision } => {
                let key = format!("{}{member}", resize_keys(&way.plan.spec.name));
                way.forget(key, revision, &token).await
            }
        }
    }

    fn late(&self) -> Vec<LateAnswer<ScalingStep>> {
        std::mem::take(&mut *self.late.lock())
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

    fn tell(&self, entry: &JournalEntry<'_, ScalingStep>) {
        self.board.tell(entry);
    }

    fn expected(&self, expects: Vec<String>) {
        self.board.expected(expects);
    }

    fn raised(&self, raised: Vec<Raised>) {
        self.board.raised(raised);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn trouble(error: HttpError) -> Failed {
    Failed::Trouble(error.to_string())
}

fn sight<T>(answer: Result<T, HttpError>) -> Sight<T> {
    answer.map_or_else(|error| Sight::Blind(error.to_string()), Sight::Seen)
}

/// What a body says of itself, as metrics.
pub(super) fn show_inside(member: &MemberId, inside: &SelfReport) {
    let of = |name: &'static str, value: f64| gauge!(name, "member" => member.to_string()).set(value);
    of("pgha_sessions", inside.work.sessions.into());
    of("pgha_sessions_active", inside.work.active.into());
    of("pgha_sessions_waiting", inside.work.waiting.into());
    if let Some(wal) = &inside.wal {
        of("pgha_wal_bytes", wal.size.0 as f64);
        let held = wal.forgotten().map_or(0, |slot| slot.held.0);
        of("pgha_wal_held_for_nobody_bytes", held as f64);
    }
}

/// What a body uses, as metrics.
pub(super) fn show(member: &MemberId, usage: &Usage, last: Option<&Usage>) {
    let of = |name: &'static str, value: f64| gauge!(name, "member" => member.to_string()).set(value);
    if let Some(cores) = last.and_then(|last| usage.since(last)) {
        of("pgha_cpu_used_cores", cores.used);
        of("pgha_cpu_held_back_cores", cores.held_back);
    }
    of("pgha_cpu_seconds", usage.cpu_ns as f64 / 1e9);
    of("pgha_cpu_throttled_seconds", usage.throttled_ns as f64 / 1e9);
    of("pgha_cpu_limit_cores", usage.cores.unwrap_or(f64::INFINITY));
    of("pgha_memory_bytes", usage.memory.0 as f64);
    of("pgha_memory_limit_bytes", usage.limit.map_or(f64::INFINITY, |limit| limit.0 as f64));
    if let Some(disk) = usage.disk {
        of("pgha_disk_free_bytes", disk.free.0 as f64);
        of("pgha_disk_bytes", disk.size.0 as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Bytes;

    #[test]
    fn wishes_are_those_of_this_lab_and_a_torn_one_changes_nothing() {
        let found = |key: &str, value: &str| KeyValue {
            key: key.to_owned(),
            value: value.as_bytes().to_vec(),
            mod_revision: 1,
            lease: 0,
        };
        let prefix = resize_keys(&"lab".parse().expect("a name"));
        let keys = [
            found("/pgha/lab/asked/resize/postgres-1", r#"{"memory":"1GiB"}"#),
            found("/pgha/lab/asked/resize/postgres-2", "torn"),
            found("/pgha/lab/asked/replace/postgres-3", "an operator"),
        ];
        let wishes = wishes(&prefix, &keys);
        let one = SizeWish { memory: Some(Bytes::gib(1)), ..SizeWish::default() };
        let asked = |wish| OperatorWish { wish, revision: 1 };
        let name = |name: &str| name.parse::<MemberId>().expect("a name");
        assert_eq!(
            wishes,
            [(name("postgres-1"), asked(one)), (name("postgres-2"), asked(SizeWish::default()))].into()
        );
    }
}
