//! The brain `scaling`: from what bodies use to the sizes they should have, and why. Pure.
//!
//! Theory: sizes are given here, numbers are only written down: repair adds and sees out, when that is
//! safe. A size follows the use in a window, in steps that double while they follow one another, between the
//! limits of the spec and of the host. More is given at once, because more never harms; less is taken only from a
//! lab that is well, and only so much that the same use does not ask for it back.
//!
//! Invariants: no size outside the spec's limits or the host's capacity; memory never below what is in use, nor
//! below the step PostgreSQL's shared memory stands on; disks never shrink; one restart at a time, and nobody's while
//! another is not well; the number of instances within its limits, the leader and whoever must confirm writes never
//! one too many; nothing is taken away while nobody leads, while a member is replaced, or from a body that
//! could not be measured; nothing at all in maintenance.

mod admit;
mod count;
mod expect;
mod measure;
mod restart;
mod size;
#[cfg(test)]
mod tests;
mod wait;
mod wal;
mod weigh;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decide::brain::{self, Brain};
use crate::decide::placement;
use crate::decide::waits::{Waits, beside};
use crate::model::control::{Alarm, AlarmKind, Bodies, Replacing};
use crate::model::inside::Inside;
use crate::model::scaling::{CountWish, Resource, ScalingPolicy, SizeWish, Usages};
use crate::model::sighting::PatroniSeen;
use crate::model::{ContainerStatus, HostName, LabSpec, Member, MemberId, Mono, Service, Sight, Size, Span};

pub use wait::Wait;

use expect::Expected;
use measure::Ring;

/// Pause after a step that failed; doubled with each.
const BACK_OFF: Span = Span::secs(1);
/// The longest such pause, as a power of two of the first.
const DOUBLINGS: u32 = 6;

/// A step that failed so often in a row needs a person.
const STUBBORN: u32 = 10;
/// An operator's wish that could not be fulfilled so often is refused.
const VAIN: u32 = 5;

/// What scaling is told once.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    /// The lab as declared: hosts and limits.
    pub spec: LabSpec,
    /// What the lab's owner allows.
    pub policy: ScalingPolicy,
}

/// What scaling knows at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Seen {
    /// When the look began.
    pub at: Mono,
    /// The engine's view, and who stands where with which size.
    pub bodies: Sight<Bodies>,
    /// What bodies use.
    pub usage: Sight<Usages>,
    /// What the store says.
    pub store: Sight<StoreSeen>,
    /// Instances, in the words of their Patroni.
    pub postgres: BTreeMap<MemberId, Sight<PatroniSeen>>,
    /// Instances and balancers, in their own words; who did not answer in time is left out.
    #[serde(default)]
    pub inside: BTreeMap<MemberId, Inside>,
}

/// What the store says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoreSeen {
    /// Who holds Patroni's leader key.
    pub leader: Option<MemberId>,
    /// Maintenance: Patroni and controllers only watch.
    pub maintenance: bool,
    /// What repair is replacing.
    pub replacing: Option<Replacing>,
    /// Sizes an operator wants.
    pub asked: BTreeMap<MemberId, Asked<SizeWish>>,
    /// How many bodies of a service an operator wants.
    #[serde(default)]
    pub counts: BTreeMap<Service, Asked<CountWish>>,
    /// Who may lead in a synchronous mode, leader included; `None` when writes are asynchronous.
    #[serde(default)]
    pub may_lead: Option<Vec<MemberId>>,
}

/// What an operator asks for, in the word that was seen: another may stand there by the time it is forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Asked<T> {
    /// What.
    pub wish: T,
    /// Revision that wrote it.
    pub revision: i64,
}

/// One deed of scaling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// A member gets another size, live. Guard: the size it has by the record is `from`.
    Resize {
        /// Whose.
        member: MemberId,
        /// What it is given.
        from: Size,
        /// What it is to be given.
        to: Size,
        /// The samples that led to it, in words.
        why: String,
    },
    /// PostgreSQL of a member restarts, because a setting waits for it.
    Restart {
        /// Whose.
        member: MemberId,
    },
    /// The leader hands over to a replica, and PostgreSQL starts anew as it becomes one itself.
    Handover {
        /// Who leads.
        member: MemberId,
        /// Who shall.
        to: MemberId,
    },
    /// The lab shall have another number of bodies of a service, or others shall leave. Guard: the record is at this
    /// version.
    Scale {
        /// Of which.
        service: Service,
        /// Version of the record this was decided by.
        generation: u64,
        /// How many.
        count: u32,
        /// Who is to leave.
        leaving: BTreeSet<MemberId>,
        /// What led to it, in words.
        why: String,
    },
    /// At every balancer: how many readers each host gets beside the others, for so long. Without another word
    /// they are alike again.
    Weigh {
        /// Weights of hosts, 1 to [`FULL_WEIGHT`](crate::model::lab::FULL_WEIGHT).
        weights: BTreeMap<HostName, u32>,
        /// How long they hold.
        hold: Span,
    },
    /// A balancer takes so many sessions on a port, and lets others wait.
    Admit {
        /// Which.
        member: MemberId,
        /// How many.
        sessions: u32,
    },
    /// The size an operator wanted is given, or cannot be. Guard: the wish is the one that was seen.
    Forget {
        /// Whose size.
        member: MemberId,
        /// Revision that wrote the wish.
        revision: i64,
    },
    /// The number an operator wanted is written down, or cannot be. Guard: the wish is the one that was seen.
    ForgetCount {
        /// Of which service.
        service: Service,
        /// Revision that wrote the wish.
        revision: i64,
    },
}

