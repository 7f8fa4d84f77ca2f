//! A report as Markdown, for a pull request or a terminal: the verdict first, numbers in tables.

use std::fmt::Write as _;

use super::{BackLine, LoadLine, Report};
use crate::model::{MemberId, Name};
use crate::stats::Percentiles;
use crate::stats::figures::{bytes, count, dash, rate, seconds, seconds_or_dash, sentence};

/// Renders a report. Ends with a newline.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    // writing to a string cannot fail
    let _ = head(&mut out, report)
        .and_then(|()| checks(&mut out, report))
        .and_then(|()| numbers(&mut out, report));
    out
}

fn head(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "# {}: {}\n\n{}\n", report.scenario, report.verdict, report.about)?;
    writeln!(
        out,
        "Preset `{}`, seed {}, started {}, pgha {}.",
        report.preset.as_ref().map_or("none", |preset| preset.as_str()),
        report.seed,
        report.started,
        report.environment.pgha
    )?;
    if let Some(ends) = &report.ends {
        let by = ends.check.as_ref().map(|check| format!(" by `{check}`")).unwrap_or_default();
        let met = if ends.met { "it did" } else { "it did not" };
        writeln!(out, "\nThis scenario must end in {}{by}: {met}.", ends.verdict)?;
    }
    if !report.reasons.is_empty() {
        writeln!(out)?;
        report.reasons.iter().try_for_each(|reason| writeln!(out, "- {}", sentence(reason)))?;
    }
    Ok(())
}

fn checks(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "\n## Checks\n\n| check | verdict | finding |\n|---|---|---|")?;
    report.checks.iter().try_for_each(|check| {
        let asked = if check.asked { " (asked)" } else { "" };
        writeln!(out, "| {}{asked} | {} | {} |", check.name, check.verdict, cell(&sentence(&check.summary)))
    })
}

fn numbers(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Faults\n\n| id | verb | hit | began | healed | first ack after | inject | heal |\n|---|---|---|---|---|---|---|---|"
    )?;
    for fault in &report.faults {
        let hit: Vec<&str> = fault.hit.iter().map(Name::as_str).collect();
        let back = report.failovers.iter().find(|failover| failover.fault == fault.id);
        let first_ack = seconds_or_dash(back.and_then(|failover| failover.stages.first_ack_ms));
        let (began, healed) = (seconds_or_dash(fault.began_ms), seconds_or_dash(fault.healed_ms));
        let (inject, heal) = (seconds_or_dash(fault.inject_ms), seconds_or_dash(fault.heal_ms));
        writeln!(
            out,
            "| {} | {} | {} | {began} | {healed} | {first_ack} | {inject} | {heal} |",
            fault.id,
            fault.verb,
            hit.join(", ")
        )?;
    }
    writeln!(
        out,
        "\n## Loads\n\n| load | endpoint | ok | ok-local | fail | info | per second | p50 | p99 | max |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    report.loads.iter().try_for_each(|load| load_row(out, load))?;
    outages(out, report)?;
    let loss = &report.loss;
    writeln!(
        out,
        "\n## Loss\n\n| acked | lost | WAL | over | boundary | unexpected | recovered | zombie acks |\n|---|---|---|---|---|---|---|---|"
    )?;
    writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        count(loss.acked),
        count(loss.lost),
        bytes(loss.lost_bytes),
        seconds(loss.lost_seconds * 1e3),
        count(loss.boundary),
        count(loss.unexpected),
        count(loss.recovered),
        count(loss.zombie_acks)
    )?;
    zombies(out, report)?;
    copies(out, report)?;
    sizes(out, report)?;
    alarms(out, report)?;
    exposure(out, report)?;
    let converged =
        report.converged_ms.map(|ms| format!("\nWhole again {} after the last heal.\n", seconds(ms)));
    write!(out, "{}", converged.unwrap_or_default())
}

fn outages(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Outages\n\n| endpoint | last back | median back | first back | hurt | never back | nobody acknowledged | together | number |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for (endpoint, line) in &report.endpoints {
        back(out, &endpoint.to_string(), line.back.as_ref())?;
        let (longest, together) = (seconds(line.outage_max_ms), seconds(line.outage_total_ms));
        writeln!(out, " {longest} | {together} | {} |", line.windows.len())?;
    }
    let of_fault = |line: &&BackLine| line.fault.is_some() && line.hurt > 0;
    let hurt = || {
        report
            .endpoints
            .iter()
            .flat_map(|(endpoint, line)| line.backs.iter().map(move |back| (endpoint, back)))
    };
    if !hurt().any(|(_, line)| of_fault(&line)) {
        return Ok(());
    }
    writeln!(
        out,
        "\n| fault, endpoint | last back | median back | first back | hurt | never back | nobody acknowledged |\n|---|---|---|---|---|---|---|"
    )?;
    for (endpoint, line) in hurt().filter(|(_, line)| of_fault(line)) {
        let fault = line.fault.as_ref().map_or("any", |fault| fault.as_str());
        back(out, &format!("{fault}, {endpoint}"), Some(line))?;
        writeln!(out, " {} |", seconds(line.nobody_ms))?;
    }
    Ok(())
}

