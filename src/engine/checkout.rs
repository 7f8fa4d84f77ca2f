//! The checkout that a program stands in: of which commit a measurement speaks.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// The commit of the program: the one it was built with (`PGHA_COMMIT`), else that of this project's checkout around it, with
/// `-dirty` where files differ from it; `None` where it stands in none.
pub async fn commit(program: &Path) -> Option<String> {
    if let Some(built) = option_env!("PGHA_COMMIT").filter(|commit| !commit.is_empty()) {
        return Some(built.to_owned());
    }
    let root = program.ancestors().find(|folder| is_ours(folder))?;
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]);
    // a question changes nothing, not even git's index
    git.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).kill_on_drop(true);
    let output = git.output().await.ok()?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (output.status.success() && !said.is_empty()).then_some(said)
}

/// Whether a folder is this project, not just any checkout that somebody copied the program to.
fn is_ours(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|manifest| manifest.lines().any(|line| line == "name = \"pgha\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_outside_of_the_project_has_no_commit() {
        let folder = tempfile::tempdir().expect("a directory");
        if option_env!("PGHA_COMMIT").is_none() {
            assert_eq!(commit(&folder.path().join("pgha")).await, None);
        }
        assert!(is_ours(Path::new(env!("CARGO_MANIFEST_DIR"))));
    }
}
