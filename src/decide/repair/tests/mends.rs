//! Situations in which repair once lost what was acknowledged, took down who was well, or stood still for ever.

use super::replace::{added, begun, power_off, roomy};
use super::standbys::synchronous;
use super::*;
use crate::model::lab::Replication;

fn quorum() -> RepairWorld {
    let mut world = synchronous();
    world.spec.postgres.replication = Replication::Quorum;
    world
}

fn everybody(seen: &mut RepairSeen, needed: u32) {
    let keys = store(seen);
    keys.may_lead = Some((1..=3).map(|n| name(&format!("postgres-{n}"))).collect());
    keys.quorum = needed;
}

/// The host of the leader has lost its power, and the engine says that its body is dead.
fn powerless(mut seen: RepairSeen) -> RepairSeen {
    power_off(&mut seen, "h1");
    prove(&mut seen, "postgres-1", ProofLevel::Dead);
    seen
}

fn told(world: &RepairWorld, seen: &RepairSeen) -> String {
    line(&repair(world, seen, RepairMemory::default()))
}

#[test]
fn nobody_is_named_without_the_votes_that_patroni_asks_for() {
    let mut seen = powerless(roomy());
    everybody(&mut seen, 1);
    // both voters answer: whoever has most gets the other's vote
    insta::assert_snapshot!(told(&quorum(), &seen), @"release postgres-1 for postgres-3 | release: the leader is proved dead; its address is silent, the best replica follows");
    // the one that confirmed alone is frozen: the other may lack what was acknowledged
    turn(&mut seen, "postgres-3", ContainerStatus::Paused);
    let decision = repair(&quorum(), &seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @" | refuse: nobody may follow it (postgres-2: it has 0 of the 1 votes it needs, and nobody is left who could give more; postgres-3: its body does not run)");
    assert_eq!(decision.alarms.len(), 1, "{:?}", decision.alarms);
    // it runs and says nothing: Patroni asks it itself
    turn(&mut seen, "postgres-3", ContainerStatus::Running);
    seen.postgres.get_mut(&name("postgres-3")).expect("it").rest = ConnectionReply::Silent("late".to_owned());
    insta::assert_snapshot!(told(&quorum(), &seen), @"release postgres-1 | release: the leader is proved dead; its address is silent and no candidate qualifies: none that answers is on the newest timeline, close enough and allowed");
    // who confirms nothing needs one vote more
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-2")]);
    store(&mut seen).quorum = 0;
    seen.postgres.insert(name("postgres-3"), instance(false, 2000));
    insta::assert_snapshot!(told(&quorum(), &seen), @"release postgres-1 for postgres-3 | release: the leader is proved dead; its address is silent, the best replica follows");
}

#[test]
fn nobody_is_named_who_lacks_more_than_it_may_of_what_was_published() {
    let mut seen = powerless(roomy());
    store(&mut seen).position = Some(Lsn((1 << 20) + 1002));
    insta::assert_snapshot!(told(&world(), &seen), @"release postgres-1 for postgres-3 | release: the leader is proved dead; its address is silent, the best replica follows");
    store(&mut seen).position = Some(Lsn((1 << 20) + 1004));
    insta::assert_snapshot!(told(&world(), &seen), @"release postgres-1 | release: the leader is proved dead; its address is silent and no candidate qualifies: none that answers is on the newest timeline, close enough and allowed");
}

/// postgres-1 led and postgres-2 confirmed; both are dead, postgres-3 runs.
fn both_that_may_lead_are_dead() -> RepairSeen {
    let mut seen = roomy();
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-2")]);
    store(&mut seen).led = Some(name("postgres-1"));
    for member in ["postgres-1", "postgres-2"] {
        turn(&mut seen, member, ContainerStatus::Exited);
        seen.postgres.insert(
            name(member),
            InstanceSeen {
                sql: ConnectionReply::Refuses(String::new()),
                rest: ConnectionReply::Refuses(String::new()),
                ..InstanceSeen::default()
            },
        );
    }
    seen
}

