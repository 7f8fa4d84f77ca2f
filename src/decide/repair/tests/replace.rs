//! Members that do not serve where they are: made anew, restarted, replaced.

use super::*;
use crate::model::control::Replacing;

/// What a lab looks like whose record can be read and that has a host to spare, h4.
pub(super) fn roomy() -> RepairSeen {
    let world = world();
    let mut seen = healthy(&world);
    let all = bodies(&mut seen);
    all.placed = world.members;
    all.hosts.insert(host_name("h4"), body("h4", &host_name("h4"), "host"));
    seen
}

pub(super) fn power_off(seen: &mut RepairSeen, host: &str) {
    let all = bodies(seen);
    if let Some(sandbox) = all.hosts.get_mut(&host_name(host)) {
        sandbox.status = ContainerStatus::Exited;
    }
    for body in all.members.values_mut().flatten().filter(|body| body.host == host_name(host)) {
        body.status = ContainerStatus::Exited;
    }
}

pub(super) fn begun(seen: &mut RepairSeen, member: &str) {
    store(seen).replacing = Some(Replacing {
        service: Service::Postgres,
        member: name(member),
        by: name("postgres-4"),
        host: host_name("h4"),
        why: "its host h2 has been down for 10s".to_owned(),
        begun: None,
    });
}

/// postgres-4 stands on h4 and is this far.
pub(super) fn added(seen: &mut RepairSeen, instance: InstanceSeen) {
    let (id, host) = (name("postgres-4"), host_name("h4"));
    let size = world().members[0].size;
    let all = bodies(seen);
    all.placed.push(Member { id: id.clone(), service: Service::Postgres, host: host.clone(), size });
    all.members.insert(id.clone(), vec![body("postgres-4", &host, "postgres")]);
    seen.postgres.insert(id, instance);
}

#[test]
fn a_body_that_is_gone_is_made_anew_on_its_volumes() {
    let mut seen = roomy();
    bodies(&mut seen).members.remove(&name("postgres-2"));
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-2", "gone"))), @"create postgres-2 | create: it has no body that could be started: a new one on its volumes");
    // nobody leads: it might found a cluster, or take a dead leader's lock back
    store(&mut seen).leader = None;
    assert_eq!(decide(&seen, long("postgres-2", "gone")).steps, []);
    let mut unread = roomy();
    bodies(&mut unread).members.remove(&name("etcd-2"));
    bodies(&mut unread).placed.clear();
    let decision = decide(&unread, long("etcd-2", "gone"));
    assert_eq!(
        (decision.steps.clone(), alarms(&decision)),
        (Vec::new(), vec!["etcd-2 has no container".to_owned()])
    );
}

#[test]
fn a_body_that_cannot_be_started_is_made_anew() {
    let mut seen = roomy();
    turn(&mut seen, "postgres-3", ContainerStatus::Exited);
    let mut memory = long("postgres-3", "dead");
    memory.failed.insert("start postgres-3".to_owned(), (3, Mono(0)));
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"create postgres-3 | create: it has no body that could be started: a new one on its volumes");
}

#[test]
fn a_lost_host_is_given_up_after_its_grace() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | watch: nothing to do");
    let decision = decide(&seen, long("postgres-2", "host"));
    insta::assert_snapshot!(line(&decision), @"intend postgres-2 | intend: its host h2 has been down for 10s: postgres-4 on h4 shall take its place");
    // nobody takes writes: there is nobody to clone from
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    let decision = decide(&seen, long("postgres-2", "host"));
    insta::assert_snapshot!(line(&decision), @"open h1 | elect: the leader does not take writes yet");
}

#[test]
fn of_two_that_need_it_one_is_replaced_and_the_other_is_left_alone() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    power_off(&mut seen, "h3");
    let mut memory = long("postgres-2", "host");
    memory.since.insert(name("postgres-3"), since("host", Mono(0)));
    let decision = decide(&seen, memory);
    assert_eq!(decision.steps.len(), 1, "{decision:?}");
    // nor is another taken down beside it, though it does not serve
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    seen.at = Mono(70_000_000_000);
    let silent =
        InstanceSeen { rest: ConnectionReply::Silent("nothing".to_owned()), ..instance(false, 1003) };
    seen.postgres.insert(name("postgres-3"), silent);
    let mut memory = long("postgres-2", "host");
    memory.since.insert(name("postgres-3"), since("sick", Mono(0)));
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"intend postgres-2 | intend: its host h2 has been down for 10s: postgres-4 on h4 shall take its place");
}

#[test]
fn without_a_host_it_waits_and_says_so() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    bodies(&mut seen).hosts.remove(&host_name("h4"));
    let decision = decide(&seen, long("postgres-2", "host"));
    assert_eq!((decision.steps.as_slice(), decision.step.as_str()), (&[][..], "wait"));
    assert!(alarms(&decision).iter().any(|alarm| alarm.contains("it waits for a host")), "{decision:?}");
}

