//! What each checker refuses, and with which words. The words are fixed: a change in a rule shows here.

mod assumptions;
pub mod clients;
mod converged;
mod lost_acks;
mod one_writer;
mod outage;
mod overlap;
pub mod stuck;

use pgha::check::judge;
use pgha::history::{Event, Outcome};
use pgha::model::fault::ReceiptState;
use pgha::model::lab::Replication;
use pgha::model::observed::ContainerStatus;
use pgha::model::{Lsn, Mono, Sight};
use serde_json::json;

use crate::judged;
use crate::story::{EVERY, MS, Plan, Story, ZERO, error, healthy, name, tell};

fn small() -> Story {
    tell(&Plan::small())
}

fn losing(lost: u64) -> Story {
    tell(&Plan { lost, ..Plan::small() })
}

/// Spoils the small story and says the verdict.
fn spoiled(spoil: impl FnOnce(&mut Story)) -> String {
    let mut story = small();
    spoil(&mut story);
    judged(&story)
}

#[test]
fn a_sound_run_passes() {
    assert_eq!(judged(&small()), "pass");
    assert_eq!(judged(&tell(&Plan { kill: false, ..Plan::small() })), "pass");
    assert_eq!(judged(&losing(3)), "pass");
}

#[test]
fn unexpected_rows_fail() {
    let said = |counts| format!("fail\nunexpected: in the final reads {counts} of failed operations");
    assert_eq!(
        spoiled(|story| story.rows(|rows| rows.push(9999))),
        said("3 rows nobody wrote, 0 rows twice, 0 rows")
    );
    assert_eq!(
        spoiled(|story| story.rows(|rows| rows.push(3))),
        said("0 rows nobody wrote, 3 rows twice, 0 rows")
    );
    // 40 acknowledged, 4 in flight, then the refused ones
    assert_eq!(
        spoiled(|story| story.rows(|rows| rows.push(50))),
        said("0 rows nobody wrote, 0 rows twice, 3 rows")
    );
    assert_eq!(
        spoiled(|story| story.events.retain(|event| !matches!(event, Event::FinalRead(_)))),
        "unknown\n\
         lost-acks: load `writer` was read on 0 primaries in the end, one is wanted\n\
         unexpected: no node was read for load `writer` in the end"
    );
}

#[test]
fn recovered_rows_are_counted_and_harmless() {
    let check = judge(&small().record()).check("lost-acks").expect("a check").clone();
    assert_eq!(check.evidence["recovered"], 2);
}

#[test]
fn a_sabotage_scenario_ends_as_stated_or_not() {
    let ends = |check: &str, spoil: bool| {
        let mut story = small();
        story.scenario.ends =
            serde_json::from_value(json!({ "verdict": "fail", "check": check })).expect("an end");
        if spoil {
            story.rows(|rows| rows.retain(|row| *row != 5));
        }
        judge(&story.record()).as_wanted()
    };
    assert!(ends("lost-acks", true));
    assert!(!ends("unexpected", true));
    assert!(!ends("lost-acks", false));
    assert!(judge(&small().record()).as_wanted());
}

#[test]
fn an_empty_record_proves_nothing() {
    let mut story = small();
    story.events.clear();
    story.sightings.clear();
    let judgement = judge(&story.record());
    assert_eq!(judgement.verdict, pgha::model::scenario::VerdictWord::Unknown);
    let names: Vec<&str> = judgement
        .checks
        .iter()
        .filter(|check| check.verdict == judgement.verdict)
        .map(|check| check.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "journal",
            "load-ran",
            "receipts",
            "lost-acks",
            "unexpected",
            "one-writer",
            "outage",
            "converged",
            "placement"
        ]
    );
}
