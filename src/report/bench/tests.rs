//! Numbers, goals and changes of hand-made points: an arm with *never*, with one trial, with none; chance that stays chance.

use super::*;
use crate::model::scenario::VerdictWord;
use crate::spec::suite;

/// A suite of one comparison: `stock` and `ours`, last client back, with goals.
const SUITE: &str = r#"
    schema = 1
    self-test = { stall-error = 0.02 }
    [[comparison]]
    name = "dies"
    about = "A death of `x`."
    scenario = "x.toml"
    metric = "last-back"
    fault = "kill"
    phase = { from = "4s", to = "14s" }
    baseline = "stock"
    candidate = "ours"
    goal = [
        { arm = "ours", points = 5, median = "400ms", max = "800ms", never-back = 0, limit = "about 0.05 s" },
        { arm = "ours", points = 5, ratio = 75, lost-as-baseline = true },
    ]
    arm = [
        { name = "stock", preset = "stock", trials = 2, lasts = "40s" },
        { name = "ours", preset = "repair", trials = 5, lasts = "6s" },
        { name = "absent", preset = "repair", set = { balancers = { hold = "0s" } }, trials = 5, lasts = "6s" },
    ]
"#;

pub(crate) fn sample_suite() -> Suite {
    suite::parse("suite", SUITE).unwrap_or_else(|problems| panic!("{}", problems.render()))
}

/// Points of one arm; a value below zero is of a run that ended unknown.
pub(crate) fn points(arm: &str, values: &[f64]) -> Vec<Point> {
    let point = |(trial, value): (u32, &f64)| Point {
        comparison: "dies".parse().expect("a name"),
        arm: arm.parse().expect("a name"),
        trial,
        verdict: if *value < 0.0 { VerdictWord::Unknown } else { VerdictWord::Pass },
        value: Some(*value),
        last_back: Some(*value),
        median_back: None,
        first_back: Some(value / 2.0),
        hurt: Some(8),
        never_back: Some(0),
        lost: 0,
        zombie_acks: Some(0),
        stages: [("decided".to_owned(), value / 4.0), ("last-back".to_owned(), *value)].into(),
        run: format!("runs/dies-{arm}/{trial}"),
        started: None,
        environment: None,
        fsync_p50_ms: None,
        fsync_p99_ms: None,
        login_p50_ms: None,
    };
    (0..).zip(values).map(point).collect()
}

/// The same, with clients that hung in every trial.
pub(crate) fn hung(arm: &str, values: &[f64]) -> Vec<Point> {
    points(arm, values).into_iter().map(|point| Point { never_back: Some(3), ..point }).collect()
}

pub(crate) fn report(points: &[Point]) -> BenchReport {
    bench_report(&sample_suite(), points, Beside { pgha: "pgha 0.2.0".to_owned(), ..Beside::default() })
}

fn goals(report: &BenchReport) -> Vec<String> {
    let told = |goal: &GoalLine| format!("{}: {} ({})", goal.outcome, goal.asks, goal.measured);
    report.goals.iter().map(told).collect()
}

const STOCK: [f64; 5] = [28_000.0, 30_000.0, 31_000.0, 29_000.0, 33_000.0];
const OURS: [f64; 6] = [300.0, 350.0, 400.0, 320.0, 500.0, -1.0];

