//! What every family of faults offers; `families` says which family a verb belongs to.
//!
//! Invariants: a deed says only whether it was refused; whether it bit is said by `bit`, from a
//! source that is not the deed's own answer. `undo` restores what is declared, so it works without
//! any memory but the record's notes, also in another process than the one that did the deed.

use std::time::Duration;

use async_trait::async_trait;

use crate::engine::docker::Docker;
use crate::lab::record::LabRecord;
use crate::model::{Container, FaultRecord, FaultTarget, HostName, MemberId};

/// Where a fault is done.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The lab, with its passwords.
    pub record: &'a LabRecord,
}

/// How long evidence is waited for: the engine needs a moment to notice what happened.
pub const EVIDENCE_TIMEOUT: Duration = Duration::from_secs(5);

/// One body or host that a fault hits. For a host the container is its sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// The member or host.
    pub hit: FaultTarget,
    /// The host itself, or the one it stands on.
    pub host: HostName,
    /// The container: before the deed as it was then, for a heal as it is now.
    pub container: Container,
}

impl Victim {
    /// The member it is.
    ///
    /// # Errors
    /// When the fault hit a host.
    pub fn member(&self) -> Result<&MemberId, String> {
        self.hit.member().ok_or_else(|| format!("{} is a host, and this verb acts on members", self.hit))
    }
}

/// What was seen of one victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VictimSeen {
    /// Whether it proves the deed, or the heal.
    pub proved: bool,
    /// Where it was read, for example `process table`; never the call that did the deed.
    pub source: &'static str,
    /// What was read.
    pub text: String,
}

impl VictimSeen {
    /// Evidence.
    #[must_use]
    pub fn new(proved: bool, source: &'static str, text: impl Into<String>) -> Self {
        Self { proved, source, text: text.into() }
    }
}

/// One family of faults. `bit` and `undone` are asked again for some seconds until they prove
/// something; refusals are sentences for people.
#[async_trait]
pub trait Family: Send + Sync {
    /// Looks up what undoing will need, into `fault.notes`, and refuses what cannot be done, before
    /// anything is touched.
    async fn prepare(
        &self,
        _scene: &Scene<'_>,
        _fault: &mut FaultRecord,
        _victims: &[Victim],
    ) -> Result<(), String> {
        Ok(())
    }

    /// Does it to one victim; all victims at the same time.
    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String>;

    /// Whether it bit.
    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen;

    /// How long a look waits for what proves the deed.
    fn patience(&self, _fault: &FaultRecord) -> Duration {
        EVIDENCE_TIMEOUT
    }

    /// Undoes it on one victim, as the verb defines it. Doing it twice is the same as once.
    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String>;

    /// Whether it is undone.
    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen;
}
