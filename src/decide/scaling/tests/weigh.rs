//! Where readers are led.

use super::crowd::Crowd;
use super::*;

/// Instances, and a balancer that uses next to nothing.
fn instances(copies: usize, wanted: u32) -> Crowd {
    let mut crowd = Crowd::of(copies, wanted);
    crowd.add_balancer(1);
    crowd
}

/// What a balancer is told after so many more measurements, last word last.
fn told(crowd: &mut Crowd, measurements: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..measurements {
        crowd.measure();
        for step in crowd.decide().steps {
            if let ScalingStep::Weigh { weights, hold, .. } = step {
                let weights: Vec<String> =
                    weights.iter().map(|(host, weight)| format!("{host} {weight}")).collect();
                told.push(format!("{} for {hold}", weights.join(", ")));
            }
        }
    }
    told
}

#[test]
fn as_long_as_nobody_is_busy_or_all_are_alike_nothing_is_said() {
    let mut crowd = instances(3, 3);
    crowd.cores = vec![0.25, 0.0, 0.1];
    assert_eq!(told(&mut crowd, 10), [""; 0]);
    crowd.cores = vec![0.9, 0.9, 0.9];
    assert_eq!(told(&mut crowd, 10), [""; 0]);
}

#[test]
fn the_busy_one_gets_fewer_readers_and_never_none() {
    let mut crowd = instances(3, 3);
    crowd.cores = vec![0.3, 0.3, 1.5];
    let words = told(&mut crowd, 3);
    // the first measurement is no rate yet, and two of them say how busy somebody is
    insta::assert_snapshot!(words.join("; "), @"p1 100, p2 100, p3 45 for 30s");
    let words = told(&mut crowd, 40);
    assert!(words.last().is_some_and(|word| word.starts_with("p1 100, p2 100, p3 1 for 30s")), "{words:?}");
}

#[test]
fn a_measurement_moves_weights_once_and_is_told_once() {
    let mut crowd = instances(3, 3);
    crowd.cores = vec![0.3, 0.3, 1.5];
    assert_eq!(told(&mut crowd, 3).len(), 1);
    let weights = crowd.memory.notes.weights.clone();
    // a look comes at once after something was done
    for _ in 0..5 {
        crowd.seen.at = Mono(crowd.seen.at.0 + SECOND / 100);
        let steps = crowd.decide().steps;
        assert!(!steps.iter().any(|step| matches!(step, ScalingStep::Weigh { .. })), "{steps:?}");
    }
    assert_eq!(crowd.memory.notes.weights, weights);
    assert_eq!(told(&mut crowd, 1).len(), 1, "with the next measurement it is repeated");
}

#[test]
fn it_ends_where_all_are_equally_busy() {
    let mut crowd = instances(3, 3);
    // one of them does twice the work for a question; questions come by weight
    let mut words = Vec::new();
    for _ in 0..40 {
        let now = |id: &str| crowd.memory.notes.weights.get(&name(id)).copied().unwrap_or(1.0);
        let weights = [now("postgres-1"), now("postgres-2"), now("postgres-3")];
        let all: f64 = weights.iter().sum();
        crowd.cores =
            [1.0, 1.0, 2.0].iter().zip(weights).map(|(cost, weight)| 1.5 * cost * weight / all).collect();
        words = told(&mut crowd, 1);
    }
    // half the questions of the others
    insta::assert_snapshot!(words.join("; "), @"p1 100, p2 100, p3 50 for 30s");
}

#[test]
fn what_was_said_is_taken_back_when_the_reason_is_gone() {
    let mut crowd = instances(2, 2);
    crowd.cores = vec![0.4, 1.0];
    assert!(told(&mut crowd, 6).last().is_some_and(|word| word.starts_with("p1 100, ")));
    crowd.cores = vec![1.0, 0.4];
    assert!(told(&mut crowd, 10).last().is_some_and(|word| word.contains(", p2 100 ")));
    // nobody is busy: the last word is repeated, for it would end by itself
    crowd.cores = vec![0.0, 0.0];
    let quiet = told(&mut crowd, 3);
    assert_eq!(quiet.len(), 3, "{quiet:?}");
    // who is switched off says nothing
    crowd.world.policy.weigh = false;
    assert_eq!(told(&mut crowd, 3), [""; 0]);
}

#[test]
fn who_leaves_or_could_not_be_measured_is_not_counted() {
    let mut crowd = instances(4, 3);
    crowd.bodies().leaving.insert(name("postgres-4"));
    crowd.cores = vec![0.3, 0.3, 1.0, 1.0];
    let words = told(&mut crowd, 6);
    assert!(words.iter().all(|word| !word.contains("p4")) && !words.is_empty(), "{words:?}");
}

#[test]
fn who_runs_and_does_not_serve_is_no_measure_for_the_others() {
    let mut crowd = instances(3, 3);
    crowd.cores = vec![0.9, 0.9, 0.0];
    // it idles because it recovers, and would get the readers of the others as soon as it is there
    let starts = PatroniSeen { state: "starting".to_owned(), ..PatroniSeen::default() };
    crowd.seen.postgres.insert(name("postgres-3"), Sight::Seen(starts));
    assert_eq!(told(&mut crowd, 10), [""; 0]);
    crowd.seen.postgres.insert(name("postgres-3"), Sight::Blind("late".to_owned()));
    assert_eq!(told(&mut crowd, 10), [""; 0]);
}

#[test]
fn each_balancer_is_told_by_itself_and_one_that_is_not_reached_takes_nothing_from_the_other() {
    let mut crowd = instances(3, 3);
    crowd.add_balancer(2);
    crowd.cores = vec![0.3, 0.3, 1.5];
    let mut told = Vec::new();
    for _ in 0..12 {
        crowd.measure();
        let decision = scaling(&crowd.world, &crowd.seen, std::mem::take(&mut crowd.memory));
        crowd.memory = decision.memory;
        for step in &decision.steps {
            let ScalingStep::Weigh { member, .. } = step else { continue };
            // the first of them hears nothing
            let deaf = member.as_str() == "balancer-1";
            let outcome = if deaf { failed() } else { StepOutcome::Done };
            ScalingWorld::took(&mut crowd.memory, step, crowd.seen.at, &outcome);
            assert!(ScalingWorld::goes_on(step, Duration::ZERO), "the other is told all the same");
            told.push(member.to_string());
        }
    }
    let times = |id: &str| told.iter().filter(|member| *member == id).count();
    // the first measurement is no rate yet
    assert_eq!(times("balancer-2"), 10, "{told:?}");
    assert!(times("balancer-1") < 10, "one that hears nothing is asked less and less: {told:?}");
    // one that does not run is not asked
    if let Some(body) = crowd.bodies().members.get_mut(&name("balancer-1")) {
        body[0].status = ContainerStatus::Exited;
    }
    crowd.seen.at = Mono(crowd.seen.at.0 + 600 * SECOND);
    crowd.measure();
    let steps = crowd.decide().steps;
    let weighs = steps.iter().filter(|step| matches!(step, ScalingStep::Weigh { .. }));
    assert_eq!(weighs.map(|step| step.subject().to_string()).collect::<Vec<_>>(), ["balancer-2"]);
}
