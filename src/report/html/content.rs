//! A judged run → everything its page says beside the lanes.

use serde_json::Value;

use super::anomalies;
use super::bounds;
use super::lanes::{self, Run};
use super::markup::cut;
use super::page::{CheckLine, Fact, LatencyCurves, LossShown, Page, Timeline};
use super::tables;
use crate::check::Measured;
use crate::check::record::Check;
use crate::history::FinalRead;
use crate::model::Lsn;
use crate::report::bench::measured_anew;
use crate::report::{Exposed, Report, Spread, figures};
use crate::stats;
use crate::stats::figures::{bytes, count, dash, seconds, sentence};

/// Reasons named at most; `verdict.json` has all.
const REASONS: usize = 12;
/// Letters of the evidence of one check.
const EVIDENCE: usize = 6_000;
/// Shares of a hundred at which latency is shown.
const SHARES: [f64; 15] =
    [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 100.0];

/// What the page of a run shows.
#[must_use]
pub fn page(measured: &Measured<'_>, report: &Report, exposed: &[Exposed]) -> Page {
    let run = Run::new(measured, report, exposed);
    Page {
        scenario: report.scenario.to_string(),
        about: report.about.clone(),
        verdict: report.verdict,
        ends: ends(report),
        reasons: reasons(report),
        facts: facts(report),
        figures: figures::figures(report).to_vec(),
        times: lanes::times(&run),
        percentiles: percentiles(&run),
        loss: loss(&run),
        anomalies: anomalies::found(&run),
        checks: report.checks.iter().enumerate().map(|(number, check)| check_line(number, check)).collect(),
        tables: tables::tables(&run),
        environment: environment(report),
        again: again(report),
    }
}

fn ends(report: &Report) -> String {
    let Some(ends) = &report.ends else { return String::new() };
    let by = ends.check.as_ref().map(|check| format!(" by {check}")).unwrap_or_default();
    let met = if ends.met { "it did" } else { "it did not" };
    format!("This scenario must end in {}{by}: {met}.", ends.verdict)
}

fn reasons(report: &Report) -> Vec<String> {
    let mut reasons: Vec<String> =
        report.reasons.iter().take(REASONS).map(|reason| cut(&sentence(reason), 4 * bounds::SAYS)).collect();
    let more = report.reasons.len().saturating_sub(REASONS);
    if more > 0 {
        reasons.push(format!("and {more} more, in verdict.json"));
    }
    reasons
}

fn facts(report: &Report) -> Vec<Fact> {
    let preset = report.preset.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string);
    vec![
        Fact::new("preset", preset),
        Fact::new("seed", report.seed.to_string()),
        Fact::new("started", report.started.clone()),
        Fact::new("pgha", report.environment.pgha.clone()),
    ]
}

fn percentiles(run: &Run<'_>) -> Option<LatencyCurves> {
    let history = &run.record.history;
    let mut loads = Vec::new();
    for (number, load) in (0..).zip(&run.record.scenario.loads) {
        let ops = history.ops.iter().filter(|op| op.load == number);
        let took = ops.filter_map(|op| Some((op.ack()?.0.0.saturating_sub(op.intended.0), 1)));
        let counted = history.counted.iter().filter(|second| second.l == number);
        let counted = counted.flat_map(|second| second.latency.iter().copied());
        let at = stats::curve(took.chain(counted), &SHARES);
        loads.extend(at.map(|at| (load.name.to_string(), at)));
    }
    (!loads.is_empty()).then(|| LatencyCurves { shares: SHARES.to_vec(), loads })
}

fn loss(run: &Run<'_>) -> LossShown {
    let loss = &run.report.loss;
    let mut facts = vec![
        Fact::new("acknowledged writes", count(loss.acked)),
        Fact::new("lost", count(loss.lost)),
        Fact::new("rows that should not be there", count(loss.unexpected)),
    ];
    let took = seconds(loss.lost_seconds * 1e3);
    let others = [
        (loss.lost_bytes, "WAL behind the switch point", bytes(loss.lost_bytes)),
        (loss.lost, "from the first to the last lost acknowledgement", took),
        (loss.boundary, "lost around a switch point", count(loss.boundary)),
        (loss.lost_local, "lost of those the primary alone had acknowledged", count(loss.lost_local)),
        (loss.recovered, "rows of operations with an unknown end", count(loss.recovered)),
        (loss.zombie_acks, "acknowledged on an old timeline beside a newer one", count(loss.zombie_acks)),
    ];
    facts.extend(
        others.into_iter().filter(|(any, ..)| *any > 0).map(|(_, name, value)| Fact::new(name, value)),
    );
    if let Some(exposure) = &run.report.exposure {
        let spread = |spread: Option<Spread>, words: fn(u64) -> String| {
            spread.map_or_else(dash, |spread| {
                let [median, p95, max] = spread.rounded().map(words);
                format!("median {median}, p95 {p95}, max {max}")
            })
        };
        facts.push(Fact::new("exposed writes", spread(exposure.writes, count)));
        facts.push(Fact::new("exposed WAL", spread(exposure.wal_bytes, bytes)));
        let without = format!("{} of {} looks", count(exposure.without_follower), count(exposure.looks));
        facts.push(Fact::new("no copy could follow", without));
    }
    LossShown { facts, timelines: timelines(run) }
}

