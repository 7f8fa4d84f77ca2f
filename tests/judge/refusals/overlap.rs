//! Faults that overlap, steps of several turns, newcomers beside whom everybody stays, and loads that are slow.

use pgha::check::redundancy;
use pgha::model::scenario::VerdictWord;

use super::*;
use crate::tales::{End, add};

/// A second fault after the heal of the first, before the copies are back.
fn overlapped() -> Story {
    let mut story = small();
    let mut other = story.fault().clone();
    let healed = other.healed.expect("healed").0;
    other.id = name("again");
    (other.intent, other.began, other.healed) =
        (Mono(healed + 150 * MS), Some(Mono(healed + 151 * MS)), Some(Mono(healed + 152 * MS)));
    story.events.push(Event::Fault(Box::new(other)));
    let mut step = story.scenario.steps[0].clone();
    step.id = Some(name("again"));
    story.scenario.steps.push(step);
    story
}

#[test]
fn a_fault_is_watched_until_its_own_effect_is_gone() {
    let told = |story: &Story| {
        let seen = redundancy::measure(&story.record());
        seen.into_iter().map(|line| (line.lost_ms, line.restored_ms)).collect::<Vec<_>>()
    };
    let (alone, both) = (told(&small()), told(&overlapped()));
    assert!(alone[0].0.is_some() && alone[0].1.is_some());
    assert_eq!(both[0], alone[0], "the second one hides nothing of the first");
    assert!(both[1].0.is_none() && both[1].1.is_some(), "it did nothing to the copies");
    // what comes after the next fault is its own, once the first one's is gone
    let mut story = overlapped();
    let at = story.sightings.last().expect("a look").at;
    let mut late = story.sightings[1].clone();
    late.at = Mono(at.0 + 100 * MS);
    story.sightings.push(late);
    assert_eq!(told(&story)[0], alone[0]);
}

#[test]
fn a_newcomer_replaces_whoever_left_and_nobody_else() {
    let replaced = |leaves: bool| {
        let mut story = small();
        story.expect(json!({ "replaced": { "target": "postgres:all", "min": 1, "max": 1 } }));
        for seen in story.sightings.iter_mut().skip(2) {
            let body = seen.bodies["postgres-1"].clone();
            seen.bodies.insert(name("postgres-4"), body);
            if leaves {
                seen.bodies.remove("postgres-1");
            }
        }
        let check = judge(&story.record()).check("replaced").expect("a check").clone();
        format!("{}: {}", check.verdict, check.summary)
    };
    assert_eq!(replaced(true), "pass: 1 bodies were replaced");
    assert_eq!(replaced(false), "fail: 0 bodies of `postgres:all` were replaced, at least 1 are wanted");
}

#[test]
fn a_bound_on_a_step_holds_for_each_of_its_turns() {
    let bounded = |max: &str| {
        spoiled(|story| {
            story.fault().id = name("kill-1");
            story.scenario.expects.clear();
            story.expect(json!({ "outage": { "endpoint": "rw", "after": "kill", "max": max } }));
        })
    };
    assert_eq!(bounded("45s"), "pass");
    assert!(bounded("1ms").starts_with("fail\noutage: "), "{}", bounded("1ms"));
}

/// A load that is declared to give so many operations a second, and gave one before the kill and one after it; ten
/// more stand between them where it is asked.
fn slow(rate: f64, more: u64) -> String {
    let mut story = tell(&Plan { before: 1000, ..Plan::small() });
    let did = |at: u64| (at, at + 1, 900, None, End::Ok("postgres-1", 1, None));
    let after = (5310, 5311, 901, None, End::Ok("postgres-2", 2, None));
    let load = json!({ "name": "report", "endpoint": "rw", "workload": "set", "rate": rate });
    let deeds = (0..=more).map(|n| did(n * 100)).chain([after]).collect();
    add(&mut story, load, deeds);
    let check = judge(&story.record()).check("load-ran").expect("a check").clone();
    if check.verdict == VerdictWord::Pass { "pass".to_owned() } else { check.summary }
}

#[test]
fn what_a_load_must_have_given_follows_from_what_it_declares() {
    assert_eq!(slow(1.0 / 30.0, 0), "pass", "one operation in 30 s gives one in 5 s");
    assert_eq!(
        slow(100.0, 0),
        "load `report` had 1 acknowledged operations before the first fault, 10 are wanted"
    );
    assert_eq!(
        slow(1.0, 0),
        "load `report` had 1 acknowledged operations before the first fault, 4 are wanted"
    );
    assert_eq!(slow(100.0, 48), "pass");
}
