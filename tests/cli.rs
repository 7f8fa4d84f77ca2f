//! The command line as a person sees it, without an engine: transcripts in `tests/cli/`, held to the
//! letter. `TRYCMD=overwrite cargo test --test cli` writes them anew; read the difference before you
//! keep it. `cli/pages.rs` makes pages of the papers from the program, `cli/said.rs` reads the commands that papers name,
//! `cli/bench.rs` makes pages and comparisons of benches, `cli/shipped.rs` uses the program away from its checkout.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so loudly")]

#[path = "cli/bench.rs"]
mod bench;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/said.rs"]
mod said;
#[path = "cli/shipped.rs"]
mod shipped;

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn pgha(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgha")).args(words).output().expect("pgha starts")
}

#[test]
fn the_transcripts_hold() {
    // a transcript does not depend on the width of somebody's terminal
    let cases = trycmd::TestCases::new();
    cases.env("COLUMNS", "100").case("tests/cli/*.trycmd").case("README.md").case("docs/src/*.md").run();
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the same word as for the transcripts says that pages are made anew"
)]
fn pages_that_are_made_are_what_the_program_says() {
    let overwrite = std::env::var_os("TRYCMD").is_some_and(|word| word == "overwrite");
    for (path, made) in pages::pages() {
        pages::compare(path, &made, overwrite);
    }
}

#[test]
fn commands_in_the_papers_are_taken_and_those_without_an_engine_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let papers = said::papers(root);
    let commands: Vec<said::Said> =
        papers.iter().flat_map(|(path, text)| said::commands(path, text)).collect();
    let wrong: Vec<String> = commands.iter().filter_map(said::refusal).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let alone: Vec<&said::Said> = commands.iter().filter(|said| said.runs_alone(root)).collect();
    assert!(
        alone.len() > 5 && alone.len() < commands.len(),
        "{} of {} commands run here",
        alone.len(),
        commands.len()
    );
    let failed: Vec<String> = alone.into_iter().filter_map(said::failure).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let verbs = pages::verbs();
    let named = papers.iter().flat_map(|(path, text)| said::verbs(path, text));
    let unknown: Vec<_> = named.filter(|(_, verb)| !verbs.contains(verb)).collect();
    assert!(unknown.is_empty(), "no verbs of pgha: {unknown:?}");
}

#[test]
fn the_program_prints_the_schemas_that_are_committed() {
    for (format, committed) in [
        ("lab", include_str!("../lab/lab.schema.json")),
        ("scenario", include_str!("../scenarios/scenario.schema.json")),
    ] {
        let said = pgha(&["schema", format]);
        assert_eq!(said.status.code(), Some(0));
        assert_eq!(String::from_utf8_lossy(&said.stdout), committed, "{format}");
    }
    let said = pgha(&["schema", "report"]);
    let schema: Value = serde_json::from_slice(&said.stdout).expect("a schema");
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["verdict"].is_object(), "{schema:#}");
}

/// Runs with a stdout that nobody reads: the reading end is closed before anything is said.
fn unheard(words: &[&str]) -> Output {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
    command.args(words).stdout(writer).stdin(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("pgha starts").wait_with_output().expect("pgha ends")
}

#[test]
fn a_reader_that_has_gone_is_nobodys_error() {
    let runs = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/histories");
    let run = std::fs::read_dir(runs).expect("stored runs").map(|run| run.expect("a run").path());
    let run = run.filter(|run| run.join("history.jsonl").is_file()).min().expect("a stored run");
    let run = run.to_str().expect("a path");
    let smoke = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/smoke.toml");
    for words in [
        &["--help"][..],
        &["--version"],
        &["help", "run"],
        &["schema", "lab"],
        &["schema", "scenario"],
        &["schema", "suite"],
        &["schema", "controller"],
        &["schema", "report"],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["man"],
        &["validate", smoke],
        &["run", "--dry-run", smoke],
        &["check", run],
        &["check", run, "-o", "json"],
    ] {
        let (heard, unheard) = (pgha(words), unheard(words));
        // it ends as it would have, and says nothing of it
        assert_eq!(unheard.status.code(), heard.status.code(), "{words:?}");
        assert_eq!(
            String::from_utf8_lossy(&unheard.stderr),
            String::from_utf8_lossy(&heard.stderr),
            "{words:?}"
        );
    }
    // nor is one of stderr
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
    let command = command.args(["validate", "/no/such/file.toml"]).stderr(writer).stdout(Stdio::null());
    assert_eq!(command.status().expect("pgha ends").code(), Some(64));
}

#[test]
fn half_of_an_answer_is_no_success() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
    let said = command.args(["schema", "lab"]).stdout(full).output().expect("pgha ends");
    assert_eq!(said.status.code(), Some(70));
    assert!(String::from_utf8_lossy(&said.stderr).contains("did not arrive"));
}

#[test]
fn every_shell_gets_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let said = pgha(&["completions", shell]);
        assert_eq!(said.status.code(), Some(0), "{shell}");
        assert!(String::from_utf8_lossy(&said.stdout).contains("validate"), "{shell}");
        // what is hidden from help is hidden from shells
        assert!(!String::from_utf8_lossy(&said.stdout).contains("final-read"), "{shell}");
    }
}

#[test]
fn help_is_no_error_and_goes_to_stdout() {
    for words in [&["--help"][..], &["help", "run"], &["run", "-h"], &["--version"]] {
        let said = pgha(words);
        assert_eq!(said.status.code(), Some(0), "{words:?}");
        assert!(!said.stdout.is_empty() && said.stderr.is_empty(), "{words:?}");
    }
}