#[test]
fn where_nobody_may_follow_the_holder_of_the_key_is_started_and_keeps_it() {
    let mut seen = both_that_may_lead_are_dead();
    for proved in [false, true] {
        if proved {
            prove(&mut seen, "postgres-1", ProofLevel::Dead);
        }
        let decision = repair(&synchronous(), &seen, RepairMemory::default());
        insta::allow_duplicates! {
            insta::assert_snapshot!(line(&decision), @"start postgres-1 | start: nobody may follow it (postgres-2: its body does not run; postgres-3: it confirms no writes: Patroni does not let it lead): its own body has the data and is started again");
        }
        assert!(
            matches!(decision.steps[..], [RepairStep::Start { alone: true, .. }]),
            "{:?}",
            decision.steps
        );
        assert!(!decision.alarms.is_empty());
    }
    // its host is lost, too: whoever confirmed its writes is started, and then its key is released
    power_off(&mut seen, "h1");
    let memory = long("postgres-2", "dead");
    insta::assert_snapshot!(line(&repair(&synchronous(), &seen, memory)), @"start postgres-2 | refuse: nobody may follow it (postgres-2: its body does not run; postgres-3: it confirms no writes: Patroni does not let it lead)");
    turn(&mut seen, "postgres-2", ContainerStatus::Running);
    seen.postgres.insert(name("postgres-2"), instance(false, 1002));
    insta::assert_snapshot!(told(&synchronous(), &seen), @"release postgres-1 for postgres-2 | release: the leader is proved dead; its address is silent, the best replica follows");
}

#[test]
fn where_nobody_leads_and_nobody_may_those_that_have_the_data_are_started_in_order() {
    let mut seen = both_that_may_lead_are_dead();
    store(&mut seen).leader = None;
    let first = repair(&synchronous(), &seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @" | elect: nobody holds the leader key: Patroni elects");
    // the election has had its time
    seen.at = seen.at.plus(std::time::Duration::from_secs(2));
    let decision = repair(&synchronous(), &seen, first.memory.clone());
    insta::assert_snapshot!(line(&decision), @"start postgres-1 | start: nobody leads (postgres-1: its body does not run; postgres-2: its body does not run; postgres-3: it confirms no writes: Patroni does not let it lead): it has data");
    assert!(alarms(&decision).iter().any(|alarm| alarm.starts_with("nobody leads")), "{decision:?}");
    // whoever led last is on a lost host: the one that confirmed
    power_off(&mut seen, "h1");
    let decision = repair(&synchronous(), &seen, first.memory.clone());
    assert!(
        matches!(&decision.steps[..], [RepairStep::Start { member, alone: true, .. }] if *member == name("postgres-2")),
        "{decision:?}"
    );
    // somebody may lead: Patroni does it
    turn(&mut seen, "postgres-2", ContainerStatus::Running);
    seen.postgres.insert(name("postgres-2"), instance(false, 1002));
    assert_eq!(repair(&synchronous(), &seen, first.memory).steps, []);
}

#[test]
fn where_nobody_leads_a_body_that_is_stuck_is_ended_and_started_again() {
    let mut seen = both_that_may_lead_are_dead();
    store(&mut seen).leader = None;
    seen.at = Mono(90_000_000_000);
    for member in ["postgres-1", "postgres-2"] {
        turn(&mut seen, member, ContainerStatus::Running);
        let mut stopping = cloning();
        if let ConnectionReply::Answers(rest) = &mut stopping.rest {
            "stopping".clone_into(&mut rest.patroni.state);
        }
        seen.postgres.insert(name(member), stopping);
    }
    let mut memory = RepairMemory { leaderless: Some(Mono(1)), ..long("postgres-1", "stops") };
    memory.since.extend(long("postgres-2", "stops").since);
    insta::assert_snapshot!(line(&repair(&synchronous(), &seen, memory.clone())), @"end postgres-1 | restart: nobody leads, and its PostgreSQL does not stop, for 1m: it has data, so it is ended and started again");
    // a voter that froze
    turn(&mut seen, "postgres-1", ContainerStatus::Paused);
    memory.since.extend(long("postgres-1", "frozen").since);
    insta::assert_snapshot!(line(&repair(&synchronous(), &seen, memory)), @"end postgres-1 | restart: nobody leads, and its body is frozen, for 3s: it has data, so it is ended and started again");
}

#[test]
fn beside_an_old_leader_that_recovers_no_standby_is_started_where_nobody_confirms() {
    let mut seen = both_that_may_lead_are_dead();
    (store(&mut seen).leader, store(&mut seen).may_lead) = (None, None);
    turn(&mut seen, "postgres-3", ContainerStatus::Exited);
    turn(&mut seen, "postgres-1", ContainerStatus::Running);
    let lives = [(name("postgres-1"), vec![Mono(9_000_000_000)])].into();
    let memory = RepairMemory { leaderless: Some(Mono(1)), lives, ..RepairMemory::default() };
    assert_eq!(repair(&world(), &seen, memory.clone()).step, "elect", "it may win yet");
    seen.at = Mono(25_000_000_000);
    insta::assert_snapshot!(line(&repair(&world(), &seen, memory.clone())), @" | wait: it led last and recovers: it has everything");
    // it had its time
    seen.at = Mono(90_000_000_000);
    let steps = repair(&world(), &seen, memory).steps;
    assert!(
        matches!(&steps[..], [RepairStep::Start { member, .. }] if *member == name("postgres-2")),
        "{steps:?}"
    );
}