#[test]
fn a_comparison_in_markdown() {
    let report = report(&[points("stock", &STOCK), points("ours", &OURS)].concat());
    let tables: Vec<String> =
        bench_markdown(&report).lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn goals_are_met_or_not_and_say_why() {
    let met = report(&[points("stock", &STOCK), points("ours", &OURS)].concat());
    insta::assert_snapshot!(goals(&met).join("\n"));
    assert_eq!(worst(met.goals.iter().filter(|goal| goal.comparison.is_some())), VerdictWord::Pass);
    // a bound that a single trial breaks is broken, however few they are
    let slow = report(&[points("stock", &STOCK), points("ours", &[300.0, 900.0])].concat());
    let max = slow.goals.iter().find(|goal| goal.asks.contains("max")).expect("a goal");
    assert_eq!((max.outcome, max.measured.as_str()), (VerdictWord::Fail, "0.90 s"));
    assert_eq!(worst(&slow.goals), VerdictWord::Fail);
    // the middle of few trials decides nothing, nor does a bound that holds in few
    let few = report(&[points("stock", &STOCK), points("ours", &[700.0, 700.0])].concat());
    let median = few.goals.iter().find(|goal| goal.asks.contains("median")).expect("a goal");
    assert_eq!((median.outcome, median.why.as_str()), (VerdictWord::Unknown, "2 of 5 points"));
    let few = report(&[points("stock", &STOCK), points("ours", &[300.0])].concat());
    let median = few.goals.iter().find(|goal| goal.asks.contains("median")).expect("a goal");
    assert_eq!((median.outcome, median.why.as_str()), (VerdictWord::Unknown, "1 of 5 points"));
    let arm = &few.comparisons[0].arms[1];
    assert_eq!((arm.points, arm.median, arm.interval), (1, Some(300.0), None));
}

#[test]
fn a_client_that_never_came_back_is_no_number() {
    // three of five hang: the median is never, though its time to the end of the load is short
    let ours = [hung("ours", &[20.0, 30.0, 40.0]), points("ours", &[300.0, 350.0])].concat();
    let seen = report(&[points("stock", &STOCK), ours].concat());
    let arm = &seen.comparisons[0].arms[1];
    assert_eq!(
        (arm.never(Rank::Median), arm.never(Rank::Max), arm.never_back, arm.bound),
        (true, true, 9, Some(Bound::AtMost))
    );
    insta::assert_snapshot!(goals(&seen).join("\n"));
    // all of the baseline hang: the ratio is a bound, and the goal is met by it
    let seen = report(&[hung("stock", &STOCK), points("ours", &OURS)].concat());
    let ours = &seen.comparisons[0].arms[1];
    assert_eq!((ours.bound, ratio_told(ours).0.as_str()), (Some(Bound::AtLeast), "≥ 85.7"));
    assert!(bench_markdown(&seen).contains("| stock | 5 | 0 | 0 | never | never | never | never |"));
    let ratio = seen.goals.iter().find(|goal| goal.asks.contains('÷')).expect("a goal");
    assert_eq!((ratio.outcome, ratio.measured.as_str()), (VerdictWord::Pass, "at least 85.7"));
    // both hang: nothing is won
    let seen = report(&[hung("stock", &STOCK), hung("ours", &OURS)].concat());
    assert_eq!(ratio_told(&seen.comparisons[0].arms[1]).0, "–");
}

#[test]
fn the_return_of_a_client_that_never_came_back_is_later_than_any() {
    let without = |mut point: Point| {
        point.stages.remove("last-back");
        point
    };
    let gone: Vec<Point> = hung("ours", &[6_000.0, 6_000.0]).into_iter().map(without).collect();
    let median = |back: &[f64]| {
        let seen = report(&[gone.clone(), points("ours", back)].concat());
        seen.comparisons[0].arms[1].stages.get("last-back").copied()
    };
    assert_eq!(median(&[300.0]), None, "two of three");
    assert_eq!(median(&[300.0, 400.0, 500.0]), Some(500.0), "two of five");
}

#[test]
fn no_trials_are_no_numbers() {
    let seen = report(&[]);
    assert_eq!(seen.not_measured.len(), 1);
    assert!(seen.comparisons.is_empty() && seen.goals.len() == 1, "{:?}", seen.goals);
    // an arm without a trial beside arms with some
    let seen = report(&points("stock", &STOCK));
    let arms: Vec<(usize, Option<f64>)> =
        seen.comparisons[0].arms.iter().map(|arm| (arm.points, arm.median)).collect();
    assert_eq!(arms, [(5, Some(30_000.0)), (0, None), (0, None)]);
    assert!(seen.goals.iter().all(|goal| goal.outcome == VerdictWord::Unknown), "{:?}", seen.goals);
}

#[test]
fn a_report_of_an_older_edition_is_read() {
    let old = r#"{"schema-version":1,"pgha":"pgha 0.1.0","machine":{"cpus":2},"comparisons":[{"name":"dies","about":"A.",
        "metric":"write-outage","baseline":"stock","arms":[{"arm":"stock","points":1,"unknown":0,"failed":0,"min":1.0,"median":1.0,
        "p95":1.0,"max":1.0,"lost":0,"points-with-loss":0,"ratio":null,"interval":null,"stages":{}}]}],"points":[{"comparison":"dies",
        "arm":"stock","trial":0,"verdict":"pass","value":1.0,"lost":0,"stages":{},"run":"runs/x"}]}"#;
    let old: BenchReport = serde_json::from_str(old).expect("a report");
    let page = crate::report::html::bench::write(&crate::report::html::bench::page(&old, &|_| None));
    assert!(page.contains("write-outage"));
}

