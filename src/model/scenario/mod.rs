//! A scenario as declared: which lab, which load, which faults when, and what must hold.
//!
//! What a schema cannot say is refused by name in room `spec` (`scenario_rules.rs`).

mod expect;
pub mod family;
mod load;
mod verb;

pub use expect::{AlarmIs, Expect, LossBound, When, Whose};
pub use family::{
    ActsOn, BodyVerb, DiskVerb, FamilyVerb, NetworkVerb, OperatorVerb, ProcessVerb, ResourceVerb,
};
pub use load::{
    BANK_ACCOUNTS, BANK_BALANCE, Client, Endpoint, Isolation, Load, LoadModel, Recording, SessionAttrs,
    SessionUse, Via, Workload,
};
pub use verb::{Cache, Corrupt, Direction, EngineMode, KillBy, PartitionShape, Process, Verb};

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::Name;
use super::units::Span;

/// One experiment: a lab, loads, faults, and what must hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scenario {
    /// Version of this format; 1.
    pub schema: u32,
    /// Its name, also of its run directories.
    pub name: Name,
    /// What happens, in one sentence.
    pub about: String,
    /// Fixes the schedule and every random choice; not the outcome.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The run is cut short and unknown after this.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// How long the loads run.
    pub duration: Span,
    /// Longest wait for the lab to be whole again after healing.
    #[serde(default = "default_settle")]
    pub settle: Span,
    /// Words by which scenarios are picked.
    #[serde(default)]
    pub tags: Vec<Name>,
    /// The lab that it needs.
    #[serde(default)]
    pub lab: LabChoice,
    /// The loads that write and read.
    #[serde(rename = "load", default)]
    pub loads: Vec<Load>,
    /// What is done to the lab.
    #[serde(rename = "step", default)]
    pub steps: Vec<Step>,
    /// What must hold, on top of the house rules.
    #[serde(rename = "expect", default)]
    pub expects: Vec<Expect>,
    /// For sabotage: the verdict this scenario must end in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Parts of the run that are left out on purpose, to see that the judge notices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skip: Vec<Skip>,
}

/// A part of a run that a sabotage scenario leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// Nobody reads the nodes in the end.
    FinalReads,
    /// Nobody samples the lab.
    Sightings,
    /// Faults are written down and not done.
    Faults,
}

const fn default_seed() -> u64 {
    1
}

const fn default_timeout() -> Span {
    Span::secs(600)
}

const fn default_settle() -> Span {
    Span::secs(90)
}

/// The lab a scenario needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct LabChoice {
    /// Preset; the lab file's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Name>,
    /// Settings on top of it, shaped like `lab.toml`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub set: Value,
}

/// One thing done to the lab. Exactly one of `at`, `after`, `when`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Step {
    /// Its name; needed when something refers to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Name>,
    /// From the start of the load; with `after`, from the end of that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Span>,
    /// The step this one follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Name>,
    /// A condition this step waits for: `primary-changed`, `no-primary`, `streaming(N)`, `fault(ID)`, `healed(ID)`,
    /// `alarm(KIND)`, `alarm(KIND, MEMBER)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// Longest wait for `when`, from the start of the load; the rest of the load when absent. A condition not met
    /// leaves its step undone and the run unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Span>,
    /// Healed after this, or at the end of the run. Of `repeat`: every turn, or when the next begins. Of `swizzle`: half
    /// of it isolates, half heals.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Span>,
    /// Steps of one group are injected as one: at the same instant, when all of them are prepared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<Name>,
    /// The fault, or what else is done.
    #[serde(rename = "do")]
    pub verb: Verb,
}

/// The verdict a scenario must end in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Ends {
    /// What the run must be judged as.
    pub verdict: VerdictWord,
    /// The check that must have said so; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Name>,
}

/// pass < unknown < fail: the worst of all checks is the run's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictWord {
    /// Everything that was asked holds, and the evidence is there.
    Pass,
    /// The run proves nothing.
    Unknown,
    /// A claim does not hold.
    Fail,
}

impl fmt::Display for VerdictWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        })
    }
}
