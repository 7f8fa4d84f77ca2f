//! The real loop of the scaling controller against a lab in memory: virtual time, one seed, loads that come and
//! go, and trouble at every call: crashes, answers that are lost before and after the effect, changes cut in half,
//! old views, doubled orders, bodies made anew, limits somebody else set, restarts that take long, sizes that are given
//! later, wishes that are refused, a balancer that hears nothing.
//!
//! What must always hold is asserted where an effect happens; in the end every size fits its load and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use pgha::control::{Deeds, Failed, JournalEntry, LateAnswer, conduct};
use pgha::decide::brain::{Brain, StepOutcome};
use pgha::decide::placement;
use pgha::decide::scaling::{
    Concern, OperatorWish, ScalingDecision, ScalingMemory, ScalingSeen, ScalingStep, ScalingStoreSeen,
    ScalingWorld, scaling,
};
use pgha::model::control::{Bodies, Replacing, Token};
use pgha::model::lab::{Desired, FULL_WEIGHT, Range};
use pgha::model::scaling::{CountWish, DiskUsage, ScalingPolicy, SizeWish, Usage, memory_step};
use pgha::model::self_report::{SelfReport, sessions};
use pgha::model::sighting::{BodySeen, PatroniSeen};
use pgha::model::{Bytes, ContainerStatus, LabSpec, Lsn, Member, MemberId, Mono, Service, Sight, Size, Span};
use pgha::spec::lab::{Layer, resolve};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::time::{Timed, Turn, Until, play, seeds};

/// Milliseconds of one turn of the simulation.
const TICK: u64 = 20;
/// Trouble and changes of the load end here, milliseconds.
const CALM: u64 = 60_000;
/// The end: by then everything has been still for longer than any window.
const END: u64 = 180_000;
/// Nothing changes any more from here on.
const STILL: u64 = 155_000;
/// A lease, milliseconds.
const LEASE: u64 = 4_000;
/// What was asked for before the trouble ended has been decided anew by then; from here on a disk that fills, a wish
/// that is refused and a balancer that hears nothing stand beside each other.
const LAST: u64 = 106_000;
/// A disk that fills, and may grow, has grown by then, milliseconds.
const GROWS: u64 = 8_000;
/// A word about weights holds for three measurements, and is repeated before that, milliseconds.
const HOLDS: u64 = 3_000;
/// A replica that crashed.
const DEAD: usize = usize::MAX;
/// Between two looks of the active controller there is no more, milliseconds.
const LOOKS: u64 = 3_000;

/// Brains and hands that do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// A refused wish is kept for ever.
    KeepsWishes,
    /// No disk grows while a wish stands or something of the member failed.
    SkipsDisks,
    /// While a balancer hears nothing, none is told.
    TellsAllOrNone,
    /// A step waits until what it asked for has ended.
    Waits,
    /// What is not done after all is not listened to.
    Deaf,
    /// The record is written, the body never held to it, and the answer is "done".
    NotApplied,
    /// Whatever is ordered is done, by whomever and from whatever size.
    Unchecked,
}

/// The brain, or one that does it wrong.
struct Brains {
    world: ScalingWorld,
    mutant: Mutant,
}

impl Brain for Brains {
    type Seen = ScalingSeen;
    type Step = ScalingStep;
    type Memory = ScalingMemory;
    type Kept = ();

    fn decide(&self, seen: &ScalingSeen, memory: ScalingMemory) -> ScalingDecision {
        let mut decision = scaling(&self.world, seen, memory);
        let asked = seen.store.seen().map(|store| store.asked.clone()).unwrap_or_default();
        let grows =
            |step: &ScalingStep| matches!(step, ScalingStep::Resize { from, to, .. } if to.disk > from.disk);
        let failed = decision.memory.notes.failed.clone();
        match self.mutant {
            Mutant::KeepsWishes => decision.steps.retain(|step| !matches!(step, ScalingStep::Forget { .. })),
            Mutant::SkipsDisks => decision.steps.retain(|step| {
                let id = step.subject();
                !grows(step) || !asked.contains_key(&id) && !failed.contains_key(&(Concern::Size, id))
            }),
            Mutant::TellsAllOrNone => {
                let deaf = failed.keys().any(|(concern, _)| *concern == Concern::Weights);
                decision.steps.retain(|step| !deaf || !matches!(step, ScalingStep::Weigh { .. }));
            }
            _ => {}
        }
        decision
    }

    fn took(memory: &mut ScalingMemory, step: &ScalingStep, at: Mono, outcome: &StepOutcome) {
        ScalingWorld::took(memory, step, at, outcome);
    }

    fn goes_on(step: &ScalingStep, since_look: std::time::Duration) -> bool {
        ScalingWorld::goes_on(step, since_look)
    }

    fn name(step: &ScalingStep) -> &'static str {
        ScalingWorld::name(step)
    }

    fn looked(seen: &ScalingSeen) -> Mono {
        seen.at
    }

    fn stop_at(&self) -> Option<&str> {
        None
    }

    fn never_stop(&mut self) {}
}

