//! Measurements of one body, and what they say about a window.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::view::{ScalingView, SortedWalk};
use crate::model::scaling::{Resource, Usage};
use crate::model::self_report::Work;
use crate::model::{Bytes, MemberId, Mono, Span};
use crate::stats::bootstrap::{quantile_in, rank};

/// The newest measurements of one body, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Ring {
    samples: VecDeque<Sample>,
    /// What was read last: rates are differences.
    last: Option<Usage>,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Sample {
    at: Mono,
    /// Cores used since the measurement before, with those its limit kept from it; `None` for the first one of a
    /// container. What is throttled uses less than its limit on the whole: by its use alone it would never grow.
    cores: Option<f64>,
    memory: f64,
    disk: Option<f64>,
    /// How busy it said it was; `None` when it did not.
    #[serde(default)]
    work: Option<Work>,
}

impl Sample {
    fn value(&self, resource: Resource) -> Option<f64> {
        match resource {
            Resource::Cpu => self.cores,
            Resource::Memory => Some(self.memory),
            Resource::Disk => self.disk,
        }
    }
}

/// What is known with what bodies use now. The same reading twice is one measurement.
pub(super) fn noted(mut rings: BTreeMap<MemberId, Ring>, view: &ScalingView<'_>) -> BTreeMap<MemberId, Ring> {
    let (every, keep) = (view.world.policy.every, view.windows.longest());
    let (mut usage, mut inside) = (SortedWalk::new(view.usage), SortedWalk::new(&view.seen.inside));
    let (mut gone, mut new) = (Vec::new(), Vec::new());
    let mut known = rings.iter_mut().peekable();
    for (_, member) in view.by_name() {
        let id = &member.id;
        while let Some((key, _)) = known.next_if(|(key, _)| *key < id) {
            gone.push(key.clone());
        }
        let ring = known.next_if(|(key, _)| *key == id).map(|(_, ring)| ring);
        let (usage, work) = (usage.at(id), inside.at(id).map(|inside| inside.work));
        let Some(usage) = usage else { continue };
        if let Some(ring) = ring {
            ring.note(usage, work, member.size.disk, every, keep);
        } else {
            let mut ring = Ring::default();
            ring.note(usage, work, member.size.disk, every, keep);
            new.push((id.clone(), ring));
        }
    }
    gone.extend(known.map(|(key, _)| key.clone()));
    for id in gone {
        rings.remove(&id);
    }
    rings.extend(new);
    rings
}

impl Ring {
    fn note(&mut self, usage: &Usage, work: Option<Work>, disk: Bytes, every: Span, keep: usize) {
        let last = self.last.as_ref().filter(|last| last.container == usage.container);
        // a container that was made anew counts from nothing, and what it used before is no use of its own
        if last.is_none() {
            self.samples.clear();
        }
        let passed = last.map(|last| usage.at.since(last.at));
        // woken early, the same instant measured again: too short to be a rate
        if passed.is_some_and(|passed| passed < every.0 / 2) {
            return;
        }
        let cores = last.and_then(|last| usage.since(last)).map(|cores| cores.used + cores.held_back);
        let (memory, disk) =
            (usage.memory.0 as f64, usage.disk.and_then(|seen| seen.used(disk)).map(|used| used.0 as f64));
        // room is made first: a ring that is full never grows
        while self.samples.len() >= keep.max(1) {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: usage.at, cores, memory, disk, work });
        self.last = Some(match self.last.take() {
            // of the same container the name is kept
            Some(last) if last.container == usage.container => {
                let Usage { at, cpu_ns, throttled_ns, memory, cores, limit, disk, .. } = *usage;
                Usage { at, cpu_ns, throttled_ns, memory, cores, limit, disk, ..last }
            }
            _ => usage.clone(),
        });
    }

    /// A percentile of what was used in the newest `window` measurements; `None` until there are so many after `since`.
    /// `ahead` measurements like the newest one are taken to follow it.
    pub(super) fn percentile(
        &self,
        window: usize,
        resource: Resource,
        percent: u8,
        since: Mono,
        ahead: usize,
    ) -> Option<f64> {
        if let Some(only) = self.only(window, since, ahead) {
            return only.value(resource);
        }
        let values = self.newest(resource, since, ahead).take(window);
        if percent == 100 {
            let (count, most) =
                values.fold((0, f64::MIN), |(count, most), value| (count + 1, most.max(value)));
            return (count == window).then_some(most);
        }
        let mut values: Vec<f64> = values.collect();
        if values.len() < window {
            return None;
        }
        quantile_in(&mut values, f64::from(percent) / 100.0)
    }

    /// Whether that percentile is no more than `most`: most members use less than asks for anything, and to count is
    /// quicker than to put in order. `None` as there.
    pub(super) fn fits(
        &self,
        window: usize,
        resource: Resource,
        percent: u8,
        since: Mono,
        ahead: usize,
        most: f64,
    ) -> Option<bool> {
        if let Some(only) = self.only(window, since, ahead) {
            return only.value(resource).map(|value| value <= most);
        }
        let mut within = 0_usize;
        let mut counted = 0_usize;
        for value in self.newest(resource, since, ahead).take(window) {
            counted += 1;
            within += usize::from(value <= most);
        }
        let rank = rank(window, f64::from(percent) / 100.0)?;
        (counted == window).then_some(within > rank)
    }

    /// What was used, the newest first, after `since`, with `ahead` measurements like the newest one before them.
    fn newest(&self, resource: Resource, since: Mono, ahead: usize) -> impl Iterator<Item = f64> {
        let coming = std::iter::repeat_n(self.samples.back(), ahead).flatten();
        let young = self.samples.iter().rev().take_while(move |sample| sample.at > since);
        coming.chain(young).map_while(move |sample| sample.value(resource))
    }

    /// The newest measurement, where a window has no other: it is a window of one, or whatever followed is like it.
    fn only(&self, window: usize, since: Mono, ahead: usize) -> Option<&Sample> {
        let last = self.samples.back()?;
        (ahead >= window || window == 1 && last.at > since).then_some(last)
    }

    /// The most that was used in the newest `window` measurements.
    pub(super) fn most(&self, window: usize, resource: Resource, ahead: usize) -> Option<f64> {
        self.percentile(window, resource, 100, Mono::default(), ahead)
    }

    /// When it was measured last.
    pub(super) fn measured(&self) -> Option<Mono> {
        self.samples.back().map(|sample| sample.at)
    }

    /// How busy it said it was when it was measured last.
    pub(super) fn work(&self) -> Option<Work> {
        self.samples.back()?.work
    }
}
