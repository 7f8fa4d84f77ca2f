//! What a controller shows of itself: its journal, `/healthz`, `/status`, `/metrics`.

use std::collections::BTreeMap;
use std::mem::take;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpListener;

use super::driver::JournalEntry;
use crate::engine::clock;
use crate::engine::journal_writer::Journal;
use crate::engine::locked::Locked;
use crate::engine::service::ProcessError;
use crate::model::control::{Alarm, AlarmKind, Became, ControllerStatus, FailedDeed, Raised};
use crate::model::self_report::Work;
use crate::model::{MemberId, Mono};

/// A loop that has not turned for so long is stuck.
const STUCK: Duration = Duration::from_secs(30);

/// Where a controller is that cannot ask who is the active one.
const BLIND: &str = "blind";

/// The board of one process.
pub struct StatusServer {
    status: Locked<ControllerStatus>,
    /// That the store does not say who is the active replica, while that is so.
    blind: Locked<Option<Raised>>,
    beat: AtomicU64,
    journal: Journal<Value>,
    metrics: PrometheusHandle,
}

impl StatusServer {
    /// A board that has nothing to say yet.
    #[must_use]
    pub fn new(journal: Journal<Value>, metrics: PrometheusHandle) -> Self {
        let status = ControllerStatus {
            step: "begin".to_owned(),
            reason: "no decision yet".to_owned(),
            ..ControllerStatus::default()
        };
        let (status, beat) = (Locked::new(status), AtomicU64::new(clock::now().0));
        Self { status, blind: Locked::default(), beat, journal, metrics }
    }

    /// The loop turns.
    pub fn beat(&self, now: Mono) {
        self.beat.store(now.0, Ordering::Relaxed);
    }

    /// Writes an entry down and shows it.
    pub fn tell<S: Serialize>(&self, entry: &JournalEntry<'_, S>) {
        // plain data: it can be written as JSON
        self.journal.say(serde_json::to_value(entry).unwrap_or_default());
        let mut status = self.status.lock();
        match entry {
            JournalEntry::Active { at, active } => {
                gauge!("pgha_controller_active").set(if *active { 1.0 } else { 0.0 });
                (status.active, status.at) = (*active, *at);
                if !active {
                    *status = ControllerStatus {
                        step: "standby".to_owned(),
                        reason: "another replica is the active one".to_owned(),
                        at: *at,
                        ..ControllerStatus::default()
                    };
                }
            }
            JournalEntry::Decided { at, step, subject, reason, .. } => {
                counter!("pgha_controller_decisions_total", "step" => (*step).to_owned()).increment(1);
                let (expects, work) = (take(&mut status.expects), take(&mut status.work));
                let (alarms, raised) = (take(&mut status.alarms), take(&mut status.raised));
                let not_done = take(&mut status.not_done);
                *status = ControllerStatus {
                    active: true,
                    step: (*step).to_owned(),
                    reason: (*reason).to_owned(),
                    subject: subject.cloned(),
                    alarms,
                    raised,
                    at: *at,
                    expects,
                    not_done,
                    work,
                };
            }
            JournalEntry::Alarm { became, .. } => {
                counter!("pgha_controller_alarms_total", "became" => became.as_str()).increment(1);
            }
            JournalEntry::Did { began, at, name, error, .. } => {
                let result = if error.is_none() { "done" } else { "failed" };
                let failed =
                    |why: &String| FailedDeed { deed: (*name).to_owned(), why: why.clone(), at: *at };
                status.not_done = error.as_ref().map(failed);
                counter!("pgha_controller_actions_total", "action" => *name, "result" => result).increment(1);
                histogram!("pgha_controller_action_seconds", "action" => *name)
                    .record(at.since(*began).as_secs_f64());
            }
        }
    }

    /// Shows what is expected to be done next.
    pub fn expected(&self, expects: Vec<String>) {
        self.status.lock().expects = expects;
    }

    /// Writes down what became of an alarm that this process raises by itself.
    fn alarm(&self, became: Became, raised: &Raised) {
        self.tell::<()>(&JournalEntry::Alarm { at: clock::now(), became, raised });
    }