/// One body.
struct Machine {
    container: u32,
    held: Size,
    wants: (f64, u64, u64),
    cpu_ns: u64,
    throttled_ns: u64,
    /// The memory step its PostgreSQL has started on.
    step: Bytes,
    /// Until when it restarts.
    restarts: Option<u64>,
    /// Since when its disk is short of space and may grow.
    short: Option<u64>,
}

impl Machine {
    fn of(member: &Member) -> Self {
        Self {
            container: 1,
            held: member.size,
            wants: (0.2, 64, 100),
            cpu_ns: 0,
            throttled_ns: 0,
            step: memory_step(member.size.memory),
            restarts: None,
            short: None,
        }
    }
}

/// What was reached, so that a run in which nothing happened proves nothing.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    resizes: u32,
    restarts: u32,
    numbers: u32,
    more_balancers: u32,
    fewer_balancers: u32,
    refused: u32,
    weighed: u32,
    late: u32,
}

impl Done {
    fn reached(&self) -> [u32; 8] {
        let Self { resizes, restarts, numbers, more_balancers, fewer_balancers, refused, weighed, late } =
            *self;
        [resizes, restarts, numbers, more_balancers, fewer_balancers, refused, weighed, late]
    }
}

struct Lab {
    now: u64,
    chance: ChaCha8Rng,
    mutant: Mutant,
    spec: LabSpec,
    members: Vec<Member>,
    machines: BTreeMap<MemberId, Machine>,
    active: Option<(usize, i64, u64)>,
    revision: i64,
    leader: Option<MemberId>,
    replacing: bool,
    maintenance: bool,
    /// How many of a service there should be, who is to leave, and the version of the record that says so.
    wanted: BTreeMap<Service, u32>,
    leaving: BTreeSet<MemberId>,
    generation: u64,
    /// How many an operator wants.
    wishes: BTreeMap<Service, (u32, i64)>,
    /// Which size an operator wants.
    sizes: BTreeMap<MemberId, (SizeWish, i64)>,
    /// Of whom it is wanted again and again.
    insists: Option<MemberId>,
    /// The numbers of the newest names, and when repair is through with what it does about the number.
    newest: BTreeMap<Service, u32>,
    through: Option<u64>,
    /// Sessions balancers take on a port; `None` while the ports of one differ.
    takes: BTreeMap<MemberId, Option<u32>>,
    /// A balancer that hears nothing, and when each of them heard of weights last, and whether these were uneven.
    deaf: Option<MemberId>,
    heard: BTreeMap<MemberId, (u64, bool)>,
    /// What was asked for and comes later.
    later: Vec<LaterDeed>,
    /// What comes later and is not done, and the replica that asked for it: until it hears of it, and until it says so.
    late: Vec<(usize, LateAnswer<ScalingStep>)>,
    untold: Vec<(Mono, Mono)>,
    /// When the active controller looked last.
    looked: u64,
    earlier: Option<ScalingSeen>,
    broken: Option<String>,
    done: Done,
}

/// A deed that goes on behind its step.
struct LaterDeed {
    replica: usize,
    began: u64,
    due: u64,
    step: ScalingStep,
    token: Token,
}

/// A name of the kind that is wanted here.
fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

fn nanos(cores: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds of a tick")]
    let nanos = (cores * 1e6 * TICK as f64) as u64;
    nanos
}

impl Lab {
    fn new(seed: u64, mutant: Mutant, spec: &LabSpec) -> Self {
        let member = |id: &str, service, host: usize| Member {
            id: name(id),
            service,
            host: spec.hosts[host].name.clone(),
            size: spec.start_size(service),
        };
        let members = vec![
            member("postgres-1", Service::Postgres, 0),
            member("postgres-2", Service::Postgres, 1),
            member("balancer-1", Service::Balancer, 0),
            member("balancer-2", Service::Balancer, 1),
        ];
        let machines = members.iter().map(|member| (member.id.clone(), Machine::of(member))).collect();
        let most = Some(spec.balancers.maxconn);
        let takes = ["balancer-1", "balancer-2"].map(|id| (name(id), most));
        Self {
            now: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            mutant,
            spec: spec.clone(),
            members,
            machines,
            active: None,
            revision: 0,
            leader: Some(name("postgres-1")),
            replacing: false,
            maintenance: false,
            wanted: Service::SIZED.map(|service| (service, 2)).into(),
            leaving: BTreeSet::new(),
            generation: 1,
            wishes: BTreeMap::new(),
            sizes: BTreeMap::new(),
            insists: None,
            newest: Service::SIZED.map(|service| (service, 2)).into(),
            through: None,
            takes: takes.into(),
            deaf: None,
            heard: BTreeMap::new(),
            later: Vec::new(),
            late: Vec::new(),
            untold: Vec::new(),
            looked: 0,
            earlier: None,
            broken: None,
            done: Done::default(),
        }
    }

