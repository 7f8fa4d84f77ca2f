//! Looking at the lab from the client host, again and again: PostgreSQL from two sides, etcd, the
//! balancers from inside and from outside. All subjects at once, each with its own time limit, so
//! one that is silent delays the others by that limit at most.
//!
//! Invariant: whatever goes wrong with a subject is that subject's blindness with the reason; the
//! look itself never fails.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join4};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::prober::{Latest, Prober};
use crate::engine::clock;
use crate::engine::controller::ControllerClient;
use crate::engine::etcd::EtcdMember;
use crate::engine::haproxy::Haproxy;
use crate::engine::patroni::PatroniClient;
use crate::engine::postgres::{Broken, Session, sql_seen};
use crate::model::plan::{BalancerDoors, Credentials, PostgresPorts, WatchPlan};
use crate::model::sighting::{BalancerSeen, EtcdSeen, PostgresSeen, SqlSeen};
use crate::model::{MemberId, Mono, Sight, Sighting};

/// Pause between two real connections through a port of a balancer.
const SERVES_EVERY: Duration = Duration::from_secs(1);

/// Pause between two sightings that a changed answer of a write probe may cause.
const SETTLE: Duration = Duration::from_millis(10);

/// One observer with its kept connections.
#[derive(Debug)]
pub struct Watcher {
    postgres: Vec<PostgresEye>,
    etcd: Vec<(MemberId, EtcdMember)>,
    balancers: Vec<BalancerEye>,
    controllers: Vec<(MemberId, ControllerClient)>,
    every: Duration,
    changed: Arc<Notify>,
    // dropped with the watcher: the probes end with it
    _probes: JoinSet<()>,
}

#[derive(Debug)]
struct PostgresEye {
    member: MemberId,
    sql: SocketAddr,
    patroni: PatroniClient,
    superuser: Credentials,
    limit: Duration,
    session: Option<Session>,
    probe: WatchProbe,
}

#[derive(Debug)]
enum WatchProbe {
    /// No write probes asked for.
    None,
    /// Written at each look; for a single sighting.
    Inline(Box<Prober>),
    /// Written by a task of its own; answers older than this are none.
    Task(Arc<Latest>, Duration),
}

#[derive(Debug)]
struct BalancerEye {
    member: MemberId,
    stats: Haproxy,
    doors: BalancerDoors,
    who: Credentials,
    limit: Duration,
    served: Option<(Mono, Sight<bool>, Sight<bool>)>,
}

impl Watcher {
    /// Sets up every subject of the plan; must be called inside the runtime, which runs the probes.
    #[must_use]
    pub fn new(plan: &WatchPlan) -> Self {
        let limit = plan.timeout.0;
        let changed = Arc::new(Notify::new());
        let mut tasks = JoinSet::new();
        let mut postgres = Vec::new();
        for (member, PostgresPorts { sql, rest }) in &plan.postgres {
            let probe = match (&plan.application, plan.write_probe_every) {
                (Some(who), Some(every)) => {
                    let prober = Prober::new(member.clone(), *sql, who.clone(), limit);
                    if plan.once {
                        WatchProbe::Inline(Box::new(prober))
                    } else {
                        let latest = Arc::new(Latest::default());
                        tasks.spawn(prober.run(every.0, Arc::clone(&latest), Arc::clone(&changed)));
                        WatchProbe::Task(latest, every.0 * 2 + SETTLE)
                    }
                }
                _ => WatchProbe::None,
            };
            postgres.push(PostgresEye {
                member: member.clone(),
                sql: *sql,
                patroni: PatroniClient::new(*rest, limit),
                superuser: plan.superuser.clone(),
                limit,
                session: None,
                probe,
            });
        }
        let etcd =
            plan.etcd.iter().map(|(member, at)| (member.clone(), EtcdMember::new(*at, limit))).collect();
        let balancer = |(member, doors): (&MemberId, &BalancerDoors)| BalancerEye {
            member: member.clone(),
            stats: Haproxy::new(doors.stats, limit),
            doors: doors.clone(),
            who: plan.superuser.clone(),
            limit,
            served: None,
        };
        let balancers = plan.balancers.iter().map(balancer).collect();
        let controller =
            |(member, at): (&MemberId, &SocketAddr)| (member.clone(), ControllerClient::new(*at, limit));
        let controllers = plan.controllers.iter().map(controller).collect();
        Self { postgres, etcd, balancers, controllers, every: plan.every.0, changed, _probes: tasks }
    }

