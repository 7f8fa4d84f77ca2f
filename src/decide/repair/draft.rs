//! A decision while it is made: what holds for every step, whoever wants it.
//!
//! Invariants: at most one disruptive step; a step that failed waits twice as long each time; a step that
//! worked is not ordered again within a second; whatever is not wrong any more is forgotten.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Decision, Memory, Seen, Step, StoreSeen, World};
use crate::model::control::{Bodies, Budget};
use crate::model::sighting::BodySeen;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Service, Span};

/// Pause after the first failure of a step; doubled with each.
const BACK_OFF: Duration = Duration::from_millis(200);
/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(5);
/// Volumes that could not be removed so often are left to whoever takes the lab down.
const VAIN: u32 = 5;
/// The same step is not repeated sooner.
pub(super) const REPEAT: Duration = Duration::from_secs(1);

/// What is decided so far.
pub(super) struct Draft<'a> {
    /// Who stands where, and what is allowed.
    pub world: &'a World,
    /// The look.
    pub seen: &'a Seen,
    /// The engine's part of it.
    pub bodies: &'a Bodies,
    /// The store's part of it.
    pub store: &'a StoreSeen,
    /// Who stands where: by the lab's record, or as planned while nobody could read it.
    pub members: &'a [Member],
    /// What comes of it.
    pub out: Decision,
    /// Whether a synchronous standby is about to go, so that another must be named.
    pub spares: bool,
    wrong: BTreeSet<MemberId>,
}

impl<'a> Draft<'a> {
    /// Nothing decided yet.
    pub fn new(
        world: &'a World,
        seen: &'a Seen,
        bodies: &'a Bodies,
        store: &'a StoreSeen,
        memory: Memory,
    ) -> Self {
        let out = Decision { memory, again_in: world.policy.every, ..Decision::default() };
        let members = bodies.placed_or(&world.members);
        Self { world, seen, bodies, store, members, out, spares: false, wrong: BTreeSet::new() }
    }

    /// Where repair is and why; whoever speaks first is the one to be heard.
    pub fn say(&mut self, step: &str, subject: Option<&MemberId>, reason: impl Into<String>) {
        if self.out.step.is_empty() {
            step.clone_into(&mut self.out.step);
            self.out.subject = subject.cloned();
            self.out.reason = reason.into();
        }
    }

    /// Nothing of what was wanted and said so far.
    pub fn afresh(&mut self) {
        self.out.steps.clear();
        self.out.step.clear();
    }

    /// Something for a person.
    pub fn alarm(&mut self, text: impl Into<String>) {
        self.out.alarms.push(text.into());
    }

    /// Look again no later than in `span`.
    pub fn soon(&mut self, span: Duration) {
        self.out.again_in = self.out.again_in.min(Span(span));
    }

    /// Whether something has been wrong with `member` in this way for as long as `grace`.
    pub fn lasts(&mut self, member: &MemberId, what: &str, grace: Span) -> bool {
        let now = self.seen.at;
        self.wrong.insert(member.clone());
        let entry = self.out.memory.since.entry(member.clone()).or_insert_with(|| (what.to_owned(), now));
        if entry.0 != what {
            *entry = (what.to_owned(), now);
        }
        let so_far = now.since(entry.1);
        if so_far < grace.0 {
            let rest = grace.0.saturating_sub(so_far);
            self.soon(rest);
        }
        so_far >= grace.0
    }

    /// For how long the trouble that was named last has been so with `member`.
    pub fn lasting(&self, member: &MemberId) -> Option<Duration> {
        self.out.memory.since.get(member).map(|(_, since)| self.seen.at.since(*since))
    }

    /// Whether something was found to be wrong with `member` in this look.
    pub fn is_wrong(&self, member: &MemberId) -> bool {
        self.wrong.contains(member)
    }

    /// Whether `step` may be ordered now.
    pub fn may(&self, step: &Step) -> bool {
        let (now, key) = (self.seen.at, step.key());
        if let Some((times, when)) = self.out.memory.failed.get(&key) {
            let doubled = BACK_OFF.saturating_mul(1 << times.saturating_sub(1).min(10));
            if now.since(*when) < doubled.min(LONGEST) {
                return false;
            }
        }
        // doors are repeated by the rule of `doors` and with a fence
        let door = matches!(step, Step::Open { .. } | Step::Close { .. });
        let fresh = self.out.memory.done.get(&key).is_some_and(|when| now.since(*when) < REPEAT);
        let second = step.disruptive() && self.out.steps.iter().any(Step::disruptive);
        !second && (door || !fresh)
    }

