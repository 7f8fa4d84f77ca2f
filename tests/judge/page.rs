//! The page of a run: what it shows of stored runs, that hostile text stays text, and that it stays small.

use std::path::Path;

use pgha::check::{Measured, RunRecord, judge_measured};
use pgha::history::{Event, Outcome};
use pgha::model::Sight;
use pgha::model::control::ControllerStatus;
use pgha::model::fault::Receipt;
use pgha::report::html::{FILE, Lane, Page, page};
use pgha::report::{build_with, exposed, with_page};
use serde_json::json;

use crate::stored;
use crate::story::{EVERY, MS, Plan, Story, ZERO, error, healthy, name, tell};

fn shown(record: &RunRecord) -> Page {
    let (measured, exposed) = (Measured::of(record), exposed(record));
    let report = build_with(&measured, &judge_measured(&measured), &exposed);
    page(&measured, &report, &exposed)
}

fn written(record: &RunRecord) -> String {
    let measured = Measured::of(record);
    with_page(&measured, &judge_measured(&measured)).1
}

/// What a page shows, line by line: enough to see what is where, without every point of a chart.
fn outline(page: &Page) -> String {
    let mut lines = vec![format!("{}: {} {}", page.scenario, page.verdict, page.ends)];
    lines.extend(page.reasons.iter().map(|reason| format!("reason: {reason}")));
    lines.extend(
        page.figures.iter().map(|figure| format!("{}: {} ({})", figure.name, figure.value, figure.note)),
    );
    for time in &page.times {
        lines.push(format!("axis {}: {} to {}", time.title, time.from_ms, time.to_ms));
        lines.extend(time.lanes.iter().flat_map(lane));
    }
    lines.extend(page.loss.timelines.iter().map(|line| format!("timeline {line:?}")));
    let row = |row: &Vec<String>| format!("    {}", row.join(" | "));
    for anomaly in &page.anomalies {
        lines.push(format!("anomaly {}: {} {:?}", anomaly.title, anomaly.says, anomaly.circle));
        lines.extend(anomaly.table.iter().flat_map(|table| &table.rows).map(row));
    }
    for check in &page.checks {
        lines.push(format!("check {}: {}, in {:?}", check.name, check.verdict, check.stands));
    }
    for table in &page.tables {
        lines.push(format!("table {}: {}", table.title, table.head.join(" | ")));
        lines.extend(table.rows.iter().map(row));
    }
    lines.extend(page.environment.iter().map(|fact| format!("on {}: {}", fact.name, fact.value)));
    lines.extend(page.again.iter().map(|line| format!("again: {line}")));
    lines.join("\n")
}

fn lane(lane: &Lane) -> Vec<String> {
    let mut lines = vec![format!("  lane {}: {}", lane.title, lane.note)];
    for row in &lane.rows {
        let bands = row.bands.iter().map(|band| {
            format!("{:?} {}–{} {} ({})", band.tone, band.from_ms, band.to_ms, band.label, band.says)
        });
        let marks = row.marks.iter().map(|mark| format!("▲{} {} ({})", mark.at_ms, mark.label, mark.says));
        lines.push(format!("    {}", row.label));
        lines.extend(bands.chain(marks).map(|part| format!("      {part}")));
    }
    for chart in &lane.charts {
        for line in &chart.lines {
            let most = line.points.iter().filter_map(|(_, number)| *number).fold(0.0, f64::max);
            lines.push(format!(
                "    {} | {}: {} points, {most:.3} at most",
                chart.title,
                line.name,
                line.points.len()
            ));
        }
    }
    lines
}

fn of_stored(folder: &str) -> RunRecord {
    stored::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/histories").join(folder))
}

#[test]
fn a_killed_primary_that_passes() {
    insta::assert_snapshot!(outline(&shown(&of_stored("good-last-back"))));
}

#[test]
fn a_circle_of_transactions() {
    insta::assert_snapshot!(outline(&shown(&of_stored("bad-g-single"))));
}

#[test]
fn a_loss_that_is_larger_than_documented() {
    insta::assert_snapshot!(outline(&shown(&of_stored("bad-lost-more-than-documented"))));
}

#[test]
fn a_run_nobody_can_tell_of() {
    insta::assert_snapshot!(outline(&shown(&of_stored("unknown-never-back"))));
}

/// Reads a page as a browser would and answers what is wrong with its tags: one that stays open, one that closes
/// another, one that brings something from elsewhere or a script.
fn wrong(page: &str) -> Option<String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = page.strip_prefix("<!doctype html>\n")?;
    while let Some((_, after)) = rest.split_once('<') {
        let (tag, behind) = after.split_once('>')?;
        let tag_name = tag.split([' ', '\n']).next().unwrap_or_default();
        match tag_name.strip_prefix('/') {
            Some(closed) if open.pop() == Some(closed) => {}
            Some(closed) => return Some(format!("</{closed}> closes nothing")),
            None if ["script", "iframe", "object", "embed", "link", "img"].contains(&tag_name) => {
                return Some(format!("<{tag}>"));
            }
            None if tag_name == "meta" => {}
            None => open.push(tag_name),
        }
        if tag.contains(" on") && tag.contains("=\"javascript") || tag.contains("src=") {
            return Some(format!("<{tag}>"));
        }
        // what is in a style sheet is no markup
        rest = behind;
    }
    (!open.is_empty()).then(|| format!("{open:?} stay open"))
}

