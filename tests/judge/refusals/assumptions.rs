//! Records that prove nothing, and hosts that carry too much.

use ReceiptState::{Confirmed, Nothing, Refuted, Superseded};

use pgha::model::scaling::Usage;
use pgha::model::scenario::VerdictWord::{Pass, Unknown};
use pgha::model::sighting::BodySeen;
use pgha::model::{Bytes, Sighting};

use super::*;

#[test]
fn a_record_with_gaps_is_unknown() {
    assert_eq!(
        spoiled(|story| story.complete = false),
        "unknown\njournal: a file of the record ends in a torn line"
    );
    assert_eq!(
        spoiled(|story| story
            .events
            .retain(|event| !matches!(event, Event::End { writer, .. } if writer == "client"))),
        "unknown\njournal: the journal of the client was cut off"
    );
    assert_eq!(
        spoiled(|story| story.resolved.boot_id = "another".to_owned()),
        "unknown\njournal: the clocks belong to 2 different boots and cannot be merged"
    );
    assert_eq!(
        spoiled(|story| story
            .events
            .retain(|event| !matches!(event, Event::Journal { .. } | Event::End { .. }))),
        "unknown\njournal: nobody signed the journal"
    );
    assert_eq!(
        spoiled(|story| story.events.push(Event::done(Mono(ZERO), 0, 0, Outcome::Info(error("eof"))))),
        "unknown\njournal: operation 0 of load 0 ended twice (1 such problems)"
    );
}

#[test]
fn a_load_that_did_not_run_is_unknown() {
    let unknown = |why: &str| format!("unknown\nload-ran: {why}");
    let tables = |rows: Option<u64>| {
        spoiled(|story| {
            story.events.retain(|event| !matches!(event, Event::Prepared { .. }));
            story.events.extend(rows.map(|rows| Event::Prepared { t: Mono(ZERO), l: 0, rows }));
        })
    };
    assert_eq!(tables(Some(0)), "pass");
    assert_eq!(tables(Some(7)), unknown("the tables of load `writer` held 7 rows before its start"));
    assert_eq!(tables(None), unknown("nobody looked whether the tables of load `writer` were empty"));
    let few = |before| judged(&tell(&Plan { before, ..Plan::small() }));
    assert_eq!(few(10), "pass");
    assert_eq!(
        few(9),
        unknown("load `writer` had 9 acknowledged operations before the first fault, 10 are wanted")
    );
    let quiet = spoiled(|story| {
        let late = Mono(ZERO + 500 * EVERY);
        let fault = story.fault();
        (fault.intent, fault.began, fault.healed) = (late, Some(late), Some(late));
        story.scenario.expects.clear();
    });
    assert_eq!(
        quiet,
        "unknown\nload-ran: no operation of load `writer` was in flight or begun within 1 s of fault `kill`"
    );
}

#[test]
fn a_fault_without_its_receipts_is_unknown() {
    let unknown = |why: &str| format!("unknown\nreceipts: {why}");
    assert_eq!(spoiled(|story| story.fault().receipt = None), unknown("fault `kill` has no receipt"));
    assert_eq!(spoiled(|story| story.fault().heal = None), unknown("fault `kill` was not healed"));
    let state = |bite: ReceiptState, heal: ReceiptState| {
        spoiled(|story| {
            story.fault().receipt.as_mut().expect("a receipt").state = bite;
            story.fault().heal.as_mut().expect("a receipt").state = heal;
        })
    };
    assert_eq!(state(Confirmed, Superseded), "pass");
    assert_eq!(state(Refuted, Confirmed), unknown("fault `kill` did not bite: exited 137 (engine inspect)"));
    assert_eq!(
        state(Confirmed, Refuted),
        unknown("the heal of fault `kill` did not take: running (engine inspect)")
    );
    assert_eq!(
        state(Confirmed, Nothing),
        unknown("fault `kill` has something to heal, its record says it has not")
    );
    assert_eq!(
        spoiled(|story| story.fault().healed = None),
        "unknown\nconverged: fault `kill` was never healed, so nothing could converge"
    );
    assert_eq!(
        spoiled(|story| story.fault().id = name("other")),
        "unknown\njournal: fault `other` is of no step of the scenario\nreceipts: step `kill` left no record\n\
         outage: fault `kill` was never injected, so no outage is its own"
    );
}

