//! How long each client was out: whose time counts, when it begins and when it ends.

use pgha::check::load_ran;
use pgha::check::outage::{self, Backs};
use pgha::model::scenario::Endpoint;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    Acked,
    Failed,
    Info,
    /// It hung until the load was over.
    Open,
}

/// One operation: client, sent and ended (milliseconds), how.
pub type Deed = (u32, u64, u64, How);

/// A load of these operations and faults at these instants (milliseconds); the client ends its journal at `over`.
pub fn told(model: &str, deeds: &[Deed], faults: &[u64], over: u64) -> Story {
    let mut story = tell(&Plan { kill: false, ..Plan::small() });
    let ack = story.ack(0).clone();
    let at = |ms: u64| Mono(ZERO + ms * MS);
    story.events.retain(|event| !matches!(event, Event::Invoke { .. } | Event::Done { .. }));
    for event in &mut story.events {
        if let Event::End { t, .. } = event {
            *t = at(over);
        }
    }
    for (o, &(client, sent, ended, how)) in (0..).zip(deeds) {
        // a worker ends with an operation nobody knows the end of; the client goes on
        let worker = 100 + u32::try_from(o).expect("small");
        story.events.push(Event::invoke_by(at(sent), 0, o, worker, at(sent), client));
        let outcome = match how {
            How::Acked => Outcome::Ok(ack.clone()),
            How::Failed => Outcome::Fail(error("refused")),
            How::Info => Outcome::Info(error("timeout")),
            How::Open => continue,
        };
        story.events.push(Event::done(at(ended), 0, o, outcome));
    }
    for (number, ms) in faults.iter().enumerate() {
        let mut fault = small().fault().clone();
        fault.id = name(&format!("kill-{number}"));
        (fault.intent, fault.began, fault.healed) = (at(*ms), Some(at(*ms + 1)), Some(at(*ms + 2)));
        story.events.push(Event::Fault(Box::new(fault)));
    }
    let acked = (0..).zip(deeds).filter(|(_, deed)| deed.3 == How::Acked);
    let marks: Vec<u64> = acked.map(|(o, _)| o).collect();
    story.rows(|rows| rows.clone_from(&marks));
    let load = &mut story.scenario.loads[0];
    load.model = serde_json::from_value(json!(model)).expect("a model");
    story.scenario.expects.clear();
    story
}

/// A client that is acknowledged every ten milliseconds from `from` to `to`.
pub fn steady(client: u32, from: u64, to: u64) -> impl Iterator<Item = Deed> {
    (from..to).step_by(10).map(move |sent| (client, sent, sent + 2, How::Acked))
}

fn backs(story: &Story, fault: &str) -> Backs {
    let record = story.record();
    let seen = outage::measure(&record);
    let rw = seen.iter().find(|seen| seen.endpoint == Endpoint::Rw).expect("a load on rw");
    outage::backs_of(&record, rw, Some(&name(fault))).expect("a fault")
}

fn ms(nanos: Option<u64>) -> Option<u64> {
    nanos.map(|nanos| nanos / MS)
}

fn figures(story: &Story, fault: &str) -> (usize, usize, [Option<u64>; 3]) {
    let backs = backs(story, fault);
    (backs.hurt, backs.never_back, [ms(backs.first), ms(backs.median), ms(backs.last)])
}

fn finding(story: &Story) -> String {
    let check = judge(&story.record()).check("outage").expect("a check").clone();
    format!("{}: {}", check.verdict, check.summary)
}

fn bounded(mut story: Story, bound: Value) -> String {
    story.expect(Value::Object([("outage".to_owned(), bound)].into_iter().collect()));
    finding(&story)
}

/// Three clients in a closed loop; a kill at 100 ms; back after 300, 400 and 900 ms.
pub fn three() -> Vec<Deed> {
    let mut deeds: Vec<Deed> = (0..3).flat_map(|client| steady(client, 0, 100)).collect();
    for (client, back) in [(0, 400), (1, 500), (2, 1000)] {
        deeds.push((client, 93, 110, How::Info));
        deeds.push((client, 115, back, How::Failed));
        deeds.extend(steady(client, back, 1500));
    }
    deeds
}