    fn tick(&mut self) {
        self.now += TICK;
        let ids: Vec<MemberId> = self.machines.keys().cloned().collect();
        if self.now < CALM {
            let one = ids[self.chance.random_range(0..ids.len())].clone();
            let machine = self.machines.get_mut(&one).expect("a machine");
            match self.chance.random_range(0..1_500) {
                0..6 => {
                    let cores = f64::from(self.chance.random_range(0..40_u32)) / 10.0;
                    let (memory, disk) =
                        (self.chance.random_range(32..1_500), self.chance.random_range(50..2_000));
                    machine.wants = (cores, memory, disk);
                }
                6 => {
                    // made anew by somebody: it counts from nothing, on the limits of the record
                    machine.container += 1;
                    (machine.cpu_ns, machine.throttled_ns) = (0, 0);
                    let size = self.members.iter().find(|member| member.id == one).expect("placed").size;
                    machine.held = Size { disk: machine.held.disk, ..size };
                    machine.step = memory_step(size.memory);
                }
                7 => machine.held.cpus = 0.25,
                8 => self.leader = if self.leader.is_none() { self.somebody() } else { None },
                9 => self.replacing = !self.replacing,
                10 => self.maintenance = !self.maintenance,
                11 => {
                    self.revision += 1;
                    let service = Service::SIZED[self.chance.random_range(0..2)];
                    self.wishes.insert(service, (self.chance.random_range(1..=5), self.revision));
                }
                12 => self.wish(one),
                13 => self.deaf = if self.deaf.is_none() { self.balancer() } else { None },
                14 => {
                    // balancers are as busy as they can be, or idle, all of them
                    let cores = if self.chance.random_bool(0.5) { 4.0 } else { 0.1 };
                    let balancers = self.machines.iter_mut().filter(|(id, _)| id.as_str().starts_with('b'));
                    balancers.for_each(|(_, machine)| machine.wants.0 = cores);
                }
                _ => {}
            }
        } else {
            if self.leader.is_none() {
                self.leader = self.somebody();
            }
            (self.replacing, self.maintenance) = (false, false);
        }
        match self.now {
            CALM => self.deaf = None,
            LAST => self.deaf = self.balancer(),
            _ => {}
        }
        if self.now == LAST + 2_000 {
            self.fill();
        }
        // asked for again and again, what is refused is always there
        if let Some(id) =
            self.insists.clone().filter(|_| self.now < LAST + 12_000 && self.now.is_multiple_of(300))
        {
            self.wants_less(id);
        }
        if !self.untold.is_empty() {
            self.break_("what was not done after all is in no journal");
        }
        let due: Vec<LaterDeed> = self.later.extract_if(.., |later| later.due <= self.now).collect();
        for LaterDeed { replica, began, step, token, .. } in due {
            if let Err(error) = self.effect(&step, &token, false) {
                let (began, at) = (Mono(began * 1_000_000), Mono(self.now * 1_000_000));
                self.late.push((replica, LateAnswer { step, began, at, error }));
            }
        }
        let now = self.now;
        for machine in self.machines.values_mut() {
            machine.restarts = machine.restarts.filter(|end| *end > now);
        }
        self.repair();
        self.watch();
        for machine in self.machines.values_mut() {
            let given = machine.wants.0.min(machine.held.cpus);
            machine.cpu_ns += nanos(given);
            machine.throttled_ns += nanos(machine.wants.0 - given);
        }
    }

    fn of(&self, service: Service) -> impl Iterator<Item = &MemberId> {
        let its = self.members.iter().filter(move |member| member.service == service);
        its.map(|member| &member.id)
    }

    fn databases(&self) -> impl Iterator<Item = &MemberId> {
        self.of(Service::Postgres)
    }

    fn somebody(&mut self) -> Option<MemberId> {
        let databases: Vec<MemberId> = self.databases().cloned().collect();
        let n = self.chance.random_range(0..databases.len());
        databases.into_iter().nth(n)
    }

    fn balancer(&mut self) -> Option<MemberId> {
        let balancers: Vec<MemberId> = self.of(Service::Balancer).cloned().collect();
        let n = self.chance.random_range(0..balancers.len());
        balancers.into_iter().nth(n)
    }

    /// An operator wants another size of a member; the broker may refuse it.
    fn wish(&mut self, id: MemberId) {
        self.revision += 1;
        let memory = Bytes::mib(self.chance.random_range(2..12) * 128);
        let wish = SizeWish { memory: Some(memory), ..SizeWish::default() };
        self.sizes.insert(id, (wish, self.revision));
    }

    /// A disk fills while an operator wants less memory than is in use.
    fn fill(&mut self) {
        let databases: Vec<MemberId> = self.databases().cloned().collect();
        let roomy = databases.into_iter().find(|id| self.machines[id].held.disk <= Bytes::gib(2));
        let Some(id) = roomy else { return };
        let machine = self.machines.get_mut(&id).expect("a machine");
        (machine.wants.1, machine.wants.2) = (400, machine.held.disk.as_mib() - 40);
        self.insists = Some(id);
    }

    /// An operator wants less memory than a member uses.
    fn wants_less(&mut self, id: MemberId) {
        self.revision += 1;
        let wish = SizeWish { memory: Some(Bytes::mib(256)), ..SizeWish::default() };
        self.sizes.insert(id, (wish, self.revision));
    }

