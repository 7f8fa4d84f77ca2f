//! The next size of one member, resource by resource.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::measure::Ring;
use super::wait::ScalingWait;
use super::wal;
use super::windows::Windows;
use crate::decide::placement::Rooms;
use crate::model::scaling::{Resource, ScalingPolicy, ScalingRule, memory_step};
use crate::model::self_report::Wal;
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
pub(super) struct SizeQuestion<'a> {
    /// The rules.
    pub policy: &'a ScalingPolicy,
    /// How many measurements make a window.
    pub windows: &'a Windows,
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

impl SizeQuestion<'_> {
    /// When the member's size changed last in this.
    fn changed(&self, resource: Resource) -> Mono {
        self.changed.and_then(|changed| changed.get(&resource)).copied().unwrap_or_default()
    }

    /// Whether a percentile of what is used in the window for more is no more than `most`.
    fn fits(&self, resource: Resource, percent: u8, most: f64) -> Option<bool> {
        let window = self.windows.of_resource(resource, true);
        self.ring.fits(window, resource, percent, self.changed(resource), self.ahead, most)
    }

    /// A percentile of what is used in a window.
    fn used(&self, resource: Resource, up: bool, percent: u8) -> Option<f64> {
        // every step has a window of its own: what led to the last one does not lead to the next, and what was used
        // while it had another size says little about this one
        let window = self.windows.of_resource(resource, up);
        self.ring.percentile(window, resource, percent, self.changed(resource), self.ahead)
    }
}

