//! Measurements: folders that `pgha bench` wrote, and the committed points of a clone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::gathered::Gathered;
use super::record;
use super::runs::{begun, find};
use super::sources::Sources;
use crate::report::html::site::{Measurement, of_markdown, of_report, place, slug};
use crate::report::{BenchReport, Point};

/// Names of the page that a measurement has of its own.
const PAGES: [&str; 2] = ["index.html", "bench.html"];
/// Where a clone keeps measurements.
const COMMITTED: [&str; 2] = ["benches/measured", "benches/results"];

/// Puts every measurement into a site, the oldest first.
pub fn read(sources: &Sources, below_runs: &[PathBuf], gathered: &mut Gathered) {
    let mut folders: BTreeSet<PathBuf> = below_runs.iter().cloned().collect();
    for further in &sources.benches {
        folders.extend(find(further).benches);
    }
    if let Some(repository) = &sources.repository {
        for folder in COMMITTED {
            folders.extend(find(&repository.join(folder)).benches);
            pairs(repository, folder, gathered);
        }
    }
    for folder in folders {
        self::folder(sources, &folder, gathered);
    }
    let site = &mut gathered.site;
    site.benches.retain(|bench| !bench.points.is_empty());
    site.benches.sort_by(|one, other| (&one.begun, &one.name).cmp(&(&other.begun, &other.name)));
}

/// A folder that `pgha bench` wrote.
fn folder(sources: &Sources, folder: &Path, gathered: &mut Gathered) {
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap_or_default();
    let points = points(&text("points.jsonl"));
    let report: Option<BenchReport> = serde_json::from_str(&text("bench.json")).ok();
    let markdown = text("bench.md");
    let mut measured = of_markdown(&markdown);
    measured.extend(report.as_ref().map(of_report).unwrap_or_default());
    let name = named(sources, folder);
    let at = format!("benches/{}", slug(&name));
    let mut pages = Vec::new();
    // a page of somebody else may run anything
    if let Some(page) = PAGES.iter().find(|page| record::ours(&folder.join(page)).is_some()) {
        let place = format!("{at}/{page}");
        gathered.files.insert(place.clone(), folder.join(page));
        pages.push(("page".to_owned(), place));
    }
    if !markdown.is_empty() {
        let path = format!("{at}/bench.md");
        pages.push(("tables".to_owned(), place(&path)));
        gathered.site.texts.insert(path, markdown);
    }
    let pgha = report.map(|report| report.pgha).unwrap_or_default();
    gathered.site.benches.push(Measurement { begun: first(&points), name, pgha, points, measured, pages });
}

/// What a folder is called: its path below the clone or the folder of runs, else its own name.
fn named(sources: &Sources, folder: &Path) -> String {
    let roots = [sources.repository.as_deref(), sources.runs.parent()];
    let mut known = roots.into_iter().flatten().filter(|root| !root.as_os_str().is_empty());
    let below = known.find_map(|root| folder.strip_prefix(root).ok());
    let own = folder.file_name().map(Path::new);
    below.filter(|path| !path.as_os_str().is_empty()).or(own).unwrap_or(folder).display().to_string()
}

/// Points of a clone that lie beside a page of the same name.
fn pairs(repository: &Path, folder: &str, gathered: &mut Gathered) {
    let Ok(entries) = fs::read_dir(repository.join(folder)) else { return };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths.iter().filter(|path| path.extension().is_some_and(|end| end == "jsonl")) {
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let markdown = format!("{folder}/{stem}.md");
        let text = gathered.site.texts.get(&markdown);
        let points = points(&fs::read_to_string(path).unwrap_or_default());
        let bench = Measurement {
            name: stem.to_owned(),
            begun: first(&points),
            pgha: text.and_then(|text| made_with(text)).unwrap_or_default(),
            points,
            measured: text.map(|text| of_markdown(text)).unwrap_or_default(),
            pages: text.map(|_| ("tables".to_owned(), place(&markdown))).into_iter().collect(),
        };
        gathered.site.benches.push(bench);
    }
}

/// What measurements were made with: the first sentence of a page's second paragraph.
fn made_with(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("pgha "))?;
    Some(line.split(". ").next()?.to_owned())
}

fn points(text: &str) -> Vec<Point> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// When the first trial began, by the directories of the runs.
fn first(points: &[Point]) -> String {
    let begun = |point: &Point| begun(point.run.rsplit('/').next()?);
    points.iter().filter_map(begun).min().unwrap_or_default()
}
