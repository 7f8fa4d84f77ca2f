//! Benchmarks: every comparison with its medians over all measurements, the oldest first.

use std::collections::{BTreeMap, BTreeSet};

use super::shell::{BENCHES, Cell, Shell, plain, section, short, table};
use super::trend::{Seen, Series, trend};
use super::{Measure, Measurement, Site};
use crate::model::suite::Metric;
use crate::report::html::markup::Markup;
use crate::report::{BenchReport, ComparisonLine};
use crate::stats::figures::{count, dash, rate, seconds};

/// Metrics there are; older measurements name them in other words.
const METRICS: [Metric; 10] = [
    Metric::WriteOutage,
    Metric::LastBack,
    Metric::FirstBack,
    Metric::Redundancy,
    Metric::MembersBack,
    Metric::Failovers,
    Metric::FailedWrites,
    Metric::FailedReads,
    Metric::LateReads,
    Metric::ReadP99,
];

/// What the comparisons of a `bench.json` measured.
#[must_use]
pub fn of_report(report: &BenchReport) -> BTreeMap<String, Measure> {
    let measure = |line: &ComparisonLine| Measure {
        about: line.about.clone(),
        words: line.metric.words().to_owned(),
        timed: line.metric.unit() == "ms",
    };
    report.comparisons.iter().map(|line| (line.name.to_string(), measure(line))).collect()
}

/// The same off a `bench.md`, whose points may be all that was kept beside it.
#[must_use]
pub fn of_markdown(text: &str) -> BTreeMap<String, Measure> {
    const READ: &str = "Read off each run: ";
    let mut measured: BTreeMap<String, Measure> = BTreeMap::new();
    let mut name = "";
    let mut about = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_prefix("## ") {
            (name, about) = (heading, "");
        } else if let Some(read) = line.strip_prefix(READ) {
            let words = read.split(". ").next().unwrap_or_default();
            // earlier editions said the unit behind it
            let (words, unit) = match words.rsplit_once(", ") {
                Some((words, unit)) if ["ms", "reads", "writes", "failovers"].contains(&unit) => {
                    (words, unit)
                }
                _ => (words, ""),
            };
            let known = METRICS.iter().find(|metric| metric.words() == words);
            let timed = known.map_or(unit, |metric| metric.unit()) == "ms";
            let measure = Measure { about: about.to_owned(), words: words.to_owned(), timed };
            measured.insert(name.to_owned(), measure);
        } else if about.is_empty() {
            about = line;
        }
    }
    measured
}

/// A comparison over all measurements that have points of it and read the same off each run.
struct Compared<'a> {
    name: &'a str,
    measure: Measure,
    arms: Vec<&'a str>,
    benches: Vec<&'a Measurement>,
}

impl<'a> Compared<'a> {
    /// By name and by what was read off, what was measured last first.
    fn all(site: &'a Site) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for bench in &site.benches {
            let names: BTreeSet<&str> = bench.points.iter().map(|point| point.comparison.as_str()).collect();
            for name in names {
                let measure = bench.measured.get(name).cloned().unwrap_or_default();
                let same = |known: &&mut Self| known.name == name && known.measure.words == measure.words;
                match all.iter_mut().find(same) {
                    Some(known) => {
                        known.benches.push(bench);
                        known.measure = measure;
                    }
                    None => all.push(Self { name, measure, arms: Vec::new(), benches: vec![bench] }),
                }
            }
        }
        for compared in &mut all {
            let points = compared.benches.iter().flat_map(|bench| &bench.points);
            for point in points.filter(|point| point.comparison.as_str() == compared.name) {
                if !compared.arms.contains(&point.arm.as_str()) {
                    compared.arms.push(point.arm.as_str());
                }
            }
        }
        let last = |compared: &Self| compared.benches.last().map(|bench| bench.begun.clone());
        all.sort_by(|one, other| one.name.cmp(other.name).then(last(other).cmp(&last(one))));
        all
    }

    /// A number as people read it.
    fn words(&self, value: Option<f64>) -> String {
        match value {
            None => dash(),
            Some(value) if self.measure.timed => seconds(value),
            Some(value) => rate(value),
        }
    }

    fn cell(&self, bench: &Measurement, arm: &str) -> String {
        let Some(seen) = seen(bench, self.name, arm) else { return dash() };
        let unknown = if seen.unknown > 0 { format!(", {} unknown", seen.unknown) } else { String::new() };
        let lost = if seen.lost > 0 { format!(", {} lost", count(seen.lost)) } else { String::new() };
        format!("{} ({}{unknown}{lost})", self.words(seen.median()), seen.values.len())
    }
}

fn seen(bench: &Measurement, comparison: &str, arm: &str) -> Option<Seen> {
    Seen::of(
        bench
            .points
            .iter()
            .filter(|point| point.comparison.as_str() == comparison && point.arm.as_str() == arm),
    )
}

/// The day on which a measurement was begun.
fn date(bench: &Measurement) -> String {
    bench.begun.split('T').next().unwrap_or_default().to_owned()
}

pub(super) fn page(site: &Site, pages: &mut BTreeMap<String, String>) {
    let shell = Shell { site, at: BENCHES, title: "Benchmarks", changes: true };
    let page = shell.page(|out| {
        out.leaf("h1", &[], "Benchmarks");
        out.own("<p class=\"about\">Arms of a comparison take turns on one machine. A cell has the median, and how many trials ");
        out.own("gave a value. A trial that ended <i>unknown</i> proves nothing and gives none.</p>");
        if site.benches.is_empty() {
            out.own("<p>There is no measurement yet. <code>pgha bench</code> makes one.</p>");
            return;
        }
        section(out, "Measurements", |out| measurements(out, &shell));
        let mut last = "";
        for compared in Compared::all(site) {
            if compared.name != last {
                out.leaf("h2", &[], compared.name);
            }
            last = compared.name;
            comparison(out, &compared);
        }
    });
    pages.insert(BENCHES.to_owned(), page);
}

