//! A controller as a process: what it is handed, the tasks beside its loop, its end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::controller_hands::{ControllerHands, HandsShared};
use super::driver::{Deeds, conduct};
use super::leadership::{self, Leading};
use super::sizes::Sizes;
use super::status_server::{self, StatusServer};
use crate::decide;
use crate::decide::body::ETCD_PORT;
use crate::decide::brain::Brain;
use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::engine::journal_writer;
use crate::engine::service::{ProcessError, asked_to_end};
use crate::engine::store::Store;
use crate::model::control::{ControllerPlan, RepairPolicy, asked_keys, leadership_key};
use crate::model::scaling::ScalingPolicy;
use crate::model::store_keys::{patroni_key, stopped_key};
use crate::model::{HostName, Service};

/// Pause before something that ended is begun again.
const RESTART_PAUSE: Duration = Duration::from_millis(300);
/// Pause between two looks at who stands where.
const FOLLOW: Duration = Duration::from_secs(5);

/// Runs the repair controller until it is asked to end, or until it has done the step in `stop-at`. Its
/// journal goes to `output`, a line an entry.
///
/// # Errors
/// [`ProcessError`].
pub async fn repair(plan: ControllerPlan, output: impl AsyncWrite + Unpin) -> Result<(), ProcessError> {
    let policy = RepairPolicy::told(&plan.policy).map_err(ProcessError::Plan)?;
    let lag = plan.spec.postgres.patroni.maximum_lag_on_failover;
    let world =
        decide::repair::RepairWorld { spec: plan.spec.clone(), members: plan.members.clone(), lag, policy };
    Box::pin(process(plan, output, world, senses, ControllerHands::new)).await
}

/// The same for the scaling controller.
///
/// # Errors
/// [`ProcessError`].
pub async fn scaling(plan: ControllerPlan, output: impl AsyncWrite + Unpin) -> Result<(), ProcessError> {
    let policy = ScalingPolicy::told(&plan.policy).map_err(ProcessError::Plan)?;
    let world = decide::scaling::ScalingWorld { spec: plan.spec.clone(), policy };
    // measured at its own pace: only a wish wakes it
    Box::pin(process(plan, output, world, wishes, Sizes::new)).await
}

/// One controller, whatever its brain.
async fn process<B: Brain, H: Deeds<B>>(
    plan: ControllerPlan,
    output: impl AsyncWrite + Unpin,
    brain: B,
    senses: impl FnOnce(&mut JoinSet<()>, &ControllerPlan, &HandsShared),
    hands: impl FnOnce(ControllerPlan, HandsShared, Leading) -> H,
) -> Result<(), ProcessError> {
    let listener =
        TcpListener::bind(plan.listen).await.map_err(|error| ProcessError::Listen(plan.listen, error))?;
    let metrics = PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| ProcessError::Plan(format!("metrics: {error}")))?;
    let (journal, lines) = journal_writer::channel();
    let board = Arc::new(StatusServer::new(journal, metrics));
    let shared = HandsShared::new(&plan, Arc::clone(&board));
    let key = leadership_key(&plan.spec.name, &plan.controller);
    let stopped = stopped_key(&plan.spec.name, &plan.controller);
    let (lease, store) = (leadership::ReplicaLease::default(), Arc::clone(&shared.store));
    let replica = plan.replica.clone();
    let (leading, campaign) =
        leadership::campaign(Arc::clone(&store), key, replica, lease.clone(), Arc::clone(&board));
    let mut tasks = JoinSet::new();
    senses(&mut tasks, &plan, &shared);
    tasks.spawn(campaign);
    tasks.spawn(follow(shared.clone(), plan.hosts.clone()));
    let hands = hands(plan, shared, leading);
    let ended = tokio::select! {
        // stopped for a test: as if it had been killed, so nothing is given up
        () = until_stopped(&hands, brain, &store, &stopped) => return Ok(()),
        ended = status_server::serve(listener, board) => ended,
        written = journal_writer::write_at_once(lines, output) => written.map_err(ProcessError::from),
        () = asked_to_end() => Ok(()),
    };
    // the campaign first, or it would take what is given up
    tasks.shutdown().await;
    lease.give_up(&store).await;
    ended
}

/// Runs the loop until it has done the step in `stop-at` and nobody had before: one replica stops, so that the
/// other one shows what comes of it.
async fn until_stopped<B: Brain, H: Deeds<B>>(hands: &H, mut brain: B, store: &Store, stopped: &str) {
    loop {
        conduct(hands, &brain).await;
        let first = [Compare::ModRevision(stopped.to_owned(), 0)];
        let mark = [StoreChange::Put { key: stopped.to_owned(), value: b"stopped".to_vec(), lease: 0 }];
        match store.transact(&first, &mark).await {
            Ok(false) => brain.never_stop(),
            Ok(true) | Err(_) => return,
        }
    }
}

/// What ends a sleep: deaths as the engine tells them, connections that end, the leader key. They only wake.
fn senses(tasks: &mut JoinSet<()>, plan: &ControllerPlan, shared: &HandsShared) {
    let events = shared.clone();
    tasks.spawn(async move {
        loop {
            let ended = events
                .broker
                .events(|_| {
                    events.heard.store(true, Ordering::SeqCst);
                    events.wake.notify_one();
                })
                .await;
            if let Err(error) = ended {
                tracing::warn!(%error, "the engine's events ended");
            }
            clock::sleep(RESTART_PAUSE).await;
        }
    });
    watch(tasks, shared, patroni_key(plan.spec.name.as_str(), "leader"));
    wishes(tasks, plan, shared);
}

/// Knows where the members of etcd stand now, also in a replica that is not the active one.
async fn follow(shared: HandsShared, hosts: BTreeMap<HostName, IpAddr>) {
    loop {
        match shared.broker.bodies().await {
            Ok(bodies) => {
                let voters = bodies.placed.iter().filter(|member| member.service == Service::Etcd);
                let at = voters.filter_map(|member| Some((*hosts.get(&member.host)?, ETCD_PORT).into()));
                shared.store.follow(&at.collect::<Vec<_>>());
            }
            Err(error) => tracing::debug!(%error, "who stands where is not known"),
        }
        clock::sleep(FOLLOW).await;
    }
}

/// What operators want ends a sleep, too.
fn wishes(tasks: &mut JoinSet<()>, plan: &ControllerPlan, shared: &HandsShared) {
    watch(tasks, shared, asked_keys(&plan.spec.name));
}

/// Changes of a key, or of all keys below one that ends with a slash, end a sleep.
fn watch(tasks: &mut JoinSet<()>, shared: &HandsShared, key: String) {
    let (store, wake) = (Arc::clone(&shared.store), Arc::clone(&shared.wake));
    tasks.spawn(async move {
        loop {
            match store.watch(&key).await {
                Ok(mut watch) => {
                    wake.notify_one();
                    // a member that left may never say that it ended
                    let gone = store.moved();
                    let told = async {
                        while watch.changed().await.is_ok() {
                            wake.notify_one();
                        }
                    };
                    tokio::select! {
                        () = gone => {}
                        () = told => {}
                    }
                }
                Err(error) => tracing::warn!(%error, key, "it cannot be watched"),
            }
            clock::sleep(RESTART_PAUSE).await;
        }
    });
}
