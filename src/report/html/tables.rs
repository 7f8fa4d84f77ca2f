//! The tables of a page: faults and their receipts, decisions, alarms, loads, how clients came back, members that were
//! writable at once. What a lane shows under a pointer stands here in words, for paper and for screens without one.

use super::bounds::{LINES, SAYS};
use super::lanes::{Run, receipt};
use super::markup::cut;
use super::page::Table;
use crate::check::decided::LineSays;
use crate::model::{MemberId, Name, Receipt};
use crate::report::{AlarmLine, BackLine, FaultLine, LoadLine, Report};
use crate::stats::Percentiles;
use crate::stats::figures::{count, dash, rate, seconds, seconds_or_dash};

/// Every table that has a row.
#[must_use]
pub fn tables(run: &Run<'_>) -> Vec<Table> {
    const REPORT: &str = "report.json";
    let report = run.report;
    let tables = [
        (faults(report), REPORT),
        (receipts(report), REPORT),
        (clients(report), REPORT),
        (decisions(run), "the logs of the controllers"),
        (alarms(report), REPORT),
        (loads(report), REPORT),
        (codes(report), REPORT),
        (writers(report), REPORT),
        (sizes(report), REPORT),
    ];
    let shown = tables.into_iter().filter(|(table, _)| !table.rows.is_empty());
    shown.map(|(table, whole)| bounded(table, whole)).collect()
}

fn bounded(mut table: Table, whole: &str) -> Table {
    let more = table.rows.len().saturating_sub(LINES);
    table.rows.truncate(LINES);
    if more > 0 {
        table.more = format!("and {} more, in {whole}", count(more as u64));
    }
    table
}

fn receipts(report: &Report) -> Table {
    let row = |fault: &FaultLine| {
        let words = |seen: Option<&Receipt>| cut(&seen.map_or_else(dash, receipt), SAYS);
        vec![fault.id.to_string(), words(fault.receipt.as_ref()), words(fault.heal.as_ref())]
    };
    let head = ["fault", "it bit", "it was undone"];
    table("Receipts", &head, report.faults.iter().map(row).collect())
}

/// What controllers decided, each decision once until another follows.
fn decisions(run: &Run<'_>) -> Table {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for said in run.decisions {
        let LineSays::Decided { step, subject, reason, .. } = &said.what else { continue };
        let told = vec![said.controller.clone(), step.clone(), subject.clone(), cut(reason, SAYS)];
        let before = rows.iter().rfind(|row| row.get(1) == told.first());
        if before.is_none_or(|row| row.get(1..) != Some(told.as_slice())) {
            rows.push(std::iter::once(seconds(run.ms(said.at))).chain(told).collect());
        }
    }
    table("Decisions", &["after", "controller", "step", "about", "reason"], rows)
}

fn alarms(report: &Report) -> Table {
    let row = |alarm: &AlarmLine| {
        vec![
            seconds(alarm.raised_ms),
            alarm.cleared_ms.map_or_else(|| "never".to_owned(), seconds),
            alarm.kind.to_string(),
            alarm.subject.as_ref().map_or_else(|| "the lab".to_owned(), MemberId::to_string),
            alarm.controller.clone(),
            cut(&alarm.text, SAYS),
        ]
    };
    let head = ["raised", "cleared", "kind", "about", "by", "said"];
    table("Alarms", &head, report.alarms.iter().flatten().map(row).collect())
}

