//! What every family of faults offers, and which family a verb belongs to.
//!
//! Invariants: a deed says only whether it was refused; whether it bit is said by `bit`, from a
//! source that is not the deed's own answer. `undo` restores what is declared, so it works without
//! any memory but the record's notes, also in another process than the one that did the deed.

use std::time::Duration;

use async_trait::async_trait;

use super::body::Bodies;
use super::engine::Engine;
use super::host::Power;
use super::network::Network;
use super::operator::Operator;
use super::process::Processes;
use super::resource::Resources;
use super::storage::Storage;
use super::storm::Storms;
use super::time::Clocks;
use super::wipe::Wiping;
use crate::engine::docker::Docker;
use crate::lab::record::Record;
use crate::model::scenario::KillBy;
use crate::model::{Container, FaultRecord, HostName, Name, Verb};

/// Where a fault is done.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The engine.
    pub docker: &'a Docker,
    /// The lab, with its passwords.
    pub record: &'a Record,
}

/// How long evidence is waited for: the engine needs a moment to notice what happened.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// One body or host that a fault hits. For a host the container is its sandbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    /// Member or host.
    pub name: Name,
    /// The host itself, or the one it stands on.
    pub host: HostName,
    /// The container: before the deed as it was then, for a heal as it is now.
    pub container: Container,
}

/// What was seen of one victim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whether it proves the deed, or the heal.
    pub proved: bool,
    /// Where it was read, for example `process table`; never the call that did the deed.
    pub source: &'static str,
    /// What was read.
    pub text: String,
}

impl Seen {
    /// Evidence.
    #[must_use]
    pub fn new(proved: bool, source: &'static str, text: impl Into<String>) -> Self {
        Self { proved, source, text: text.into() }
    }
}

/// One family of faults. `bit` and `undone` are asked again for some seconds until they prove
/// something; refusals are sentences for people.
#[async_trait]
pub trait Family: Sync {
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
    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen;

    /// How long a look waits for what proves the deed.
    fn patience(&self, _fault: &FaultRecord) -> Duration {
        PATIENCE
    }

    /// Undoes it on one victim, as the verb defines it. Doing it twice is the same as once.
    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String>;

    /// Whether it is undone.
    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen;
}

/// The family of a verb. Compositions (`repeat`, `swizzle`) are taken apart before they come here.
#[must_use]
pub fn of(verb: &Verb) -> &'static dyn Family {
    match verb {
        Verb::Kill { by: KillBy::Engine, .. }
        | Verb::Stop { .. }
        | Verb::Pause { .. }
        | Verb::Restart { .. } => &Bodies,
        Verb::PowerOff { .. } => &Power,
        Verb::Isolate { .. }
        | Verb::Partition { .. }
        | Verb::Loss { .. }
        | Verb::Delay { .. }
        | Verb::Bandwidth { .. }
        | Verb::Flap { .. } => &Network,
        Verb::DiskFill { .. }
        | Verb::DiskFreeze { .. }
        | Verb::DiskSlow { .. }
        | Verb::DiskCorrupt { .. } => &Storage,
        Verb::Wipe { .. } => &Wiping,
        Verb::Kill { by: KillBy::Process, .. } | Verb::Freeze { .. } | Verb::Crash { .. } => &Processes,
        Verb::Cpu { .. } | Verb::Memory { .. } | Verb::MemoryHog { .. } => &Resources,
        Verb::Connections { .. } => &Storms,
        Verb::Clock { .. } => &Clocks,
        Verb::Engine { .. } => &Engine,
        Verb::Switchover { .. }
        | Verb::Failover { .. }
        | Verb::Maintenance { .. }
        | Verb::RollingRestart { .. }
        | Verb::Replace { .. }
        | Verb::Scale { .. }
        | Verb::Resize { .. } => &Operator,
        _ => &Missing,
    }
}

/// A family that is not there: it refuses, and nothing has bitten.
#[derive(Clone, Copy, Debug)]
pub struct Missing;

#[async_trait]
impl Family for Missing {
    async fn deed(&self, _: &Scene<'_>, fault: &FaultRecord, _: &Victim) -> Result<(), String> {
        Err(format!("`{}` is not built", fault.verb.name()))
    }
    async fn bit(&self, _: &Scene<'_>, fault: &FaultRecord, _: &Victim) -> Seen {
        Seen::new(false, "nothing", format!("`{}` is not built", fault.verb.name()))
    }
    async fn undo(&self, _: &Scene<'_>, _: &FaultRecord, _: &Victim) -> Result<(), String> {
        Ok(())
    }
    async fn undone(&self, _: &Scene<'_>, _: &FaultRecord, _: &Victim) -> Seen {
        Seen::new(true, "nothing", "nothing was done")
    }
}
