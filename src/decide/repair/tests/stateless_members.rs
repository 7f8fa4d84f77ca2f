//! Balancers that are lost for good: another is added, and when it routes by the truth the old one leaves.

use std::time::Duration;

use super::replace::{power_off, roomy};
use super::*;
use crate::model::control::Replacing;

/// The host of the balancer, h5, is lost; postgres-1 on h1 leads, h4 has room.
fn lost() -> RepairSeen {
    let mut seen = roomy();
    let (id, host) = (name("balancer-1"), host_name("h5"));
    let all = bodies(&mut seen);
    for member in all.placed.iter_mut().filter(|member| member.id == id) {
        member.host = host.clone();
    }
    all.members.insert(id, vec![body("balancer-1", &host, "balancer")]);
    all.hosts.insert(host.clone(), body("h5", &host, "host"));
    all.counts = [(Service::Postgres, 3), (Service::Balancer, 1)].into();
    power_off(&mut seen, "h5");
    seen
}

fn begun(seen: &mut RepairSeen) {
    store(seen).replacing = Some(Replacing {
        service: Service::Balancer,
        member: name("balancer-1"),
        by: name("balancer-2"),
        host: host_name("h4"),
        why: "its host h5 has been down for 10s".to_owned(),
        begun: None,
    });
}

/// balancer-2 stands on h4 and leads writes to these hosts.
fn added(seen: &mut RepairSeen, to: &[&str]) {
    let (id, host) = (name("balancer-2"), host_name("h4"));
    let size = world().members[0].size;
    let all = bodies(seen);
    if all.members.insert(id.clone(), vec![body("balancer-2", &host, "balancer")]).is_none() {
        all.placed.push(Member { id: id.clone(), service: Service::Balancer, host, size });
    }
    let server =
        |up: bool| ServerSeen { status: if up { "UP" } else { "DOWN" }.to_owned(), ..ServerSeen::default() };
    let rw =
        (1..=3).map(|n| format!("h{n}")).map(|host| (host_name(&host), server(to.contains(&host.as_str()))));
    let routes = Routes { rw: rw.collect(), ..Routes::default() };
    seen.balancers.insert(id, Sight::Seen(routes));
}

#[test]
fn a_balancer_of_a_lost_host_is_replaced_after_its_grace() {
    let mut seen = lost();
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    insta::assert_snapshot!(line(&decide(&seen, long("balancer-1", "host"))), @"intend balancer-1 | intend: its host h5 has been down for 10s: balancer-2 on h4 shall take its place");
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&seen, long("balancer-1", "host"))), [] as [&RepairStep; 0]);
}

#[test]
fn its_time_runs_while_another_has_its_turn() {
    let mut seen = lost();
    power_off(&mut seen, "h2");
    store(&mut seen).replacing = Some(Replacing {
        service: Service::Postgres,
        member: name("postgres-2"),
        by: name("postgres-4"),
        host: host_name("h4"),
        why: "its host h2 has been down for 10s".to_owned(),
        begun: None,
    });
    let memory = decide(&seen, RepairMemory::default()).memory;
    let waits: Vec<&str> = memory.since.keys().map(MemberId::as_str).collect();
    assert_eq!(waits, ["balancer-1", "etcd-2", "postgres-2"]);
}