    /// What must hold at every instant once trouble has ended.
    fn watch(&mut self) {
        let now = self.now;
        let most = self.spec.postgres.disk.max;
        let mut late = false;
        for (id, machine) in &mut self.machines {
            let (_, disk) = Self::used(machine);
            let short = id.as_str().starts_with("postgres")
                && disk.0 + Bytes::mib(128).0 > machine.held.disk.0
                && machine.held.disk < most;
            machine.short = if short { machine.short.or(Some(now)) } else { None };
            late |= machine.short.is_some_and(|since| now > since.max(LAST) + GROWS);
        }
        if late {
            self.break_("a disk that fills did not grow");
        }
        if now > CALM + 2 * LEASE && now > self.looked + LOOKS {
            self.break_("the controller did not look for long");
        }
        let ran_out = |id: &MemberId| {
            let heard = self.heard.get(id).filter(|(at, uneven)| *uneven && *at > CALM + 2 * LEASE);
            heard.is_some_and(|(at, _)| now > at + HOLDS) && self.deaf.as_ref() != Some(id)
        };
        if self.of(Service::Balancer).any(ran_out) {
            self.break_("the weights of a balancer that hears ran out");
        }
    }

    /// What repair does about numbers, one at a time: it adds who is missing and sees out who is named.
    fn repair(&mut self) {
        let todo = Service::SIZED.into_iter().find_map(|service| {
            let stay = self.of(service).filter(|id| !self.leaving.contains(*id)).count();
            let wanted = self.wanted[&service] as usize;
            let mut out = self.of(service).filter(|id| self.leaving.contains(*id));
            let out = out.find(|id| self.leader.as_ref() != Some(*id)).filter(|_| stay >= wanted).cloned();
            let none_leaves = self.of(service).all(|id| !self.leaving.contains(id));
            let add = none_leaves && stay < wanted;
            (out.is_some() || add).then_some((service, out))
        });
        let Some((service, out)) = todo.filter(|_| {
            let well = self.leader.is_some() && !self.replacing && !self.maintenance;
            well && self.machines.values().all(|machine| machine.restarts.is_none())
        }) else {
            self.through = None;
            return;
        };
        let through = *self.through.get_or_insert(self.now + self.chance.random_range(500..3_000));
        if self.now < through {
            return;
        }
        (self.through, self.generation) = (None, self.generation + 1);
        if let Some(out) = out {
            self.members.retain(|member| member.id != out);
            self.machines.remove(&out);
            self.leaving.remove(&out);
            self.takes.remove(&out);
            if self.deaf.as_ref() == Some(&out) {
                self.deaf = None;
            }
            return;
        }
        let newest = self.newest[&service] + 1;
        let id = name(&format!("{service}-{newest}"));
        let Ok(new) = placement::one(&self.spec, &self.members, &id, service, |_| true) else {
            return;
        };
        self.newest.insert(service, newest);
        if service == Service::Balancer {
            self.takes.insert(id.clone(), Some(self.spec.balancers.maxconn));
        }
        let machine = Machine::of(&new);
        self.members.push(new);
        self.machines.insert(id, machine);
    }

