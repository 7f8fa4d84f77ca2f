//! The numbers of a bench → everything its page says outside of the comparisons.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{BenchPage, GoalRow};
use super::sections;
use crate::model::scenario::VerdictWord;
use crate::report::bench::{
    ArmLine, BenchReport, ComparisonLine, GoalLine, Point, Rank, facts, measured_anew, told, worst,
};
use crate::report::html::page::{Fact, Table};
use crate::report::{Environment, Figure};
use crate::stats::contrast::{Contrast, Lies};
use crate::stats::figures::{bytes, count, dash, seconds};

/// What must be known before any number is read.
const ABOUT: &str = "One machine, containers, these faults. Arms took turns on it. The fault came at a random phase of Patroni's \
                     loop, the same for the same trial of every arm. A run that was judged a fail is a point; one that ended \
                     unknown proves nothing and is counted apart. The engine stands for an out-of-band power controller that \
                     stays reachable whatever happens to the lab. That the fault was announced was no sensor. Other faults, \
                     networks and durability give other numbers.";

/// What the page of a bench shows; `href` says where the page of a run is, seen from this one, if it is there.
#[must_use]
pub fn page(report: &BenchReport, href: &dyn Fn(&str) -> Option<String>) -> BenchPage {
    let measured = |line: &&ComparisonLine| line.arms.iter().any(|arm| arm.points > 0);
    BenchPage {
        title: "Side by side".to_owned(),
        verdict: (!report.goals.is_empty()).then(|| worst(&report.goals)),
        about: ABOUT.to_owned(),
        facts: head_facts(report),
        figures: figures(report),
        goals: goals(report),
        not_measured: report.not_measured.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        wins: wins(report),
        sections: report.comparisons.iter().map(|line| sections::section(report, line, href)).collect(),
        noise: noise(report),
        noise_says: noise_says(report.comparisons.iter().filter(measured).any(|line| line.noise)),
        self_test: self_test(report),
        self_test_says: self_test_says(report),
        environment: environment(report),
        again: vec!["pgha bench --out DIR".to_owned(), "pgha bench report --out DIR".to_owned()],
    }
}

fn head_facts(report: &BenchReport) -> Vec<Fact> {
    let mut facts = vec![Fact::new("made by", report.pgha.clone())];
    if let Some((first, last)) = &report.span {
        let day = |at: &str| at.get(..16).unwrap_or(at).replace('T', " ");
        facts.push(Fact::new("runs from", day(first)));
        facts.push(Fact::new("to", format!("{} UTC", day(last))));
    }
    facts.extend(report.disk.map(|disk| {
        Fact::new("fsync of the disk", format!("p50 {}, p99 {}", seconds(disk.p50_ms), seconds(disk.p99_ms)))
    }));
    facts
}

/// Trials of candidates, each run once: comparisons may share runs.
fn of_candidates(report: &BenchReport) -> impl Iterator<Item = &Point> {
    let candidate = |point: &&Point| {
        let mut lines = report.comparisons.iter();
        let line = lines.find(|line| line.name == point.comparison);
        line.is_some_and(|line| line.candidate.as_ref() == Some(&point.arm))
    };
    let proving = report.points.iter().filter(|point| point.verdict != VerdictWord::Unknown);
    let runs: BTreeMap<&str, &Point> =
        proving.filter(candidate).map(|point| (point.run.as_str(), point)).collect();
    runs.into_values()
}

fn figures(report: &BenchReport) -> Vec<Figure> {
    let of = |outcome: VerdictWord| report.goals.iter().filter(|goal| goal.outcome == outcome).count();
    let (met, missed) = (of(VerdictWord::Pass), of(VerdictWord::Fail));
    let runs: BTreeSet<&str> = report.points.iter().map(|point| point.run.as_str()).collect();
    let hung: Vec<usize> =
        of_candidates(report).filter_map(|point| point.never_back.filter(|hung| *hung > 0)).collect();
    let lost: u64 = of_candidates(report).map(|point| point.lost).sum();
    let clean = |zero: bool| if zero { VerdictWord::Pass } else { VerdictWord::Fail };
    let (clients, points) = (hung.iter().sum::<usize>(), hung.len());
    vec![
        Figure {
            name: "goals met",
            value: if report.goals.is_empty() { dash() } else { format!("{met} of {}", report.goals.len()) },
            note: format!("{missed} not met, {} not decided", of(VerdictWord::Unknown)),
            good: worst(&report.goals),
        },
        Figure {
            name: "clients of candidates that never came back",
            value: count(clients as u64),
            note: if clients == 0 {
                "in none of their trials".to_owned()
            } else {
                format!("in {}", number(points, "trial"))
            },
            good: clean(clients == 0),
        },
        Figure {
            name: "acknowledged writes that candidates lost",
            value: count(lost),
            note: "over all their trials, asynchronous ones too".to_owned(),
            good: if lost == 0 { VerdictWord::Pass } else { VerdictWord::Unknown },
        },
        Figure {
            name: "trials",
            value: count(runs.len() as u64),
            note: format!(
                "{}, {}",
                number(report.points.len(), "point"),
                number(report.comparisons.len(), "comparison")
            ),
            good: VerdictWord::Pass,
        },
    ]
}

