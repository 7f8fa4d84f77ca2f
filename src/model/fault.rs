//! A fault that was injected: what, on whom, when, and the evidence that it bit and that it healed.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::id::{HostName, MemberId, Name};
use super::run::Stamp;
use super::scenario::{ActsOn, Verb};
use super::units::Mono;

/// One injected fault; one line of `faults.jsonl` per change (the last line of an id counts).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", remote = "Self")]
pub struct FaultRecord {
    /// Name of the fault: the id of its step, or of a turn of it.
    pub id: Name,
    /// The verb with its keys, as the scenario has it.
    pub verb: Verb,
    /// Whom it hit: members, or hosts where the verb acts on hosts; resolved at injection.
    #[serde(deserialize_with = "by_name")]
    #[schemars(with = "Vec<Name>")]
    pub targets: Vec<FaultTarget>,
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
    /// Evidence that it bit; absent while it is only an intent.
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

/// One of those whom a fault hit. Files show its name alone: which of the two it is, the verb says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum FaultTarget {
    /// The body of a member.
    Member(MemberId),
    /// A simulated host.
    Host(HostName),
}

impl FaultTarget {
    /// Its name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Member(id) => id.as_str(),
            Self::Host(name) => name.as_str(),
        }
    }

    /// The member it is; `None` for a host.
    #[must_use]
    pub const fn member(&self) -> Option<&MemberId> {
        match self {
            Self::Member(id) => Some(id),
            Self::Host(_) => None,
        }
    }

    /// The host it is; `None` for a member.
    #[must_use]
    pub const fn host(&self) -> Option<&HostName> {
        match self {
            Self::Member(_) => None,
            Self::Host(name) => Some(name),
        }
    }
}

impl fmt::Display for FaultTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl From<FaultTarget> for Name {
    fn from(target: FaultTarget) -> Self {
        match target {
            FaultTarget::Member(id) => id.into(),
            FaultTarget::Host(name) => name.into(),
        }
    }
}

impl Serialize for FaultRecord {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, to)
    }
}

/// A line holds names of targets; whether they are hosts is known once its verb is read.
impl<'de> Deserialize<'de> for FaultRecord {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut record = Self::deserialize(from)?;
        if record.verb.acts_on() == ActsOn::Hosts {
            for target in &mut record.targets {
                let host = HostName::new(target.as_str()).map_err(serde::de::Error::custom)?;
                *target = FaultTarget::Host(host);
            }
        }
        Ok(record)
    }
}

fn by_name<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<FaultTarget>, D::Error> {
    Ok(Vec::<MemberId>::deserialize(from)?.into_iter().map(FaultTarget::Member).collect())
}

/// Evidence from a second source, never the answer of the call that did the deed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Receipt {
    /// What the evidence says.
    pub state: ReceiptState,
    /// Where it was read, for example `engine inspect` or `cgroup freezer`.
    pub source: String,
    /// What was read there, as a text for people.
    pub evidence: String,
}

/// Whether evidence proves the fault, or its heal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReceiptState {
    /// The fault bit, or the heal took.
    Confirmed,
    /// The fault did not bite, or the heal did not take.
    Refuted,
    /// Heal only: the body was replaced meanwhile; nothing is left to undo.
    Superseded,
    /// Heal only: this verb has nothing to undo.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_targets_and_its_verb_says_what_they_are() {
        for (verb, kind) in [("isolate", "Host"), ("pause", "Member")] {
            let line = format!(
                r#"{{"id":"one","verb":{{"{verb}":{{"target":"postgres-1"}}}},"targets":["x-1"],"containers":[],"intent":1,"began":null,"healed":null,"receipt":null,"heal":null}}"#
            );
            let fault: FaultRecord = serde_json::from_str(&line).expect("a line");
            assert!(format!("{:?}", fault.targets).starts_with(&format!("[{kind}")), "{:?}", fault.targets);
            let written = serde_json::to_value(&fault).expect("JSON");
            assert_eq!(written["targets"], serde_json::json!(["x-1"]));
        }
    }
}
