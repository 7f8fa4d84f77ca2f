//! `validate`: whatever would stop a file before the engine is asked, said at once. What `run`, `up` and `bench` ask of
//! a file is asked here by the same functions, so the two cannot differ.

use std::path::{Path, PathBuf};

use super::args::LabArgs;
use super::{CliError, Exit, settings};
use crate::spec::{self, Problems, suite};
use spec::FileKind;

/// `pgha validate`: every problem of every file.
///
/// # Errors
/// When a file cannot be read.
pub fn validate(args: &LabArgs, files: &[PathBuf]) -> Result<Exit, CliError> {
    let mut exit = Exit::Done;
    for path in files {
        match one(args, path) {
            Ok(()) => println!("{}: ok", path.display()),
            Err(CliError::Spec(problems)) => {
                eprintln!("{}", problems.render());
                exit = Exit::Usage;
            }
            Err(other) => return Err(other),
        }
    }
    Ok(exit)
}

fn one(args: &LabArgs, path: &Path) -> Result<(), CliError> {
    let name = path.display().to_string();
    let text = settings::read(path)?;
    match spec::file_kind(&text) {
        Some(FileKind::Lab) => {
            let args = LabArgs { file: Some(path.to_owned()), ..args.clone() };
            settings::to_found(&args).map(drop)
        }
        Some(FileKind::Scenario) => settings::checked(args, path).map(drop),
        Some(FileKind::Suite) => trials(args, path, &name, &text),
        None => Err(nothing(&name, &text).into()),
    }
}

/// A suite, and every trial of it.
fn trials(args: &LabArgs, path: &Path, name: &str, text: &str) -> Result<(), CliError> {
    let suite = suite::parse(name, text)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    for comparison in &suite.comparisons {
        super::bench::trials(args, folder, comparison)?;
    }
    Ok(())
}

fn nothing(name: &str, text: &str) -> Problems {
    let message = "neither a lab, nor a scenario, nor a suite: no key of any of them is there";
    let hint = "a lab has [postgres] or [[host]], a scenario has [[load]] or [[step]], a suite has [[comparison]]; \
                a first line `#:schema lab.schema.json` says it, too";
    Problems::new(
        format!("{name} is no file of this program"),
        vec![spec::problem::about_all(name, text, message, hint)],
    )
}
