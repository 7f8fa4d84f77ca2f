//! The real loop of the scaling controller against a lab in memory: virtual time, one seed, loads that come and
//! go, and trouble at every call: crashes, answers that are lost before and after the effect, changes cut in half,
//! old views, doubled orders, bodies made anew, limits somebody else set.
//!
//! What must always hold is asserted where an effect happens; in the end every size fits its load and stays.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use pgha::control::{Deeds, Entry, Failed, conduct};
use pgha::decide::placement;
use pgha::decide::scaling::{Asked, Seen, Step, StoreSeen, World};
use pgha::model::control::{Bodies, Replacing, Token};
use pgha::model::inside::{Inside, sessions};
use pgha::model::lab::Range;
use pgha::model::scaling::{CountWish, DiskUsage, ScalingPolicy, Usage, memory_step};
use pgha::model::sighting::{BodySeen, PatroniSeen};
use pgha::model::{Bytes, ContainerStatus, LabSpec, Lsn, Member, MemberId, Mono, Service, Sight, Size, Span};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::time::{Timed, Turn, Until, play, seeds};

/// Milliseconds of one turn of the simulation.
const TICK: u64 = 20;
/// Trouble and changes of the load end here, milliseconds.
const CALM: u64 = 60_000;
/// The end: by then everything has been still for longer than any window.
const END: u64 = 150_000;
/// Nothing changes any more from here on.
const STILL: u64 = 125_000;
/// A lease, milliseconds.
const LEASE: u64 = 4_000;

/// Hands that do it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// The record is written, the body never held to it, and the answer is "done".
    NotApplied,
    /// Whatever is ordered is done, by whomever and from whatever size.
    Unchecked,
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
    /// How many instances there should be, who is to leave, and the version of the record that says so.
    wanted: u32,
    leaving: BTreeSet<MemberId>,
    generation: u64,
    /// How many an operator wants.
    wish: Option<(u32, i64)>,
    /// The number of the newest name, and when repair is through with what it does about the number.
    newest: u32,
    through: Option<u64>,
    counts: u32,
    /// Sessions the balancer takes on a port; `None` while its ports differ.
    takes: Option<u32>,
    earlier: Option<Seen>,
    broken: Option<String>,
    resizes: u32,
    restarts: u32,
}