#[test]
fn replacements_have_a_budget() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    let mut memory = long("postgres-2", "host");
    memory.replaced = vec![seen.at; 3];
    let decision = decide(&seen, memory);
    assert_eq!((decision.steps.as_slice(), decision.step.as_str()), (&[][..], "refuse"));
    assert!(alarms(&decision).iter().any(|alarm| alarm.contains("budget of replacements")), "{decision:?}");
}

#[test]
fn a_replacement_adds_verifies_and_only_then_removes() {
    let mut seen = roomy();
    power_off(&mut seen, "h2");
    begun(&mut seen, "postgres-2");
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create postgres-4 | add: its host h2 has been down for 10s: postgres-4 is made on h4 to take its place");
    added(&mut seen, cloning());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"wake postgres-1 | clone: postgres-2 waits for it: its PostgreSQL does not answer yet, Patroni says creating replica");
    let far_behind = instance(false, 0);
    let mut ahead = seen.clone();
    ahead.postgres.insert(name("postgres-1"), instance(true, 9 << 20));
    ahead.postgres.insert(name("postgres-4"), far_behind);
    insta::assert_snapshot!(line(&decide(&ahead, RepairMemory::default())), @"wake postgres-1 | clone: postgres-2 waits for it: it is 9437184 bytes behind");
    seen.postgres.insert(name("postgres-4"), instance(false, 1001));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire postgres-2 | retire: postgres-4 streams in its place");
    let all = bodies(&mut seen);
    all.members.remove(&name("postgres-2"));
    all.placed.retain(|member| member.id != name("postgres-2"));
    all.retired.insert(name("postgres-2"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard postgres-2, forget postgres-2 | retire: postgres-4 has taken its place: its volumes go");
    // somebody holds them fast: the others are not left waiting for ever
    let mut memory = RepairMemory::default();
    for _ in 0..5 {
        memory.took(&RepairStep::Discard { member: name("postgres-2") }, Mono(0), &failed());
    }
    let decision = decide(&seen, memory);
    insta::assert_snapshot!(line(&decision), @"forget postgres-2 | retire: postgres-4 has taken its place: its volumes go");
    assert_eq!(
        alarms(&decision),
        ["the volumes of postgres-2 cannot be removed: they stay until the lab goes"]
    );
}

#[test]
fn who_runs_is_fenced_before_it_leaves_and_the_leader_never_does() {
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    store(&mut seen).asked.insert(name("postgres-2"), 3);
    added(&mut seen, instance(false, 1001));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"close h2, fence postgres-2 | retire: postgres-4 streams in its place");
    let key = LeaderSeen { member: name("postgres-2"), mod_revision: 8, lease: 80 };
    store(&mut seen).leader = Some(key);
    seen.postgres.insert(name("postgres-1"), instance(false, 1000));
    seen.postgres.insert(name("postgres-2"), instance(true, 1002));
    let decision = decide(&seen, RepairMemory::default());
    assert!(decision.steps.iter().all(|step| !step.disruptive()), "{decision:?}");
    assert!(
        decision.steps.contains(&RepairStep::Forget { member: name("postgres-2"), wish: None }),
        "{decision:?}"
    );
}