#[test]
fn a_leader_that_lives_is_taken_down_only_for_somebody_who_may_follow() {
    let mut seen = roomy();
    turn(&mut seen, "postgres-1", ContainerStatus::Paused);
    let frozen = || long("postgres-1", "frozen");
    for member in ["postgres-2", "postgres-3"] {
        seen.postgres.insert(name(member), cloning());
    }
    let decision = decide(&seen, frozen());
    insta::assert_snapshot!(line(&decision), @" | refuse: nobody may follow it (postgres-2: its Patroni says creating replica; postgres-3: its Patroni says creating replica)");
    assert_eq!(decision.alarms.len(), 1);
    seen.postgres.insert(name("postgres-3"), instance(false, 1003));
    assert_eq!(decide(&seen, frozen()).step, "fence");
}

#[test]
fn a_server_that_says_no_lives() {
    let mut seen = healthy(&world());
    let it = seen.postgres.get_mut(&name("postgres-1")).expect("it");
    it.sql = ConnectionReply::Denies("sorry, too many clients already".to_owned());
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-1", "hangs"))), @" | watch: nothing to do");
}

#[test]
fn a_frozen_member_of_any_service_is_restarted_or_replaced() {
    let mut seen = roomy();
    seen.at = Mono(70_000_000_000);
    turn(&mut seen, "postgres-3", ContainerStatus::Paused);
    let lately = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&lately), @" | grace: its body is frozen, for less than 1m");
    let first = decide(&seen, long("postgres-3", "frozen"));
    insta::assert_snapshot!(line(&first), @"fence postgres-3 | restart: its body is frozen, for 1m: it is restarted in place");
    insta::assert_snapshot!(alarms(&first).join("; "), @"postgres-3 is frozen");
    // again, soon after
    let mut memory = first.memory;
    memory.since = long("postgres-3", "frozen").since;
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"intend postgres-3 | intend: its body is frozen, and a restart did not help: postgres-4 on h4 shall take its place");
    let mut seen = roomy();
    seen.at = Mono(70_000_000_000);
    turn(&mut seen, "etcd-3", ContainerStatus::Paused);
    let members = (1..=3).map(|n| {
        (
            name(&format!("etcd-{n}")),
            if n == 3 { VoterStanding::Fails("silent".to_owned()) } else { VoterStanding::Serves },
        )
    });
    seen.voters = Sight::Seen(VotersSeen { listed: 3, members: members.collect() });
    insta::assert_snapshot!(line(&decide(&seen, long("etcd-3", "frozen"))), @"intend etcd-3 | intend: its body is frozen, for 1m: etcd-4 on h4 shall take its place");
}

#[test]
fn a_balancer_that_is_frozen_silent_or_misled_for_long_is_replaced() {
    let after = |what: &str, change: &dyn Fn(&mut RepairSeen)| {
        let mut seen = roomy();
        bodies(&mut seen).counts = [(Service::Postgres, 3), (Service::Balancer, 1)].into();
        seen.at = Mono(70_000_000_000);
        change(&mut seen);
        assert!(beside_doors(&decide(&seen, RepairMemory::default())).is_empty(), "{what}: it has a grace");
        line(&decide(&seen, long("balancer-1", what)))
    };
    insta::assert_snapshot!(after("frozen", &|seen| turn(seen, "balancer-1", ContainerStatus::Paused)), @"intend balancer-1 | intend: its body is frozen, for 1m: balancer-2 on h4 shall take its place");
    insta::assert_snapshot!(after("silent", &|seen| {
        seen.balancers.insert(name("balancer-1"), Sight::Blind("no answer".to_owned()));
    }), @"intend balancer-1 | intend: it runs and does not answer, for 1m: balancer-2 on h4 shall take its place");
    insta::assert_snapshot!(after("misled", &|seen| {
        seen.balancers.insert(name("balancer-1"), Sight::Seen(Routes::default()));
    }), @"open h1, intend balancer-1 | open: 5432 does not lead to the leader and to it alone");
    // while nobody takes writes there is no truth to route by, and it was not asked
    let mut seen = roomy();
    seen.at = Mono(70_000_000_000);
    seen.balancers.insert(name("balancer-1"), Sight::Blind("not asked".to_owned()));
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert!(beside_doors(&decide(&seen, long("balancer-1", "silent"))).is_empty());
}

