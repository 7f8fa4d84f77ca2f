//! The decision table of repair, one situation a test, and what holds in every situation.

mod count;
mod drift;
mod etcd_members;
mod fences;
mod follow;
mod handover;
mod kept;
mod mends;
mod replace;
mod replacement;
mod standbys;
mod stateless_members;
mod waits;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::decide::body::samples;
use crate::model::control::{Bodies, Budget, Proof, ProofLevel, RepairPolicy};
use crate::model::sighting::{BodySeen, PatroniSeen, ServerSeen};
use crate::model::{Bytes, ContainerStatus, HostName, Lsn, MemberId, Mono, Service, Size, Span};

fn name(text: &str) -> MemberId {
    text.parse().expect("a name")
}

/// What went wrong, with an effect that is open.
fn failed() -> StepOutcome {
    StepOutcome::Failed("no answer".to_owned())
}

fn host_name(text: &str) -> HostName {
    text.parse().expect("a name")
}

fn world() -> RepairWorld {
    let size = Size { cpus: 1.0, memory: Bytes::mib(256), disk: Bytes::gib(1) };
    let mut members = Vec::new();
    for n in 1..=3 {
        for (service, word) in [(Service::Postgres, "postgres"), (Service::Etcd, "etcd")] {
            let (id, host) = (name(&format!("{word}-{n}")), host_name(&format!("h{n}")));
            members.push(Member { id, service, host, size });
        }
    }
    let (id, host) = (name("balancer-1"), host_name("h1"));
    members.push(Member { id, service: Service::Balancer, host, size });
    RepairWorld { spec: samples::spec(), members, lag: Bytes::mib(1), policy: RepairPolicy::default() }
}

fn instance(leads: bool, lsn: u64) -> InstanceSeen {
    let patroni = PatroniSeen {
        role: if leads { "primary" } else { "replica" }.to_owned(),
        state: if leads { "running" } else { "streaming" }.to_owned(),
        timeline: Some(1),
        lsn: Some(Lsn(lsn)),
        ..PatroniSeen::default()
    };
    InstanceSeen {
        sql: ConnectionReply::Answers(SqlReply { in_recovery: !leads }),
        rest: ConnectionReply::Answers(RestReply { patroni, loop_runs: true }),
        held: HeldConnection::Quick,
        disk: DiskSeen::Takes,
    }
}

fn cloning() -> InstanceSeen {
    let patroni = PatroniSeen { state: "creating replica".to_owned(), ..PatroniSeen::default() };
    InstanceSeen {
        sql: ConnectionReply::Refuses("it starts".to_owned()),
        rest: ConnectionReply::Answers(RestReply { patroni, loop_runs: true }),
        ..InstanceSeen::default()
    }
}

/// postgres-1 on h1 leads, everything runs, the balancer leads to it; ten seconds after the beginning.
fn healthy(world: &RepairWorld) -> RepairSeen {
    let mut bodies = Bodies::default();
    for member in &world.members {
        bodies.members.insert(member.id.clone(), vec![body(member.id.as_str(), &member.host, "x")]);
        bodies.hosts.insert(member.host.clone(), body(member.host.as_str(), &member.host, "host"));
    }
    let leader = LeaderSeen { member: name("postgres-1"), mod_revision: 7, lease: 70 };
    let store = RepairStoreSeen { leader: Some(leader), initialized: true, ..RepairStoreSeen::default() };
    let server =
        |up| ServerSeen { status: if up { "UP" } else { "DOWN" }.to_owned(), ..ServerSeen::default() };
    let rw = (1..=3).map(|n| (host_name(&format!("h{n}")), server(n == 1))).collect();
    let routes = Routes { rw, ..Routes::default() };
    RepairSeen {
        at: Mono(10_000_000_000),
        bodies: Sight::Seen(bodies),
        store: Sight::Seen(store),
        postgres: (1..=3).map(|n| (name(&format!("postgres-{n}")), instance(n == 1, 1000 + n))).collect(),
        balancers: [(name("balancer-1"), Sight::Seen(routes))].into(),
        ..RepairSeen::default()
    }
}

