//! What `one-writer` refuses, and what it only counts.

use super::*;

#[test]
fn two_members_on_one_timeline_fail() {
    assert_eq!(
        spoiled(|story| story.ack(30).n = Some(name("postgres-3"))),
        "fail\none-writer: timeline 1 had 2 writers: `postgres-1`, `postgres-3`"
    );
}

#[test]
fn two_systems_fail() {
    // only the acknowledgements of the second timeline, so that each timeline has one writer
    assert_eq!(
        spoiled(|story| (104..144).for_each(|op| story.ack(op).sys = Some("7301".to_owned()))),
        "fail\none-writer: writes were acknowledged by 2 different database systems"
    );
}

#[test]
fn an_acknowledgement_without_a_name_is_unknown() {
    assert_eq!(
        spoiled(|story| story.ack(30).n = None),
        "unknown\none-writer: 1 acknowledgements do not say who gave them"
    );
}

#[test]
fn zombies_are_counted() {
    let mut story = small();
    // the old primary acknowledges once more, after the new one began
    let last = story
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Invoke { t, .. } => Some(t.0),
            _ => None,
        })
        .max()
        .expect("operations");
    let ack = story.ack(39).clone();
    story.events.push(Event::invoke(Mono(last), 0, 900, 0, Mono(last)));
    story.events.push(Event::done(Mono(last + MS), 0, 900, Outcome::Ok(ack)));
    let mut both = healthy(last, "postgres-2", 2);
    let old = healthy(last, "postgres-1", 1).postgres.remove("postgres-1").expect("seen");
    both.postgres.insert(name("postgres-1"), old);
    story.sightings.push(both);
    story.rows(|rows| rows.push(900));
    let check = judge(&story.record()).check("one-writer").expect("a check").clone();
    assert_eq!(check.summary, "each of 2 timelines had one writer; 1 zombie acknowledgements");
    assert_eq!(check.evidence["zombie_windows"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        judge(&small().record()).check("one-writer").expect("a check").evidence["zombie_windows"],
        json!([])
    );
}

#[test]
fn what_only_reads_writes_on_no_timeline() {
    let mut story = small();
    let mut reader = story.scenario.loads[0].clone();
    (reader.name, reader.workload) = (name("reader"), pgha::model::scenario::Workload::Select);
    story.scenario.loads.push(reader);
    let ack = pgha::history::Ack { n: Some(name("postgres-3")), ..story.ack(39).clone() };
    story.events.push(Event::invoke(Mono(ZERO), 1, 0, 0, Mono(ZERO)));
    story.events.push(Event::done(Mono(ZERO + MS), 1, 0, Outcome::Ok(ack)));
    let check = judge(&story.record()).check("one-writer").expect("a check").clone();
    assert_eq!(check.summary, "each of 2 timelines had one writer; 0 zombie acknowledgements");
}

#[test]
fn a_member_seen_to_refuse_is_no_zombie_until_it_writes_again() {
    let look = |at: u64, member: &str, writable: bool| {
        let mut seen = healthy(ZERO + at * MS, member, 1);
        seen.postgres.retain(|known, _| known.as_str() == member);
        if let Some(Sight::Seen(sql)) = seen.postgres.get_mut(member).map(|postgres| &mut postgres.sql) {
            sql.writable = Some(writable);
        }
        seen
    };
    let windows = |looks: Vec<pgha::model::Sighting>| {
        let mut story = small();
        story.sightings = looks;
        judge(&story.record()).check("one-writer").expect("a check").evidence["zombie_windows"].clone()
    };
    let (one, two) = ("postgres-1", "postgres-2");
    assert_eq!(
        windows(vec![look(0, one, true), look(1, one, false), look(2, two, true), look(3, one, true)]),
        json!([])
    );
    // not looked at in between: it may have been writable all the time
    assert_eq!(
        windows(vec![look(0, one, true), look(2, two, true), look(4, two, true), look(5, one, true)]),
        json!([{ "members": [one, two], "from_ns": ZERO + 2 * MS, "to_ns": ZERO + 4 * MS }])
    );
    // a look that waits a second for somebody silent ends no span; a longer silence of the member does
    assert_eq!(
        windows(vec![
            look(0, one, true),
            look(1100, two, true),
            look(1500, one, true),
            look(2600, two, true),
            look(3000, one, true),
            look(5100, one, true),
        ]),
        json!([{ "members": [one, two], "from_ns": ZERO + 1100 * MS, "to_ns": ZERO + 2600 * MS }])
    );
}
