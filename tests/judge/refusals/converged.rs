//! What is not whole in the end.

use super::*;

#[test]
fn the_time_is_counted_from_the_last_heal() {
    let check = judge(&small().record()).check("converged").expect("a check").clone();
    assert_eq!(check.summary, "the lab was whole 2000 ms after the last heal");
    assert_eq!(spoiled(|story| story.expect(json!({ "converged": { "within": "2s" } }))), "pass");
    assert_eq!(
        spoiled(|story| story.expect(json!({ "converged": { "within": "1s" } }))),
        "fail\nconverged: the lab was whole 2000 ms after the last heal, 1000 ms are allowed"
    );
}

fn at_the_end(change: impl FnOnce(&mut pgha::model::Sighting)) -> String {
    spoiled(|story| change(story.sightings.last_mut().expect("a sighting")))
}

fn sql(
    seen: &mut pgha::model::Sighting,
    member: &str,
    change: impl FnOnce(&mut pgha::model::sighting::SqlSeen),
) {
    let Some(Sight::Seen(sql)) = seen.postgres.get_mut(member).map(|postgres| &mut postgres.sql) else {
        panic!("{member} was not seen")
    };
    change(sql);
}

#[test]
fn every_part_must_be_whole() {
    let fails = |why: &str| format!("fail\nconverged: the lab is not whole in the end: {why}");
    let seen = at_the_end(|seen| {
        seen.bodies.get_mut("etcd-2").expect("a body").status = ContainerStatus::Paused;
    });
    assert_eq!(seen, fails("`etcd-2` is paused"));
    let seen = at_the_end(|seen| {
        seen.bodies.remove("balancer-2");
    });
    assert_eq!(seen, fails("1 of 2 bodies of balancer exist"));
    let seen = at_the_end(|seen| sql(seen, "postgres-2", |sql| sql.in_recovery = true));
    assert_eq!(seen, fails("there is no primary"));
    let seen = at_the_end(|seen| sql(seen, "postgres-1", |sql| sql.in_recovery = false));
    assert_eq!(seen, fails("2 databases are primaries: postgres-1, postgres-2"));
    let seen = at_the_end(|seen| sql(seen, "postgres-2", |sql| sql.writable = Some(false)));
    assert_eq!(seen, fails("the primary `postgres-2` refuses writes"));
    let seen = at_the_end(|seen| {
        sql(seen, "postgres-2", |sql| {
            sql.streaming.pop();
        });
    });
    assert_eq!(seen, fails("`postgres-3` does not stream from `postgres-2`"));
    let seen = at_the_end(|seen| {
        sql(seen, "postgres-3", |sql| sql.timeline = Some(1));
        seen.postgres.get_mut("postgres-3").expect("seen").patroni = Sight::default();
    });
    assert_eq!(seen, fails("`postgres-3` is not on timeline 2 of the primary"));
    let seen = at_the_end(|seen| sql(seen, "postgres-3", |sql| sql.system_identifier = Some("1".to_owned())));
    assert_eq!(seen, fails("`postgres-3` belongs to another database system than `postgres-2`"));
}

