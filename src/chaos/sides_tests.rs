//! Whom hosts, sides and shapes name; what every shape promises holds for any number of hosts.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use rand::SeedableRng;

use super::*;
use crate::chaos::hits;
use crate::model::lab::{Host, Size};
use crate::model::sighting::{EtcdSeen, PostgresSeen, SqlSeen};
use crate::model::{Bytes, FaultTarget, Member, Service, Sight, Sighting, Verb};

/// A name of the kind that is wanted here.
fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().expect("a name")
}

fn hosts(count: usize) -> Vec<HostName> {
    (1..=count).map(|n| name(&format!("h{n}"))).collect()
}

fn member(id: &str, service: Service, host: &str) -> Member {
    Member {
        id: name(id),
        service,
        host: name(host),
        size: Size { cpus: 1.0, memory: Bytes(0), disk: Bytes(0) },
    }
}

/// h1..h3 carry PostgreSQL, h1 and h4 etcd, h5 nothing, h6 the client.
fn members() -> Vec<Member> {
    vec![
        member("postgres-1", Service::Postgres, "h1"),
        member("postgres-2", Service::Postgres, "h2"),
        member("postgres-3", Service::Postgres, "h3"),
        member("etcd-1", Service::Etcd, "h1"),
        member("etcd-2", Service::Etcd, "h4"),
        member("client", Service::Client, "h6"),
    ]
}

/// postgres-2 is primary, etcd-2 leads.
fn sighting() -> Sighting {
    let instance = |in_recovery| PostgresSeen {
        sql: Sight::Seen(SqlSeen { in_recovery, ..SqlSeen::default() }),
        ..PostgresSeen::default()
    };
    let etcd = |id: &str| {
        Sight::Seen(EtcdSeen { id: id.to_owned(), leader: Some("b".to_owned()), ..EtcdSeen::default() })
    };
    Sighting {
        postgres: BTreeMap::from([
            (name("postgres-1"), instance(true)),
            (name("postgres-2"), instance(false)),
            (name("postgres-3"), instance(true)),
        ]),
        etcd: BTreeMap::from([(name("etcd-1"), etcd("a")), (name("etcd-2"), etcd("b"))]),
        ..Sighting::default()
    }
}

fn declared(count: usize) -> Vec<Host> {
    hosts(count)
        .into_iter()
        .map(|name| Host { name, cpus: 1.0, memory: Bytes(0), disk: Bytes(0), only: Vec::new() })
        .collect()
}

/// What a verb, written as in a scenario, hits: targets and cuts in words.
fn said(verb: &str) -> String {
    let verb: Verb = serde_json::from_str(verb).expect("a verb");
    let (members, hosts, sighting) = (members(), declared(6), sighting());
    let world = PossibleTargets { members: &members, hosts: &hosts, sighting: &sighting };
    match hits(&verb, world, &mut ChaCha8Rng::seed_from_u64(7)) {
        Err(error) => error.to_string(),
        Ok(hits) => {
            let targets: Vec<&str> = hits.targets.iter().map(FaultTarget::as_str).collect();
            let cuts = hits.notes.get("cuts").map_or_else(String::new, |cuts| {
                let cuts: Vec<(String, String)> = serde_json::from_value(cuts.clone()).expect("pairs");
                let cuts: Vec<String> = cuts.iter().map(|(from, to)| format!("{from}>{to}")).collect();
                format!(": {}", cuts.join(" "))
            });
            format!("{}{cuts}", targets.join(" "))
        }
    }
}