/// The timelines of the final primary, and what was lost at their ends.
fn timelines(run: &Run<'_>) -> Vec<Timeline> {
    let primaries = run.record.history.reads.iter().filter(|read| read.primary);
    let Some(FinalRead { tl: Some(last), timelines, .. }) = primaries.max_by_key(|read| read.tl) else {
        return Vec::new();
    };
    let windows = run.report.checks.iter().find(|check| check.name == "lost-acks");
    let windows = windows.and_then(|check| check.evidence.get("windows")?.as_array()).map(Vec::as_slice);
    let windows = windows.unwrap_or_default();
    let lost = |number: u32| -> String {
        let here = |window: &&Value| window.get("timeline").and_then(Value::as_u64) == Some(number.into());
        windows.iter().filter(here).map(window).collect::<Vec<String>>().join("; ")
    };
    let left = timelines.iter().map(|(number, at): &(u32, Lsn)| Timeline {
        number: *number,
        left_at: Some(at.to_string()),
        lost: lost(*number),
    });
    left.chain([Timeline { number: *last, left_at: None, lost: lost(*last) }]).collect()
}

/// A window of `lost-acks` in words.
fn window(window: &Value) -> String {
    let number = |key: &str| window.get(key).and_then(Value::as_u64).unwrap_or(0);
    let took = window.get("lost_seconds").and_then(Value::as_f64).unwrap_or(0.0);
    let bound = window.get("bound_bytes").and_then(Value::as_u64);
    let bound = bound.map(|bound| format!("; {} are documented", bytes(bound))).unwrap_or_default();
    format!(
        "{} acknowledged writes, {} of WAL, over {}{bound}",
        count(number("transactions")),
        bytes(number("lost_bytes")),
        seconds(took * 1e3)
    )
}

fn check_line(number: usize, check: &Check) -> CheckLine {
    let evidence = match &check.evidence {
        Value::Null => String::new(),
        // what is cut is whole in verdict.json
        evidence => serde_json::to_string_pretty(evidence).unwrap_or_default(),
    };
    let mut stands = vec![("verdict.json".to_owned(), format!("checks[{number}], `{}`", check.name))];
    let found = check.evidence.get("found").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    for line in found.iter().take(3) {
        let (Some(member), Some(at)) = (line.get("member").and_then(Value::as_str), line.get("line")) else {
            continue;
        };
        stands.push((format!("logs/{member}.log"), format!("line {at}")));
    }
    CheckLine {
        name: check.name.clone(),
        asked: check.asked,
        verdict: check.verdict,
        summary: cut(&sentence(&check.summary), 4 * bounds::SAYS),
        evidence: cut(&evidence, EVIDENCE),
        stands,
    }
}

fn environment(report: &Report) -> Vec<Fact> {
    let plain = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = &report.environment;
    let machine = told.machine.iter().map(|(name, value)| match (name.as_str(), value.as_u64()) {
        ("memory-bytes", Some(number)) => Fact::new("memory", bytes(number)),
        _ => Fact::new(name, plain(value)),
    });
    let versions = told.versions.iter().map(|(name, version)| Fact::new(name, version.clone()));
    let images = told.images.iter().map(|(role, id)| Fact::new(&format!("image of {role}"), id.clone()));
    let commit = Fact::new("commit", told.commit.clone().unwrap_or_else(|| "not recorded".to_owned()));
    let fsync =
        ["p50", "p99", "max"].map(|key| told.machine.get(&format!("fsync_{key}_ms")).and_then(Value::as_f64));
    let fsync = match fsync {
        [Some(p50), Some(p99), Some(max)] => {
            format!("p50 {}, p99 {}, max {}", seconds(p50), seconds(p99), seconds(max))
        }
        [Some(p50), Some(p99), None] => format!("p50 {}, p99 {}", seconds(p50), seconds(p99)),
        _ => "not recorded".to_owned(),
    };
    let login = told.machine.get("login_p50_ms").and_then(Value::as_f64);
    let login = login.map_or_else(|| "not recorded".to_owned(), |login| format!("{login:.1} ms"));
    let pgha = Fact::new("pgha", told.pgha.clone());
    let all = machine
        .filter(|fact| !measured_anew(&fact.name))
        .chain([Fact::new("fsync of the disk", fsync), Fact::new("password of a login, one core", login)]);
    all.chain(versions).chain(images).chain([pgha, commit]).collect()
}

fn again(report: &Report) -> Vec<String> {
    let preset = report.preset.as_ref().map(|preset| format!(" --preset {preset}")).unwrap_or_default();
    vec![format!("pgha run scenario.toml --seed {}{preset}", report.seed), "pgha check .".to_owned()]
}
