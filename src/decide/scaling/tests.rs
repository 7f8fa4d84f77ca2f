//! Tables and properties of the brain: a body that wants so much, measured, decided and given, turn by turn.

mod audit;
mod begun;
mod count;
mod crowd;
mod expect;
mod many;
mod sessions;
mod waits;
mod wal;
mod weigh;
mod wishes;

use proptest::prelude::*;

use super::*;
use crate::decide::brain::Brain as _;
use crate::model::control::Replacing;
use crate::model::scaling::{DiskUsage, Resource, ScalingPolicy, SizeWish, Usage};
use crate::model::self_report::{SelfReport, Work};
use crate::model::sighting::{BodySeen, PatroniSeen};
use crate::model::{Bytes, ContainerStatus, HostName, Member, Service, Size};

const SECOND: u64 = 1_000_000_000;

fn name(text: &str) -> MemberId {
    text.parse().expect("a name")
}

fn host_name(text: &str) -> HostName {
    text.parse().expect("a name")
}

/// What went wrong, with an effect that is open.
fn failed() -> StepOutcome {
    StepOutcome::Failed("no answer".to_owned())
}

/// A database and a balancer on one host of four cores, and what they want.
struct Story {
    world: ScalingWorld,
    memory: ScalingMemory,
    now: u64,
    members: Vec<Member>,
    usage: Usages,
    store: ScalingStoreSeen,
    postgres: BTreeMap<MemberId, Sight<PatroniSeen>>,
    inside: BTreeMap<MemberId, SelfReport>,
}

impl Story {
    fn new() -> Self {
        let mut spec = crate::decide::body::samples::spec();
        spec.hosts.truncate(1);
        let host: HostName = spec.hosts[0].name.clone();
        (spec.hosts[0].cpus, spec.hosts[0].memory, spec.hosts[0].disk) = (4.0, Bytes::gib(4), Bytes::gib(20));
        let members = vec![
            Member {
                id: name("postgres-1"),
                service: Service::Postgres,
                host: host.clone(),
                size: spec.start_size(Service::Postgres),
            },
            Member {
                id: name("etcd-1"),
                service: Service::Etcd,
                host: host.clone(),
                size: spec.start_size(Service::Etcd),
            },
        ];
        let usage = Usage { container: "c1".to_owned(), ..Usage::default() };
        let store = ScalingStoreSeen { leader: Some(name("postgres-1")), ..ScalingStoreSeen::default() };
        Self {
            world: ScalingWorld { spec, policy: ScalingPolicy::default() },
            memory: ScalingMemory::default(),
            now: 1_000 * SECOND,
            members,
            usage: [(name("postgres-1"), usage)].into(),
            store,
            postgres: BTreeMap::new(),
            inside: BTreeMap::new(),
        }
    }

    fn size(&self) -> Size {
        self.members[0].size
    }

