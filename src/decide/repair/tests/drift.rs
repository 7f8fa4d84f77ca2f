//! Bodies that are not what the record says, and containers that nobody has.

use super::replace::{added, begun, power_off, roomy};
use super::standbys::{named, synchronous};
use super::*;

/// A body that differs, as the broker says it.
fn differs(seen: &mut RepairSeen, member: &str) {
    let what = "its image is pgha/postgres:b, the record says pgha/postgres:a".to_owned();
    bodies(seen).drifted.insert(format!("id-{member}"), what);
}

/// A container that nobody has, under this name.
fn stray(seen: &mut RepairSeen, member: &str, status: ContainerStatus) {
    let all = bodies(seen);
    let mut stray = body("stray", &host_name("h4"), "postgres");
    stray.status = status;
    all.surplus.insert(stray.id.clone());
    all.members.entry(name(member)).or_default().push(stray);
}

/// A minute and more later.
fn later(seen: &mut RepairSeen) {
    seen.at = Mono(70_000_000_000);
}

#[test]
fn a_replica_that_differs_is_made_anew_in_its_place() {
    let mut seen = roomy();
    differs(&mut seen, "postgres-2");
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | watch: nothing to do");
    later(&mut seen);
    let first = decide(&seen, long("postgres-2", "drift"));
    insta::assert_snapshot!(line(&first), @"close h2, fence postgres-2 | restart: its image is pgha/postgres:b, the record says pgha/postgres:a: it is made anew in its place");
    // dead by now: it is made again and not started
    turn(&mut seen, "postgres-2", ContainerStatus::Exited);
    let mut memory = first.memory;
    memory.since.extend(long("postgres-2", "dead").since);
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"create postgres-2 | create: its body is not what the record says: a new one on its volumes");
    // made anew and no other: that is for a person
    turn(&mut seen, "postgres-2", ContainerStatus::Running);
    memory.since = long("postgres-2", "drift").since;
    let decision = decide(&seen, memory);
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"postgres-2: its image is pgha/postgres:b, the record says pgha/postgres:a; it was made anew and is no other: find out why");
}

#[test]
fn who_leads_or_confirms_writes_is_not_taken_down_for_it() {
    let mut seen = roomy();
    later(&mut seen);
    differs(&mut seen, "postgres-1");
    let decision = decide(&seen, long("postgres-1", "drift"));
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"postgres-1: its image is pgha/postgres:b, the record says pgha/postgres:a; it leads: hand over first");
    let mut seen = roomy();
    later(&mut seen);
    differs(&mut seen, "postgres-2");
    named(&mut seen, &["postgres-1", "postgres-2"], 1);
    let tell = |seen: &RepairSeen| line(&repair(&synchronous(), seen, long("postgres-2", "drift")));
    insta::assert_snapshot!(tell(&seen), @"standbys postgres-1, wake postgres-1 | wait: its image is pgha/postgres:b, the record says pgha/postgres:a; it confirms writes: another standby is named first");
    named(&mut seen, &["postgres-1", "postgres-2", "postgres-3"], 2);
    insta::assert_snapshot!(tell(&seen), @"close h2, fence postgres-2 | restart: its image is pgha/postgres:b, the record says pgha/postgres:a: it is made anew in its place");
}

#[test]
fn nobody_is_taken_down_for_it_beside_anything_else() {
    let ready = || {
        let mut seen = roomy();
        later(&mut seen);
        differs(&mut seen, "postgres-2");
        seen
    };
    let memory = || long("postgres-2", "drift");
    assert!(decide(&ready(), memory()).steps.iter().any(RepairStep::disruptive));
    // nobody takes writes, another is no good copy, a replacement is under way
    let mut seen = ready();
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&seen, memory())), [] as [&RepairStep; 0]);
    let mut seen = ready();
    seen.postgres.insert(name("postgres-3"), cloning());
    insta::assert_snapshot!(line(&decide(&seen, memory())), @" | wait: its image is pgha/postgres:b, the record says pgha/postgres:a; postgres-3 comes first: its PostgreSQL does not answer yet, Patroni says creating replica");
    let mut seen = ready();
    power_off(&mut seen, "h3");
    begun(&mut seen, "postgres-3");
    added(&mut seen, cloning());
    let decision = decide(&seen, memory());
    assert!(!decision.steps.iter().any(RepairStep::disruptive), "{decision:?}");
    // two that differ: one after the other
    let mut seen = ready();
    differs(&mut seen, "postgres-3");
    let mut both = memory();
    both.since.extend(long("postgres-3", "drift").since);
    let fenced = decide(&seen, both).steps.iter().filter(|step| step.disruptive()).count();
    assert_eq!(fenced, 1);
}

#[test]
fn what_nobody_has_is_removed_when_it_lies_dead_and_told_of_while_it_runs() {
    let mut seen = roomy();
    stray(&mut seen, "postgres-9", ContainerStatus::Exited);
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    later(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-9", "surplus"))), @"remove postgres-9 | remove: container id-stray does not run and nobody has it");
    let mut seen = roomy();
    stray(&mut seen, "postgres-9", ContainerStatus::Running);
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(decision.steps, []);
    insta::assert_snapshot!(alarms(&decision).join("; "), @"container id-stray on h4 calls itself postgres-9 and nobody has it");
    later(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-9", "surplus"))), @"fence postgres-9 | fence: container id-stray runs and nobody has it");
    // it holds the key, or another of its name belongs to the lab: which of them is which is not certain
    let mut leads = seen.clone();
    let key = LeaderSeen { member: name("postgres-9"), mod_revision: 8, lease: 80 };
    store(&mut leads).leader = Some(key);
    leads.postgres.insert(name("postgres-1"), instance(false, 1000));
    leads.postgres.insert(name("postgres-9"), instance(true, 1002));
    assert!(!decide(&leads, long("postgres-9", "surplus")).steps.iter().any(RepairStep::disruptive));
    let mut twin = roomy();
    later(&mut twin);
    stray(&mut twin, "postgres-3", ContainerStatus::Running);
    assert_eq!(decide(&twin, long("postgres-3", "surplus")).steps, []);
}