#[test]
fn the_last_client_decides_and_the_first_is_named() {
    let story = told("closed", &three(), &[100], 1600);
    // each was acknowledged last at 92 ms, and is acknowledged 2 ms after it could send again
    assert_eq!(figures(&story, "kill-0"), (3, 0, [Some(310), Some(410), Some(910)]));
    let kill = |max: &str| json!({ "endpoint": "rw", "after": "kill-0", "max": max });
    assert_eq!(
        bounded(story.clone(), kill("910ms")),
        "pass: the last of 3 hurt clients of `rw` after `kill-0` was back after 910 ms, the first after 310 ms \
         (load `writer`), within what was asked"
    );
    assert_eq!(
        bounded(story.clone(), kill("909ms")),
        "fail: the last client of `rw` after `kill-0` was back after 910 ms, at most 909 ms are allowed (load \
         `writer`, client 2)"
    );
    let first = |max: &str| json!({ "endpoint": "rw", "after": "kill-0", "of": "first", "max": max });
    assert!(bounded(story.clone(), first("310ms")).starts_with("pass: "));
    assert_eq!(
        bounded(story.clone(), first("309ms")),
        "fail: the first client of `rw` after `kill-0` was back after 310 ms, at most 309 ms are allowed (load \
         `writer`)"
    );
    assert_eq!(
        finding(&story),
        "pass: the last of 3 hurt clients of `rw` was back after 910 ms, the first after 310 ms (load `writer`); \
         nothing was asked of it"
    );
}

/// Eight clients; a kill at 100 ms; one of them hangs to the end of the load, two seconds.
pub fn hangs() -> Vec<Deed> {
    let mut deeds: Vec<Deed> = (0..8).flat_map(|client| steady(client, 0, 100)).collect();
    deeds.push((0, 93, 0, How::Open));
    for client in 1..8 {
        deeds.push((client, 93, 110, How::Info));
        deeds.extend(steady(client, 300, 1500));
    }
    deeds
}

/// Such a load in a closed loop, with a bound on the outage.
pub fn asking(deeds: &[Deed], bound: Value) -> Story {
    let mut story = told("closed", deeds, &[100], 2092);
    story.expect(Value::Object([("outage".to_owned(), bound)].into_iter().collect()));
    story
}

#[test]
fn a_client_that_hangs_beside_seven_that_go_on_is_seen() {
    let story = told("closed", &hangs(), &[100], 2092);
    assert_eq!(figures(&story, "kill-0"), (8, 1, [Some(210), Some(210), None]));
    let kill = |max: &str| json!({ "endpoint": "rw", "after": "kill-0", "max": max });
    assert_eq!(
        bounded(story.clone(), kill("1999ms")),
        "fail: 1 of 8 hurt clients of `rw` after `kill-0` never came back: 2000 ms without an acknowledgement, at \
         most 1999 ms are allowed (load `writer`, client 0)"
    );
    // the load ended sooner than the bound after the fault
    assert_eq!(
        bounded(story.clone(), kill("2s")),
        "unknown: the load ended while 1 of 8 hurt clients of `rw` after `kill-0` were out, 2000 ms at most (load \
         `writer`, client 0)"
    );
    assert!(
        finding(&story).starts_with("pass: 1 of 8 hurt clients of `rw` never came back, 2000 ms at most")
    );
    // the same load, declared to end sooner: nobody waited after that
    let mut short = story;
    short.scenario.duration = pgha::model::Span::millis(1592);
    assert_eq!(backs(&short, "kill-0").longest, 1500 * MS);
}

