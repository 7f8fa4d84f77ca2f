//! What repair remembers between two looks, and what of it stands in the store: budgets, and the graces of what has lasted
//! for a while, so that neither the end of a controller nor a blip of its leadership begins them anew.
//!
//! Invariant: nothing that safety depends on is here. Time in which nobody looked counts for no grace.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::RepairStep;
use super::path::Path;
use super::trouble::Trouble;
use super::wait::RepairWait;
use crate::decide::brain::{self, StepOutcome};
use crate::decide::waits::Waits;
use crate::model::control::RepairPolicy;
use crate::model::{MemberId, Mono};

/// The same step is not repeated sooner.
pub(super) const REPEAT: Duration = Duration::from_secs(1);

/// What has lasted for less is not worth a write: most of it is over by then.
const LASTED: Duration = Duration::from_secs(2);
/// While a grace runs it is written down so often that it goes on.
const REFRESH: Duration = Duration::from_secs(2);

/// What the repair controller wants done now, and what it remembers of that.
pub type RepairDecision = brain::BrainDecision<RepairStep, RepairMemory>;

/// What repair remembers between two looks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct RepairMemory {
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
    /// What is waited for, and since when.
    #[serde(default)]
    pub waits: Waits<RepairWait>,
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

/// What of it stands in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct StoredMemory {
    /// When it was written, on the machine's monotonic clock.
    pub at: Mono,
    /// Since when what has been wrong with a member.
    pub since: BTreeMap<MemberId, BTreeMap<Trouble, Mono>>,
    /// Since when nobody has held the leader key.
    pub leaderless: Option<Mono>,
    /// Whose disk takes nothing, how far it had come, and when that was seen first.
    pub stalled: Option<(MemberId, String, Mono)>,
    /// How replicas that do not follow the leader try to.
    pub paths: BTreeMap<MemberId, Path>,
    /// Starts that were ordered, for the budget.
    pub starts: Vec<Mono>,
    /// When bodies were given life, by member.
    pub lives: BTreeMap<MemberId, Vec<Mono>>,
    /// Members that were restarted, and when.
    pub restarted: BTreeMap<MemberId, Mono>,
    /// Members whose body was taken down because it was not what the record says, and when.
    pub remade: BTreeMap<MemberId, Mono>,
    /// What is waited for, and since when: written down with the rest, and never for its own sake.
    pub waits: Waits<RepairWait>,
}

impl StoredMemory {
    /// Whether a grace runs, so that what is written down must be young.
    fn runs(&self) -> bool {
        let lasts = self.leaderless.is_some_and(|since| self.at.since(since) >= LASTED);
        !self.since.is_empty() || !self.paths.is_empty() || self.stalled.is_some() || lasts
    }

    /// Whether both say the same of budgets and troubles; how far replicas have come is written down with the time.
    fn is_news(&self, other: &Self) -> bool {
        let told = |kept: &Self| -> Vec<(MemberId, Trouble)> {
            let all = kept.since.iter();
            all.flat_map(|(id, its)| its.keys().map(|trouble| (id.clone(), *trouble))).collect()
        };
        told(self) != told(other)
            || (&self.starts, &self.lives, &self.restarted, &self.remade)
                != (&other.starts, &other.lives, &other.restarted, &other.remade)
    }
}

impl RepairMemory {
    /// What is to be written down now, where `kept` stands in the store: `None` while that is good enough.
    #[must_use]
    pub fn keep(&self, kept: &StoredMemory, now: Mono) -> Option<StoredMemory> {
        // a look that saw nothing has no news, and the store may be what it did not see
        if self.blind {
            return None;
        }
        let mut since = self.since.clone();
        for troubles in since.values_mut() {
            troubles.retain(|_, began| now.since(*began) >= LASTED);
        }
        since.retain(|_, troubles| !troubles.is_empty());
        let next = StoredMemory {
            at: now,
            since,
            leaderless: self.leaderless,
            stalled: self.stalled.clone(),
            paths: self.paths.clone(),
            starts: self.starts.clone(),
            lives: self.lives.clone(),
            restarted: self.restarted.clone(),
            remade: self.remade.clone(),
            waits: self.waits.lasting(now, LASTED),
        };
        let old = next.runs() && now.since(kept.at) >= REFRESH;
        (old || next.is_news(kept)).then_some(next)
    }

    /// What a controller remembers that has just become the active one. Since `kept` was written nobody may have looked.
    #[must_use]
    pub fn recall(kept: &StoredMemory, now: Mono) -> Self {
        if kept.at > now {
            // the clock began anew with the machine
            return Self::default();
        }
        let StoredMemory { at, since, leaderless, stalled, paths, starts, lives, restarted, remade, waits } =
            kept.clone();
        let looked = Some(at);
        Self {
            since,
            leaderless,
            stalled,
            paths,
            starts,
            lives,
            restarted,
            remade,
            waits,
            looked,
            blind: true,
            ..Self::default()
        }
    }

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
        self.waits.later(unseen);
    }

    /// Nobody looks, and nothing is watched: every grace begins anew.
    pub fn forget(&mut self) {
        self.since.clear();
        self.paths.clear();
        (self.stalled, self.leaderless) = (None, None);
    }

    /// Notes what became of a step, and when.
    pub fn took(&mut self, step: &RepairStep, at: Mono, outcome: &StepOutcome) {
        let key = step.key();
        if !outcome.is_done() {
            let (times, when) = self.failed.entry(key).or_insert((0, at));
            (*times, *when) = (times.saturating_add(1), at);
            if matches!(step, RepairStep::Open { .. }) {
                // a balancer that was not reached is told as soon as it answers
                self.opened = None;
            }
            return;
        }
        self.failed.remove(&key);
        self.done.insert(key, at);
        match step {
            RepairStep::Start { member, .. } | RepairStep::Create { member, .. } => {
                self.starts.push(at);
                self.lives.entry(member.clone()).or_default().push(at);
                // whoever lies dead again is tried the gentle way first
                self.failed.remove(&format!("start {member}"));
            }
            RepairStep::Intend { member, by, .. } if member != by => self.replaced.push(at),
            RepairStep::Prepare { .. } => self.handover.0 = Some(at),
            RepairStep::Drain { .. } => self.handover.1 = Some(at),
            RepairStep::HandOver { .. } => self.handover = (None, None),
            _ => {}
        }
    }

    /// What is too long ago to count is forgotten.
    pub(super) fn sweep(&mut self, now: Mono, policy: &RepairPolicy) {
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
