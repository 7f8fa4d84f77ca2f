//! A report as Markdown, for a pull request or a terminal: the verdict first, numbers in tables.

use std::fmt::Write as _;

use super::{BackLine, LoadLine, Report};
use crate::stats::Percentiles;

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
        report.reasons.iter().try_for_each(|reason| writeln!(out, "- {reason}"))?;
    }
    Ok(())
}

fn checks(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(out, "\n## Checks\n\n| check | verdict | finding |\n|---|---|---|")?;
    report.checks.iter().try_for_each(|check| {
        let asked = if check.asked { " (asked)" } else { "" };
        writeln!(out, "| {}{asked} | {} | {} |", check.name, check.verdict, cell(&check.summary))
    })
}

fn numbers(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Faults\n\n| id | verb | hit | began ms | healed ms | first ack after ms | inject ms | heal ms |\n|---|---|---|---|---|---|---|---|"
    )?;
    for fault in &report.faults {
        let hit: Vec<&str> = fault.hit.iter().map(super::Name::as_str).collect();
        let back = report.failovers.iter().find(|failover| failover.fault == fault.id);
        let first_ack = number(back.and_then(|failover| failover.stages.first_ack_ms));
        let (began, healed) = (number(fault.began_ms), number(fault.healed_ms));
        let (inject, heal) = (number(fault.inject_ms), number(fault.heal_ms));
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
        "\n## Loads\n\n| load | endpoint | ok | ok-local | fail | info | per second | p50 ms | p99 ms | max ms |\n|---|---|---|---|---|---|---|---|---|---|"
    )?;
    report.loads.iter().try_for_each(|load| load_row(out, load))?;
    outages(out, report)?;
    let loss = &report.loss;
    writeln!(
        out,
        "\n## Loss\n\n| acked | lost | bytes | seconds | boundary | unexpected | recovered | zombie acks |\n|---|---|---|---|---|---|---|---|"
    )?;
    writeln!(
        out,
        "| {} | {} | {} | {:.3} | {} | {} | {} | {} |",
        loss.acked,
        loss.lost,
        loss.lost_bytes,
        loss.lost_seconds,
        loss.boundary,
        loss.unexpected,
        loss.recovered,
        loss.zombie_acks
    )?;
    zombies(out, report)?;
    copies(out, report)?;
    sizes(out, report)?;
    alarms(out, report)?;
    let converged = report.converged_ms.map(|ms| format!("\nWhole again {ms:.0} ms after the last heal.\n"));
    write!(out, "{}", converged.unwrap_or_default())
}

fn outages(out: &mut String, report: &Report) -> std::fmt::Result {
    writeln!(
        out,
        "\n## Outages\n\n| endpoint | last back ms | median back ms | first back ms | hurt | never back | nobody acknowledged ms | together ms | number |\n|---|---|---|---|---|---|---|---|---|"
    )?;
    for (endpoint, line) in &report.endpoints {
        back(out, &endpoint.to_string(), line.back.as_ref())?;
        let (longest, together, number) = (line.outage_max_ms, line.outage_total_ms, line.windows.len());
        writeln!(out, " {longest:.1} | {together:.1} | {number} |")?;
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
        "\n| fault, endpoint | last back ms | median back ms | first back ms | hurt | never back | nobody acknowledged ms |\n|---|---|---|---|---|---|---|"
    )?;
    for (endpoint, line) in hurt().filter(|(_, line)| of_fault(line)) {
        let fault = line.fault.as_ref().map_or("any", |fault| fault.as_str());
        back(out, &format!("{fault}, {endpoint}"), Some(line))?;
        writeln!(out, " {:.1} |", line.nobody_ms)?;
    }
    Ok(())
}

/// The first cells of a row: how clients came back.
fn back(out: &mut String, what: &str, line: Option<&BackLine>) -> std::fmt::Result {
    let at = |pick: fn(&BackLine) -> Option<f64>| number(line.and_then(pick));
    let (last, median, first) = (at(|l| l.last_back_ms), at(|l| l.median_back_ms), at(|l| l.first_back_ms));
    let hurt = line.map_or_else(|| "–".to_owned(), |line| format!("{} of {}", line.hurt, line.clients));
    let never = line.map_or_else(|| "–".to_owned(), |line| line.never_back.to_string());
    write!(out, "| {what} | {last} | {median} | {first} | {hurt} | {never} |")
}

