//! What keeps a scenario from being run on this engine and machine, found before anything starts.

use std::path::Path;

use super::RunError;
use crate::chaos::needs;
use crate::engine::docker::Docker;
use crate::lab::images;
use crate::lab::news::News;
use crate::model::{LabSpec, Scenario, Verb};

/// Everything of `scenario` that cannot be done here, each with its reason; empty when all can. What a
/// kernel offers is tried from the lab's own images, so they are built first where a verb needs it.
///
/// # Errors
/// When the engine does not answer, or the images cannot be had.
pub async fn refusals(
    docker: &Docker,
    spec: &LabSpec,
    scenario: &Scenario,
    program: &Path,
    news: &(impl Fn(News) + Sync),
) -> Result<Vec<String>, RunError> {
    let verbs: Vec<&Verb> = scenario.steps.iter().map(|step| &step.verb).collect();
    if verbs.iter().all(|verb| needs::of(verb).is_empty()) {
        return Ok(Vec::new());
    }
    let images = images::ensure(docker, &spec.images, program, news).await?;
    Ok(needs::missing(docker, &images, &verbs).await)
}
