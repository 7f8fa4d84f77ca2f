//! What the page of a run shows, as plain data. Building it decides; writing it down decides nothing.
//!
//! Instants are milliseconds from the start of the load, as in `report.json`. Texts are as they were told: they are escaped
//! when they are written. Everything is bounded, however long the run was.

use serde::Serialize;

use crate::model::scenario::VerdictWord;
use crate::report::Figure;

/// The name of its file.
pub const FILE: &str = "report.html";

/// The page.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Page {
    /// Name of the scenario.
    pub scenario: String,
    /// What happens in the scenario, in one sentence.
    pub about: String,
    /// The verdict.
    pub verdict: VerdictWord,
    /// What a sabotage made of it; empty for other scenarios.
    pub ends: String,
    /// Why it is no pass, the worst first.
    pub reasons: Vec<String>,
    /// Preset, seed, start, version: name and value.
    pub facts: Vec<Fact>,
    /// The figures that matter first.
    pub figures: Vec<Figure>,
    /// The run, and what happened around its faults, each on one axis of time.
    pub times: Vec<Time>,
    /// Latency by percentile.
    pub percentiles: Option<LatencyCurves>,
    /// What was lost, and where.
    pub loss: LossShown,
    /// What no run should show.
    pub anomalies: Vec<Anomaly>,
    /// Every check, in the order of the report.
    pub checks: Vec<CheckLine>,
    /// Tables: faults, loads, clients.
    pub tables: Vec<Table>,
    /// What the run was made on.
    pub environment: Vec<Fact>,
    /// How to run it again, line by line.
    pub again: Vec<String>,
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// What it is a fact about.
    pub name: String,
    /// The fact, in words.
    pub value: String,
}

impl Fact {
    /// A name and its value.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}

/// How something looks; colour never says anything alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tone {
    /// Nothing that a reader must look at.
    Quiet,
    /// Part of the frame: a phase, a state without a word on it.
    Frame,
    /// Something is as it should be.
    Good,
    /// A primary, or a balancer that leads to it.
    Primary,
    /// An instance that follows.
    Replica,
    /// A controller does something.
    Act,
    /// Something was not seen.
    Blind,
    /// Not as it should be for long.
    Warn,
    /// As it must not be.
    Bad,
    /// A fault is on.
    Fault,
}

impl Tone {
    /// Its class in the style sheet.
    #[must_use]
    pub const fn class(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::Frame => "frame",
            Self::Good => "good",
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Act => "act",
            Self::Blind => "blind",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Fault => "fault",
        }
    }

    /// The tone in which a verdict is shown.
    #[must_use]
    pub const fn of_verdict(verdict: VerdictWord) -> Self {
        match verdict {
            VerdictWord::Pass => Self::Good,
            VerdictWord::Unknown => Self::Warn,
            VerdictWord::Fail => Self::Bad,
        }
    }
}

/// A part of the run on one axis of time, lanes under each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Time {
    /// Which part of the run it is.
    pub title: String,
    /// Where the axis begins.
    pub from_ms: f64,
    /// Where the axis ends.
    pub to_ms: f64,
    /// Faults: they shade every lane.
    pub shades: Vec<Band>,
    /// Lanes from top to bottom.
    pub lanes: Vec<Lane>,
}

/// What happened to one kind of thing, on the axis of time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    /// The kind of thing that it shows.
    pub title: &'static str,
    /// How to read it; empty where that is plain.
    pub note: String,
    /// Rows of states and marks.
    pub rows: Vec<Row>,
    /// Charts of numbers.
    pub charts: Vec<Chart>,
}

impl Lane {
    /// A lane of states; `None` when there is nothing to show.
    #[must_use]
    pub fn of_rows(title: &'static str, note: impl Into<String>, rows: Vec<Row>) -> Option<Self> {
        let shows = rows.iter().any(|row| !row.bands.is_empty() || !row.marks.is_empty());
        shows.then(|| Self { title, note: note.into(), rows, charts: Vec::new() })
    }

