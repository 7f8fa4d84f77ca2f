//! The four figures that matter first: last client back, acknowledged writes lost, time below full redundancy, verdict. Pages
//! and the terminal show the same ones.

use serde::Serialize;

use super::{BackLine, Report};
use crate::check::redundancy::Redundancy;
use crate::model::scenario::{Endpoint, VerdictWord};
use crate::stats::figures::{count, dash, seconds, seconds_or_dash};

/// One of the figures that matter first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Figure {
    /// What it counts.
    pub name: &'static str,
    /// How much, with its unit.
    pub value: String,
    /// What must be known with it.
    pub note: String,
    /// How good that is.
    pub good: VerdictWord,
}

/// The four figures of a run.
#[must_use]
pub fn figures(report: &Report) -> [Figure; 4] {
    [last_back(report), lost(report), below_redundancy(report), verdict(report)]
}

fn last_back(report: &Report) -> Figure {
    let figure = |value: String, note: String, good| Figure { name: "last client back", value, note, good };
    let Some(line) = report.endpoints.get(&Endpoint::Rw) else {
        return figure(dash(), "no load used 5432".to_owned(), VerdictWord::Unknown);
    };
    let verdict = verdict_of(report, "outage");
    if report.faults.is_empty() {
        return figure(dash(), "no fault was injected".to_owned(), VerdictWord::Unknown);
    }
    let Some(back) = &line.back else {
        let note = "the longest time in which nobody was acknowledged; this journal numbers no clients";
        return figure(seconds(line.outage_max_ms), note.to_owned(), verdict);
    };
    let BackLine { clients, hurt, never_back, first_back_ms, median_back_ms, .. } = back;
    match back.last_back_ms {
        _ if *never_back > 0 => {
            let note = format!("{never_back} of {hurt} hurt clients were out to the end of the load");
            figure("never".to_owned(), note, VerdictWord::Fail.max(verdict))
        }
        _ if *hurt == 0 => {
            figure("none out".to_owned(), format!("none of {clients} clients was hurt"), verdict)
        }
        None => figure(dash(), format!("{hurt} of {clients} clients were hurt"), VerdictWord::Unknown),
        Some(last) => {
            let first = seconds_or_dash(*first_back_ms);
            let median = seconds_or_dash(*median_back_ms);
            let note = format!("{hurt} of {clients} clients hurt; first back {first}, median {median}");
            figure(seconds(last), note, verdict)
        }
    }
}

fn lost(report: &Report) -> Figure {
    let figure =
        |value: String, note: String, good| Figure { name: "acknowledged writes lost", value, note, good };
    let loss = &report.loss;
    let verdict = verdict_of(report, "lost-acks");
    if loss.acked == 0 {
        return figure(dash(), "no load left marks to look for".to_owned(), VerdictWord::Unknown);
    }
    let local = if loss.lost_local > 0 {
        format!("; {} more that the primary alone had acknowledged", count(loss.lost_local))
    } else {
        String::new()
    };
    let sure = if verdict == VerdictWord::Unknown { "; not all is known" } else { "" };
    figure(count(loss.lost), format!("of {}{local}{sure}", count(loss.acked)), verdict)
}

fn below_redundancy(report: &Report) -> Figure {
    let figure = |value: String, note: &str, good| Figure {
        name: "time below full redundancy",
        value,
        note: note.to_owned(),
        good,
    };
    let lines = &report.redundancy;
    if lines.is_empty() {
        return figure(dash(), "no fault was injected", VerdictWord::Unknown);
    }
    if lines.iter().any(|line| line.lost_ms.is_none() && line.restored_ms.is_none()) {
        return figure(dash(), "no look showed the copies after a fault", VerdictWord::Unknown);
    }
    let below: f64 = lines.iter().map(below_ms).sum();
    let never = lines.iter().any(|line| line.lost_ms.is_some() && line.restored_ms.is_none());
    let verdict = verdict_of(report, "redundancy");
    let (note, good) = if never {
        ("at least: a copy was still missing at the last look", VerdictWord::Fail)
    } else if below > 0.0 {
        ("between looks that showed a copy missing and all back", verdict)
    } else {
        ("every look showed every copy", verdict)
    };
    figure(seconds(below), note, good)
}

/// From the first look that showed a copy missing to the one that showed all back, or the last.
fn below_ms(line: &Redundancy) -> f64 {
    let until = line.restored_ms.unwrap_or(line.watched_ms);
    line.lost_ms.map_or(0.0, |lost| (until - lost).max(0.0))
}

fn verdict(report: &Report) -> Figure {
    let passed = report.checks.iter().filter(|check| check.verdict == VerdictWord::Pass).count();
    let note = match &report.ends {
        None => format!("{passed} of {} checks passed", report.checks.len()),
        Some(ends) if ends.met => format!("as it must: this scenario ends in {}", ends.verdict),
        Some(ends) => format!("not as it must: this scenario ends in {}", ends.verdict),
    };
    let good = match &report.ends {
        Some(ends) if ends.met => VerdictWord::Pass,
        Some(_) => VerdictWord::Fail,
        None => report.verdict,
    };
    Figure { name: "verdict", value: report.verdict.to_string(), note, good }
}

/// What a check said; *pass* where nothing was asked of it.
fn verdict_of(report: &Report, name: &str) -> VerdictWord {
    let check = report.checks.iter().find(|check| check.name == name);
    check.map_or(VerdictWord::Pass, |check| check.verdict)
}
