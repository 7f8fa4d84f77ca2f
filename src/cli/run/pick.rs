//! Which scenarios a person meant: files as named, folders with all they hold.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{CliError, settings};
use crate::model::Name;
use crate::spec::scenario;

/// What carries this tag shows the grammar and tells no story: it is run when somebody asks for it.
const TOUR: &str = "tour";

/// The files of `named`, in order. A folder stands for its scenarios, those of folders in it too, that carry one of
/// `tags`, or for all of them but tours; a file that is named is taken as it is.
///
/// # Errors
/// When something cannot be read, or nothing is left.
pub fn files(named: &[PathBuf], tags: &[Name]) -> Result<Vec<PathBuf>, CliError> {
    let mut picked = Vec::new();
    for path in named {
        if path.is_dir() {
            for path in below(path)? {
                if wanted(&path, tags)? {
                    picked.push(path);
                }
            }
        } else {
            picked.push(path.clone());
        }
    }
    if picked.is_empty() {
        let tags = tags.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let message = if tags.is_empty() {
            "no scenario is there".into()
        } else {
            format!("no scenario is tagged {tags}")
        };
        return Err(CliError::usage(message, "name a scenario file, or a folder with some"));
    }
    Ok(picked)
}

/// Every TOML file below a folder, sorted.
fn below(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let failed = |error: std::io::Error| {
        CliError::usage(format!("cannot read {}: {error}", folder.display()), "is the path right?")
    };
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .map_err(failed)?;
    entries.sort();
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() {
            files.extend(below(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(files)
}

fn wanted(path: &Path, tags: &[Name]) -> Result<bool, CliError> {
    let its = scenario::parse(&path.display().to_string(), &settings::read(path)?)?.tags;
    if tags.is_empty() {
        return Ok(its.iter().all(|tag| tag.as_str() != TOUR));
    }
    Ok(its.iter().any(|tag| tags.contains(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_stands_for_the_stories_it_holds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let all = files(std::slice::from_ref(&root), &[]).expect("scenarios");
        assert!(all.contains(&root.join("primary-dies.toml")));
        assert!(!all.contains(&root.join("tour.toml")), "a tour is no story");
        let asked = Name::new(TOUR).expect("a name");
        assert_eq!(files(std::slice::from_ref(&root), &[asked]).expect("the tour"), [root.join("tour.toml")]);
        let tour = Name::new("nobody-has-this-tag").expect("a name");
        assert!(files(std::slice::from_ref(&root), std::slice::from_ref(&tour)).is_err());
        // what is named is taken as it is: its own problem is said when it is read
        let named = root.join("tour.toml");
        assert_eq!(files(std::slice::from_ref(&named), &[tour]).expect("the file"), [named]);
    }
}
