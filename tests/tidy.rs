//! The house rules, as tests. They read the sources as text, so they hold for code that does not
//! compile yet, and every failure is a sentence that says what to do instead.
//!
//! `tidy/rooms.rs` is the table of rooms and imports, `tidy/told.rs` the same table as people read it,
//! `tidy/names.rs` what types are called, `tidy/habits.rs` everything else a source file must keep, `tidy/papers.rs` what is not Rust, `tidy/prose.rs` how
//! the papers are written, `tidy/commits.rs` the subjects of commits; `tidy/source.rs` reads Rust just well enough.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a rule that cannot read its input must say so and fail"
)]

#[path = "tidy/commits.rs"]
mod commits;
#[path = "tidy/habits.rs"]
mod habits;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/papers.rs"]
mod papers;
#[path = "tidy/prose.rs"]
mod prose;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/told.rs"]
mod told;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::Source;

/// What git does not track and no rule reads.
const SKIPPED: [&str; 4] = [".git", "target", "runs", "result"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file of the repository under `dir`, relative to its root, in order.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let entries =
        fs::read_dir(root().join(dir)).unwrap_or_else(|e| panic!("cannot list {}: {e}", dir.display()));
    for entry in entries {
        let entry = entry.expect("a directory entry");
        let path = dir.join(entry.file_name());
        if dir == Path::new("") && SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
            continue;
        }
        let kind = entry.file_type().expect("a file type");
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("cannot read {}: {e}", path.display()))
}

fn sources() -> Vec<Source> {
    let found: Vec<Source> = files(Path::new("src"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .map(|path| Source::new(&path.to_string_lossy(), &read(&path)))
        .collect();
    assert!(!found.is_empty(), "no sources found: the rules would hold for nothing");
    found
}

/// Fails with every finding, not only the first.
fn none(findings: &[String]) {
    assert!(findings.is_empty(), "\n\n{}\n", findings.join("\n\n"));
}

fn every_source(rule: impl Fn(&Source) -> Vec<String>) {
    none(&sources().iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn rooms_import_only_what_stands_above_them() {
    every_source(rooms::imports);
}

#[test]
fn no_file_of_a_room_leads_back_to_itself() {
    none(&rooms::circles(&sources()));
}

#[test]
fn no_two_types_have_one_name() {
    none(&names::homonyms(&sources()));
}

#[test]
fn the_lab_knows_neither_repair_nor_scaling() {
    every_source(rooms::ignorance);
}

#[test]
fn pure_rooms_are_pure() {
    every_source(habits::purity);
}

#[test]
fn one_room_names_the_engine_and_one_prints() {
    every_source(habits::ownership);
}

#[test]
fn every_file_says_what_lives_in_it() {
    every_source(habits::header);
}

#[test]
fn main_is_a_door_and_no_room() {
    every_source(habits::door);
}

#[test]
fn nothing_is_left_unfinished_or_skipped() {
    every_source(habits::unfinished);
    let tests: Vec<Source> = files(Path::new("tests"))
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ext| ext == "rs"))
        .map(|path| Source::new(&path.to_string_lossy(), &read(&path)))
        .collect();
    none(&tests.iter().flat_map(habits::unfinished).collect::<Vec<_>>());
}

/// Where a controller stands still, and through which function it must say so: that one asks for how long.
const STILL: [(&str, &str, &[&str]); 2] = [
    ("src/decide/repair", "Proposal::wait", &["wait", "elect", "hold", "grace", "clone", "join", "wake"]),
    ("src/decide/scaling", "Draft::wait", &["hold", "blind", "maintenance"]),
];

#[test]
fn no_controller_stands_still_without_a_reason_that_becomes_an_alarm() {
    let mut findings = Vec::new();
    for (room, instead, words) in STILL {
        for path in
            files(Path::new(room)).into_iter().filter(|path| path.extension().is_some_and(|end| end == "rs"))
        {
            let text = read(&path);
            let said = words.iter().filter(|word| text.contains(&format!("say(\"{word}\"")));
            findings.extend(said.map(|word| {
                format!(
                    "{}: `say(\"{word}\"` waits for ever in silence. Use `{instead}` with a reason.",
                    path.display()
                )
            }));
        }
    }
    none(&findings);
}

#[test]
fn every_dependency_says_why() {
    none(&papers::dependencies(&read(Path::new("Cargo.toml"))));
}

/// Every paper of the repository.
fn papers() -> Vec<(PathBuf, String)> {
    let papers =
        files(Path::new("")).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "md"));
    papers.map(|path| (path.clone(), read(&path))).collect()
}

fn every_paper(rule: impl Fn(&Path, &str) -> Vec<String>) {
    none(&papers().iter().flat_map(|(path, text)| rule(path, text)).collect::<Vec<_>>());
}

#[test]
fn links_between_papers_lead_somewhere() {
    every_paper(|path, text| papers::links(path, text, |target| root().join(target).exists()));
}

#[test]
fn paths_that_papers_name_are_there() {
    every_paper(|path, text| match path.to_str() {
        // it tells what was
        Some("CHANGELOG.md") => Vec::new(),
        _ => papers::paths(path, text, |target| root().join(target).exists()),
    });
}

#[test]
fn tests_that_papers_name_are_there() {
    let rust = files(Path::new("src")).into_iter().chain(files(Path::new("tests")));
    let rust = rust.filter(|path| path.extension().is_some_and(|ext| ext == "rs"));
    let code: String = rust.map(|path| read(&path)).collect();
    let functions: BTreeSet<&str> =
        code.split("fn ").skip(1).filter_map(|rest| rest.split_once('(')).map(|(name, _)| name).collect();
    let is_function = |name: &str| functions.contains(name);
    every_paper(|path, text| papers::tests(path, text, is_function));
}

#[test]
fn every_page_of_the_book_is_in_its_contents() {
    let pages = files(Path::new("docs/src")).into_iter();
    let pages = pages.filter_map(|path| path.file_name().map(|name| name.to_string_lossy().into_owned()));
    let pages: Vec<String> = pages.filter(|page| page != "SUMMARY.md").collect();
    none(&papers::book(&read(Path::new("docs/src/SUMMARY.md")), &pages));
}

#[test]
fn papers_are_written_in_short_sentences_and_cells() {
    every_paper(prose::lengths);
}

#[test]
fn the_table_of_rooms_is_told_as_it_is() {
    none(&told::differences(&read(Path::new("ARCHITECTURE.md"))));
}

#[test]
fn commits_say_in_one_line_what_they_do() {
    none(&commits::subjects(root()).iter().flat_map(|line| commits::subject(line)).collect::<Vec<_>>());
}

#[test]
fn the_repository_names_no_machine_and_no_registry() {
    let findings: Vec<String> = files(Path::new(""))
        .into_iter()
        .filter(|path| path != Path::new("Cargo.lock"))
        .filter_map(|path| fs::read_to_string(root().join(&path)).ok().map(|text| (path, text)))
        .flat_map(|(path, text)| papers::strangers(&path.to_string_lossy(), &text))
        .collect();
    none(&findings);
}