fn table(title: &str, head: &[&'static str], rows: Vec<Vec<String>>) -> Table {
    Table { title: title.to_owned(), head: head.to_vec(), rows, more: String::new() }
}

fn faults(report: &Report) -> Table {
    let row = |fault: &FaultLine| {
        let stages = report.failovers.iter().find(|seen| seen.fault == fault.id).map(|seen| seen.stages);
        let stage =
            |pick: fn(&crate::report::Stages) -> Option<f64>| seconds_or_dash(stages.as_ref().and_then(pick));
        vec![
            fault.id.to_string(),
            fault.verb.clone(),
            cut(&fault.hit.iter().map(Name::as_str).collect::<Vec<_>>().join(", "), 120),
            seconds_or_dash(fault.began_ms),
            seconds_or_dash(fault.healed_ms),
            stage(|stages| stages.elected_ms),
            stage(|stages| stages.writable_ms),
            stage(|stages| stages.first_ack_ms),
            stage(|stages| stages.last_back_ms),
        ]
    };
    let head = [
        "id",
        "verb",
        "hit",
        "began",
        "healed",
        "elected after",
        "writable after",
        "first ack after",
        "last back after",
    ];
    table("Faults", &head, report.faults.iter().map(row).collect())
}

fn clients(report: &Report) -> Table {
    let row = |endpoint: &str, back: &BackLine| {
        vec![
            endpoint.to_owned(),
            back.fault.as_ref().map_or_else(|| "the whole run".to_owned(), ToString::to_string),
            format!("{} of {}", back.hurt, back.clients),
            seconds_or_dash(back.first_back_ms),
            seconds_or_dash(back.median_back_ms),
            seconds_or_dash(back.last_back_ms),
            back.never_back.to_string(),
            seconds(back.nobody_ms),
        ]
    };
    let rows = report.endpoints.iter().flat_map(|(endpoint, line)| {
        line.back
            .iter()
            .chain(&line.backs)
            .filter(|back| back.hurt > 0)
            .map(move |back| row(endpoint.as_str(), back))
    });
    let head = [
        "endpoint",
        "after",
        "hurt",
        "first back",
        "median back",
        "last back",
        "never back",
        "nobody acknowledged",
    ];
    table("Clients", &head, rows.collect())
}

fn loads(report: &Report) -> Table {
    let row = |load: &LoadLine| {
        let ops = &load.operations;
        let took = |pick: fn(&Percentiles) -> f64| seconds_or_dash(load.latency_ms.as_ref().map(pick));
        vec![
            load.name.to_string(),
            load.endpoint.clone(),
            count(ops.ok),
            count(ops.ok_local),
            count(ops.fail),
            count(ops.info),
            load.throughput.map_or_else(dash, rate),
            took(|took| took.p50),
            took(|took| took.p99),
            took(|took| took.max),
        ]
    };
    let head = ["load", "endpoint", "ok", "ok-local", "fail", "info", "in a second", "p50", "p99", "max"];
    table("Loads", &head, report.loads.iter().map(row).collect())
}

/// Errors by class and code, as the check `errors` counted them.
fn codes(report: &Report) -> Table {
    let check = report.checks.iter().find(|check| check.name == "errors");
    let errors = check.and_then(|check| check.evidence.get("errors")?.as_array()).map(Vec::as_slice);
    let row = |error: &serde_json::Value| {
        let text = |key: &str| error.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
        let number = error.get("count").and_then(serde_json::Value::as_u64).unwrap_or_default();
        vec![text("class").to_owned(), cut(text("code"), 80), count(number)]
    };
    table("Errors", &["class", "code", "operations"], errors.unwrap_or_default().iter().map(row).collect())
}

fn writers(report: &Report) -> Table {
    let row = |window: &crate::report::ZombieLine| {
        let nodes: Vec<&str> = window.nodes.iter().map(MemberId::as_str).collect();
        vec![
            nodes.join(", "),
            seconds(window.from_ms),
            seconds(window.to_ms),
            seconds(window.to_ms - window.from_ms),
        ]
    };
    let rows = report.one_writer.zombie_windows.iter().map(row).collect();
    table("Writable at once", &["members", "from", "to", "took"], rows)
}

fn sizes(report: &Report) -> Table {
    let row = |change: &crate::check::sizes::LimitChange| {
        let words = |amount: f64| change.resource.words(amount);
        vec![
            seconds(change.at_ms),
            change.member.to_string(),
            words(change.from),
            words(change.to),
            change.used.map_or_else(dash, words),
            rate(change.per_second),
            cut(change.why.as_deref().unwrap_or("–"), SAYS),
        ]
    };
    let head = ["after", "member", "from", "to", "used before", "acknowledged in a second", "why"];
    table("Sizes", &head, report.sizes.iter().map(row).collect())
}