fn body(id: &str, host: &HostName, service: &str) -> BodySeen {
    BodySeen {
        id: format!("id-{id}"),
        status: ContainerStatus::Running,
        host: host.clone(),
        service: service.to_owned(),
        started: String::new(),
        oom_killed: false,
    }
}

fn bodies(seen: &mut RepairSeen) -> &mut Bodies {
    match &mut seen.bodies {
        Sight::Seen(bodies) => bodies,
        Sight::Blind(why) => panic!("blind: {why}"),
    }
}

fn store(seen: &mut RepairSeen) -> &mut RepairStoreSeen {
    match &mut seen.store {
        Sight::Seen(store) => store,
        Sight::Blind(why) => panic!("blind: {why}"),
    }
}

fn turn(seen: &mut RepairSeen, member: &str, status: ContainerStatus) {
    bodies(seen).members.get_mut(&name(member)).expect("a member")[0].status = status;
}

fn prove(seen: &mut RepairSeen, member: &str, level: ProofLevel) {
    let proof = Proof { level, evidence: "seen".to_owned() };
    seen.proofs.insert(format!("id-{member}"), proof);
}

/// Memory in which something has been wrong with `member` for all ten seconds.
fn long(member: &str, what: &str) -> RepairMemory {
    RepairMemory { since: [(name(member), since(what, Mono(0)))].into(), ..RepairMemory::default() }
}

/// A trouble by its word, and since when.
fn since(what: &str, when: Mono) -> BTreeMap<Trouble, Mono> {
    let trouble = serde_json::from_value(what.into()).expect("a trouble");
    [(trouble, when)].into()
}

/// What needs a person, in words.
fn alarms(decision: &RepairDecision) -> Vec<String> {
    decision.alarms.iter().map(ToString::to_string).collect()
}

fn line(decision: &RepairDecision) -> String {
    let steps = decision.steps.iter().map(|step| match step {
        RepairStep::Close { park: true, .. } => format!("{}(park)", step.key()),
        RepairStep::Release { candidate: Some(next), .. } => format!("{} for {next}", step.key()),
        _ => step.key(),
    });
    format!("{} | {}: {}", steps.collect::<Vec<_>>().join(", "), decision.step, decision.reason)
}

fn decide(seen: &RepairSeen, memory: RepairMemory) -> RepairDecision {
    repair(&world(), seen, memory)
}

/// What is done beside opening the doors of a leader that is being promoted.
fn beside_doors(decision: &RepairDecision) -> Vec<&RepairStep> {
    decision.steps.iter().filter(|step| !matches!(step, RepairStep::Open { .. })).collect()
}

#[test]
fn a_healthy_lab_is_left_alone() {
    let decision = decide(&healthy(&world()), RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @" | watch: nothing to do");
    assert_eq!((decision.again_in, decision.hurry), (world().policy.every, false));
}

#[test]
fn a_dead_leader_is_fenced_then_released() {
    let mut seen = healthy(&world());
    turn(&mut seen, "postgres-1", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h1, fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    prove(&mut seen, "postgres-2", ProofLevel::Dead);
    prove(&mut seen, "postgres-1", ProofLevel::Doomed);
    let fenced =
        RepairMemory { done: [("fence postgres-1".to_owned(), seen.at)].into(), ..RepairMemory::default() };
    insta::assert_snapshot!(line(&decide(&seen, fenced)), @" | wait: the proof says Doomed: seen; without more the lease decides");
    prove(&mut seen, "postgres-1", ProofLevel::Dead);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"release postgres-1 | release: the leader is proved dead; Patroni's race decides");
    let mut slow = world();
    slow.policy.release = false;
    insta::assert_snapshot!(line(&repair(&slow, &seen, RepairMemory::default())), @" | wait: the leader is proved dead; the policy leaves the key to its lease");
}