#[test]
fn a_newcomer_that_never_comes_up_is_given_up_and_the_old_one_stays() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    added(&mut seen, cloning());
    let late = |seen: &mut RepairSeen, begun: u64| {
        store(seen).replacing.as_mut().expect("a word").begun = Some(Mono(begun));
    };
    seen.at = Mono(2_000_000_000_000);
    late(&mut seen, 1_000_000_000_000);
    assert_eq!(decide(&seen, RepairMemory::default()).step, "clone");
    late(&mut seen, 1_000_000_000);
    let decision = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @"fence postgres-4 | retire: it is no good copy 30m after that was decided: it does not take the place of postgres-2");
    insta::assert_snapshot!(alarms(&decision).join("; "), @"postgres-4 never took the place of postgres-2: it is no good copy 30m after that was decided");
    turn(&mut seen, "postgres-4", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire postgres-4 | retire: it is no good copy 30m after that was decided: it does not take the place of postgres-2");
    let all = bodies(&mut seen);
    all.members.remove(&name("postgres-4"));
    all.placed.retain(|member| member.id != name("postgres-4"));
    all.retired.insert(name("postgres-4"));
    let decision = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @"discard postgres-4, forget postgres-2 | watch: postgres-4 does not take its place: decided anew");
    assert!(
        decision.steps.contains(&RepairStep::Forget { member: name("postgres-2"), wish: Some(3) }),
        "the wish is refused"
    );
}

#[test]
fn a_newcomer_on_a_lost_host_or_in_a_circle_is_given_up() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    added(&mut seen, cloning());
    power_off(&mut seen, "h4");
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-4", "host"))), @"retire postgres-4 | retire: its host h4 has been down for 10s: it does not take the place of postgres-2");
    // it is restarted once; what does not help then never does
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    added(&mut seen, cloning());
    let (mut memory, mut done) = (RepairMemory::default(), Vec::new());
    for second in 10..300 {
        seen.at = Mono(second * 1_000_000_000);
        let word = if second % 5 < 3 { "creating replica" } else { "stopped" };
        if let ConnectionReply::Answers(rest) =
            &mut seen.postgres.get_mut(&name("postgres-4")).expect("it").rest
        {
            word.clone_into(&mut rest.patroni.state);
        }
        let decision = decide(&seen, memory);
        let fences = decision.steps.iter().filter(|step| matches!(step, RepairStep::Fence { .. }));
        done.extend(fences.map(|_| format!("{second}: {}", decision.step)));
        memory = decision.memory;
        if done.len() > 1 {
            break;
        }
    }
    assert_eq!(
        done.iter().map(|word| word.split(": ").last()).collect::<Vec<_>>(),
        [Some("restart"), Some("retire")],
        "{done:?}"
    );
    // its body is down, and nothing that was wrong with it can be seen any more: it is given up all the same
    turn(&mut seen, "postgres-4", ContainerStatus::Exited);
    let it = seen.postgres.get_mut(&name("postgres-4")).expect("it");
    (it.sql, it.rest) = (
        ConnectionReply::Silent("its body does not run".to_owned()),
        ConnectionReply::Silent("its body does not run".to_owned()),
    );
    for second in 400..410 {
        seen.at = Mono(second * 1_000_000_000);
        let decision = decide(&seen, memory);
        let said = "retire postgres-4 | retire: it was given up: it does not take the place of postgres-2";
        assert_eq!(line(&decision), said, "{second}");
        memory = decision.memory;
    }
}

#[test]
fn a_handover_that_is_planned_for_later_is_none_before_its_time() {
    let mut seen = healthy(&world());
    let (from, to) = (Some(name("postgres-1")), Some(name("postgres-2")));
    store(&mut seen).handover = Some(HandoverSeen { from, to, scheduled: true, mod_revision: 9 });
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | watch: nothing to do");
    // its time has come: the leader stops
    let it = seen.postgres.get_mut(&name("postgres-1")).expect("it");
    it.sql = ConnectionReply::Refuses("shutting down".to_owned());
    if let ConnectionReply::Answers(rest) = &mut it.rest {
        "stopping".clone_into(&mut rest.patroni.state);
    }
    assert_eq!(decide(&seen, RepairMemory::default()).step, "yield");
}

