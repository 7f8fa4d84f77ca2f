//! `journal`: the record itself is whole. A run that was killed is readable up to its last line, and
//! proves nothing: what is not written may be exactly the write that was lost.

use serde_json::json;

use super::record::{Finding, Record};

/// Judges the record: complete, every writer ended in order, one clock, nothing that does not pair.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let history = &record.history;
    let mut gaps: Vec<String> = Vec::new();
    if !record.complete {
        gaps.push("a file of the record ends in a torn line".to_owned());
    }
    if history.writers.is_empty() {
        gaps.push("nobody signed the journal".to_owned());
    }
    for writer in history.writers.iter().filter(|writer| writer.ended.is_none()) {
        gaps.push(format!("the journal of the {} was cut off", writer.name));
    }
    let mut boots = history.boots();
    if !boots.is_empty() && !boots.contains(&record.resolved.boot_id.as_str()) {
        boots.push(&record.resolved.boot_id);
    }
    if boots.len() > 1 {
        gaps.push(format!("the clocks belong to {} different boots and cannot be merged", boots.len()));
    }
    if let Some(first) = history.problems.first() {
        gaps.push(format!("{first} ({} such problems)", history.problems.len()));
    }
    let evidence = json!({
        "operations": history.ops.len(),
        "writers": history.writers.len(),
        "sightings": record.sightings.len(),
        "problems": history.problems.iter().take(10).collect::<Vec<_>>(),
        "gaps": gaps,
    });
    match gaps.first() {
        None => Finding::pass(format!("the record is whole: {} operations", history.ops.len()), evidence),
        Some(first) => Finding::unknown(first.clone(), evidence),
    }
}