    /// Lets a pause pass in which the database wanted so many cores, so much memory and so much disk, MiB.
    fn turn(&mut self, cores: f64, memory: u64, disk: u64) -> ScalingDecision {
        let pause = u64::try_from(self.world.policy.every.0.as_nanos()).expect("a pause");
        self.now += pause;
        let size = self.size();
        let usage = self.usage.get_mut(&name("postgres-1")).expect("the database");
        let given = cores.min(size.cpus);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "nanoseconds of a pause")]
        let nanos = |cores: f64| (cores * pause as f64) as u64;
        usage.at = Mono(self.now);
        usage.cpu_ns += nanos(given);
        usage.throttled_ns += nanos(cores - given);
        usage.memory = Bytes::mib(memory).min(size.memory);
        (usage.cores, usage.limit) = (Some(size.cpus), Some(size.memory));
        let free = Bytes(size.disk.0.saturating_sub(Bytes::mib(disk).0));
        usage.disk = Some(DiskUsage { free, size: Bytes(size.disk.0 - Bytes::mib(64).0) });
        let seen = self.look();
        let decision = scaling(&self.world, &seen, std::mem::take(&mut self.memory));
        self.memory = decision.memory.clone();
        for step in &decision.steps {
            if let ScalingStep::Resize { member, from, to, .. } = step {
                let one = self.members.iter_mut().find(|one| one.id == *member).expect("a member");
                assert_eq!(one.size, *from);
                one.size = *to;
            }
            ScalingWorld::took(&mut self.memory, step, Mono(self.now), &StepOutcome::Done);
        }
        decision
    }

    fn look(&self) -> ScalingSeen {
        let body = |id: &str, service: &str| BodySeen {
            id: id.to_owned(),
            status: ContainerStatus::Running,
            host: self.members[0].host.clone(),
            service: service.to_owned(),
            started: String::new(),
            oom_killed: false,
        };
        let members =
            [(name("postgres-1"), vec![body("c1", "postgres")]), (name("etcd-1"), vec![body("c2", "etcd")])];
        let bodies = Bodies { members: members.into(), placed: self.members.clone(), ..Bodies::default() };
        ScalingSeen {
            at: Mono(self.now),
            bodies: Sight::Seen(bodies),
            usage: Sight::Seen(self.usage.clone()),
            store: Sight::Seen(self.store.clone()),
            postgres: self.postgres.clone(),
            inside: self.inside.clone(),
        }
    }

    /// The same wants for some turns; the sizes it had, each once.
    fn turns(&mut self, count: usize, cores: f64, memory: u64, disk: u64) -> Vec<String> {
        let mut sizes = Vec::new();
        for _ in 0..count {
            self.turn(cores, memory, disk);
            let size = self.size();
            let said = format!("{} {} {}", size.cpus, size.memory, size.disk);
            if sizes.last() != Some(&said) {
                sizes.push(said);
            }
        }
        sizes
    }
}

/// Alarms as a person reads them.
fn texts(alarms: &[crate::model::control::Alarm]) -> Vec<String> {
    alarms.iter().map(ToString::to_string).collect()
}

#[test]
fn a_quiet_database_keeps_its_size() {
    let mut story = Story::new();
    // half a core is its least and what it gives back: it began with one
    assert_eq!(story.turns(6, 0.85, 400, 300), ["1 512MiB 512MiB"]);
    let decision = story.turn(0.85, 400, 300);
    assert_eq!((decision.step.as_str(), decision.steps.len()), ("watch", 0));
}

#[test]
fn cores_need_two_measurements_and_steps_double() {
    let mut story = Story::new();
    let first = story.turn(4.0, 400, 300);
    assert!(first.steps.is_empty(), "a rate needs a measurement before it");
    assert!(story.turn(4.0, 400, 300).steps.is_empty(), "one is no window");
    let decision = story.turn(4.0, 400, 300);
    insta::assert_snapshot!(decision.reason, @"cpu: 4.00 cores of 1.00 cores used (60th percentile of 20s), 0.10 cores shall be free: 1.10 cores");
    // 0.5 of the host's four cores is etcd's
    // each step has two measurements of its own
    assert!(story.turn(4.0, 400, 300).steps.is_empty(), "one since the last step is no window");
    assert_eq!(
        story.turns(8, 4.0, 400, 300),
        ["1.3 512MiB 512MiB", "1.7 512MiB 512MiB", "2.5 512MiB 512MiB", "3.5 512MiB 512MiB"]
    );
    let decision = story.turn(4.0, 400, 300);
    insta::assert_snapshot!(decision.reason, @"cpu: 4.00 cores of 3.50 cores used (60th percentile of 20s), 0.10 cores shall be free, and that is all its host has");
}

