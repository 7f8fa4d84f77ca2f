//! The program away from its checkout: what it was built with is all it has.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::{TempDir, tempdir};

/// The program in a folder of its own, without settings of whoever runs the tests.
fn away(folder: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
    for name in ["PGHA_FILE", "PGHA_PRESET", "PGHA_LAB", "PGHA_SEED", "PGHA_RUNS"] {
        command.env_remove(name);
    }
    command.current_dir(folder).args(words).output().expect("pgha starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn begun() -> TempDir {
    let folder = tempdir().expect("a folder");
    let said = away(folder.path(), &["init"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    folder
}

#[test]
fn what_init_writes_is_valid_and_can_be_run() {
    let folder = begun();
    let files = ["lab/lab.toml", "scenarios/primary-dies.toml", "scenarios/repair/primary-dies.toml"];
    let words: Vec<&str> = ["validate"].into_iter().chain(files).collect();
    let said = away(folder.path(), &words);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    for file in files {
        let written = fs::read_to_string(folder.path().join(file)).expect("written");
        assert!(written.contains("  # "), "{file} explains nothing");
        // an editor finds the schema that the first line names
        let schema =
            written.lines().next().and_then(|line| line.strip_prefix("#:schema ")).expect("a schema");
        let beside = folder.path().join(file).parent().expect("a folder").join(schema);
        assert!(beside.is_file(), "{file} names {schema}");
    }
    for scenario in &files[1..] {
        let said = away(folder.path(), &["run", "--dry-run", scenario]);
        assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
        assert!(text(&said.stdout).contains("inject"), "{scenario}");
    }
    // the lab that was written is the one that is used
    let lab = folder.path().join("lab/lab.toml");
    let changed = fs::read_to_string(&lab).expect("a lab").replace("name = \"lab\"", "name = \"mine\"");
    fs::write(&lab, changed).expect("changed");
    let said = away(folder.path(), &["run", "--dry-run", files[1]]);
    assert!(text(&said.stdout).contains("lab mine"), "{}", text(&said.stdout));
}

#[test]
fn init_replaces_no_file() {
    let folder = begun();
    let lab = folder.path().join("lab/lab.toml");
    fs::write(&lab, "# mine\n").expect("changed");
    let said = away(folder.path(), &["init"]);
    assert_eq!(said.status.code(), Some(64));
    assert!(text(&said.stderr).contains("lab/lab.toml"), "{}", text(&said.stderr));
    assert_eq!(fs::read_to_string(&lab).expect("a lab"), "# mine\n");

    // one file that is there is enough: nothing is written
    let folder = tempdir().expect("a folder");
    let scenarios = folder.path().join("mine/scenarios");
    fs::create_dir_all(&scenarios).expect("a folder");
    fs::write(scenarios.join("primary-dies.toml"), "# mine\n").expect("written");
    let said = away(folder.path(), &["init", "mine"]);
    assert_eq!(said.status.code(), Some(64));
    assert!(!folder.path().join("mine/lab").exists(), "half of it was written");
    // a folder that is none
    let said = away(folder.path(), &["init", "mine/scenarios/primary-dies.toml"]);
    assert_eq!(said.status.code(), Some(64), "{}", text(&said.stderr));
}

#[test]
fn every_verb_has_a_manual_page() {
    let folder = tempdir().expect("a folder");
    let said = away(folder.path(), &["man", "--dir", "man1"]);
    assert_eq!(said.status.code(), Some(0), "{}", text(&said.stderr));
    let page = |name: &str| fs::read_to_string(folder.path().join(format!("man1/{name}.1")));
    for verb in super::pages::verbs() {
        let page = page(&format!("pgha-{verb}")).unwrap_or_else(|error| panic!("{verb}: {error}"));
        assert!(page.contains(".TH") && page.contains("SYNOPSIS"), "{verb}");
    }
    assert!(page("pgha-inject-kill").is_ok(), "verbs of verbs have pages");
    assert!(page("pgha-broker").is_err(), "what is hidden from help has no page");
    let whole = page("pgha").expect("a page");
    assert!(whole.contains("no engine"), "it says the exit codes");
    assert_eq!(text(&away(folder.path(), &["man"]).stdout), whole, "the page that is printed");
}
