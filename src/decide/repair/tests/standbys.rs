//! How many synchronous standbys Patroni keeps, while one of them is to go and otherwise.

use super::replace::{added, begun, roomy};
use super::*;

/// A lab in which one standby confirms writes.
pub(super) fn synchronous() -> RepairWorld {
    let mut world = world();
    world.spec.postgres.replication = crate::model::lab::Replication::Sync;
    world
}

/// These may lead, and Patroni is to keep so many standbys.
pub(super) fn named(seen: &mut RepairSeen, may_lead: &[&str], count: u32) {
    store(seen).may_lead = Some(may_lead.iter().map(|id| name(id)).collect());
    store(seen).standbys = Some(StandbysSeen { count, mod_revision: 5 });
}

/// What is said and done, with the number that is asked for.
fn told(seen: &RepairSeen) -> String {
    let decision = repair(&synchronous(), seen, RepairMemory::default());
    let count = decision.steps.iter().find_map(|step| match step {
        RepairStep::Standbys { count, mod_revision, .. } => Some(format!(" ({count} over {mod_revision})")),
        _ => None,
    });
    line(&decision) + &count.unwrap_or_default()
}

#[test]
fn one_that_is_to_go_is_one_more_until_it_has_gone() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    added(&mut seen, instance(false, 1001));
    named(&mut seen, &["postgres-1", "postgres-2"], 1);
    insta::assert_snapshot!(told(&seen), @"standbys postgres-1, wake postgres-1 | wait: it confirms writes: another standby is named first (2 over 5)");
    // asked for and not named yet: the leader's turn comes at once
    named(&mut seen, &["postgres-1", "postgres-2"], 2);
    insta::assert_snapshot!(told(&seen), @"wake postgres-1 | wait: it confirms writes: another standby is named first");
    named(&mut seen, &["postgres-1", "postgres-2", "postgres-3"], 2);
    insta::assert_snapshot!(told(&seen), @"close h2, fence postgres-2 | retire: postgres-4 streams in its place");
    turn(&mut seen, "postgres-2", ContainerStatus::Exited);
    insta::assert_snapshot!(told(&seen), @"retire postgres-2, standbys postgres-1, wake postgres-1 | retire: postgres-4 streams in its place (1 over 5)");
    named(&mut seen, &["postgres-1", "postgres-3"], 1);
    insta::assert_snapshot!(told(&seen), @"retire postgres-2 | retire: postgres-4 streams in its place");
}

#[test]
fn a_number_that_somebody_left_behind_is_put_back() {
    let mut seen = roomy();
    named(&mut seen, &["postgres-1", "postgres-2", "postgres-3"], 2);
    insta::assert_snapshot!(told(&seen), @"standbys postgres-1, wake postgres-1 | watch: nothing to do (1 over 5)");
    // fewer than are declared confirm nothing that was promised
    named(&mut seen, &["postgres-1"], 0);
    insta::assert_snapshot!(told(&seen), @"standbys postgres-1, wake postgres-1 | watch: nothing to do (1 over 5)");
    // not while nobody takes writes, and not where another mode decides
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert!(!told(&seen).contains("standbys"), "{}", told(&seen));
    let mut seen = roomy();
    named(&mut seen, &["postgres-1", "postgres-2", "postgres-3"], 2);
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
}