#[test]
fn one_look_without_a_leader_restarts_no_grace() {
    let mut seen = roomy();
    let mut running = instance(false, 500);
    if let ConnectionReply::Answers(rest) = &mut running.rest {
        "running".clone_into(&mut rest.patroni.state);
    }
    seen.postgres.insert(name("postgres-3"), running);
    let mut memory = RepairMemory::default();
    let mut fenced = None;
    for second in 10..100 {
        seen.at = Mono(second * 1_000_000_000);
        // the leader comes and goes every ten seconds
        seen.postgres.insert(name("postgres-1"), instance(second % 10 != 0, 1001));
        let decision = decide(&seen, memory);
        if decision.steps.iter().any(|step| matches!(step, RepairStep::Fence { .. })) {
            fenced = Some(second);
            break;
        }
        memory = decision.memory;
    }
    assert!(fenced.is_some_and(|second| second < 85), "{fenced:?}");
}

#[test]
fn who_comes_back_with_its_data_is_taken_in_again() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    turn(&mut seen, "postgres-2", ContainerStatus::Exited);
    seen.postgres.insert(name("postgres-2"), InstanceSeen::default());
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-2", "dead"))), @"forget postgres-2, start postgres-2 | watch: its host runs again and it has its data: it is not replaced");
}

#[test]
fn a_budget_that_another_controller_spent_is_spent() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    store(&mut seen).replaced = vec![Mono(9_000_000_000); 3];
    assert_eq!(decide(&seen, long("postgres-2", "host")).step, "refuse");
}

#[test]
fn a_shutdown_that_never_ends_is_ended() {
    let mut seen = roomy();
    let mut stopping = cloning();
    if let ConnectionReply::Answers(rest) = &mut stopping.rest {
        "stopping".clone_into(&mut rest.patroni.state);
    }
    seen.postgres.insert(name("postgres-3"), stopping);
    let mut memory = RepairMemory::default();
    for second in 10..80 {
        seen.at = Mono(second * 1_000_000_000);
        let decision = decide(&seen, memory);
        if decision.steps.iter().any(RepairStep::disruptive) {
            insta::assert_snapshot!(format!("at {second} s: {}", line(&decision)), @"at 70 s: fence postgres-3 | restart: its Patroni says stopping, and it comes no closer to the leader, for 1m: it is restarted in place");
            return;
        }
        memory = decision.memory;
    }
    panic!("it says stopping for ever");
}

#[test]
fn what_no_decision_may_do_is_refused_whoever_proposed_it() {
    let world = world();
    let seen = roomy();
    let (Sight::Seen(all), Sight::Seen(keys)) = (&seen.bodies, &seen.store) else { panic!("blind") };
    let memory = RepairMemory::default();
    let a = assess(RepairView::new(&world, &seen, all, keys), &memory);
    let member = || name("postgres-1");
    let container = || "id-postgres-1".to_owned();
    let wrong = [
        RepairStep::Release { member: member(), mod_revision: 7, lease: 70, candidate: None },
        RepairStep::Release { member: member(), mod_revision: 6, lease: 70, candidate: None },
        RepairStep::Fence { member: member(), container: container(), key: None },
        RepairStep::Fence { member: member(), container: container(), key: Some(6) },
        RepairStep::Start { member: name("postgres-2"), container: container(), alone: true },
        RepairStep::Start { member: member(), container: container(), alone: false },
        RepairStep::Create { member: member(), service: Service::Postgres, host: host_name("h1") },
        RepairStep::Retire { member: member() },
        RepairStep::Retire { member: name("postgres-2") },
        RepairStep::Retire { member: name("etcd-2") },
        RepairStep::Yield { member: member(), mod_revision: 7, handover: 9 },
        RepairStep::Discard { member: name("postgres-2") },
    ];
    for step in wrong {
        let decision = RepairDecision { steps: vec![step.clone()], ..RepairDecision::default() };
        assert_eq!(audit(&a, &decision).len(), 1, "{step:?}");
    }
    let two = ["postgres-2", "postgres-3"].map(|id| RepairStep::Fence {
        member: name(id),
        container: format!("id-{id}"),
        key: None,
    });
    let decision = RepairDecision { steps: two.to_vec(), ..RepairDecision::default() };
    assert_eq!(audit(&a, &decision).len(), 1, "one at a time");
}

#[test]
fn a_balancer_that_has_just_started_is_looked_for_soon() {
    let mut seen = roomy();
    bodies(&mut seen).counts = [(Service::Postgres, 3), (Service::Balancer, 1)].into();
    seen.at = Mono(70_000_000_000);
    let idle = decide(&seen, RepairMemory::default()).again_in;
    seen.balancers.insert(name("balancer-1"), Sight::Blind("connection refused".to_owned()));
    assert_eq!(decide(&seen, RepairMemory::default()).again_in, Span::millis(100));
    // one that stays silent is the business of its grace
    assert_eq!(decide(&seen, long("balancer-1", "silent")).again_in, idle);
}
