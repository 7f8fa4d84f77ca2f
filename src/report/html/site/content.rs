//! What a site shows, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::scenario::VerdictWord;
use crate::report::{Figure, Point, Report, figures};

/// Everything a site shows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    /// Runs, the newest first.
    pub runs: Vec<RunLine>,
    /// Measurements, the oldest first.
    pub benches: Vec<Measurement>,
    /// The library of scenarios.
    pub stories: Vec<LibraryScenario>,
    /// Papers and other texts that they lead to, by their path in the repository.
    pub texts: BTreeMap<String, String>,
    /// Pictures that papers show, by their path in the repository.
    pub pictures: BTreeSet<String>,
    /// The version of this program.
    pub pgha: String,
    /// When the site was made, RFC 3339 in UTC.
    pub made: String,
    /// Whether pages are shown while runs go on: those that change ask to be loaded again.
    pub live: bool,
}

/// One run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunLine {
    /// Its folder in the site.
    pub at: String,
    /// Its directory, as people name it.
    pub dir: String,
    /// Whether it is a trial of a benchmark.
    pub trial: bool,
    /// The scenario.
    pub scenario: String,
    /// What happens in it.
    pub about: String,
    /// When it began; empty while that is not known.
    pub started: String,
    /// Preset and seed in force, in words.
    pub lab: String,
    /// How it ended.
    pub state: State,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// It was judged.
    Judged(Box<Judged>),
    /// It goes on.
    UnderWay,
    /// It cannot be read, and why.
    Unreadable(String),
}

/// A judged run in short.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: VerdictWord,
    /// How good that is: a sabotage that ended as it must is good.
    pub good: VerdictWord,
    /// The four figures.
    pub figures: [Figure; 4],
    /// The first reason why it is no pass.
    pub reason: Option<String>,
}

impl Judged {
    /// A report in short.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let figures = figures(report);
        let [.., verdict] = &figures;
        Self { verdict: report.verdict, good: verdict.good, reason: report.reasons.first().cloned(), figures }
    }
}

/// Measurements that were made together.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// What it is called.
    pub name: String,
    /// When its first trial began, as far as its points tell: RFC 3339 in UTC.
    pub begun: String,
    /// What it was made with, as far as that is known.
    pub pgha: String,
    /// Its points.
    pub points: Vec<Point>,
    /// What its comparisons measured, by their names.
    pub measured: BTreeMap<String, Measure>,
    /// Pages about it: their name, and where they are in the site.
    pub pages: Vec<(String, String)>,
}

/// What a comparison measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// What it shows.
    pub about: String,
    /// What was read off each run, in words: two measurements are one trend only where these are the same.
    pub words: String,
    /// Whether that is a length of time, in milliseconds.
    pub timed: bool,
}

/// One scenario of the library.
#[derive(Clone, Debug, PartialEq)]
pub struct LibraryScenario {
    /// Its name.
    pub name: String,
    /// Its file in the repository.
    pub path: String,
    /// What happens in it; what is wrong with the file where it cannot be read.
    pub about: String,
    /// Its preset and tags, in words.
    pub tags: String,
    /// The end it must come to, in words; empty for most.
    pub ends: String,
    /// What the library's own page says was seen.
    pub told: String,
}
