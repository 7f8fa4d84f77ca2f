//! The one loop: observe → decide → act, generic over a brain.
//!
//! Theory: what is done follows from a fresh look, never from memory of what was done; an action
//! that failed is not retried as such, the next look simply finds its effect missing. Errors that
//! no second look can mend end the loop at once.

use std::time::Duration;

use futures_util::future::join_all;

use crate::engine::docker::EngineError;
use crate::engine::hands::Hands;
use crate::model::{Action, Decision, Observed};

/// Rounds in a row that may fail before the driver gives up.
const FAILED_ROUNDS: u32 = 4;

/// What the driver tells while it works.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A decision was taken.
    Decided(Decision),
    /// An action was carried out.
    Did(Action),
    /// An action failed; the next look decides what follows.
    Failed(Action, EngineError),
}

/// Why the driver gave up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{action}: {error}")]
pub struct DriverStuck {
    /// What could not be done.
    pub action: String,
    /// What the engine said.
    pub error: EngineError,
}

/// Runs `brain` until it says that the work is done.
///
/// # Errors
/// [`DriverStuck`] after several failing rounds, or at once when trying again cannot help.
pub async fn drive(
    hands: &impl Hands,
    mut brain: impl FnMut(&Observed) -> Decision + Send,
    mut progress: impl FnMut(Progress) + Send,
) -> Result<(), DriverStuck> {
    let mut failures = 0;
    loop {
        let failed = match hands.observe().await {
            Err(error) => vec![("look at the engine".to_owned(), error)],
            Ok(seen) => {
                let decision = brain(&seen);
                progress(Progress::Decided(decision.clone()));
                let Some(again_in) = decision.again_in else { return Ok(()) };
                let failed = act_all(hands, &decision.actions, &mut progress).await;
                if failed.is_empty() && decision.actions.is_empty() {
                    hands.pause(again_in.0).await;
                }
                failed
            }
        };
        let Some((action, error)) = failed.into_iter().max_by_key(|(_, error)| is_final(error)) else {
            failures = 0;
            continue;
        };
        failures += 1;
        if is_final(&error) || failures >= FAILED_ROUNDS {
            return Err(DriverStuck { action, error });
        }
        hands.pause(back_off(failures)).await;
    }
}

/// Carries out every action side by side; returns those that failed.
async fn act_all(
    hands: &impl Hands,
    actions: &[Action],
    progress: &mut (impl FnMut(Progress) + Send),
) -> Vec<(String, EngineError)> {
    let outcomes = join_all(actions.iter().map(|action| hands.act(action))).await;
    let mut failed = Vec::new();
    for (action, outcome) in actions.iter().zip(outcomes) {
        match outcome {
            Ok(()) => progress(Progress::Did(action.clone())),
            Err(error) => {
                progress(Progress::Failed(action.clone(), error.clone()));
                failed.push((action.describe(), error));
            }
        }
    }
    failed
}

/// Whether a second look cannot help.
const fn is_final(error: &EngineError) -> bool {
    matches!(error, EngineError::PortTaken(_) | EngineError::NoPermission(_) | EngineError::NoEngine(_))
}

/// Bounded exponential back-off: 200 ms, 400 ms, … at most 3.2 s.
#[must_use]
pub fn back_off(failures: u32) -> Duration {
    Duration::from_millis(200 << failures.saturating_sub(1).min(4))
}
