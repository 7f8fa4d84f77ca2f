//! The broker as a process: what it serves, how it hears the engine, and how an order is carried out.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use tokio::io::AsyncWrite;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

use super::death_notice::DeathNotices;
use super::engine_limits::{ENGINE_DEED_TIMEOUT, ENGINE_LOOK_TIMEOUT, limited, short};
use super::fence::{Fence, by_the_kernel};
use super::membership::Membership;
use super::refusal::refused;
use super::rules;
use super::warrant::{Warrants, answered};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::http;
use crate::engine::journal_writer::{self, Journal};
use crate::engine::locked::Locked;
use crate::engine::service::{self, ProcessError};
use crate::engine::store::Store;
use crate::model::body::DATA_PATH;
use crate::model::control::{
    Bodies, BrokerAnswer, BrokerDeed, BrokerLine, BrokerOrder, BrokerPlan, BrokerRefusal, Brokered,
    ENGINE_MODE, Proof, ProofLevel,
};
use crate::model::scaling::Usages;
use crate::model::scenario::EngineMode;
use crate::model::sighting::{BodySeen, EngineEvent};
use crate::model::{Container, ContainerStatus, HostName, MemberId, Mono, Service};

/// Pause before the engine's events are asked for again.
const EVENTS_PAUSE: Duration = Duration::from_millis(300);
/// How long the evidence for the fault `engine` is waited for.
const FAULT_EVIDENCE_TIMEOUT: Duration = Duration::from_millis(1_500);
/// What a slow engine adds to every answer.
const SLOW_ENGINE_DELAY: Duration = Duration::from_secs(1);
/// What controllers hear of. What only an attacker causes (`kill`, `pause`) is no sensor.
const EVENTS_TOLD: [&str; 5] = ["create", "start", "die", "oom", "destroy"];
/// What they hear beside the engine's words: the first process of a body has ended, as the kernel tells it.
const ENDED: &str = "ended";
/// How long after an event the engine's list may still show what was before. It is written from a copy that
/// follows the truth; one container asked for by its id is the truth (Docker 20.10: 65 ms behind, unloaded).
const LIST_STALE_AFTER: Duration = Duration::from_secs(10);
/// Pause between two lists of the engine. Together with what was heard since, the last one is good until the next.
const LIST_PAUSE: Duration = Duration::from_millis(900);
/// A list older than this is worth nothing: the engine did not answer.
const OLD: Duration = Duration::from_secs(3);

struct BrokerServer {
    plan: BrokerPlan,
    docker: Docker,
    /// Whether orders stand.
    warrants: Arc<Warrants>,
    journal: Journal<BrokerLine>,
    /// Lines for whoever listens.
    told: broadcast::Sender<Bytes>,
    /// Containers something was heard of lately, by id.
    lately: Arc<Locked<BTreeMap<String, Mono>>>,
    /// Bodies that ended, as the kernel tells it.
    ends: Arc<DeathNotices>,
    /// Who stands where, by the lab's record.
    membership: Membership,
    listed: Locked<EngineList>,
}

/// The engine's last list.
#[derive(Default)]
struct EngineList {
    /// How often one was taken back: what was asked for before that says nothing about what is now.
    taken_back: u64,
    /// When it was asked for, and what it said.
    last: Option<(Mono, BTreeMap<String, Container>)>,
}

impl EngineList {
    /// Nobody shall count by the last list any more.
    fn take_back(&mut self) {
        self.taken_back += 1;
        self.last = None;
    }
}

/// Serves until the process is told to end.
///
/// # Errors
/// [`ProcessError`] when its address cannot be had or nobody takes its journal.
pub async fn serve(
    plan: BrokerPlan,
    docker: Docker,
    output: impl AsyncWrite + Unpin + Send,
) -> Result<(), ProcessError> {
    let listener =
        TcpListener::bind(plan.listen).await.map_err(|error| ProcessError::Listen(plan.listen, error))?;
    let (journal, lines) = journal_writer::channel();
    let store = Arc::new(Store::new(&plan.etcd));
    let (told, _) = broadcast::channel(256);
    let warrants = Arc::new(Warrants::new(Arc::clone(&store), plan.lab.clone(), &plan.controllers));
    let membership =
        Membership::new(docker.clone(), plan.lab.clone(), store, journal.clone(), Arc::clone(&warrants));
    let broker = Arc::new(BrokerServer {
        plan,
        docker,
        membership,
        warrants,
        journal,
        told,
        lately: Arc::default(),
        ends: Arc::default(),
        listed: Locked::default(),
    });
    let listening = Arc::clone(&broker);
    let router = Router::new()
        .route("/v1/bodies", get(bodies))
        .route("/v1/usage", get(usage))
        .route("/v1/events", get(events))
        .route("/v1/orders", post(orders))
        .layer(middleware::from_fn_with_state(Arc::clone(&broker), admitted))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(broker);
    let server = async { axum::serve(listener, router).await.map_err(ProcessError::from) };
    tokio::select! {
        ended = server => ended,
        () = listening.listen() => Ok(()),
        () = listening.keep_listing() => Ok(()),
        () = listening.membership.follow() => Ok(()),
        () = listening.membership.tend() => Ok(()),
        written = journal_writer::write_at_once(lines, output) => written.map_err(ProcessError::from),
        () = service::asked_to_end() => Ok(()),
    }
}

