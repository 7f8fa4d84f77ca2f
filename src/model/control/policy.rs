//! What the repair controller is told in `[controller.policy]`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::units::Span;

/// What the repair controller is told in `[controller.policy]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct RepairPolicy {
    /// How long a body may be frozen before it is fenced.
    pub freeze_grace: Span,
    /// How long the disk of a primary may take nothing at all, while PostgreSQL answers and something is to be written,
    /// before it is fenced.
    pub disk_grace: Span,
    /// How long a body other than a dead leader's may be dead before it is started again.
    pub start_grace: Span,
    /// How many starts of bodies are too many.
    pub starts: Budget,
    /// How long a host may be down before what stands there is replaced elsewhere.
    pub host_grace: Span,
    /// How long a member may run and not serve before it is restarted, and after that before it is replaced; and how long a
    /// body may differ from the lab's record.
    pub sick_grace: Span,
    /// How many replacements on other hosts are too many.
    pub replacements: Budget,
    /// How long a newcomer may take to become a good copy, its clone included, before it is given up.
    pub newcomer_grace: Span,
    /// How long readers of a member that leaves, because there are too many, may go on before they are cut off.
    pub drain: Span,
    /// Pause between two looks when nothing wakes it.
    pub every: Span,
    /// Whether the leader key of a body that is proved dead is released. Without it Patroni's lease decides.
    pub release: bool,
    /// Whether that of a body that is doomed suffices: it was killed and is cut off from the network, and every task of
    /// it has its end before it and cannot die yet, because it waits for a disk that hangs. Without it Patroni's lease
    /// decides.
    pub release_doomed: bool,
    /// For tests: the process ends when it has done this step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
}

impl RepairPolicy {
    /// What a controller is told.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn told(policy: &BTreeMap<String, Value>) -> Result<Self, String> {
        let told = serde_json::to_value(policy).map_err(|error| error.to_string())?;
        serde_json::from_value(told).map_err(|error| error.to_string())
    }
}

/// At most so many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budget {
    /// How many at most.
    pub max: u32,
    /// The time in which they are counted.
    pub per: Span,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self {
            freeze_grace: Span::secs(3),
            disk_grace: Span::secs(10),
            start_grace: Span::secs(1),
            starts: Budget { max: 10, per: Span::secs(600) },
            host_grace: Span::secs(10),
            sick_grace: Span::secs(60),
            replacements: Budget { max: 3, per: Span::secs(600) },
            newcomer_grace: Span::secs(1_800),
            drain: Span::secs(10),
            every: Span::secs(1),
            release: true,
            release_doomed: false,
            stop_at: None,
        }
    }
}
