//! Runs stored for ever in `tests/histories/`: each is judged again and must end in the same words.
//!
//! A folder holds `scenario.json`, `resolved.json`, `history.jsonl`, `sightings.jsonl`,
//! perhaps `logs/`, and `expected.json` (the verdict and every check's verdict and sentence).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use pgha::check::{RunRecord, judge};
use pgha::history::{History, decode};
use pgha::model::MemberId;
use serde_json::{Value, json};

use crate::story::Story;

fn read(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn load(folder: &Path) -> RunRecord {
    let decoded = decode(&read(folder, "history.jsonl")).expect("a journal");
    let parse = |line: &str| serde_json::from_str(line).expect("a sighting");
    RunRecord {
        scenario: serde_json::from_str(&read(folder, "scenario.json")).expect("a scenario"),
        resolved: serde_json::from_str(&read(folder, "resolved.json")).expect("a resolved lab"),
        history: History::from_events(decoded.events),
        sightings: read(folder, "sightings.jsonl").lines().map(parse).collect(),
        logs: logs(folder),
        ledger: None,
        complete: !decoded.cut,
    }
}

fn logs(folder: &Path) -> BTreeMap<MemberId, String> {
    let Ok(entries) = fs::read_dir(folder.join("logs")) else { return BTreeMap::new() };
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let stem = path.file_stem().expect("a name").to_str().expect("text");
            (MemberId::new(stem).expect("a member"), fs::read_to_string(&path).expect("a log"))
        })
        .collect()
}

fn said(record: &RunRecord) -> Value {
    let judgement = judge(record);
    let checks: serde_json::Map<String, Value> = judgement
        .checks
        .iter()
        .map(|check| (check.name.clone(), json!({ "verdict": check.verdict, "summary": check.summary })))
        .collect();
    json!({ "verdict": judgement.verdict, "checks": checks })
}

pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root).expect("tests/histories").map(|entry| entry.expect("an entry").path()).collect();
    folders.sort();
    folders
}

/// Every stored run, to be spoiled.
pub fn stories() -> Vec<(String, Story)> {
    let story = |folder: PathBuf| {
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let RunRecord { scenario, resolved, sightings, logs, complete, .. } = load(&folder);
        let events = decode(&read(&folder, "history.jsonl")).expect("a journal").events;
        (name, Story { scenario, resolved, events, sightings, logs, ledger: None, complete })
    };
    folders().into_iter().map(story).collect()
}

#[test]
fn every_stored_run_ends_as_it_did() {
    let folders = folders();
    assert!(!folders.is_empty());
    for folder in folders {
        let expected: Value = serde_json::from_str(&read(&folder, "expected.json")).expect("JSON");
        let seen = said(&load(&folder));
        assert_eq!(seen, expected, "{}:\n{seen:#}", folder.display());
    }
}