/// The first cells of a row: how clients came back.
fn back(out: &mut String, what: &str, line: Option<&BackLine>) -> std::fmt::Result {
    let at = |pick: fn(&BackLine) -> Option<f64>| seconds_or_dash(line.and_then(pick));
    let (last, median, first) = (at(|l| l.last_back_ms), at(|l| l.median_back_ms), at(|l| l.first_back_ms));
    let hurt = line.map_or_else(dash, |line| format!("{} of {}", line.hurt, line.clients));
    let never = line.map_or_else(dash, |line| line.never_back.to_string());
    write!(out, "| {what} | {last} | {median} | {first} | {hurt} | {never} |")
}

fn zombies(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(staleness) = &report.staleness {
        let super::Staleness { p50_ms, p99_ms, max_ms, reads, went_backwards, missed_own_write } = staleness;
        writeln!(
            out,
            "\n## Staleness\n\n| reads | p50 | p99 | max | went backwards | missed own write |\n|---|---|---|---|---|---|\n\
             | {} | {} | {} | {} | {} | {} |",
            count(*reads),
            seconds(*p50_ms),
            seconds(*p99_ms),
            seconds(*max_ms),
            count(*went_backwards),
            count(*missed_own_write)
        )?;
    }
    if report.one_writer.zombie_windows.is_empty() && report.loss.zombie_acks == 0 {
        return Ok(());
    }
    writeln!(out, "\n## Two writers at once\n\n| nodes | from | to | took |\n|---|---|---|---|")?;
    for window in &report.one_writer.zombie_windows {
        let nodes: Vec<&str> = window.nodes.iter().map(MemberId::as_str).collect();
        let (from, to) = (window.from_ms, window.to_ms);
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            nodes.join(", "),
            seconds(from),
            seconds(to),
            seconds(to - from)
        )?;
    }
    let fates = report.one_writer.zombie_fates;
    writeln!(
        out,
        "\nZombie acknowledgements: {} lost, {} survived, {} unknown.",
        count(fates.lost),
        count(fates.survived),
        count(fates.unknown)
    )
}

fn copies(out: &mut String, report: &Report) -> std::fmt::Result {
    let hurt: Vec<_> = report.redundancy.iter().filter(|line| line.lost_ms.is_some()).collect();
    if hurt.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Copies\n\n| fault | seen missing after | all back after |\n|---|---|---|")?;
    for line in hurt {
        writeln!(
            out,
            "| {} | {} | {} |",
            line.fault,
            seconds_or_dash(line.lost_ms),
            seconds_or_dash(line.restored_ms)
        )?;
    }
    Ok(())
}

fn alarms(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(alarms) = report.alarms.as_ref().filter(|alarms| !alarms.is_empty()) else { return Ok(()) };
    writeln!(
        out,
        "\n## Alarms\n\n| kind | about | raised | cleared | changes | controller | said first |\n|---|---|---|---|---|---|---|"
    )?;
    alarms.iter().try_for_each(|alarm| {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            alarm.kind,
            alarm.subject.as_ref().map_or("the lab", |subject| subject.as_str()),
            seconds(alarm.raised_ms),
            seconds_or_dash(alarm.cleared_ms),
            alarm.changes.len(),
            alarm.controller,
            cell(&alarm.text),
        )
    })
}

/// A run in which sizes move all the time has hundreds of changes; `report.json` has all of them.
const CHANGES: usize = 60;

fn sizes(out: &mut String, report: &Report) -> std::fmt::Result {
    if report.sizes.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Sizes\n\n| after | member | from | to | used before | acknowledged per s | why |\n|---|---|---|---|---|---|---|"
    )?;
    for change in report.sizes.iter().take(CHANGES) {
        let words = |amount: f64| change.resource.words(amount);
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} |",
            seconds(change.at_ms),
            change.member,
            words(change.from),
            words(change.to),
            change.used.map_or_else(dash, words),
            rate(change.per_second),
            cell(change.why.as_deref().unwrap_or("–")),
        )?;
    }
    let more = report.sizes.len().saturating_sub(CHANGES);
    if more > 0 {
        writeln!(out, "\nand {more} more, in `report.json`.")?;
    }
    Ok(())
}

fn exposure(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(exposure) = &report.exposure else { return Ok(()) };
    writeln!(
        out,
        "\n## Exposure\n\nGone if the primary had died at a look, of {} looks; no copy could have followed at {}.\n\n\
         | | median | p95 | max |\n|---|---|---|---|",
        count(exposure.looks),
        count(exposure.without_follower)
    )?;
    let mut row = |name: &str, spread: Option<super::Spread>, words: fn(u64) -> String| match spread {
        Some(spread) => {
            let [median, p95, max] = spread.rounded().map(words);
            writeln!(out, "| {name} | {median} | {p95} | {max} |")
        }
        None => writeln!(out, "| {name} | – | – | – |"),
    };
    row("acknowledged writes", exposure.writes, count)?;
    row("WAL", exposure.wal_bytes, bytes)
}

fn load_row(out: &mut String, load: &LoadLine) -> std::fmt::Result {
    let ops = &load.operations;
    let at = |pick: fn(&Percentiles) -> f64| seconds_or_dash(load.latency_ms.as_ref().map(pick));
    writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        load.name,
        load.endpoint,
        count(ops.ok),
        count(ops.ok_local),
        count(ops.fail),
        count(ops.info),
        load.throughput.map_or_else(dash, rate),
        at(|p| p.p50),
        at(|p| p.p99),
        at(|p| p.max)
    )
}

/// A text that fits into one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
