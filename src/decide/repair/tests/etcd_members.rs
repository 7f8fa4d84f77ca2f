//! Members of etcd that are lost for good: taken out of the cluster, then followed by a new one.

use super::replace::{power_off, roomy};
use super::*;
use crate::model::control::Replacing;

/// The roomy lab, whose cluster of etcd is seen, with these members not serving.
fn voting(fails: &[(&str, VoterStanding)]) -> RepairSeen {
    let mut seen = roomy();
    let mut members: BTreeMap<MemberId, VoterStanding> =
        (1..=3).map(|n| (name(&format!("etcd-{n}")), VoterStanding::Serves)).collect();
    members.extend(fails.iter().map(|(id, vote)| (name(id), vote.clone())));
    let listed = members.values().filter(|vote| **vote != VoterStanding::Out).count();
    seen.voters = Sight::Seen(VotersSeen { listed: u32::try_from(listed).expect("few"), members });
    seen
}

fn silent() -> VoterStanding {
    VoterStanding::Fails("silent".to_owned())
}

/// The host of etcd-2 and postgres-2 is lost.
fn lost() -> RepairSeen {
    let mut seen = voting(&[("etcd-2", silent())]);
    power_off(&mut seen, "h2");
    seen
}

fn begun(seen: &mut RepairSeen) {
    store(seen).replacing = Some(Replacing {
        service: Service::Etcd,
        member: name("etcd-2"),
        by: name("etcd-4"),
        host: host_name("h4"),
        why: "its host h2 has been down for 10s".to_owned(),
        begun: None,
    });
}

/// etcd-2 has left the cluster and the lab.
fn left(seen: &mut RepairSeen) {
    let all = bodies(seen);
    all.members.remove(&name("etcd-2"));
    all.placed.retain(|member| member.id != name("etcd-2"));
    all.retired.insert(name("etcd-2"));
    if let Sight::Seen(voters) = &mut seen.voters {
        voters.members.remove(&name("etcd-2"));
        voters.listed = voters.listed.saturating_sub(1);
    }
}

/// etcd-4 stands on h4 and is this far.
fn joined(seen: &mut RepairSeen, vote: VoterStanding) {
    let (id, host) = (name("etcd-4"), host_name("h4"));
    let size = world().members[0].size;
    let all = bodies(seen);
    all.placed.push(Member { id: id.clone(), service: Service::Etcd, host: host.clone(), size });
    all.members.insert(id.clone(), vec![body("etcd-4", &host, "etcd")]);
    if let Sight::Seen(voters) = &mut seen.voters {
        voters.listed += u32::from(voters.members.insert(id, vote).is_none());
    }
}

#[test]
fn a_member_of_a_lost_host_is_replaced_after_its_grace() {
    let seen = lost();
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | watch: nothing to do");
    insta::assert_snapshot!(line(&decide(&seen, long("etcd-2", "host"))), @"intend etcd-2 | intend: its host h2 has been down for 10s: etcd-4 on h4 shall take its place");
    // before the database that stood there: one at a time
    let mut both = long("etcd-2", "host");
    both.since.extend(long("postgres-2", "host").since);
    assert_eq!(decide(&seen, both).steps.len(), 1);
}

#[test]
fn it_leaves_the_cluster_first_then_another_joins_and_then_its_volumes_go() {
    let mut seen = lost();
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire etcd-2 | retire: its host h2 has been down for 10s: it leaves the cluster before etcd-4 joins");
    left(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"create etcd-4 | add: it joins the cluster on h4 in place of etcd-2");
    joined(&mut seen, VoterStanding::Joins);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: it runs and has not joined the cluster, for less than 1m");
    joined(&mut seen, VoterStanding::Serves);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard etcd-2, forget etcd-2 | retire: etcd-4 has taken its place: its volumes go");
}

