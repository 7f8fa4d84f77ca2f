//! What is expected next: said before it comes, and then it comes.

use super::crowd::Crowd;
use super::*;

#[test]
fn what_is_short_or_idle_is_said_before_it_changes() {
    let mut story = Story::new();
    // the first reading of a body is no rate yet
    assert!(story.turn(0.95, 400, 300).expects.is_empty());
    insta::assert_snapshot!(story.turn(0.95, 400, 300).expects.join("\n"), @"postgres-1: cpu 1.00 cores → 1.10 cores in 10s if use stays above 0.90 cores");
    assert_eq!(story.turn(0.95, 400, 300).steps.len(), 1, "it comes");
    story.turns(2, 0.2, 400, 300);
    insta::assert_snapshot!(story.turn(0.2, 100, 300).expects.join("\n"), @"postgres-1: cpu 1.10 cores → 1.00 cores in 30s if use stays below 0.85 cores");
    // nothing is taken while nobody leads, so nothing of the kind is expected
    story.store.leader = None;
    assert!(story.turn(0.2, 100, 300).expects.is_empty());
}

#[test]
fn how_busy_an_instance_says_it_is_stands_in_the_reason() {
    let mut story = Story::new();
    let work = Work { sessions: 20, active: 7, waiting: 2 };
    story.inside = [(name("postgres-1"), SelfReport { work, ..SelfReport::default() })].into();
    story.turns(2, 0.95, 400, 300);
    insta::assert_snapshot!(story.turn(0.95, 400, 300).reason, @"cpu: 0.95 cores of 1.00 cores used (60th percentile of 20s), 0.10 cores shall be free, 7 of 20 sessions at work, 2 wait: 1.10 cores");
}

#[test]
fn the_number_is_expected_too() {
    let mut crowd = Crowd::of(3, 3);
    crowd.cores = vec![0.1, 1.0, 1.0];
    crowd.turn();
    crowd.turn();
    crowd.measure();
    let of_number =
        |decision: ScalingDecision| decision.expects.into_iter().filter(|said| said.starts_with("postgres:"));
    insta::assert_snapshot!(of_number(crowd.decide()).collect::<String>(), @"postgres: 3 → 4 instances in 40s if every replica stays short of cores");
}

proptest! {
    /// While the load stays as it is, the change that is expected first comes when it is expected; what is not
    /// expected does not come.
    #[test]
    fn what_is_expected_comes((cores, memory, disk) in load(), turns in 2_usize..12) {
        let mut story = Story::new();
        story.turns(turns, cores, memory, disk);
        let decision = story.turn(cores, memory, disk);
        prop_assume!(decision.steps.is_empty());
        let resizes = |decision: &ScalingDecision| decision.steps.iter().any(|step| matches!(step, ScalingStep::Resize { .. }));
        let soonest = decision.expects.first().map(|said| {
            let after = said.split(" in ").nth(1).and_then(|rest| rest.split(" if ").next()).expect("a time");
            let span: Span = after.parse().expect("a time");
            usize::try_from(span.0.as_secs() / 10).expect("a few")
        });
        for turn in 1..=soonest.unwrap_or(60) {
            let decision = story.turn(cores, memory, disk);
            prop_assert_eq!(resizes(&decision), Some(turn) == soonest, "{} {:?}", turn, decision.steps);
        }
    }
}