    /// What the broker does about the number.
    fn scale(
        &mut self,
        service: Service,
        generation: u64,
        count: u32,
        leaving: &BTreeSet<MemberId>,
    ) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let stay = self.of(service).filter(|id| !leaving.contains(*id)).count();
        if self.mutant != Mutant::Unchecked {
            if generation != self.generation {
                return guard("another version by now");
            }
            if let Err(why) = self.spec.may_have(service, count) {
                return guard(&why);
            }
            let known = leaving.iter().all(|id| self.of(service).any(|known| known == id));
            if !known || !leaving.is_empty() && stay < count as usize {
                return guard("no instance, or too few would stay");
            }
        }
        if self.now >= CALM && self.leader.as_ref().is_some_and(|leader| leaving.contains(leader)) {
            self.break_("the leader was named as one too many");
        }
        if self.now > STILL {
            self.break_("the number still moved under a constant load");
        }
        let before = self.wanted.insert(service, count).unwrap_or(count);
        if service == Service::Balancer {
            self.done.more_balancers += u32::from(count > before);
            self.done.fewer_balancers += u32::from(count < before);
        }
        let stands: BTreeSet<MemberId> = self.of(service).cloned().collect();
        self.leaving.retain(|id| !stands.contains(id));
        self.leaving.extend(leaving.iter().cloned());
        self.generation += 1;
        self.done.numbers += 1;
        Ok(())
    }

    fn used(machine: &Machine) -> (Bytes, Bytes) {
        (
            Bytes::mib(machine.wants.1).min(machine.held.memory),
            Bytes::mib(machine.wants.2).min(machine.held.disk),
        )
    }

    fn look(&self) -> ScalingSeen {
        let at = Mono(self.now * 1_000_000);
        let body = |member: &Member, machine: &Machine| BodySeen {
            id: format!("{}.{}", member.id, machine.container),
            status: ContainerStatus::Running,
            host: member.host.clone(),
            service: member.service.to_string(),
            started: String::new(),
            oom_killed: false,
        };
        let usage = |member: &Member, machine: &Machine| {
            let (memory, disk) = Self::used(machine);
            let free = Bytes(machine.held.disk.0.saturating_sub(disk.0));
            Usage {
                at,
                container: body(member, machine).id,
                cpu_ns: machine.cpu_ns,
                throttled_ns: machine.throttled_ns,
                memory,
                cores: Some(machine.held.cpus),
                limit: Some(machine.held.memory),
                disk: Some(DiskUsage { free, size: machine.held.disk }),
            }
        };
        let all: Vec<(&Member, &Machine)> =
            self.members.iter().map(|member| (member, &self.machines[&member.id])).collect();
        let patroni = |member: &Member, machine: &Machine| {
            let leads = self.leader.as_ref() == Some(&member.id);
            let (role, state) = if leads { ("primary", "running") } else { ("replica", "streaming") };
            let state = if machine.restarts.is_some() { "restarting" } else { state };
            let waits = memory_step(member.size.memory) != machine.step;
            PatroniSeen {
                role: role.to_owned(),
                state: state.to_owned(),
                lsn: Some(Lsn(1)),
                restart_for: waits.then(|| "shared_buffers".to_owned()).into_iter().collect(),
                ..PatroniSeen::default()
            }
        };
        let databases = all.iter().filter(|(member, _)| member.service == Service::Postgres);
        let replacing = Replacing {
            service: Service::Postgres,
            member: name("postgres-2"),
            by: name("postgres-3"),
            host: self.spec.hosts[2].name.clone(),
            why: "by the seed".to_owned(),
            begun: None,
        };
        ScalingSeen {
            at,
            bodies: Sight::Seen(Bodies {
                members: all
                    .iter()
                    .map(|(member, machine)| (member.id.clone(), vec![body(member, machine)]))
                    .collect(),
                placed: self.members.clone(),
                counts: self.wanted.clone(),
                leaving: self.leaving.clone(),
                generation: self.generation,
                ..Bodies::default()
            }),
            usage: Sight::Seen(
                all.iter().map(|(member, machine)| (member.id.clone(), usage(member, machine))).collect(),
            ),
            store: Sight::Seen(ScalingStoreSeen {
                leader: self.leader.clone(),
                maintenance: self.maintenance,
                replacing: self.replacing.then_some(replacing),
                counts: self
                    .wishes
                    .iter()
                    .map(|(service, (count, revision))| {
                        (*service, OperatorWish { wish: CountWish { count: *count }, revision: *revision })
                    })
                    .collect(),
                asked: self
                    .sizes
                    .iter()
                    .map(|(id, (wish, revision))| {
                        (id.clone(), OperatorWish { wish: *wish, revision: *revision })
                    })
                    .collect(),
                ..ScalingStoreSeen::default()
            }),
            postgres: databases
                .map(|(member, machine)| (member.id.clone(), Sight::Seen(patroni(member, machine))))
                .collect(),
            inside: self
                .takes
                .iter()
                .map(|(id, most)| (id.clone(), SelfReport { most: *most, ..SelfReport::default() }))
                .collect(),
        }
    }

    /// What the broker and Patroni do. `half`: it is cut off after the record was written.
    fn effect(&mut self, step: &ScalingStep, token: &Token, half: bool) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let checked = self.mutant != Mutant::Unchecked;
        if checked && self.active.is_none_or(|(_, revision, _)| revision != token.revision) {
            return Err(Failed::NotLeader("another leads".to_owned()));
        }
        match step {
            ScalingStep::Resize { member, from, to, why } => self.resize(member, *from, *to, why, half),
            ScalingStep::Restart { member } | ScalingStep::HandOver { member, .. } => {
                let Some(placed) = self.members.iter().find(|placed| placed.id == *member) else {
                    return guard("no such member");
                };
                let size = placed.size;
                if let ScalingStep::HandOver { to, .. } = step {
                    if !self.machines.contains_key(to) {
                        return guard("no such candidate");
                    }
                    self.leader = Some(to.clone());
                }
                let calm = self.now >= CALM;
                let machine = self.machines.get_mut(member).expect("a machine");
                if self.now >= CALM && machine.restarts.is_some() {
                    return guard("it restarts already");
                }
                machine.step = memory_step(size.memory);
                // some of them never end by themselves while there is trouble
                let takes = if calm { 3_000 } else { self.chance.random_range(500..90_000) };
                machine.restarts = Some(self.now + takes);
                if !calm {
                    machine.restarts = machine.restarts.map(|end| end.min(CALM));
                }
                self.done.restarts += 1;
                Ok(())
            }
            ScalingStep::Scale { service, generation, count, leaving, .. } => {
                let done = self.scale(*service, *generation, *count, leaving);
                if half { done.and(Err(Failed::Trouble("cut off".to_owned()))) } else { done }
            }
            ScalingStep::ForgetCount { service, revision } => {
                if self.wishes.get(service).is_none_or(|(_, written)| written != revision) {
                    return guard("another wish by now");
                }
                self.wishes.remove(service);
                Ok(())
            }
            ScalingStep::Forget { member, revision } => {
                if self.sizes.get(member).is_none_or(|(_, written)| written != revision) {
                    return guard("another wish by now");
                }
                self.sizes.remove(member);
                Ok(())
            }
            ScalingStep::Admit { member, .. } | ScalingStep::Weigh { member, .. }
                if self.deaf.as_ref() == Some(member) =>
            {
                Err(Failed::Trouble("it hears nothing".to_owned()))
            }
            ScalingStep::Admit { member, sessions } => {
                // a word for each port: cut off, they differ
                self.takes.insert(member.clone(), Some(*sessions).filter(|_| !half));
                if half { Err(Failed::Trouble("cut off".to_owned())) } else { Ok(()) }
            }
            ScalingStep::Weigh { member, weights, .. } => {
                let uneven = weights.values().any(|weight| *weight < FULL_WEIGHT);
                self.heard.insert(member.clone(), (self.now, uneven));
                self.done.weighed += 1;
                Ok(())
            }
        }
    }

    /// Whether less memory is asked for than is in use.
    fn refuses(&self, step: &ScalingStep) -> bool {
        let ScalingStep::Resize { member, to, .. } = step else { return false };
        self.machines.get(member).is_some_and(|machine| to.memory < Self::used(machine).0)
    }

    /// A member gets another size. `half`: it is cut off after the record was written.
    fn resize(
        &mut self,
        member: &MemberId,
        from: Size,
        to: Size,
        why: &str,
        half: bool,
    ) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let checked = self.mutant != Mutant::Unchecked;
        let Some(at) = self.members.iter().position(|placed| placed.id == *member) else {
            return guard("no such member");
        };
        let placed = self.members[at].clone();
        if checked {
            if placed.size != from && placed.size != to {
                return guard("another size by now");
            }
            if let Err(why) = placement::resizable(&self.spec, &self.members, &placed, &to) {
                return guard(&why);
            }
            if to.memory < Self::used(&self.machines[member]).0 {
                self.done.refused += 1;
                return guard("memory in use");
            }
        }
        self.members[at].size = placed.size.or_more(&to);
        self.done.resizes += 1;
        if self.now > STILL && from != to {
            self.break_("a size still moved under a constant load");
        }
        let stands = self.machines[member].step;
        let below = memory_step(to.memory) < stands && stands <= memory_step(from.memory);
        // an operator may ask for it
        let asked = why.starts_with("an operator");
        if placed.service == Service::Postgres && to.memory < from.memory && below && checked && !asked {
            self.break_("memory went below the step its PostgreSQL stands on");
        }
        if half {
            return Err(Failed::Trouble("cut off".to_owned()));
        }
        if self.mutant != Mutant::NotApplied {
            let machine = self.machines.get_mut(member).expect("a machine");
            if to.disk < machine.held.disk {
                self.broken.get_or_insert("a disk shrank".to_owned());
            }
            machine.held = to;
        }
        self.members[at].size = to;
        self.within();
        Ok(())
    }

    fn break_(&mut self, why: &str) {
        self.broken.get_or_insert(why.to_owned());
    }

    /// Every size is within the spec's limits, and every host within what it has.
    fn within(&mut self) {
        let mut sums: BTreeMap<&str, (f64, u64)> = BTreeMap::new();
        let mut wrong = BTreeSet::new();
        for member in &self.members {
            let (min, max) = self.spec.limits(member.service).expect("it moves");
            let size = &member.size;
            if size.cpus < min.cpus - 1e-9
                || size.cpus > max.cpus + 1e-9
                || size.memory < min.memory
                || size.memory > max.memory
                || size.disk > max.disk
            {
                wrong.insert("a size is beyond the limits of the spec");
            }
            let sum = sums.entry(member.host.as_str()).or_default();
            (sum.0, sum.1) = (sum.0 + size.cpus, sum.1 + size.memory.0);
        }
        for host in &self.spec.hosts {
            let (cpus, memory) = sums.get(host.name.as_str()).copied().unwrap_or_default();
            if cpus > host.cpus + 1e-6 || memory > host.memory.0 {
                wrong.insert("a host carries more than it has");
            }
        }
        if let Some(wrong) = wrong.into_iter().next() {
            self.break_(wrong);
        }
    }

    /// Whoever asked for something that was not done after all has heard so.
    fn heard_all(&self) -> Result<(), String> {
        let old = Mono((END - LOOKS) * 1_000_000);
        let late = self.late.iter().find(|(replica, late)| *replica != DEAD && late.at < old);
        late.map_or(Ok(()), |(_, late)| {
            Err(format!("nobody heard that {} was not done after all", late.step.subject()))
        })
    }

    /// Everybody is held to the size of the record, and has what it wants or all there is.
    fn fits(&self) -> Result<(), String> {
        for service in Service::SIZED {
            let (copies, wanted) = (self.of(service).count(), self.wanted[&service]);
            if copies != wanted as usize {
                return Err(format!("{copies} of {wanted}, {:?} leave", self.leaving));
            }
        }
        let (leaving, wishes, sizes) = (&self.leaving, &self.wishes, &self.sizes);
        if !leaving.is_empty() || !wishes.is_empty() || !sizes.is_empty() {
            return Err(format!("{leaving:?} leave, {wishes:?} and {sizes:?} are asked for"));
        }
        for member in &self.members {
            let machine = &self.machines[&member.id];
            if machine.held != member.size {
                return Err(format!(
                    "{} is held to {:?} and not to {:?}",
                    member.id, machine.held, member.size
                ));
            }
            if member.service == Service::Postgres && machine.step != memory_step(member.size.memory) {
                return Err(format!("{} did not restart for its memory", member.id));
            }
            let carries = sessions(member.size.memory, self.spec.balancers.maxconn);
            let takes = self.takes.get(&member.id).copied().flatten();
            let deaf = self.deaf.as_ref() == Some(&member.id);
            if member.service == Service::Balancer && takes != Some(carries) && !deaf {
                return Err(format!("{} takes {takes:?} sessions, and carries {carries}", member.id));
            }
            let (_, max) = self.spec.limits(member.service).expect("it moves");
            let room = placement::room_for(&self.spec, &self.members, member);
            let all = member.size.cpus >= max.cpus.min(room.cpus) - 0.011;
            if machine.wants.0 > member.size.cpus && !all {
                return Err(format!(
                    "{} wants {} cores and has {}",
                    member.id, machine.wants.0, member.size.cpus
                ));
            }
        }
        Ok(())
    }
}

