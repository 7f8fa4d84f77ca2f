//! Searching what a run has written for the lab's passwords.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Files searched.
    pub files: u32,
    /// Where a secret stands, as `file:line`, the file from the directory on.
    pub found: Vec<String>,
}

/// Searches every file below `dir`, links left out. Bytes are compared, so a file need not be text.
///
/// # Errors
/// When a file cannot be read: then nobody knows what is in it.
pub fn search(dir: &Path, secrets: &[&str]) -> io::Result<Search> {
    let mut search = Search::default();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let mut entries = fs::read_dir(&folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::path);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                search.files += 1;
                let name = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
                search.found.extend(lines(&path, secrets)?.iter().map(|line| format!("{name}:{line}")));
            }
        }
    }
    Ok(search)
}

/// Numbers of the lines that hold a secret.
fn lines(path: &Path, secrets: &[&str]) -> io::Result<Vec<usize>> {
    let mut reader = BufReader::new(File::open(path)?);
    let (mut line, mut number, mut found) = (Vec::new(), 0, Vec::new());
    while reader.read_until(b'\n', &mut line)? > 0 {
        number += 1;
        let text = String::from_utf8_lossy(&line);
        // an empty secret would be everywhere and is none
        if secrets.iter().any(|secret| !secret.is_empty() && text.contains(secret)) {
            found.push(number);
        }
        line.clear();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_where_it_stands_and_nowhere_else() {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("logs")).expect("a directory");
        fs::write(dir.path().join("a.json"), "one\ntwo s3cret\n").expect("a file");
        fs::write(dir.path().join("logs/b.log"), b"\xff\xfe s3cret without an end").expect("a file");
        fs::write(dir.path().join("c.json"), "nothing here\n").expect("a file");
        let found = search(dir.path(), &["s3cret", ""]).expect("a search");
        assert_eq!(found, Search { files: 3, found: vec!["a.json:2".into(), "logs/b.log:1".into()] });
    }
}