#[test]
fn etcd_and_the_balancers_must_be_whole() {
    let fails = |why: &str| format!("fail\nconverged: the lab is not whole in the end: {why}");
    let etcd = |change: fn(&mut pgha::model::sighting::EtcdSeen)| {
        at_the_end(|seen| match seen.etcd.get_mut("etcd-3") {
            Some(Sight::Seen(seen)) => change(seen),
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(etcd(|seen| seen.linearizable = false), fails("`etcd-3` cannot read linearizably"));
    assert_eq!(etcd(|seen| seen.members = 2), fails("`etcd-3` knows 2 voting members, there are 3"));
    assert_eq!(etcd(|seen| seen.leader = None), fails("`etcd-3` knows no leader"));
    assert_eq!(etcd(|seen| seen.leader = Some("1".to_owned())), fails("the members of etcd name 2 leaders"));

    let balancer = |change: fn(&mut pgha::model::sighting::BalancerSeen)| {
        at_the_end(|seen| change(seen.balancers.get_mut("balancer-2").expect("seen")))
    };
    let up = |server: &str, up: bool| {
        let word = if up { "UP" } else { "DOWN" };
        at_the_end(|seen| {
            let Sight::Seen(servers) = &mut seen.balancers.get_mut("balancer-1").expect("seen").rw else {
                panic!("blind")
            };
            servers.get_mut(server).expect("a server").status = word.to_owned();
        })
    };
    assert_eq!(up("h1", true), fails("`balancer-1` routes writes to h1, h2, the primary stands on h2"));
    assert_eq!(up("h2", false), fails("`balancer-1` routes writes nowhere, the primary stands on h2"));
    assert_eq!(
        balancer(|seen| seen.rw_serves = Sight::Seen(false)),
        fails("`balancer-2` does not serve 5432")
    );
    assert_eq!(
        balancer(|seen| seen.ro_serves = Sight::Seen(false)),
        fails("`balancer-2` does not serve 5433")
    );
}

#[test]
fn what_was_not_seen_is_unknown() {
    let unknown = |why: &str| format!("unknown\nconverged: whether the lab is whole was not seen: {why}");
    let seen = at_the_end(|seen| {
        seen.postgres.get_mut("postgres-3").expect("seen").sql = Sight::Blind("timeout".to_owned());
    });
    assert_eq!(seen, unknown("`postgres-3` does not answer: timeout"));
    let seen = at_the_end(|seen| {
        seen.etcd.insert(name("etcd-1"), Sight::Blind("timeout".to_owned()));
    });
    assert_eq!(seen, unknown("`etcd-1` does not answer: timeout"));
    let seen = at_the_end(|seen| {
        seen.balancers.remove("balancer-1");
    });
    assert_eq!(seen, unknown("nobody looked at `balancer-1`"));
    // nothing seen before the heal counts afterwards
    let seen = spoiled(|story| {
        let heal = story.fault().healed.expect("healed");
        story.sightings.retain(|seen| seen.at < heal);
    });
    assert_eq!(seen, "unknown\nconverged: nobody looked at the lab after the last heal");
}

#[test]
fn parts_seen_by_different_observers_make_one_state() {
    let said = spoiled(|story| {
        let halves = std::mem::take(&mut story.sightings);
        for seen in halves {
            let mut engine = seen.clone();
            (engine.postgres, engine.etcd, engine.balancers) = Default::default();
            let client = pgha::model::Sighting {
                at: Mono(seen.at.0 + MS),
                bodies: std::collections::BTreeMap::default(),
                ..seen
            };
            story.sightings.extend([client, engine]);
        }
    });
    assert_eq!(said, "pass");
}

#[test]
fn whole_for_a_moment_is_not_whole() {
    let mut story = small();
    let last = story.sightings.last().expect("a sighting").at;
    let mut relapse = healthy(last.0 + MS, "postgres-2", 2);
    relapse.bodies.get_mut("etcd-1").expect("a body").status = ContainerStatus::Exited;
    story.sightings.push(relapse);
    story.sightings.push(healthy(last.0 + 2 * MS, "postgres-2", 2));
    // counted from the last relapse: 2000 ms, another 500, and 2
    let check = judge(&story.record()).check("converged").expect("a check").clone();
    assert_eq!(check.summary, "the lab was whole 2502 ms after the last heal");
}

#[test]
fn patronis_word_is_enough_for_streaming() {
    let seen = at_the_end(|seen| {
        sql(seen, "postgres-2", |sql| sql.streaming.clear());
        for member in ["postgres-1", "postgres-3"] {
            if let Sight::Seen(patroni) = &mut seen.postgres.get_mut(member).expect("seen").patroni {
                patroni.replication_state = Some("streaming".to_owned());
            }
        }
    });
    assert_eq!(seen, "pass");
}

#[test]
fn a_primary_nobody_could_see_is_not_absent() {
    let seen = at_the_end(|seen| {
        seen.postgres.get_mut("postgres-2").expect("seen").sql = Sight::Blind("timeout".to_owned());
    });
    assert_eq!(
        seen,
        "unknown\nconverged: whether the lab is whole was not seen: `postgres-2` does not answer: timeout"
    );
}

#[test]
fn a_last_fault_with_nothing_to_heal_counts_from_its_injection() {
    let mut story = small();
    let fault = story.fault();
    fault.verb = serde_json::from_value(json!({ "restart": { "target": "primary" } })).expect("a verb");
    (fault.healed, fault.heal) = (None, None);
    let check = judge(&story.record()).check("converged").expect("a check").clone();
    assert_eq!(check.summary, "the lab was whole 2510 ms after the last heal");
}
