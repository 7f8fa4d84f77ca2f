//! What controllers said they decided and did, in their own words: the lines of their journals in the order in which they
//! happened. Nothing is concluded from it here; what they warned of is in `alarm`.

use serde::Deserialize;
use serde_json::Value;

use super::brokered;
use super::record::RunRecord;
use crate::model::Mono;

/// One line of a controller's journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecidedLine {
    /// Who wrote the line, as the lab file names it.
    pub controller: String,
    /// When it was written, on the machine's monotonic clock.
    pub at: Mono,
    /// What kind of line it is.
    pub what: LineSays,
}

/// What a line of a journal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineSays {
    /// The controller decided, or went on with what it had decided.
    Decided {
        /// Where the controller is in its work, one word.
        step: String,
        /// About whom; empty for nobody in particular.
        subject: String,
        /// Why, as a sentence for people.
        reason: String,
        /// Deeds that follow, by name.
        deeds: Vec<String>,
    },
    /// A deed came to its end.
    Did {
        /// Name of the deed.
        deed: String,
        /// When it was begun, on the machine's monotonic clock.
        began: Mono,
        /// What went wrong; absent: it was done.
        error: Option<String>,
    },
}

#[derive(Deserialize)]
struct JournalText {
    entry: String,
    at: Mono,
    #[serde(default)]
    began: Mono,
    #[serde(default)]
    step: Value,
    #[serde(default)]
    steps: Vec<Value>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    error: Option<String>,
}

/// Every line of every journal that was kept, in the order of its instants.
#[must_use]
pub fn measure(record: &RunRecord) -> Vec<DecidedLine> {
    let lines = brokered::journals(record)
        .flat_map(|(name, log)| brokered::lines::<JournalText>(log).map(move |line| (name, line)));
    let mut said: Vec<DecidedLine> = lines.filter_map(|(name, line)| of_line(name, line)).collect();
    said.sort_by_key(|line| line.at);
    said
}

fn of_line(controller: &str, line: JournalText) -> Option<DecidedLine> {
    let JournalText { entry, at, began, step, steps, subject, reason, error } = line;
    let what = match entry.as_str() {
        "decided" => LineSays::Decided {
            step: step.as_str().unwrap_or_default().to_owned(),
            subject: subject.unwrap_or_default(),
            reason,
            deeds: steps.iter().map(name).collect(),
        },
        "did" => LineSays::Did { deed: name(&step), began, error },
        _ => return None,
    };
    Some(DecidedLine { controller: controller.to_owned(), at, what })
}

/// The name of a deed: it is written as its name, or as an object with its name as the only key.
fn name(step: &Value) -> String {
    let key = step.as_object().and_then(|deed| deed.keys().next()).map(String::as_str);
    key.or_else(|| step.as_str()).unwrap_or("deed").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_kind_of_line_is_read_and_others_are_not() {
        let read = |line: Value| {
            of_line("repair", serde_json::from_value(line).expect("a line")).map(|said| said.what)
        };
        let decided = json!({ "entry": "decided", "at": 5, "step": "fence", "subject": "postgres-1", "reason": "dead",
            "steps": [{ "fence": { "container": "c" } }, "open"] });
        assert_eq!(
            read(decided),
            Some(LineSays::Decided {
                step: "fence".to_owned(),
                subject: "postgres-1".to_owned(),
                reason: "dead".to_owned(),
                deeds: vec!["fence".to_owned(), "open".to_owned()],
            })
        );
        let did = json!({ "entry": "did", "began": 5, "at": 6, "step": { "fence": {} }, "error": "no" });
        assert_eq!(
            read(did),
            Some(LineSays::Did { deed: "fence".to_owned(), began: Mono(5), error: Some("no".to_owned()) })
        );
        assert_eq!(read(json!({ "entry": "active", "at": 1, "active": true })), None);
    }
}