/// Asks a broker for the bodies once and says what came of it: evidence for the fault `engine`.
pub async fn ask(plan: &BrokerPlan) -> String {
    let url = format!("http://{}/v1/bodies", plan.listen);
    let began = clock::now();
    let asked = http::client(FAULT_EVIDENCE_TIMEOUT).get(&url).bearer_auth(&plan.secret);
    match http::exchange(&url, asked).await {
        Ok((200, _)) => format!("answers in {} ms", clock::now().since(began).as_millis()),
        Ok((status, text)) => format!("errs: {status} {text}"),
        Err(error) => format!("is silent: {error}"),
    }
}

/// Lets through who knows the secret, as well as the engine is said to answer.
async fn admitted(State(broker): State<Arc<BrokerServer>>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = shown.and_then(|value| value.strip_prefix("Bearer "));
    if broker.plan.secret.is_empty() || secret != Some(broker.plan.secret.as_str()) {
        return (StatusCode::UNAUTHORIZED, "show the lab's secret: `Authorization: Bearer …`")
            .into_response();
    }
    match mode(Path::new(ENGINE_MODE)) {
        None => {}
        Some(EngineMode::Slow) => clock::sleep(SLOW_ENGINE_DELAY).await,
        Some(EngineMode::Error) => {
            return (StatusCode::BAD_GATEWAY, "the engine errs, as a fault told it to").into_response();
        }
        Some(EngineMode::Stall) => std::future::pending().await,
    }
    next.run(request).await
}

/// How the engine shall behave, from a file that a fault writes; one that cannot be read changes nothing.
fn mode(path: &Path) -> Option<EngineMode> {
    std::fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).flatten()
}

async fn bodies(State(broker): State<Arc<BrokerServer>>) -> Response {
    match broker.sorted().await {
        Ok(found) => Json(broker.membership.told(found)).into_response(),
        Err(why) => why.into_response(),
    }
}

/// What bodies with a size that moves use. Who is not asked in time is left out: what is not known is not guessed.
async fn usage(State(broker): State<Arc<BrokerServer>>) -> Response {
    let found = match broker.sorted().await {
        Ok(found) => found.members,
        Err(why) => return why.into_response(),
    };
    let sized = |body: &BodySeen| Service::sized(&body.service).is_some();
    let running = found.into_iter().filter_map(|(member, bodies)| match bodies.as_slice() {
        [body] if body.status == ContainerStatus::Running && sized(body) => Some((member, body.id.clone())),
        _ => None,
    });
    let docker = &broker.docker;
    let asked = running.map(|(member, id)| async move {
        match Box::pin(limited(ENGINE_LOOK_TIMEOUT, docker.usage(&id, DATA_PATH))).await {
            Ok(usage) => Some((member, usage)),
            Err(error) => {
                tracing::debug!(%error, %member, "what it uses is not known");
                None
            }
        }
    });
    let usage: Usages = join_all(asked).await.into_iter().flatten().collect();
    Json(usage).into_response()
}

/// Containers by what they are. Helpers are nobody's body.
fn sort(found: BTreeMap<String, Container>) -> Bodies {
    let mut bodies = Bodies::default();
    for container in found.into_values() {
        let service = container.service().unwrap_or_default().to_owned();
        let Some(host) = container.host().and_then(|host| HostName::new(host).ok()) else { continue };
        let body = BodySeen {
            id: container.id.clone(),
            status: container.status,
            host: host.clone(),
            service: service.clone(),
            started: String::new(),
            oom_killed: container.oom_killed,
        };
        if service == "host" {
            bodies.hosts.insert(host, body);
        } else if let Some(member) = container.member().and_then(|member| MemberId::new(member).ok()) {
            bodies.members.entry(member).or_default().push(body);
        }
    }
    bodies
}

