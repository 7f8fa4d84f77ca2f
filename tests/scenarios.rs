//! What is committed is right: every experiment and every lab file reads, the schemas are current
//! and accept the files, and what is not built is refused by name.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say so loudly"
)]

use std::fs;
use std::path::{Path, PathBuf};

use pgha::model::alarm::AlarmKind;
use pgha::model::control::Contract;
use pgha::spec::lab::{self, Layer};
use pgha::spec::{scenario, schedule, schema, suite};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = fs::read_dir(root().join(folder))
        .expect("the folder is there")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.clone(), fs::read_to_string(&path).expect("a text")))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

fn stem(path: &Path) -> &str {
    path.file_stem().and_then(|stem| stem.to_str()).expect("a name")
}

/// Every scenario: those at the top, and those of every folder.
fn scenarios() -> Vec<(PathBuf, String)> {
    let folders = fs::read_dir(root().join("scenarios")).expect("the folder is there");
    let folders = folders.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
    let names = folders.map(|path| path.strip_prefix(root()).expect("below the root").display().to_string());
    let below: Vec<_> = names.flat_map(|folder| files(&folder)).collect();
    [files("scenarios"), below].concat()
}

/// The names a scenario may have by its path: its file's, or its folder's and its file's.
fn names(path: &Path) -> [String; 2] {
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).expect("a folder");
    [stem(path).to_owned(), format!("{folder}-{}", stem(path))]
}

#[test]
fn no_two_scenarios_have_one_name() {
    let named =
        |text: &str| scenario::parse("s", text).unwrap_or_else(|problems| panic!("{}", problems.render()));
    let mut all: Vec<String> = scenarios().iter().map(|(_, text)| named(text).name.to_string()).collect();
    let number = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), number);
}

#[test]
fn every_trial_of_the_suite_is_a_scenario_that_its_lab_can_run() {
    let text = fs::read_to_string(root().join("benches/suite.toml")).expect("a text");
    let suite = suite::parse("suite", &text).unwrap_or_else(|problems| panic!("{}", problems.render()));
    for comparison in &suite.comparisons {
        let path = root().join("benches").join(&comparison.scenario);
        let text = fs::read_to_string(&path).expect("a text");
        let declared =
            scenario::parse(stem(&path), &text).unwrap_or_else(|problems| panic!("{}", problems.render()));
        assert_eq!(declared.name.as_str(), stem(&path), "a scenario has the name of its file");
        for trial in suite::order(comparison) {
            let made = suite::of_trial(comparison, &declared, trial).expect("a trial");
            let text = suite::text(&made).expect("TOML");
            let arm = &comparison.arms[trial.arm];
            let mut layers = vec![Layer::built_in(), Layer::preset(arm.preset.as_str()).expect("a preset")];
            layers.push(Layer::scenario(stem(&path), &text));
            let lab = lab::resolve(&layers).unwrap_or_else(|problems| panic!("{}", problems.render()));
            scenario::fits_lab(stem(&path), &text, &lab)
                .unwrap_or_else(|problems| panic!("{}", problems.render()));
        }
    }
}

#[test]
fn every_scenario_reads_and_fits_its_lab() {
    for (path, text) in scenarios() {
        let scenario =
            scenario::parse(stem(&path), &text).unwrap_or_else(|problems| panic!("{}", problems.render()));
        let name = scenario.name.to_string();
        assert!(names(&path).contains(&name), "{}: `{name}` is no name of this file", path.display());
        assert_eq!(schedule::plan(&scenario, scenario.seed).len(), scenario.steps.len());
        let mut layers = vec![Layer::built_in()];
        layers.extend(scenario.lab.preset.iter().map(|name| Layer::preset(name.as_str()).expect("a preset")));
        layers.push(Layer::scenario(stem(&path), &text));
        let lab = lab::resolve(&layers).unwrap_or_else(|problems| panic!("{}", problems.render()));
        scenario::fits_lab(stem(&path), &text, &lab)
            .unwrap_or_else(|problems| panic!("{}", problems.render()));
    }
}

/// The tour is whole: no verb and no expectation of the schema is missing from it.
#[test]
fn the_tour_shows_the_whole_grammar() {
    let schema: serde_json::Value = serde_json::from_str(&schema::scenario_schema()).expect("JSON");
    let text = fs::read_to_string(root().join("scenarios/tour.toml")).expect("the tour");
    for (kind, before) in [("Verb", "do."), ("Expect", "")] {
        for option in schema["definitions"][kind]["oneOf"].as_array().expect("options") {
            let name = option["required"][0].as_str().expect("a name");
            assert!(text.contains(&format!("{before}{name} = ")), "the tour does not show {kind} `{name}`");
        }
    }
    for workload in schema["definitions"]["Workload"]["oneOf"].as_array().expect("options") {
        assert!(text.contains(&format!("workload = {}", workload["const"])), "{workload}");
    }
}