#[test]
fn an_operation_that_only_waits_is_an_outage_and_idle_time_is_none() {
    // an open loop: the client is idle for 200 ms before its operation is sent, and waits for 300 ms
    let mut deeds: Vec<Deed> = steady(0, 0, 200).chain(steady(0, 500, 900)).collect();
    deeds.extend([(1, 0, 2, How::Acked), (1, 193, 500, How::Acked), (1, 800, 802, How::Acked)]);
    let story = told("open", &deeds, &[200], 1000);
    // from the last acknowledgement of anybody before it was sent
    assert_eq!(figures(&story, "kill-0").2[2], Some(308));
    // a client that is idle is not out
    let deeds: Vec<Deed> =
        steady(0, 0, 900).chain([(1, 0, 2, How::Acked), (1, 800, 802, How::Acked)]).collect();
    assert_eq!(figures(&told("open", &deeds, &[200], 1000), "kill-0"), (0, 0, [None; 3]));
    // one that failed and has nothing more to do is out until anybody is served
    let deeds: Vec<Deed> = steady(0, 0, 200)
        .chain(steady(0, 260, 900))
        .chain([(1, 0, 2, How::Acked), (1, 193, 201, How::Failed)])
        .collect();
    assert_eq!(figures(&told("open", &deeds, &[200], 1000), "kill-0"), (1, 0, [Some(70); 3]));
    // in a closed loop it has given up
    let (hurt, never, _) = figures(&told("closed", &deeds, &[200], 1000), "kill-0");
    assert_eq!((hurt, never), (1, 1));
}

#[test]
fn an_acknowledgement_of_the_dying_primary_does_not_begin_the_outage_sooner() {
    let mut deeds: Vec<Deed> = (0..2).flat_map(|client| steady(client, 0, 100)).collect();
    // client 0: in flight at the fault and acknowledged right after it; client 1: acknowledged after it and then cut
    deeds.extend([(0, 99, 103, How::Acked), (0, 104, 300, How::Failed), (0, 305, 307, How::Acked)]);
    deeds.extend([(1, 101, 106, How::Acked), (1, 107, 302, How::Failed), (1, 308, 309, How::Acked)]);
    deeds.extend(steady(0, 310, 500));
    let story = told("closed", &deeds, &[100], 600);
    assert_eq!(figures(&story, "kill-0"), (2, 0, [Some(203), Some(203), Some(204)]));
}

#[test]
fn a_fault_answers_for_its_own_outages() {
    let outage = |from: u64, to: u64| {
        [(0, from, from + 10, How::Info), (0, from + 11, to, How::Failed), (0, to, to + 2, How::Acked)]
    };
    let mut deeds: Vec<Deed> = steady(0, 0, 1000).collect();
    deeds.extend(outage(1000, 1100));
    deeds.extend(steady(0, 1110, 2000));
    deeds.extend(outage(2000, 2900));
    deeds.extend(steady(0, 2910, 3500));
    let story = told("closed", &deeds, &[1001, 2001], 3600);
    assert_eq!(figures(&story, "kill-0").2[2], Some(110), "the next one's outage is not its own");
    assert_eq!(figures(&story, "kill-1").2[2], Some(910));
    // two that strike together answer together
    let story = told("closed", &deeds, &[2001, 2003], 3600);
    assert_eq!(figures(&story, "kill-0").2[2], Some(910));
    assert_eq!(figures(&story, "kill-1").2[2], Some(910));
}

#[test]
fn a_client_that_was_out_before_the_fault_is_told_apart() {
    let mut deeds: Vec<Deed> = steady(0, 0, 100).chain(steady(1, 0, 3000)).collect();
    deeds.push((0, 100, 0, How::Open));
    let story = told("closed", &deeds, &[101, 2000], 3100);
    assert_eq!((backs(&story, "kill-0").out_before, backs(&story, "kill-0").never_back), (0, 1));
    assert_eq!((backs(&story, "kill-1").out_before, backs(&story, "kill-1").never_back), (1, 1));
}