#[test]
fn every_stored_run_has_a_sound_page() {
    for folder in stored::folders() {
        let page = written(&stored::load(&folder));
        assert_eq!(wrong(&page), None, "{}", folder.display());
        assert!(!page.contains("://"), "{}: something from elsewhere", folder.display());
        assert!(page.contains("Run it again"), "{FILE} of {} is whole", folder.display());
    }
    assert_eq!(wrong("<!doctype html>\n<b><i></b></i>"), Some("</b> closes nothing".to_owned()));
    assert_eq!(wrong("<!doctype html>\n<b>"), Some("[\"b\"] stay open".to_owned()));
    assert_eq!(wrong("<!doctype html>\n<script>"), Some("<script>".to_owned()));
}

const HOSTILE: &str =
    "</title></style><script>alert(1)</script><img src=x onerror='alert(2)'>\"'&\u{202e}\u{1b}[2J";

/// A run in which every text that others write is hostile.
fn hostile() -> Story {
    let mut story = tell(&Plan { lost: 3, ..Plan::small() });
    HOSTILE.clone_into(&mut story.scenario.about);
    HOSTILE.clone_into(&mut story.resolved.started);
    story.resolved.versions.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    story.resolved.machine.insert(HOSTILE.to_owned(), HOSTILE.into());
    story.resolved.images.insert(HOSTILE.to_owned(), HOSTILE.to_owned());
    let fault = story.fault();
    for receipt in [&mut fault.receipt, &mut fault.heal] {
        let receipt: &mut Receipt = receipt.as_mut().expect("a receipt");
        (receipt.source, receipt.evidence) = (HOSTILE.to_owned(), HOSTILE.to_owned());
    }
    let mut code = error(HOSTILE);
    HOSTILE.clone_into(&mut code.m);
    *story.outcome(60) = Outcome::Info(code);
    let controller = json!({ "name": "repair", "replicas": 1, "image": "pgha" });
    story.resolved.lab.controllers = vec![serde_json::from_value(controller).expect("a controller")];
    let decided = json!({ "entry": "decided", "at": ZERO + 100 * MS, "step": HOSTILE, "subject": HOSTILE, "reason": HOSTILE,
        "steps": [{ HOSTILE: {} }] });
    let did = json!({ "entry": "did", "began": ZERO, "at": ZERO + 120 * MS, "step": { HOSTILE: {} }, "error": HOSTILE });
    let alarm = json!({ "entry": "alarm", "at": ZERO + 130 * MS, "became": "raised", "kind": "engine-blind", "text": HOSTILE,
        "since": ZERO });
    story.logs.insert(name("repair-1"), format!("{decided}\n{did}\n{alarm}\nPANIC:  {HOSTILE}\n"));
    story.logs.insert(name("postgres-1"), format!("PANIC:  {HOSTILE}\n"));
    let status = ControllerStatus { active: true, step: HOSTILE.to_owned(), ..ControllerStatus::default() };
    for seen in &mut story.sightings {
        seen.controllers.insert(name("repair-1"), Sight::Seen(status.clone()));
        seen.etcd.insert(name("etcd-1"), Sight::Blind(HOSTILE.to_owned()));
        if let Some(postgres) = seen.postgres.get_mut("postgres-3") {
            postgres.sql = Sight::Blind(HOSTILE.to_owned());
            postgres.patroni = Sight::Blind(HOSTILE.to_owned());
        }
        if let Some(balancer) = seen.balancers.get_mut("balancer-1") {
            balancer.rw_serves = Sight::Blind(HOSTILE.to_owned());
            balancer.ro = Sight::Blind(HOSTILE.to_owned());
        }
    }
    story
}

#[test]
fn hostile_text_stays_text() {
    let page = written(&hostile().record());
    assert_eq!(wrong(&page), None);
    for markup in ["<script", "<img", "\u{202e}", "\u{1b}"] {
        assert!(!page.contains(markup), "{markup:?} got through");
    }
    // and it is shown: in the head, receipts, errors, decisions, alarms, logs, the environment
    let told = page.matches("&lt;script&gt;").count();
    assert!(told > 20, "{told}");
}

/// A long run with so many operations, a fault, and a lab that changes at every look.
fn long(operations: u64) -> RunRecord {
    let mut story = tell(&Plan {
        before: operations / 2,
        after: operations / 2,
        refused: operations / 10,
        ..Plan::small()
    });
    let looks = operations * EVERY / (50 * MS);
    for look in 0..looks {
        let primary = if look % 2 == 0 { "postgres-1" } else { "postgres-2" };
        story.sightings.push(healthy(
            ZERO + look * 50 * MS,
            primary,
            u32::try_from(look).expect("few looks"),
        ));
    }
    for event in &mut story.events {
        if let Event::Invoke { o, c, .. } = event {
            *c = Some(u32::try_from(*o % 500).expect("few clients"));
        }
    }
    story.record()
}

#[test]
fn a_page_does_not_grow_with_the_run() {
    let (short, long) = (written(&long(4_000)).len(), written(&long(40_000)).len());
    assert!(long < 2 * 1024 * 1024, "{long} bytes");
    assert!(long < short * 2, "{short} bytes of a run became {long} of one that is ten times longer");
}