#[test]
fn every_lab_file_resolves() {
    for (path, text) in [files("lab"), files("lab/presets")].concat() {
        let layers = [Layer::built_in(), Layer::file(stem(&path), text)];
        lab::resolve(&layers).unwrap_or_else(|problems| panic!("{}", problems.render()));
    }
    let mut shipped: Vec<_> = files("lab/presets").iter().map(|(path, _)| stem(path).to_owned()).collect();
    let mut known: Vec<_> = lab::PRESETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    shipped.sort();
    known.sort();
    assert_eq!(shipped, known, "a preset is a file and an entry of spec::lab::PRESETS");
}

/// Settings that people posted: each line `#: …` of a file is part of one problem, and there is no other.
#[test]
fn of_posted_settings_everything_is_said_that_keeps_them_from_working() {
    for (path, text) in files("tests/posted") {
        let wanted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#: ")).collect();
        let said = match lab::resolve(&[Layer::built_in(), Layer::file(stem(&path), &text)]) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.list.iter().map(ToString::to_string).collect(),
        };
        for part in &wanted {
            assert!(said.iter().any(|said| said.contains(part)), "{}: {part}\n{said:#?}", path.display());
        }
        assert_eq!(said.len(), wanted.len(), "{}: {said:#?}", path.display());
    }
}

#[test]
fn the_schemas_are_current() {
    for (path, text, what) in [
        ("lab/lab.schema.json", schema::lab_schema(), "lab"),
        ("scenarios/scenario.schema.json", schema::scenario_schema(), "scenario"),
        ("benches/suite.schema.json", schema::suite_schema(), "suite"),
        ("lab/controller.schema.json", schema::schema_for::<Contract>(), "controller"),
    ] {
        let committed = fs::read_to_string(root().join(path)).unwrap_or_default();
        assert!(committed == text, "{path} is not what the types say: pgha schema {what} > {path}");
    }
}

#[test]
fn the_schemas_accept_what_is_committed_and_refuse_what_is_not_right() {
    let validator = |text: String| {
        jsonschema::validator_for(&serde_json::from_str(&text).expect("JSON")).expect("a JSON Schema")
    };
    let value = |text: &str| -> serde_json::Value { toml::from_str(text).expect("TOML") };
    let lab = validator(schema::lab_schema());
    for (path, text) in [files("lab"), files("lab/presets")].concat() {
        let problems: Vec<_> = lab.iter_errors(&value(&text)).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
    let scenario = validator(schema::scenario_schema());
    for (path, text) in scenarios() {
        let problems: Vec<_> =
            scenario.iter_errors(&value(&text)).map(|problem| problem.to_string()).collect();
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
    }
    assert!(lab.is_valid(&value("[postgres]\ninstances = 2\nmemory = \"1GiB\"")));
    assert!(!lab.is_valid(&value("[postgres]\ninstances = \"two\"")));
    assert!(!lab.is_valid(&value("[postgres]\ninstance = 2")));
    assert!(!scenario.is_valid(&value("schema = 1\nname = \"x\"")));
}

/// Nix reads TOML 1.0 and so must everybody: the newer forms are not used.
#[test]
fn the_files_are_toml_1_0() {
    for (path, text) in [files("lab"), files("lab/presets"), scenarios()].concat() {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            let line = line.split(" #").next().unwrap_or_default();
            assert_eq!(
                line.matches('{').count(),
                line.matches('}').count(),
                "{}: an inline table goes over lines: {line}",
                path.display()
            );
            assert!(!line.contains("\\e") && !line.contains("\\x"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_kind_of_alarm_stands_in_the_table_for_people() {
    let page = fs::read_to_string(root().join("docs/src/own-controller.md")).expect("a page");
    let rows: Vec<&str> =
        page.lines().filter(|line| line.starts_with("| `") && line.matches('|').count() == 6).collect();
    for kind in AlarmKind::ALL.into_iter().filter(|kind| *kind != AlarmKind::Other) {
        let row = rows.iter().filter(|row| row.starts_with(&format!("| `{kind}` |"))).count();
        assert_eq!(row, 1, "docs/src/own-controller.md has no row of alarm `{kind}`, or several");
    }
}