impl Timed for Lab {
    fn now(&self) -> u64 {
        self.now
    }
}

/// One process of the controller.
struct Hands {
    lab: Arc<Mutex<Lab>>,
    replica: usize,
}

impl Hands {
    fn lab(&self) -> MutexGuard<'_, Lab> {
        self.lab.lock().expect("the lab")
    }

    /// The way there: usually short, now and then longer than the lease.
    fn way(&self) -> Until<Lab> {
        let mut lab = self.lab();
        let trouble = lab.now < CALM && lab.chance.random_bool(0.01);
        let end = lab.now + if trouble { LEASE + 1_000 } else { lab.chance.random_range(0..40) };
        Until(Arc::clone(&self.lab), end)
    }
}

impl Deeds<Brains> for Hands {
    async fn leadership(&self) -> Option<Token> {
        self.way().await;
        let mut lab = self.lab();
        let now = lab.now;
        let revision = match lab.active.filter(|(_, _, end)| *end >= now) {
            Some((replica, revision, _)) if replica == self.replica => revision,
            Some(_) => return None,
            None => {
                lab.revision += 1;
                lab.revision
            }
        };
        lab.active = Some((self.replica, revision, now + LEASE));
        Some(Token { key: "scaling".to_owned(), revision })
    }

    async fn look(&self, _: bool) -> ScalingSeen {
        self.way().await;
        let mut lab = self.lab();
        lab.looked = lab.now;
        let mut fresh = lab.look();
        if lab.now < CALM {
            match lab.chance.random_range(0..40) {
                0 => return lab.earlier.clone().unwrap_or(fresh),
                1 => fresh.usage = Sight::Blind("by the seed".to_owned()),
                2 => fresh.store = Sight::Blind("by the seed".to_owned()),
                3..7 => lab.earlier = Some(fresh.clone()),
                _ => {}
            }
        }
        fresh
    }