/// What comes of it.
pub(super) struct SizeChange {
    /// The size it should have.
    pub to: Size,
    /// Why, a resource each.
    pub why: Vec<String>,
    /// What it lacks and does not get, and why.
    pub waits: Option<(ScalingWait, String)>,
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
fn number(bytes: Bytes) -> f64 {
    bytes.0 as f64
}

/// A size with an amount: cores to a hundredth, bytes to a mebibyte.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are positive")]
fn set(size: Size, resource: Resource, amount: f64) -> Size {
    let bytes = || Bytes::mib((amount / number(Bytes::mib(1))).round() as u64);
    match resource {
        Resource::Cpu => Size { cpus: (amount * 100.0).round() / 100.0, ..size },
        Resource::Memory => Size { memory: bytes(), ..size },
        Resource::Disk => Size { disk: bytes(), ..size },
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
    /// The limits of `member`, all others having what `rooms` counted.
    pub(super) fn of(spec: &LabSpec, rooms: &Rooms<'_>, member: &Member) -> Self {
        let (min, max) = spec.limits(member.service).unwrap_or((member.size, member.size));
        Self { min, max, room: rooms.of(member), database: member.service == Service::Postgres }
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

    fn new<T: Copy>(rule: &ScalingRule<T>, number: impl Fn(T) -> f64) -> Self {
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

/// What is wanted of one resource.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    /// It fits what is used.
    Stays,
    /// Too little is free, of so much used; so much is to be given after so many steps.
    More { used: f64, to: f64, times: u32 },
    /// Too little is free, and there is no more.
    Full { used: f64 },
    /// So much is idle that so much less does.
    Less { used: f64, to: f64, times: u32 },
}

/// What is wanted of every resource.
#[derive(Clone, Copy, Debug)]
pub(super) struct SizeWants {
    cpu: Want,
    memory: Want,
    disk: Want,
    /// Whether something may be taken away.
    gives_back: bool,
}

impl SizeWants {
    /// Of one member, by what it used.
    pub(super) fn of(asked: &SizeQuestion<'_>) -> Self {
        let of = |resource| want(asked, resource);
        let gives_back = asked.held.is_none();
        Self { cpu: of(Resource::Cpu), memory: of(Resource::Memory), disk: of(Resource::Disk), gives_back }
    }

    /// Whether cores or memory are to change, and the disk is not.
    pub(super) fn move_all_but_the_disk(&self) -> bool {
        let moves = |want: &Want| match want {
            Want::More { .. } => true,
            Want::Less { .. } => self.gives_back,
            Want::Stays | Want::Full { .. } => false,
        };
        (moves(&self.cpu) || moves(&self.memory)) && !moves(&self.disk)
    }
}

/// The size one member should have next.
pub(super) fn next(asked: &SizeQuestion<'_>, wants: &SizeWants) -> SizeChange {
    with(asked, Resource::Disk, wants.disk, next_but_disk(asked, wants))
}

/// The same, of its disk alone.
pub(super) fn next_disk(asked: &SizeQuestion<'_>) -> SizeChange {
    with(asked, Resource::Disk, want(asked, Resource::Disk), none(asked))
}

/// The same, of everything but its disk.
pub(super) fn next_but_disk(asked: &SizeQuestion<'_>, wants: &SizeWants) -> SizeChange {
    let cpu = with(asked, Resource::Cpu, wants.cpu, none(asked));
    with(asked, Resource::Memory, wants.memory, cpu)
}

/// What it should give of one resource next.
pub(super) fn next_of(asked: &SizeQuestion<'_>, resource: Resource) -> f64 {
    let given = amount(&asked.member.size, resource);
    match want(asked, resource) {
        Want::More { to, .. } => amount(&set(asked.member.size, resource, to), resource),
        Want::Less { to, .. } if asked.held.is_none() => {
            amount(&set(asked.member.size, resource, to), resource)
        }
        Want::Stays | Want::Full { .. } | Want::Less { .. } => given,
    }
}

fn none(asked: &SizeQuestion<'_>) -> SizeChange {
    SizeChange {
        to: asked.member.size,
        why: Vec::new(),
        waits: None,
        alarms: Vec::new(),
        streaks: Vec::new(),
    }
}

/// A change with what is wanted of one resource.
fn with(asked: &SizeQuestion<'_>, resource: Resource, want: Want, mut change: SizeChange) -> SizeChange {
    let streak = |up, times: u32| (resource, Streak { up, times: times.saturating_add(1), at: asked.at });
    match want {
        Want::Stays => {}
        Want::More { used, to, times } => {
            change.to = set(change.to, resource, to);
            change.why.push(format!("{}: {}", short(asked, resource, used), resource.words(to)));
            change.streaks.push(streak(true, times));
        }
        Want::Full { used } => {
            let given = amount(&asked.member.size, resource);
            let most = amount(&asked.limits.max, resource);
            let why = if given >= most { "its limit" } else { "all its host has" };
            let said = format!("{}, and that is {why}", short(asked, resource, used));
            if resource == Resource::Disk {
                change.alarms.push(format!("{}: {said}", asked.member.id));
            }
            let wait = if resource == Resource::Disk { ScalingWait::Disk } else { ScalingWait::Limit };
            change.waits = Some((wait, said));
        }
        Want::Less { used, to, times } => {
            let said = idle(asked, resource, used);
            if let Some(held) = asked.held {
                let why = format!("{said}, and nothing is taken away: {held}");
                change.waits.get_or_insert((ScalingWait::Idle, why));
            } else {
                change.to = set(change.to, resource, to);
                change.why.push(format!("{said}: {}", resource.words(to)));
                change.streaks.push(streak(false, times));
            }
        }
    }
    change
}

fn want(asked: &SizeQuestion<'_>, resource: Resource) -> Want {
    match more(asked, resource) {
        Want::Stays if resource != Resource::Disk => less(asked, resource),
        more => more,
    }
}

/// How many steps of a kind followed one another until now.
fn streak(asked: &SizeQuestion<'_>, resource: Resource, up: bool, window: Span) -> u32 {
    // the next step needs a window of its own after this one was done, and may come a measurement late
    let together = window.0.saturating_mul(2).saturating_add(asked.policy.every.0);
    match asked.streaks.and_then(|streaks| streaks.get(&resource)) {
        Some(last) if last.up == up && asked.at.since(asked.changed(resource).max(last.at)) <= together => {
            last.times.min(LONGEST_STREAK)
        }
        _ => 0,
    }
}

/// More where too little is free.
fn more(asked: &SizeQuestion<'_>, resource: Resource) -> Want {
    let rule = Plain::of(asked.policy, resource);
    let given = amount(&asked.member.size, resource);
    if asked.fits(resource, rule.up_percentile, given - rule.free(given)) != Some(false) {
        return Want::Stays;
    }
    let Some(used) = asked.used(resource, true, rule.up_percentile) else { return Want::Stays };
    let times = streak(asked, resource, true, rule.up_window);
    let to = (given + rule.step(times)).min(asked.limits.most(resource));
    if amount(&set(asked.member.size, resource, to), resource) > given {
        Want::More { used, to, times }
    } else {
        Want::Full { used }
    }
}

/// Less where so much is idle.
fn less(asked: &SizeQuestion<'_>, resource: Resource) -> Want {
    let rule = Plain::of(asked.policy, resource);
    let given = amount(&asked.member.size, resource);
    let least = amount(&asked.limits.min, resource);
    // most members stand on their least, or use what they have: nothing else is asked of their windows
    if given - rule.min_step < least {
        return Want::Stays;
    }
    let window = asked.windows.of_resource(resource, true);
    let Some(most) = asked.ring.most(window, resource, asked.ahead) else { return Want::Stays };
    if most > rule.fits(given - rule.min_step) {
        return Want::Stays;
    }
    let Some(used) = asked.used(resource, false, rule.down_percentile) else { return Want::Stays };
    let fits = |to: f64| {
        let enough = to >= least && used.max(most) <= rule.fits(to);
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
    let to = given - step.max(rule.min_step);
    if fits(to) { Want::Less { used, to, times } } else { Want::Stays }
}

/// What is short, in words.
fn short(asked: &SizeQuestion<'_>, resource: Resource, used: f64) -> String {
    let rule = Plain::of(asked.policy, resource);
    let given = amount(&asked.member.size, resource);
    let mut said = format!(
        "{resource}: {} of {} used ({}th percentile of {}), {} shall be free",
        resource.words(used),
        resource.words(given),
        rule.up_percentile,
        rule.up_window,
        resource.words(rule.free(given))
    );
    if let Some(work) = asked.ring.work().filter(|_| resource == Resource::Cpu) {
        // writing to a String cannot fail
        let _ = write!(said, ", {work}");
    }
    if let Some(wal) = asked.wal.filter(|_| resource == Resource::Disk) {
        said.push_str(&wal::words(wal));
    }
    said
}

/// What is idle, in words.
fn idle(asked: &SizeQuestion<'_>, resource: Resource, used: f64) -> String {
    let rule = Plain::of(asked.policy, resource);
    format!(
        "{resource}: {} of {} used ({}th percentile of {})",
        resource.words(used),
        resource.words(amount(&asked.member.size, resource)),
        rule.down_percentile,
        rule.down_window
    )
}