#[test]
fn the_last_body_is_not_taken_down_and_the_others_are_started_first() {
    let mut seen = healthy(&world());
    for member in ["postgres-2", "postgres-3"] {
        turn(&mut seen, member, ContainerStatus::Exited);
    }
    turn(&mut seen, "postgres-1", ContainerStatus::Paused);
    let mut memory = long("postgres-1", "frozen");
    memory.since.extend(long("postgres-2", "dead").since);
    let decision = decide(&seen, memory.clone());
    insta::assert_snapshot!(line(&decision), @"start postgres-2 | refuse: nobody may follow it (postgres-2: its body does not run; postgres-3: its body does not run)");
    assert_eq!(decision.alarms.len(), 1, "{:?}", decision.alarms);
    turn(&mut seen, "postgres-2", ContainerStatus::Running);
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
}

#[test]
fn a_lost_host_needs_a_candidate() {
    let mut seen = healthy(&world());
    turn(&mut seen, "postgres-1", ContainerStatus::Exited);
    prove(&mut seen, "postgres-1", ProofLevel::Dead);
    bodies(&mut seen).hosts.get_mut(&host_name("h1")).expect("a host").status = ContainerStatus::Exited;
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"release postgres-1 for postgres-3 | release: the leader is proved dead; its address is silent, the best replica follows");
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-2")]);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"release postgres-1 for postgres-2 | release: the leader is proved dead; its address is silent, the best replica follows");
    seen.postgres.insert(name("postgres-2"), InstanceSeen::default());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"release postgres-1 | release: the leader is proved dead; its address is silent and no candidate qualifies: none that answers is on the newest timeline, close enough and allowed");
}

#[test]
fn a_frozen_leader_has_a_grace() {
    let mut seen = healthy(&world());
    turn(&mut seen, "postgres-1", ContainerStatus::Paused);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: the leader frozen, for less than 3s");
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "frozen"))), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    turn(&mut seen, "postgres-1", ContainerStatus::Running);
    seen.postgres.get_mut(&name("postgres-1")).expect("it").sql = ConnectionReply::Hangs("2 s".to_owned());
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "hangs"))), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
}

#[test]
fn slow_is_not_frozen() {
    let mut seen = healthy(&world());
    let it = seen.postgres.get_mut(&name("postgres-1")).expect("it");
    (it.sql, it.rest) = (ConnectionReply::Hangs("2 s".to_owned()), ConnectionReply::Hangs("2 s".to_owned()));
    it.held = HeldConnection::Slow;
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "hangs"))), @" | elect: the leader does not take writes yet");
    seen.postgres.get_mut(&name("postgres-1")).expect("it").held = HeldConnection::Silent;
    let lately = RepairMemory {
        since: [(name("postgres-1"), since("hangs-altogether", Mono(1_000_000_000)))].into(),
        ..RepairMemory::default()
    };
    insta::assert_snapshot!(line(&decide(&seen, lately)), @" | grace: the leader hangs altogether, for less than 12s");
    seen.at = Mono(13_000_000_000);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "hangs-altogether"))), @"close h1(park), fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
}

#[test]
fn silence_is_no_death_and_a_refusal_wakes() {
    let mut seen = healthy(&world());
    let silent = InstanceSeen {
        sql: ConnectionReply::Silent(String::new()),
        rest: ConnectionReply::Silent(String::new()),
        held: HeldConnection::Silent,
        ..InstanceSeen::default()
    };
    seen.postgres.insert(name("postgres-1"), silent);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "hangs"))), @" | elect: the leader does not take writes yet");
    let mut refusing = instance(true, 1);
    refusing.sql = ConnectionReply::Refuses("nobody listens".to_owned());
    seen.postgres.insert(name("postgres-1"), refusing.clone());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"wake postgres-1 | wake: PostgreSQL refuses and its body runs: Patroni starts it in place");
    refusing.rest = ConnectionReply::Hangs("2 s".to_owned());
    seen.postgres.insert(name("postgres-1"), refusing.clone());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h1, wake postgres-1 | wake: PostgreSQL refuses and its body runs: Patroni starts it in place");
    refusing.rest = ConnectionReply::Refuses("nobody listens".to_owned());
    seen.postgres.insert(name("postgres-1"), refusing);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | elect: the leader does not take writes yet");
}

