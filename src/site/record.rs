//! The page of a run, and the files of its record that the page leads to.

use std::fs;
use std::path::{Path, PathBuf};

use crate::check;
use crate::report::{self, html};
use crate::run::read;

/// What stands in the directory of a run that is over.
pub const OVER: [&str; 3] = ["outcome.json", "verdict.json", "report.json"];
/// How a page that this program wrote begins; one that begins otherwise is made anew.
const OURS: &str = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">";
/// A page that is larger was not made by this program.
const LARGEST: u64 = 16 << 20;

/// The page of a run: as it stands in its directory, else made now.
///
/// # Errors
/// Why the record cannot be read.
pub fn page(dir: &Path) -> Result<String, String> {
    ours(&dir.join(html::FILE)).map_or_else(|| anew(dir), Ok)
}

/// A page that this program wrote; `None` for everything else.
pub fn ours(path: &Path) -> Option<String> {
    let small = fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() <= LARGEST);
    let page = small.then(|| fs::read_to_string(path).ok()).flatten();
    page.filter(|page| page.starts_with(OURS))
}

/// The page of a run from its record, whatever stands in its directory.
///
/// # Errors
/// Why the record cannot be read.
pub fn anew(dir: &Path) -> Result<String, String> {
    let record = read::read(dir).map_err(|error| error.to_string())?;
    let measured = check::Measured::of(&record);
    Ok(report::with_page(&measured, &check::judge_measured(&measured)).1)
}

/// A file of a record that pages lead to: the verdict, and logs of members. `None` for every other name, and for what is
/// no file of this directory.
pub fn file(dir: &Path, name: &str) -> Option<PathBuf> {
    let log = name.strip_prefix("logs/").and_then(|log| log.strip_suffix(".log"));
    let plain = |log: &str| {
        !log.is_empty() && log.bytes().all(|letter| letter.is_ascii_alphanumeric() || letter == b'-')
    };
    if name != "verdict.json" && !log.is_some_and(plain) {
        return None;
    }
    // a link in it may lead anywhere
    let (path, dir) = (fs::canonicalize(dir.join(name)).ok()?, fs::canonicalize(dir).ok()?);
    (path.starts_with(dir) && path.is_file()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_verdict_and_logs_of_a_run_are_shown() {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("run");
        fs::create_dir_all(dir.join("logs")).expect("made");
        fs::write(root.path().join("secret.log"), "").expect("written");
        for name in ["verdict.json", "resolved.json", "logs/etcd-1.log"] {
            fs::write(dir.join(name), "").expect("written");
        }
        std::os::unix::fs::symlink("../../secret.log", dir.join("logs/link.log")).expect("a link");
        assert!(file(&dir, "verdict.json").is_some() && file(&dir, "logs/etcd-1.log").is_some());
        for name in [
            "resolved.json",
            "logs/link.log",
            "logs/../verdict.json",
            "logs/../../secret.log",
            "logs/absent.log",
            "",
        ] {
            assert_eq!(file(&dir, name), None, "{name}");
        }
    }

    #[test]
    fn a_page_that_is_not_ours_is_not_shown() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join(html::FILE), "<script>").expect("written");
        assert!(page(dir.path()).expect_err("no record").contains("history.jsonl"));
        fs::write(dir.path().join(html::FILE), format!("{OURS}x")).expect("written");
        assert!(page(dir.path()).is_ok());
    }
}