impl Step {
    /// Its name in journals, metrics and `stop-at`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Resize { .. } => "resize",
            Self::Restart { .. } => "restart",
            Self::Handover { .. } => "handover",
            Self::Scale { .. } => "scale",
            Self::Weigh { .. } => "weigh",
            Self::Admit { .. } => "admit",
            Self::Forget { .. } => "forget",
            Self::ForgetCount { .. } => "forget-count",
        }
    }

    /// What it is about: a member, or a service.
    #[must_use]
    pub fn subject(&self) -> &str {
        match self {
            Self::Resize { member, .. }
            | Self::Restart { member }
            | Self::Handover { member, .. }
            | Self::Admit { member, .. }
            | Self::Forget { member, .. } => member.as_str(),
            Self::Scale { service, .. } | Self::ForgetCount { service, .. } => service.as_str(),
            Self::Weigh { .. } => Service::Balancer.as_str(),
        }
    }
}

/// What scaling wants now.
pub type Decision = brain::Decision<Step, Memory>;

/// What scaling remembers between two looks. Empty after a restart: windows fill anew.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Memory {
    /// Measurements, by member.
    pub rings: BTreeMap<MemberId, Ring>,
    /// How many steps of a kind followed one another, and when the last one was, by member.
    pub streaks: BTreeMap<MemberId, size::Streaks>,
    /// When a size was changed last, by member and resource.
    #[serde(default)]
    pub changed: BTreeMap<MemberId, BTreeMap<Resource, Mono>>,
    /// When the number of a service's bodies was changed last.
    #[serde(default)]
    pub counted: BTreeMap<Service, Mono>,
    /// Weights at the balancers as they were told last, by member.
    #[serde(default)]
    pub weights: BTreeMap<MemberId, f64>,
    /// What is waited for, and since when.
    #[serde(default)]
    pub waits: Waits<Wait>,
    /// Steps that failed in a row, by subject, and when the last one did: for the back-off.
    pub failed: BTreeMap<String, (u32, Mono)>,
}

impl Brain for World {
    type Seen = Seen;
    type Step = Step;
    type Memory = Memory;
    type Kept = ();

    fn decide(&self, seen: &Seen, memory: Memory) -> Decision {
        scaling(self, seen, memory)
    }

    fn took(memory: &mut Memory, step: &Step, at: Mono, worked: bool) {
        if worked {
            memory.failed.remove(step.subject());
            if let Step::Scale { service, .. } = step {
                memory.counted.insert(*service, at);
            }
            if let Step::Resize { member, from, to, .. } = step {
                let changed = memory.changed.entry(member.clone()).or_default();
                let other = Resource::ALL.into_iter().filter(|one| size::differs(from, to, *one));
                changed.extend(other.map(|resource| (resource, at)));
            }
        } else {
            // what was not given is no step that others follow
            memory.streaks.retain(|member, _| member.as_str() != step.subject());
            let (times, when) = memory.failed.entry(step.subject().to_owned()).or_insert((0, at));
            (*times, *when) = (times.saturating_add(1), at);
        }
    }

    fn name(step: &Step) -> &'static str {
        step.name()
    }

    fn looked(seen: &Seen) -> Mono {
        seen.at
    }

    fn stop_at(&self) -> Option<&str> {
        self.policy.stop_at.as_deref()
    }

    fn never_stop(&mut self) {
        self.policy.stop_at = None;
    }
}

