//! The hidden half of controllers: the broker and our controllers, inside their bodies.

use std::path::Path;

use serde::de::DeserializeOwned;
use tokio::io::stdout;

use super::{CliError, Exit};
use crate::engine::service::ProcessError;
use crate::model::Name;
use crate::model::control::{BROKER_PLAN, BrokerPlan, CONTROLLER_PLAN, ControllerPlan};
use crate::{broker, control};

/// `pgha broker`
pub async fn broker(ask: bool) -> Result<Exit, CliError> {
    let plan: BrokerPlan = plan(BROKER_PLAN)?;
    if ask {
        println!("{}", broker::ask(&plan).await);
        return Ok(Exit::Done);
    }
    let docker = super::engine().await?;
    broker::serve(plan, docker, stdout()).await.map_err(failed)?;
    Ok(Exit::Done)
}

/// `pgha controller NAME`
pub async fn controller(name: &Name) -> Result<Exit, CliError> {
    let plan: ControllerPlan = plan(CONTROLLER_PLAN)?;
    match name.as_str() {
        "repair" => Box::pin(control::controller_process::repair(plan, stdout())).await.map_err(failed)?,
        "scaling" => Box::pin(control::controller_process::scaling(plan, stdout())).await.map_err(failed)?,
        other => {
            return Err(CliError::usage(format!("there is no controller `{other}`"), "repair, scaling"));
        }
    }
    Ok(Exit::Done)
}

/// The text of a plan holds passwords, so the error names the place and what was wrong, no more.
fn plan<T: DeserializeOwned>(path: &str) -> Result<T, CliError> {
    let hint = "this runs inside a lab's own body";
    let text =
        std::fs::read(Path::new(path)).map_err(|error| CliError::usage(format!("{path}: {error}"), hint))?;
    serde_json::from_slice(&text).map_err(|error| CliError::usage(format!("{path}: {error}"), hint))
}

#[expect(clippy::needless_pass_by_value, reason = "it ends here")]
fn failed(error: ProcessError) -> CliError {
    CliError::usage(error.to_string(), "")
}
