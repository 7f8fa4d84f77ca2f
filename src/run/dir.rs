//! The run directory: `runs/<scenario>/<UTC time>-<seed>/`, with `latest` links.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// A run directory that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a new run below `root`; `utc` is RFC 3339.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(root: &Path, scenario: &str, utc: &str, seed: u64) -> io::Result<Self> {
        // colons are no characters for a path that ends up in URLs and on other systems
        let stamp: String = utc.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
        let parent = root.join(scenario);
        fs::create_dir_all(&parent)?;
        let mut name = format!("{stamp}Z-{seed}");
        let mut again = 1;
        // two runs within one second get different directories
        while let Err(error) = fs::create_dir(parent.join(&name)) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error);
            }
            again += 1;
            name = format!("{stamp}Z-{seed}-{again}");
        }
        let path = parent.join(&name);
        fs::create_dir_all(path.join("logs"))?;
        link(&parent.join("latest"), Path::new(&name))?;
        link(&root.join("latest"), &Path::new(scenario).join(&name))?;
        Ok(Self { path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a whole file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.path.join(name), contents)
    }

    /// Writes a value as JSON a person can read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value)?;
        text.push('\n');
        self.write(name, text)
    }
}

/// Points a link at the newest run, replacing the older one.
fn link(link: &Path, target: &Path) -> io::Result<()> {
    match fs::remove_file(link) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match std::os::unix::fs::symlink(target, link) {
        // another run of the same moment was quicker; its link is as good
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_second_do_not_share_a_directory() {
        let root = tempfile::tempdir().expect("a directory");
        let one = RunDir::create(root.path(), "smoke", "2026-01-02T03:04:05Z", 7).expect("one");
        let two = RunDir::create(root.path(), "smoke", "2026-01-02T03:04:05Z", 7).expect("two");
        assert_ne!(one, two);
        assert!(one.path().ends_with("smoke/20260102T030405Z-7"), "{}", one.path().display());
        let latest = fs::canonicalize(root.path().join("latest")).expect("a link");
        assert_eq!(latest, fs::canonicalize(two.path()).expect("a path"));
    }
}