#[test]
fn memory_and_disk_grow_at_the_first_measurement() {
    let mut story = Story::new();
    let decision = story.turn(0.85, 470, 450);
    insta::assert_snapshot!(decision.reason, @"memory: 470 MiB of 512 MiB used (50th percentile of 10s), 64 MiB shall be free: 640 MiB; disk: 450 MiB of 512 MiB used (50th percentile of 10s), 128 MiB shall be free: 1024 MiB");
    // what is full still grows
    assert_eq!(story.turns(3, 0.85, 1_000, 2_000), ["1 896MiB 2GiB", "1 1408MiB 4GiB"]);
}

#[test]
fn a_full_disk_at_its_limit_is_an_alarm() {
    let mut story = Story::new();
    story.turns(5, 0.85, 400, 4_096);
    assert_eq!(story.size().disk, Bytes::gib(4));
    let decision = story.turn(0.85, 400, 4_096);
    insta::assert_snapshot!(texts(&decision.alarms).join("; "), @"postgres-1: disk: 4096 MiB of 4096 MiB used (50th percentile of 10s), 128 MiB shall be free, and that is its limit");
    // a disk never shrinks
    assert_eq!(story.turns(60, 0.85, 400, 10), ["1 512MiB 4GiB"]);
}

#[test]
fn what_is_idle_goes_back_and_memory_stops_at_its_step() {
    let mut story = Story::new();
    story.turns(4, 0.85, 1_000, 300);
    assert_eq!(story.size().memory, Bytes::mib(1408));
    // PostgreSQL's shared memory stands on 1 GiB: less would need a restart
    let sizes = story.turns(60, 0.2, 100, 300);
    insta::assert_snapshot!(sizes.join(", "), @"1 1408MiB 512MiB, 0.9 1408MiB 512MiB, 0.7 1408MiB 512MiB, 0.7 1280MiB 512MiB, 0.6 1280MiB 512MiB, 0.5 1280MiB 512MiB, 0.5 1GiB 512MiB");
}

#[test]
fn nothing_is_taken_while_nobody_leads_or_repair_replaces() {
    let mut story = Story::new();
    story.store.leader = None;
    assert_eq!(story.turns(20, 0.1, 100, 300), ["1 512MiB 512MiB"]);
    insta::assert_snapshot!(story.turn(0.1, 100, 300).reason, @"cpu: 0.10 cores of 1.00 cores used (40th percentile of 1m), and nothing is taken away: nobody leads");
    // more is given all the same
    assert_eq!(story.turns(1, 0.1, 500, 300), ["1 640MiB 512MiB"]);
    let (member, by, host) = (name("postgres-2"), name("postgres-4"), host_name("h9"));
    story.store.replacing = Some(Replacing {
        service: Service::Postgres,
        member,
        by,
        host,
        why: "its host is down".to_owned(),
        begun: None,
    });
    story.store.leader = Some(name("postgres-1"));
    assert_eq!(story.turns(20, 0.1, 500, 300), ["1 640MiB 512MiB"]);
}

#[test]
fn an_operator_is_obeyed_within_the_limits() {
    let mut story = Story::new();
    let wish = SizeWish { cpu: Some(2.0), memory: Some(Bytes::gib(1)), disk: None };
    story.store.asked = [(name("postgres-1"), OperatorWish { wish, revision: 7 })].into();
    story.turn(0.85, 400, 300);
    assert_eq!((story.size().cpus, story.size().memory), (2.0, Bytes::gib(1)));
    let done = story.turn(0.85, 400, 300);
    assert_eq!(done.steps, [ScalingStep::Forget { member: name("postgres-1"), revision: 7 }]);
    let wish = SizeWish { disk: Some(Bytes::mib(400)), ..SizeWish::default() };
    story.store.asked = [(name("postgres-1"), OperatorWish { wish, revision: 7 })].into();
    let refused = story.turn(0.85, 400, 300);
    insta::assert_snapshot!(refused.reason, @"an operator wants another size: disk: 400MiB is less than the 512MiB it has, and a disk never shrinks");
    assert_eq!(refused.steps, [ScalingStep::Forget { member: name("postgres-1"), revision: 7 }]);
}

