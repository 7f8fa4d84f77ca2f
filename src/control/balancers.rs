//! The balancers of a lab as controllers see them, and words for all of them at once: whoever joins is told, whoever
//! left is not waited for.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;

use super::balancer::Balancer;
use super::driver::Failed;
use super::haproxy_words::{self, ServersLeft};
use super::server_exit;
use crate::decide::body::{ADMIN_PORT, STATISTICS_PORT};
use crate::decide::repair::Routes;
use crate::engine::haproxy::Backends;
use crate::engine::locked::Locked;
use crate::model::control::{BalancerPorts, Bodies, ControllerPlan};
use crate::model::{HostName, MemberId, Service, Sight};

/// All of them.
pub(super) struct BalancerClients {
    all: Locked<Vec<Arc<Balancer>>>,
    /// Longest time in which a session waits for its server connection.
    patience: Duration,
}

impl BalancerClients {
    /// Those of a plan.
    pub(super) fn new(plan: &ControllerPlan) -> Self {
        let balancers = plan.balancers.iter();
        let all = balancers.map(|(member, doors)| Balancer::new(member.clone(), doors.clone())).collect();
        let declared = &plan.spec.balancers;
        let attempts = declared.retries.saturating_add(1);
        Self { all: Locked::new(all), patience: declared.timeout_connect.0.saturating_mul(attempts) }
    }

    fn all(&self) -> MutexGuard<'_, Vec<Arc<Balancer>>> {
        self.all.lock()
    }

    /// Whoever stands in the lab now. A record nobody could read changes nothing.
    pub(super) fn follow(&self, plan: &ControllerPlan, bodies: &Bodies) {
        if bodies.placed.is_empty() {
            return;
        }
        let placed = bodies.placed.iter().filter(|member| member.service == Service::Balancer);
        let doors = |address: IpAddr| BalancerPorts {
            stats: SocketAddr::new(address, STATISTICS_PORT),
            admin: SocketAddr::new(address, ADMIN_PORT),
        };
        let wanted = placed.filter_map(|member| Some((&member.id, doors(*plan.hosts.get(&member.host)?))));
        let mut all = self.all();
        *all = wanted
            .map(|(id, doors)| {
                let known = all.iter().find(|known| known.member == *id && known.doors == doors);
                known.cloned().unwrap_or_else(|| Balancer::new(id.clone(), doors))
            })
            .collect();
    }

    /// How they route; as it was seen last where they are not asked.
    pub(super) async fn look(&self, ask: bool) -> BTreeMap<MemberId, Sight<Routes>> {
        let all = self.all().clone();
        let looks = all.iter().map(|balancer| async move {
            if ask {
                let seen = match balancer.stats.seen().await {
                    Ok(seen) => Sight::Seen(Routes { rw: seen.rw, ro: seen.ro, shut: seen.shut }),
                    Err(error) => Sight::Blind(error.to_string()),
                };
                *balancer.last.lock() = seen;
            }
            let last = balancer.last.lock().clone();
            (balancer.member.clone(), last)
        });
        join_all(looks).await.into_iter().collect()
    }

    /// What their statistics say, of those who answer in time.
    pub(super) async fn statistics(&self) -> BTreeMap<MemberId, Backends> {
        let all = self.all().clone();
        let looks = all.iter().map(|balancer| async move {
            Some((balancer.member.clone(), balancer.stats.seen().await.ok()?))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }

    /// Words about the servers of a host; whoever still sees sessions out there stops.
    pub(super) async fn turn(&self, host: &HostName, commands: &[String]) -> Result<(), Failed> {
        let all = self.all().clone();
        let told = all.iter().map(|balancer| async move {
            let turn = balancer.turns.begin(host);
            balancer.say_in_turn(host, turn, commands).await
        });
        outcome(join_all(told).await)
    }

    /// Leads nobody to a host any more, and sees out whoever is there. It returns when every balancer was told; the
    /// sessions end behind it.
    pub(super) async fn close(&self, host: &HostName, left: ServersLeft) -> Result<(), Failed> {
        let all = self.all().clone();
        let told = all.iter().map(|balancer| async move {
            let turn = balancer.turns.begin(host);
            let told = balancer.say_in_turn(host, turn, &haproxy_words::drained_both(host)).await;
            let exit = server_exit::SessionExit {
                balancer: Arc::clone(balancer),
                host: host.clone(),
                turn,
                left,
                drained: told.is_ok(),
                patience: self.patience,
            };
            tokio::spawn(exit.see_out());
            told
        });
        outcome(join_all(told).await)
    }

    /// Ends the sessions that have their connection to a host through one port.
    pub(super) async fn end_sessions(&self, backend: &str, host: &HostName) -> Result<(), Failed> {
        let all = self.all().clone();
        let ended = all.iter().map(|balancer| async move {
            let ended = async {
                let mut sessions = balancer.admin.sessions().await?;
                sessions.retain(|session| session.backend == backend);
                balancer.admin.end_sessions(&server_exit::next(&sessions, host).end).await
            };
            ended.await.map_err(|error| format!("{}: {error}", balancer.member))
        });
        outcome(join_all(ended).await)
    }

    /// One of them takes new sessions, or takes none any more; those it has go on. Twice is once.
    pub(super) async fn set_ports(&self, member: &MemberId, open: bool) -> Result<(), Failed> {
        let word = if open { "enable" } else { "disable" };
        let ports = ["rw", "ro"].map(|port| format!("{word} frontend {port}"));
        match self.push_to(member, &ports).await {
            // HAProxy: Frontend is already enabled, or disabled
            Err(Failed::Trouble(said)) if said.contains("is already") => Ok(()),
            told => told,
        }
    }

    /// Words to one of them.
    pub(super) async fn push_to(&self, member: &MemberId, commands: &[String]) -> Result<(), Failed> {
        let mut all = self.all().clone();
        all.retain(|balancer| balancer.member == *member);
        tell(all, commands).await
    }
}

async fn tell(all: Vec<Arc<Balancer>>, commands: &[String]) -> Result<(), Failed> {
    let told = all.iter().map(|balancer| async move {
        let told = balancer.admin.say(commands).await;
        told.map_err(|error| format!("{}: {error}", balancer.member))
    });
    outcome(join_all(told).await)
}

/// All of them did it, or what those said who did not.
fn outcome(told: Vec<Result<(), String>>) -> Result<(), Failed> {
    let wrong: Vec<String> = told.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failed::Trouble(wrong.join("; "))) }
}