    /// Orders `step` if it may be ordered now; says whether it was.
    pub fn order(&mut self, step: Step) -> bool {
        let may = self.may(&step);
        if may {
            self.out.steps.push(step);
        } else {
            self.soon(BACK_OFF);
        }
        may
    }

    /// Containers of a member; more than one, or none, proves nothing.
    pub fn containers(&self, member: &MemberId) -> &'a [BodySeen] {
        self.bodies.members.get(member).map_or(&[], Vec::as_slice)
    }

    /// Whether the sandbox of `host` is known to be in this state of running; `None`: nobody knows.
    pub fn host_runs(&self, host: &HostName) -> Option<bool> {
        self.bodies.hosts.get(host).map(|sandbox| sandbox.status == ContainerStatus::Running)
    }

    /// Whether a member holds the leader key.
    pub fn holds(&self, member: &MemberId) -> bool {
        self.store.leader.as_ref().is_some_and(|key| key.member == *member)
    }

    /// The host of a member.
    pub fn host(&self, member: &MemberId) -> Option<&'a HostName> {
        let placed = self.members.iter().find(|placed| placed.id == *member);
        placed.map(|placed| &placed.host).or_else(|| self.containers(member).first().map(|body| &body.host))
    }

    /// Whether a PostgreSQL other than this one runs, as far as the engine shows.
    pub fn another_runs(&self, member: &MemberId) -> bool {
        let others = self.members.iter().filter(|other| other.service == Service::Postgres);
        others.filter(|other| other.id != *member).any(
            |other| matches!(self.containers(&other.id), [body] if body.status == ContainerStatus::Running),
        )
    }

    /// PostgreSQL members that do not leave the lab.
    pub fn stay(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.staying(Service::Postgres)
    }

    /// Members of a service that do not leave the lab.
    pub fn staying(&self, service: Service) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.bodies.staying(self.members, service)
    }

    /// How many members of a service there should be.
    pub fn wanted(&self, service: Service) -> usize {
        self.bodies.wanted(&self.world.spec, service) as usize
    }

    /// That no more replacements may be begun, while that is so.
    pub fn spent(&self) -> Option<String> {
        let Budget { max, per } = self.world.policy.replacements;
        let lately = self.out.memory.replaced.len();
        (lately >= max as usize).then(|| format!("the budget of replacements is spent ({max} in {per})"))
    }

    /// The volumes of a member that has left go, and then the word of the replacement it was part of, which stands under
    /// the name of `old`. What holds volumes fast keeps nobody else from being replaced.
    pub fn let_go(&mut self, left: &MemberId, old: &MemberId) {
        let discard = Step::Discard { member: left.clone() };
        let vain = self.failures(&discard) >= VAIN;
        if vain {
            self.alarm(format!("the volumes of {left} cannot be removed: they stay until the lab goes"));
        }
        if vain || self.order(discard) {
            self.order(Step::Forget { member: old.clone() });
        }
    }

    /// How often a step failed in a row.
    pub fn failures(&self, step: &Step) -> u32 {
        self.out.memory.failed.get(&step.key()).map_or(0, |(times, _)| *times)
    }

    /// The decision.
    pub fn finish(mut self) -> Decision {
        self.say("watch", None, "nothing to do");
        let (now, budget, wrong) = (self.seen.at, self.world.policy.starts.per.0, &self.wrong);
        let memory = &mut self.out.memory;
        memory.since.retain(|member, _| wrong.contains(member));
        memory.starts.retain(|when| now.since(*when) < budget);
        let window = self.world.policy.replacements.per.0;
        memory.replaced.retain(|when| now.since(*when) < window);
        memory.lives.retain(|_, lives| {
            lives.retain(|when| now.since(*when) < budget);
            !lives.is_empty()
        });
        memory.done.retain(|_, when| now.since(*when) < REPEAT);
        self.out
    }
}

/// Whether a body in this state has no process and gets none unless somebody starts it.
pub(super) const fn lies(status: ContainerStatus) -> bool {
    matches!(status, ContainerStatus::Created | ContainerStatus::Exited | ContainerStatus::Dead)
}