/// Lines of JSON, one event each, as the engine tells them; an empty line first.
async fn events(State(broker): State<Arc<BrokerServer>>) -> Response {
    let told = futures_util::stream::unfold(broker.told.subscribe(), |mut lines| async move {
        // who was too slow is told that something happened, which is all an event is for
        let line = match lines.recv().await {
            Ok(line) => line,
            Err(broadcast::error::RecvError::Lagged(_)) => Bytes::from_static(b"\n"),
            Err(broadcast::error::RecvError::Closed) => return None,
        };
        Some((Ok::<_, Infallible>(line), lines))
    });
    let first = futures_util::stream::once(std::future::ready(Ok(Bytes::from_static(b"\n"))));
    Body::from_stream(first.chain(told)).into_response()
}

async fn orders(
    State(broker): State<Arc<BrokerServer>>,
    Json(order): Json<BrokerOrder>,
) -> Json<BrokerAnswer> {
    let carried_out = async move {
        let began = clock::now();
        let answer = Box::pin(broker.carry_out(&order)).await;
        let said = Brokered { began, at: clock::now(), order, answer: answer.clone() };
        broker.journal.say(BrokerLine::Order(Box::new(said)));
        answer
    };
    let answer = to_its_end(carried_out).await;
    Json(answer.unwrap_or_else(|text| BrokerAnswer::Failed { text }))
}

/// Work that goes on when nobody waits for it any more: whoever ordered it may die before it is done, and half of a
/// deed, which no journal tells of, is worse than all of it.
async fn to_its_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, String> {
    tokio::spawn(work).await.map_err(|error| error.to_string())
}

impl BrokerServer {
    /// Hears the engine out for ever. What happens while nobody listens is found by the next look.
    async fn listen(&self) {
        loop {
            self.ends.forget_all();
            let mut heard = Box::pin(self.docker.events(self.plan.lab.as_str(), clock::utc_seconds()));
            while let Some(Ok(event)) = heard.next().await {
                self.lately().insert(event.id.clone(), event.at);
                // another life, or another restart policy
                if matches!(event.action.as_str(), "start" | "update" | "destroy") {
                    self.ends.forget(&event.id);
                }
                if !EVENTS_TOLD.contains(&event.action.as_str()) {
                    continue;
                }
                // a body nobody listed yet, or one that is gone
                if matches!(event.action.as_str(), "create" | "destroy") {
                    self.listed().take_back();
                }
                tell(&self.told, &event);
            }
            tracing::warn!("the engine's events ended");
            clock::sleep(EVENTS_PAUSE).await;
        }
    }

    /// From now on the end of every instance that runs is told as soon as the kernel knows it.
    fn wait_for_ends(&self, found: &BTreeMap<String, Container>) {
        let instances = found.values().filter(|container| {
            container.service() == Some(Service::Postgres.as_str())
                && container.status == ContainerStatus::Running
        });
        for container in instances {
            let (told, lately) = (self.told.clone(), Arc::clone(&self.lately));
            self.ends.wait(&self.docker, &container.id, move |ended| {
                let at = clock::now();
                lately.lock().insert(ended.id.clone(), at);
                let word = |word: Option<&str>| word.unwrap_or_default().to_owned();
                let event = EngineEvent {
                    at,
                    happened: None,
                    action: ENDED.to_owned(),
                    id: ended.id.clone(),
                    member: word(ended.member()),
                    service: word(ended.service()),
                };
                tell(&told, &event);
            });
        }
    }

