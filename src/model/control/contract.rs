//! Everything that passes between a lab and a controller, for its JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::Bodies;
use super::handed::ControllerPlan;
use super::orders::{BrokerAnswer, BrokerOrder};
use super::wishes::SwitchoverWish;
use crate::model::controller_status::ControllerStatus;
use crate::model::scaling::Usages;
use crate::model::sighting::EngineEvent;

/// Everything that passes between a lab and a controller, whoever wrote it: for its JSON Schema alone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Contract {
    /// What it is handed, in `/etc/pgha/controller.json`.
    pub plan: ControllerPlan,
    /// What it must serve at `/status`.
    pub status: ControllerStatus,
    /// What the broker answers to `GET /v1/bodies`.
    pub bodies: Bodies,
    /// What the broker answers to `GET /v1/usage`.
    pub usage: Usages,
    /// A line of `GET /v1/events`.
    pub event: EngineEvent,
    /// What the broker takes at `POST /v1/orders`.
    pub order: BrokerOrder,
    /// What it answers.
    pub answer: BrokerAnswer,
    /// What an operator writes at `/pgha/<lab>/asked/switchover` in etcd.
    pub switchover: SwitchoverWish,
}
