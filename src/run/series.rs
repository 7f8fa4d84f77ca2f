//! A series of trials of one scenario: which of them have been run already, read off their directories.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use super::conduct::{Ended, OUTCOME};
use crate::model::run::Resolved;
use crate::model::{LabSpec, Name, Scenario};
use crate::report::Report;

/// A run that came to its own end.
#[derive(Clone, Debug, PartialEq)]
pub struct Finished {
    /// Its directory.
    pub dir: PathBuf,
    /// How long it took.
    pub ended: Ended,
    /// Its report.
    pub report: Report,
}

/// The newest finished run of this scenario, word for word, on a lab of this shape with this seed. A lab's
/// name and its published addresses do not matter.
#[must_use]
pub fn finished(runs: &Path, scenario: &Scenario, text: &str, lab: &LabSpec, seed: u64) -> Option<Finished> {
    let entries = fs::read_dir(runs.join(scenario.name.as_str())).ok()?;
    let mut dirs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // the link to the newest is one of them under another name
    dirs.retain(|dir| dir.is_dir() && !dir.is_symlink());
    dirs.sort();
    dirs.into_iter().rev().find_map(|dir| {
        let resolved: Resolved = json(&dir, "resolved.json")?;
        let same = resolved.seed == seed
            && nameless(&resolved.lab) == nameless(lab)
            && fs::read_to_string(dir.join("scenario.toml")).ok()? == text;
        let ended: Ended = json(&dir, OUTCOME)?;
        let report = json(&dir, "report.json")?;
        (same && !ended.interrupted).then_some(Finished { dir, ended, report })
    })
}

fn nameless(lab: &LabSpec) -> LabSpec {
    let mut lab = lab.clone();
    lab.name = Name::new("lab").unwrap_or(lab.name);
    lab.network.publish.clear();
    lab
}

fn json<T: DeserializeOwned>(dir: &Path, file: &str) -> Option<T> {
    serde_json::from_str(&fs::read_to_string(dir.join(file)).ok()?).ok()
}
