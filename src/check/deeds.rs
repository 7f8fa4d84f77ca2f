//! What was done to bodies, as the engine told it, and which fault answers for it. Shared by `audit` and
//! `restarts`.
//!
//! A deed is explained by a fault that hit the member (or its host, or the very container) when the engine
//! told of it while the fault was being injected or healed. The runner hears of an event a moment after it
//! happened, hence the slack.

use std::collections::{BTreeMap, BTreeSet};

use super::record::RunRecord;
use crate::model::lab::RestartRule;
use crate::model::scenario::Verb;
use crate::model::sighting::EngineEvent;
use crate::model::{FaultRecord, FaultTarget, HostName, MemberId, Mono};

/// How late the runner may hear of what the engine did, nanoseconds.
pub const SLACK: u64 = 2_000_000_000;
/// How long after a death a restart policy may start a body again, nanoseconds. The engine waits twice as long
/// each time, up to a minute.
const POLICY: u64 = 61_000_000_000;

/// Every event of the engine about a member's body, in order. Helpers are no bodies.
#[must_use]
pub fn events(record: &RunRecord) -> Vec<&EngineEvent> {
    let mut events: Vec<&EngineEvent> = record
        .sightings
        .iter()
        .flat_map(|seen| &seen.events)
        .filter(|event| event.service != "helper" && !event.member.is_empty())
        .collect();
    events.sort_by_key(|event| event.when());
    events
}

/// Where members stood, as far as anybody knows: by plan and by every look.
#[must_use]
pub fn hosts(record: &RunRecord) -> BTreeMap<&MemberId, BTreeSet<&HostName>> {
    let planned = record.resolved.members.iter().map(|member| (&member.id, &member.host));
    let seen =
        record.sightings.iter().flat_map(|seen| &seen.bodies).map(|(member, body)| (member, &body.host));
    let mut hosts: BTreeMap<&MemberId, BTreeSet<&HostName>> = BTreeMap::new();
    for (member, host) in planned.chain(seen) {
        hosts.entry(member).or_default().insert(host);
    }
    hosts
}

/// The fault that did something to a body, and in which part of its life.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum By<'a> {
    /// A fault, while it was injected.
    Inject(&'a FaultRecord),
    /// A fault, while it was healed.
    Heal(&'a FaultRecord),
}

/// The fault that answers for what happened to a member's body at an instant; a heal before an injection.
#[must_use]
pub fn explained<'a>(
    record: &'a RunRecord,
    hosts: &BTreeMap<&MemberId, BTreeSet<&HostName>>,
    member: &str,
    id: &str,
    at: Mono,
) -> Option<By<'a>> {
    let hit = |fault: &&FaultRecord| {
        let on = |target: &FaultTarget| match target {
            FaultTarget::Member(id) => id.as_str() == member,
            FaultTarget::Host(host) => {
                hosts.iter().any(|(known, hosts)| known.as_str() == member && hosts.contains(host))
            }
        };
        fault.targets.iter().any(on) || fault.containers.iter().any(|known| known == id)
    };
    let within = |from: Mono, to: Mono| at >= from && at.0 <= to.0.saturating_add(SLACK);
    let heals = |fault: &FaultRecord| {
        // records of older runs do not say when healing began
        let from = fault.healing.or(fault.began).unwrap_or(fault.intent);
        fault.healed.is_some_and(|healed| within(from, healed))
    };
    let injects = |fault: &FaultRecord| within(fault.intent, fault.began.unwrap_or(fault.intent));
    let faults: Vec<&FaultRecord> = record.history.faults.iter().filter(hit).collect();
    let heal = faults.iter().copied().find(|fault| heals(fault)).map(By::Heal);
    heal.or_else(|| faults.into_iter().find(|fault| injects(fault)).map(By::Inject))
}

/// Whether the engine's restart policy may have started a body: it had died shortly before, by itself.
#[must_use]
pub fn by_policy(record: &RunRecord, events: &[&EngineEvent], start: &EngineEvent) -> bool {
    let policy = record.resolved.lab.postgres.restart != RestartRule::No && start.service == "postgres";
    let died = |event: &&&EngineEvent| {
        event.action == "die"
            && event.id == start.id
            && event.when() <= start.when()
            && start.when().0 - event.when().0 <= POLICY
    };
    policy && events.iter().any(|event| died(&event))
}

/// What the engine must tell of a verb that goes through it; `None` for one that goes past it.
#[must_use]
pub const fn told_as(verb: &Verb) -> Option<&'static str> {
    use crate::model::scenario::KillBy;
    match verb {
        Verb::Kill { by: KillBy::Engine, .. } => Some("kill"),
        Verb::Stop { .. } => Some("die"),
        Verb::Pause { .. } => Some("pause"),
        _ => None,
    }
}
