//! `controller`: a controller took a decision that was asked for, by its own journal. The word of the judged
//! explains and proves nothing about the lab; here it is the very thing that is asked about.

use serde_json::json;

use super::brokered::decisions;
use super::record::{Finding, RunRecord};
use crate::model::Expect;

/// Judges what controllers decided.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let wanted = record.scenario.expects.iter().filter_map(|expect| match expect {
        Expect::Controller { name, decision } => Some((name.as_str(), decision.as_str())),
        _ => None,
    });
    let mut seen = Vec::new();
    for (name, decision) in wanted {
        let Some(steps) = decisions(record, name) else {
            let said = format!("no journal of controller `{name}` was kept");
            return Finding::unknown(said, json!({ "decisions": seen }));
        };
        let times = steps.iter().filter(|step| *step == decision).count();
        seen.push(json!({ "controller": name, "decision": decision, "times": times }));
        if times == 0 {
            let said = format!("controller `{name}` never decided to `{decision}`");
            return Finding::fail(said, json!({ "decisions": seen }));
        }
    }
    Finding::pass(
        format!("{} decisions that were asked for were taken", seen.len()),
        json!({ "decisions": seen }),
    )
}
