//! Every state of a replacement ends: by its work, or by its deadline.

use super::replace::{added, begun, power_off, roomy};
use super::*;

fn word(seen: &mut RepairSeen) -> &mut crate::model::control::Replacing {
    store(seen).replacing.as_mut().expect("a word")
}

/// postgres-2 is on a lost host, and postgres-4 shall take its place; decided in the first second.
fn lost() -> RepairSeen {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    begun(&mut seen, "postgres-2");
    word(&mut seen).begun = Some(Mono(1_000_000_000));
    seen.at = Mono(100_000_000_000);
    seen
}

#[test]
fn a_newcomer_that_cannot_be_made_is_not_tried_for_ever() {
    let seen = lost();
    let create =
        RepairStep::Create { member: name("postgres-4"), service: Service::Postgres, host: host_name("h4") };
    let mut memory = RepairMemory::default();
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"create postgres-4 | add: its host h2 has been down for 10s: postgres-4 is made on h4 to take its place");
    for _ in 0..3 {
        memory.took(&create, Mono(90_000_000_000), &failed());
    }
    let decision = decide(&seen, memory);
    insta::assert_snapshot!(line(&decision), @"forget postgres-2 | watch: postgres-4 could not be made on h4: decided anew");
    assert_eq!(alarms(&decision), ["postgres-2 is to be replaced, and postgres-4 could not be made on h4"]);
}

#[test]
fn one_that_does_not_leave_keeps_nobody_waiting_and_the_next_try_takes_the_newcomer() {
    let mut seen = lost();
    added(&mut seen, instance(false, 1001));
    let first = decide(&seen, long("postgres-2", "host"));
    insta::assert_snapshot!(line(&first), @"retire postgres-2 | retire: postgres-4 streams in its place");
    // its broker refuses, again and again
    seen.at = Mono(171_000_000_000);
    let decision = decide(&seen, first.memory);
    insta::assert_snapshot!(line(&decision), @"forget postgres-2 | watch: postgres-2 was to leave for postgres-4 and has not, for 1m 10s: decided anew");
    assert_eq!(alarms(&decision), ["postgres-2 was to leave for postgres-4 and has not, for 1m 10s"]);
    store(&mut seen).replacing = None;
    bodies(&mut seen).counts = [(Service::Postgres, 3), (Service::Balancer, 1)].into();
    let next = decide(&seen, decision.memory).steps;
    let [RepairStep::Intend { member, by, .. }] = &next[..] else { panic!("{next:?}") };
    assert_eq!((member, by), (&name("postgres-2"), &name("postgres-4")));
}

#[test]
fn one_too_many_that_does_not_leave_keeps_nobody_waiting() {
    let mut seen = roomy();
    added(&mut seen, instance(false, 1001));
    begun(&mut seen, "postgres-4");
    bodies(&mut seen).leaving.insert(name("postgres-4"));
    word(&mut seen).begun = Some(Mono(0));
    assert_eq!(decide(&seen, RepairMemory::default()).step, "retire");
    seen.at = Mono(141_000_000_000);
    let decision = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @"forget postgres-4 | watch: postgres-4 is one too many and does not leave: decided anew");
    assert_eq!(alarms(&decision), ["postgres-4 is one too many and does not leave"]);
}

#[test]
fn what_has_copied_nothing_yet_is_withdrawn_when_the_old_one_is_well_again() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    // its Patroni does not answer yet
    added(&mut seen, InstanceSeen::default());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"fence postgres-4 | retire: it is well again, and postgres-4 has copied nothing yet: it does not take the place of postgres-2");
    turn(&mut seen, "postgres-4", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire postgres-4 | retire: it is well again, and postgres-4 has copied nothing yet: it does not take the place of postgres-2");
    // it copies: what was begun goes on
    turn(&mut seen, "postgres-4", ContainerStatus::Running);
    seen.postgres.insert(name("postgres-4"), cloning());
    assert_eq!(decide(&seen, RepairMemory::default()).step, "clone");
    // nobody waits for what an operator does not want any more
    seen.postgres.insert(name("postgres-4"), InstanceSeen::default());
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    assert_eq!(decide(&seen, RepairMemory::default()).step, "clone");
}

#[test]
fn beside_a_word_that_cannot_be_read_nothing_is_begun() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    assert_eq!(decide(&seen, long("postgres-2", "host")).step, "intend");
    store(&mut seen).unreadable = Some("unknown field `phase`".to_owned());
    let decision = decide(&seen, long("postgres-2", "host"));
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"the word of a replacement cannot be read, so none is begun: unknown field `phase`");
}