#[test]
fn who_cannot_be_told_apart_is_not_touched() {
    let mut seen = healthy(&world());
    let two = bodies(&mut seen).members.get_mut(&name("postgres-1")).expect("it");
    two.push(two[0].clone());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | refuse: 2 containers are called postgres-1: which of them holds the leader key cannot be known");
    bodies(&mut seen).members.remove(&name("postgres-1"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | refuse: the leader has no container and its id is not known: its lease decides");
    let knows = RepairMemory {
        known: [(name("postgres-1"), "id-postgres-1".to_owned())].into(),
        ..RepairMemory::default()
    };
    insta::assert_snapshot!(line(&decide(&seen, knows.clone())), @"close h1, fence postgres-1 | fence: the leader's body must be proved dead before its key is released");
    prove(&mut seen, "postgres-1", ProofLevel::Dead);
    insta::assert_snapshot!(line(&decide(&seen, knows)), @"release postgres-1 | release: the leader is proved dead; Patroni's race decides");
}

#[test]
fn without_a_leader_patroni_elects() {
    let mut seen = healthy(&world());
    store(&mut seen).leader = None;
    turn(&mut seen, "postgres-1", ContainerStatus::Exited);
    let decision = decide(&seen, long("postgres-1", "dead"));
    insta::assert_snapshot!(line(&decision), @" | elect: nobody holds the leader key: Patroni elects");
    assert!(decision.hurry);
    store(&mut seen).initialized = false;
    let decision = decide(&seen, long("postgres-1", "dead"));
    insta::assert_snapshot!(line(&decision), @" | hold: the cluster is not founded");
    assert_eq!(decision.alarms.len(), 1);
    // bodies run and no database answers: it is being founded, and nothing was lost
    for instance in seen.postgres.values_mut() {
        instance.sql = ConnectionReply::Refuses("nobody listens".to_owned());
    }
    assert_eq!(alarms(&decide(&seen, RepairMemory::default())), [""; 0]);
}

#[test]
fn doors_follow_the_leader() {
    let mut seen = healthy(&world());
    let leader = LeaderSeen { member: name("postgres-2"), mod_revision: 9, lease: 90 };
    store(&mut seen).leader = Some(leader);
    seen.postgres.insert(name("postgres-2"), instance(true, 9));
    let first = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @"close h1, open h2 | open: 5432 does not lead to the leader and to it alone");
    insta::assert_snapshot!(line(&decide(&seen, first.memory)), @" | watch: nothing to do");
    let (from, to) = (Some(name("postgres-2")), Some(name("postgres-3")));
    store(&mut seen).handover = Some(HandoverSeen { from, to, scheduled: false, mod_revision: 9 });
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"wake postgres-2 | hold: a handover is under way: Patroni does it");
}

#[test]
fn nobody_stays_on_a_server_that_does_not_lead() {
    let mut seen = healthy(&world());
    let server = |status: &str, sessions| ServerSeen { status: status.to_owned(), sessions, weight: 1 };
    let mut behind = |status: &str, sessions| {
        if let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-1")) {
            routes.rw =
                [(host_name("h1"), server("UP", 5)), (host_name("h2"), server(status, sessions))].into();
        }
        decide(&seen, RepairMemory::default())
    };
    insta::assert_snapshot!(line(&behind("DOWN", 2)), @"end-sessions h2 | end-sessions: sessions of 5432 stay on a member that does not lead");
    insta::assert_snapshot!(line(&behind("MAINT", 1)), @"end-sessions h2 | end-sessions: sessions of 5432 stay on a member that does not lead");
    insta::assert_snapshot!(line(&behind("DOWN", 0)), @" | watch: nothing to do");
}