fn measurements(out: &mut Markup, shell: &Shell<'_>) {
    let rows: Vec<Vec<Cell<'_>>> =
        shell.site.benches.iter().rev().map(|bench| measurement(shell, bench)).collect();
    table(out, &["measurement", "begun", "trials", "made with", "pages"], rows);
}

fn measurement<'a>(shell: &'a Shell<'_>, bench: &'a Measurement) -> Vec<Cell<'a>> {
    vec![
        plain(bench.name.clone()),
        short(date(bench)),
        plain(count(bench.points.len() as u64)),
        plain(if bench.pgha.is_empty() { dash() } else { bench.pgha.clone() }),
        Box::new(move |out| {
            for (number, (name, to)) in bench.pages.iter().enumerate() {
                out.own(if number > 0 { " · " } else { "" });
                shell.link(out, to, name);
            }
        }),
    ]
}

fn comparison(out: &mut Markup, compared: &Compared<'_>) {
    let Measure { about, words, .. } = &compared.measure;
    out.around("p", &[], |out| {
        out.prose(about);
    });
    let words = if words.is_empty() { "not recorded" } else { words };
    out.leaf("p", &[("class", &"note")], format_args!("Read off each run: {words}."));
    let series = |arm: &&str| Series {
        name: (*arm).to_owned(),
        at: compared.benches.iter().map(|bench| seen(bench, compared.name, arm)).collect(),
    };
    let series: Vec<Series> = compared.arms.iter().map(series).collect();
    let days: Vec<String> = compared.benches.iter().map(|bench| date(bench)).collect();
    trend(out, compared.name, &days, &series, |value| compared.words(Some(value)));
    let mut head = vec!["measurement"];
    head.extend(&compared.arms);
    let row = |bench: &&Measurement| -> Vec<Cell<'static>> {
        let name = if bench.begun.is_empty() {
            bench.name.clone()
        } else {
            format!("{}, {}", bench.name, date(bench))
        };
        let arms = compared.arms.iter().map(|arm| plain(compared.cell(bench, arm)));
        std::iter::once(plain(name)).chain(arms).collect()
    };
    let rows: Vec<Vec<Cell<'_>>> = compared.benches.iter().rev().map(row).collect();
    table(out, &head, rows);
}

/// The newest numbers of every comparison, for the first page.
pub(super) fn newest(out: &mut Markup, shell: &Shell<'_>) {
    let mut all = Compared::all(shell.site);
    // what was read off last is what a comparison measures now
    all.dedup_by(|later, first| later.name == first.name);
    if all.is_empty() {
        out.own("<p>There is no measurement yet. <code>pgha bench</code> makes one.</p>");
        return;
    }
    let row = |compared: Compared<'_>| -> Vec<Cell<'static>> {
        let newest = compared.benches.last().copied();
        let cell = |arm: &&str| newest.map(|bench| format!("{arm} {}", compared.cell(bench, arm)));
        let cells: Vec<String> =
            compared.arms.iter().filter_map(cell).filter(|cell| !cell.ends_with('–')).collect();
        vec![
            plain(compared.name),
            plain(compared.measure.words.clone()),
            plain(cells.join(" · ")),
            short(newest.map_or_else(dash, date)),
        ]
    };
    let rows: Vec<Vec<Cell<'_>>> = all.into_iter().map(row).collect();
    table(out, &["comparison", "measured", "median of each arm (trials)", "begun"], rows);
    out.around("p", &[], |out| shell.link(out, BENCHES, "all measurements and their trends"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Point;

    #[test]
    fn what_was_measured_is_read_off_a_page_old_or_new() {
        let text = "# M\n\nx. y\n\n## dies\n\nIt dies.\n\nRead off each run: longest write outage, ms. Ratio: a ÷ b.\n\n| a |\n\n\
                    ## late\n\nLate.\n\nRead off each run: changes of the primary. Ratio: a ÷ b.\n";
        let measure = |about: &str, words: &str, timed| Measure {
            about: about.to_owned(),
            words: words.to_owned(),
            timed,
        };
        let wanted = [
            ("dies", measure("It dies.", "longest write outage", true)),
            ("late", measure("Late.", "changes of the primary", false)),
        ];
        assert_eq!(of_markdown(text), wanted.map(|(name, measure)| (name.to_owned(), measure)).into());
        assert!(
            of_markdown(&format!("## a\n\nRead off each run: {}. Ratio", Metric::LastBack.words()))["a"]
                .timed
        );
    }

    #[test]
    fn an_unknown_is_counted_and_gives_no_value() {
        let point = |verdict: &str, value: f64| -> Point {
            let json = serde_json::json!({ "comparison": "dies", "arm": "ours", "trial": 0, "verdict": verdict,
                "value": value, "lost": 1, "stages": {}, "run": "" });
            serde_json::from_value(json).expect("a point")
        };
        let points = [point("pass", 3.0), point("unknown", 99.0), point("fail", 1.0)];
        let seen = Seen::of(points.iter()).expect("points");
        assert_eq!((seen.median(), seen.unknown, seen.lost), (Some(2.0), 1, 2));
        assert_eq!(Seen::of([].iter()), None);
    }
}
