//! The next size of one member, resource by resource.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::measure::Ring;
use crate::decide::placement;
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
pub(super) struct Question<'a> {
    /// The rules.
    pub policy: &'a ScalingPolicy,
    /// Who, and what it has.
    pub member: &'a Member,
    /// What it used.
    pub ring: &'a Ring,
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
}

impl Question<'_> {
    /// When the member's size changed last in this.
    fn changed(&self, resource: Resource) -> Mono {
        self.changed.and_then(|changed| changed.get(&resource)).copied().unwrap_or_default()
    }
}

/// What comes of it.
pub(super) struct Change {
    /// The size it should have.
    pub to: Size,
    /// Why, a resource each.
    pub why: Vec<String>,
    /// What it lacks and does not get, and why.
    pub waits: Option<String>,
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
fn amount(size: &Size, resource: Resource) -> f64 {
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
struct Plain {
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
    fn of(policy: &ScalingPolicy, resource: Resource) -> Self {
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
    fn free(&self, of: f64) -> f64 {
        self.min_free.max(of * self.min_free_share)
    }

    /// The step after so many.
    fn step(&self, after: u32) -> f64 {
        (self.min_step * 2_f64.powi(i32::try_from(after).unwrap_or(i32::MAX))).min(self.max_step)
    }
}

/// The size one member should have next.
pub(super) fn next(asked: &Question<'_>) -> Change {
    let mut change = Change {
        to: asked.member.size,
        why: Vec::new(),
        waits: None,
        alarms: Vec::new(),
        streaks: Vec::new(),
    };
    for resource in Resource::ALL {
        if !up(asked, resource, &mut change) && resource != Resource::Disk {
            down(asked, resource, &mut change);
        }
    }
    change
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
    // every step has a window of its own: what led to the last one does not lead to the next
    let since = asked.changed(resource);
    let Some(used) = asked.ring.percentile(asked.policy, resource, true, rule.up_percentile, since) else {
        return false;
    };
    let free = rule.free(given);
    if used <= given - free {
        return false;
    }
    let said = format!(
        "{resource}: {} of {} used ({}th percentile of {}), {} shall be free",
        resource.words(used),
        resource.words(given),
        rule.up_percentile,
        rule.up_window,
        resource.words(free)
    );
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
    change.waits = Some(format!("{said}, and that is {why}"));
    true
}

/// Takes what is idle.
fn down(asked: &Question<'_>, resource: Resource, change: &mut Change) {
    let rule = Plain::of(asked.policy, resource);
    let given = amount(&asked.member.size, resource);
    // what was used while it had another size says little about this one
    let since = asked.changed(resource);
    let used = asked.ring.percentile(asked.policy, resource, false, rule.down_percentile, since);
    let (Some(used), Some(most)) = (used, asked.ring.most(asked.policy, resource)) else { return };
    let fits = |to: f64| {
        // half a step more than it would ask for: what is used is never quite the same
        let wanted = used.max(most) + rule.free(to) + rule.min_step / 2.0;
        let enough = to >= amount(&asked.limits.min, resource) && wanted <= to;
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
        change.waits.get_or_insert(format!("{said}, and nothing is taken away: {held}"));
        return;
    }
    set(&mut change.to, resource, given - step);
    change.why.push(format!("{said}: {}", resource.words(given - step)));
    change.streaks.push((resource, Streak { up: false, times: times.saturating_add(1), at: asked.at }));
}
