//! Sessions of a balancer follow its memory.

use super::*;

#[test]
fn a_balancer_takes_what_its_memory_carries() {
    let mut story = Story::new();
    story.world.spec.balancers.maxconn = 2_000;
    let (id, host) = (name("balancer-1"), story.members[0].host.clone());
    let size = Size { memory: Bytes::mib(128), ..story.world.spec.start_size(Service::Balancer) };
    story.members.push(Member { id: id.clone(), service: Service::Balancer, host, size });
    assert!(story.turn(0.5, 300, 200).steps.is_empty(), "it has not said what it takes");
    let takes = |most| [(name("balancer-1"), SelfReport { most, ..SelfReport::default() })].into();
    story.inside = takes(Some(500));
    let decision = story.turn(0.5, 300, 200);
    assert_eq!(decision.steps, [ScalingStep::Admit { member: id.clone(), sessions: 640 }]);
    insta::assert_snapshot!(decision.reason, @"128MiB of memory carry 640 sessions on a port, it takes 500");
    story.inside = takes(None);
    assert_eq!(story.turn(0.5, 300, 200).steps.len(), 1, "its ports differ");
    story.inside = takes(Some(640));
    assert!(story.turn(0.5, 300, 200).steps.is_empty());
    story.world.spec.balancers.maxconn = 500;
    assert_eq!(story.turn(0.5, 300, 200).steps, [ScalingStep::Admit { member: id, sessions: 500 }]);
}