fn zombies(out: &mut String, report: &Report) -> std::fmt::Result {
    if let Some(staleness) = &report.staleness {
        let super::Staleness { p50_ms, p99_ms, max_ms, reads, went_backwards, missed_own_write } = staleness;
        writeln!(
            out,
            "\n## Staleness\n\n| reads | p50 ms | p99 ms | max ms | went backwards | missed own write |\n|---|---|---|---|---|---|\n\
             | {reads} | {p50_ms:.1} | {p99_ms:.1} | {max_ms:.1} | {went_backwards} | {missed_own_write} |"
        )?;
    }
    if report.one_writer.zombie_windows.is_empty() && report.loss.zombie_acks == 0 {
        return Ok(());
    }
    writeln!(out, "\n## Two writers at once\n\n| nodes | from ms | to ms | took ms |\n|---|---|---|---|")?;
    for window in &report.one_writer.zombie_windows {
        let nodes: Vec<&str> = window.nodes.iter().map(super::Name::as_str).collect();
        let (from, to) = (window.from_ms, window.to_ms);
        writeln!(out, "| {} | {from:.1} | {to:.1} | {:.1} |", nodes.join(", "), to - from)?;
    }
    let fates = report.one_writer.zombie_fates;
    writeln!(
        out,
        "\nZombie acknowledgements: {} lost, {} survived, {} unknown.",
        fates.lost, fates.survived, fates.unknown
    )
}

fn copies(out: &mut String, report: &Report) -> std::fmt::Result {
    let hurt: Vec<_> = report.redundancy.iter().filter(|line| line.lost_ms.is_some()).collect();
    if hurt.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Copies\n\n| fault | seen missing after ms | all back after ms |\n|---|---|---|")?;
    for line in hurt {
        writeln!(out, "| {} | {} | {} |", line.fault, number(line.lost_ms), number(line.restored_ms))?;
    }
    Ok(())
}

fn alarms(out: &mut String, report: &Report) -> std::fmt::Result {
    let Some(alarms) = report.alarms.as_ref().filter(|alarms| !alarms.is_empty()) else { return Ok(()) };
    writeln!(
        out,
        "\n## Alarms\n\n| kind | about | raised ms | cleared ms | changes | controller | said first |\n|---|---|---|---|---|---|---|"
    )?;
    alarms.iter().try_for_each(|alarm| {
        writeln!(
            out,
            "| {} | {} | {:.1} | {} | {} | {} | {} |",
            alarm.kind,
            alarm.subject.as_ref().map_or("the lab", |subject| subject.as_str()),
            alarm.raised_ms,
            number(alarm.cleared_ms),
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
        "\n## Sizes\n\n| after s | member | from | to | used before | acknowledged per s | why |\n|---|---|---|---|---|---|---|"
    )?;
    for change in report.sizes.iter().take(CHANGES) {
        let words = |amount: f64| change.resource.words(amount);
        writeln!(
            out,
            "| {:.1} | {} | {} | {} | {} | {:.0} | {} |",
            change.at_ms / 1_000.0,
            change.member,
            words(change.from),
            words(change.to),
            change.used.map_or_else(|| "–".to_owned(), words),
            change.per_second,
            cell(change.why.as_deref().unwrap_or("–")),
        )?;
    }
    let more = report.sizes.len().saturating_sub(CHANGES);
    if more > 0 {
        writeln!(out, "\nand {more} more, in `report.json`.")?;
    }
    Ok(())
}

fn load_row(out: &mut String, load: &LoadLine) -> std::fmt::Result {
    let ops = &load.operations;
    let at = |pick: fn(&Percentiles) -> f64| number(load.latency_ms.as_ref().map(pick));
    writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
        load.name,
        load.endpoint,
        ops.ok,
        ops.ok_local,
        ops.fail,
        ops.info,
        number(load.throughput),
        at(|p| p.p50),
        at(|p| p.p99),
        at(|p| p.max)
    )
}

/// A number with one decimal; a dash where nobody measured.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.1}"))
}

/// A text that fits into one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
