//! Where an outage begins and ends, and which one is too long.

use super::*;

#[test]
fn its_length_is_from_the_last_ack_to_the_first_of_a_run() {
    let check = judge(&small().record()).check("outage").expect("a check").clone();
    // 60 refused operations, one every 5 ms, and the one gap there always is
    assert_eq!(
        check.summary,
        "the longest outage of `rw` after `kill` took 305 ms (load `writer`), within what was asked"
    );
    let seen = &check.evidence["endpoints"][0];
    assert_eq!((seen["outages"].clone(), seen["outage_total_ms"].clone()), (json!(1), json!(305.0)));
    assert_eq!(
        seen["faults"][0],
        json!({ "fault": "kill", "outage_ms": 305.0, "client_outage_max_ms": 340.0 })
    );
}

#[test]
fn a_bound_that_is_exceeded_fails() {
    assert_eq!(
        spoiled(
            |story| story.expect(json!({ "outage": { "endpoint": "rw", "after": "kill", "max": "300ms" } }))
        ),
        "fail\noutage: the outage of `rw` after `kill` took 305 ms, at most 300 ms are allowed"
    );
    assert_eq!(
        spoiled(|story| story.expect(json!({ "outage": { "endpoint": "rw", "max": "300ms" } }))),
        "fail\noutage: the outage of `rw` took 305 ms, at most 300 ms are allowed"
    );
    assert_eq!(
        spoiled(|story| story.expect(json!({ "outage": { "endpoint": "rw", "max": "305ms" } }))),
        "pass"
    );
}

#[test]
fn an_outage_without_an_end_is_not_known_until_it_is_too_long() {
    let mut story = tell(&Plan { after: 0, ..Plan::small() });
    assert_eq!(
        judged(&story),
        "unknown\n\
         load-ran: load `writer` had no acknowledged operation after the last fault\n\
         outage: the load ended 300 ms into an outage of `rw` after `kill`"
    );
    story.expect(json!({ "outage": { "endpoint": "rw", "after": "kill", "max": "299ms" } }));
    assert_eq!(
        judged(&story),
        "fail\n\
         outage: the outage of `rw` after `kill` never ended: 300 ms without an acknowledgement\n\
         load-ran: load `writer` had no acknowledged operation after the last fault"
    );
}

#[test]
fn a_lucky_answer_ends_nothing() {
    let mut story = small();
    // four acknowledgements in a row amid the refusals: one too few
    for op in 60..64 {
        let ack = story.ack(39).clone();
        *story.outcome(op) = Outcome::Ok(ack);
        story.rows(|rows| rows.push(op));
    }
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    assert_eq!(
        check.summary,
        "the longest outage of `rw` after `kill` took 305 ms (load `writer`), within what was asked"
    );
    let ack = story.ack(39).clone();
    *story.outcome(64) = Outcome::Ok(ack);
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    assert_eq!(check.evidence["endpoints"][0]["outages"], 2);
}

#[test]
fn silence_is_an_outage_and_breathing_is_not() {
    let silent = |ms: u64| {
        let mut story = tell(&Plan { kill: false, ..Plan::small() });
        for event in &mut story.events {
            if let Event::Invoke { t, o, i, .. } = event
                && *o >= 40
            {
                (t.0, i.0) = (t.0 + ms * MS, i.0 + ms * MS);
            } else if let Event::Done { t, o, .. } = event
                && *o >= 40
            {
                t.0 += ms * MS;
            }
        }
        judge(&story.record()).check("outage").expect("a check").evidence["endpoints"][0]["outage_max_ms"]
            .clone()
    };
    assert_eq!(silent(240), json!(0.0));
    assert_eq!(silent(250), json!(255.0));
}

#[test]
fn what_was_not_measured_is_unknown() {
    assert_eq!(
        spoiled(|story| story.expect(json!({ "outage": { "endpoint": "ro", "max": "1s" } }))),
        "unknown\noutage: no load used `ro`, so its outage is not known"
    );
    assert_eq!(
        spoiled(
            |story| story.expect(json!({ "outage": { "endpoint": "rw", "after": "other", "max": "1s" } }))
        ),
        "unknown\noutage: fault `other` was never injected, so no outage is its own"
    );
}

/// A load without faults: each operation by its end (ms) and whether it was acknowledged.
fn walked(ends: &[(u64, bool)]) -> serde_json::Value {
    let mut story = tell(&Plan { kill: false, ..Plan::small() });
    let ack = story.ack(0).clone();
    story.events.retain(|event| !matches!(event, Event::Invoke { .. } | Event::Done { .. }));
    for (o, (ms, acked)) in (0..).zip(ends) {
        let t = ZERO + ms * MS;
        let outcome = if *acked { Outcome::Ok(ack.clone()) } else { Outcome::Info(error("eof")) };
        story.events.push(Event::invoke(Mono(t - MS), 0, o, 0, Mono(t - MS)));
        story.events.push(Event::done(Mono(t), 0, o, outcome));
    }
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    let longest = check.evidence["endpoints"][0]["longest"].as_array().expect("outages").clone();
    longest
        .iter()
        .map(|window| json!([window["took_ms"], window["unacknowledged"], window["ended"]]))
        .collect()
}

