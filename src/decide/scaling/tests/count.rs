//! How many instances: wishes, who leaves, and what the use of cores asks for.

use super::crowd::Crowd;
use super::*;
use crate::model::control::Replacing;
use crate::model::lab::{Range, Replication};
use crate::model::scaling::CountWish;

#[test]
fn what_an_operator_wants_is_written_down_and_then_forgotten() {
    let mut crowd = Crowd::of(3, 3);
    crowd
        .store()
        .counts
        .insert(Service::Postgres, OperatorWish { wish: CountWish { count: 5 }, revision: 9 });
    insta::assert_snapshot!(crowd.ask(), @"5 without [] at 7: an operator asked for it");
    crowd.bodies().counts.insert(Service::Postgres, 5);
    insta::assert_snapshot!(crowd.ask(), @"forget 9: watch every size fits what is used");
    crowd
        .store()
        .counts
        .insert(Service::Postgres, OperatorWish { wish: CountWish { count: 9 }, revision: 9 });
    insta::assert_snapshot!(crowd.ask(), @"forget 9: refuse an operator wants 9 instances: 9 is not between 3 and 5, the limits of this lab");
    // a cluster that is failing over is not scaled
    crowd
        .store()
        .counts
        .insert(Service::Postgres, OperatorWish { wish: CountWish { count: 4 }, revision: 9 });
    crowd.store().leader = None;
    insta::assert_snapshot!(crowd.ask(), @"nothing: hold an operator wants 4 instances: nobody leads");
    crowd.world.spec.postgres.instances = Range::fixed(3);
    insta::assert_snapshot!(crowd.ask(), @"forget 9: refuse an operator wants 4 instances: this lab has 3 PostgreSQL instances and never another number");
}

#[test]
fn who_is_one_too_many_is_the_newest_that_may_leave_or_one_that_does_not_run() {
    let mut crowd = Crowd::of(5, 3);
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-5] at 7: 3 instances are wanted: postgres-5 is to leave");
    // one at a time
    crowd.bodies().leaving.insert(name("postgres-5"));
    assert!(crowd.ask().starts_with("nothing"));
    // unless another lies dead: who runs may be all that is left
    if let Some(body) = crowd.bodies().members.get_mut(&name("postgres-3")) {
        body[0].status = ContainerStatus::Exited;
    }
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-3] at 7: postgres-3 does not run: it is the one to leave");
    if let Some(body) = crowd.bodies().members.get_mut(&name("postgres-3")) {
        body[0].status = ContainerStatus::Running;
    }
    crowd.bodies().leaving.clear();
    // one that does not follow goes before one that does
    let says = |crowd: &mut Crowd, id: &str, state: &str| {
        let seen = PatroniSeen { state: state.to_owned(), ..PatroniSeen::default() };
        crowd.seen.postgres.insert(name(id), Sight::Seen(seen));
    };
    says(&mut crowd, "postgres-3", "creating replica");
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-3] at 7: 3 instances are wanted: postgres-3 is to leave");
    says(&mut crowd, "postgres-3", "streaming");
    says(&mut crowd, "postgres-1", "streaming");
    crowd.store().leader = Some(name("postgres-5"));
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-4] at 7: 3 instances are wanted: postgres-4 is to leave");
    if let Some(body) = crowd.bodies().members.get_mut(&name("postgres-2")) {
        body[0].status = ContainerStatus::Exited;
    }
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-2] at 7: 3 instances are wanted: postgres-2 is to leave");
    // repair is at work: one thing at a time
    crowd.store().replacing = Some(Replacing {
        service: Service::Postgres,
        member: name("postgres-2"),
        by: name("postgres-6"),
        host: host_name("p6"),
        why: String::new(),
        begun: None,
    });
    assert!(crowd.ask().starts_with("nothing"));
}

#[test]
fn who_leads_or_confirms_writes_by_now_stays() {
    let mut crowd = Crowd::of(4, 3);
    crowd.bodies().leaving.insert(name("postgres-4"));
    crowd.store().leader = Some(name("postgres-4"));
    insta::assert_snapshot!(crowd.ask(), @"3 without [] at 7: postgres-4 was to leave, and leads or confirms writes by now: it stays");
    let mut crowd = Crowd::of(4, 3);
    crowd.world.spec.postgres.replication = Replication::Sync;
    crowd.store().may_lead = Some(vec![name("postgres-1"), name("postgres-4")]);
    insta::assert_snapshot!(crowd.ask(), @"3 without [postgres-3] at 7: 3 instances are wanted: postgres-3 is to leave");
}

