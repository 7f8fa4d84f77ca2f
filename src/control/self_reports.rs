//! What the scaling controller asks instances and balancers themselves: over one connection each that is kept, and
//! from the balancers' statistics. Nobody waits long for an answer, and who gives none is left out.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::{join, join_all};

use super::balancers::BalancerClients;
use crate::decide::body::POSTGRES_PORT;
use crate::engine::locked::Locked;
use crate::engine::postgres::Session;
use crate::engine::work;
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::plan::Credentials;
use crate::model::self_report::SelfReport;
use crate::model::{Member, MemberId, Service};

/// Longest wait for an answer.
const WORK_TIMEOUT: Duration = Duration::from_millis(500);

/// The ways to the instances.
pub(super) struct InstanceConnections {
    who: Credentials,
    kept: Locked<BTreeMap<SocketAddr, Session>>,
}

impl InstanceConnections {
    pub(super) fn new(plan: &ControllerPlan) -> Self {
        Self { who: plan.superuser.clone(), kept: Locked::default() }
    }

    /// What everybody says who answers in time.
    pub(super) async fn look(
        &self,
        plan: &ControllerPlan,
        bodies: &Bodies,
        balancers: &BalancerClients,
    ) -> BTreeMap<MemberId, SelfReport> {
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
        let (databases, balancers) = join(join_all(databases), balancers.statistics()).await;
        let balancers = balancers
            .into_iter()
            .map(|(member, seen)| Some((member, SelfReport { work: seen.work, wal: None, most: seen.most })));
        databases.into_iter().chain(balancers).flatten().collect()
    }

    async fn ask(&self, address: SocketAddr) -> Option<SelfReport> {
        // taken out meanwhile: one that does not answer in time is not asked again
        let kept = self.kept().remove(&address).filter(|session| !session.is_closed());
        let session = match kept {
            Some(session) => session,
            None => Session::connect(address, &self.who, "pgha-scaling", WORK_TIMEOUT).await.ok()?,
        };
        let said = work::inside(&session, WORK_TIMEOUT).await.ok()?;
        self.kept().insert(address, session);
        Some(said)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<SocketAddr, Session>> {
        self.kept.lock()
    }
}
