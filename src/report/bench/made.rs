//! Where and when points were made: machine, disk, engine, versions, images, commit. A bench that was gone on with another
//! day, or with another build, has several of each, and says so.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::report::{Environment, Report};

/// Whether each run measures this fact of its machine anew, so that it differs where nothing else does.
#[must_use]
pub fn measured_anew(name: &str) -> bool {
    name.starts_with("fsync_") || name.starts_with("login_")
}

/// What a run was made on, and a key for it. What each run measures anew is no part of it.
#[must_use]
pub fn environment(report: &Report) -> (String, Environment) {
    let mut environment = report.environment.clone();
    environment.machine.retain(|name, _| !measured_anew(name));
    let text = serde_json::to_string(&environment).unwrap_or_default();
    let digest = Sha256::digest(text.as_bytes());
    let first: u32 = digest.iter().take(4).fold(0, |number, byte| (number << 8) | u32::from(*byte));
    (format!("{first:08x}"), environment)
}

/// One fact about all environments: its name, and each value that it had.
#[must_use]
pub fn facts(environments: &BTreeMap<String, Environment>) -> Vec<(String, Vec<String>)> {
    let mut facts: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |name: String, value: String| match facts.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) if values.contains(&value) => {}
        Some((_, values)) => values.push(value),
        None => facts.push((name, vec![value])),
    };
    for environment in environments.values() {
        for (name, value) in &environment.machine {
            add(name.clone(), plain(value));
        }
        for (name, version) in &environment.versions {
            add(name.clone(), version.clone());
        }
        for (role, id) in &environment.images {
            add(format!("image of {role}"), id.clone());
        }
        add("pgha".to_owned(), environment.pgha.clone());
        add("commit".to_owned(), environment.commit.clone().unwrap_or_else(|| "not recorded".to_owned()));
    }
    facts
}

/// A value of the record of the machine, as text.
#[must_use]
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