#[test]
fn a_target_of_a_host_verb_names_hosts() {
    for (target, hosts) in [
        ("host:h2", "h2"),
        ("host-of:primary", "h2"),
        ("primary", "h2"),
        ("host-of:replica:all", "h1 h3"),
        ("host-of:etcd:leader", "h4"),
        ("etcd:all", "h1 h4"),
        ("host:spare", "h5"),
        ("random(3) of host-of:postgres:all", "h1 h2 h3"),
        ("random(2) of postgres:all", "h1 h2"),
    ] {
        let found = said(&format!(r#"{{"isolate":{{"target":"{target}"}}}}"#));
        assert!(
            found == hosts || target.starts_with("random(2)") && found.split(' ').count() == 2,
            "{target}: {found}"
        );
    }
    for target in
        ["host:h9", "rest", "host-of:balancer:any", "random(4) of host-of:postgres:all", "host-of:rest"]
    {
        let found = said(&format!(r#"{{"isolate":{{"target":"{target}"}}}}"#));
        assert!(found.contains("matches nothing"), "{target}: {found}");
    }
}

#[test]
fn a_partition_cuts_each_pair_once_in_its_direction() {
    let partition = |rest: &str| said(&format!(r#"{{"partition":{{{rest}}}}}"#));
    assert_eq!(partition(r#""from":["primary"],"to":["etcd:all"]"#), "h2 h1 h4: h2>h1 h1>h2 h2>h4 h4>h2");
    assert_eq!(partition(r#""from":["primary"],"to":["host:h4"],"direction":"forward""#), "h2 h4: h2>h4");
    assert_eq!(partition(r#""from":["primary"],"to":["host:h4"],"direction":"backward""#), "h4 h2: h4>h2");
    assert_eq!(
        partition(r#""from":["rest"],"to":["host:h1"],"direction":"forward""#),
        "h2 h1 h3 h4 h5 h6: h2>h1 h3>h1 h4>h1 h5>h1 h6>h1"
    );
    // sides that share hosts: nobody is cut from himself, nothing twice
    assert_eq!(partition(r#""from":["host:h1","host:h2"],"to":["host:h1","host:h2"]"#), "h1 h2: h1>h2 h2>h1");
    for nothing in [
        r#""from":["host:h1"],"to":["host:h1"]"#,
        r#""from":["rest"],"to":["rest"]"#,
        r#""from":[],"to":["host:h1"]"#,
        r#""from":["host:h9"],"to":["host:h1"]"#,
    ] {
        assert!(partition(nothing).contains("matches nothing"), "{nothing}: {}", partition(nothing));
    }
}

#[test]
fn a_shape_takes_hosts_with_services_and_leaves_the_client_alone() {
    for shape in ["halves", "ring", "bridge"] {
        let found = said(&format!(r#"{{"partition":{{"shape":"{shape}"}}}}"#));
        assert!(!found.contains("h5") && !found.contains("h6"), "{shape}: {found}");
    }
}

#[test]
fn too_few_hosts_have_no_shape() {
    for (shape, few) in [(PartitionShape::Halves, 1), (PartitionShape::Ring, 2), (PartitionShape::Bridge, 2)]
    {
        let error = of_shape(shape, &hosts(few)).expect_err("no shape");
        assert!(error.to_string().contains("too few"), "{error}");
        of_shape(shape, &hosts(few + 1)).expect("a shape");
    }
}

/// Whom each host still sees, itself too.
fn views(shape: PartitionShape, hosts: &[HostName]) -> Vec<BTreeSet<HostName>> {
    let cuts: BTreeSet<(HostName, HostName)> = shape_cuts(shape, hosts).into_iter().collect();
    let sees = |one: &HostName, other: &HostName| !cuts.contains(&(one.clone(), other.clone()));
    hosts.iter().map(|one| hosts.iter().filter(|other| sees(one, other)).cloned().collect()).collect()
}

proptest! {
    #[test]
    fn a_cut_of_a_shape_is_one_both_ways(n in 1_usize..12) {
        for shape in [PartitionShape::Halves, PartitionShape::Ring, PartitionShape::Bridge] {
            let cuts = shape_cuts(shape, &hosts(n));
            for (from, to) in &cuts {
                prop_assert!(from != to);
                prop_assert!(cuts.contains(&(to.clone(), from.clone())));
            }
        }
    }

    #[test]
    fn halves_see_nobody_of_the_other(n in 2_usize..12) {
        let views = views(PartitionShape::Halves, &hosts(n));
        let sides: BTreeSet<&BTreeSet<HostName>> = views.iter().collect();
        prop_assert_eq!(sides.len(), 2);
        let sides: Vec<_> = sides.into_iter().collect();
        prop_assert!(sides[0].is_disjoint(sides[1]));
        prop_assert!(sides[0].len().abs_diff(sides[1].len()) <= 1);
    }

    #[test]
    fn in_a_ring_everyone_sees_a_majority_and_no_two_the_same(n in 3_usize..12) {
        let views = views(PartitionShape::Ring, &hosts(n));
        prop_assert!(views.iter().all(|view| view.len() > n / 2));
        prop_assert_eq!(views.iter().collect::<BTreeSet<_>>().len(), n);
    }

    #[test]
    fn a_bridge_sees_both_sides_and_they_only_it(n in 3_usize..12) {
        let views = views(PartitionShape::Bridge, &hosts(n));
        let bridges: Vec<&BTreeSet<HostName>> = views.iter().filter(|view| view.len() == n).collect();
        prop_assert_eq!(bridges.len(), 1);
        let sides: BTreeSet<&BTreeSet<HostName>> = views.iter().filter(|view| view.len() < n).collect();
        prop_assert_eq!(sides.len(), 2);
        let sides: Vec<_> = sides.into_iter().collect();
        prop_assert_eq!(sides[0].intersection(sides[1]).count(), 1);
    }
}