#[test]
fn nobody_leaves_whom_the_others_cannot_spare() {
    let mut seen = lost();
    if let Sight::Seen(voters) = &mut seen.voters {
        voters.members.insert(name("etcd-3"), silent());
    }
    let decision = decide(&seen, long("etcd-2", "host"));
    insta::assert_snapshot!(line(&decision), @" | wait: its host h2 has been down for 10s; of the 2 others 1 serve, and 2 must");
    assert_eq!(
        alarms(&decision),
        ["etcd-2: its host h2 has been down for 10s; it waits: of the 2 others 1 serve, and 2 must"]
    );
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: of the 2 others 1 serve, and 2 must");
    seen.voters = Sight::Blind("no quorum".to_owned());
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | wait: the cluster of etcd cannot be seen: no quorum");
}

#[test]
fn without_a_host_or_a_leader_it_stays_in_the_cluster() {
    let mut seen = lost();
    bodies(&mut seen).hosts.remove(&host_name("h4"));
    let decision = decide(&seen, long("etcd-2", "host"));
    assert_eq!((decision.steps.as_slice(), decision.step.as_str()), (&[][..], "wait"));
    assert!(alarms(&decision).iter().any(|alarm| alarm.contains("it waits for a host")), "{decision:?}");
    // begun, and the host it was to go to is lost, too
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"forget etcd-2 | watch: h4, where etcd-4 was to go, does not run: decided anew");
    let mut seen = lost();
    begun(&mut seen);
    seen.postgres.insert(name("postgres-1"), instance(false, 7));
    assert_eq!(beside_doors(&decide(&seen, long("etcd-2", "host"))), [] as [&RepairStep; 0]);
}

#[test]
fn one_that_is_missing_is_followed_by_another() {
    // the host it was to join on is lost after the old one has left
    let mut seen = lost();
    begun(&mut seen);
    left(&mut seen);
    bodies(&mut seen).hosts.remove(&host_name("h4"));
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"discard etcd-2, forget etcd-2 | retire: etcd-4 cannot take its place: decided anew");
    bodies(&mut seen).hosts.insert(host_name("h5"), body("h5", &host_name("h5"), "host"));
    store(&mut seen).replacing = None;
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend etcd-2 | intend: there are 2 of 3 members of etcd: etcd-4 on h5 shall take its place");
}

#[test]
fn what_dies_again_or_gets_no_life_is_lost_and_what_is_well_again_is_not() {
    let mut seen = voting(&[("etcd-2", silent())]);
    turn(&mut seen, "etcd-2", ContainerStatus::Exited);
    let mut memory = long("etcd-2", "dead");
    insta::assert_snapshot!(line(&decide(&seen, memory.clone())), @"start etcd-2 | start: its body is there and does not run");
    memory.lives.insert(name("etcd-2"), vec![seen.at; 3]);
    insta::assert_snapshot!(line(&decide(&seen, memory)), @"intend etcd-2, start etcd-2 | intend: it died again after 3 starts: etcd-4 on h4 shall take its place");
    let mut refused = long("etcd-2", "dead");
    for step in ["start etcd-2", "create etcd-2"] {
        refused.failed.insert(step.to_owned(), (3, Mono(0)));
    }
    let first = line(&decide(&seen, refused));
    insta::assert_snapshot!(first, @"intend etcd-2, create etcd-2 | intend: it cannot be given another life: etcd-4 on h4 shall take its place");
    let mut well = voting(&[]);
    begun(&mut well);
    insta::assert_snapshot!(line(&decide(&well, RepairMemory::default())), @"forget etcd-2 | watch: it is well again: it is not replaced");
}

