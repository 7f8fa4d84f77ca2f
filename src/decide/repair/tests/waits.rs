//! Nothing waits for ever without an alarm.

use super::*;
use crate::decide::waits::{Reason as _, Waits};
use crate::model::control::AlarmKind;

/// The kinds of alarm that a lab has raised by the end, when every second's look is the same.
fn kinds_after(seen: &RepairSeen, seconds: u64) -> Vec<AlarmKind> {
    let mut memory = RepairMemory::default();
    let mut kinds = Vec::new();
    for second in 0..=seconds {
        let at = Mono(seen.at.0 + second * 1_000_000_000);
        let decision = repair(&world(), &RepairSeen { at, ..seen.clone() }, memory);
        kinds = decision.alarms.iter().map(|alarm| alarm.kind).collect();
        memory = decision.memory;
    }
    kinds
}

#[test]
fn every_wait_becomes_an_alarm() {
    let policy = RepairPolicy::default();
    for wait in RepairWait::ALL {
        let mut waits = Waits::default();
        let heard = [(wait, Some(name("postgres-1")))];
        let patience = wait.patience(&policy);
        let look = |waits: &mut Waits<RepairWait>, at: u64| {
            waits.hear(&heard, Mono(at * 1_000_000_000), &policy, policy.every)
        };
        let seconds = patience.0.as_secs();
        for at in 0..seconds {
            assert_eq!(look(&mut waits, at), [], "{wait:?} after {at} s of {patience}");
        }
        let late = look(&mut waits, seconds);
        assert_eq!(late.len(), 1, "{wait:?} after {patience}");
        assert_eq!((late[0].kind, &late[0].subject), (wait.kind(), &Some(name("postgres-1"))));
        assert_ne!(wait.kind(), AlarmKind::Other);
        assert!(late[0].text.contains(wait.words()), "{}", late[0].text);
        assert!(patience.0 <= std::time::Duration::from_hours(1), "{wait:?} waits for {patience}");
    }
}

#[test]
fn a_leader_that_takes_no_writes_is_an_alarm_after_its_grace() {
    let mut seen = healthy(&world());
    // it answers and is still in recovery: it lives, and nobody is fenced for that
    seen.postgres.get_mut(&name("postgres-1")).expect("it").sql =
        ConnectionReply::Answers(SqlReply { in_recovery: true });
    assert_eq!(kinds_after(&seen, 59), []);
    assert_eq!(kinds_after(&seen, 60), [AlarmKind::NoWrites]);
}

#[test]
fn a_handover_that_does_not_end_is_an_alarm() {
    let mut seen = healthy(&world());
    let (from, to) = (Some(name("postgres-1")), Some(name("postgres-2")));
    store(&mut seen).handover = Some(HandoverSeen { from, to, scheduled: false, mod_revision: 5 });
    assert_eq!(kinds_after(&seen, 59), []);
    assert_eq!(kinds_after(&seen, 60), [AlarmKind::HandoverStuck]);
}

#[test]
fn maintenance_that_was_forgotten_is_an_alarm() {
    let mut seen = healthy(&world());
    store(&mut seen).maintenance = true;
    assert_eq!(kinds_after(&seen, 3_599), []);
    assert_eq!(kinds_after(&seen, 3_600), [AlarmKind::Maintenance]);
}

#[test]
fn a_deed_that_fails_again_and_again_is_an_alarm() {
    let mut seen = healthy(&world());
    turn(&mut seen, "balancer-1", ContainerStatus::Exited);
    let mut memory = RepairMemory::default();
    let mut first = None;
    for second in 0..120 {
        seen.at = Mono(second * 1_000_000_000);
        let decision = repair(&world(), &seen, memory);
        if decision.alarms.iter().any(|alarm| alarm.kind == AlarmKind::DeedFails) {
            first.get_or_insert(second);
        }
        memory = decision.memory;
        for step in &decision.steps {
            memory.took(step, seen.at, &failed());
        }
    }
    let first = first.expect("an alarm");
    assert!((20..60).contains(&first), "after {first} s: ten failures, five seconds apart in the end");
}