#[test]
fn one_more_when_no_replica_can_be_given_more_cores_for_a_whole_window() {
    let mut crowd = Crowd::of(3, 3);
    // the primary alone is short: a copy more takes no writes
    crowd.cores = vec![1.0, 0.7, 0.7];
    assert_eq!(crowd.turns(30).1, "nothing");
    crowd.cores = vec![1.0, 1.0, 0.7];
    assert_eq!(crowd.turns(30).1, "nothing");
    crowd.cores = vec![0.7, 1.0, 1.0];
    let (turns, said) = crowd.turns(30);
    insta::assert_snapshot!(said, @"4 without [] at 7: every replica has been short of cores for 1m, and none may have more");
    // the 60th percentile of six measurements
    assert!((3..=6).contains(&turns), "{turns}");
    // the newcomer is made first, and then a window begins anew
    crowd.bodies().counts.insert(Service::Postgres, 4);
    assert_eq!(crowd.turns(30).1, "nothing");
    crowd.add(4);
    crowd.cores.push(1.0);
    let (turns, said) = crowd.turns(30);
    assert!(said.starts_with("5 without []") && turns >= 6, "{turns}: {said}");
}

#[test]
fn one_less_when_those_who_would_stay_carry_it_for_a_longer_window() {
    let mut crowd = Crowd::of(4, 4);
    crowd.cores = vec![0.1, 0.4, 0.4, 0.4];
    assert_eq!(crowd.turns(90).1, "nothing", "two would use 0.6 of a core each");
    crowd.cores = vec![0.1, 0.2, 0.2, 0.2];
    let (turns, said) = crowd.turns(90);
    insta::assert_snapshot!(said, @"3 without [] at 7: replicas used so little of their cores for 10m that one less would do: 0.30 cores each");
    assert!(turns > 20, "{turns}: so many of a window of sixty must have been idle");
    // three is the least
    let mut crowd = Crowd::of(3, 3);
    assert_eq!(crowd.turns(90).1, "nothing");
}

#[test]
fn nothing_changes_by_itself_while_somebody_is_not_well() {
    let mut crowd = Crowd::of(3, 3);
    crowd.cores = vec![0.7, 1.0, 1.0];
    crowd.seen.postgres.insert(name("postgres-3"), Sight::Blind("away".to_owned()));
    assert_eq!(crowd.turns(30).1, "nothing");
}

/// Balancers on hosts of their own, which use so much of their core each.
fn balancers(cores: &[f64], wanted: u32) -> Crowd {
    let mut crowd = Crowd::of(3, 3);
    crowd.world.spec.balancers.cpus = Range { start: 0.5, min: 0.1, max: 0.5 };
    crowd.world.spec.balancers.instances = Range { start: 2, min: 2, max: 3 };
    for (n, cores) in (1..).zip(cores) {
        crowd.add_balancer(n);
        crowd.cores.push(*cores);
    }
    crowd.bodies().counts.insert(Service::Balancer, wanted);
    crowd
}

#[test]
fn balancers_have_a_number_of_their_own() {
    let mut crowd = balancers(&[0.1, 0.1], 2);
    crowd
        .store()
        .counts
        .insert(Service::Balancer, OperatorWish { wish: CountWish { count: 3 }, revision: 9 });
    insta::assert_snapshot!(crowd.ask(), @"3 without [] at 7: an operator asked for it");
    crowd
        .store()
        .counts
        .insert(Service::Balancer, OperatorWish { wish: CountWish { count: 4 }, revision: 9 });
    insta::assert_snapshot!(crowd.ask(), @"forget 9: refuse an operator wants 4 balancers: 4 is not between 2 and 3, the limits of this lab");
    let mut crowd = balancers(&[0.1, 0.1, 0.1], 2);
    insta::assert_snapshot!(crowd.ask(), @"2 without [balancer-3] at 7: 2 balancers are wanted: balancer-3 is to leave");
    // a database that is to leave is no reason to wait, and the other way round
    crowd.bodies().leaving.insert(name("postgres-3"));
    insta::assert_snapshot!(crowd.ask(), @"2 without [balancer-3] at 7: 2 balancers are wanted: balancer-3 is to leave");
}

#[test]
fn one_balancer_more_when_none_can_be_given_more_cores() {
    // a balancer of which nothing is heard is not well
    let mut crowd = balancers(&[0.5, 0.5], 2);
    crowd.seen.inside.remove(&name("balancer-2"));
    assert_eq!(crowd.turns(30).1, "nothing");
    let mut crowd = balancers(&[0.5, 0.2], 2);
    assert_eq!(crowd.turns(30).1, "nothing");
    let mut crowd = balancers(&[0.5, 0.5], 2);
    let (turns, said) = crowd.turns(30);
    insta::assert_snapshot!(format!("{turns}: {said}"), @"7: 3 without [] at 7: every balancer has been short of cores for 1m, and none may have more");
    let mut crowd = balancers(&[0.01, 0.01, 0.01], 3);
    let (turns, said) = crowd.turns(100);
    insta::assert_snapshot!(format!("{turns}: {said}"), @"61: 2 without [] at 7: balancers used so little of their cores for 10m that one less would do: 0.01 cores each");
}
