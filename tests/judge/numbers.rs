//! The report: its numbers, its Markdown, its `JUnit` XML, its schema.

use pgha::check::{Measured, judge};
use pgha::model::Mono;
use pgha::model::scaling::Usage;
use pgha::model::sighting::Sighting;
use pgha::report::{Report, build, junit, markdown, summary};
use pgha::stats::figures::rate;
use serde_json::json;

use crate::story::{Plan, Story, name, tell};

fn report(story: &Story) -> Report {
    let record = story.record();
    build(&Measured::of(&record), &judge(&record))
}

#[test]
fn the_numbers_are_those_of_the_story() {
    let report = report(&tell(&Plan { lost: 3, ..Plan::small() }));
    let seen = serde_json::to_value(&report).expect("JSON");
    assert_eq!(seen["loads"][0]["operations"], json!({ "ok": 80, "ok_local": 0, "fail": 60, "info": 4 }));
    assert_eq!(seen["loads"][0]["latency_ms"]["p50"], seen["loads"][0]["latency_ms"]["max"]);
    let p50 = seen["loads"][0]["latency_ms"]["p50"].as_f64().expect("a number");
    assert!((p50 - 2.0).abs() < 0.01, "{p50}");
    let lag = seen["loads"][0]["schedule_lag_ms"]["max"].as_f64().expect("a number");
    assert!((lag - 0.1).abs() < 0.001, "{lag}");
    assert_eq!(
        seen["loss"],
        json!({
            "acked": 80, "lost": 3, "lost_bytes": 600, "lost_seconds": 0.01, "boundary": 0, "lost_local": 0,
            "unexpected": 0, "recovered": 0, "zombie_acks": 0
        })
    );
    assert_eq!(seen["endpoints"]["rw"]["outage_max_ms"], 305.0);
    assert_eq!(
        seen["endpoints"]["rw"]["windows"],
        json!([
            { "from_ms": 196.9, "to_ms": 501.9, "fault": "kill", "ended": true }
        ])
    );
    assert_eq!(seen["faults"][0]["began_ms"], 199.9);
    assert_eq!(
        seen["failovers"][0]["stages"],
        json!({ "elected_ms": 300.0, "writable_ms": 300.0, "first_ack_ms": 302.0 })
    );
    assert_eq!(seen["converged_ms"], 2000.0);
}

#[test]
fn a_report_reads_back_and_fits_its_schema() {
    let report = report(&tell(&Plan::small()));
    let value = serde_json::to_value(&report).expect("JSON");
    assert_eq!(serde_json::from_value::<Report>(value.clone()).expect("a report"), report);
    let schema = serde_json::to_value(schemars::schema_for!(Report)).expect("JSON");
    let errors: Vec<String> = jsonschema::validator_for(&schema)
        .expect("a schema")
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, Vec::<String>::new());
}

#[test]
fn the_page_says_the_verdict_first_and_why() {
    let mut story = tell(&Plan::small());
    story.rows(|rows| rows.retain(|row| *row != 5));
    let text = markdown(&report(&story));
    assert!(text.starts_with("# primary-dies: fail\n"), "{text}");
    assert!(
        text.contains(
            "\n- lost-acks: 1 acknowledged writes are gone although the surviving timeline had them\n"
        ),
        "{text}"
    );
    assert!(text.contains("| lost-acks (asked) | fail | 1 acknowledged writes are gone"), "{text}");
    assert!(text.contains("| kill | kill | postgres-1 | 0.20 s |"), "{text}");
    assert!(text.contains("| rw | – | – | – | – | – | 0.30 s | 0.30 s | 1 |"), "{text}");
    assert!(text.ends_with("Whole again 2.00 s after the last heal.\n"), "{text}");
}

