//! A planned handover, step by step.

use super::*;

/// A healthy lab in which an operator wants somebody else to lead; clients wait in the balancers meanwhile.
fn wished(candidate: Option<&str>) -> (RepairWorld, RepairSeen) {
    let mut world = world();
    world.spec.balancers.hold = Span::secs(2);
    let mut seen = healthy(&world);
    let candidate = candidate.map(name);
    store(&mut seen).wish = Some(WishSeen { candidate, mod_revision: 9, idle: 5 });
    (world, seen)
}

fn sessions(seen: &mut RepairSeen, sessions: u32) {
    let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-1")) else {
        panic!("no balancer")
    };
    routes.rw.get_mut(&host_name("h1")).expect("a server").sessions = sessions;
}

/// What is remembered when the first step was done.
fn after(decision: RepairDecision, at: Mono) -> RepairMemory {
    let mut memory = decision.memory;
    memory.took(&decision.steps[0], at, &StepOutcome::Done);
    memory
}

#[test]
fn a_wish_is_prepared_drained_and_handed_to_patroni() {
    let (world, mut seen) = wished(None);
    sessions(&mut seen, 3);
    let first = repair(&world, &seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @"prepare postgres-1 | prepare: postgres-3 shall lead: what is in memory is written first");
    let second = repair(&world, &seen, after(first, seen.at));
    insta::assert_snapshot!(line(&second), @"drain h1 | drain: no new session goes to it, those it has may end");
    let drained = after(second, seen.at);
    insta::assert_snapshot!(line(&repair(&world, &seen, drained.clone())), @" | drain: sessions may still end by themselves");
    // all of them ended, or they had their time
    sessions(&mut seen, 0);
    let third = repair(&world, &seen, drained.clone());
    insta::assert_snapshot!(line(&third), @"hand-over postgres-1 | hand-over: Patroni is asked to hand over to postgres-3");
    // in the place of the word that Patroni left when the last handover was done
    let (member, candidate) = (name("postgres-1"), name("postgres-3"));
    let step = RepairStep::HandOver { member, mod_revision: 7, candidate, wish: 9, idle: 5 };
    assert_eq!(third.steps, [step]);
    sessions(&mut seen, 3);
    seen.at = seen.at.plus(std::time::Duration::from_millis(300));
    assert_eq!(repair(&world, &seen, drained).steps, third.steps);
}

#[test]
fn nobody_waits_for_sessions_where_clients_are_turned_away_meanwhile() {
    let (mut world, mut seen) = wished(Some("postgres-2"));
    world.spec.balancers.hold = Span::default();
    sessions(&mut seen, 3);
    let first = repair(&world, &seen, RepairMemory::default());
    let second = repair(&world, &seen, after(first, seen.at));
    insta::assert_snapshot!(line(&second), @"hand-over postgres-1 | hand-over: Patroni is asked to hand over to postgres-2");
}

#[test]
fn what_cannot_be_prepared_or_drained_is_handed_over_as_it_is() {
    let (world, mut seen) = wished(None);
    sessions(&mut seen, 3);
    let failed = ["prepare postgres-1", "drain h1"].map(|step| (step.to_owned(), (1, seen.at)));
    let memory = RepairMemory { failed: failed.into(), ..RepairMemory::default() };
    let decision = repair(&world, &seen, memory.clone());
    insta::assert_snapshot!(line(&decision), @"hand-over postgres-1 | hand-over: Patroni is asked to hand over to postgres-3");
    // the next handover tries again
    store(&mut seen).wish = None;
    assert_eq!(repair(&world, &seen, memory).memory.failed.len(), 0);
}

#[test]
fn a_wish_that_nobody_can_fulfil_is_refused_and_harms_nothing() {
    let (world, mut seen) = wished(Some("postgres-2"));
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-3")]);
    insta::assert_snapshot!(line(&repair(&world, &seen, RepairMemory::default())), @" | refuse: a handover is wanted: none that answers is on the newest timeline, close enough and allowed");
    // drained before it was refused: the door opens again
    store(&mut seen).parked = [(host_name("h1"), name("postgres-1"))].into();
    insta::assert_snapshot!(line(&repair(&world, &seen, RepairMemory::default())), @"unpark h1 | refuse: a handover is wanted: none that answers is on the newest timeline, close enough and allowed");
}

#[test]
fn the_key_of_one_that_stops_for_a_handover_is_taken_and_no_other() {
    let (world, mut seen) = wished(None);
    let (from, to) = (Some(name("postgres-1")), Some(name("postgres-3")));
    let keys = store(&mut seen);
    keys.wish = None;
    keys.handover = Some(HandoverSeen { from, to, scheduled: false, mod_revision: 11 });
    let decide = |seen: &RepairSeen| repair(&world, seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decide(&seen)), @"wake postgres-1 | hold: a handover is under way: Patroni does it");
    assert!(decide(&seen).hurry);
    let says = |seen: &mut RepairSeen, word: &str| {
        let one = seen.postgres.get_mut(&name("postgres-1")).expect("the leader");
        one.sql = ConnectionReply::Refuses("shutting down".to_owned());
        if let ConnectionReply::Answers(rest) = &mut one.rest {
            word.clone_into(&mut rest.patroni.state);
        }
    };
    says(&mut seen, "stopping");
    let decision = decide(&seen);
    insta::assert_snapshot!(line(&decision), @"yield postgres-1 | yield: its PostgreSQL stops for a handover: then its key is taken");
    let (member, mod_revision, handover) = (name("postgres-1"), 7, 11);
    assert_eq!(decision.steps, [RepairStep::Yield { member, mod_revision, handover }]);
    // its Patroni, asked as PostgreSQL went away, has not answered since: whoever acts asks it once more
    says(&mut seen, "running");
    assert_eq!(decide(&seen).step, "yield");
    // it starts again in place, and will not follow anybody
    for word in ["restarting", "starting", "crashed"] {
        says(&mut seen, word);
        assert!(!decide(&seen).steps.iter().any(|step| matches!(step, RepairStep::Yield { .. })), "{word}");
    }
    says(&mut seen, "stopping");
    let mut slow = world.clone();
    slow.policy.release = false;
    assert_eq!(repair(&slow, &seen, RepairMemory::default()).steps, []);
    // whoever shall lead leads already, or another was to give the lead away
    for (from, to) in [("postgres-1", "postgres-1"), ("postgres-2", "postgres-3")] {
        let (from, to) = (Some(name(from)), Some(name(to)));
        store(&mut seen).handover = Some(HandoverSeen { from, to, scheduled: false, mod_revision: 11 });
        assert!(!decide(&seen).steps.iter().any(|step| matches!(step, RepairStep::Yield { .. })));
    }
}
