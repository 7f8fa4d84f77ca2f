//! The directory of a bench: points read and written, and everything that is made from them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::CliError;
use crate::cli::settings::write;
use crate::model::suite::{Comparison, Suite};
use crate::report::bench::{bencher, environment, smaller_is_better};
use crate::report::html::bench as page;
use crate::report::{self, BenchReport, Beside, Point, Report};

/// Where points are kept, one a line.
const POINTS: &str = "points.jsonl";
/// The numbers.
const NUMBERS: &str = "bench.json";
/// The load generator's test of itself.
const SELF_TEST: &str = "generator.json";

/// A bench on disk.
pub struct Folder<'a> {
    dir: PathBuf,
    suite: &'a Suite,
    points: Vec<Point>,
    beside: Beside,
}

impl<'a> Folder<'a> {
    /// The directory with what stands in it; made where it is not there.
    pub fn open(dir: &Path, suite: &'a Suite) -> Result<Self, CliError> {
        fs::create_dir_all(dir).map_err(|error| {
            CliError::usage(format!("cannot make {}: {error}", dir.display()), "is the path right?")
        })?;
        let points = points(dir)?;
        let known: Option<BenchReport> = read(&dir.join(NUMBERS));
        let known = known.unwrap_or_default();
        let beside = Beside {
            pgha: this_program(),
            machine: known.machine,
            environments: known.environments,
            self_test: read(&dir.join(SELF_TEST)),
        };
        Ok(Self { dir: dir.to_owned(), suite, points, beside })
    }

    /// A directory that holds points already.
    pub fn known(dir: &Path, suite: &'a Suite) -> Result<Self, CliError> {
        if !dir.join(POINTS).is_file() {
            let hint = "`--out` names the directory that `pgha bench` wrote to";
            return Err(CliError::usage(format!("{} holds no {POINTS}", dir.display()), hint));
        }
        let known: Option<BenchReport> = read(&dir.join(NUMBERS));
        let mut folder = Self::open(dir, suite)?;
        // the numbers are this program's, the runs are of the one that made them
        if let Some(known) = known.filter(|known| !known.pgha.is_empty()) {
            folder.beside.pgha = known.pgha;
        }
        Ok(folder)
    }

    /// Drops the points of comparisons that are read again now: a part does not undo the rest.
    pub fn forget(&mut self, chosen: &[Comparison]) {
        self.points.retain(|point| chosen.iter().all(|comparison| comparison.name != point.comparison));
    }

    /// Adds what a trial gave.
    pub fn add(&mut self, point: Point, report: &Report) {
        self.beside.machine.clone_from(&report.environment.machine);
        self.remember(report);
        self.points.push(point);
    }

    fn remember(&mut self, report: &Report) {
        let (key, made_on) = environment(report);
        self.beside.environments.insert(key, made_on);
    }

    /// Adds to points of older editions what the reports of their runs say, where these are still there.
    pub fn fill_in(&mut self) {
        for index in 0..self.points.len() {
            let Some(point) = self.points.get(index).filter(|point| point.environment.is_none()) else {
                continue;
            };
            let Some(report) = self.run(&point.run).and_then(|run| read::<Report>(&run.join("report.json")))
            else {
                continue;
            };
            self.remember(&report);
            if let Some(point) = self.points.get_mut(index) {
                *point = point.clone().made_on(&report);
            }
        }
    }

    /// Where a run stands: as it was named, else below this directory.
    fn run(&self, run: &str) -> Option<PathBuf> {
        let named = PathBuf::from(run);
        [named, self.dir.join("runs").join(tail(run))].into_iter().find(|path| path.is_dir())
    }

    /// The page of a run as seen from the bench's own, where it stands below it.
    fn href(&self, run: &str) -> Option<String> {
        let below = Path::new("runs").join(tail(run)).join(report::html::FILE);
        self.dir.join(&below).is_file().then(|| below.display().to_string())
    }