    /// Shows that the store does not say who is the active replica: then every replica waits, and its journal says so. It
    /// says so once: why the store does not answer is in `/status`.
    pub fn store_says(&self, nothing: Option<&str>) {
        let mut blind = self.blind.lock();
        let Some(why) = nothing else {
            if let Some(raised) = blind.take() {
                gauge!("pgha_controller_alarms").set(0.0);
                self.alarm(Became::Cleared, &raised);
                self.sees_again();
            }
            return;
        };
        let text = "the store does not say who is the active controller: every replica waits";
        let raised = blind.get_or_insert_with(|| {
            let raised = Raised { alarm: Alarm::new(AlarmKind::StoreBlind, None, text), since: clock::now() };
            gauge!("pgha_controller_alarms").set(1.0);
            self.alarm(Became::Raised, &raised);
            raised
        });
        *self.status.lock() = ControllerStatus {
            step: BLIND.to_owned(),
            reason: format!("{text}: {why}"),
            alarms: vec![text.to_owned()],
            raised: vec![raised.clone()],
            at: clock::now(),
            ..ControllerStatus::default()
        };
    }

    /// Shows that this replica waits for its turn again.
    fn sees_again(&self) {
        let mut status = self.status.lock();
        if status.step == BLIND && !status.active {
            *status = ControllerStatus {
                step: "standby".to_owned(),
                reason: "the store says again who is the active replica".to_owned(),
                at: clock::now(),
                ..ControllerStatus::default()
            };
        }
    }

    /// Shows what needs a person.
    pub fn raised(&self, raised: Vec<Raised>) {
        gauge!("pgha_controller_alarms").set(raised.len() as f64);
        let mut status = self.status.lock();
        status.alarms = raised.iter().map(|raised| raised.alarm.text.clone()).collect();
        status.raised = raised;
    }

    /// Shows how busy instances and balancers are.
    pub fn work(&self, work: BTreeMap<MemberId, Work>) {
        self.status.lock().work = work;
    }
}

/// Serves the board for ever.
///
/// # Errors
/// When the server breaks.
pub async fn serve(listener: TcpListener, board: Arc<StatusServer>) -> Result<(), ProcessError> {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/status", get(status))
        .route("/metrics", get(metrics))
        .with_state(board);
    axum::serve(listener, router).await.map_err(ProcessError::from)
}

async fn healthz(State(board): State<Arc<StatusServer>>) -> Response {
    let silent = clock::now().since(Mono(board.beat.load(Ordering::Relaxed)));
    if silent > STUCK {
        let text = format!("the loop has not turned for {} s", silent.as_secs());
        return (StatusCode::SERVICE_UNAVAILABLE, text).into_response();
    }
    "ok".into_response()
}

async fn status(State(board): State<Arc<StatusServer>>) -> Json<ControllerStatus> {
    Json(board.status.lock().clone())
}

async fn metrics(State(board): State<Arc<StatusServer>>) -> String {
    board.metrics.render()
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::engine::journal_writer;

    #[test]
    fn a_deed_that_was_not_done_is_shown_until_another_one_is() {
        let (journal, _lines) = journal_writer::channel();
        let board = StatusServer::new(journal, PrometheusBuilder::new().build_recorder().handle());
        let did = |error: Option<&str>| JournalEntry::Did {
            began: Mono(1),
            at: Mono(9),
            step: &(),
            name: "resize",
            error: error.map(str::to_owned),
        };
        let decided = JournalEntry::Decided {
            at: Mono(10),
            looked: Mono(10),
            step: "watch",
            subject: None,
            reason: "every size fits what is used",
            alarms: &[],
            steps: &[],
        };
        let shown = || board.status.lock().not_done.clone();
        let why = "the order's deadline has passed";
        board.tell(&did(Some(why)));
        board.tell::<()>(&decided);
        let failed = FailedDeed { deed: "resize".to_owned(), why: why.to_owned(), at: Mono(9) };
        assert_eq!(shown(), Some(failed));
        board.tell(&did(None));
        assert_eq!(shown(), None);
    }
}