    async fn act(&self, step: &ScalingStep, token: &Token) -> Result<(), Failed> {
        self.way().await;
        let felt = matches!(
            step,
            ScalingStep::Resize { .. } | ScalingStep::Restart { .. } | ScalingStep::HandOver { .. }
        );
        if felt && self.lab().mutant == Mutant::Waits {
            let end = self.lab().now + 2 * LOOKS;
            Until(Arc::clone(&self.lab), end).await;
        }
        let mut lab = self.lab();
        let dice = if lab.now < CALM { lab.chance.random_range(0..22) } else { 22 };
        let trouble = || Failed::Trouble("by the seed".to_owned());
        // a refusal comes at once
        let refused = lab.refuses(step);
        if felt && !refused && (dice == 20 || dice == 22 && lab.chance.random_bool(0.2)) {
            // the answer is not waited for
            let wait = if lab.now < CALM { 6_000 } else { 2_000 };
            let due = lab.now + lab.chance.random_range(100..wait);
            let (replica, began) = (self.replica, lab.now);
            lab.later.push(LaterDeed { replica, began, due, step: step.clone(), token: token.clone() });
            return Ok(());
        }
        match dice {
            0 => Err(trouble()),
            1 => lab.effect(step, token, false).and(Err(trouble())),
            2 => lab.effect(step, token, true),
            3 => {
                let first = lab.effect(step, token, false);
                let _again = lab.effect(step, token, false);
                first
            }
            _ => lab.effect(step, token, false),
        }
    }

    fn late(&self) -> Vec<LateAnswer<ScalingStep>> {
        let mut lab = self.lab();
        if lab.mutant == Mutant::Deaf {
            return Vec::new();
        }
        let late: Vec<_> = lab.late.extract_if(.., |(replica, _)| *replica == self.replica).collect();
        lab.untold.extend(late.iter().map(|(_, late)| (late.began, late.at)));
        lab.done.late += u32::try_from(late.len()).expect("a few");
        late.into_iter().map(|(_, late)| late).collect()
    }

    async fn wait(&self, at_most: Span) {
        let end = self.lab().now + u64::try_from(at_most.0.as_millis()).expect("short").max(10);
        Until(Arc::clone(&self.lab), end).await;
    }

    fn now(&self) -> Mono {
        Mono(self.lab().now * 1_000_000)
    }