fn name(text: &str) -> MemberId {
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
        ];
        let machine = |member: &Member| Machine {
            container: 1,
            held: member.size,
            wants: (0.2, 64, 100),
            cpu_ns: 0,
            throttled_ns: 0,
            step: memory_step(member.size.memory),
        };
        let machines = members.iter().map(|member| (member.id.clone(), machine(member))).collect();
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
            wanted: 2,
            leaving: BTreeSet::new(),
            generation: 1,
            wish: None,
            newest: 2,
            through: None,
            counts: 0,
            takes: Some(spec.balancers.maxconn),
            earlier: None,
            broken: None,
            resizes: 0,
            restarts: 0,
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
                    self.wish = Some((self.chance.random_range(1..=5), self.revision));
                }
                _ => {}
            }
        } else {
            if self.leader.is_none() {
                self.leader = self.somebody();
            }
            (self.replacing, self.maintenance) = (false, false);
        }
        self.repair();
        for machine in self.machines.values_mut() {
            let given = machine.wants.0.min(machine.held.cpus);
            machine.cpu_ns += nanos(given);
            machine.throttled_ns += nanos(machine.wants.0 - given);
        }
    }

    fn databases(&self) -> impl Iterator<Item = &MemberId> {
        let databases = self.members.iter().filter(|member| member.service == Service::Postgres);
        databases.map(|member| &member.id)
    }

    fn somebody(&mut self) -> Option<MemberId> {
        let databases: Vec<MemberId> = self.databases().cloned().collect();
        let n = self.chance.random_range(0..databases.len());
        databases.into_iter().nth(n)
    }

    /// What repair does about the number, one at a time: it adds who is missing and sees out who is named.
    fn repair(&mut self) {
        let stay = self.databases().filter(|id| !self.leaving.contains(id)).count();
        let out = self.leaving.iter().find(|id| self.leader.as_ref() != Some(*id)).cloned();
        let out = out.filter(|_| stay >= self.wanted as usize);
        let add = self.leaving.is_empty() && stay < self.wanted as usize;
        if self.leader.is_none() || self.replacing || self.maintenance || out.is_none() && !add {
            self.through = None;
            return;
        }
        let through = *self.through.get_or_insert(self.now + self.chance.random_range(500..3_000));
        if self.now < through {
            return;
        }
        (self.through, self.generation) = (None, self.generation + 1);
        if let Some(out) = out {
            self.members.retain(|member| member.id != out);
            self.machines.remove(&out);
            self.leaving.remove(&out);
            return;
        }
        let id = name(&format!("postgres-{}", self.newest + 1));
        let Ok(new) = placement::one(&self.spec, &self.members, &id, Service::Postgres, |_| true) else {
            return;
        };
        self.newest += 1;
        let machine = Machine {
            container: 1,
            held: new.size,
            wants: (0.2, 64, 100),
            cpu_ns: 0,
            throttled_ns: 0,
            step: memory_step(new.size.memory),
        };
        self.members.push(new);
        self.machines.insert(id, machine);
    }

    /// What the broker does about the number.
    fn scale(&mut self, generation: u64, count: u32, leaving: &BTreeSet<MemberId>) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let stay = self.databases().filter(|id| !leaving.contains(id)).count();
        if self.mutant != Mutant::Unchecked {
            if generation != self.generation {
                return guard("another version by now");
            }
            if let Err(why) = self.spec.may_have(Service::Postgres, count) {
                return guard(&why);
            }
            let known = leaving.iter().all(|id| self.databases().any(|known| known == id));
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
        (self.wanted, self.leaving, self.generation) = (count, leaving.clone(), self.generation + 1);
        self.counts += 1;
        Ok(())
    }

    fn used(machine: &Machine) -> (Bytes, Bytes) {
        (
            Bytes::mib(machine.wants.1).min(machine.held.memory),
            Bytes::mib(machine.wants.2).min(machine.held.disk),
        )
    }

    fn look(&self) -> Seen {
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
        Seen {
            at,
            bodies: Sight::Seen(Bodies {
                members: all
                    .iter()
                    .map(|(member, machine)| (member.id.clone(), vec![body(member, machine)]))
                    .collect(),
                placed: self.members.clone(),
                counts: [(Service::Postgres, self.wanted)].into(),
                leaving: self.leaving.clone(),
                generation: self.generation,
                ..Bodies::default()
            }),
            usage: Sight::Seen(
                all.iter().map(|(member, machine)| (member.id.clone(), usage(member, machine))).collect(),
            ),
            store: Sight::Seen(StoreSeen {
                leader: self.leader.clone(),
                maintenance: self.maintenance,
                replacing: self.replacing.then_some(replacing),
                counts: self
                    .wish
                    .map(|(count, revision)| {
                        (Service::Postgres, Asked { wish: CountWish { count }, revision })
                    })
                    .into_iter()
                    .collect(),
                ..StoreSeen::default()
            }),
            postgres: databases
                .map(|(member, machine)| (member.id.clone(), Sight::Seen(patroni(member, machine))))
                .collect(),
            inside: [(name("balancer-1"), Inside { most: self.takes, ..Inside::default() })].into(),
        }
    }

    /// What the broker and Patroni do. `half`: it is cut off after the record was written.
    fn effect(&mut self, step: &Step, token: &Token, half: bool) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let checked = self.mutant != Mutant::Unchecked;
        if checked && self.active.is_none_or(|(_, revision, _)| revision != token.revision) {
            return Err(Failed::NotLeader("another leads".to_owned()));
        }
        match step {
            Step::Resize { member, from, to, .. } => {
                let Some(at) = self.members.iter().position(|placed| placed.id == *member) else {
                    return guard("no such member");
                };
                let placed = self.members[at].clone();
                if checked {
                    if placed.size != *from && placed.size != *to {
                        return guard("another size by now");
                    }
                    if let Err(why) = placement::resizable(&self.spec, &self.members, &placed, to) {
                        return guard(&why);
                    }
                    if to.memory < Self::used(&self.machines[member]).0 {
                        return guard("memory in use");
                    }
                }
                self.members[at].size = placed.size.or_more(to);
                self.resizes += 1;
                if self.now > STILL && from != to {
                    self.break_("a size still moved under a constant load");
                }
                let below = memory_step(to.memory) < self.machines[member].step;
                if placed.service == Service::Postgres && to.memory < from.memory && below && checked {
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
                    machine.held = *to;
                }
                self.members[at].size = *to;
                self.within();
                Ok(())
            }
            Step::Restart { member } | Step::Handover { member, .. } => {
                let Some(placed) = self.members.iter().find(|placed| placed.id == *member) else {
                    return guard("no such member");
                };
                let size = placed.size;
                if let Step::Handover { to, .. } = step {
                    if !self.machines.contains_key(to) {
                        return guard("no such candidate");
                    }
                    self.leader = Some(to.clone());
                }
                self.machines.get_mut(member).expect("a machine").step = memory_step(size.memory);
                self.restarts += 1;
                Ok(())
            }
            Step::Scale { generation, count, leaving, .. } => {
                let done = self.scale(*generation, *count, leaving);
                if half { done.and(Err(Failed::Trouble("cut off".to_owned()))) } else { done }
            }
            Step::ForgetCount { revision, .. } => {
                if self.wish.is_none_or(|(_, written)| written != *revision) {
                    return guard("another wish by now");
                }
                self.wish = None;
                Ok(())
            }
            Step::Admit { sessions, .. } => {
                // a word for each port: cut off, they differ
                self.takes = Some(*sessions).filter(|_| !half);
                if half { Err(Failed::Trouble("cut off".to_owned())) } else { Ok(()) }
            }
            Step::Weigh { .. } | Step::Forget { .. } => Ok(()),
        }
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

    /// Everybody is held to the size of the record, and has what it wants or all there is.
    fn fits(&self) -> Result<(), String> {
        let copies = self.databases().count();
        if copies != self.wanted as usize || !self.leaving.is_empty() || self.wish.is_some() {
            let (wanted, leaving, wish) = (self.wanted, &self.leaving, self.wish);
            return Err(format!("{copies} of {wanted}, {leaving:?} leave, {wish:?} are asked for"));
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
            if member.service == Service::Balancer && self.takes != Some(carries) {
                return Err(format!("{} takes {:?} sessions, and carries {carries}", member.id, self.takes));
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

impl Deeds<World> for Hands {
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

    async fn look(&self, _: bool) -> Seen {
        self.way().await;
        let mut lab = self.lab();
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

    async fn act(&self, step: &Step, token: &Token) -> Result<(), Failed> {
        self.way().await;
        let mut lab = self.lab();
        let dice = if lab.now < CALM { lab.chance.random_range(0..20) } else { 20 };
        let trouble = || Failed::Trouble("by the seed".to_owned());
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

    async fn wait(&self, at_most: Span) {
        let end = self.lab().now + u64::try_from(at_most.0.as_millis()).expect("short").max(10);
        Until(Arc::clone(&self.lab), end).await;
    }

    fn now(&self) -> Mono {
        Mono(self.lab().now * 1_000_000)
    }

    fn tell(&self, _: &Entry<'_, Step>) {}
}

async fn process(lab: Arc<Mutex<Lab>>, replica: usize, world: Arc<World>) {
    conduct(&Hands { lab, replica }, &*world).await;
}

/// Two hosts that are too small for everything their bodies may want, and windows of seconds.
fn world() -> World {
    let mut spec = super::spec();
    spec.hosts[0].cpus = 3.0;
    spec.hosts[0].memory = Bytes::mib(2_200);
    spec.postgres.cpus = Range { start: 0.5, min: 0.2, max: 2.5 };
    spec.postgres.memory = Range { start: Bytes::mib(512), min: Bytes::mib(256), max: Bytes::gib(2) };
    spec.postgres.instances = Range { start: 2, min: 2, max: 4 };
    spec.balancers.maxconn = 2_000;
    spec.balancers.cpus = Range { start: 0.5, min: 0.2, max: 2.0 };
    spec.balancers.memory = Range { start: Bytes::mib(128), min: Bytes::mib(128), max: Bytes::gib(1) };
    let mut policy = ScalingPolicy { every: Span::secs(1), ..ScalingPolicy::default() };
    (policy.cpu.up_window, policy.cpu.down_window) = (Span::secs(2), Span::secs(4));
    (policy.memory.up_window, policy.memory.down_window) = (Span::secs(1), Span::secs(5));
    policy.disk.up_window = Span::secs(1);
    (policy.instances.out_window, policy.instances.in_window) = (Span::secs(3), Span::secs(8));
    World { spec, policy }
}

/// One run; what broke, and how many sizes, restarts and numbers there were.
fn run(seed: u64, mutant: Mutant) -> (Result<(), String>, [u32; 3]) {
    let world = Arc::new(world());
    let lab = Arc::new(Mutex::new(Lab::new(seed, mutant, &world.spec)));
    let born = |replica| Box::pin(process(Arc::clone(&lab), replica, Arc::clone(&world)));
    play(born, || {
        let mut lab = lab.lock().expect("the lab");
        lab.tick();
        let done = [lab.resizes, lab.restarts, lab.counts];
        if let Some(broken) = lab.broken.take() {
            return Turn::End((Err(broken), done));
        }
        if lab.now >= END {
            return Turn::End((lab.fits(), done));
        }
        let crash = lab.now < CALM && lab.chance.random_bool(0.002);
        if crash { Turn::Crash(lab.chance.random_range(0..2)) } else { Turn::On }
    })
}

#[test]
fn sizes_through_trouble_end_where_the_load_wants_them() {
    let mut sums = [0; 3];
    for seed in 0..seeds(100) {
        let (outcome, done) = run(seed, Mutant::None);
        assert_eq!(outcome, Ok(()), "seed {seed}");
        sums = std::array::from_fn(|n| sums[n] + done[n]);
    }
    assert!(sums.iter().all(|sum| *sum > 0), "no size or number moved or nobody restarted: {sums:?}");
}

#[test]
fn wrong_hands_are_noticed() {
    for (mutant, word) in [(Mutant::NotApplied, "is held to"), (Mutant::Unchecked, "more than it has")] {
        let caught =
            (0..seeds(200)).filter_map(|seed| run(seed, mutant).0.err()).any(|why| why.contains(word));
        assert!(caught, "wrong hands went unnoticed: {word}");
    }
}
