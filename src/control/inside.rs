//! What the scaling controller asks instances and balancers themselves: over one connection each that is kept, and
//! from the balancers' statistics. Nobody waits long for an answer, and who gives none is left out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::{join, join_all};

use crate::decide::body::{POSTGRES_PORT, STATISTICS_PORT};
use crate::engine::haproxy::Haproxy;
use crate::engine::postgres::Session;
use crate::engine::work;
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::inside::Inside;
use crate::model::plan::Credentials;
use crate::model::{Member, MemberId, Service};

/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_millis(500);

/// The ways to everybody who is asked.
pub(super) struct Doors {
    who: Credentials,
    statistics: Mutex<BTreeMap<SocketAddr, Arc<Haproxy>>>,
    kept: Mutex<BTreeMap<SocketAddr, Session>>,
}

impl Doors {
    pub(super) fn new(plan: &ControllerPlan) -> Self {
        Self { who: plan.superuser.clone(), statistics: Mutex::default(), kept: Mutex::default() }
    }

    /// What everybody says who answers in time.
    pub(super) async fn look(&self, plan: &ControllerPlan, bodies: &Bodies) -> BTreeMap<MemberId, Inside> {
        let databases: Vec<(&Member, SocketAddr)> = bodies
            .placed_or(&plan.members)
            .iter()
            .filter(|member| member.service == Service::Postgres)
            .filter_map(|member| Some((member, (*plan.hosts.get(&member.host)?, POSTGRES_PORT).into())))
            .collect();
        self.kept().retain(|address, _| databases.iter().any(|(_, known)| known == address));
        let databases = databases
            .into_iter()
            .map(|(member, address)| async move { Some((member.id.clone(), self.ask(address).await?)) });
        let balancers = self.statistics(plan, bodies).into_iter().map(|(member, statistics)| async move {
            let seen = statistics.seen().await.ok()?;
            Some((member, Inside { work: seen.work, wal: None, most: seen.most }))
        });
        let (databases, balancers) = join(join_all(databases), join_all(balancers)).await;
        databases.into_iter().chain(balancers).flatten().collect()
    }

    /// Where the balancers that stand in the lab now show their statistics.
    fn statistics(&self, plan: &ControllerPlan, bodies: &Bodies) -> Vec<(MemberId, Arc<Haproxy>)> {
        let placed = bodies.placed_or(&plan.members).iter();
        let mut known = self.statistics.lock().unwrap_or_else(PoisonError::into_inner);
        let balancers = placed.filter(|member| member.service == Service::Balancer).filter_map(|member| {
            let address = SocketAddr::new(*plan.hosts.get(&member.host)?, STATISTICS_PORT);
            let way = known.entry(address).or_insert_with(|| Arc::new(Haproxy::new(address, LIMIT)));
            Some((member.id.clone(), Arc::clone(way)))
        });
        balancers.collect()
    }

    async fn ask(&self, address: SocketAddr) -> Option<Inside> {
        // taken out meanwhile: one that does not answer in time is not asked again
        let kept = self.kept().remove(&address).filter(|session| !session.is_closed());
        let session = match kept {
            Some(session) => session,
            None => Session::connect(address, &self.who, "pgha-scaling", LIMIT).await.ok()?,
        };
        let said = work::inside(&session, LIMIT).await.ok()?;
        self.kept().insert(address, session);
        Some(said)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Session>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
