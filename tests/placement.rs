//! Properties of placement: nobody twice on a host, nothing beyond capacity, pins hold, nobody moves.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on should say so loudly"
)]

use std::collections::BTreeMap;

use proptest::prelude::*;

use pgha::decide::placement::*;
use pgha::model::lab::*;
use pgha::model::*;
use pgha::spec::lab::{Layer, resolve};

fn spec(layers: &[Layer]) -> LabSpec {
    let mut all = vec![Layer::built_in()];
    all.extend_from_slice(layers);
    resolve(&all).unwrap_or_else(|problems| panic!("{}", problems.render()))
}

fn stands(members: &[Member]) -> String {
    members.iter().map(|member| format!("{}@{}", member.id, member.host)).collect::<Vec<_>>().join(" ")
}

fn founded(spec: &LabSpec) -> Vec<Member> {
    place(spec, &Desired::founding(spec), &[]).unwrap_or_else(|why| panic!("{why}"))
}

#[test]
fn the_built_in_lab_spreads_out() {
    let spec = spec(&[]);
    insta::assert_snapshot!(stands(&founded(&spec)), @"client@client etcd-1@h1 etcd-2@h2 etcd-3@h3 postgres-1@h4 postgres-2@h5 postgres-3@h6 balancer-1@h1 balancer-2@h2");
}

#[test]
fn the_small_lab_fits() {
    let spec = spec(&[Layer::preset("small").expect("a preset")]);
    insta::assert_snapshot!(stands(&founded(&spec)), @"client@client etcd-1@h1 postgres-1@h2 postgres-2@h3 balancer-1@h1");
}

#[test]
fn replicas_of_one_controller_never_share_a_host_and_keep_away_from_databases() {
    let two = "[[controller]]\nname = \"repair\"\nreplicas = 2\nimage = \"pgha\"\n\
               [[controller]]\nname = \"mend\"\nreplicas = 3\nimage = \"mend:1\"\n";
    let members = founded(&spec(&[Layer::file("lab.toml", two)]));
    let controllers: Vec<Member> =
        members.into_iter().filter(|member| member.service == Service::Controller).collect();
    insta::assert_snapshot!(stands(&controllers), @"mend-1@h2 repair-1@h3 mend-2@h4 repair-2@h1 mend-3@h5");
}

#[test]
fn a_replica_that_moved_is_none_that_is_missing() {
    let two = "[[controller]]\nname = \"repair\"\nreplicas = 2\nimage = \"pgha\"\n";
    let spec = spec(&[Layer::file("lab.toml", two)]);
    let mut members = founded(&spec);
    let moved = members.iter_mut().find(|member| member.id.as_str() == "repair-1").expect("a replica");
    moved.id = "repair-3".parse().expect("a name");
    let mut desired = Desired::founding(&spec);
    desired.without.insert("repair-1".parse().expect("a name"));
    let names = |members: &[Member]| {
        let replicas = members.iter().filter(|member| member.service == Service::Controller);
        replicas.map(|member| member.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&place(&spec, &desired, &members).expect("a place")), "repair-2 repair-3");
    members.retain(|member| member.id.as_str() != "repair-2");
    assert_eq!(names(&place(&spec, &desired, &members).expect("a place")), "repair-2 repair-3");
    assert_eq!(
        new_name("repair", members.iter().map(|member| &member.id)).expect("a name").as_str(),
        "repair-4"
    );
    assert_eq!(
        new_name("postgres", members.iter().map(|member| &member.id)).expect("a name").as_str(),
        "postgres-4"
    );
}

#[test]
fn pins_hold_and_databases_keep_away_from_pinned_balancers() {
    let spec = spec(&[Layer::file("lab.toml", "[balancers]\nhosts = [\"h4\", \"h5\"]\n")]);
    insta::assert_snapshot!(stands(&founded(&spec)), @"client@client etcd-1@h1 etcd-2@h2 etcd-3@h3 postgres-1@h6 postgres-2@h1 postgres-3@h2 balancer-1@h4 balancer-2@h5");
}

#[test]
fn a_replacement_has_a_new_name_and_moves_nobody() {
    let spec = spec(&[]);
    let before = founded(&spec);
    let gone: MemberId = "postgres-1".parse().expect("a name");
    let mut desired = Desired::founding(&spec);
    desired.without.insert(gone.clone());
    let after = place(&spec, &desired, &before).expect("a spare host");
    let new: Vec<_> = after.iter().filter(|member| !before.contains(member)).collect();
    assert_eq!(new.iter().map(|member| member.id.as_str()).collect::<Vec<_>>(), ["postgres-4"]);
    assert!(after.iter().all(|member| member.id != gone));
}

#[test]
fn more_than_wanted_stay() {
    let spec = spec(&[]);
    let members = founded(&spec);
    let mut desired = Desired::founding(&spec);
    desired.counts.insert(Service::Postgres, 1);
    assert_eq!(place(&spec, &desired, &members), Ok(members));
}

#[test]
fn it_goes_back_on_its_steps() {
    // etcd would take `a`, the emptier-by-order host, which is the only one large enough for PostgreSQL
    let text = r#"
        [[host]]
        name = "a"
        cpus = 1.0
        [[host]]
        name = "b"
        cpus = 0.5
        [[host]]
        name = "c"
        [[host]]
        name = "client"
        only = ["client"]
        [etcd]
        members = 1
        hosts = ["a", "b"]
        [postgres]
        instances = 1
        hosts = ["a"]
        [balancers]
        instances = 1
    "#;
    let spec = spec(&[Layer::file("lab.toml", text)]);
    assert_eq!(stands(&founded(&spec)), "client@client etcd-1@b postgres-1@a balancer-1@c");
}