#[test]
fn a_run_broken_by_silence_starts_again() {
    let steady: Vec<(u64, bool)> = (1..=10).map(|number| (number * 10, true)).collect();
    let mut ends = steady.clone();
    ends.extend([
        (110, false),
        (120, true),
        (130, true),
        (900, true),
        (910, true),
        (920, true),
        (930, true),
        (940, true),
    ]);
    assert_eq!(walked(&ends), json!([[800.0, 1, true]]));
    // the load ends in good order with a run too short to count: that is the end of the load
    let mut ends = steady.clone();
    ends.extend([(110, false), (120, true), (130, true)]);
    assert_eq!(walked(&ends), json!([[20.0, 1, true]]));
    // operations that end with the load are no outage, a silence is
    let mut ends = steady.clone();
    ends.extend([(110, false), (120, false)]);
    assert_eq!(walked(&ends), json!([]));
    ends.push((500, false));
    assert_eq!(walked(&ends), json!([[400.0, 3, false]]));
}

#[test]
fn a_slow_load_breathes_slowly() {
    // one acknowledgement every 100 ms: 1 s of silence is ordinary, more is not
    let mut ends: Vec<(u64, bool)> = (1..=10).map(|number| (number * 100, true)).collect();
    let after = |from: u64| (0..6).map(move |number| (from + number * 100, true));
    ends.extend(after(2000));
    assert_eq!(walked(&ends), json!([]));
    ends.extend(after(3501));
    assert_eq!(walked(&ends), json!([[1001.0, 0, true]]));
}

#[test]
fn a_load_that_ends_within_an_outage_leaves_it_open() {
    let mut story = tell(&Plan { after: 0, ..Plan::small() });
    // one lucky answer, so that it is not dead; then refusals to the end
    let ack = story.ack(39).clone();
    *story.outcome(45) = Outcome::Ok(ack);
    assert!(
        judged(&story).contains("outage: the load ended 300 ms into an outage of `rw` after `kill`"),
        "{}",
        judged(&story)
    );
    story.expect(json!({ "outage": { "endpoint": "rw", "after": "kill", "max": "299ms" } }));
    assert!(judged(&story).contains("never ended: 300 ms without"), "{}", judged(&story));
}

#[test]
fn nothing_acknowledged_has_no_outage_to_measure() {
    let said = judged(&tell(&Plan { before: 0, after: 0, ..Plan::small() }));
    assert!(
        said.contains("outage: nothing was ever acknowledged on `rw`, so no outage of it has a beginning"),
        "{said}"
    );
}

#[test]
fn a_fault_answers_until_the_next_one() {
    let mut story = small();
    let mut second = story.fault().clone();
    second.id = name("second");
    let mut first = second.clone();
    first.id = name("first");
    // both before and at the outage: only the later one answers
    first.began = Some(Mono(ZERO + 50 * MS));
    second.began = Some(Mono(ZERO + 150 * MS));
    *story.fault() = first;
    story.events.push(Event::Fault(Box::new(second)));
    story.scenario.expects.clear();
    story.scenario.steps.clear();
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    assert_eq!(
        check.evidence["endpoints"][0]["faults"],
        json!([
            { "fault": "first", "outage_ms": null, "client_outage_max_ms": null },
            { "fault": "second", "outage_ms": 305.0, "client_outage_max_ms": 340.0 },
        ])
    );
}

#[test]
fn a_run_too_short_ends_an_outage_only_when_the_load_ended_with_it() {
    let longest = |story: &Story| {
        let check = judge(&story.record()).check("outage").expect("a check").clone();
        check.evidence["endpoints"][0]["longest"][0]["ended"].clone()
    };
    let mut story = tell(&Plan { after: 3, ..Plan::small() });
    assert_eq!(longest(&story), json!(true));
    // an operation sent a second later never ended: the load fell silent after the short run
    let late = Mono(ZERO + 2_000 * MS);
    story.events.push(Event::invoke(late, 0, 900, 0, late));
    assert_eq!(longest(&story), json!(false));
}

#[test]
fn without_a_baseline_all_gaps_say_what_is_ordinary() {
    let mut story = small();
    story.fault().began = Some(Mono(ZERO - MS));
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    assert_eq!(check.evidence["endpoints"][0]["ordinary_gap_median_ms"], json!(5.0));
}
