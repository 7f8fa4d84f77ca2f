//! Running a committed scenario that must end in a stated verdict.

use std::path::Path;
use std::process::{Command, Stdio};

use pgha::spec::scenario;
use serde_json::Value;

/// Runs `scenarios/<path>.toml` in a lab of its own; it must end as its `[ends]` says, which must be
/// `verdict` by `check`, and leave nothing of its lab behind.
pub fn ends_as_stated(path: &str, verdict: &str, check: &str) {
    let report = run(path);
    assert_eq!(report["verdict"], verdict, "{report:#}");
    let said = report["checks"].as_array().expect("checks").iter().find(|seen| seen["name"] == check);
    assert_eq!(said.expect("the check")["verdict"], verdict, "{report:#}");
}

/// Runs a committed scenario to its end; its report. It must end with exit code 0.
pub fn run(path: &str) -> Value {
    let runs = tempfile::tempdir().expect("a temporary directory");
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{path}.toml"));
    let output = Command::new(env!("CARGO_BIN_EXE_pgha"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .arg("run")
        .arg(&scenario)
        .args(["-o", "json", "--runs"])
        .arg(runs.path())
        .output()
        .expect("pgha starts");
    let progress = String::from_utf8_lossy(&output.stderr);
    let report = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{progress}\n{report}");
    let text = std::fs::read_to_string(&scenario).expect("the scenario");
    let name = scenario::parse(path, &text).expect("a scenario").name;
    let left = Command::new("docker")
        .args(["ps", "--all", "--quiet", "--filter", &format!("label=pgha.lab={name}")])
        .output()
        .expect("docker starts");
    assert!(left.stdout.is_empty(), "left behind: {}", String::from_utf8_lossy(&left.stdout));
    serde_json::from_str(&report).expect("a report")
}
