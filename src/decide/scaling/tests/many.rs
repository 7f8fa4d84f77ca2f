//! Many sizes at once.

use super::crowd::Crowd;
use super::*;
use crate::decide::scaling::sizes::SIZES_AT_ONCE;
use crate::model::lab::Range;

/// Who is given another size.
fn resized(decision: &ScalingDecision) -> Vec<MemberId> {
    let resizes = decision.steps.iter().filter(|step| matches!(step, ScalingStep::Resize { .. }));
    resizes.map(ScalingStep::subject).collect()
}

#[test]
fn of_many_sizes_some_are_given_at_once_and_a_disk_that_fills_beside_them() {
    let copies = SIZES_AT_ONCE + 3;
    let nth = |n: usize| name(&format!("postgres-{n}"));
    let mut crowd = Crowd::of(copies, u32::try_from(copies).expect("a few"));
    crowd.world.spec.postgres.disk = Range { start: Bytes::gib(1), min: Bytes::gib(1), max: Bytes::gib(4) };
    for member in &mut crowd.bodies().placed {
        (member.size.cpus, member.size.disk) = (0.5, Bytes::gib(1));
    }
    // every one of them is short of cores
    crowd.cores = vec![0.5; copies];
    for _ in 0..2 {
        crowd.measure();
        assert_eq!(resized(&crowd.decide()), [], "no window is full");
    }
    crowd.measure();
    let Sight::Seen(usage) = &mut crowd.seen.usage else { panic!("blind") };
    let full = DiskUsage { free: Bytes::mib(1), size: Bytes::gib(1) };
    usage.get_mut(&nth(copies)).expect("the last one").disk = Some(full);
    let first = resized(&crowd.decide());
    let wanted: Vec<MemberId> = (1..=SIZES_AT_ONCE).chain([copies]).map(nth).collect();
    assert_eq!(first, wanted);
    assert_eq!(resized(&crowd.decide()), [nth(copies - 2), nth(copies - 1)], "the rest follows at once");
    assert_eq!(resized(&crowd.decide()), []);
}
