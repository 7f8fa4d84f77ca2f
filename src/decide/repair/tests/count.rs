//! Another number of instances: newcomers one at a time, and who is too many seen out.

use super::*;
use crate::model::control::Replacing;
use crate::model::lab::{ControllerSpec, OURS};

/// A lab whose record can be read and wants so many, with hosts to spare, h4 and h5.
fn wanted(count: u32) -> RepairSeen {
    let world = world();
    let mut seen = healthy(&world);
    let all = bodies(&mut seen);
    all.placed = world.members;
    all.counts = [(Service::Postgres, count)].into();
    for host in ["h4", "h5"] {
        all.hosts.insert(host_name(host), body(host, &host_name(host), "host"));
    }
    seen
}

/// postgres-4 stands on h4, and 5433 leads to it.
fn four(count: u32, instance: InstanceSeen) -> RepairSeen {
    let mut seen = wanted(count);
    let (id, host) = (name("postgres-4"), host_name("h4"));
    let size = world().members[0].size;
    let all = bodies(&mut seen);
    all.placed.push(Member { id: id.clone(), service: Service::Postgres, host: host.clone(), size });
    all.members.insert(id.clone(), vec![body("postgres-4", &host, "postgres")]);
    seen.postgres.insert(id, instance);
    readers(&mut seen, "UP", 2);
    seen
}

fn readers(seen: &mut RepairSeen, status: &str, sessions: u32) {
    let server = ServerSeen { status: status.to_owned(), sessions, ..ServerSeen::default() };
    for balancer in seen.balancers.values_mut() {
        let Sight::Seen(routes) = balancer else { panic!("blind") };
        routes.ro.insert(host_name("h4"), server.clone());
    }
}

/// One that is too many is named, and being seen out when `begun`.
fn leaves(seen: &mut RepairSeen, member: &str, begun: bool) {
    bodies(seen).leaving.insert(name(member));
    let word = Replacing {
        service: Service::Postgres,
        member: name(member),
        by: name(member),
        host: host_name("h4"),
        why: "3 instances are wanted".to_owned(),
        begun: None,
    };
    store(seen).replacing = begun.then_some(word);
}

#[test]
fn whoever_is_missing_is_added_one_at_a_time() {
    let decision = decide(&wanted(5), RepairMemory::default());
    insta::assert_snapshot!(line(&decision), @"create postgres-4 | add: 5 instances are wanted, there are 3: it is made on h4");
    // the next waits until this one is a good copy
    let seen = four(5, cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: 5 instances are wanted, there are 4; one that is there comes first: its PostgreSQL does not answer yet, Patroni says creating replica");
    // the leader makes its slot at once, not at its next turn
    let memory = RepairMemory {
        lives: [(name("postgres-4"), vec![Mono(9_000_000_000)])].into(),
        ..RepairMemory::default()
    };
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"wake postgres-1 | clone: its PostgreSQL does not answer yet, Patroni says creating replica");
    insta::assert_snapshot!(line(&decide(&four(5, instance(false, 1000)), RepairMemory::default())), @"create postgres-5 | add: 5 instances are wanted, there are 4: it is made on h5");
    insta::assert_snapshot!(line(&decide(&four(4, instance(false, 1000)), RepairMemory::default())), @" | watch: nothing to do");
}

#[test]
fn nobody_is_added_where_it_could_not_be_cloned_or_stand() {
    let mut seen = wanted(4);
    // nobody takes writes yet
    seen.postgres.insert(name("postgres-1"), instance(false, 1001));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"open h1 | elect: the leader does not take writes yet");
    let mut seen = wanted(4);
    store(&mut seen).maintenance = true;
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    let mut seen = wanted(4);
    for host in ["h4", "h5"] {
        bodies(&mut seen).hosts.remove(&host_name(host));
    }
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!((decision.steps.as_slice(), decision.step.as_str()), (&[][..], "wait"));
    assert!(
        alarms(&decision).iter().any(|alarm| alarm.contains("no host can carry another")),
        "{decision:?}"
    );
}