#[test]
fn chance_is_no_change_and_a_planted_change_is_found() {
    let before =
        report(&[points("stock", &STOCK), points("ours", &[300.0, 350.0, 400.0, 320.0, 380.0])].concat());
    let same = report(
        &[
            points("stock", &[29_500.0, 28_500.0, 32_000.0, 30_500.0, 31_000.0]),
            points("ours", &[310.0, 390.0, 340.0, 360.0, 330.0]),
        ]
        .concat(),
    );
    let words =
        |changes: &Changes| -> Vec<&'static str> { changes.arms.iter().map(ChangeLine::word).collect() };
    let none = changes(("a", "b"), &before, &same);
    assert_eq!((words(&none), none.verdict), (vec!["no change beyond chance"; 2], VerdictWord::Pass));
    let slower =
        report(&[points("stock", &STOCK), points("ours", &[600.0, 700.0, 800.0, 640.0, 760.0])].concat());
    let found = changes(("a", "b"), &before, &slower);
    assert_eq!((words(&found), found.verdict), (vec!["no change beyond chance", "worse"], VerdictWord::Fail));
    insta::assert_snapshot!(changes_markdown(&found));
    assert_eq!(words(&changes(("b", "a"), &slower, &before)), ["no change beyond chance", "better"]);
    // times stay, but clients hang
    let hang =
        report(&[points("stock", &STOCK), hung("ours", &[300.0, 350.0, 400.0, 320.0, 380.0])].concat());
    assert_eq!(words(&changes(("a", "b"), &before, &hang)), ["no change beyond chance", "worse"]);
    let few = report(&points("ours", &[600.0]));
    let few = changes(("a", "b"), &before, &few);
    assert_eq!((words(&few), few.verdict), (vec!["too few points"], VerdictWord::Unknown));
    assert_eq!(few.only_before, ["dies/stock"]);
    let nothing = changes(("a", "b"), &report(&[]), &before);
    assert_eq!((nothing.arms.len(), nothing.verdict), (0, VerdictWord::Unknown));
}

#[test]
fn trackers_get_numbers_alone() {
    let seen = report(&[hung("stock", &STOCK), points("ours", &OURS)].concat());
    let list = smaller_is_better(&seen);
    let list = list.as_array().expect("a list");
    assert_eq!(list.len(), 8);
    for entry in list {
        assert!(
            entry["name"].is_string() && entry["unit"].is_string() && entry["value"].is_number(),
            "{entry}"
        );
        assert!(entry["range"].is_string() || entry["range"].is_null(), "{entry}");
    }
    let bmf = bencher(&seen);
    let names: Vec<&String> = bmf.as_object().expect("benchmarks").keys().collect();
    assert_eq!(names, ["dies/stock", "dies/ours"]);
    assert_eq!(bmf["dies/ours"]["last-back-ms"]["value"], 350.0);
    assert_eq!(bmf["dies/stock"]["never-back"]["value"], 15);
}

#[test]
fn points_made_on_two_machines_say_so() {
    let environment =
        |commit: &str| Environment { commit: Some(commit.to_owned()), ..Environment::default() };
    let facts = facts(&[("a".to_owned(), environment("1")), ("b".to_owned(), environment("2"))].into());
    assert_eq!(facts.iter().find(|(name, _)| name == "commit").expect("a fact").1, ["1", "2"]);
    let disk = |p99: f64, run: &str| {
        let mut point = points("ours", &[1.0]).remove(0);
        (point.fsync_p50_ms, point.fsync_p99_ms, point.run) = (Some(1.0), Some(p99), run.to_owned());
        point
    };
    // comparisons that share a run count it once
    let seen = fsync::disk(&[disk(2.0, "x"), disk(2.0, "x"), disk(8.0, "y")]).expect("a disk");
    assert_eq!((seen.runs, seen.p50_ms, seen.p99_max_ms), (2, 1.0, 8.0));
    assert_eq!(fsync::disk(&points("ours", &[1.0])), None);
}
