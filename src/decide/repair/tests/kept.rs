//! What outlives a controller: budgets, and graces that have begun.

use super::replace::roomy;
use super::*;

/// postgres-3 runs, and its Patroni says nothing.
fn sick() -> RepairSeen {
    let mut seen = roomy();
    let silent =
        InstanceSeen { rest: ConnectionReply::Silent("nothing".to_owned()), ..instance(false, 1003) };
    seen.postgres.insert(name("postgres-3"), silent);
    seen
}

/// The second in which postgres-3 is taken down, where another controller takes over every so many seconds and knows what
/// stands in the store.
fn fenced(every: u64, store: bool) -> Option<u64> {
    let mut seen = sick();
    let (mut memory, mut kept) = (RepairMemory::default(), StoredMemory::default());
    for second in 10..400 {
        seen.at = Mono(second * 1_000_000_000);
        if second.is_multiple_of(every) {
            let known = if store { kept.clone() } else { StoredMemory::default() };
            memory = RepairMemory::recall(&known, seen.at);
        }
        let decision = decide(&seen, memory);
        if decision.steps.iter().any(|step| matches!(step, RepairStep::Fence { .. })) {
            return Some(second);
        }
        memory = decision.memory;
        if let Some(next) = memory.keep(&kept, seen.at) {
            kept = next;
        }
    }
    None
}

#[test]
fn a_blip_of_leadership_begins_no_grace_anew() {
    let alone = fenced(1_000, true).expect("it is restarted after its grace");
    let passed_on = fenced(7, true).expect("its grace goes on");
    assert!(passed_on < 2 * alone, "{alone} s and {passed_on} s");
    assert_eq!(fenced(7, false), None, "without the store it would never end");
}

#[test]
fn what_is_over_soon_is_never_written() {
    let mut seen = roomy();
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(decision.memory.keep(&StoredMemory::default(), seen.at), None, "nothing is wrong");
    seen = sick();
    let first = decide(&seen, RepairMemory::default());
    assert_eq!(first.memory.keep(&StoredMemory::default(), seen.at), None, "it may be over in a moment");
    seen.at = seen.at.plus(std::time::Duration::from_secs(2));
    let second = decide(&seen, first.memory);
    let kept = second.memory.keep(&StoredMemory::default(), seen.at).expect("it lasts");
    assert_eq!(second.memory.keep(&kept, seen.at), None, "it stands there");
    // nobody waits for a store that cannot be seen
    let blind = RepairSeen { store: Sight::Blind("no quorum".to_owned()), ..seen.clone() };
    let unseen = decide(&blind, second.memory.clone()).memory;
    assert_eq!(unseen.keep(&StoredMemory::default(), seen.at.plus(std::time::Duration::from_mins(1))), None);
    // it is over: that is written, too
    let well = RepairSeen { at: seen.at, ..roomy() };
    let last = decide(&well, second.memory).memory.keep(&kept, seen.at).expect("news");
    assert_eq!(last.since, BTreeMap::new());
}

#[test]
fn the_budget_of_starts_outlives_a_controller() {
    let mut seen = roomy();
    turn(&mut seen, "postgres-3", ContainerStatus::Exited);
    let mut memory = long("postgres-3", "dead");
    let start =
        RepairStep::Start { member: name("postgres-3"), container: "id-postgres-3".to_owned(), alone: false };
    for second in 0..10 {
        memory.took(&start, Mono(second * 1_000_000_000), &StepOutcome::Done);
    }
    let kept = memory.keep(&StoredMemory::default(), seen.at).expect("starts are written down");
    let later = RepairMemory::recall(&kept, seen.at);
    let decision = decide(&seen, later);
    assert!(alarms(&decision).iter().any(|alarm| alarm.contains("budget of starts")), "{decision:?}");
    // the machine was started anew, and its clock with it
    assert_eq!(RepairMemory::recall(&kept, Mono(1)), RepairMemory::default());
}