/// So many things.
fn number(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

fn goals(report: &BenchReport) -> Vec<GoalRow> {
    let row = |goal: &GoalLine| GoalRow {
        comparison: goal.comparison.as_ref().map(ToString::to_string).unwrap_or_default(),
        arm: goal.arm.as_ref().map_or_else(|| "load generator".to_owned(), ToString::to_string),
        asks: goal.asks.clone(),
        measured: goal.measured.clone(),
        points: goal.points.to_string(),
        outcome: goal.outcome,
        note: match (goal.outcome, &goal.limit) {
            (VerdictWord::Unknown, _) => goal.why.clone(),
            (_, Some(limit)) => format!("limit: {limit}"),
            _ => String::new(),
        },
    };
    report.goals.iter().map(row).collect()
}

/// Which arm wins each comparison, whoever it is.
fn wins(report: &BenchReport) -> Table {
    let key = |arm: &ArmLine| {
        if arm.never(Rank::Median) { f64::INFINITY } else { arm.median.unwrap_or(f64::INFINITY) }
    };
    let rows = report.comparisons.iter().filter(|line| !line.noise).filter_map(|line| {
        let best = line
            .arms
            .iter()
            .filter(|arm| arm.median.is_some())
            .min_by(|one, other| key(one).total_cmp(&key(other)))?;
        let candidate = line.candidate.as_ref().and_then(|name| line.arm(name));
        let ahead: Vec<String> = named(line, Lies::Below);
        let level = named(line, Lies::Within);
        let few = named(line, Lies::TooFew);
        // a name and its number stay on one line
        let named_with = |arm: &ArmLine| {
            let median = told(line.metric, arm.median, arm.never(Rank::Median));
            format!("{} ({median})", arm.arm).replace(' ', "\u{a0}")
        };
        let words = |names: Vec<String>| if names.is_empty() { dash() } else { names.join(", ") };
        Some(vec![
            line.name.to_string(),
            line.metric.word().to_owned(),
            named_with(best),
            candidate.map_or_else(dash, named_with),
            words(named(line, Lies::Above)),
            words(level),
            words(ahead),
            words(few),
        ])
    });
    Table {
        title: "Where each arm wins".to_owned(),
        head: vec![
            "comparison",
            "of each run",
            "least median",
            "candidate",
            "worse than it",
            "no difference",
            "better than it",
            "too few points",
        ],
        rows: rows.collect(),
        more: String::new(),
    }
}

/// Arms that lie so to the candidate.
fn named(line: &ComparisonLine, lies: Lies) -> Vec<String> {
    let so = |arm: &&ArmLine| arm.beside_candidate.is_some_and(|contrast| contrast.lies == lies);
    line.arms.iter().filter(so).map(|arm| arm.arm.to_string()).collect()
}

fn noise(report: &BenchReport) -> Table {
    let row = |line: &ComparisonLine, arm: &ArmLine, what: String, contrast: &Contrast| {
        vec![
            line.name.to_string(),
            what,
            arm.points.to_string(),
            contrast.ratio.map_or_else(dash, |ratio| format!("{ratio:.2}")),
            contrast.interval.map_or_else(dash, |(low, high)| format!("{low:.2} to {high:.2}")),
            match contrast.lies {
                Lies::Within => "no difference beyond chance",
                Lies::Above | Lies::Below => "a difference, though there is none",
                Lies::TooFew => "too few points",
            }
            .to_owned(),
        ]
    };
    let mut rows = Vec::new();
    for line in report.comparisons.iter().filter(|line| line.noise) {
        let beside = line.arms.iter().filter_map(|arm| Some((arm, arm.beside_candidate?)));
        let name = line.candidate.as_ref().map_or("", |name| name.as_str());
        rows.extend(beside.map(|(arm, contrast)| row(line, arm, format!("{} ÷ {name}", arm.arm), &contrast)));
    }
    for line in report.comparisons.iter().filter(|line| line.metric.unit() == "ms") {
        let halves = line.arms.iter().filter_map(|arm| Some((arm, arm.halves?)));
        rows.extend(
            halves
                .map(|(arm, contrast)| row(line, arm, format!("{}: odd ÷ even trials", arm.arm), &contrast)),
        );
    }
    Table {
        title: "Noise".to_owned(),
        head: vec!["comparison", "one lab beside itself", "n", "ratio", "95 % interval", ""],
        rows,
        more: String::new(),
    }
}

fn noise_says(run: bool) -> String {
    let own = if run {
        "The comparison `noise` runs one lab under two names."
    } else {
        "No noise run stands beside these runs (`--only noise`)."
    };
    format!(
        "{own} Besides, every arm is held against itself: its trials with an odd number against those with an even one. \
         Each ratio would be 1 without chance. Of twenty 95 % intervals one leaves 1 out by chance."
    )
}

fn self_test(report: &BenchReport) -> Table {
    let stalls = report.self_test.iter().flat_map(|test| &test.stalls);
    let rows = stalls.map(|stall| {
        vec![
            seconds(stall.stall_ms),
            format!("{} of {}", count(stall.counted as u64), count(stall.meant as u64)),
            format!("{:.2} %", stall.error_mean_ms / stall.stall_ms * 100.0),
            format!("{:.2} %", stall.error_max_ms / stall.stall_ms * 100.0),
            format!("{:.3} ms", stall.lag_p50_ms),
            format!("{:.3} ms", stall.lag_p99_ms),
        ]
    });
    Table {
        title: "The load generator beside itself".to_owned(),
        head: vec!["known stall", "counted", "error, mean", "error, worst", "schedule lag, p50", "p99"],
        rows: rows.collect(),
        more: String::new(),
    }
}

fn self_test_says(report: &BenchReport) -> String {
    match &report.self_test {
        None => {
            "It was not run beside these runs: `cargo bench --bench generator -- --out DIR/generator.json`."
                .to_owned()
        }
        Some(test) => {
            let rates: Vec<String> = test
                .rates
                .iter()
                .map(|rate| {
                    format!("{} a second ({} clients, {})", count(rate.per_second), rate.clients, rate.record)
                })
                .collect();
            let rates =
                if rates.is_empty() { String::new() } else { format!(" Closed loop: {}.", rates.join("; ")) };
            format!(
                "A server in the generator's own process stalls for a known time; latency counts from the intended start of \
                 each operation. {}.{rates}",
                test.pgha
            )
        }
    }
}

fn environment(report: &BenchReport) -> Vec<Fact> {
    let known = if report.environments.is_empty() {
        // points of older editions name none
        let old = Environment { machine: report.machine.clone(), ..Environment::default() };
        facts(&[(String::new(), old)].into())
            .into_iter()
            .filter(|(name, _)| report.machine.contains_key(name) && !measured_anew(name))
            .collect()
    } else {
        facts(&report.environments)
    };
    let fact = |(name, values): (String, Vec<String>)| {
        let name = if name == "memory-bytes" { "memory" } else { &name };
        let value = |value: String| match value.parse::<u64>().ok().filter(|_| name == "memory") {
            Some(number) => bytes(number),
            None => value,
        };
        Fact::new(name, values.into_iter().map(value).collect::<Vec<String>>().join("; "))
    };
    let mut all: Vec<Fact> = known.into_iter().map(fact).collect();
    let disk = report.disk.map_or_else(
        || "not recorded".to_owned(),
        |disk| {
            format!(
                "p50 {}, p99 {}, medians of {} runs; the largest p99 was {}",
                seconds(disk.p50_ms),
                seconds(disk.p99_ms),
                count(disk.runs as u64),
                seconds(disk.p99_max_ms)
            )
        },
    );
    all.push(Fact::new("fsync of the disk", disk));
    let login = report.login_p50_ms;
    let login = login.map_or_else(|| "not recorded".to_owned(), |login| format!("{login:.1} ms"));
    all.push(Fact::new("password of a login, one core", login));
    all
}