#[test]
fn a_journal_of_an_older_edition_numbers_no_clients() {
    let mut story = told("closed", &three(), &[100], 1600);
    for event in &mut story.events {
        if let Event::Invoke { t, c, w, .. } = event {
            // the worker dies with the operation whose end nobody knows
            *w = c.take().expect("a client") + if t.0 <= ZERO + 93 * MS { 0 } else { 10 };
        }
    }
    let (hurt, never, figures) = figures(&story, "kill-0");
    assert_eq!((never, figures), (0, [None; 3]), "{hurt}");
    assert_eq!(
        bounded(story, json!({ "endpoint": "rw", "after": "kill-0", "max": "310ms" })),
        "pass: the longest outage of `rw` after `kill-0` took 310 ms (load `writer`), within what was asked"
    );
}

#[test]
fn a_sentence_names_the_port_the_bound_is_about() {
    let mut story = told("closed", &three(), &[100], 1600);
    let load =
        json!({ "name": "reader", "endpoint": "ro", "workload": "select", "model": "closed", "clients": 1 });
    story.scenario.loads.push(serde_json::from_value(load).expect("a load"));
    let ack = story.ack(0).clone();
    for (o, (_, sent, ended, _)) in (0..).zip(steady(0, 0, 90).chain([(0, 100, 5000, How::Acked)])) {
        let (sent, ended) = (Mono(ZERO + sent * MS), Mono(ZERO + ended * MS));
        story.events.push(Event::invoke_by(sent, 1, o, 50, sent, 0));
        story.events.push(Event::done(ended, 1, o, Outcome::Ok(ack.clone())));
    }
    assert!(finding(&story).contains("of `ro`"), "{}", finding(&story));
    assert_eq!(
        bounded(story, json!({ "endpoint": "rw", "max": "2s" })),
        "pass: the last of 3 hurt clients of `rw` was back after 910 ms, the first after 310 ms (load `writer`), \
         within what was asked"
    );
}

/// Clients that each do one operation after the other, as a closed loop does.
fn crowds() -> impl Strategy<Value = Vec<Deed>> {
    let how = prop_oneof![5 => Just(How::Acked), 2 => Just(How::Failed), 1 => Just(How::Info)];
    let op = (1u64..40, prop_oneof![9 => 1u64..30, 1 => 200u64..900], how);
    let client = (prop::collection::vec(op, 1..60), any::<bool>());
    prop::collection::vec(client, 1..6).prop_map(|clients| {
        let mut deeds = Vec::new();
        for (client, (ops, hangs)) in (0..).zip(clients) {
            let mut now = 0;
            for (pause, took, how) in ops {
                deeds.push((client, now + pause, now + pause + took, how));
                now += pause + took;
            }
            if hangs {
                deeds.push((client, now + 1, 0, How::Open));
            }
        }
        deeds
    })
}