#[test]
fn a_summary_is_one_screen_whatever_happened() {
    let mut story = tell(&Plan::small());
    story.rows(|rows| rows.retain(|row| *row != 5));
    let mut report = report(&story);
    let text = summary(&report, &"runs/latest");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "fail  primary-dies  (preset stock, seed 42)");
    assert!(lines[2].starts_with("  at 0.20 s: kill postgres-1, healed after "), "{text}");
    for figure in ["last client back", "acknowledged writes lost", "time below full redundancy", "verdict"] {
        assert!(lines.iter().any(|line| line.trim_start().starts_with(figure)), "{figure}: {text}");
    }
    assert!(text.contains("\n  lost-acks: 1 acknowledged writes are gone although"), "{text}");
    assert!(text.ends_with("\nreport: runs/latest/report.html\n"), "{text}");

    report.about = "a\n\u{1b}[2J".repeat(200);
    report.reasons = vec!["b\n\u{1b}[2J".repeat(200); 40];
    report.faults = vec![report.faults[0].clone(); 40];
    let text = summary(&report, &"runs/latest");
    assert!(text.lines().count() <= 24, "{text}");
    assert!(text.lines().all(|line| line.chars().count() < 240), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_eq!(text.matches("and 34 more").count(), 2, "{text}");
}

#[test]
fn a_ci_system_sees_failures_and_errors() {
    let good = report(&tell(&Plan::small()));
    let mut story = tell(&Plan::small());
    story.rows(|rows| rows.retain(|row| *row != 5));
    story.fault().receipt = None;
    let bad = report(&story);
    let text = junit(&[good.clone(), bad]);
    assert!(
        text.contains(r#"<testsuites name="pgha" tests="28" skipped="0" failures="1" errors="1">"#),
        "{text}"
    );
    assert!(text.contains(r#"<error message="fault `kill` has no receipt""#), "{text}");
    assert!(text.contains(r#"<failure message="1 acknowledged writes are gone"#), "{text}");

    story.scenario.ends =
        serde_json::from_value(json!({ "verdict": "fail", "check": "lost-acks" })).expect("an end");
    let text = junit(&[report(&story)]);
    assert!(text.contains(r#"tests="15" skipped="2" failures="0" errors="0">"#), "{text}");
    story.scenario.ends = serde_json::from_value(json!({ "verdict": "pass" })).expect("an end");
    let text = junit(&[report(&story)]);
    assert!(text.contains("must end in pass, ended in fail"), "{text}");
}

#[test]
fn sizes_are_told_as_a_time_line_with_load_use_and_reason() {
    let mut story = tell(&Plan::small());
    let controller = json!({ "name": "scaling", "replicas": 1, "image": "pgha" });
    story.resolved.lab.controllers = vec![serde_json::from_value(controller).expect("a controller")];
    let began = story.record().history.load_start().expect("a load");
    let size = |cpus: f64| json!({ "cpus": cpus, "memory": "512MiB", "disk": "1GiB" });
    let step = json!({ "resize": { "member": "postgres-2", "from": size(1.0), "to": size(1.5), "why": "all of it was used for 20 s" } });
    for (second, (cores, used)) in (0_u64..).zip([(1.0, 0), (1.0, 900), (1.5, 2_100)]) {
        let at = Mono(began.0 + second * 100_000_000);
        let usage = Usage { at, cores: Some(cores), cpu_ns: used * 100_000, ..Usage::default() };
        let usage = [("postgres-2".parse().expect("a name"), usage)].into();
        story.sightings.push(Sighting { at, usage, ..Sighting::default() });
    }
    let decided =
        json!({ "entry": "decided", "at": began.0 + 150_000_000, "step": "resize", "steps": [step] });
    story.logs.insert(name("scaling-1"), format!("2026-01-01T00:00:00Z {decided}\nfor people\n"));
    let told = report(&story);
    let [change] = told.sizes.as_slice() else { panic!("{:?}", told.sizes) };
    assert!((change.per_second - 20.0).abs() < 20.0 && change.per_second > 0.0, "{change:?}");
    let text = markdown(&told);
    let row = text.lines().find(|line| line.starts_with("| 0.20 s | postgres-2")).expect("a row");
    let row = row.replace(&format!("| {} |", rate(change.per_second)), "| N |");
    insta::assert_snapshot!(row, @"| 0.20 s | postgres-2 | 1.00 cores | 1.50 cores | 0.90 cores | N | all of it was used for 20 s |");
    // without a journal it is told without a reason
    story.logs.clear();
    assert_eq!(report(&story).sizes[0].why, None);
}
