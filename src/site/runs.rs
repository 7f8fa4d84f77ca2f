//! Run directories: which there are, and each in a line.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::gathered::Gathered;
use super::record::OVER;
use crate::check;
use crate::report::html::site::{Judged, RunLine, State, slug};
use crate::report::{self, Report};
use crate::run::read;

/// How deep below the folder of runs a directory may be.
const DEEP: usize = 8;
/// A run whose journals stand still for so long is not under way any more, seconds.
const STILL: i64 = 120;
/// What a run writes while it goes on.
const GROWING: [&str; 4] = ["history.jsonl", "sightings.jsonl", "faults.jsonl", "scenario.json"];

/// What was found below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Run directories.
    pub runs: Vec<PathBuf>,
    /// Folders of measurements.
    pub benches: Vec<PathBuf>,
}

/// Every run directory and every measurement below a folder. Links are not followed: `latest` is one of the others.
pub fn find(root: &Path) -> Found {
    let mut found = Found::default();
    look(root, DEEP, &mut found);
    found
}

fn look(dir: &Path, deeper: usize, found: &mut Found) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    if dir.join("scenario.json").is_file() {
        found.runs.push(dir.to_owned());
        return;
    }
    if dir.join("points.jsonl").is_file() {
        found.benches.push(dir.to_owned());
    }
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut folders: Vec<PathBuf> = entries.flatten().filter(is_dir).map(|entry| entry.path()).collect();
    folders.sort();
    if deeper > 0 {
        for folder in folders {
            look(&folder, deeper - 1, found);
        }
    }
}

/// What says that a run changed: lengths and times of its files.
type Stamp = Vec<(u64, i64)>;

fn stamp(dir: &Path) -> Stamp {
    let of = |name: &&str| fs::metadata(dir.join(name)).map_or((0, 0), |data| (data.len(), changed(&data)));
    OVER.iter().chain(&GROWING).map(of).collect()
}

/// When a file was written last, seconds since 1970.
fn changed(data: &fs::Metadata) -> i64 {
    let since = data.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| i64::try_from(since.as_secs()).ok()).unwrap_or(0)
}

/// Runs that were read already.
#[derive(Debug, Default)]
pub struct Known(HashMap<PathBuf, (Stamp, RunLine)>);

impl Known {
    /// Puts the lines of all runs that were found into a site, the newest first.
    pub fn read(&mut self, root: &Path, found: &Found, now: i64, gathered: &mut Gathered) {
        let mut known = HashMap::new();
        for dir in &found.runs {
            let stamp = stamp(dir);
            let line = match self.0.remove(dir) {
                // what is under way may have ended without another word
                Some((before, line)) if before == stamp && line.state != State::UnderWay => line,
                _ => line(root, dir, found, now),
            };
            known.insert(dir.clone(), (stamp, line));
        }
        self.0 = known;
        let mut lines: Vec<(&PathBuf, &RunLine)> =
            self.0.iter().map(|(dir, (_, line))| (dir, line)).collect();
        lines.sort_by_key(|(dir, line)| Reverse((&line.started, *dir)));
        for (dir, line) in lines {
            // two directories of one folder name differ in letters that an address does not have
            let mut at = line.at.clone();
            let mut again = 1;
            while gathered.runs.contains_key(&at) {
                again += 1;
                at = format!("{}-{again}", line.at);
            }
            gathered.runs.insert(at.clone(), dir.clone());
            gathered.site.runs.push(RunLine { at, ..line.clone() });
        }
    }
}

