//! The next size of one member, resource by resource.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::measure::Ring;
use super::{Wait, wal};
use crate::decide::placement;
use crate::model::inside::Wal;
use crate::model::scaling::{Resource, Rule, ScalingPolicy, memory_step};
use crate::model::{Bytes, LabSpec, Member, Mono, Service, Size, Span};

/// No streak is longer: the step after it is the largest in any case.
const LONGEST_STREAK: u32 = 30;

/// Steps in one direction that followed one another, by resource.
pub(super) type Streaks = BTreeMap<Resource, Streak>;

/// Steps that followed one another: a step the other way ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Streak {
    /// Whether they gave more.
    up: bool,
    /// How many.
    times: u32,
    /// When the last one was decided.
    at: Mono,
}

/// What is asked about one member.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    /// The rules.
    pub policy: &'a ScalingPolicy,
    /// Who, and what it has.
    pub member: &'a Member,
    /// What it used.
    pub ring: &'a Ring,
    /// The WAL it keeps, where it says so.
    pub wal: Option<&'a Wal>,
    /// Between what it may move.
    pub limits: &'a Limits,
    /// Steps that followed one another.
    pub streaks: Option<&'a Streaks>,
    /// When its size changed last, by resource.
    pub changed: Option<&'a BTreeMap<Resource, Mono>>,
    /// Why nothing is taken away.
    pub held: Option<&'a str>,
    /// Now.
    pub at: Mono,
    /// So many measurements like the newest one are taken to have followed it.
    pub ahead: usize,
}

impl Question<'_> {
    /// When the member's size changed last in this.
    fn changed(&self, resource: Resource) -> Mono {
        self.changed.and_then(|changed| changed.get(&resource)).copied().unwrap_or_default()
    }

    /// A percentile of what is used in a window.
    fn used(&self, resource: Resource, up: bool, percent: u8) -> Option<f64> {
        // every step has a window of its own: what led to the last one does not lead to the next, and what was used
        // while it had another size says little about this one
        self.ring.percentile(self.policy, resource, up, percent, self.changed(resource), self.ahead)
    }
}

/// What comes of it.
pub(super) struct Change {
    /// The size it should have.
    pub to: Size,
    /// Why, a resource each.
    pub why: Vec<String>,
    /// What it lacks and does not get, and why.
    pub waits: Option<(Wait, String)>,
    /// What needs a person.
    pub alarms: Vec<String>,
    /// Streaks that go on.
    pub streaks: Vec<(Resource, Streak)>,
}

/// Between what a member's size may move.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Limits {
    /// Least, by the spec.
    min: Size,
    /// Most, by the spec.
    max: Size,
    /// What its host has for it.
    room: Size,
    /// Whether shared memory follows the memory.
    database: bool,
}

