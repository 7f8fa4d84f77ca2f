//! What each controller decided, with its reason, and what it warned of.
//!
//! Decisions come from the controllers' journals. A run that kept none has their word at every look instead. Alarms are those of
//! the report.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::states::{LaneState, bands};
use crate::check::decided::LineSays;
use crate::model::MemberId;
use crate::model::control::ControllerStatus;
use crate::model::lab::controller_of;
use crate::report::html::bounds::SAYS;
use crate::report::html::markup::cut;
use crate::report::html::page::{Band, Lane, Mark, Row, Tone};

/// What each controller decided.
pub(super) fn decisions(run: &Run<'_>) -> Option<Lane> {
    let mut rows = of_journals(run);
    let told: BTreeSet<String> = rows.iter().map(|row| row.label.clone()).collect();
    rows.extend(of_looks(run).into_iter().filter(|row| !told.contains(&row.label)));
    let note = "a step, its reason under the pointer; triangles: deeds done";
    Lane::of_rows("Controllers", note, rows)
}

fn of_journals(run: &Run<'_>) -> Vec<Row> {
    let (_, end) = run.whole();
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    for line in run.decisions {
        let row = rows.entry(&line.controller).or_default();
        let at = run.ms(line.at);
        match &line.what {
            LineSays::Decided { step, subject, reason, deeds } => {
                if let Some(last) = row.bands.last_mut() {
                    last.to_ms = at;
                }
                let LaneState { tone, label, says } = decided_state(step, subject, reason, deeds);
                row.bands.push(Band { from_ms: at, to_ms: end.max(at), label, says, tone });
            }
            LineSays::Did { deed, error, .. } => row.marks.push(did(at, deed, error.as_deref())),
        }
    }
    rows.into_iter().map(|(name, row)| Row { label: name.to_owned(), ..row }).collect()
}

fn decided_state(step: &str, subject: &str, reason: &str, deeds: &[String]) -> LaneState {
    let about = if subject.is_empty() { String::new() } else { format!(" {subject}") };
    let does = if deeds.is_empty() { String::new() } else { format!("; does: {}", deeds.join(", ")) };
    let tone = if deeds.is_empty() { Tone::Frame } else { Tone::Act };
    LaneState::new(tone, step, format!("{step}{about}: {reason}{does}"))
}

fn did(at_ms: f64, deed: &str, error: Option<&str>) -> Mark {
    let says = error.map_or_else(|| format!("{deed}: done"), |error| format!("{deed}: not done, {error}"));
    let tone = if error.is_some() { Tone::Bad } else { Tone::Good };
    Mark { at_ms, label: String::new(), says: cut(&says, SAYS), tone }
}

/// What the active replica of each controller said of itself at every look.
fn of_looks(run: &Run<'_>) -> Vec<Row> {
    let replicas: BTreeSet<&MemberId> =
        run.services().flat_map(|(_, seen)| seen.controllers.keys()).collect();
    let names: BTreeSet<&str> = replicas.iter().map(|member| controller_of(member)).collect();
    let row = |name: &str| {
        let looks = run.services().map(|(at, seen)| {
            let replicas = seen.controllers.iter().filter(|(member, _)| controller_of(member) == name);
            let status = replicas.filter_map(|(_, sight)| sight.seen()).find(|status| status.active);
            (at, status.map(own_word))
        });
        Row { label: name.to_owned(), bands: bands(looks), marks: Vec::new() }
    };
    names.into_iter().map(row).collect()
}

fn own_word(status: &ControllerStatus) -> LaneState {
    let subject = status.subject.as_ref().map(ToString::to_string).unwrap_or_default();
    decided_state(&status.step, &subject, &status.reason, &[])
}

/// What needed a person, alarm by alarm.
pub(super) fn alarms(run: &Run<'_>) -> Option<Lane> {
    let (_, end) = run.whole();
    let mut rows: BTreeMap<(&str, String), Row> = BTreeMap::new();
    for alarm in run.report.alarms.iter().flatten() {
        let about = alarm.subject.as_ref().map_or("the lab", |subject| subject.as_str());
        let label = format!("{} {about}", alarm.kind);
        let row = rows.entry((&alarm.controller, label.clone())).or_default();
        let cleared = if alarm.cleared_ms.is_some() { "" } else { "; never cleared" };
        row.bands.push(Band {
            from_ms: alarm.raised_ms,
            to_ms: alarm.cleared_ms.unwrap_or(end),
            label,
            says: cut(&format!("{}: {}{cleared}", alarm.controller, alarm.text), SAYS),
            tone: Tone::Warn,
        });
        row.marks.extend(alarm.changes.iter().map(|change| Mark {
            at_ms: change.at_ms,
            label: String::new(),
            says: cut(&change.text, SAYS),
            tone: Tone::Warn,
        }));
    }
    let rows = rows.into_iter().map(|((controller, _), row)| Row { label: controller.to_owned(), ..row });
    Lane::of_rows("Alarms", "what needs a person, as the controllers said it", rows.collect())
}