    fn fence(&self) -> Fence<'_> {
        Fence { docker: &self.docker, lab: self.plan.lab.as_str() }
    }

    fn lately(&self) -> MutexGuard<'_, BTreeMap<String, Mono>> {
        self.lately.lock()
    }

    fn listed(&self) -> MutexGuard<'_, EngineList> {
        self.listed.lock()
    }

    /// The lab's containers by what they are, or what to answer instead.
    async fn sorted(&self) -> Result<Bodies, (StatusCode, String)> {
        match clock::timeout(ENGINE_LOOK_TIMEOUT, self.containers()).await {
            Ok(Ok(found)) => {
                let drift = self.membership.compare(&found);
                Ok(Bodies { drifted: drift.drifted, surplus: drift.surplus, ..sort(found) })
            }
            Ok(Err(error)) => Err((StatusCode::BAD_GATEWAY, error.to_string())),
            Err(late) => Err((StatusCode::GATEWAY_TIMEOUT, late.to_string())),
        }
    }

    /// Asks the engine for a list now and then, for ever: while it buries a container a list takes a tenth of a second
    /// and more, which nobody who looks then shall wait for.
    async fn keep_listing(&self) {
        loop {
            if let Err(error) = limited(ENGINE_LOOK_TIMEOUT, self.list()).await {
                tracing::debug!(%error, "no list");
            }
            clock::sleep(LIST_PAUSE).await;
        }
    }

    async fn list(&self) -> Result<BTreeMap<String, Container>, EngineError> {
        let (asked, taken_back) = (clock::now(), self.listed().taken_back);
        let found = self.docker.containers(Some(self.plan.lab.as_str())).await?;
        let mut listed = self.listed();
        if listed.taken_back == taken_back {
            listed.last = Some((asked, found.clone()));
        }
        Ok(found)
    }

    /// The lab's containers; those of which something was heard lately are asked for one by one.
    async fn containers(&self) -> Result<BTreeMap<String, Container>, EngineError> {
        let now = clock::now();
        let known = self.listed().last.clone().filter(|(at, _)| now.since(*at) < OLD);
        let mut found = match known {
            Some((_, found)) => found,
            None => self.list().await?,
        };
        let fresh: BTreeSet<String> = {
            let mut lately = self.lately();
            lately.retain(|_, at| now.since(*at) < LIST_STALE_AFTER);
            lately.keys().cloned().collect()
        };
        let doubtful = found.values_mut().filter(|container| fresh.contains(&container.id));
        let looks = doubtful.map(|container| async move {
            let asked = tokio::select! {
                biased;
                // whoever asks the engine for one that it buries waits until it has
                ended = self.ends.end_of(&container.id) => Ok(ended),
                seen = self.docker.inspect(&container.id) => seen,
            };
            match asked {
                Ok(seen) => container.status = seen.status,
                // it was removed in this moment
                Err(EngineError::NotFound(_)) => container.status = ContainerStatus::Removing,
                Err(error) => return Err(error),
            }
            Ok(())
        });
        try_join_all(looks).await?;
        self.wait_for_ends(&found);
        Ok(found)
    }

    /// Whoever has to wait for a turn is asked once more when it has it.
    async fn carry_out(&self, order: &BrokerOrder) -> BrokerAnswer {
        if let Err(not) = self.warrants.stands(order).await {
            return answered(not);
        }
        match &order.deed {
            BrokerDeed::Fence { container, .. }
            | BrokerDeed::Start { container }
            | BrokerDeed::Remove { container } => Box::pin(self.about(order, container)).await,
            BrokerDeed::Create { member, service, host } => {
                let done = Box::pin(self.membership.create(order, member, *service, host)).await;
                // nobody shall count by a list from before
                self.listed().take_back();
                done
            }
            BrokerDeed::Retire { member } => {
                let done = Box::pin(self.membership.retire(order, member)).await;
                self.listed().take_back();
                done
            }
            BrokerDeed::Discard { member } => self.membership.discard(order, member).await,
            BrokerDeed::Scale { .. } => Box::pin(self.membership.scale(order)).await,
            BrokerDeed::Resize { member, from, to } => {
                self.membership.resize(order, member, *from, *to).await
            }
        }
    }

    /// A deed about one container.
    async fn about(&self, order: &BrokerOrder, id: &str) -> BrokerAnswer {
        let (deed, asked) = (&order.deed, clock::now());
        if let BrokerDeed::Fence { leader, .. } = deed
            && let Some(ended) = self.ends.just_ended(id)
            && rules::allowed(self.plan.lab.as_str(), deed, id, &ended).is_ok()
        {
            if let Err(not) = self.warrants.leader(*leader, ended.member().unwrap_or_default()).await {
                return answered(not);
            }
            // the engine would say so, too, when it has buried it
            return BrokerAnswer::Proof(by_the_kernel(&ended));
        }
        let container = match clock::timeout(ENGINE_LOOK_TIMEOUT, self.docker.inspect(id)).await {
            Ok(Ok(found)) => found,
            Ok(Err(EngineError::NotFound(_))) => return gone(deed, id),
            Ok(Err(error)) => return BrokerAnswer::Failed { text: error.to_string() },
            Err(late) => return BrokerAnswer::Failed { text: late.to_string() },
        };
        if let Err(why) = rules::allowed(self.plan.lab.as_str(), deed, id, &container) {
            return refused(BrokerRefusal::NotAllowed, why);
        }
        // the engine may have kept it waiting
        if let Err(not) = self.warrants.still_stands(order, asked).await {
            return answered(not);
        }
        if let BrokerDeed::Fence { leader, .. } = deed {
            if let Err(not) = self.warrants.leader(*leader, container.member().unwrap_or_default()).await {
                return answered(not);
            }
            return BrokerAnswer::Proof(Box::pin(self.fence().take_down(container)).await);
        }
        if matches!(deed, BrokerDeed::Remove { .. }) {
            let done = self.membership.remove(order, &container).await;
            self.listed().take_back();
            return done;
        }
        if container.service() == Some(Service::Etcd.as_str()) {
            match self.membership.startable(order, &container).await {
                BrokerAnswer::Done => {}
                not => return not,
            }
        }
        match self.start(&container).await {
            Ok(()) => BrokerAnswer::Done,
            Err(text) => BrokerAnswer::Failed { text },
        }
    }

    async fn start(&self, found: &Container) -> Result<(), String> {
        self.ends.forget(&found.id);
        self.fence().open(found).await;
        limited(ENGINE_DEED_TIMEOUT, self.docker.start(&found.id)).await.map_err(|error| error.to_string())
    }
}