#[test]
fn the_doors_of_a_leader_that_is_being_promoted_wait_for_its_word() {
    let mut seen = healthy(&world());
    let leader = LeaderSeen { member: name("postgres-2"), mod_revision: 9, lease: 90 };
    store(&mut seen).leader = Some(leader);
    let first = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @"open h2 | elect: the leader does not take writes yet");
    assert!(first.hurry);
    insta::assert_snapshot!(line(&decide(&seen, first.memory)), @" | elect: the leader does not take writes yet");
    // what was opened for the leader before is no reason to wait
    let before = RepairMemory { opened: Some((7, seen.at)), ..RepairMemory::default() };
    insta::assert_snapshot!(line(&decide(&seen, before)), @"open h2 | elect: the leader does not take writes yet");
    // whoever does not answer is not waited for
    seen.postgres.insert(name("postgres-2"), cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h2, wake postgres-2 | wake: PostgreSQL refuses and its body runs: Patroni starts it in place");
}

#[test]
fn readers_are_not_led_to_a_dead_replica() {
    let mut seen = healthy(&world());
    let up = ServerSeen { status: "UP".to_owned(), ..ServerSeen::default() };
    if let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-1")) {
        routes.ro = (1..=3).map(|n| (host_name(&format!("h{n}")), up.clone())).collect();
    }
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    turn(&mut seen, "postgres-3", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h3 | close: 5433 leads to it and its body lies dead");
    // between two primaries balancers are not asked, so what is known of their ways may be old
    let mut between = seen.clone();
    store(&mut between).leader = None;
    assert_eq!(decide(&between, RepairMemory::default()).steps, []);
    // frozen is not dead
    turn(&mut seen, "postgres-3", ContainerStatus::Paused);
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
}

#[test]
fn what_was_parked_comes_back() {
    let mut seen = healthy(&world());
    store(&mut seen).parked = [(host_name("h2"), name("postgres-2"))].into();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"unpark h2 | unpark: what was frozen runs no more, or answers as it should");
    turn(&mut seen, "postgres-2", ContainerStatus::Paused);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: its body is frozen, for less than 1m");
    turn(&mut seen, "postgres-2", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"unpark h2 | unpark: what was frozen runs no more, or answers as it should");
}

#[test]
fn the_dead_are_started_one_by_one_within_a_budget() {
    let mut seen = healthy(&world());
    turn(&mut seen, "postgres-2", ContainerStatus::Exited);
    turn(&mut seen, "etcd-3", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | watch: nothing to do");
    let mut memory = long("postgres-2", "dead");
    memory.since.insert(name("etcd-3"), since("dead", Mono(1)));
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"start postgres-2 | start: its body is there and does not run");
    memory.failed.insert("start postgres-2".to_owned(), (1, seen.at));
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"start etcd-3 | start: its body is there and does not run");
    memory.starts = vec![seen.at; 10];
    let decision = decide(&seen, memory);
    assert_eq!((decision.steps.clone(), decision.alarms.len()), (Vec::new(), 2));
}

fn status() -> impl Strategy<Value = ContainerStatus> {
    use ContainerStatus::{Created, Dead, Exited, Paused, Restarting, Running, Unknown};
    prop::sample::select(vec![Created, Dead, Exited, Paused, Restarting, Running, Running, Unknown])
}

/// Any look at any lab, and any memory.
fn any_look() -> impl Strategy<Value = (RepairSeen, RepairMemory)> {
    let statuses = prop::collection::vec(status(), 10);
    let leader = prop::option::weighted(0.8, 1..=3_u8);
    let replies = prop::collection::vec((0..5_u8, 0..5_u8), 3);
    let flags = prop::array::uniform6(prop::bool::weighted(0.15));
    let marks = prop::array::uniform2(prop::option::weighted(0.3, 1..=3_u8));
    (statuses, leader, replies, flags, any::<[bool; 6]>(), marks, 0..4_u8).prop_map(build)
}

type Drawn = (Vec<ContainerStatus>, Option<u8>, Vec<(u8, u8)>, [bool; 6], [bool; 6], [Option<u8>; 2], u8);