    fn tell(&self, entry: &JournalEntry<'_, ScalingStep>) {
        match entry {
            JournalEntry::Decided { step: "audit", reason, .. } => self.lab().break_(reason),
            JournalEntry::Did { began, at, error: Some(_), .. } => {
                self.lab().untold.retain(|untold| untold != &(*began, *at));
            }
            _ => {}
        }
    }
}

async fn process(lab: Arc<Mutex<Lab>>, replica: usize, brains: Arc<Brains>) {
    conduct(&Hands { lab, replica }, &*brains).await;
}

/// Two hosts that are too small for everything their bodies may want, and windows of seconds.
fn world() -> ScalingWorld {
    let mut spec = super::spec();
    spec.hosts[0].cpus = 3.0;
    spec.hosts[0].memory = Bytes::mib(2_200);
    spec.postgres.cpus = Range { start: 0.5, min: 0.2, max: 2.5 };
    spec.postgres.memory = Range { start: Bytes::mib(512), min: Bytes::mib(256), max: Bytes::gib(2) };
    spec.postgres.instances = Range { start: 2, min: 2, max: 4 };
    spec.balancers.maxconn = 2_000;
    spec.balancers.instances = Range { start: 2, min: 2, max: 3 };
    spec.balancers.cpus = Range { start: 0.5, min: 0.2, max: 2.0 };
    spec.balancers.memory = Range { start: Bytes::mib(128), min: Bytes::mib(128), max: Bytes::gib(1) };
    let mut policy = ScalingPolicy { every: Span::secs(1), ..ScalingPolicy::default() };
    (policy.cpu.up_window, policy.cpu.down_window) = (Span::secs(2), Span::secs(4));
    (policy.memory.up_window, policy.memory.down_window) = (Span::secs(1), Span::secs(5));
    policy.disk.up_window = Span::secs(1);
    (policy.instances.out_window, policy.instances.in_window) = (Span::secs(3), Span::secs(8));
    ScalingWorld { spec, policy }
}

/// One run; what broke, and what was reached.
fn run(seed: u64, mutant: Mutant) -> (Result<(), String>, Done) {
    let brains = Arc::new(Brains { world: world(), mutant });
    let lab = Arc::new(Mutex::new(Lab::new(seed, mutant, &brains.world.spec)));
    let born = |replica| Box::pin(process(Arc::clone(&lab), replica, Arc::clone(&brains)));
    play(born, || {
        let mut lab = lab.lock().expect("the lab");
        lab.tick();
        let done = lab.done;
        if let Some(broken) = lab.broken.take() {
            return Turn::End((Err(broken), done));
        }
        if lab.now >= END {
            return Turn::End((lab.heard_all().and_then(|()| lab.fits()), done));
        }
        let crash = lab.now < CALM && lab.chance.random_bool(0.002);
        if !crash {
            return Turn::On;
        }
        let replica = lab.chance.random_range(0..2);
        // nobody hears what it asked for
        lab.later.iter_mut().filter(|later| later.replica == replica).for_each(|later| later.replica = DEAD);
        lab.late.retain(|(asked, _)| *asked != replica);
        Turn::Crash(replica)
    })
}

#[test]
fn sizes_through_trouble_end_where_the_load_wants_them() {
    let (mut all, mut wrong) = (Done::default(), Vec::new());
    // a sample goes on until everything happened in it
    for seed in 0..seeds(60, 100) {
        if seed >= seeds(12, 100) && all.reached().iter().all(|times| *times > 0) {
            break;
        }
        let (outcome, done) = run(seed, Mutant::None);
        wrong.extend(outcome.err().map(|why| format!("seed {seed}: {why}")));
        all.resizes += done.resizes;
        all.restarts += done.restarts;
        all.numbers += done.numbers;
        all.more_balancers += done.more_balancers;
        all.fewer_balancers += done.fewer_balancers;
        all.refused += done.refused;
        all.weighed += done.weighed;
        all.late += done.late;
    }
    assert_eq!(wrong, [""; 0]);
    assert!(all.reached().iter().all(|times| *times > 0), "something was never tried: {all:?}");
}

#[test]
fn wrong_brains_and_hands_are_noticed() {
    for (mutant, word) in [
        (Mutant::NotApplied, "did not grow"),
        (Mutant::Unchecked, "more than it has"),
        (Mutant::KeepsWishes, "are asked for"),
        (Mutant::SkipsDisks, "a disk that fills did not grow"),
        (Mutant::TellsAllOrNone, "the weights of a balancer that hears ran out"),
        (Mutant::Waits, "did not look for long"),
        (Mutant::Deaf, "was not done after all"),
    ] {
        let caught = (0..200).filter_map(|seed| run(seed, mutant).0.err()).any(|why| why.contains(word));
        assert!(caught, "what is wrong went unnoticed: {word}");
    }
}

#[test]
fn the_preset_of_the_page_scales_both_services() {
    let preset = Layer::preset("zerops-2022").expect("a preset");
    let spec = resolve(&[Layer::built_in(), preset]).expect("it resolves");
    for service in Service::SIZED {
        let founded = Desired::founding(&spec).counts[&service];
        assert_eq!(
            spec.may_have(service, founded + 1),
            Ok(()),
            "{service} may have one more than it begins with"
        );
    }
    assert_eq!(spec.balancers.instances.min, 2, "both balancers of the page are always there");
}
