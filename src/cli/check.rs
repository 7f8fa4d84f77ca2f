//! `check`: a stored run is judged again and gets its page anew; and how a verdict is printed.

use std::path::Path;

use super::args::Output;
use super::{CliError, Exit};
use crate::check::{self, Judgement};
use crate::model::scenario::VerdictWord;
use crate::report::{self, Report};
use crate::run::read;

/// `pgha check`
pub fn check(run: &Path, output: Output) -> Result<Exit, CliError> {
    let record = read::read(run)?;
    let measured = check::Measured::of(&record);
    let judgement = check::judge_measured(&measured);
    let (report, page) = report::with_page(&measured, &judgement);
    page_anew(run, &page);
    print(&report, output)?;
    Ok(exit(&judgement))
}

/// Writes the page of a run anew. A directory that holds no report is somebody's copy of a record and stays as it is; one
/// that may only be read is judged all the same.
fn page_anew(run: &Path, page: &str) {
    if !run.join("report.json").is_file() {
        return;
    }
    let path = run.join(report::html::FILE);
    match std::fs::write(&path, page) {
        Ok(()) => eprintln!("page: {}", path.display()),
        Err(error) => eprintln!("note: {} cannot be written: {error}", path.display()),
    }
}

/// Prints a report on stdout.
pub fn print(report: &Report, output: Output) -> Result<(), CliError> {
    match output {
        Output::Text => print!("{}", report::markdown(report)),
        Output::Json => {
            let text = serde_json::to_string_pretty(report)
                .map_err(|error| CliError::usage(format!("the report cannot be written: {error}"), ""))?;
            println!("{text}");
        }
    }
    Ok(())
}

/// The exit code of a judged run: with `[ends]`, 0 when it ended as stated.
#[must_use]
pub fn exit(judgement: &Judgement) -> Exit {
    match judgement.verdict {
        _ if judgement.as_wanted() => Exit::Done,
        VerdictWord::Unknown => Exit::Unknown,
        // a sabotage that passes has failed to be noticed
        VerdictWord::Pass | VerdictWord::Fail => Exit::Failed,
    }
}