fn build((statuses, leader, replies, flags, coins, marks, level): Drawn) -> (RepairSeen, RepairMemory) {
    let mut seen = healthy(&world());
    let mut memory = RepairMemory::default();
    let all = bodies(&mut seen);
    for (body, status) in all.members.values_mut().zip(&statuses) {
        body[0].status = *status;
    }
    for (host, status) in all.hosts.values_mut().zip(&statuses[7..]) {
        host.status = *status;
    }
    if flags[0] {
        all.members.remove(&name("postgres-1"));
    }
    let key = |n| LeaderSeen { member: name(&format!("postgres-{n}")), mod_revision: 7, lease: 70 };
    let keys = store(&mut seen);
    keys.leader = leader.map(key);
    (keys.maintenance, keys.initialized) = (flags[1], !flags[3]);
    let from = coins[0].then(|| name("postgres-1"));
    keys.handover = flags[2].then(|| HandoverSeen {
        from,
        to: Some(name("postgres-2")),
        scheduled: false,
        mod_revision: 9,
    });
    keys.wish = coins[1].then_some(WishSeen { candidate: None, mod_revision: 9, idle: 0 });
    for (n, (sql, rest)) in (1..).zip(replies) {
        let mut one = instance(leader == Some(n), u64::from(n));
        let silent = || "nothing".to_owned();
        match sql {
            0 => one.sql = ConnectionReply::Hangs(silent()),
            1 => one.sql = ConnectionReply::Silent(silent()),
            2 => one.sql = ConnectionReply::Refuses(silent()),
            3 => one.disk = DiskSeen::Waits { so_far: "here".to_owned(), at: seen.at },
            _ => {}
        }
        match rest {
            0 => one.rest = ConnectionReply::Hangs(silent()),
            1 => {
                one.rest = ConnectionReply::Silent(silent());
                store(&mut seen).unrenewed = Some(Span::secs(if coins[5] { 12 } else { 2 }));
            }
            2 => {
                if let ConnectionReply::Answers(rest) = &mut one.rest {
                    "stopping".clone_into(&mut rest.patroni.state);
                }
            }
            _ => {}
        }
        seen.postgres.insert(name(&format!("postgres-{n}")), one);
        let member = format!("postgres-{n}");
        if coins[usize::from(n) - 1] {
            let levels = [ProofLevel::Dead, ProofLevel::Doomed, ProofLevel::CutOff, ProofLevel::Nothing];
            prove(&mut seen, &member, levels[usize::from(level)]);
            // this very key, or an earlier one
            seen.fenced.insert(format!("id-{member}"), if coins[5] { 7 } else { 6 });
            memory.known.insert(name(&member), format!("id-{member}"));
        }
    }
    if coins[3] {
        for member in world().members {
            let what = if coins[4] { "dead" } else { "frozen" };
            memory.since.insert(member.id, since(what, Mono(0)));
        }
    }
    let [rotten, differs] = marks.map(|mark| mark.map(|n| format!("postgres-{n}")));
    seen.corrupt.extend(rotten.map(|member| (name(&member), 1)));
    if let Some(member) = differs {
        bodies(&mut seen).drifted.insert(format!("id-{member}"), "its image is another".to_owned());
        memory.since.insert(name(&member), since("drift", Mono(0)));
    }
    memory.stalled = coins[5].then(|| (name("postgres-1"), "here".to_owned(), Mono(0)));
    if flags[4] {
        seen.bodies = Sight::Blind("stalled".to_owned());
    }
    if flags[5] {
        seen.store = Sight::Blind("no quorum".to_owned());
    }
    (seen, memory)
}

