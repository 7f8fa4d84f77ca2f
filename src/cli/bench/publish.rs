//! `bench publish`: page, numbers and points of a bench, without its runs, in a directory that can be committed and cited.

use std::path::Path;

use super::folder::{Folder, named};
use super::suite_file::read;
use crate::cli::{CliError, Exit};
use crate::engine::clock;
use crate::model::Name;

/// Writes `<into>/<date>-<machine>`; the date is that of the last run.
pub fn publish(suite: &Path, out: &Path, machine: &Name, into: &Path) -> Result<Exit, CliError> {
    let suite = read(suite)?;
    let mut folder = Folder::known(out, &suite)?;
    folder.fill_in();
    let points = folder.points();
    let last = points.iter().filter_map(|point| point.started.as_deref()).max();
    let today = clock::utc_now();
    let day: String = last.unwrap_or(&today).chars().take(10).collect();
    let dir = into.join(format!("{day}-{machine}"));
    let there = Folder::open(&dir, &suite)?;
    let (old, new) = (named(&there.points()), named(&points));
    if let Some(((comparison, arm, trial), _)) = old.iter().find(|(point, run)| new.get(*point) != Some(*run))
    {
        let hint =
            "what was published stays: take another name for the machine, or remove the directory yourself";
        let why =
            format!("{} holds trial {} of {comparison} {arm} from another run", dir.display(), trial + 1);
        return Err(CliError::usage(why, hint));
    }
    let published = folder.elsewhere(&dir, points);
    published.keep()?;
    println!("{}", published.page().display());
    Ok(Exit::Done)
}