    /// One look at everything.
    pub async fn look(&mut self) -> Sighting {
        let at = clock::now();
        let etcd =
            self.etcd.iter().map(|(member, etcd)| async { (member.clone(), look_at_etcd(etcd).await) });
        let controllers = self.controllers.iter().map(|(member, controller)| async {
            let status = controller.status().await;
            (member.clone(), status.map_or_else(|error| Sight::Blind(error.to_string()), Sight::Seen))
        });
        let (postgres, etcd, balancers, controllers) = join4(
            join_all(self.postgres.iter_mut().map(PostgresEye::look)),
            join_all(etcd),
            join_all(self.balancers.iter_mut().map(BalancerEye::look)),
            join_all(controllers),
        )
        .await;
        Sighting {
            usage: BTreeMap::new(),
            at,
            of: None,
            bodies: BTreeMap::new(),
            postgres: postgres.into_iter().collect(),
            etcd: etcd.into_iter().collect(),
            balancers: balancers.into_iter().collect(),
            controllers: controllers.into_iter().collect(),
            events: Vec::new(),
        }
    }

    /// Waits for the next turn: the pause since `began` is over, or a write probe's answer changed.
    pub async fn turn(&self, began: Mono) {
        tokio::select! {
            () = clock::sleep_until(began.plus(self.every)) => {}
            () = self.changed.notified() => {}
        }
        // several probes change together when the primary does: one sighting will do
        clock::sleep(SETTLE).await;
    }
}

async fn look_at_etcd(etcd: &EtcdMember) -> Sight<EtcdSeen> {
    etcd.seen().await.map_or_else(|e| Sight::Blind(e.to_string()), Sight::Seen)
}

impl PostgresEye {
    async fn look(&mut self) -> (MemberId, PostgresSeen) {
        let writable = match &mut self.probe {
            WatchProbe::Inline(prober) => prober.probe().await,
            WatchProbe::None | WatchProbe::Task(..) => None,
        };
        let looking = ask(&mut self.session, self.sql, &self.superuser, self.limit);
        let (patroni, sql) = join(self.patroni.seen(), looking).await;
        let patroni = patroni.map_or_else(|e| Sight::Blind(e.to_string()), Sight::Seen);
        let sql = match sql {
            Ok(seen) => {
                let writable = match &self.probe {
                    WatchProbe::Task(latest, fresh) => latest.get(clock::now(), *fresh),
                    WatchProbe::None | WatchProbe::Inline(_) => writable,
                };
                Sight::Seen(SqlSeen { writable, ..seen })
            }
            Err(broken) => Sight::Blind(broken.to_string()),
        };
        (self.member.clone(), PostgresSeen { patroni, sql })
    }
}

/// Asks over the kept connection, or over a new one when that is gone.
async fn ask(
    kept: &mut Option<Session>,
    address: SocketAddr,
    who: &Credentials,
    limit: Duration,
) -> Result<SqlSeen, Broken> {
    let session = match kept.take().filter(|session| !session.is_closed()) {
        Some(session) => session,
        None => Session::connect(address, who, "pgha-watch", limit).await?,
    };
    let seen = sql_seen(&session, limit).await?;
    *kept = Some(session);
    Ok(seen)
}

