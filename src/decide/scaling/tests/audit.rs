//! What no decision may do is refused, whoever proposed it.

use std::collections::BTreeSet;

use super::*;

/// The rules that these steps break in this look.
fn broken(seen: &ScalingSeen, world: &ScalingWorld, steps: Vec<ScalingStep>) -> Vec<&'static str> {
    let (Sight::Seen(bodies), Sight::Seen(usage), Sight::Seen(store)) =
        (&seen.bodies, &seen.usage, &seen.store)
    else {
        panic!("blind")
    };
    let (rings, notes) = (BTreeMap::new(), Notes::default());
    let a = assess(ScalingView::new(world, seen, bodies, usage, store), &rings, &notes);
    let decision = ScalingDecision { steps, ..ScalingDecision::default() };
    audit(&a, &decision).into_iter().map(|breach| breach.rule).collect()
}

fn resize(from: Size, to: Size) -> ScalingStep {
    ScalingStep::Resize { member: name("postgres-1"), from, to, why: String::new() }
}

#[test]
fn sizes_stay_within_limits_and_begin_with_what_is_written_down() {
    let mut story = Story::new();
    story.turn(0.85, 400, 300);
    let (has, world) = (story.size(), story.world.clone());
    let more = Size { cpus: 1.5, ..has };
    let broken = |story: &Story, steps| broken(&story.look(), &world, steps);
    assert_eq!(broken(&story, vec![resize(has, more), resize(more, has)]), [""; 0]);
    for (from, to, rule) in [
        (more, has, "a size begins with the one that is written down"),
        (has, Size { cpus: 9.0, ..has }, "a size stays within the limits of the spec and of its host"),
        (
            has,
            Size { disk: Bytes::mib(100), ..has },
            "a size stays within the limits of the spec and of its host",
        ),
    ] {
        assert_eq!(broken(&story, vec![resize(from, to)]), [rule]);
    }
    story.store.leader = None;
    let rule = "nothing is taken while the lab is not well, nor from a body that was not measured";
    assert_eq!(broken(&story, vec![resize(has, Size { cpus: 0.5, ..has })]), [rule]);
    assert_eq!(broken(&story, vec![resize(has, more)]), [""; 0], "more is given all the same");
}

#[test]
fn nobody_restarts_beside_another_or_while_one_is_not_well() {
    let mut story = waiting([true, true, true]);
    story.turn(0.85, 400, 300);
    let restart = |id: &str| ScalingStep::Restart { member: name(id) };
    let hand_over = |to: &str| ScalingStep::HandOver { member: name("postgres-1"), to: name(to) };
    let broken = |story: &Story, steps| broken(&story.look(), &story.world, steps);
    assert_eq!(broken(&story, vec![restart("postgres-2")]), [""; 0]);
    let beside = "nobody restarts beside another change";
    assert_eq!(broken(&story, vec![restart("postgres-2"), restart("postgres-3")]), [beside]);
    assert_eq!(broken(&story, vec![restart("postgres-1")]), ["a leader with replicas hands over"]);
    story.store.may_lead = Some(vec![name("postgres-1"), name("postgres-2")]);
    assert_eq!(broken(&story, vec![hand_over("postgres-2")]), [""; 0]);
    let may_not = "a leader hands over to a replica that is well and may lead";
    assert_eq!(broken(&story, vec![hand_over("postgres-3")]), [may_not]);
    story.postgres.insert(name("postgres-3"), Sight::Blind("late".to_owned()));
    assert_eq!(broken(&story, vec![restart("postgres-2")]), ["nobody restarts while another is not well"]);
}

#[test]
fn numbers_change_one_at_a_time_and_no_leader_leaves() {
    let mut crowd = super::crowd::Crowd::of(4, 3);
    let scale = |generation, count, leaving: &[&str]| ScalingStep::Scale {
        service: Service::Postgres,
        generation,
        count,
        leaving: leaving.iter().copied().map(name).collect::<BTreeSet<_>>(),
        why: String::new(),
    };
    let world = crowd.world.clone();
    let broken = |seen: &ScalingSeen, steps| broken(seen, &world, steps);
    assert_eq!(broken(&crowd.seen, vec![scale(7, 3, &["postgres-4"])]), [""; 0]);
    for (step, rule) in [
        (scale(6, 3, &[]), "a number changes in the record that was seen"),
        (scale(7, 9, &[]), "a number stays within its limits"),
        (scale(7, 3, &["postgres-1"]), "whoever leads or confirms writes does not leave"),
        (scale(7, 3, &["postgres-3", "postgres-4"]), "who leaves is named one at a time"),
    ] {
        assert_eq!(broken(&crowd.seen, vec![step]), [rule]);
    }
    let two = vec![scale(7, 3, &[]), scale(7, 4, &[])];
    assert_eq!(broken(&crowd.seen, two), ["one number changes at a time"]);
    crowd.store().leader = None;
    let rule = "a number stays while the lab is not well";
    assert_eq!(broken(&crowd.seen, vec![scale(7, 4, &[])]), [rule]);
    let told = |weight: u32, sessions| {
        let (member, hold) = (name("balancer-1"), Span::secs(3));
        let weights = [(host_name("p1"), weight)].into();
        vec![
            ScalingStep::Weigh { member: member.clone(), weights, hold },
            ScalingStep::Admit { member, sessions },
        ]
    };
    assert_eq!(broken(&crowd.seen, told(100, 100)), [""; 0]);
    assert_eq!(broken(&crowd.seen, told(0, 0)).len(), 2);
}