/// Sizes as plain numbers: cores and bytes.
#[expect(clippy::cast_precision_loss, reason = "whole mebibytes count")]
fn number(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

/// An amount as one of a size: cores to a hundredth, bytes to a mebibyte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are positive")]
fn set(size: &mut Size, resource: Resource, amount: f64) {
    let bytes = Bytes::mib((amount / number(Bytes::mib(1))).round() as u64);
    match resource {
        Resource::Cpu => size.cpus = (amount * 100.0).round() / 100.0,
        Resource::Memory => size.memory = bytes,
        Resource::Disk => size.disk = bytes,
    }
}

/// Whether two sizes give different amounts of a resource.
pub(super) fn differs(one: &Size, other: &Size, resource: Resource) -> bool {
    (amount(one, resource) - amount(other, resource)).abs() > f64::EPSILON
}

/// What a size gives of a resource.
pub(super) fn amount(size: &Size, resource: Resource) -> f64 {
    match resource {
        Resource::Cpu => size.cpus,
        Resource::Memory => number(size.memory),
        Resource::Disk => number(size.disk),
    }
}

impl Limits {
    /// The limits of `member`, everybody else having what `members` say.
    pub(super) fn of(spec: &LabSpec, members: &[Member], member: &Member) -> Self {
        let (min, max) = spec.limits(member.service).unwrap_or((member.size, member.size));
        Self {
            min,
            max,
            room: placement::room_for(spec, members, member),
            database: member.service == Service::Postgres,
        }
    }

    /// The most it can be given.
    pub(super) fn most(&self, resource: Resource) -> f64 {
        amount(&self.max, resource).min(amount(&self.room, resource))
    }
}

/// A rule in plain numbers.
pub(super) struct Plain {
    up_window: Span,
    down_window: Span,
    up_percentile: u8,
    down_percentile: u8,
    min_step: f64,
    max_step: f64,
    min_free: f64,
    min_free_share: f64,
}

impl Plain {
    pub(super) fn of(policy: &ScalingPolicy, resource: Resource) -> Self {
        match resource {
            Resource::Cpu => Self::new(&policy.cpu, |cores| cores),
            Resource::Memory => Self::new(&policy.memory, number),
            Resource::Disk => Self::new(&policy.disk, number),
        }
    }

    fn new<T: Copy>(rule: &Rule<T>, number: impl Fn(T) -> f64) -> Self {
        Self {
            up_window: rule.up_window,
            down_window: rule.down_window,
            up_percentile: rule.up_percentile,
            down_percentile: rule.down_percentile,
            min_step: number(rule.min_step),
            max_step: number(rule.max_step),
            min_free: number(rule.min_free),
            min_free_share: rule.min_free_share,
        }
    }

    /// What shall be free of so much.
    pub(super) fn free(&self, of: f64) -> f64 {
        self.min_free.max(of * self.min_free_share)
    }

    /// The most that may be used of so much when it was taken from more: half a step less than what would ask for it
    /// back, because what is used is never quite the same.
    pub(super) fn fits(&self, of: f64) -> f64 {
        of - self.free(of) - self.min_step / 2.0
    }

    /// The step after so many.
    fn step(&self, after: u32) -> f64 {
        (self.min_step * 2_f64.powi(i32::try_from(after).unwrap_or(i32::MAX))).min(self.max_step)
    }
}

/// The size one member should have next.
pub(super) fn next(asked: &Question<'_>) -> Change {
    let mut change = none(asked);
    for resource in Resource::ALL {
        change_one(asked, resource, &mut change);
    }
    change
}

/// What it should give of one resource next.
pub(super) fn next_of(asked: &Question<'_>, resource: Resource) -> f64 {
    let mut change = none(asked);
    change_one(asked, resource, &mut change);
    amount(&change.to, resource)
}

fn none(asked: &Question<'_>) -> Change {
    Change { to: asked.member.size, why: Vec::new(), waits: None, alarms: Vec::new(), streaks: Vec::new() }
}

fn change_one(asked: &Question<'_>, resource: Resource, change: &mut Change) {
    if !up(asked, resource, change) && resource != Resource::Disk {
        down(asked, resource, change);
    }
}

/// How many steps of a kind followed one another until now.
fn streak(asked: &Question<'_>, resource: Resource, up: bool, window: Span) -> u32 {
    // the next step needs a window of its own after this one was done, and may come a measurement late
    let together = window.0.saturating_mul(2).saturating_add(asked.policy.every.0);
    match asked.streaks.and_then(|streaks| streaks.get(&resource)) {
        Some(last) if last.up == up && asked.at.since(asked.changed(resource).max(last.at)) <= together => {
            last.times.min(LONGEST_STREAK)
        }
        _ => 0,
    }
}

/// Gives more where too little is free; whether it is too little.
fn up(asked: &Question<'_>, resource: Resource, change: &mut Change) -> bool {
    let (id, rule) = (&asked.member.id, Plain::of(asked.policy, resource));
    let given = amount(&asked.member.size, resource);
    let Some(used) = asked.used(resource, true, rule.up_percentile) else { return false };
    let free = rule.free(given);
    if used <= given - free {
        return false;
    }
    let mut said = format!(
        "{resource}: {} of {} used ({}th percentile of {}), {} shall be free",
        resource.words(used),
        resource.words(given),
        rule.up_percentile,
        rule.up_window,
        resource.words(free)
    );
    if let Some(work) = asked.ring.work().filter(|_| resource == Resource::Cpu) {
        // writing to a String cannot fail
        let _ = write!(said, ", {work}");
    }
    if let Some(wal) = asked.wal.filter(|_| resource == Resource::Disk) {
        said.push_str(&wal::words(wal));
    }
    let times = streak(asked, resource, true, rule.up_window);
    let to = (given + rule.step(times)).min(asked.limits.most(resource));
    set(&mut change.to, resource, to);
    if amount(&change.to, resource) > given {
        change.why.push(format!("{said}: {}", resource.words(to)));
        change.streaks.push((resource, Streak { up: true, times: times.saturating_add(1), at: asked.at }));
        return true;
    }
    set(&mut change.to, resource, given);
    let why = if given >= amount(&asked.limits.max, resource) { "its limit" } else { "all its host has" };
    if resource == Resource::Disk {
        change.alarms.push(format!("{id}: {said}, and that is {why}"));
    }
    let wait = if resource == Resource::Disk { Wait::Disk } else { Wait::Limit };
    change.waits = Some((wait, format!("{said}, and that is {why}")));
    true
}

/// Takes what is idle.
fn down(asked: &Question<'_>, resource: Resource, change: &mut Change) {
    let rule = Plain::of(asked.policy, resource);
    let given = amount(&asked.member.size, resource);
    let used = asked.used(resource, false, rule.down_percentile);
    let (Some(used), Some(most)) = (used, asked.ring.most(asked.policy, resource, asked.ahead)) else {
        return;
    };
    let fits = |to: f64| {
        let enough = to >= amount(&asked.limits.min, resource) && used.max(most) <= rule.fits(to);
        let same_step = resource != Resource::Memory
            || !asked.limits.database
            || to >= number(memory_step(asked.member.size.memory));
        enough && same_step
    };
    let times = streak(asked, resource, false, rule.down_window);
    let mut step = rule.step(times);
    while step > rule.min_step && !fits(given - step) {
        step /= 2.0;
    }
    let step = step.max(rule.min_step);
    if !fits(given - step) {
        return;
    }
    let said = format!(
        "{resource}: {} of {} used ({}th percentile of {})",
        resource.words(used),
        resource.words(given),
        rule.down_percentile,
        rule.down_window
    );
    if let Some(held) = asked.held {
        let why = format!("{said}, and nothing is taken away: {held}");
        change.waits.get_or_insert((Wait::Idle, why));
        return;
    }
    set(&mut change.to, resource, given - step);
    change.why.push(format!("{said}: {}", resource.words(given - step)));
    change.streaks.push((resource, Streak { up: false, times: times.saturating_add(1), at: asked.at }));
}
