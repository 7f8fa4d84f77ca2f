//! The tables of a page: faults, loads, how clients came back, members that were writable at once.

use super::bounds::LINES;
use super::markup::cut;
use super::page::Table;
use crate::model::Name;
use crate::report::{BackLine, FaultLine, LoadLine, Report};
use crate::stats::Percentiles;
use crate::stats::figures::{count, dash, rate, seconds, seconds_or_dash};

/// Every table that has a row.
#[must_use]
pub fn tables(report: &Report) -> Vec<Table> {
    let tables =
        [faults(report), clients(report), loads(report), codes(report), writers(report), sizes(report)];
    tables.into_iter().filter(|table| !table.rows.is_empty()).map(bounded).collect()
}

fn bounded(mut table: Table) -> Table {
    let more = table.rows.len().saturating_sub(LINES);
    table.rows.truncate(LINES);
    if more > 0 {
        table.more = format!("and {} more, in report.json", count(more as u64));
    }
    table
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
        let nodes: Vec<&str> = window.nodes.iter().map(Name::as_str).collect();
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
            cut(change.why.as_deref().unwrap_or("–"), super::bounds::SAYS),
        ]
    };
    let head = ["after", "member", "from", "to", "used before", "acknowledged in a second", "why"];
    table("Sizes", &head, report.sizes.iter().map(row).collect())
}