#[test]
fn who_finds_no_place_hears_why_from_every_host() {
    let text = r#"
        [[host]]
        name = "h1"
        [[host]]
        name = "h2"
        cpus = 0.75
        [[host]]
        name = "h3"
        memory = "300MiB"
        [[host]]
        name = "client"
        only = ["client"]
        [etcd]
        members = 1
        hosts = ["h1"]
        [postgres]
        instances = 2
        [balancers]
        instances = 1
    "#;
    let spec = spec(&[Layer::file("lab.toml", text)]);
    let why = place(&spec, &Desired::founding(&spec), &[]).expect_err("no room");
    insta::assert_snapshot!(why.to_string(), @"postgres-2 finds no host: h1: has postgres-1 already; h2: 0.75 of 0.75 cores left, 1.0 wanted; h3: 300MiB of memory left, 512MiB wanted; client: `only` or pins keep it away");
}

/// Small labs of any shape: hosts of three sizes, some reserved, some pins.
fn labs() -> impl Strategy<Value = LabSpec> {
    let host = (prop::sample::select(vec![0.5, 1.0, 2.0]), 0_u8..8);
    (prop::collection::vec(host, 1..5), 0_u32..3, 0_u32..4, 0_u32..3, prop::collection::vec(0_usize..4, 0..3))
        .prop_map(|(hosts, etcd, postgres, balancers, pins)| {
            let mut lab = spec(&[]);
            let template = lab.hosts[0].clone();
            lab.hosts = hosts
                .iter()
                .enumerate()
                .map(|(index, (cpus, only))| {
                    let only = match only {
                        0 => vec![Service::Etcd],
                        1 => vec![Service::Postgres, Service::Balancer],
                        _ => Vec::new(),
                    };
                    Host {
                        name: format!("h{index}").parse().expect("a name"),
                        cpus: *cpus,
                        only,
                        ..template.clone()
                    }
                })
                .collect();
            lab.etcd.members = etcd;
            lab.postgres.instances.start = postgres;
            lab.balancers.instances.start = balancers;
            lab.postgres.hosts =
                pins.iter().filter_map(|pin| lab.hosts.get(*pin)).map(|host| host.name.clone()).collect();
            lab
        })
}

fn desired(lab: &LabSpec) -> Desired {
    let mut desired = Desired::founding(lab);
    desired.counts.remove(&Service::Client);
    desired
}

/// Every rule, said again and differently: what placement must never break.
fn lawful(lab: &LabSpec, members: &[Member]) -> bool {
    let mut seen: BTreeMap<(&str, Service), u32> = BTreeMap::new();
    for member in members {
        *seen.entry((member.host.as_str(), member.service)).or_default() += 1;
    }
    seen.values().all(|count| *count == 1)
        && lab.hosts.iter().all(|host| {
            let here: Vec<_> = members.iter().filter(|member| member.host == host.name).collect();
            here.iter().map(|m| m.size.cpus).sum::<f64>() <= host.cpus + 1e-9
                && here.iter().map(|m| m.size.memory.0).sum::<u64>() <= host.memory.0
                && here.iter().map(|m| m.size.disk.0).sum::<u64>() <= host.disk.0
                && here.iter().all(|m| lab.may_stand(m.service, host))
        })
}

/// Tries every host for every body.
fn exists(lab: &LabSpec, missing: &[(MemberId, Service, Size)], members: &mut Vec<Member>) -> bool {
    if !lawful(lab, members) {
        return false;
    }
    let Some(((id, service, size), rest)) = missing.split_first() else { return true };
    lab.hosts.iter().any(|host| {
        members.push(Member { id: id.clone(), service: *service, host: host.name.clone(), size: *size });
        let found = exists(lab, rest, members);
        members.pop();
        found
    })
}

proptest! {
    #[test]
    fn what_is_placed_is_lawful_and_stays_and_what_is_not_cannot_be(lab in labs(), drop in 0_usize..8) {
        let wanted = desired(&lab);
        match place(&lab, &wanted, &[]) {
            Ok(members) => {
                prop_assert!(lawful(&lab, &members), "{}", stands(&members));
                prop_assert_eq!(place(&lab, &wanted, &members), Ok(members.clone()), "idempotent");
                prop_assert_eq!(place(&lab, &wanted, &[]), Ok(members.clone()), "deterministic");
                if !members.is_empty() {
                    // one is lost: nobody else moves, the name is not used again
                    let lost = members[drop % members.len()].id.clone();
                    let mut without = wanted.clone();
                    without.without.insert(lost.clone());
                    let kept: Vec<_> = members.iter().filter(|m| m.id != lost).cloned().collect();
                    let repaired = place(&lab, &without, &members).expect("its own host is free again");
                    prop_assert!(kept.iter().all(|member| repaired.contains(member)));
                    prop_assert!(repaired.iter().all(|member| member.id != lost));
                    prop_assert_eq!(repaired.len(), members.len());
                    prop_assert!(lawful(&lab, &repaired));
                }
            }
            Err(why) => {
                prop_assert!(!exists(&lab, &missing(&lab, &wanted), &mut Vec::new()), "{}", why);
                prop_assert_eq!(why.hosts.len(), lab.hosts.len());
            }
        }
    }
}

/// Everybody a lab without members lacks.
fn missing(spec: &LabSpec, desired: &Desired) -> Vec<(MemberId, Service, Size)> {
    desired
        .counts
        .iter()
        .flat_map(|(service, count)| (1..=*count).map(|n| (*service, n)))
        .map(|(service, n)| {
            let id = MemberId::new(format!("{service}-{n}")).expect("a name");
            (id, service, spec.start_size(service))
        })
        .collect()
}
