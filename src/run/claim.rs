//! One run at a time on a lab, and who founded it: a file beside the lab's fault ledger that the run holds
//! locked. The lock dies with its process, so what a killed run founded is known as such by the next one,
//! which heals it, uses it and takes it down.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// What the file says while a lab is being founded, before it has a token.
const FOUNDING: &str = "founding";

/// A lab that this run alone uses.
#[derive(Debug)]
pub struct Claim {
    file: File,
    founder: String,
}

impl Claim {
    /// Claims a lab; `None` when another run holds it.
    ///
    /// # Errors
    /// When the state directory cannot be written.
    pub fn take(state: &Path, lab: &str) -> io::Result<Option<Self>> {
        let dir = state.join(lab);
        fs::create_dir_all(&dir)?;
        let path = dir.join("run");
        let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut founder = String::new();
        file.read_to_string(&mut founder)?;
        Ok(Some(Self { file, founder }))
    }

    /// Whether a run founded the lab of this token, one that was to take it down and did not.
    #[must_use]
    pub fn founded_by_a_run(&self, token: &str) -> bool {
        !token.is_empty() && [FOUNDING, token].contains(&self.founder.trim())
    }

    /// Whether a run began to found a lab and came no further.
    #[must_use]
    pub fn founding_was_cut_short(&self) -> bool {
        self.founder.trim() == FOUNDING
    }

    /// Says that this run is about to found the lab.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn founding(&mut self) -> io::Result<()> {
        self.write(FOUNDING)
    }

    /// Says which lab this run founded, or with an empty text that it leaves the lab to people.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&mut self, founder: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(founder.as_bytes())?;
        founder.clone_into(&mut self.founder);
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_is_used_by_one_run_and_remembers_who_founded_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut first = Claim::take(dir.path(), "lab").expect("a claim").expect("free");
        assert!(!first.founded_by_a_run("lab-abc") && !first.founding_was_cut_short(), "nobody said so");
        first.founding().expect("written");
        assert!(Claim::take(dir.path(), "lab").expect("an answer").is_none(), "somebody holds it");
        assert!(Claim::take(dir.path(), "other").expect("an answer").is_some());
        drop(first);
        let mut second = Claim::take(dir.path(), "lab").expect("a claim").expect("free again");
        assert!(second.founded_by_a_run("lab-abc") && second.founding_was_cut_short());
        second.write("lab-abc").expect("written");
        drop(second);
        let mut third = Claim::take(dir.path(), "lab").expect("a claim").expect("free again");
        assert!(third.founded_by_a_run("lab-abc"));
        assert!(!third.founded_by_a_run("lab-xyz"), "people made a new one since");
        third.write("").expect("written");
        assert!(!third.founded_by_a_run("lab-abc") && !third.founded_by_a_run(""));
    }
}
