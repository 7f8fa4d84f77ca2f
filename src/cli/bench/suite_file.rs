//! The file that a bench is declared in.

use std::path::Path;

use crate::cli::{CliError, settings};
use crate::model::suite::Suite;
use crate::spec::suite;

/// The suite in a file.
pub fn read(path: &Path) -> Result<Suite, CliError> {
    let text = settings::read(path)?;
    Ok(suite::parse(&path.display().to_string(), &text)?)
}