#[test]
fn a_word_that_does_not_hold_any_more_is_taken_back() {
    // well again before anything was made
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget postgres-2 | watch: it is well again: it is not replaced");
    // decided by an old view: the name belongs to somebody who left
    power_off(&mut seen, "h2");
    bodies(&mut seen).retired.insert(name("postgres-4"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard postgres-4, forget postgres-2 | watch: postgres-4 does not take its place: decided anew");
    // or stands there in the place of another, so that too few would be left
    let mut seen = roomy();
    begun(&mut seen, "postgres-2");
    added(&mut seen, instance(false, 1001));
    bodies(&mut seen).placed.retain(|member| member.id != name("postgres-3"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget postgres-2 | watch: postgres-4 does not take its place: decided anew");
}

#[test]
fn what_runs_and_does_not_serve_is_restarted_and_then_replaced() {
    let mut seen = roomy();
    let silent = || ConnectionReply::Silent("nothing".to_owned());
    seen.postgres.insert(
        name("postgres-3"),
        InstanceSeen {
            sql: ConnectionReply::Silent(String::new()),
            rest: silent(),
            ..InstanceSeen::default()
        },
    );
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: its Patroni does not answer: nothing, for less than 1m");
    seen.at = Mono(70_000_000_000);
    let first = decide(&seen, long("postgres-3", "sick"));
    insta::assert_snapshot!(line(&first), @"fence postgres-3 | restart: its Patroni does not answer: nothing, for 1m: it is restarted in place");
    seen.at = Mono(140_000_000_000);
    let mut memory = first.memory;
    memory.since.insert(name("postgres-3"), since("sick", Mono(75_000_000_000)));
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"intend postgres-3 | intend: its Patroni does not answer: nothing, and a restart did not help: postgres-4 on h4 shall take its place");
    // a clone or a recovery that makes progress is nothing abnormal
    seen.postgres.insert(name("postgres-3"), cloning());
    assert_eq!(decide(&seen, long("postgres-3", "sick")).steps, []);
}

#[test]
fn an_operators_wish_is_no_order() {
    let mut seen = roomy();
    store(&mut seen).asked.insert(name("postgres-1"), 3);
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(alarms(&decision), ["postgres-1 is to be replaced and leads: hand over first"]);
    store(&mut seen).asked = [(name("etcd-9"), 3)].into();
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(alarms(&decision), ["etcd-9 is to be replaced and is no member of this lab that could be"]);
    // it has left meanwhile
    bodies(&mut seen).retired.insert(name("etcd-9"));
    let decision = decide(&seen, RepairMemory::default());
    assert_eq!(
        (decision.steps.clone(), alarms(&decision)),
        (vec![RepairStep::Forget { member: name("etcd-9"), wish: Some(3) }], vec![])
    );
    store(&mut seen).asked = [(name("postgres-3"), 3)].into();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend postgres-3 | intend: an operator asked for it: postgres-4 on h4 shall take its place");
}

#[test]
fn two_of_a_kind_on_one_host_are_one_too_many_there() {
    let mut seen = roomy();
    let stands = |seen: &mut RepairSeen, id: &str, host: &str| {
        let all = bodies(seen);
        all.placed.iter_mut().find(|member| member.id == name(id)).expect("it").host = host_name(host);
        all.members.insert(name(id), vec![body(id, &host_name(host), "postgres")]);
    };
    stands(&mut seen, "postgres-3", "h2");
    assert_eq!(decide(&seen, RepairMemory::default()).steps, []);
    seen.at = Mono(70_000_000_000);
    insta::assert_snapshot!(line(&decide(&seen, long("postgres-3", "beside"))), @"intend postgres-3 | intend: postgres-2 stands on its host, too: one lost host would cost both: postgres-4 on h4 shall take its place");
    // begun, it goes on though it serves
    begun(&mut seen, "postgres-3");
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create postgres-4 | add: its host h2 has been down for 10s: postgres-4 is made on h4 to take its place");
    // beside the leader it is the other one, whatever it is called
    let mut seen = roomy();
    seen.at = Mono(70_000_000_000);
    store(&mut seen).leader = Some(LeaderSeen { member: name("postgres-3"), mod_revision: 9, lease: 90 });
    seen.postgres.insert(name("postgres-1"), instance(false, 1001));
    seen.postgres.insert(name("postgres-3"), instance(true, 1002));
    stands(&mut seen, "postgres-3", "h2");
    let begun = |who: &str| {
        let steps = decide(&seen, long(who, "beside")).steps;
        steps.iter().map(RepairStep::key).filter(|key| key.starts_with("intend")).collect::<Vec<_>>()
    };
    assert_eq!((begun("postgres-3"), begun("postgres-2")), (vec![], vec!["intend postgres-2".to_owned()]));
    let mut seen = roomy();
    seen.at = Mono(70_000_000_000);
    let all = bodies(&mut seen);
    all.placed.iter_mut().find(|member| member.id == name("etcd-3")).expect("it").host = host_name("h2");
    insta::assert_snapshot!(line(&decide(&seen, long("etcd-3", "beside"))), @" | wait: etcd-2 stands on its host, too: one lost host would cost both; the cluster of etcd cannot be seen: not looked at");
}

/// What is ordered within seventy looks, a second apart, at the same.
fn ordered(mut seen: RepairSeen) -> Vec<String> {
    let mut memory = RepairMemory::default();
    let mut done = Vec::new();
    for second in 10..80 {
        seen.at = Mono(second * 1_000_000_000);
        let decision = decide(&seen, memory);
        done.extend(decision.steps.iter().map(RepairStep::key));
        memory = decision.memory;
    }
    done
}

#[test]
fn two_troubles_of_one_member_do_not_take_each_others_time() {
    let beside = |id: &str| {
        let mut seen = roomy();
        let all = bodies(&mut seen);
        all.placed.iter_mut().find(|member| member.id == name(id)).expect("it").host = host_name("h2");
        seen
    };
    let mut seen = beside("postgres-3");
    let silent =
        InstanceSeen { rest: ConnectionReply::Refuses("nothing".to_owned()), ..InstanceSeen::default() };
    seen.postgres.insert(name("postgres-3"), silent);
    let done = ordered(seen);
    assert!(done.iter().any(|step| step == "fence postgres-3"), "{done:?}");
    let mut seen = beside("etcd-3");
    let mut members: BTreeMap<MemberId, VoterStanding> =
        (1..=3).map(|n| (name(&format!("etcd-{n}")), VoterStanding::Serves)).collect();
    members.insert(name("etcd-3"), VoterStanding::Fails("silent".to_owned()));
    seen.voters = Sight::Seen(VotersSeen { listed: 3, members });
    let done = ordered(seen);
    assert!(done.iter().any(|step| step == "intend etcd-3"), "{done:?}");
}