#[test]
fn an_error_in_no_class_is_unknown() {
    assert_eq!(
        spoiled(|story| *story.outcome(50) = Outcome::Fail(error("42P01"))),
        "unknown\nerrors: error `42P01` is in no class: whether the write happened is a guess"
    );
    assert_eq!(spoiled(|story| *story.outcome(50) = Outcome::Fail(error("23505"))), "pass");
    assert_eq!(
        spoiled(|story| story.expect(json!({ "errors": { "max-ratio": 0.4 } }))),
        "fail\nerrors: 64 of 144 operations failed (0.4444), at most 0.4 may"
    );
    assert_eq!(spoiled(|story| story.expect(json!({ "errors": { "max-ratio": 0.45 } }))), "pass");
}

#[test]
fn two_of_a_kind_on_one_host_fail() {
    assert_eq!(
        spoiled(|story| story.sightings[0].bodies.get_mut("postgres-3").expect("a body").host = name("h2")),
        "fail\nplacement: host `h2` carried `postgres-2` and `postgres-3`, two of one service"
    );
    assert_eq!(
        spoiled(|story| story.resolved.lab.hosts[0].memory = pgha::model::Bytes::mib(1000)),
        "fail\nplacement: host `h1` carried 2 cores, 1GiB, 2GiB of disk; it holds 2, 1000MiB, 8GiB"
    );
    assert_eq!(
        spoiled(|story| story.resolved.lab.hosts.retain(|host| host.name != name("h5"))),
        "fail\nplacement: a body stood on `h5`, which the lab does not have"
    );
    assert_eq!(
        spoiled(|story| story.sightings.iter_mut().for_each(|seen| seen.bodies.clear())),
        "unknown\n\
         converged: whether the lab is whole was not seen: no look at the bodies\n\
         placement: nobody looked where the bodies stand"
    );
}

#[test]
fn sizes_nobody_looked_at_are_unknown() {
    assert_eq!(
        spoiled(|story| {
            story.expect(json!({ "scaled": { "resource": "cpu", "target": "primary", "to-at-least": "2", "within": "9s" } }));
        }),
        "unknown\nscaled: nobody looked at sizes, so nobody saw one change"
    );
}

#[test]
fn a_step_that_was_not_carried_out_is_unknown() {
    let said = spoiled(|story| {
        story.events.retain(|event| !matches!(event, Event::Fault(_)));
        story.scenario.expects.clear();
    });
    assert!(said.contains("load-ran: the scenario has steps, the record has no injected fault"), "{said}");
    assert!(said.contains("receipts: step `kill` left no record"), "{said}");
    // an unnamed step is missed by the number of faults
    let said = spoiled(|story| {
        let step = pgha::model::Step { id: None, ..story.scenario.steps[0].clone() };
        story.scenario.steps.push(step);
    });
    assert_eq!(said, "unknown\nreceipts: 2 steps, but 1 faults on record");
    // the turns of a step make up the number, and the unnamed one is missed all the same
    let said = spoiled(|story| {
        let step = pgha::model::Step { id: None, ..story.scenario.steps[0].clone() };
        story.scenario.steps.push(step);
        story.scenario.expects.clear();
        story.fault().id = name("kill-1");
        let turn = pgha::model::FaultRecord { id: name("kill-2"), ..story.fault().clone() };
        story.events.push(Event::Fault(Box::new(turn)));
    });
    assert_eq!(said, "unknown\nreceipts: step-2 left no record");
    let said = spoiled(|story| {
        story.fault().began = None;
        story.scenario.expects.clear();
    });
    assert!(said.contains("receipts: fault `kill` was meant and never injected"), "{said}");
    assert_eq!(
        spoiled(|story| {
            story.fault().id = name("kill-1");
            story.scenario.expects.clear();
        }),
        "pass"
    );
}

#[test]
fn a_verb_with_nothing_to_heal_needs_no_heal() {
    let said = spoiled(|story| {
        let restart = json!({ "restart": { "target": "primary" } });
        let fault = story.fault();
        fault.verb = serde_json::from_value(restart).expect("a verb");
        (fault.heal, fault.healed) = (None, None);
    });
    assert_eq!(said, "pass");
}

#[test]
fn a_scenario_without_a_load_is_unknown() {
    let said = spoiled(|story| story.scenario.loads.clear());
    assert!(said.contains("load-ran: the scenario has no load"), "{said}");
}

#[test]
fn an_operation_in_flight_was_hit_however_long_ago_it_began() {
    let hit = |done: Option<u64>| {
        let mut story = small();
        story.fault().began = Some(Mono(ZERO + 2500 * MS));
        story.scenario.expects.clear();
        let t = Mono(ZERO + 100 * MS);
        story.events.push(Event::invoke(t, 0, 902, 90, t));
        story
            .events
            .extend(done.map(|ms| Event::done(Mono(ZERO + ms * MS), 0, 902, Outcome::Info(error("eof")))));
        let ack = story.ack(143).clone();
        let late = Mono(ZERO + 3600 * MS);
        story.events.push(Event::invoke(late, 0, 903, 0, late));
        story.events.push(Event::done(late, 0, 903, Outcome::Ok(ack)));
        judge(&story.record()).check("load-ran").expect("a check").verdict
    };
    assert_eq!((hit(None), hit(Some(2500)), hit(Some(2499))), (Pass, Pass, Unknown));
}