fn line(root: &Path, dir: &Path, found: &Found, now: i64) -> RunLine {
    let below = dir.strip_prefix(root).unwrap_or(dir).to_string_lossy().into_owned();
    let scenario: Value = json(&dir.join("scenario.json"));
    let text = |key: &str| scenario.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut line = RunLine {
        at: format!("runs/{}", slug(&below)),
        dir: dir.display().to_string(),
        trial: found.benches.iter().any(|bench| dir.starts_with(bench)),
        scenario: text("name"),
        about: text("about"),
        started: begun(&name).unwrap_or_default(),
        lab: String::new(),
        state: State::UnderWay,
    };
    match report(dir, now) {
        Ok(Some(report)) => {
            let preset = report.preset.as_ref().map(|preset| format!("{preset}, ")).unwrap_or_default();
            line.lab = format!("{preset}seed {}", report.seed);
            line.scenario = report.scenario.to_string();
            line.started.clone_from(&report.started);
            line.about.clone_from(&report.about);
            line.state = State::Judged(Box::new(Judged::of(&report)));
        }
        Ok(None) => {}
        Err(why) => line.state = State::Unreadable(why),
    }
    line
}

/// The report of a run: as it was written, else judged now; `None` while the run goes on.
fn report(dir: &Path, now: i64) -> Result<Option<Report>, String> {
    let stored = fs::read_to_string(dir.join("report.json")).ok();
    if let Some(report) = stored.and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(Some(report));
    }
    if under_way(dir, now) {
        return Ok(None);
    }
    let record = read::read(dir).map_err(|error| error.to_string())?;
    let measured = check::Measured::of(&record);
    Ok(Some(report::build(&measured, &check::judge_measured(&measured))))
}

/// Whether a run has no end yet and something of it was written lately.
pub fn under_way(dir: &Path, now: i64) -> bool {
    if OVER.iter().any(|name| dir.join(name).exists()) {
        return false;
    }
    let newest =
        GROWING.iter().filter_map(|name| fs::metadata(dir.join(name)).ok()).map(|data| changed(&data));
    newest.max().is_some_and(|at| now - at < STILL)
}

fn json(path: &Path) -> Value {
    fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

/// When a run began, by the name of its directory: `20261128T004844Z-159`.
pub fn begun(name: &str) -> Option<String> {
    let (stamp, _) = name.split_once('-')?;
    let digits = |from: usize, to: usize| {
        stamp.get(from..to).filter(|part| part.bytes().all(|letter| letter.is_ascii_digit()))
    };
    let (year, month, day) = (digits(0, 4)?, digits(4, 6)?, digits(6, 8)?);
    let (hour, minute, second) = (digits(9, 11)?, digits(11, 13)?, digits(13, 15)?);
    (stamp.len() == 16).then(|| format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_says_when_its_run_began() {
        assert_eq!(begun("20261128T004844Z-159").as_deref(), Some("2026-11-28T00:48:44Z"));
        for other in ["latest", "20261128T0048Z-1", "2026112xT004844Z-1", ""] {
            assert_eq!(begun(other), None, "{other}");
        }
    }

    #[test]
    fn links_are_not_followed_and_runs_not_looked_into() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("smoke/20261128T004844Z-159");
        fs::create_dir_all(dir.join("logs")).expect("made");
        fs::write(dir.join("scenario.json"), "{}").expect("written");
        fs::write(dir.join("logs/scenario.json"), "{}").expect("written");
        std::os::unix::fs::symlink(&dir, root.path().join("latest")).expect("a link");
        fs::write(root.path().join("points.jsonl"), "").expect("written");
        let found = find(root.path());
        assert_eq!(found, Found { runs: vec![dir], benches: vec![root.path().to_owned()] });
    }

    #[test]
    fn a_run_is_under_way_while_it_writes_and_has_no_end() {
        let root = tempfile::tempdir().expect("a directory");
        let write = |name: &str| fs::write(root.path().join(name), "{}").expect("written");
        assert!(!under_way(root.path(), 0), "nothing was written");
        write("history.jsonl");
        let now = changed(&fs::metadata(root.path().join("history.jsonl")).expect("a file"));
        assert!(under_way(root.path(), now + STILL - 1));
        assert!(!under_way(root.path(), now + STILL), "it was killed");
        write("outcome.json");
        assert!(!under_way(root.path(), now), "it has ended");
    }
}
