//! `journal`: the record itself is whole ([`whole`]). A run that was killed is readable up to its last line, and
//! proves nothing: what is not written may be exactly the write that was lost.

use serde_json::json;

use super::record::{Finding, RunRecord};
use super::whole::Hole;

#[cfg(doc)]
use super::whole;

/// The name under which the record itself is judged.
pub const NAME: &str = "journal";

/// Holes named in evidence at most.
const HOLES_SHOWN: usize = 20;

/// Judges the record by its holes.
#[must_use]
pub fn check(record: &RunRecord, holes: &[Hole]) -> Finding {
    let history = &record.history;
    let evidence = json!({
        "operations": history.ops.len(),
        "writers": history.writers.len(),
        "sightings": record.sightings.len(),
        "problems": history.problems.iter().take(10).collect::<Vec<_>>(),
        "gaps": holes.iter().take(HOLES_SHOWN).map(|hole| &hole.says).collect::<Vec<_>>(),
    });
    match holes.first() {
        None => Finding::pass(format!("the record is whole: {} operations", history.ops.len()), evidence),
        Some(first) => Finding::unknown(&first.says, evidence),
    }
}