#[test]
fn who_is_one_too_many_is_written_down_drained_and_retired() {
    let mut seen = four(3, instance(false, 1000));
    leaves(&mut seen, "postgres-4", false);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend postgres-4 | intend: 3 instances are wanted: it is to leave");
    leaves(&mut seen, "postgres-4", true);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"drain-reads h4 | drain: it is one too many: 2 sessions have 10s to end");
    readers(&mut seen, "DRAIN", 1);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | drain: it is one too many: 1 sessions have 10s to end");
    // nobody is left, or they had their time
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-4", "drain"))), @"close h4, fence postgres-4 | retire: it is one too many, and its readers had their time");
    readers(&mut seen, "DRAIN", 0);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h4, fence postgres-4 | retire: it is one too many, and nobody reads from it any more");
    turn(&mut seen, "postgres-4", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire postgres-4 | retire: it is one too many, and its body lies dead");
    let all = bodies(&mut seen);
    all.placed.retain(|member| member.id != name("postgres-4"));
    all.members.remove(&name("postgres-4"));
    all.leaving.clear();
    all.retired.insert(name("postgres-4"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard postgres-4, forget postgres-4 | retire: it has left: its volumes go");
}

#[test]
fn nobody_leaves_who_is_needed() {
    // another is no good copy: what this one has may be needed
    let mut seen = four(3, instance(false, 1000));
    leaves(&mut seen, "postgres-4", true);
    seen.postgres.insert(name("postgres-3"), cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget postgres-4 | wait: it is to leave; of 3 others that are wanted 2 are good copies");
    store(&mut seen).replacing = None;
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: it is to leave; of 3 others that are wanted 2 are good copies");
    // it came to lead
    let mut seen = four(3, instance(true, 1000));
    leaves(&mut seen, "postgres-4", true);
    store(&mut seen).leader = Some(LeaderSeen { member: name("postgres-4"), mod_revision: 9, lease: 90 });
    let decision = decide(&seen, RepairMemory::default());
    assert!(decision.steps.iter().all(|step| !step.disruptive()), "{decision:?}");
    assert!(
        decision.steps.contains(&RepairStep::Forget { member: name("postgres-4"), wish: None }),
        "{decision:?}"
    );
    // it may stay
    let mut seen = four(4, instance(false, 1000));
    leaves(&mut seen, "postgres-4", true);
    bodies(&mut seen).leaving.clear();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget postgres-4 | watch: it leads, or it may stay: it does not leave");
}

#[test]
fn a_synchronous_standby_does_not_leave_unless_another_stands_in() {
    let mut synchronous = world();
    synchronous.spec.postgres.replication = crate::model::lab::Replication::Sync;
    let mut seen = four(3, instance(false, 1000));
    leaves(&mut seen, "postgres-4", true);
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-4")]);
    insta::assert_snapshot!(line(&repair(&synchronous, &seen, RepairMemory::default())), @" | wait: it is to leave and confirms writes: another standby is named first");
    store(&mut seen).may_lead = Some(vec![name("postgres-1"), name("postgres-3"), name("postgres-4")]);
    assert_eq!(repair(&synchronous, &seen, RepairMemory::default()).step, "drain");
}

#[test]
fn who_is_one_too_many_is_not_replaced_and_neither_is_its_place_taken() {
    let mut seen = four(3, instance(false, 1000));
    bodies(&mut seen).leaving.insert(name("postgres-4"));
    // it would be replaced for the loss of its host: it leaves instead
    if let Some(sandbox) = bodies(&mut seen).hosts.get_mut(&host_name("h4")) {
        sandbox.status = ContainerStatus::Exited;
    }
    turn(&mut seen, "postgres-4", ContainerStatus::Exited);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-4", "host"))), @"close h4, intend postgres-4 | close: 5433 leads to it and its body lies dead");
    // the one that is being cloned in another's place is named: that replacement is decided anew
    let mut seen = four(3, cloning());
    bodies(&mut seen).leaving.insert(name("postgres-4"));
    store(&mut seen).replacing = Some(Replacing {
        service: Service::Postgres,
        member: name("postgres-2"),
        by: name("postgres-4"),
        host: host_name("h4"),
        why: "its host h2 has been down for 10s".to_owned(),
        begun: None,
    });
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget postgres-2 | watch: postgres-4 does not take its place: decided anew");
}

#[test]
fn where_no_scaling_controller_says_who_leaves_repair_does() {
    // a newcomer of a replacement that came to nothing: postgres-2 is well again
    let left_over = four(3, instance(false, 1000));
    insta::assert_snapshot!(line(&decide(&left_over, RepairMemory::default())), @"intend postgres-4 | intend: 3 instances are wanted: it is to leave");
    // one that never came up goes before the newest
    let mut seen = four(3, instance(false, 1000));
    seen.postgres.insert(name("postgres-3"), cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend postgres-3 | intend: 3 instances are wanted: it is to leave");
    // where two do not serve what the extra one has may be needed
    seen.postgres.insert(name("postgres-2"), cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: it is to leave; of 3 others that are wanted 2 are good copies");
    // it is seen out as one that was named
    let mut seen = four(3, instance(false, 1000));
    leaves(&mut seen, "postgres-4", true);
    bodies(&mut seen).leaving.clear();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"drain-reads h4 | drain: it is one too many: 2 sessions have 10s to end");
    // one that came to lead stays, and so does whoever is one of as many as are wanted
    store(&mut seen).leader = Some(LeaderSeen { member: name("postgres-4"), mod_revision: 9, lease: 90 });
    assert!(decide(&seen, RepairMemory::default()).steps.iter().all(|step| !step.disruptive()));
    // where a scaling controller stands it says who leaves
    let scaling = ControllerSpec {
        name: name("scaling").into(),
        replicas: 2,
        image: OURS.to_owned(),
        policy: std::collections::BTreeMap::new(),
    };
    let mut scaled = world();
    scaled.spec.controllers.push(scaling);
    let decision = repair(&scaled, &left_over, RepairMemory::default());
    assert_eq!(decision.steps, []);
    assert!(
        alarms(&decision).iter().any(|alarm| alarm.contains("a scaling controller says who is to leave"))
    );
}