/// The longest time in which no client of the endpoint was acknowledged while each of them wanted to be, by trying
/// every pair of acknowledgements.
fn silence(deeds: &[Deed]) -> u64 {
    let mut acks: Vec<u64> = deeds.iter().filter(|deed| deed.3 == How::Acked).map(|deed| deed.2).collect();
    acks.sort_unstable();
    let hurt = |from: u64, to: u64| {
        deeds.iter().any(|&(_, sent, ended, how)| {
            sent >= from && how != How::Acked && how != How::Open && ended <= to && ended > from
        })
    };
    let pairs = acks.windows(2).map(|pair| (pair[0], pair[1])).filter(|&(from, to)| hurt(from, to));
    pairs.map(|(from, to)| to - from).max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: crate::cases(256), ..ProptestConfig::default() })]

    #[test]
    fn no_client_is_out_for_less_than_everybody(
        deeds in crowds(),
        faults in prop::collection::btree_set(0u64..2000, 1..4),
        open in any::<bool>(),
    ) {
        let faults: Vec<u64> = faults.into_iter().collect();
        let story = told(if open { "open" } else { "closed" }, &deeds, &faults, 6000);
        let record = story.record();
        let seen = outage::measure(&record);
        let ids = (0..faults.len()).map(|number| Some(name(&format!("kill-{number}")))).chain([None]);
        for id in ids {
            let backs = outage::backs_of(&record, &seen[0], id.as_ref()).expect("a fault");
            // a client that never came back is behind all others
            let never = u64::MAX;
            let (first, median, last) =
                (backs.first.unwrap_or(never), backs.median.unwrap_or(never), backs.last.unwrap_or(never));
            prop_assert!(first <= median && median <= last, "{:?}", backs);
            prop_assert!(backs.never_back <= backs.hurt && backs.hurt <= backs.clients, "{:?}", backs);
            prop_assert_eq!(backs.last.is_none(), backs.never_back > 0 || backs.hurt == 0, "{:?}", backs);
            if backs.hurt > 0 {
                prop_assert!(backs.least >= backs.nobody && backs.longest >= backs.least, "{:?}", backs);
                prop_assert!(first >= backs.nobody, "{:?}", backs);
                prop_assert!(backs.last.is_none_or(|last| last <= backs.longest), "{:?}", backs);
            }
        }
        let whole = outage::backs_of(&record, &seen[0], None).expect("the whole run");
        prop_assert!(!deeds.iter().any(|deed| deed.3 != How::Acked && deed.3 != How::Open) || acked(&deeds) == 0
            || whole.longest / MS >= silence(&deeds), "{} {:?}", silence(&deeds), whole);
    }
}

fn acked(deeds: &[Deed]) -> usize {
    deeds.iter().filter(|deed| deed.3 == How::Acked).count()
}

/// Two loads on one endpoint; every client of the second one waits for ever after the kill, or fails at once.
fn second_load(end: How, others: How) -> Story {
    let deeds: Vec<Deed> = steady(0, 0, 100).chain((0..50).map(|n| (0, 120 + n, 121 + n, others))).collect();
    let mut story = told("closed", &deeds, &[100], 400);
    let mut second: Vec<Deed> = steady(0, 0, 95).collect();
    second.push((0, 97, 130, end));
    let only = told("closed", &second, &[], 400);
    for mut event in only.events {
        match &mut event {
            Event::Invoke { l, .. } | Event::Done { l, .. } | Event::Prepared { l, .. } => *l = 1,
            _ => continue,
        }
        story.events.push(event);
    }
    let mut load = story.scenario.loads[0].clone();
    load.name = name("second");
    story.scenario.loads.push(load);
    story
}

#[test]
fn a_load_whose_clients_hang_beside_others_that_are_served_did_run() {
    let ran = |story: &Story| load_ran::check(&story.record()).summary;
    let gap = "load `second` had no acknowledged operation after the last fault";
    assert_eq!(ran(&second_load(How::Open, How::Acked)), "the load ran before, during and after the faults");
    // nobody asked any more
    assert_eq!(ran(&second_load(How::Failed, How::Acked)), gap);
    // nobody was served: whether the cluster took writes is not known
    assert!(
        ran(&second_load(How::Open, How::Failed))
            .ends_with("had no acknowledged operation after the last fault")
    );
}

#[test]
fn a_load_that_asks_nothing_did_not_run_whatever_it_declares() {
    let load = json!({ "name": "writer", "endpoint": "rw", "workload": "set", "model": "open", "connections": 1,
        "curve": [["0s", 0.0], ["3s", 0.0]] });
    for faults in [&[][..], &[2000]] {
        let mut story = told("open", &[], faults, 3000);
        story.scenario.duration = pgha::model::Span::secs(3);
        story.scenario.loads[0] = serde_json::from_value(load.clone()).expect("a load");
        let finding = load_ran::check(&story.record());
        let said = "load `writer` had 0 acknowledged operations before the first fault, 1 are wanted";
        assert_eq!((finding.verdict.to_string().as_str(), finding.summary.as_str()), ("unknown", said));
    }
}