/// No container has this id. For a fence that is proof: an id never lives again.
fn gone(deed: &BrokerDeed, id: &str) -> BrokerAnswer {
    if matches!(deed, BrokerDeed::Fence { .. }) {
        let evidence = format!("the engine knows no container {}", short(id));
        return BrokerAnswer::Proof(Proof { level: ProofLevel::Dead, evidence });
    }
    refused(BrokerRefusal::NotThere, "no container has this id")
}

/// A line for whoever listens; nobody listens: nobody misses it.
fn tell(told: &broadcast::Sender<Bytes>, event: &EngineEvent) {
    let line = serde_json::to_string(event).unwrap_or_default();
    let _ = told.send(Bytes::from(format!("{line}\n")));
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::model::body::{LABEL_HOST, LABEL_MEMBER, LABEL_SERVICE};

    #[tokio::test]
    async fn an_order_whose_sender_is_gone_is_carried_out_to_its_end() {
        let (go, done) = (Arc::new(tokio::sync::Notify::new()), Arc::new(AtomicBool::new(false)));
        let (gone, told) = (Arc::clone(&go), Arc::clone(&done));
        let work = to_its_end(async move {
            gone.notified().await;
            told.store(true, Ordering::SeqCst);
            gone.notify_one();
        });
        // the connection ends while the work waits
        assert!(futures_util::FutureExt::now_or_never(work).is_none());
        assert!(!done.load(Ordering::SeqCst));
        go.notify_one();
        clock::timeout(Duration::from_secs(5), async {
            while !done.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("it goes on");
    }

    pub(in crate::broker) fn container(name: &str, labels: &[(&str, &str)]) -> Container {
        Container {
            id: format!("id-{name}"),
            name: name.to_owned(),
            image: String::new(),
            status: ContainerStatus::Exited,
            pid: 0,
            exit_code: 0,
            oom_killed: false,
            started_at: String::new(),
            restarts: false,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            address: None,
        }
    }

    #[test]
    fn bodies_are_told_from_hosts_and_helpers_and_twins_are_two() {
        let member = [(LABEL_SERVICE, "postgres"), (LABEL_HOST, "h1"), (LABEL_MEMBER, "postgres-1")];
        let found = [
            container("a", &member),
            container("b", &member),
            container("c", &[(LABEL_SERVICE, "host"), (LABEL_HOST, "h1")]),
            container("d", &[(LABEL_SERVICE, "helper")]),
        ];
        let bodies = sort(found.map(|container| (container.name.clone(), container)).into());
        assert_eq!(bodies.members.values().map(Vec::len).collect::<Vec<_>>(), [2]);
        assert_eq!(bodies.hosts.keys().map(HostName::as_str).collect::<Vec<_>>(), ["h1"]);
    }

    #[test]
    fn the_engine_answers_unless_a_fault_says_otherwise() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("engine.json");
        assert_eq!(mode(&path), None);
        std::fs::write(&path, r#""slow""#).expect("a file");
        assert_eq!(mode(&path), Some(EngineMode::Slow));
        for text in ["null", "torn"] {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(mode(&path), None);
        }
    }
}
