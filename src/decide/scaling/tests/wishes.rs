//! What operators want, what the broker refuses, and disks that fill meanwhile.

use super::*;

/// A story in which an operator wants two cores for the database.
fn wants_cores() -> Story {
    let mut story = Story::new();
    let wish = SizeWish { cpu: Some(2.0), ..SizeWish::default() };
    story.store.asked = [(name("postgres-1"), OperatorWish { wish, revision: 7 })].into();
    story
}

fn refused() -> StepOutcome {
    StepOutcome::Refused("postgres-1 uses 3GiB of memory".to_owned())
}

/// What one look leads to; every step ends as told.
fn look(story: &mut Story, outcome: impl Fn(&ScalingStep) -> StepOutcome) -> ScalingDecision {
    let seen = story.look();
    let decision = scaling(&story.world, &seen, std::mem::take(&mut story.memory));
    story.memory = decision.memory.clone();
    for step in &decision.steps {
        ScalingWorld::took(&mut story.memory, step, Mono(story.now), &outcome(step));
    }
    decision
}

fn names(decision: &ScalingDecision) -> Vec<&str> {
    decision.steps.iter().map(ScalingStep::name).collect()
}

#[test]
fn a_wish_that_the_broker_refuses_is_told_and_dropped_at_once() {
    let mut story = wants_cores();
    assert_eq!(names(&look(&mut story, |_| refused())), ["resize"]);
    let decision = look(&mut story, |_| StepOutcome::Done);
    assert_eq!(decision.steps, [ScalingStep::Forget { member: name("postgres-1"), revision: 7 }]);
    insta::assert_snapshot!(texts(&decision.alarms).join("; "), @"postgres-1: an operator wants another size, and it cannot be given: postgres-1 uses 3GiB of memory");
    // it is told for a while, and the member goes on by what it uses
    story.store.asked.clear();
    let decision = story.turn(0.85, 500, 300);
    assert_eq!((names(&decision), decision.alarms.len()), (vec!["resize"], 1));
    assert_eq!(story.turn(0.85, 500, 300).alarms.len(), 0, "its size is another: the reason is gone");
}

#[test]
fn a_wish_is_tried_again_when_its_reasons_are_others() {
    let mut story = wants_cores();
    look(&mut story, |_| refused());
    // its size was another by the time the broker heard of it
    story.members[0].size.cpus = 1.5;
    story.now += 2 * SECOND;
    let decision = look(&mut story, |_| StepOutcome::Done);
    let from: Vec<f64> = decision
        .steps
        .iter()
        .filter_map(|step| if let ScalingStep::Resize { from, .. } = step { Some(from.cpus) } else { None })
        .collect();
    assert_eq!((from, decision.alarms.len()), (vec![1.5], 0));
}

#[test]
fn a_wish_that_was_dropped_is_forgotten_as_often_as_it_takes() {
    let mut story = wants_cores();
    look(&mut story, |_| refused());
    for _ in 0..3 {
        let decision = look(&mut story, |_| failed());
        assert_eq!((names(&decision), decision.alarms.len()), (vec!["forget"], 1));
    }
}

#[test]
fn a_disk_that_fills_grows_beside_a_wish_that_stands() {
    let mut story = wants_cores();
    // the wish fails again and again
    let fails =
        |step: &ScalingStep| if step.about().0 == Concern::Size { failed() } else { StepOutcome::Done };
    story.turn(0.85, 400, 300);
    story.members[0].size = story.world.spec.start_size(Service::Postgres);
    story.memory = ScalingMemory::default();
    let mut grew = 0;
    for _ in 0..6 {
        story.now += SECOND;
        let usage = story.usage.get_mut(&name("postgres-1")).expect("it");
        usage.at = Mono(story.now + 10 * SECOND);
        let size = story.members[0].size.disk;
        usage.disk = Some(DiskUsage { free: Bytes::mib(40), size });
        let decision = look(&mut story, fails);
        for step in &decision.steps {
            if let ScalingStep::Resize { from, to, .. } = step
                && step.about().0 == Concern::Disk
            {
                assert_eq!(*from, story.members[0].size);
                grew += 1;
                story.members[0].size = *to;
            }
        }
    }
    assert!(grew > 0, "the disk was never asked for");
}

#[test]
fn a_disk_that_fills_grows_while_cores_and_memory_are_held_back() {
    let mut story = Story::new();
    let decision = story.turn(0.85, 500, 300);
    let step = decision.steps.first().expect("memory grows").clone();
    assert_eq!(step.about().0, Concern::Size);
    story.members[0].size.memory = Bytes::mib(512);
    for _ in 0..10 {
        ScalingWorld::took(&mut story.memory, &step, Mono(story.now), &failed());
    }
    let decision = story.turn(0.85, 500, 450);
    assert_eq!(decision.steps.iter().map(|step| step.about().0).collect::<Vec<_>>(), [Concern::Disk]);
    assert_eq!(story.size().disk, Bytes::gib(1));
    // what cannot be given again and again needs a person
    insta::assert_snapshot!(texts(&decision.alarms).join("; "), @"postgres-1: resize: no answer");
}

#[test]
fn a_disk_that_cannot_grow_is_tried_at_every_measurement_and_told() {
    let mut story = Story::new();
    story.turn(0.85, 400, 300);
    let mut alarms = 0;
    for _ in 0..11 {
        story.now += 10 * SECOND;
        let usage = story.usage.get_mut(&name("postgres-1")).expect("it");
        (usage.at, usage.cpu_ns) = (Mono(story.now), usage.cpu_ns + 8_500_000_000);
        usage.disk = Some(DiskUsage { free: Bytes::mib(40), size: Bytes::mib(448) });
        let decision = look(&mut story, |_| failed());
        assert_eq!(decision.steps.iter().map(|step| step.about().0).collect::<Vec<_>>(), [Concern::Disk]);
        alarms = decision.alarms.len();
    }
    assert_eq!(alarms, 1);
}
