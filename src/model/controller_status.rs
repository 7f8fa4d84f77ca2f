//! What `/status` of a controller says.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alarm::Raised;
use super::id::MemberId;
use super::self_report::Work;
use super::units::Mono;

/// What `/status` of a controller says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ControllerStatus {
    /// Whether this replica is the active one.
    #[serde(default)]
    pub active: bool,
    /// Where it is in its work, one word.
    pub step: String,
    /// Why it is there, as a sentence for people.
    pub reason: String,
    /// The member that this is about; absent: nobody in particular.
    #[serde(default)]
    pub subject: Option<MemberId>,
    /// What needs a person, as sentences.
    #[serde(default)]
    pub alarms: Vec<String>,
    /// The same, with whom each is about and since when.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<Raised>,
    /// When it decided last, on the machine's monotonic clock.
    #[serde(default)]
    pub at: Mono,
    /// What it will do next, and when, if everything stays as it was seen last; the soonest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expects: Vec<String>,
    /// The last deed that was not done, until another one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_done: Option<FailedDeed>,
    /// How busy instances and balancers are, where it asks them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub work: BTreeMap<MemberId, Work>,
}

/// A deed of a controller that was not done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FailedDeed {
    /// The name of its kind.
    pub deed: String,
    /// What was said of it.
    pub why: String,
    /// When that was said, on the machine's monotonic clock.
    pub at: Mono,
}