#[test]
fn a_wish_that_cannot_be_fulfilled_is_refused_and_skips_nobody_for_ever() {
    let mut story = Story::new();
    let wish = SizeWish { cpu: Some(2.0), memory: None, disk: None };
    story.store.asked = [(name("postgres-1"), OperatorWish { wish, revision: 7 })].into();
    let seen = story.look();
    let mut memory = ScalingMemory::default();
    let tried = scaling(&story.world, &seen, memory.clone());
    assert_eq!(tried.steps.iter().map(ScalingStep::name).collect::<Vec<_>>(), ["resize"]);
    for _ in 0..5 {
        ScalingWorld::took(&mut memory, &tried.steps[0], seen.at, &failed());
    }
    let refused = scaling(&story.world, &seen, memory);
    assert_eq!(refused.steps, [ScalingStep::Forget { member: name("postgres-1"), revision: 7 }]);
    assert_eq!(refused.alarms.len(), 1);
}

#[test]
fn what_the_kernel_holds_it_to_is_made_what_its_size_says() {
    let mut story = Story::new();
    story.turn(0.85, 400, 300);
    story.usage.get_mut(&name("postgres-1")).expect("it").limit = Some(Bytes::mib(256));
    let seen = story.look();
    let decision = scaling(&story.world, &seen, ScalingMemory::default());
    insta::assert_snapshot!(decision.reason, @"memory: it is held to 256MiB, its size says 512MiB");
    assert_eq!(decision.steps.len(), 1);
}

#[test]
fn who_is_blind_or_in_maintenance_does_nothing() {
    let mut story = Story::new();
    story.store.maintenance = true;
    assert_eq!(story.turn(4.0, 500, 500).step, "maintenance");
    let seen = story.look();
    for blind in [
        ScalingSeen { usage: Sight::Blind("late".to_owned()), ..seen.clone() },
        ScalingSeen { store: Sight::Blind("late".to_owned()), ..seen.clone() },
        ScalingSeen { bodies: Sight::Blind("late".to_owned()), ..seen.clone() },
        ScalingSeen { bodies: Sight::Seen(Bodies::default()), ..seen },
    ] {
        let decision = scaling(&story.world, &blind, ScalingMemory::default());
        assert_eq!((decision.step.as_str(), decision.steps.len()), ("blind", 0));
    }
}

#[test]
fn a_step_that_fails_is_tried_again_later() {
    let mut story = Story::new();
    let decision = story.turn(0.85, 500, 300);
    let step = decision.steps.first().expect("it grows");
    story.members[0].size.memory = Bytes::mib(512);
    for _ in 0..8 {
        ScalingWorld::took(&mut story.memory, step, Mono(story.now), &failed());
    }
    assert!(story.turn(0.85, 500, 300).steps.is_empty(), "it failed a moment ago");
    assert_eq!(story.turns(7, 0.85, 500, 300).last().map(String::as_str), Some("1 640MiB 512MiB"));
}

/// A story with a primary and two replicas that are well, whose shared memory waits for a restart as told.
fn waiting(pending: [bool; 3]) -> Story {
    let mut story = Story::new();
    for (number, pending) in (1..=3).zip(pending) {
        let id = name(&format!("postgres-{number}"));
        if number > 1 {
            let host = host_name(&format!("h{number}"));
            story.members.push(Member { id: id.clone(), host, ..story.members[0].clone() });
        }
        let (role, state) = if number == 1 { ("primary", "running") } else { ("replica", "streaming") };
        let restart_for = if pending { vec!["shared_buffers".to_owned()] } else { Vec::new() };
        let lsn = Some(crate::model::Lsn(number));
        let seen = PatroniSeen {
            role: role.to_owned(),
            state: state.to_owned(),
            restart_for,
            lsn,
            ..PatroniSeen::default()
        };
        story.postgres.insert(id, Sight::Seen(seen));
    }
    story
}

