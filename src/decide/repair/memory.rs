//! What repair remembers between two looks. Empty after a restart: nothing that safety depends on is here.
//!
//! Invariant: `remember` is the only writer of when a trouble began; what is ordered and done is noted when it is.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Step;
use super::assess::Assessment;
use super::follow::Path;
use super::trouble::Trouble;
use crate::model::control::RepairPolicy;
use crate::model::{MemberId, Mono};

/// The same step is not repeated sooner.
pub(super) const REPEAT: Duration = Duration::from_secs(1);

/// What repair remembers between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Memory {
    /// Since when what is wrong with a member.
    pub since: BTreeMap<MemberId, BTreeMap<Trouble, Mono>>,
    /// Since when nobody holds the leader key.
    #[serde(default)]
    pub leaderless: Option<Mono>,
    /// Who held the leader key last.
    #[serde(default)]
    pub led: Option<MemberId>,
    /// Whose disk takes nothing, how far it had come, and when that was seen first.
    #[serde(default)]
    pub stalled: Option<(MemberId, String, Mono)>,
    /// Starts that were ordered, for the budget.
    pub starts: Vec<Mono>,
    /// When bodies were given life, by member: one that dies again and again has another trouble.
    #[serde(default)]
    pub lives: BTreeMap<MemberId, Vec<Mono>>,
    /// Members that were restarted because they ran and did not serve, and when.
    #[serde(default)]
    pub restarted: BTreeMap<MemberId, Mono>,
    /// Members whose body was taken down because it was not what the record says, and when.
    #[serde(default)]
    pub remade: BTreeMap<MemberId, Mono>,
    /// How replicas that do not follow the leader try to.
    #[serde(default)]
    pub paths: BTreeMap<MemberId, Path>,
    /// Replacements that were begun, for the budget.
    #[serde(default)]
    pub replaced: Vec<Mono>,
    /// Containers of leaders by member, so that a body that is gone can be asked for by id.
    pub known: BTreeMap<MemberId, String>,
    /// Steps that failed in a row, by name and subject, and when the last one did: for the back-off.
    pub failed: BTreeMap<String, (u32, Mono)>,
    /// Steps that worked, by name and subject, and when: the same is not ordered again at once.
    pub done: BTreeMap<String, Mono>,
    /// Revision of the leader key for which the doors were set last, and when.
    pub opened: Option<(i64, Mono)>,
    /// When the engine and the store were seen last.
    #[serde(default)]
    pub looked: Option<Mono>,
    /// Whether the last look did not see the engine or the store.
    #[serde(default)]
    pub blind: bool,
    /// When the leader was prepared for a handover, and when its sessions began to be drained.
    #[serde(default)]
    pub handover: (Option<Mono>, Option<Mono>),
}

impl Memory {
    /// Since when `trouble` has lasted.
    #[must_use]
    pub fn since_of(&self, id: &MemberId, trouble: Trouble) -> Option<Mono> {
        self.since.get(id)?.get(&trouble).copied()
    }

    /// Notes a look in which everything was seen. Time in which nobody looked counts for no grace, and takes nothing
    /// back of what was seen before it.
    pub fn looks(&mut self, at: Mono) {
        let unseen = if self.blind { at.since(self.looked.unwrap_or(at)) } else { Duration::ZERO };
        self.blind = false;
        if unseen.is_zero() {
            return;
        }
        // what comes of this look counts from here
        self.looked = Some(at);
        for since in self.since.values_mut().flat_map(BTreeMap::values_mut) {
            *since = since.plus(unseen);
        }
        if let Some((_, _, since)) = &mut self.stalled {
            *since = since.plus(unseen);
        }
        self.leaderless = self.leaderless.map(|since| since.plus(unseen));
        for path in self.paths.values_mut() {
            *path = path.clone().later(unseen);
        }
    }

    /// Nobody looks, and nothing is watched: every grace begins anew.
    pub fn forget(&mut self) {
        self.since.clear();
        self.paths.clear();
        (self.stalled, self.leaderless) = (None, None);
    }

    /// Notes that a step was done, or not.
    pub fn took(&mut self, step: &Step, at: Mono, worked: bool) {
        let key = step.key();
        if !worked {
            let (times, when) = self.failed.entry(key).or_insert((0, at));
            (*times, *when) = (times.saturating_add(1), at);
            if matches!(step, Step::Open { .. }) {
                // a balancer that was not reached is told as soon as it answers
                self.opened = None;
            }
            return;
        }
        self.failed.remove(&key);
        self.done.insert(key, at);
        match step {
            Step::Start { member, .. } | Step::Create { member, .. } => {
                self.starts.push(at);
                self.lives.entry(member.clone()).or_default().push(at);
                // whoever lies dead again is tried the gentle way first
                self.failed.remove(&format!("start {member}"));
            }
            Step::Intend { member, by, .. } if member != by => self.replaced.push(at),
            Step::Prepare { .. } => self.handover.0 = Some(at),
            Step::Drain { .. } => self.handover.1 = Some(at),
            Step::HandOver { .. } => self.handover = (None, None),
            _ => {}
        }
    }

    /// What is too long ago to count is forgotten.
    fn sweep(&mut self, now: Mono, policy: &RepairPolicy) {
        let budget = policy.starts.per.0;
        self.starts.retain(|when| now.since(*when) < budget);
        self.replaced.retain(|when| now.since(*when) < policy.replacements.per.0);
        self.lives.retain(|_, lives| {
            lives.retain(|when| now.since(*when) < budget);
            !lives.is_empty()
        });
        self.done.retain(|_, when| now.since(*when) < REPEAT);
    }
}

/// What is remembered of a look. A trouble that is over is forgotten; one that another look could not tell stays.
#[must_use]
pub fn remember(memory: &Memory, a: &Assessment<'_>) -> Memory {
    let mut next = memory.clone();
    let troubled = a.conditions.iter().filter(|(_, condition)| !condition.troubles.is_empty());
    next.since = troubled.map(|(id, condition)| (id.clone(), condition.troubles.clone())).collect();
    let out = a.view.store.replacing.as_ref().map(|word| &word.member);
    if let Some((id, since)) = out.and_then(|id| Some((id, memory.since_of(id, Trouble::Drain)?))) {
        next.since.entry(id.clone()).or_default().insert(Trouble::Drain, since);
    }
    (next.leaderless, next.stalled, next.paths) = (a.leaderless, a.stalled.clone(), a.paths.clone());
    if let Some(key) = &a.view.store.leader {
        next.led = Some(key.member.clone());
        if let Some(body) = a.view.body(&key.member) {
            next.known.insert(key.member.clone(), body.id.clone());
        }
    }
    if a.view.store.handover.is_none() && a.view.store.wish.is_none() && a.lives() {
        next.handover = (None, None);
        next.failed.retain(|step, _| !step.starts_with("prepare ") && !step.starts_with("drain "));
    }
    next.looked = Some(a.now());
    next.sweep(a.now(), &a.view.world.policy);
    next
}