#[test]
fn it_leaves_when_another_routes_by_the_truth() {
    let mut seen = lost();
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create balancer-2 | add: its host h5 has been down for 10s: balancer-2 is made on h4 to take its place");
    added(&mut seen, &[]);
    insta::assert_snapshot!(decide(&seen, RepairMemory::default()).steps.iter().map(RepairStep::key).collect::<Vec<_>>().join(", "), @"open h1");
    added(&mut seen, &["h1", "h2"]);
    assert!(
        decide(&seen, RepairMemory::default())
            .steps
            .iter()
            .all(|step| !matches!(step, RepairStep::Retire { .. }))
    );
    added(&mut seen, &["h1"]);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire balancer-1 | retire: balancer-2 does in its place what it is for");
    let all = bodies(&mut seen);
    all.members.remove(&name("balancer-1"));
    all.placed.retain(|member| member.id != name("balancer-1"));
    all.retired.insert(name("balancer-1"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard balancer-1, forget balancer-1 | retire: balancer-2 has taken its place: its volumes go");
}

#[test]
fn a_word_for_a_balancer_that_does_not_hold_any_more_is_taken_back() {
    let mut seen = lost();
    begun(&mut seen);
    bodies(&mut seen).hosts.remove(&host_name("h4"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget balancer-1 | watch: h4, where balancer-2 was to go, does not run: decided anew");
    let mut seen = lost();
    begun(&mut seen);
    bodies(&mut seen).hosts.get_mut(&host_name("h5")).expect("a host").status = ContainerStatus::Running;
    turn(&mut seen, "balancer-1", ContainerStatus::Running);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget balancer-1 | watch: it is well again: it is not replaced");
    // the new one is lost before it took the place: it goes, and another is looked for
    let mut seen = lost();
    begun(&mut seen);
    added(&mut seen, &[]);
    power_off(&mut seen, "h4");
    seen.balancers.insert(name("balancer-2"), Sight::Blind("no answer".to_owned()));
    insta::assert_snapshot!(line(&decide(&seen, long("balancer-2", "host"))), @"retire balancer-2 | retire: its host h4 has been down for 10s: it does not take the place of balancer-1");
    let all = bodies(&mut seen);
    all.members.remove(&name("balancer-2"));
    all.placed.retain(|member| member.id != name("balancer-2"));
    all.retired.insert(name("balancer-2"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard balancer-2, forget balancer-1 | watch: balancer-2 does not take its place: decided anew");
}

/// balancer-1 on h5 routes by the truth, h4 has room, and so many balancers are wanted.
fn wanted(count: u32) -> RepairSeen {
    let mut seen = lost();
    bodies(&mut seen).hosts.get_mut(&host_name("h5")).expect("a host").status = ContainerStatus::Running;
    turn(&mut seen, "balancer-1", ContainerStatus::Running);
    bodies(&mut seen).counts = [(Service::Postgres, 3), (Service::Balancer, count)].into();
    let one = seen.balancers.get_mut(&name("balancer-1")).expect("it is asked");
    let Sight::Seen(routes) = one else { panic!("blind") };
    for server in routes.rw.values_mut().chain(routes.ro.values_mut()) {
        server.sessions = 0;
    }
    seen
}

#[test]
fn a_balancer_that_is_missing_is_added_when_the_others_route_by_the_truth() {
    assert_eq!(decide(&wanted(1), RepairMemory::default()).steps, []);
    let mut seen = wanted(2);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create balancer-2 | add: 2 balancers are wanted, there are 1: it is made on h4");
    // nobody to route to
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&seen, RepairMemory::default())), [] as [&RepairStep; 0]);
    // the next one waits for the first
    let mut seen = wanted(3);
    added(&mut seen, &[]);
    assert_eq!(beside_doors(&decide(&seen, RepairMemory::default())), [] as [&RepairStep; 0]);
}

#[test]
fn one_too_many_takes_no_new_sessions_and_leaves_when_those_it_has_are_over() {
    let mut seen = wanted(1);
    added(&mut seen, &["h1"]);
    bodies(&mut seen).leaving.insert(name("balancer-2"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend balancer-2 | intend: 1 balancers are wanted: it is to leave");
    // nobody leaves while the one that stays does not route
    let mut alone = seen.clone();
    alone.balancers.insert(name("balancer-1"), Sight::Blind("late".to_owned()));
    insta::assert_snapshot!(line(&decide(&alone, RepairMemory::default())), @" | wait: it is to leave; of 1 others that are wanted 0 route as they should");
    store(&mut seen).replacing = Some(Replacing {
        service: Service::Balancer,
        member: name("balancer-2"),
        by: name("balancer-2"),
        host: host_name("h4"),
        why: "1 balancers are wanted".to_owned(),
        begun: None,
    });
    let busy = |seen: &mut RepairSeen, sessions: u32| {
        let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-2")) else { panic!("blind") };
        routes.rw.get_mut(&host_name("h1")).expect("a server").sessions = sessions;
    };
    busy(&mut seen, 3);
    let first = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @"shut balancer-2 | drain: it is one too many: 3 sessions have 10s to end");
    let later = |seen: &RepairSeen, seconds: u64| RepairSeen {
        at: seen.at.plus(Duration::from_secs(seconds)),
        ..seen.clone()
    };
    // its grace is over, or nobody is left
    insta::assert_snapshot!(line(&decide(&later(&seen, 60), first.memory.clone())), @"retire balancer-2 | retire: it is one too many, and nobody goes through it any more, or had time");
    busy(&mut seen, 0);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"shut balancer-2 | drain: it is one too many: 0 sessions have 10s to end");
    insta::assert_snapshot!(line(&decide(&later(&seen, 2), first.memory)), @"retire balancer-2 | retire: it is one too many, and nobody goes through it any more, or had time");
    // it may stay after all, or must for a while, and its ports are opened first
    store(&mut alone).replacing = store(&mut seen).replacing.clone();
    insta::assert_snapshot!(line(&decide(&alone, RepairMemory::default())), @"reopen balancer-2, forget balancer-2 | wait: it is to leave; of 1 others that are wanted 0 route as they should");
    bodies(&mut seen).leaving.clear();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"reopen balancer-2, forget balancer-2 | watch: it may stay");
    turn(&mut seen, "balancer-2", ContainerStatus::Exited);
    assert!(
        decide(&seen, RepairMemory::default())
            .steps
            .iter()
            .all(|step| !matches!(step, RepairStep::Reopen { .. }))
    );
}

/// balancer-1 routes, and balancer-2 was made on h4 to take its place.
fn another_routes(sessions: u32) -> RepairSeen {
    let mut seen = wanted(1);
    begun(&mut seen);
    added(&mut seen, &["h1"]);
    let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-1")) else { panic!("blind") };
    routes.rw.get_mut(&host_name("h1")).expect("a server").sessions = sessions;
    seen
}

#[test]
fn one_that_serves_goes_for_an_operator_and_when_its_sessions_are_over() {
    let mut seen = wanted(1);
    store(&mut seen).asked.insert(name("balancer-1"), 3);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend balancer-1 | intend: an operator asked for it: balancer-2 on h4 shall take its place");
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create balancer-2 | add: its host h5 has been down for 10s: balancer-2 is made on h4 to take its place");
    let mut seen = another_routes(3);
    store(&mut seen).asked.insert(name("balancer-1"), 3);
    let first = decide(&seen, RepairMemory::default());
    insta::assert_snapshot!(line(&first), @"shut balancer-1 | drain: balancer-2 routes in its place: 3 sessions have 10s to end");
    // what took its place does not route any more: whoever waits serves meanwhile
    let mut misled = seen.clone();
    added(&mut misled, &[]);
    if let Some(Sight::Seen(routes)) = misled.balancers.get_mut(&name("balancer-1")) {
        routes.shut = true;
    }
    insta::assert_snapshot!(line(&decide(&misled, first.memory.clone())), @"open h1, reopen balancer-1 | open: 5432 does not lead to the leader and to it alone");
    seen.at = seen.at.plus(Duration::from_mins(1));
    insta::assert_snapshot!(line(&decide(&seen, first.memory)), @"retire balancer-1 | retire: balancer-2 does in its place what it is for");
}

#[test]
fn a_balancer_that_somebody_left_with_its_ports_shut_opens_them() {
    let mut seen = wanted(1);
    let Some(Sight::Seen(routes)) = seen.balancers.get_mut(&name("balancer-1")) else { panic!("blind") };
    routes.shut = true;
    assert_eq!(
        decide(&seen, RepairMemory::default()).steps,
        [RepairStep::Reopen { member: name("balancer-1") }]
    );
    store(&mut seen).asked.insert(name("balancer-1"), 3);
    begun(&mut seen);
    added(&mut seen, &["h1"]);
    let steps = decide(&seen, RepairMemory::default()).steps;
    assert!(!steps.contains(&RepairStep::Reopen { member: name("balancer-1") }), "{steps:?}");
}

#[test]
fn one_that_is_not_as_the_record_says_is_followed_by_another() {
    let mut seen = wanted(1);
    let what = "its recipe is 12, the record's is 1234".to_owned();
    bodies(&mut seen).drifted.insert("id-balancer-1".to_owned(), what);
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    seen.at = seen.at.plus(Duration::from_mins(1));
    let memory = long("balancer-1", "drift");
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"intend balancer-1 | intend: its recipe is 12, the record's is 1234: balancer-2 on h4 shall take its place");
}

#[test]
fn a_controller_of_a_lost_host_moves() {
    let mut seen = roomy();
    let size = world().members[0].size;
    let stands = |seen: &mut RepairSeen, id: &str, host: &str| {
        let (id, host) = (name(id), host_name(host));
        let all = bodies(seen);
        all.members.insert(id.clone(), vec![body(id.as_str(), &host, "controller")]);
        all.placed.push(Member { id, service: Service::Controller, host, size });
    };
    stands(&mut seen, "repair-1", "h1");
    stands(&mut seen, "repair-2", "h5");
    bodies(&mut seen).hosts.insert(host_name("h5"), body("h5", &host_name("h5"), "host"));
    power_off(&mut seen, "h5");
    insta::assert_snapshot!(line(&decide(&seen, long("repair-2", "host"))), @"intend repair-2 | intend: its host h5 has been down for 10s: repair-3 on h4 shall take its place");
    store(&mut seen).replacing = Some(Replacing {
        service: Service::Controller,
        member: name("repair-2"),
        by: name("repair-3"),
        host: host_name("h4"),
        why: "its host h5 has been down for 10s".to_owned(),
        begun: None,
    });
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create repair-3 | add: its host h5 has been down for 10s: repair-3 is made on h4 to take its place");
    stands(&mut seen, "repair-3", "h4");
    turn(&mut seen, "repair-3", ContainerStatus::Created);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | join: repair-2 waits for it: it does not run yet");
    turn(&mut seen, "repair-3", ContainerStatus::Running);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire repair-2 | retire: repair-3 does in its place what it is for");
    // the host came back before another was made
    let all = bodies(&mut seen);
    all.members.remove(&name("repair-3"));
    all.placed.retain(|member| member.id != name("repair-3"));
    all.hosts.get_mut(&host_name("h5")).expect("a host").status = ContainerStatus::Running;
    turn(&mut seen, "repair-2", ContainerStatus::Running);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget repair-2 | watch: it is well again: it is not replaced");
}

#[test]
fn a_controller_whose_process_is_frozen_is_restarted_and_then_replaced() {
    let mut seen = roomy();
    let (id, host) = (name("scaling-1"), host_name("h1"));
    let size = world().members[0].size;
    let all = bodies(&mut seen);
    all.members.insert(id.clone(), vec![body("scaling-1", &host, "controller")]);
    all.placed.push(Member { id: id.clone(), service: Service::Controller, host, size });
    seen.at = Mono(70_000_000_000);
    seen.controllers.insert(id.clone(), Sight::Blind("no answer".to_owned()));
    assert_eq!(decide(&seen, RepairMemory::default()).steps, [], "it has a grace");
    let first = decide(&seen, long("scaling-1", "silent"));
    insta::assert_snapshot!(line(&first), @"fence scaling-1 | restart: it runs and does not answer, for 1m: it is restarted in place");
    // that did not help
    let mut memory = first.memory.clone();
    memory.since = long("scaling-1", "silent").since;
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"intend scaling-1 | intend: it runs and does not answer, for 1m: scaling-2 on h4 shall take its place");
    // nobody takes writes, so the way from here may be what is wrong; and nobody asked lately
    let mut unled = seen.clone();
    unled.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&unled, long("scaling-1", "silent"))), [] as [&RepairStep; 0]);
    seen.controllers.clear();
    let later = decide(&seen, long("scaling-1", "silent"));
    assert!(later.memory.since_of(&id, Trouble::Silent).is_some(), "its time is not forgotten");
    // it answers
    seen.controllers.insert(id.clone(), Sight::Seen(()));
    assert_eq!(decide(&seen, long("scaling-1", "silent")).memory.since_of(&id, Trouble::Silent), None);
}
