//! What people are told while a lab is made: steps, and of each image and body what it is at.

use super::ready::NotReady;
use crate::engine::docker::EngineError;
use crate::model::part::LabPart;
use crate::model::{Action, Body, Service};

/// What `up` tells while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum News {
    /// A step, in words.
    Step(String),
    /// An image or a body is at something.
    Part(LabPart),
    /// Who is still not ready; whoever else was heard of is.
    Waiting(Vec<NotReady>),
}

/// The body that an action is about.
fn body_of(action: &Action) -> Option<&Body> {
    match action {
        Action::EnsureCreated { body } | Action::EnsureStarted { body } => Some(body),
        Action::EnsureNetwork { .. } | Action::EnsureVolumes { .. } => None,
    }
}

/// What people call a body.
fn called(body: &Body) -> String {
    body.service.map_or_else(|| format!("host {}", body.member), |_| body.member.to_string())
}

/// News of what was done. Nobody waits for a body that no readiness asks.
pub(super) fn did(action: &Action) -> News {
    let Some(body) = body_of(action) else { return News::Step(action.describe()) };
    let asked = !matches!(body.service, None | Some(Service::Client | Service::Broker));
    News::Part(match action {
        Action::EnsureStarted { .. } if !asked => LabPart::done(called(body), "started"),
        Action::EnsureStarted { .. } => LabPart::at(called(body), "started"),
        _ => LabPart::at(called(body), "created"),
    })
}

/// News of what could not be done; it is tried again.
pub(super) fn failed(action: &Action, error: &EngineError) -> News {
    match body_of(action) {
        Some(body) => News::Part(LabPart::at(called(body), error.to_string())),
        None => News::Step(format!("{}: {error}", action.describe())),
    }
}