    /// What stands in it, as it would be published: runs by the path below the directory.
    pub fn points(&self) -> Vec<Point> {
        let short = |point: &Point| Point { run: format!("runs/{}", tail(&point.run)), ..point.clone() };
        self.points.iter().map(short).collect()
    }

    /// The same bench with other points, in another directory.
    pub fn elsewhere(&self, dir: &Path, points: Vec<Point>) -> Self {
        Self { dir: dir.to_owned(), suite: self.suite, points, beside: self.beside.clone() }
    }

    /// Its page.
    pub fn page(&self) -> PathBuf {
        self.dir.join(page::FILE)
    }

    /// Writes everything known so far, and returns it.
    pub fn keep(&self) -> Result<BenchReport, CliError> {
        let report = report::bench_report(self.suite, &self.points, self.beside.clone());
        let lines: Result<Vec<String>, CliError> = self.points.iter().map(json).collect();
        let put = |name: &str, text: &str| write(&self.dir.join(name), text);
        put(POINTS, &(lines?.join("\n") + "\n"))?;
        put(NUMBERS, &json(&report)?)?;
        put("bench.md", &report::bench_markdown(&report))?;
        put(page::FILE, &page::write(&page::page(&report, &|run| self.href(run))))?;
        put("smaller-is-better.json", &json(&smaller_is_better(&report))?)?;
        put("bmf.json", &json(&bencher(&report))?)?;
        if let Some(test) = &self.beside.self_test {
            put(SELF_TEST, &json(test)?)?;
        }
        Ok(report)
    }
}

/// Scenario and directory of a run, the end of its path.
fn tail(run: &str) -> String {
    let parts: Vec<&str> = run.rsplit('/').filter(|part| !part.is_empty()).take(2).collect();
    parts.into_iter().rev().collect::<Vec<&str>>().join("/")
}

fn this_program() -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!("pgha {}, {build} build", env!("CARGO_PKG_VERSION"))
}

/// The points of a directory; a line that is none is an error, not a point less.
fn points(dir: &Path) -> Result<Vec<Point>, CliError> {
    let path = dir.join(POINTS);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CliError::usage(format!("cannot read {}: {error}", path.display()), "")),
    };
    let mut points = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let point = serde_json::from_str(line).map_err(|error| {
            let place = format!("{}:{}: no point: {error}", path.display(), number + 1);
            CliError::usage(place, "a line that was torn can be deleted: its run is read again")
        })?;
        points.push(point);
    }
    Ok(points)
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// The numbers of a bench that somebody named by its directory, or by its `bench.json`.
pub fn stored(path: &Path) -> Result<BenchReport, CliError> {
    let file = if path.is_dir() { path.join(NUMBERS) } else { path.to_owned() };
    let hint = "a bench is a directory that `pgha bench` wrote to, or the bench.json in it";
    let text = fs::read_to_string(&file)
        .map_err(|error| CliError::usage(format!("cannot read {}: {error}", file.display()), hint))?;
    let report: BenchReport = serde_json::from_str(&text)
        .map_err(|error| CliError::usage(format!("{} is no bench: {error}", file.display()), hint))?;
    if report.schema_version != 1 {
        let why = format!("{} has version {} of its format", file.display(), report.schema_version);
        return Err(CliError::usage(why, "this program reads version 1"));
    }
    Ok(report)
}

/// Names of points, to tell whether one bench goes on with another.
pub fn named(points: &[Point]) -> BTreeMap<(String, String, u32), String> {
    let named = points
        .iter()
        .map(|point| ((point.comparison.to_string(), point.arm.to_string(), point.trial), tail(&point.run)));
    named.collect()
}

/// A value as one line of JSON.
pub fn json(value: &impl serde::Serialize) -> Result<String, CliError> {
    serde_json::to_string(value)
        .map_err(|error| CliError::usage(format!("the numbers cannot be written: {error}"), ""))
}
