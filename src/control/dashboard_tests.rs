//! The dashboard of the papers names what controllers export, all of it and nothing else.

use std::collections::BTreeSet;

use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

use super::driver::JournalEntry;
use super::sizes::{show, show_inside};
use super::status_server::StatusServer;
use crate::engine::journal_writer;
use crate::model::control::{Alarm, AlarmKind, Became, Raised};
use crate::model::scaling::{DiskUsage, Usage};
use crate::model::self_report::{SelfReport, Wal};
use crate::model::{Bytes, MemberId, Mono};

const DASHBOARD: &str = include_str!("../../lab/grafana/pgha.json");
/// Labels that Prometheus adds to whatever it reads.
const ADDED: [&str; 2] = ["job", "instance"];

/// `/metrics` of a controller that did and measured everything once.
fn exported() -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let (journal, _lines) = journal_writer::channel();
        let board = StatusServer::new(journal, handle.clone());
        let (at, alarm) = (Mono(1), Alarm::new(AlarmKind::NoLeader, None, "x"));
        let raised = Raised { alarm, since: at };
        board.tell::<()>(&JournalEntry::Active { at, active: true });
        let (step, reason, alarms, steps) = ("watch", "x", &[], &[]);
        board.tell::<()>(&JournalEntry::Decided {
            at,
            looked: at,
            step,
            subject: None,
            reason,
            alarms,
            steps,
        });
        board.tell::<()>(&JournalEntry::Alarm { at, became: Became::Raised, raised: &raised });
        board.tell(&JournalEntry::Did { began: at, at: Mono(2), step: &(), name: "fence", error: None });
        board.raised(vec![raised]);
        let member: MemberId = "postgres-1".parse().expect("a name");
        let disk = Some(DiskUsage { free: Bytes(1), size: Bytes(2) });
        let usage = |at| Usage { at: Mono(at), cpu_ns: at, disk, ..Usage::default() };
        show(&member, &usage(2), Some(&usage(1)));
        show_inside(&member, &SelfReport { wal: Some(Wal::default()), ..SelfReport::default() });
    });
    handle.render()
}

/// Metrics of a text by Prometheus, and their labels.
fn parse(text: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut names, mut labels) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
        names.insert(name.to_owned());
        let inner =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(inner, _)| inner);
        labels.extend(inner.split(',').filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())));
    }
    (names, labels)
}

/// Every query: of panels, and of variables.
fn queries(value: &Value) -> Vec<String> {
    match value {
        Value::Object(keys) => keys
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(text) if key == "expr" || (key == "query" && text.contains('(')) => {
                    vec![text.clone()]
                }
                other => queries(other),
            })
            .collect(),
        Value::Array(values) => values.iter().flat_map(queries).collect(),
        _ => Vec::new(),
    }
}

/// Words of a query, quoted texts left out.
fn words(query: &str) -> Vec<String> {
    let bare: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    bare.split(|letter: char| !inner(letter)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Labels that a query names: in braces and behind `by`.
fn labels(query: &str) -> Vec<String> {
    let by = query.split("by (").skip(1).filter_map(|rest| rest.split_once(')')).map(|(list, _)| list);
    let braces = query.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(list, _)| list);
    let matched = braces.flat_map(|list| list.split(',')).filter_map(|one| one.split(['=', '!']).next());
    let of_variable = query.strip_prefix("label_values(").and_then(|rest| rest.rsplit_once(", "));
    let named = by.flat_map(|list| list.split(',')).chain(matched);
    named
        .chain(of_variable.map(|(_, label)| label.trim_end_matches(')')))
        .map(|label| label.trim().to_owned())
        .collect()
}

#[test]
fn the_dashboard_names_every_metric_and_no_other() {
    let (names, known) = parse(&exported());
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let queries = queries(&dashboard);
    let named: BTreeSet<String> =
        queries.iter().flat_map(|query| words(query)).filter(|word| word.starts_with("pgha_")).collect();
    let unknown: Vec<_> = named.difference(&names).collect();
    assert!(unknown.is_empty(), "no controller exports {unknown:?}; they export {names:?}");
    // how often a deed was done stands in another counter
    let left_out: Vec<_> = names.difference(&named).filter(|name| !name.ends_with("_count")).collect();
    assert!(left_out.is_empty(), "the dashboard does not show {left_out:?}");
    let strange: BTreeSet<String> = queries
        .iter()
        .flat_map(|query| labels(query))
        .filter(|label| !known.contains(label) && !ADDED.contains(&label.as_str()))
        .collect();
    assert!(strange.is_empty(), "no metric has the labels {strange:?}; they have {known:?}");
}

#[test]
fn panels_have_a_place_of_their_own_and_the_source_that_a_person_chose() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), panels.len(), "an id twice");
    let mut taken = BTreeSet::new();
    for panel in panels {
        let place = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(place("x") + place("w") <= 24, "{} leaves the grid", panel["title"]);
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{panel}");
        }
    }
}
