//! `init`: a lab and first scenarios to change, in a folder of one's own. What is written is what this program was
//! built with, so it needs no checkout. Which files those are is decided here before any is touched.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::{CliError, Exit};
use crate::spec::{lab, schema};

/// A scenario that begins a library of one's own: its path and its text.
const SCENARIOS: [(&str, &str); 2] = [
    ("primary-dies.toml", include_str!("../../scenarios/primary-dies.toml")),
    ("repair/primary-dies.toml", include_str!("../../scenarios/repair/primary-dies.toml")),
];

/// A file to be written: its path below the folder, and its text.
type File = (PathBuf, String);

/// Everything that `init` writes, in the order in which a reader meets it.
fn files() -> Vec<File> {
    let lab = Path::new("lab");
    let scenarios = Path::new("scenarios");
    let mut files = vec![
        (lab.join("lab.toml"), lab::BUILT_IN.to_owned()),
        (lab.join("lab.schema.json"), schema::lab_schema()),
    ];
    files.extend(SCENARIOS.map(|(name, text)| (scenarios.join(name), text.to_owned())));
    files.push((scenarios.join("scenario.schema.json"), schema::scenario_schema()));
    files
}

/// Those of `files` that stand below `folder` already.
fn standing(folder: &Path, files: &[File]) -> Vec<String> {
    let paths = files.iter().map(|(path, _)| folder.join(path));
    // a link that leads nowhere is somebody's file as well
    paths.filter(|path| path.symlink_metadata().is_ok()).map(|path| path.display().to_string()).collect()
}

/// `pgha init`: writes a lab and first scenarios, and replaces nothing.
///
/// # Errors
/// When one of the files is there already, or cannot be written.
pub fn init(folder: &Path) -> Result<Exit, CliError> {
    let files = files();
    let standing = standing(folder, &files);
    if !standing.is_empty() {
        return Err(CliError::usage(
            format!("already there: {}", standing.join(", ")),
            "nothing was written; name another folder, `pgha init FOLDER`, or move these away",
        ));
    }
    for (path, text) in &files {
        let path = folder.join(path);
        write(&path, text).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::AlreadyExists => "somebody wrote it at the same time; it was left as it is",
                _ => "may you write there?",
            };
            CliError::usage(format!("cannot write {}: {error}", path.display()), hint)
        })?;
        println!("{}", path.display());
    }
    eprintln!(
        "Next: `pgha doctor`, then `pgha run {}`.",
        folder.join("scenarios/primary-dies.toml").display()
    );
    Ok(Exit::Done)
}

/// Writes a new file, and the folders it lies in.
fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}