/// What must be done now.
#[must_use]
pub fn scaling(world: &World, seen: &Seen, mut memory: Memory) -> Decision {
    let still = |wait: Wait, reason: String, mut memory: Memory| {
        let (policy, again_in) = (&world.policy, world.policy.every);
        let alarms = memory.waits.hear(&[(wait, None)], seen.at, policy, again_in);
        let step = wait.word().to_owned();
        Decision { step, reason, alarms, memory, again_in, ..Decision::default() }
    };
    let bodies = match &seen.bodies {
        Sight::Seen(bodies) if !bodies.placed.is_empty() => bodies,
        Sight::Seen(_) => return still(Wait::Record, "the lab's record cannot be read".to_owned(), memory),
        Sight::Blind(why) => return still(Wait::Engine, format!("the engine cannot be seen: {why}"), memory),
    };
    let usage = match &seen.usage {
        Sight::Seen(usage) => usage,
        Sight::Blind(why) => return still(Wait::Usage, format!("nobody says what is used: {why}"), memory),
    };
    let store = match &seen.store {
        Sight::Seen(store) => store,
        Sight::Blind(why) => return still(Wait::Store, format!("the store cannot be seen: {why}"), memory),
    };
    measure::note(&mut memory.rings, usage, &seen.inside, &bodies.placed, &world.policy);
    if store.maintenance {
        return still(Wait::Maintenance, "maintenance: only watching".to_owned(), memory);
    }
    let mut draft = Draft {
        world,
        seen,
        bodies,
        store,
        usage,
        held: held(store),
        room: bodies.placed.clone(),
        expects: Vec::new(),
        waits: Vec::new(),
        out: Decision { memory, again_in: world.policy.every, ..Decision::default() },
    };
    count::count(&mut draft);
    draft.asked();
    for member in &bodies.placed {
        draft.member(member);
    }
    restart::restart(&mut draft);
    weigh::weigh(&mut draft);
    admit::admit(&mut draft);
    draft.finish()
}

/// Why nothing is taken away from anybody now; `None` when the lab is well as far as scaling can tell.
fn held(store: &StoreSeen) -> Option<String> {
    if store.leader.is_none() {
        return Some("nobody leads".to_owned());
    }
    store.replacing.as_ref().map(|word| {
        let deed = if word.by == word.member { "sees out" } else { "replaces" };
        format!("repair {deed} {}", word.member)
    })
}

/// Whether a member's size moves.
fn scales(member: &Member) -> bool {
    Service::SIZED.contains(&member.service)
}

/// A decision while it is made.
struct Draft<'a> {
    world: &'a World,
    seen: &'a Seen,
    bodies: &'a Bodies,
    store: &'a StoreSeen,
    usage: &'a Usages,
    /// Why nothing is taken away.
    held: Option<String>,
    /// Who stands where with which size, with what this decision gives them.
    room: Vec<Member>,
    /// What is expected to be wanted next.
    expects: Vec<Expected>,
    /// What is waited for, about whom.
    waits: Vec<(Wait, Option<MemberId>)>,
    out: Decision,
}

impl<'a> Draft<'a> {
    /// PostgreSQL members that do not leave the lab.
    fn stay(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.staying(Service::Postgres)
    }

