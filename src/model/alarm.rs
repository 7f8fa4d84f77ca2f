//! Alarms: what needs a person, as state. A controller raises one, changes what it says, and clears it.
//!
//! Invariant: a kind never gets another word; scenarios, journals and monitoring name it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::id::MemberId;
use super::units::Mono;

/// What an alarm is about. What raises and clears each, and what a person does then: `docs/src/own-controller.md`.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum AlarmKind {
    /// The engine cannot be seen.
    EngineBlind,
    /// The store cannot be seen.
    StoreBlind,
    /// Patroni's `initialize` key is missing: a body that starts would found a new cluster.
    NotFounded,
    /// The audit of a decision refused one of its steps.
    AuditRefuses,
    /// Several containers carry the name of one member.
    SeveralBodies,
    /// A member has no container that the controller may make.
    NoBody,
    /// The engine does not say in which state a body is.
    StateUnknown,
    /// The leader key is free, and no member takes it.
    NoLeader,
    /// The leader does not serve, and no other member may lead.
    NoSuccessor,
    /// The leader takes no writes.
    NoWrites,
    /// The death of the leader's body is not proved, or its key cannot be taken.
    NoProof,
    /// The data of a member failed its checksums.
    BadData,
    /// A body is frozen.
    Frozen,
    /// A member fails and recovers again and again.
    Flaps,
    /// The budget of starts is spent.
    StartsSpent,
    /// A body with data that is needed cannot be started.
    CannotStart,
    /// No host can carry another member.
    WaitsForHost,
    /// The budget of replacements is spent.
    ReplacementsSpent,
    /// A newcomer never took the place it was made for.
    NewcomerFailed,
    /// A newcomer does not do yet what it was made for.
    NewcomerLate,
    /// Fewer members are good than must be before the next change.
    CopiesMissing,
    /// Patroni names no other synchronous standby for one that is to leave.
    StandbyMissing,
    /// The cluster of etcd cannot spare a member that must be replaced.
    NoQuorum,
    /// An operator wants a member replaced that the lab does not have.
    NoSuchMember,
    /// The leader must be replaced or made anew, and must hand over first.
    HandOverFirst,
    /// A planned handover does not come to its end.
    HandoverStuck,
    /// The volumes of a member that left cannot be removed.
    VolumesStay,
    /// A body differs from the lab's record after it was made anew.
    Drifted,
    /// A container that is not in the lab's record carries its label.
    Stranger,
    /// More members stand in the lab than are wanted.
    TooMany,
    /// The same deed failed many times in a row.
    DeedFails,
    /// Maintenance has been on for an hour.
    Maintenance,
    /// A disk is short of space and may not grow.
    DiskFull,
    /// A slot that no replica reads holds WAL back.
    WalHeld,
    /// A size that an operator wants cannot be given.
    SizeRefused,
    /// A member is short of cores or memory and may not have more.
    SizeLimit,
    /// A change of size or number waits for something else.
    ScalingHeld,
    /// One that this version has no word for.
    #[default]
    Other,
}

impl AlarmKind {
    /// Every kind.
    pub const ALL: [Self; 38] = [
        Self::EngineBlind,
        Self::StoreBlind,
        Self::NotFounded,
        Self::AuditRefuses,
        Self::SeveralBodies,
        Self::NoBody,
        Self::StateUnknown,
        Self::NoLeader,
        Self::NoSuccessor,
        Self::NoWrites,
        Self::NoProof,
        Self::BadData,
        Self::Frozen,
        Self::Flaps,
        Self::StartsSpent,
        Self::CannotStart,
        Self::WaitsForHost,
        Self::ReplacementsSpent,
        Self::NewcomerFailed,
        Self::NewcomerLate,
        Self::CopiesMissing,
        Self::StandbyMissing,
        Self::NoQuorum,
        Self::NoSuchMember,
        Self::HandOverFirst,
        Self::HandoverStuck,
        Self::VolumesStay,
        Self::Drifted,
        Self::Stranger,
        Self::TooMany,
        Self::DeedFails,
        Self::Maintenance,
        Self::DiskFull,
        Self::WalHeld,
        Self::SizeRefused,
        Self::SizeLimit,
        Self::ScalingHeld,
        Self::Other,
    ];

    /// Its word in files and journals.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The kind of this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Reads the word of any controller: one that is unknown here is [`AlarmKind::Other`].
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::named(&String::deserialize(deserializer)?).unwrap_or_default())
    }
}

impl fmt::Display for AlarmKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What needs a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Alarm {
    /// What it is about, one word. A foreign controller may use its own; it reads as `other` here.
    #[serde(default, deserialize_with = "AlarmKind::lenient")]
    pub kind: AlarmKind,
    /// Whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<MemberId>,
    /// What is so, and what to do.
    pub text: String,
}

impl Alarm {
    /// An alarm about a member, or about the lab.
    #[must_use]
    pub fn new(kind: AlarmKind, subject: Option<&MemberId>, text: impl Into<String>) -> Self {
        Self { kind, subject: subject.cloned(), text: text.into() }
    }

    /// Whether both are about the same thing, whatever they say of it.
    #[must_use]
    pub fn is_about(&self, other: &Self) -> bool {
        self.kind == other.kind && self.subject == other.subject
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// An alarm that is raised, and since when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Raised {
    /// What.
    #[serde(flatten)]
    pub alarm: Alarm,
    /// When it was raised, on the machine's monotonic clock.
    pub since: Mono,
}

/// What became of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Became {
    /// It was not there before.
    Raised,
    /// It says another thing now.
    Changed,
    /// Its cause is gone.
    Cleared,
}

impl Became {
    /// Its word in journals and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one_word_everywhere() {
        for kind in AlarmKind::ALL {
            assert_eq!(serde_json::to_value(kind).expect("JSON"), kind.as_str());
            assert_eq!(AlarmKind::named(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn the_word_of_a_foreign_controller_breaks_no_status() {
        let alarm = |text: &str| serde_json::from_str::<Alarm>(text).expect("an alarm").kind;
        assert_eq!(alarm(r#"{"kind":"no-leader","text":"x"}"#), AlarmKind::NoLeader);
        assert_eq!(alarm(r#"{"kind":"fire","text":"x"}"#), AlarmKind::Other);
        assert_eq!(alarm(r#"{"text":"x"}"#), AlarmKind::Other);
    }
}
