//! `man`: the manual pages, made from the arguments, so that they cannot differ from `--help`.

use std::fs;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use super::{CliError, Exit};

/// Every page of a command: its name, such as `pgha-run`, and the page itself.
fn pages(command: Command) -> Result<Vec<(String, Vec<u8>)>, std::io::Error> {
    let mut pages = Vec::new();
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
        let shown =
            command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
        left.extend(shown.cloned());
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        pages.push((name, page));
    }
    pages.sort();
    Ok(pages)
}

/// `pgha man`: the page of the program on stdout, or every page as a file of `folder`.
///
/// # Errors
/// When a page cannot be written.
pub fn man(mut command: Command, folder: Option<&Path>) -> Result<Exit, CliError> {
    command.build();
    let failed = |error: std::io::Error| CliError::usage(format!("the pages cannot be made: {error}"), "");
    let pages = pages(command).map_err(failed)?;
    let Some(folder) = folder else {
        for (_, page) in pages.iter().filter(|(name, _)| name == "pgha") {
            print!("{}", String::from_utf8_lossy(page));
        }
        return Ok(Exit::Done);
    };
    let unwritten = |path: &Path, error: std::io::Error| {
        CliError::usage(format!("cannot write {}: {error}", path.display()), "may you write there?")
    };
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
    for (name, page) in &pages {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).map_err(|error| unwritten(&path, error))?;
        println!("{}", path.display());
    }
    Ok(Exit::Done)
}
