//! What the page of a bench shows, as plain data.

use serde::Serialize;

use crate::model::scenario::VerdictWord;
use crate::report::Figure;
use crate::report::html::page::{Fact, Table, Unit};

/// What the page of a bench shows, as plain data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BenchPage {
    /// The heading of the page.
    pub title: String,
    /// How the goals ended; `None` where none is asked for.
    pub verdict: Option<VerdictWord>,
    /// What must be known before any number is read.
    pub about: String,
    /// When, on what: name and value.
    pub facts: Vec<Fact>,
    /// The figures that matter first.
    pub figures: Vec<Figure>,
    /// What the suite asked for, demand by demand.
    pub goals: Vec<GoalRow>,
    /// Comparisons without a point, in words; empty when there is none.
    pub not_measured: String,
    /// Which arm wins each comparison.
    pub wins: Table,
    /// A section for each comparison.
    pub sections: Vec<Section>,
    /// What chance does: one lab beside itself.
    pub noise: Table,
    /// How to read that.
    pub noise_says: String,
    /// The load generator's test of itself.
    pub self_test: Table,
    /// How to read that, or how to get it.
    pub self_test_says: String,
    /// What the points were made on.
    pub environment: Vec<Fact>,
    /// How to run it again, line by line.
    pub again: Vec<String>,
}

/// One demand, and whether it was met.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GoalRow {
    /// The comparison, and where it stands on the page; empty where it stands nowhere.
    pub comparison: String,
    /// Name of the arm that is measured.
    pub arm: String,
    /// What was asked.
    pub asks: String,
    /// What was measured.
    pub measured: String,
    /// How many points it rests on, in words.
    pub points: String,
    /// Pass: it is met.
    pub outcome: VerdictWord,
    /// Why not, or what cannot be beaten.
    pub note: String,
}

/// What one comparison shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Section {
    /// Its name; also its place on the page.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// What was read off each run, and how to read the picture.
    pub reads: String,
    /// Every point.
    pub strips: Strips,
    /// The arms in numbers.
    pub numbers: Table,
    /// The labs of the arms: name and words.
    pub labs: Vec<Fact>,
    /// Where the time goes, arm by arm.
    pub waterfalls: Vec<Waterfall>,
    /// The longest trial of each arm: name, words, and where its page is (empty where it is not beside this one).
    pub worst: Vec<(String, String, String)>,
    /// Every trial.
    pub trials: Table,
}

/// The points of all arms on one axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strips {
    /// What is counted.
    pub unit: Unit,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
    /// The beginning of the axis.
    pub from: f64,
    /// Its end.
    pub to: f64,
    /// One an arm.
    pub strips: Vec<Strip>,
}

/// The points of one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Strip {
    /// Name of the arm.
    pub label: String,
    /// Its numbers in a line.
    pub note: String,
    /// Whether the comparison is about it.
    pub candidate: bool,
    /// Every point.
    pub dots: Vec<Dot>,
    /// From the first to the third quartile; `None` for fewer than four points, or where one is *never*.
    pub quartiles: Option<(f64, f64)>,
    /// The median; `None` where it is *never* or there is none.
    pub median: Option<f64>,
    /// The 95th percentile; the same.
    pub p95: Option<f64>,
}

/// One trial on its strip.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dot {
    /// What was read; where it never ended, the time to the end of the load.
    pub value: f64,
    /// Whether it never ended.
    pub never: bool,
    /// Whether its run was judged a fail.
    pub failed: bool,
    /// All of it, shown by a pointer.
    pub says: String,
}

/// Where the time of an arm goes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Waterfall {
    /// Name of the arm.
    pub label: String,
    /// From one stage to the next, milliseconds from the fault: beginning, end, and the stage that it ends with.
    pub bands: Vec<(f64, f64, &'static str)>,
    /// Stages that were seen by looks half a second apart.
    pub marks: Vec<(f64, &'static str)>,
    /// The end of its axis.
    pub to: f64,
    /// Whether the last client never came back, in the median.
    pub never: bool,
}
