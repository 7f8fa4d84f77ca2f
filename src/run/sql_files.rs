//! Files of SQL that loads of a scenario run, read before anything starts.
//!
//! Invariant: only what lies in the scenario's own folder is read, whatever a path or a link says:
//! what a scenario does can be seen beside it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path};

use crate::model::{Load, Name};

/// The text of each load that runs a file; `scenario` is the path of the scenario itself.
///
/// # Errors
/// A sentence about the first file that cannot be used.
pub fn read(scenario: &Path, loads: &[Load]) -> Result<BTreeMap<Name, String>, String> {
    let folder = scenario.parent().filter(|parent| !parent.as_os_str().is_empty());
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let named = loads.iter().filter_map(|load| Some((load, load.file.as_ref()?)));
    named.map(|(load, file)| Ok((load.name.clone(), text(folder, load, file)?))).collect()
}

fn text(folder: &Path, load: &Load, file: &str) -> Result<String, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("load `{}`: file `{file}`: {why}", load.name);
    if !Path::new(file).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(wrong(&"a path inside the scenario's folder is wanted"));
    }
    let real = |path: &Path| path.canonicalize().map_err(|error| wrong(&error));
    let path = real(&folder.join(file))?;
    if !path.starts_with(real(folder)?) {
        return Err(wrong(&"it is a link that leads out of the scenario's folder"));
    }
    let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
    if text.trim().is_empty() || text.contains('\0') {
        return Err(wrong(&"there is no SQL in it"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(file: &str) -> Load {
        let text = serde_json::json!({"name": "own", "workload": "sql", "rate": 1, "file": file});
        serde_json::from_value(text).expect("a load")
    }

    #[test]
    fn only_what_lies_beside_the_scenario_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = folder.path().join("inside");
        fs::create_dir(&inside).expect("a folder");
        fs::write(folder.path().join("outside.sql"), "select 1").expect("a file");
        fs::write(inside.join("own.sql"), "select 1; select 2").expect("a file");
        fs::write(inside.join("empty.sql"), " \n").expect("a file");
        std::os::unix::fs::symlink("../outside.sql", inside.join("link.sql")).expect("a link");
        let scenario = inside.join("s.toml");
        let read = |file: &str| read(&scenario, &[load(file)]);
        assert_eq!(
            read("own.sql").expect("a text").into_values().collect::<Vec<_>>(),
            ["select 1; select 2"]
        );
        for (file, why) in [
            ("../outside.sql", "inside the scenario's folder"),
            ("/etc/hostname", "inside the scenario's folder"),
            ("link.sql", "leads out"),
            ("empty.sql", "no SQL"),
            ("not-there.sql", "No such file"),
        ] {
            let said = read(file).expect_err(file);
            assert!(said.contains(why), "{said}");
        }
    }
}