#[test]
fn restarts_are_replicas_first_and_then_the_leader_hands_over() {
    let mut story = waiting([true, true, true]);
    assert_eq!(story.turn(0.85, 400, 300).steps, [ScalingStep::Restart { member: name("postgres-2") }]);
    let mut story = waiting([true, false, true]);
    assert_eq!(story.turn(0.85, 400, 300).steps, [ScalingStep::Restart { member: name("postgres-3") }]);
    let mut story = waiting([true, false, false]);
    let decision = story.turn(0.85, 400, 300);
    // postgres-3 has more of the WAL
    assert_eq!(
        decision.steps,
        [ScalingStep::HandOver { member: name("postgres-1"), to: name("postgres-3") }]
    );
    assert_eq!(decision.step, "handover");
    let mut story = waiting([true, false, false]);
    if let Some(Sight::Seen(seen)) = story.postgres.get_mut(&name("postgres-2")) {
        seen.sync_standby = true;
    }
    let decision = story.turn(0.85, 400, 300);
    assert_eq!(
        decision.steps,
        [ScalingStep::HandOver { member: name("postgres-1"), to: name("postgres-2") }]
    );
    assert!(waiting([false; 3]).turn(0.85, 400, 300).steps.is_empty());
}

#[test]
fn a_leader_hands_over_when_everybody_else_has_said_what_they_wait_for() {
    let mut story = waiting([true, false, false]);
    let changed = |at: u64| [(Resource::Memory, Mono(at * SECOND))].into();
    // Patroni looks every ten seconds, and this was four seconds ago in the next look
    story.memory.notes.changed.insert(name("postgres-2"), changed(1_006));
    let decision = story.turn(0.85, 400, 300);
    assert!(decision.steps.is_empty());
    insta::assert_snapshot!(decision.reason, @"its memory has just changed, and shared_buffers may wait for a restart there as well");
    // by then it would have said so
    assert_eq!(story.turn(0.85, 400, 300).step, "handover");
    // one that has said so restarts at once, and the leader's own change is known to the leader
    let mut story = waiting([true, true, false]);
    story.memory.notes.changed.insert(name("postgres-2"), changed(1_006));
    assert_eq!(story.turn(0.85, 400, 300).steps, [ScalingStep::Restart { member: name("postgres-2") }]);
    let mut story = waiting([true, false, false]);
    story.memory.notes.changed.insert(name("postgres-1"), changed(1_006));
    assert_eq!(story.turn(0.85, 400, 300).step, "handover");
}

#[test]
fn a_leader_hands_over_only_to_who_may_lead() {
    let mut story = waiting([true, false, false]);
    // postgres-3 has more of the WAL, and confirms nothing
    story.store.may_lead = Some(vec![name("postgres-1"), name("postgres-2")]);
    let decision = story.turn(0.85, 400, 300);
    assert_eq!(
        decision.steps,
        [ScalingStep::HandOver { member: name("postgres-1"), to: name("postgres-2") }]
    );
    // Patroni has not named a synchronous standby: it will, and a restart of the leader would be an outage
    let mut story = waiting([true, false, false]);
    story.store.may_lead = Some(vec![name("postgres-1")]);
    let decision = story.turn(0.85, 400, 300);
    assert!(decision.steps.is_empty());
    insta::assert_snapshot!(decision.reason, @"shared_buffers waits for a restart: no replica may lead in its place");
}

