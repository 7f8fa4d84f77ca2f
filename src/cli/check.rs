//! `check`, and how a verdict is printed.

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
    let judgement = check::judge(&record);
    let report = report::build(&record, &judgement);
    print(&report, output)?;
    Ok(exit(&judgement))
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
