//! `secrets`: no password of the lab stands in anything the run wrote down.
//!
//! The runner knows the passwords and searches for them before the lab goes; the judge does not know
//! them, so it rests on that search. A run nobody searched is *unknown*, except one older than the search.

use serde_json::json;

use super::record::{Finding, Record};

/// Judges the search.
#[must_use]
pub fn check(record: &Record) -> Finding {
    match &record.history.searched {
        Some((files, found)) => {
            let evidence = json!({ "files": files, "found": found });
            match found.first() {
                Some(first) => {
                    let number = found.len();
                    Finding::fail(
                        format!("a password stands in {number} places, the first is {first}"),
                        evidence,
                    )
                }
                None if *files == 0 => Finding::unknown("nothing was searched for passwords", evidence),
                None => Finding::pass(format!("no password stands in {files} files"), evidence),
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