    /// Members of a service that do not leave the lab.
    fn staying(&self, service: Service) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.bodies.staying(&self.bodies.placed, service)
    }

    /// Where scaling is and why; whoever speaks first is the one to be heard.
    fn say(&mut self, step: &str, subject: &str, reason: String) {
        if self.out.step.is_empty() {
            step.clone_into(&mut self.out.step);
            self.out.subject = MemberId::new(subject).ok();
            self.out.reason = reason;
        }
    }

    /// Nothing is done about a subject now, and why.
    fn wait(&mut self, wait: Wait, subject: &str, reason: String) {
        self.waits.push((wait, MemberId::new(subject).ok()));
        self.say(wait.word(), subject, reason);
    }

    /// Orders a step unless the last one for its subject failed a moment ago; whether it did.
    fn order(&mut self, step: Step, why: String) -> bool {
        if let Some((times, when)) = self.out.memory.failed.get(step.subject()).copied() {
            if times >= STUBBORN {
                let text =
                    format!("`{}` failed {STUBBORN} times in a row: the journal says why", step.name());
                let subject = MemberId::new(step.subject()).ok();
                self.out.alarms.push(Alarm::new(AlarmKind::DeedFails, subject.as_ref(), text));
            }
            let pause = BACK_OFF.0.saturating_mul(1 << (times.saturating_sub(1)).min(DOUBLINGS));
            if self.seen.at.since(when) < pause {
                return false;
            }
        }
        self.say(step.name(), step.subject(), why);
        self.out.steps.push(step);
        true
    }

    /// Orders a resize, and counts with it from then on.
    fn resize(&mut self, member: &Member, to: Size, why: String) -> bool {
        let step = Step::Resize { member: member.id.clone(), from: member.size, to, why: why.clone() };
        if !self.order(step, why) {
            return false;
        }
        if let Some(place) = self.room.iter_mut().find(|place| place.id == member.id) {
            place.size = to;
        }
        true
    }

    /// Whether what is wanted for a member has failed so often that it is refused: nobody is to be skipped for ever.
    fn vain(&self, id: &MemberId) -> bool {
        self.out.memory.failed.get(id.as_str()).is_some_and(|(times, _)| *times >= VAIN)
    }

    /// What operators want comes first, and then windows begin anew.
    fn asked(&mut self) {
        for (id, Asked { wish, revision }) in &self.store.asked {
            let forget = Step::Forget { member: id.clone(), revision: *revision };
            let placed = self.bodies.placed.iter().find(|member| member.id == *id && scales(member));
            let Some(member) = placed else {
                self.say(
                    "refuse",
                    id.as_str(),
                    "a size is wanted for it, and it is nobody who scales".to_owned(),
                );
                self.out.steps.push(forget);
                continue;
            };
            let to = wish.of(member.size);
            match placement::resizable(&self.world.spec, &self.room, member, &to) {
                Err(why) => {
                    self.say("refuse", id.as_str(), format!("an operator wants another size: {why}"));
                    self.out.steps.push(forget);
                }
                Ok(()) if to == member.size => self.out.steps.push(forget),
                Ok(()) if self.vain(id) => {
                    let text = format!(
                        "{id}: an operator wants another size, and it cannot be given: see the journal"
                    );
                    self.say("refuse", id.as_str(), text.clone());
                    self.out.alarms.push(Alarm::new(AlarmKind::SizeRefused, Some(id), text));
                    self.out.steps.push(forget);
                }
                Ok(()) => {
                    self.out.memory.rings.remove(id);
                    self.resize(member, to, "an operator asked for it".to_owned());
                }
            }
        }
    }

    /// The next size of one member.
    fn member(&mut self, member: &Member) {
        let id = &member.id;
        if !scales(member) || self.store.asked.contains_key(id) {
            return;
        }
        let [body] = self.bodies.members.get(id).map_or(&[][..], Vec::as_slice) else { return };
        if body.status != ContainerStatus::Running {
            return;
        }
        let Some(usage) = self.usage.get(id).filter(|usage| usage.container == body.id) else { return };
        let Some(ring) = self.out.memory.rings.get(id).cloned() else { return };
        let wal = self.seen.inside.get(id).and_then(|inside| inside.wal.as_ref());
        let leads = self.store.leader.as_ref() == Some(id);
        let held = wal.filter(|_| leads).and_then(|wal| wal::alarm(member, wal));
        self.out.alarms.extend(held.map(|text| Alarm::new(AlarmKind::WalHeld, Some(id), text)));
        let limits = size::Limits::of(&self.world.spec, &self.room, member);
        let asked = size::Question {
            policy: &self.world.policy,
            member,
            ring: &ring,
            wal,
            limits: &limits,
            streaks: self.out.memory.streaks.get(id),
            changed: self.out.memory.changed.get(id),
            held: self.held.as_deref(),
            at: self.seen.at,
            ahead: 0,
        };
        let change = size::next(&asked);
        if change.to == member.size {
            self.expects.extend(expect::expected(&asked));
        }
        let full = |text| Alarm::new(AlarmKind::DiskFull, Some(id), text);
        self.out.alarms.extend(change.alarms.into_iter().map(full));
        if change.to != member.size {
            if self.resize(member, change.to, change.why.join("; ")) {
                self.out.memory.streaks.entry(id.clone()).or_default().extend(change.streaks);
            }
        } else if let Some(differs) = usage.differs(&member.size) {
            // a change was cut short, or somebody made one. What is used comes first: a size that was written down
            // and not given may be too small by now
            self.resize(member, member.size, differs);
        } else if let Some((wait, why)) = change.waits {
            self.wait(wait, id.as_str(), why);
        }
    }

    fn finish(mut self) -> Decision {
        let policy = &self.world.policy;
        let late = self.out.memory.waits.hear(&self.waits, self.seen.at, policy, policy.every);
        beside(&mut self.out.alarms, late);
        if self.out.step.is_empty() {
            "watch".clone_into(&mut self.out.step);
            "every size fits what is used".clone_into(&mut self.out.reason);
        }
        let placed: Vec<&MemberId> = self.bodies.placed.iter().map(|member| &member.id).collect();
        self.out.memory.rings.retain(|member, _| placed.contains(&member));
        let services = Service::SIZED.map(Service::as_str);
        let known =
            |subject: &str| services.contains(&subject) || placed.iter().any(|id| id.as_str() == subject);
        self.out.memory.failed.retain(|subject, _| known(subject));
        self.out.memory.changed.retain(|member, _| placed.contains(&member));
        self.out.memory.streaks.retain(|member, _| placed.contains(&member));
        self.expects.sort_by_key(|expected| expected.after);
        self.out.expects = self.expects.into_iter().map(|expected| expected.said).collect();
        self.out
    }
}
