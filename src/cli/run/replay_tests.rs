//! A stored run, told again as it went: what a person would have seen at an instant of it.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::history::Event;
use crate::history::event::Phase;
use crate::lab::names;
use crate::lab::record::{LabRecord, new_secrets};
use crate::lab::status::{States, Used, describe};
use crate::model::lab::Desired;
use crate::model::run::Resolved;
use crate::model::{MemberId, Mono, Name, Sighting};
use crate::run::pulse::Pulse;
use crate::view::{Story, ViewLook, draw};

/// Pause between two beats, as a run makes them.
const BEAT: u64 = 500_000_000;

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    let text = fs::read_to_string(path).expect("a file of the run");
    text.lines().map(|line| serde_json::from_str(line).expect("a line of the run")).collect()
}

fn record(run: &Path) -> LabRecord {
    let text = fs::read_to_string(run.join("resolved.json")).expect("what it was made of");
    let Resolved { lab, members, preset, .. } = serde_json::from_str(&text).expect("what it was made of");
    LabRecord {
        schema_version: 1,
        preset,
        subnet: Ipv4Addr::new(198, 18, 0, 0),
        desired: Desired::founding(&lab),
        spec: lab,
        members,
        secrets: new_secrets(),
        token: String::new(),
        images: BTreeMap::new(),
        pgha: None,
    }
}

/// States of bodies, by the names of their containers.
fn states(record: &LabRecord, seen: &Sighting) -> States {
    let lab = record.spec.name.as_str();
    let name = |id: &MemberId, service: &str| match service {
        "host" => names::sandbox(lab, id.as_str()),
        _ => names::container(lab, id.as_str()),
    };
    let bodies = seen.bodies.iter();
    let mut states: States =
        bodies.map(|(id, body)| (name(id, &body.service), body.status.as_str().to_owned())).collect();
    for host in &record.spec.hosts {
        states.entry(names::sandbox(lab, host.name.as_str())).or_insert_with(|| "running".to_owned());
    }
    states
}

/// The story of a stored run until so many seconds after its load began.
fn story(run: &Path, until: f64) -> Story {
    let record = record(run);
    let events: Vec<Event> = lines(&run.join("history.jsonl"));
    let sightings: Vec<Sighting> = lines(&run.join("sightings.jsonl"));
    let loads: Vec<Name> = events
        .iter()
        .find_map(|event| match event {
            Event::Journal { loads, .. } if !loads.is_empty() => Some(loads.clone()),
            _ => None,
        })
        .expect("loads");
    let begins = |event: &Event| match event {
        Event::Phase { t, phase: Phase::Baseline } => Some(*t),
        _ => None,
    };
    let start = events.iter().find_map(begins).expect("a beginning");
    let when = |event: &Event| match event {
        Event::Invoke { t, .. } | Event::Done { t, .. } | Event::Phase { t, .. } => *t,
        Event::Counted(counted) => counted.t,
        Event::Fault(fault) => fault.healed.or(fault.began).unwrap_or(fault.intent),
        _ => start,
    };
    let mut story = Story::new("a stored run", "q: leave");
    let mut pulse = Pulse::new(loads.iter(), start);
    let (mut phase, mut services, mut bodies) = (Phase::Baseline, Sighting::default(), None);
    let mut past = start;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a run")]
    let end = Mono(start.0 + (until * 1e9) as u64);
    while past < end {
        let now = Mono(past.0 + BEAT);
        let between = |at: Mono| past <= at && at < now;
        for event in events.iter().filter(|event| between(when(event))) {
            if let Event::Phase { phase: begun, .. } = event {
                phase = *begun;
            }
            pulse.feel(event);
        }
        for seen in sightings.iter().filter(|seen| seen.at < now) {
            if !seen.postgres.is_empty() {
                services = seen.clone();
            }
            if !seen.bodies.is_empty() {
                bodies = Some(states(&record, seen));
            }
        }
        let lab = describe(&record, &services, &Used::default(), bodies.as_ref());
        story.beat(pulse.beat(start, now, phase, lab));
        past = now;
    }
    story
}

fn screen(story: &Story, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let look = ViewLook { colour: true, unicode: true };
    terminal.draw(|frame| draw(frame, &story.scene(), look)).expect("a picture");
    let text = terminal.backend().to_string();
    text.lines().map(|line| line.trim_matches('"').trim_end()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_stored_run_is_seen_as_it_went() {
    let run = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories/good-redundancy");
    insta::assert_snapshot!(screen(&story(&run, 2.0), 110, 26));
}