impl BalancerEye {
    async fn look(&mut self) -> (MemberId, BalancerSeen) {
        let now = clock::now();
        let due = self.served.as_ref().is_none_or(|(at, ..)| now.since(*at) >= SERVES_EVERY);
        let (backends, served) = join(self.stats.seen(), async {
            if !due {
                return None;
            }
            let (rw, ro) =
                (serves(self.doors.rw, &self.who, self.limit), serves(self.doors.ro, &self.who, self.limit));
            Some(join(rw, ro).await)
        })
        .await;
        if let Some((rw, ro)) = served {
            // 5432 serves when it leads to an instance that writes, 5433 when it leads to any
            let ro = match ro {
                Sight::Seen(_) => Sight::Seen(true),
                Sight::Blind(why) => Sight::Blind(why),
            };
            self.served = Some((now, rw, ro));
        }
        let (rw, ro, unserved_rw, unserved_ro) = match backends {
            Ok(seen) => (Sight::Seen(seen.rw), Sight::Seen(seen.ro), seen.unserved_rw, seen.unserved_ro),
            Err(error) => (Sight::Blind(error.to_string()), Sight::Blind(error.to_string()), 0, 0),
        };
        let (writes, reads) = self
            .served
            .as_ref()
            .map_or_else(|| (Sight::default(), Sight::default()), |(_, rw, ro)| (rw.clone(), ro.clone()));
        let seen = BalancerSeen { rw, ro, rw_serves: writes, ro_serves: reads, unserved_rw, unserved_ro };
        (self.member.clone(), seen)
    }
}

/// Whether a connection at `door` leads to an instance that writes.
async fn serves(door: SocketAddr, who: &Credentials, limit: Duration) -> Sight<bool> {
    let asking = async {
        let session = Session::connect(door, who, "pgha-watch", limit).await?;
        let select = "select not pg_is_in_recovery() and current_setting('transaction_read_only') = 'off'";
        let row = session.client().query_one(select, &[]).await.map_err(|e| session.explain(&e))?;
        row.try_get(0).map_err(|e| Broken::Other(e.to_string()))
    };
    let asked = clock::timeout(limit, asking).await.unwrap_or(Err(Broken::Timeout(limit)));
    asked.map_or_else(|broken| Sight::Blind(broken.to_string()), Sight::Seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lab_that_is_not_there_is_blindness_with_reasons() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let nobody = listener.local_addr().expect("an address");
        drop(listener);
        let text = format!(
            r#"{{"every":"1s","once":true,"timeout":"20s","superuser":{{"user":"postgres","password":"x","database":"postgres"}},
               "postgres":{{"postgres-1":{{"sql":"{nobody}","rest":"{nobody}"}}}},"etcd":{{"etcd-1":"{nobody}"}},
               "balancers":{{"balancer-1":{{"stats":"{nobody}","rw":"{nobody}","ro":"{nobody}"}}}}}}"#
        );
        let plan: WatchPlan = serde_json::from_str(&text).expect("a plan");
        let sighting = Watcher::new(&plan).look().await;
        assert_eq!((sighting.postgres.len(), sighting.etcd.len(), sighting.balancers.len()), (1, 1, 1));
        let blind = |why: &str| assert!(why.to_lowercase().contains("refused"), "{why}");
        for seen in sighting.postgres.values() {
            let (Sight::Blind(sql), Sight::Blind(rest)) = (&seen.sql, &seen.patroni) else {
                panic!("{seen:?}")
            };
            blind(sql);
            blind(rest);
        }
        for seen in sighting.etcd.values() {
            let Sight::Blind(why) = seen else { panic!("{seen:?}") };
            blind(why);
        }
        for seen in sighting.balancers.values() {
            let (Sight::Blind(rw), Sight::Blind(serves)) = (&seen.rw, &seen.rw_serves) else {
                panic!("{seen:?}")
            };
            blind(rw);
            blind(serves);
        }
    }
}