#[test]
fn of_two_bounds_the_lower_counts_and_a_code_has_five_characters() {
    let said = spoiled(|story| {
        story.expect(json!({ "errors": { "max-ratio": 0.4 } }));
        story.expect(json!({ "errors": { "max-ratio": 0.9 } }));
    });
    assert!(said.starts_with("fail\nerrors: 64 of 144"), "{said}");
    let said = spoiled(|story| *story.outcome(50) = Outcome::Fail(error("08")));
    assert!(said.contains("error `08` is in no class"), "{said}");
}

#[test]
fn a_decision_without_a_journal_is_unknown() {
    assert_eq!(
        spoiled(|story| story.expect(json!({ "controller": { "name": "repair", "decision": "fence" } }))),
        "unknown\ncontroller: no journal of controller `repair` was kept"
    );
}

#[test]
fn an_expectation_asked_twice_is_answered_once() {
    let said = spoiled(|story| {
        story.expect(json!({ "scaled": { "resource": "cpu", "target": "primary", "to-at-least": "2", "within": "9s" } }));
        story.expect(json!({ "scaled": { "resource": "cpu", "target": "primary", "to-at-least": "3", "within": "9s" } }));
    });
    assert_eq!(said, "unknown\nscaled: nobody looked at sizes, so nobody saw one change");
}

/// The small story with one look a second at what the engine holds `postgres-1` to.
fn sized(cores: &[f64], expect: &serde_json::Value) -> String {
    spoiled(|story| {
        let began = story.sightings.iter().map(|seen| seen.at).min().expect("looks");
        for (second, cores) in (0_u64..).zip(cores) {
            let at = Mono(began.0 + second * 1_000_000_000);
            let usage = Usage { at, cores: Some(*cores), limit: Some(Bytes::mib(512)), ..Usage::default() };
            let usage = [("postgres-1".parse().expect("a name"), usage)].into();
            story.sightings.push(Sighting { at, usage, ..Sighting::default() });
        }
        story.expect(json!({ "scaled": expect }));
    })
}

#[test]
fn a_size_is_reached_in_time_late_or_never() {
    let wanted = |cores: &str, within: &str| json!({ "resource": "cpu", "target": "postgres:any", "to-at-least": cores, "within": within });
    assert_eq!(sized(&[0.5, 1.0, 1.5, 1.5], &wanted("1.5", "5s")), "pass");
    assert_eq!(
        sized(&[0.5, 0.5, 0.5, 0.5, 1.5], &wanted("1.5", "2s")),
        "fail\nscaled: cpu of `postgres:any` reached 1.50 cores only 4.0 s after the load began"
    );
    assert_eq!(
        sized(&[0.5, 1.0], &wanted("1.5", "5s")),
        "fail\nscaled: cpu of `postgres:any` never reached 1.50 cores; the most seen is 1.00 cores"
    );
    let memory =
        json!({ "resource": "memory", "target": "postgres:any", "to-at-least": "1GiB", "within": "5s" });
    assert_eq!(
        sized(&[0.5], &memory),
        "fail\nscaled: memory of `postgres:any` never reached 1024 MiB; the most seen is 512 MiB"
    );
}

#[test]
fn a_host_holds_so_many_cores_and_so_much_disk_and_the_dead_take_no_cores() {
    let h1 =
        |change: fn(&mut pgha::model::lab::Host)| spoiled(|story| change(&mut story.resolved.lab.hosts[0]));
    assert_eq!(
        h1(|host| host.cpus = 1.5),
        "fail\nplacement: host `h1` carried 2 cores, 1GiB, 2GiB of disk; it holds 1.5, 2GiB, 8GiB"
    );
    assert_eq!(
        h1(|host| host.disk = pgha::model::Bytes::gib(1)),
        "fail\nplacement: host `h1` carried 2 cores, 1GiB, 2GiB of disk; it holds 2, 2GiB, 1GiB"
    );
    // a dead database beside its successor is no pair
    let said = spoiled(|story| {
        let look = &mut story.sightings[1];
        let successor = BodySeen { status: ContainerStatus::Running, ..look.bodies["postgres-1"].clone() };
        look.bodies.insert(name("postgres-4"), successor);
    });
    assert_eq!(said, "pass");
}
