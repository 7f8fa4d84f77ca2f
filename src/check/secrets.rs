//! `secrets`: no password of the lab stands in anything the run wrote down.
//!
//! The runner knows the passwords and searches for them before the lab goes; the judge does not know
//! them, so it rests on that search. A run nobody searched is *unknown*, except one older than the search.

use serde_json::json;

use super::record::{Finding, RunRecord};

/// Judges the search. Of several, what was found once was found.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let searches = &record.history.searches;
    match searches.last() {
        Some(last) => {
            let found: Vec<&String> = searches.iter().flat_map(|search| &search.found).collect();
            let evidence = json!({ "files": last.files, "found": found });
            match found.first() {
                Some(first) => {
                    let number = found.len();
                    let said = format!("a password stands in {number} places, the first is {first}");
                    Finding::fail(said, evidence).firm()
                }
                None if searches.iter().any(|search| search.files == 0) => {
                    Finding::unknown("nothing was searched for passwords", evidence)
                }
                None => Finding::pass(format!("no password stands in {} files", last.files), evidence),
            }
        }
        None if record.keeps_evidence() => {
            Finding::unknown("nobody searched the run's files for passwords", json!({ "searched": false }))
        }
        None => Finding::pass(
            "not judged: this run is older than the search for passwords",
            json!({ "searched": false }),
        ),
    }
}