#[test]
fn what_runs_and_does_not_serve_has_a_grace() {
    let mut seen = voting(&[("etcd-2", silent())]);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @" | grace: it runs and does not serve: silent, for less than 1m");
    seen.at = Mono(70_000_000_000);
    insta::assert_snapshot!(line(&decide(&seen, long("etcd-2", "sick"))), @"intend etcd-2 | intend: it runs and does not serve: silent, for 1m: etcd-4 on h4 shall take its place");
    let mut out = voting(&[("etcd-2", VoterStanding::Out)]);
    out.at = Mono(70_000_000_000);
    insta::assert_snapshot!(line(&decide(&out, long("etcd-2", "sick"))), @"intend etcd-2 | intend: it is not in the cluster, for 1m: etcd-4 on h4 shall take its place");
}

fn vote() -> impl Strategy<Value = VoterStanding> {
    prop::sample::select(vec![
        VoterStanding::Serves,
        VoterStanding::Serves,
        silent(),
        VoterStanding::Joins,
        VoterStanding::Out,
    ])
}

proptest! {
    #[test]
    fn whatever_the_cluster_says_nobody_leaves_without_a_quorum_and_nobody_joins_before(
        votes in prop::array::uniform3(vote()),
        statuses in prop::array::uniform3(status()),
        [word, gone, there, writes, blind] in any::<[bool; 5]>(),
        host in 1..=4_u8,
    ) {
        let names = ["etcd-1", "etcd-2", "etcd-3"];
        let mut seen = voting(&names.into_iter().zip(votes).collect::<Vec<_>>());
        for (id, status) in names.into_iter().zip(statuses) {
            turn(&mut seen, id, status);
        }
        power_off(&mut seen, &format!("h{host}"));
        if word {
            begun(&mut seen);
        }
        if gone {
            left(&mut seen);
        }
        if there {
            joined(&mut seen, VoterStanding::Joins);
        }
        if !writes {
            seen.postgres.insert(name("postgres-1"), instance(false, 7));
        }
        if blind {
            seen.voters = Sight::Blind("no quorum".to_owned());
        }
        let mut memory = RepairMemory::default();
        for id in names {
            memory.since.extend(long(id, "host").since);
        }
        let decision = decide(&seen, memory);
        prop_assert!(decision.steps.iter().filter(|step| step.disruptive()).count() <= 1);
        for step in &decision.steps {
            match step {
                // never but by a word that names it, and where the others are a quorum that serves
                RepairStep::Retire { member } if member.as_str().starts_with("etcd") => {
                    prop_assert!(word && !gone && writes && *member == name("etcd-2"));
                    let voters = seen.voters.seen().expect("seen");
                    let others = || voters.members.iter().filter(|(id, _)| *id != member);
                    let counted = others().filter(|(_, vote)| **vote != VoterStanding::Out).count();
                    let serve = others().filter(|(_, vote)| **vote == VoterStanding::Serves).count();
                    prop_assert!(serve > counted / 2, "{serve} of {counted}");
                }
                // the new one not before the old one has left
                RepairStep::Create { member, .. } if *member == name("etcd-4") && !there => {
                    prop_assert!(word && gone);
                }
                RepairStep::Intend { service: Service::Etcd, .. } => prop_assert!(!word && writes && !blind),
                RepairStep::Discard { member } if *member == name("etcd-2") => prop_assert!(gone),
                _ => {}
            }
        }
    }
}

#[test]
fn one_that_serves_leaves_for_an_operator_where_the_others_carry_the_cluster() {
    let mut seen = voting(&[]);
    store(&mut seen).asked.insert(name("etcd-2"), 3);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"intend etcd-2 | intend: an operator asked for it: etcd-4 on h4 shall take its place");
    begun(&mut seen);
    insta::assert_snapshot!(line(&decide(&seen, RepairMemory::default())), @"retire etcd-2 | retire: its host h2 has been down for 10s: it leaves the cluster before etcd-4 joins");
    let mut weak = voting(&[("etcd-3", silent())]);
    store(&mut weak).asked.insert(name("etcd-2"), 3);
    begun(&mut weak);
    insta::assert_snapshot!(line(&decide(&weak, RepairMemory::default())), @"forget etcd-2 | wait: of the 2 others 1 serve, and 2 must");
}
