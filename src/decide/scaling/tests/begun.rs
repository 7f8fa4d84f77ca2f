//! What was begun: state that the next look checks, each with a time after which it is told and decided anew.

use super::*;

/// Looks once more after so many seconds; what was decided was asked for.
fn after(story: &mut Story, seconds: u64) -> ScalingDecision {
    story.now += seconds * SECOND;
    let size = story.size();
    let usage = story.usage.get_mut(&name("postgres-1")).expect("it");
    (usage.cores, usage.limit) = (Some(size.cpus), Some(size.memory));
    let seen = story.look();
    let decision = scaling(&story.world, &seen, std::mem::take(&mut story.memory));
    story.memory = decision.memory.clone();
    for step in &decision.steps {
        ScalingWorld::took(&mut story.memory, step, Mono(story.now), &StepOutcome::Done);
    }
    decision
}

fn patroni<'a>(story: &'a mut Story, id: &str) -> &'a mut PatroniSeen {
    match story.postgres.get_mut(&name(id)) {
        Some(Sight::Seen(seen)) => seen,
        _ => panic!("{id} was not seen"),
    }
}

#[test]
fn a_restart_that_takes_its_time_is_waited_for_and_then_the_next_one_comes() {
    let mut story = waiting([false, true, true]);
    assert_eq!(after(&mut story, 1).steps, [ScalingStep::Restart { member: name("postgres-2") }]);
    patroni(&mut story, "postgres-2").state = "restarting".to_owned();
    let decision = after(&mut story, 1);
    assert!(decision.steps.is_empty());
    insta::assert_snapshot!(decision.reason, @"postgres-2 restarts for shared_buffers");
    assert_eq!(decision.again_in, Span::secs(1), "it is looked for sooner than measurements are taken");
    // back, and not streaming yet
    (patroni(&mut story, "postgres-2").restart_for, patroni(&mut story, "postgres-2").state) =
        (Vec::new(), "running".to_owned());
    assert!(after(&mut story, 1).steps.is_empty());
    patroni(&mut story, "postgres-2").state = "streaming".to_owned();
    assert_eq!(after(&mut story, 1).steps, [ScalingStep::Restart { member: name("postgres-3") }]);
}

#[test]
fn a_restart_that_does_not_end_is_told_and_decided_anew() {
    let mut story = waiting([false, true, false]);
    after(&mut story, 1);
    assert!(after(&mut story, 59).steps.is_empty());
    // it is over, and has failed: held back for a moment
    assert!(after(&mut story, 1).steps.is_empty());
    let decision = after(&mut story, 2);
    assert_eq!(decision.steps, [ScalingStep::Restart { member: name("postgres-2") }]);
    insta::assert_snapshot!(texts(&decision.alarms).join("; "), @"postgres-2: restart: its restart has not ended within 1m");
    patroni(&mut story, "postgres-2").restart_for.clear();
    assert_eq!(after(&mut story, 1).alarms, [], "it has restarted");
    assert!(story.memory.notes.failed.is_empty());
}

#[test]
fn a_handover_is_over_when_another_leads() {
    let mut story = waiting([true, false, false]);
    assert_eq!(after(&mut story, 1).step, "handover");
    assert!(after(&mut story, 1).steps.is_empty(), "it goes on");
    story.store.leader = None;
    assert!(after(&mut story, 1).steps.is_empty(), "nobody leads for a moment");
    story.store.leader = Some(name("postgres-3"));
    let lead = |story: &mut Story, id: &str, role: &str, state: &str| {
        let seen = patroni(story, id);
        (seen.role, seen.state, seen.restart_for) = (role.to_owned(), state.to_owned(), Vec::new());
    };
    lead(&mut story, "postgres-3", "primary", "running");
    lead(&mut story, "postgres-1", "replica", "streaming");
    assert_eq!(after(&mut story, 1).step, "watch");
    assert!(story.memory.notes.awaited.is_empty());
}

#[test]
fn a_size_that_was_asked_for_is_not_asked_for_again_and_its_disk_is() {
    let mut story = Story::new();
    story.turn(0.85, 500, 300);
    // the broker has not come to it yet
    story.members[0].size = story.world.spec.start_size(Service::Postgres);
    let usage = story.usage.get_mut(&name("postgres-1")).expect("it");
    usage.memory = Bytes::mib(500);
    usage.at = Mono(story.now + 10 * SECOND);
    assert!(after(&mut story, 10).steps.is_empty());
    let usage = story.usage.get_mut(&name("postgres-1")).expect("it");
    usage.at = Mono(story.now + 10 * SECOND);
    usage.disk = Some(DiskUsage { free: Bytes::mib(40), size: Bytes::mib(448) });
    let decision = after(&mut story, 10);
    assert_eq!(decision.steps.iter().map(|step| step.about().0).collect::<Vec<_>>(), [Concern::Disk]);
    let decision = after(&mut story, 15);
    insta::assert_snapshot!(
        story.memory.notes.failed.values().map(|failure| failure.why.clone()).collect::<Vec<_>>().join("; "),
        @"its size has not been given within 30s"
    );
    assert!(decision.steps.is_empty(), "held back for a moment");
}

#[test]
fn whoever_is_to_leave_and_stays_for_long_is_told() {
    let mut crowd = super::crowd::Crowd::of(4, 3);
    crowd.bodies().leaving.insert(name("postgres-4"));
    crowd.bodies().counts.insert(Service::Balancer, 0);
    assert_eq!(crowd.decide().alarms, []);
    let later = |crowd: &mut super::crowd::Crowd| {
        for _ in 0..59 {
            crowd.seen.at = Mono(crowd.seen.at.0 + 10 * SECOND);
            assert_eq!(crowd.decide().alarms, []);
        }
        crowd.seen.at = Mono(crowd.seen.at.0 + 10 * SECOND);
        texts(&crowd.decide().alarms).join("; ")
    };
    insta::assert_snapshot!(later(&mut crowd), @"postgres-4: it is to leave and has not left: see what the repair controller says; so it has been for 10m");
    crowd.bodies().leaving.clear();
    crowd.bodies().counts.insert(Service::Postgres, 5);
    assert_eq!(crowd.decide().alarms, []);
    insta::assert_snapshot!(later(&mut crowd), @"postgres: fewer members are there than are wanted: see what the repair controller says, and the hosts; so it has been for 10m");
}