proptest! {
    #[test]
    fn whatever_is_seen_repair_keeps_its_rules((seen, memory) in any_look(), doomed in any::<bool>()) {
        // a time in which anything may have gone on for long enough
        let mut world = world();
        world.policy.sick_grace = Span::secs(5);
        world.policy.release_doomed = doomed;
        let decision = repair(&world, &seen, memory.clone());
        prop_assert_eq!(&decision, &repair(&world, &seen, memory));
        prop_assert!(!decision.reason.is_empty());
        prop_assert_ne!(&decision.step, "audit", "{}", decision.reason);
        prop_assert!(decision.steps.iter().filter(|step| step.disruptive()).count() <= 1);
        let (Sight::Seen(_), Sight::Seen(keys)) = (&seen.bodies, &seen.store) else {
            prop_assert_eq!(decision.steps, Vec::new());
            return Ok(());
        };
        if keys.maintenance || !keys.initialized {
            prop_assert_eq!(&decision.steps, &Vec::new());
        }
        let holder: Option<&MemberId> = keys.leader.as_ref().map(|key| &key.member);
        for step in &decision.steps {
            match step {
                RepairStep::Release { member, candidate, .. } => {
                    prop_assert_eq!(Some(member), holder);
                    prop_assert!(candidate.as_ref().is_none_or(|next| !seen.corrupt.contains_key(next)));
                    let id = format!("id-{member}");
                    let proof = seen.proofs.get(&id).map(|proof| proof.level);
                    // one that is doomed only where that is allowed, and as the holder of this very key
                    let allowed = doomed && seen.fenced[&id] == 7 && proof == Some(ProofLevel::Doomed);
                    prop_assert!(allowed || proof == Some(ProofLevel::Dead), "{:?}", proof);
                }
                // the holder's, that says it stops or refuses, for a handover from it to somebody else
                RepairStep::Yield { member, .. } => {
                    prop_assert_eq!(Some(member), holder);
                    let asked = keys.handover.as_ref().expect("a handover");
                    prop_assert!(asked.from.as_ref().is_none_or(|from| from == member));
                    prop_assert_ne!(asked.to.as_ref(), Some(member));
                    let one = &seen.postgres[member];
                    let says = matches!(&one.rest, ConnectionReply::Answers(rest) if rest.patroni.state == "stopping");
                    prop_assert!(says || matches!(one.sql, ConnectionReply::Refuses(_)));
                }
                // the holder takes writes, and whoever shall follow is a good copy
                RepairStep::HandOver { member, candidate, .. } => {
                    prop_assert_eq!(Some(member), holder);
                    let one = &seen.postgres[candidate];
                    prop_assert!(matches!(&one.rest, ConnectionReply::Answers(rest) if rest.loop_runs && rest.patroni.role == "replica"));
                    prop_assert!(keys.handover.is_none() && keys.wish.is_some());
                    prop_assert!(!seen.corrupt.contains_key(candidate));
                }
                // nobody who runs may lead: the holder again, or whoever has data while nobody holds the key
                RepairStep::Start { member, alone: true, .. } => {
                    prop_assert!(holder.is_none_or(|holder| holder == member));
                }
                RepairStep::Start { member, .. } => {
                    prop_assert_ne!(Some(member), holder);
                    prop_assert!(holder.is_some() || !member.as_str().starts_with("postgres"));
                }
                // the holder; or a replica that runs and does not serve, while the holder takes writes
                RepairStep::Fence { member, .. } => {
                    let wrote = holder.and_then(|holder| seen.postgres.get(holder)).map(|one| &one.sql);
                    let writes = matches!(wrote, Some(ConnectionReply::Answers(sql)) if !sql.in_recovery);
                    prop_assert!(Some(member) == holder || writes);
                }
                RepairStep::Create { member, .. } => {
                    prop_assert_ne!(Some(member), holder);
                    prop_assert!(holder.is_some() || !member.as_str().starts_with("postgres"));
                }
                RepairStep::Retire { member } => prop_assert!(holder.is_some() && Some(member) != holder),
                _ => {}
            }
        }
    }

    #[test]
    fn a_budget_of_nothing_starts_nothing((seen, memory) in any_look()) {
        let mut world = world();
        world.policy.starts = Budget { max: 0, per: Span::secs(1) };
        let decision = repair(&world, &seen, memory);
        let starts = decision.steps.iter().filter(|step| matches!(step, RepairStep::Start { .. } | RepairStep::Create { .. })).count();
        prop_assert_eq!(starts, 0);
    }
}
