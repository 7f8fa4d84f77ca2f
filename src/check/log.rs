//! `log`: no body's log shows what must never happen, nor a text a scenario forbids.
//!
//! PostgreSQL's PANIC, a page that is invalid and a system identifier that does not match mean broken
//! data or a broken cluster. A fault that takes the disk away, flips bytes on it or drops unsynced pages
//! explains them on the members it hit; then they are named in the evidence and excused, and so is what the scenario
//! says may be there.
//!
//! Logs explain, they do not prove: that a text is absent says as much as the logs kept. A run without
//! logs is *unknown*, except one older than this rule.

use serde_json::json;

use super::deeds;
use super::record::{Finding, RunRecord};
use crate::model::scenario::{Cache, Verb};
use crate::model::{Expect, FaultTarget, MemberId};

/// Texts that must not be in any log: (as the server writes it, how it is called here).
const FORBIDDEN_TEXTS: [(&str, &str); 5] = [
    ("PANIC:", "PANIC"),
    ("invalid page", "invalid page"),
    ("system ID mismatch", "system ID mismatch"),
    ("database system identifier differs", "system ID mismatch"),
    ("system identifier mismatch", "system ID mismatch"),
];
/// Longest line shown in evidence, characters.
const LINE_SHOWN: usize = 200;
/// Lines named in evidence at most.
const LINES_SHOWN: usize = 10;

/// One line that should not be there.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LoggedLine<'a> {
    member: &'a MemberId,
    number: usize,
    what: &'a str,
    text: String,
}

/// Judges the log of every body, member by member.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let (mut absent, mut tolerated) = (Vec::new(), Vec::new());
    for expect in &record.scenario.expects {
        if let Expect::Log { absent: never, tolerated: may } = expect {
            absent.extend(never.as_deref());
            tolerated.extend(may.as_deref());
        }
    }
    let hosts = deeds::hosts(record);
    let (mut found, mut excused) = (Vec::new(), Vec::new());
    for (member, log) in &record.logs {
        for (number, line) in (1..).zip(log.lines()) {
            let text = || line.chars().take(LINE_SHOWN).collect();
            if let Some(what) = absent.iter().copied().find(|absent| line.contains(absent)) {
                found.push(LoggedLine { member, number, what, text: text() });
            }
            let Some((_, what)) = FORBIDDEN_TEXTS.iter().find(|(never, _)| line.contains(never)) else {
                continue;
            };
            let tolerated = tolerated.iter().any(|may| line.contains(may));
            let to = if tolerated || excuse(record, &hosts, member) { &mut excused } else { &mut found };
            to.push(LoggedLine { member, number, what, text: text() });
        }
    }
    let show = |lines: &[LoggedLine<'_>]| {
        let shown = lines.iter().take(LINES_SHOWN);
        shown
            .map(|line| json!({ "member": line.member, "line": line.number, "what": line.what, "text": line.text }))
            .collect::<Vec<_>>()
    };
    let evidence = json!({
        "logs": record.logs.len(),
        "found": show(&found),
        "excused": show(&excused),
    });
    let lines = found.len();
    match found.first() {
        Some(LoggedLine { member, number, what, .. }) => Finding::fail(
            format!("`{what}` stands in the log of `{member}`, line {number} ({lines} lines)"),
            evidence,
        ),
        None if record.logs.is_empty() && !absent.is_empty() => {
            Finding::unknown("no log was kept, so what is not in it is not known", evidence)
        }
        None if record.logs.is_empty() && record.keeps_evidence() => {
            Finding::unknown("no log was kept", evidence)
        }
        None if record.logs.is_empty() => Finding::pass("not judged: no log was kept", evidence),
        None => Finding::pass(
            format!(
                "nothing forbidden in {} logs; {} lines excused by a fault{}",
                record.logs.len(),
                excused.len(),
                if tolerated.is_empty() { "" } else { " or by the scenario" }
            ),
            evidence,
        ),
    }
}

/// Whether a fault on this member explains broken data or a full disk.
fn excuse(
    record: &RunRecord,
    hosts: &std::collections::BTreeMap<&MemberId, std::collections::BTreeSet<&crate::model::HostName>>,
    member: &MemberId,
) -> bool {
    let here = |target: &FaultTarget| match target {
        FaultTarget::Member(id) => id == member,
        FaultTarget::Host(host) => hosts.get(member).is_some_and(|hosts| hosts.contains(host)),
    };
    record
        .history
        .faults
        .iter()
        .any(|fault| fault.began.is_some() && excuses(&fault.verb) && fault.targets.iter().any(here))
}

fn excuses(verb: &Verb) -> bool {
    match verb {
        Verb::DiskFill { .. } | Verb::DiskCorrupt { .. } | Verb::PowerOff { cache: Cache::Lost, .. } => true,
        Verb::Repeat { verb, .. } => excuses(verb),
        _ => false,
    }
}
