//! The command line as a person sees it, without an engine: transcripts in `tests/cli/`, held to the
//! letter. `TRYCMD=overwrite cargo test --test cli` writes them anew; read the difference before you
//! keep it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on should say so loudly")]

use std::process::{Command, Output};

use serde_json::Value;

fn pgha(words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pgha")).args(words).output().expect("pgha starts")
}

#[test]
fn the_transcripts_hold() {
    // a transcript does not depend on the width of somebody's terminal
    trycmd::TestCases::new().env("COLUMNS", "100").case("tests/cli/*.trycmd").run();
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