#[test]
fn nobody_restarts_while_another_is_not_well_or_sizes_change() {
    let mut story = waiting([false, true, false]);
    assert_eq!(story.turn(0.85, 500, 300).steps.len(), 1, "memory grows, and the restart waits");
    if let Some(Sight::Seen(seen)) = story.postgres.get_mut(&name("postgres-3")) {
        seen.state = "starting".to_owned();
    }
    insta::assert_snapshot!(story.turn(0.85, 400, 300).reason, @"shared_buffers waits for a restart: postgres-3 is not well");
    story.postgres.insert(name("postgres-3"), Sight::Blind("late".to_owned()));
    assert!(story.turn(0.85, 400, 300).steps.is_empty());
    let mut story = waiting([true, true, true]);
    story.store.leader = None;
    insta::assert_snapshot!(story.turn(0.85, 400, 300).reason, @"shared_buffers waits for a restart: nobody leads");
    // what waits for another setting is nobody's business here
    let mut story = waiting([true, false, false]);
    if let Some(Sight::Seen(seen)) = story.postgres.get_mut(&name("postgres-1")) {
        seen.restart_for = vec!["max_connections".to_owned()];
    }
    assert!(story.turn(0.85, 400, 300).steps.is_empty());
}

fn load() -> impl Strategy<Value = (f64, u64, u64)> {
    (0_u32..60, 50_u64..3_000, 10_u64..6_000)
        .prop_map(|(cores, memory, disk)| (f64::from(cores) / 10.0, memory, disk))
}

proptest! {
    /// Whatever is wanted, sizes stay inside the spec's limits and the host's capacity, memory above what is in use,
    /// and disks never shrink.
    #[test]
    fn whatever_is_wanted_every_limit_is_kept(loads in proptest::collection::vec((load(), 1_usize..20), 1..8)) {
        let mut story = Story::new();
        let (min, max) = story.world.spec.limits(Service::Postgres).expect("it moves");
        let mut disk = story.size().disk;
        for ((cores, memory, full), turns) in loads {
            for _ in 0..turns {
                story.turn(cores, memory, full);
                let size = story.size();
                prop_assert!(size.cpus >= min.cpus - 1e-9 && size.cpus <= max.cpus.min(3.5) + 1e-9, "{size:?}");
                prop_assert!(size.memory >= min.memory && size.memory <= max.memory, "{size:?}");
                prop_assert!(size.memory >= Bytes::mib(memory).min(max.memory) || size.memory >= story.usage[&name("postgres-1")].memory);
                prop_assert!(size.disk >= disk && size.disk <= max.disk, "{size:?}");
                disk = size.disk;
            }
        }
    }

    /// The same load for a long time ends in one size, which no longer moves.
    #[test]
    fn a_constant_load_ends_in_one_size(before in load(), (cores, memory, disk) in load()) {
        let mut story = Story::new();
        story.turns(20, before.0, before.1, before.2);
        story.turns(200, cores, memory, disk);
        let end = story.size();
        for _ in 0..60 {
            story.turn(cores, memory, disk);
            prop_assert_eq!(story.size(), end);
        }
    }

    /// Who wants more never ends up with less.
    #[test]
    fn who_wants_more_has_no_less((cores, memory, disk) in load(), more in (0_u32..20, 0_u64..1_000, 0_u64..1_000)) {
        let (mut one, mut other) = (Story::new(), Story::new());
        one.turns(120, cores, memory, disk);
        other.turns(120, cores + f64::from(more.0) / 10.0, memory + more.1, disk + more.2);
        let (less, more) = (one.size(), other.size());
        prop_assert!(more.cpus >= less.cpus - 0.2 && more.disk >= less.disk, "{less:?} {more:?}");
        prop_assert!(more.memory.0 + Bytes::mib(128).0 >= less.memory.0, "{less:?} {more:?}");
    }

    /// Deciding twice from the same look and memory is the same decision.
    #[test]
    fn the_same_look_means_the_same_decision((cores, memory, disk) in load(), turns in 1_usize..10) {
        let mut story = Story::new();
        story.turns(turns, cores, memory, disk);
        let seen = story.look();
        let decide = || scaling(&story.world, &seen, story.memory.clone());
        prop_assert_eq!(decide(), decide());
    }
}
