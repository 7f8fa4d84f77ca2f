//! Reading a run directory back: all a verdict needs, without the lab.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::RunError;
use crate::check::RunRecord;
use crate::check::whole::SIGNED;
use crate::history::{History, Reading};
use crate::model::run::Resolved;
use crate::model::{FaultRecord, MemberId, Sighting};

/// Bytes of a journal that are read at once.
const BUFFER: usize = 256 * 1024;

fn text(dir: &Path, name: &str) -> Result<String, RunError> {
    fs::read_to_string(dir.join(name)).map_err(|error| RunError::Unreadable {
        path: dir.join(name).display().to_string(),
        why: error.to_string(),
    })
}

fn json<T: DeserializeOwned>(dir: &Path, name: &str) -> Result<T, RunError> {
    serde_json::from_str(&text(dir, name)?).map_err(|error| RunError::Unreadable {
        path: dir.join(name).display().to_string(),
        why: error.to_string(),
    })
}

/// Reads what a run left behind.
///
/// # Errors
/// [`RunError::Unreadable`] with file and reason. A torn last line is no error: the run was killed.
pub fn read(dir: &Path) -> Result<RunRecord, RunError> {
    let unreadable =
        |name: &str, why: String| RunError::Unreadable { path: dir.join(name).display().to_string(), why };
    let (history, cut) = history(dir).map_err(|why| unreadable("history.jsonl", why))?;
    let mut sightings: Vec<Sighting> = Vec::new();
    let lines = text(dir, "sightings.jsonl")?;
    let last = lines.lines().count();
    let mut torn = false;
    for (index, line) in lines.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(sighting) => sightings.push(sighting),
            Err(_) if index + 1 == last => torn = true,
            Err(error) => return Err(unreadable("sightings.jsonl", format!("line {}: {error}", index + 1))),
        }
    }
    sightings.sort_by_key(|sighting| sighting.at);
    let (ledger, torn_ledger) = ledger(dir)?;
    let resolved: Resolved = json(dir, "resolved.json")?;
    if let Some(why) = of_tomorrow(&resolved) {
        return Err(unreadable("resolved.json", why));
    }
    // older runs are judged without their ledger
    let torn = torn || torn_ledger && resolved.edition >= SIGNED;
    Ok(RunRecord {
        scenario: json(dir, "scenario.json")?,
        resolved,
        ledger,
        complete: !cut && !torn,
        history,
        sightings,
        logs: logs(dir).map_err(|error| unreadable("logs", error.to_string()))?,
    })
}

/// Why a run cannot be judged by this program: a later one made it, by rules that are not known here. Runs of earlier ones
/// are judged for ever, by what their edition keeps.
fn of_tomorrow(resolved: &Resolved) -> Option<String> {
    let (version, edition) = (resolved.schema_version, resolved.edition);
    let by = format!("a later version of this program, {}, wrote it", resolved.pgha);
    if version != Resolved::SCHEMA {
        return Some(format!(
            "{by}: it is of version {version}, and this program reads {}",
            Resolved::SCHEMA
        ));
    }
    (edition > Resolved::EDITION).then(|| {
        format!("{by}: the run is of edition {edition}, and this program knows {}", Resolved::EDITION)
    })
}

/// The ledger of faults, and whether its last line is torn; `None` when there is none.
fn ledger(dir: &Path) -> Result<(Option<Vec<FaultRecord>>, bool), RunError> {
    const NAME: &str = "faults.jsonl";
    if !dir.join(NAME).exists() {
        return Ok((None, false));
    }
    let lines = text(dir, NAME)?;
    let last = lines.lines().count();
    let mut faults = Vec::new();
    for (index, line) in lines.lines().enumerate() {
        match serde_json::from_str(line) {
            Ok(fault) => faults.push(fault),
            Err(_) if index + 1 == last => return Ok((Some(faults), true)),
            Err(error) => {
                let (path, why) =
                    (dir.join(NAME).display().to_string(), format!("line {}: {error}", index + 1));
                return Err(RunError::Unreadable { path, why });
            }
        }
    }
    Ok((Some(faults), false))
}

/// The journal, line by line, and whether its last line is torn.
fn history(dir: &Path) -> Result<(History, bool), String> {
    let file = File::open(dir.join("history.jsonl")).map_err(|error| error.to_string())?;
    let mut file = BufReader::with_capacity(BUFFER, file);
    let (mut reading, mut line) = (Reading::default(), Vec::new());
    while file.read_until(b'\n', &mut line).map_err(|error| error.to_string())? > 0 {
        reading.line(&line).map_err(|error| error.to_string())?;
        line.clear();
    }
    Ok(reading.finish())
}

/// Every body's log, by member; none when the run kept none. A log is bytes of somebody else: what is
/// no text in it is replaced.
fn logs(dir: &Path) -> std::io::Result<BTreeMap<MemberId, String>> {
    let mut logs = BTreeMap::new();
    let entries = match fs::read_dir(dir.join("logs")) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(logs),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let path = entry?.path();
        let member =
            path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| MemberId::new(stem).ok());
        if let Some(member) = member.filter(|_| path.extension().is_some_and(|end| end == "log")) {
            logs.insert(member, String::from_utf8_lossy(&fs::read(&path)?).into_owned());
        }
    }
    Ok(logs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_of_a_later_version_is_refused_and_one_of_the_first_is_not() {
        let first = include_str!("../../tests/histories/good-failover/resolved.json");
        let mut resolved: Resolved = serde_json::from_str(first).expect("a run of 0.1.0");
        assert_eq!((resolved.pgha.as_str(), of_tomorrow(&resolved)), ("0.1.0", None));
        resolved.pgha = "9.0.0".to_owned();
        resolved.edition = Resolved::EDITION + 1;
        let why = of_tomorrow(&resolved).expect("its rules are not known");
        assert!(why.contains("9.0.0") && why.contains("of edition 3, and this program knows 2"), "{why}");
        (resolved.edition, resolved.schema_version) = (0, 2);
        let why = of_tomorrow(&resolved).expect("its format is not known");
        assert!(why.contains("of version 2, and this program reads 1"), "{why}");
    }
}
