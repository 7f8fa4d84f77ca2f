//! A site in a folder: what was gathered, as files.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;

use super::gather::Gatherer;
use super::gathered::Gathered;
use super::sources::{SiteError, Sources, file};
use super::{record, runs};
use crate::engine::clock;
use crate::report::html;
use crate::report::html::site::{home, pages};

/// The list of the files of a site, in it.
const LIST: &str = ".pgha-site";
/// A log that is longer is left out of a folder that is to be carried elsewhere.
const LARGEST: u64 = 4 << 20;

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Written {
    /// Files, all together.
    pub files: usize,
    /// Their length.
    pub bytes: u64,
    /// Runs that have a page.
    pub runs: usize,
    /// Runs that have none, and why.
    pub without_page: Vec<String>,
}

/// Writes a site into a folder, and removes what an earlier one had there and this one has not. `tell` hears what is being
/// done.
///
/// # Errors
/// When the folder holds something else, or cannot be written.
pub fn write(sources: &Sources, folder: &Path, tell: &dyn Fn(String)) -> Result<Written, SiteError> {
    let before = listed(folder)?;
    let gathered = Gatherer::default().gather(sources, false);
    let mut writing = Writing { folder, files: BTreeSet::new(), written: Written::default() };
    for (at, page) in pages(&gathered.site) {
        writing.put(&at, page.as_bytes())?;
    }
    for (at, path) in &gathered.files {
        writing.copy(at, path)?;
    }
    records(&gathered, &mut writing, tell)?;
    // in the end, so that a site that was cut short is still known for one
    let list: Vec<&str> = writing.files.iter().map(String::as_str).collect();
    fs::write(folder.join(LIST), list.join("\n") + "\n").map_err(file(&folder.join(LIST)))?;
    for old in before.difference(&writing.files) {
        // what is gone already is as it should be
        let _ = fs::remove_file(folder.join(old));
    }
    writing.written.files = writing.files.len();
    Ok(writing.written)
}

/// Files of the site that stands in a folder.
fn listed(folder: &Path) -> Result<BTreeSet<String>, SiteError> {
    if let Ok(list) = fs::read_to_string(folder.join(LIST)) {
        let inside = |path: &&str| {
            !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
        };
        return Ok(list.lines().filter(inside).map(str::to_owned).collect());
    }
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => {}
            Some(_) => return Err(SiteError::Occupied(folder.to_owned())),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(file(folder))?;
        }
        Err(error) => return Err(file(folder)(error)),
    }
    // from now on the folder is one of ours
    fs::write(folder.join(LIST), "").map_err(file(&folder.join(LIST)))?;
    Ok(BTreeSet::new())
}

/// The page of every run, and what it leads to.
fn records(gathered: &Gathered, writing: &mut Writing<'_>, tell: &dyn Fn(String)) -> Result<(), SiteError> {
    let all = gathered.runs.len();
    for (number, (at, dir)) in gathered.runs.iter().enumerate() {
        tell(format!("run {} of {all}: {}", number + 1, dir.display()));
        let live = runs::under_way(dir, clock::utc_seconds());
        let page = if live { record::anew(dir) } else { record::page(dir) };
        let page = page.unwrap_or_else(|why| {
            writing.written.without_page.push(format!("{}: {why}", dir.display()));
            html::site::notice(&gathered.site, "This run has no page", &why)
        });
        let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|data| data.len() <= LARGEST);
        let kept = |name: &str| record::file(dir, name).filter(small);
        let place = format!("{at}/{}", html::FILE);
        let mut wanted = BTreeSet::new();
        for href in page.split("<a href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            wanted.extend(kept(href).map(|path| (href.to_owned(), path)));
        }
        for (name, path) in wanted {
            writing.copy(&format!("{at}/{name}"), &path)?;
        }
        writing.put(&place, home(&page, &place, false, |href| kept(href).is_some()).as_bytes())?;
    }
    writing.written.runs = all - writing.written.without_page.len();
    Ok(())
}

struct Writing<'a> {
    folder: &'a Path,
    files: BTreeSet<String>,
    written: Written,
}

impl Writing<'_> {
    fn put(&mut self, at: &str, bytes: &[u8]) -> Result<(), SiteError> {
        let path = self.folder.join(at);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(file(parent))?;
        }
        fs::write(&path, bytes).map_err(file(&path))?;
        self.written.bytes += bytes.len() as u64;
        self.files.insert(at.to_owned());
        Ok(())
    }

    fn copy(&mut self, at: &str, from: &Path) -> Result<(), SiteError> {
        let bytes = fs::read(from).map_err(file(from))?;
        // a page of somebody may load and run nothing here, either
        match String::from_utf8(bytes) {
            Ok(page) if Path::new(at).extension().is_some_and(|end| end == "html") => {
                self.put(at, home(&page, at, false, |_| false).as_bytes())
            }
            Ok(text) => self.put(at, text.as_bytes()),
            Err(other) => self.put(at, other.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_else_is_left_alone() {
        let root = tempfile::tempdir().expect("a directory");
        fs::write(root.path().join("mine.txt"), "mine").expect("written");
        let error = write(&Sources::default(), root.path(), &|_| {}).expect_err("occupied");
        assert!(matches!(error, SiteError::Occupied(_)), "{error}");
    }

    #[test]
    fn what_is_not_made_again_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().expect("a directory");
        let folder = root.path().join("site");
        write(&Sources::default(), &folder, &|_| {}).expect("a site");
        for name in ["old.html", "mine.html", "../outer.html"] {
            fs::write(folder.join(name), "x").expect("written");
        }
        let list = fs::read_to_string(folder.join(LIST)).expect("a list");
        fs::write(folder.join(LIST), format!("{list}old.html\n../outer.html\n")).expect("written");
        write(&Sources::default(), &folder, &|_| {}).expect("a site");
        assert!(!folder.join("old.html").exists());
        assert!(folder.join("mine.html").exists() && root.path().join("outer.html").exists());
        assert!(folder.join("index.html").exists());
    }
}
