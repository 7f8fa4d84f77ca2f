//! A report as one screen of a terminal: verdict, what happened, the four figures, why it is no pass, where the rest is.

use std::fmt::{Display, Write as _};

use super::{FaultLine, Report, figures};
use crate::model::Name;
use crate::stats::figures::{seconds, seconds_or_dash, sentence};

/// Faults and reasons named at most, each.
const SHOWN: usize = 6;
/// Letters of a line.
const WIDE: usize = 160;

/// The summary of a run whose directory is `dir`. Ends with a newline.
#[must_use]
pub fn summary(report: &Report, dir: &dyn Display) -> String {
    let mut out = String::new();
    let preset = report.preset.as_ref().map(|preset| format!("preset {preset}, ")).unwrap_or_default();
    // writing to a string cannot fail
    let _ = writeln!(out, "{}  {}  ({preset}seed {})", report.verdict, report.scenario, report.seed);
    let _ = writeln!(out, "{}", line(&report.about));
    listed(&mut out, report.faults.iter().map(happened).collect());
    let figures = figures::figures(report);
    let names = figures.iter().map(|figure| figure.name.len()).max().unwrap_or(0);
    let values = figures.iter().map(|figure| figure.value.chars().count()).max().unwrap_or(0);
    let _ = writeln!(out);
    for figure in &figures {
        let _ = writeln!(out, "  {:names$}  {:values$}  {}", figure.name, figure.value, line(&figure.note));
    }
    if !report.reasons.is_empty() {
        let _ = writeln!(out);
        listed(&mut out, report.reasons.iter().map(|reason| line(&sentence(reason))).collect());
    }
    let _ = writeln!(out, "\nreport: {dir}/{}", super::html::FILE);
    out
}

/// Lines of a list, and how many are left out.
fn listed(out: &mut String, lines: Vec<String>) {
    let more = lines.len().saturating_sub(SHOWN);
    for line in lines.into_iter().take(SHOWN) {
        let _ = writeln!(out, "  {line}");
    }
    if more > 0 {
        let _ = writeln!(out, "  and {more} more");
    }
}

/// What a fault did, in one line.
fn happened(fault: &FaultLine) -> String {
    let hit: Vec<&str> = fault.hit.iter().map(Name::as_str).collect();
    let healed = match (fault.began_ms, fault.healed_ms) {
        (Some(began), Some(healed)) => format!(", healed after {}", seconds(healed - began)),
        (Some(_), None) => ", not healed".to_owned(),
        (None, _) => ", never injected".to_owned(),
    };
    let hit = if hit.is_empty() { String::new() } else { format!(" {}", hit.join(", ")) };
    line(&format!("at {}: {}{hit}{healed}", seconds_or_dash(fault.began_ms), fault.verb))
}

/// A text as one line that does not move a terminal.
fn line(text: &str) -> String {
    let plain = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    let plain: String = plain.collect();
    super::html::cut(&plain, WIDE)
}
