//! The steps of a scenario in time: each is a task that sleeps until its moment, resolves its
//! target, injects, sleeps and heals. Whatever is still on when the load ends is healed then.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::RunError;
use super::journal::Lines;
use crate::chaos::{Injector, Ledger, resolve};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::history::Event;
use crate::history::event::Phase;
use crate::lab::record::Record;
use crate::model::{FaultRecord, Mono, Sighting};
use crate::spec::schedule::{self, Planned};

/// What every step needs.
#[derive(Clone, Debug)]
pub struct Stage {
    /// The engine.
    pub docker: Docker,
    /// The lab.
    pub record: Arc<Record>,
    /// Where faults are written down first.
    pub ledger: Arc<Ledger>,
    /// The history.
    pub history: Arc<Lines>,
    /// The newest look at the lab.
    pub newest: watch::Receiver<Sighting>,
    /// Start of the load.
    pub start: Mono,
    /// Becomes true when everything must be healed: the load has ended, or somebody asked to stop.
    pub over: watch::Receiver<bool>,
    /// Told in words what happens.
    pub tell: mpsc::UnboundedSender<String>,
}

/// Runs every planned step to its heal.
///
/// # Errors
/// The first error of a step; the others are healed all the same.
pub async fn run(stage: &Stage, plan: &[Planned]) -> Result<(), RunError> {
    let mut tasks = JoinSet::new();
    for (index, planned) in plan.iter().enumerate() {
        let (stage, planned) = (stage.clone(), planned.clone());
        // each step has its own chance: one that moves in the file does not move the others
        let chance = schedule::rng(planned.chance);
        let opens = index == 0;
        tasks.spawn(async move { one(&stage, &planned, chance, opens).await });
    }
    let mut outcome = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(RunError::Load(format!("a step broke: {error}"))));
        if outcome.is_ok() {
            outcome = ended;
        }
    }
    outcome
}

async fn one(stage: &Stage, planned: &Planned, mut chance: ChaCha8Rng, opens: bool) -> Result<(), RunError> {
    let mut over = stage.over.clone();
    if !sleep_or_over(stage.start.plus(planned.at.0), &mut over).await {
        stage.history.note(format!("step {} was never injected: the load ended before it", planned.id))?;
        return Ok(());
    }
    if opens {
        stage.history.phase(Phase::Hurt)?;
    }
    let Some(target) = planned.verb.target() else {
        return Err(crate::chaos::inject::InjectError::NotBuilt(planned.verb.name()).into());
    };
    let sighting = stage.newest.borrow().clone();
    let members = match resolve(target, &stage.record.members, &sighting, &mut chance) {
        Ok(members) => members,
        Err(error) => {
            // the run goes on without this fault; without its receipt it proves nothing
            stage.history.note(format!("step {}: {error}", planned.id))?;
            return Err(error.into());
        }
    };
    let names: Vec<&str> = members.iter().map(crate::model::Name::as_str).collect();
    // nobody listens any more when the run has been cut short; the heal below matters all the same
    let _ = stage.tell.send(format!("inject {} {} on {}", planned.id, planned.verb.name(), names.join(", ")));
    let injector =
        Injector { docker: &stage.docker, lab: stage.record.spec.name.as_str(), ledger: &stage.ledger };
    let history = Arc::clone(&stage.history);
    let mut told = move |record: &FaultRecord| {
        if let Err(error) = history.event(&Event::Fault(Box::new(record.clone()))) {
            tracing::error!(%error, "a fault is missing in the history");
        }
    };
    let fault = injector.inject(&planned.id, &planned.verb, &members, &mut told).await?;
    if let Some(heal_at) = planned.heal_at {
        sleep_or_over(stage.start.plus(heal_at.0), &mut over).await;
    } else {
        wait_over(&mut over).await;
    }
    let _ = stage.tell.send(format!("heal {}", planned.id));
    injector.heal(fault, &mut told).await;
    Ok(())
}

/// Sleeps until `moment`; `false` when everything was over first.
async fn sleep_or_over(moment: Mono, over: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        biased;
        () = wait_over(over) => false,
        () = clock::sleep_until(moment) => true,
    }
}

async fn wait_over(over: &mut watch::Receiver<bool>) {
    // a sender that is gone means that the run is gone: over as well
    let _ = over.wait_for(|over| *over).await;
}