    /// A lane of numbers; `None` when there is nothing to show.
    #[must_use]
    pub fn of_charts(title: &'static str, note: impl Into<String>, charts: Vec<Chart>) -> Option<Self> {
        let shows = charts.iter().any(|chart| !chart.lines.is_empty());
        shows.then(|| Self { title, note: note.into(), rows: Vec::new(), charts })
    }
}

/// What one thing was over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Row {
    /// What thing; empty in a crowd, whose rows are thin.
    pub label: String,
    /// States, each with its span.
    pub bands: Vec<Band>,
    /// Instants at which something happened.
    pub marks: Vec<Mark>,
}

/// What something was from one instant to another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Band {
    /// When it began.
    pub from_ms: f64,
    /// When it ended.
    pub to_ms: f64,
    /// A word or two, shown where it fits.
    pub label: String,
    /// All of it, shown by a pointer.
    pub says: String,
    /// How it looks.
    pub tone: Tone,
}

/// What happened at an instant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// When it happened.
    pub at_ms: f64,
    /// A word or two; empty where marks are many.
    pub label: String,
    /// All of it, shown by a pointer.
    pub says: String,
    /// How it looks.
    pub tone: Tone,
}

/// What a number of a chart counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Milliseconds, written as seconds.
    Millis,
    /// A number of things.
    Count,
    /// A number of things in a second.
    Rate,
    /// Bytes, written with their unit.
    Bytes,
    /// Cores of a processor.
    Cores,
}

/// Numbers over time, as lines on one axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Chart {
    /// What the numbers are.
    pub title: String,
    /// The unit of the numbers.
    pub unit: Unit,
    /// Whether equal ratios are equally far apart.
    pub log: bool,
    /// Its lines, one over the other.
    pub lines: Vec<Line>,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// How it looks.
    pub tone: Tone,
    /// How its points are joined.
    pub join: Join,
    /// Points in order; without a number the line is broken.
    pub points: Vec<(f64, Option<f64>)>,
}

/// How the points of a line are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// Straight from point to point.
    Line,
    /// A number holds until the next one.
    Step,
    /// As a step, and what is under it is filled.
    Area,
    /// By dashes, each number until the next one: a limit.
    Limit,
}

/// Latency of each load by share of its operations.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LatencyCurves {
    /// Shares of a hundred, in order.
    pub shares: Vec<f64>,
    /// Each load: its name, and the latency at each share, milliseconds.
    pub loads: Vec<(String, Vec<f64>)>,
}

/// What was lost, and where.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LossShown {
    /// What was lost, in numbers.
    pub facts: Vec<Fact>,
    /// Timelines, the oldest first.
    pub timelines: Vec<Timeline>,
}

/// One timeline, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// The number that PostgreSQL gave it.
    pub number: u32,
    /// Where the next one left it; `None` for the last.
    pub left_at: Option<String>,
    /// What was written behind that and is gone, in words; empty when nothing is.
    pub lost: String,
}

/// What no run should show.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Anomaly {
    /// Its kind, and whose it is.
    pub title: String,
    /// What was seen, as one sentence.
    pub says: String,
    /// A circle: each operation, and the edge from it to the next; empty where it is none.
    pub circle: Vec<(String, &'static str)>,
    /// The operations that take part in it.
    pub table: Option<Table>,
}

/// A table of texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// The heading above it.
    pub title: String,
    /// The head of each column.
    pub head: Vec<&'static str>,
    /// Its rows, cell by cell.
    pub rows: Vec<Vec<String>>,
    /// What is left out, in words; empty when nothing is.
    pub more: String,
}

/// One check, with where it stands in the record.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckLine {
    /// The word of the checker.
    pub name: String,
    /// Whether the scenario asked for it.
    pub asked: bool,
    /// What it says of the run.
    pub verdict: VerdictWord,
    /// What was found, as one sentence.
    pub summary: String,
    /// What it rests on, as JSON; the beginning of it where that is long.
    pub evidence: String,
    /// Where it stands in the record: a file, and what to look for in it.
    pub stands: Vec<(String, String)>,
}
