//! A fault that was injected: what, on whom, when, and the evidence that it bit and that it healed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::Name;
use super::run::Stamp;
use super::scenario::Verb;
use super::units::Mono;

/// One injected fault; one line of `faults.jsonl` per change (the last line of an id counts).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct FaultRecord {
    /// The step's id.
    pub id: Name,
    /// What was done.
    pub verb: Verb,
    /// Whom it hit: members or hosts, resolved at injection.
    pub targets: Vec<Name>,
    /// The engine's ids of the containers that were hit, in the same order (empty for hosts).
    #[serde(default)]
    pub containers: Vec<String>,
    /// What must be known to undo it and cannot be read off the verb, for example the addresses of
    /// two sides. Written with the intent, so that it survives the runner.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, Value>,
    /// When the intent was written down, before anything was touched.
    pub intent: Mono,
    /// When the injection was complete; `None` while it is only an intent.
    pub began: Option<Mono>,
    /// When healing began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healing: Option<Mono>,
    /// When it was healed.
    pub healed: Option<Mono>,
    /// Evidence that it bit.
    pub receipt: Option<Receipt>,
    /// Evidence that it was undone.
    pub heal: Option<Receipt>,
    /// The run that did it, in a ledger. Absent for faults by hand, in journals and in older editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Stamp>,
}

impl FaultRecord {
    /// A fault that is meant at `intent` and has touched nobody yet.
    #[must_use]
    pub const fn meant(id: Name, verb: Verb, intent: Mono) -> Self {
        Self {
            id,
            verb,
            targets: Vec::new(),
            containers: Vec::new(),
            notes: BTreeMap::new(),
            intent,
            began: None,
            healing: None,
            healed: None,
            receipt: None,
            heal: None,
            of: None,
        }
    }
}

/// Evidence from a second source, never the answer of the call that did the deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// What the evidence says.
    pub state: ReceiptState,
    /// Where it was read, for example `engine inspect` or `cgroup freezer`.
    pub source: String,
    /// What was read.
    pub evidence: String,
}

/// What a receipt says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptState {
    /// The fault bit, or the heal took.
    Confirmed,
    /// It did not.
    Refuted,
    /// Heal only: the body was replaced meanwhile; nothing is left to undo.
    Superseded,
    /// Heal only: this verb has nothing to undo.
    Nothing,
}
