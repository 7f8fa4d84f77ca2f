//! What a clone of pgha has for a site: papers and whatever they lead to, and the library of scenarios.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::Scenario;
use crate::report::html::site::{LibraryScenario, links, picture, resolve};
use crate::spec::scenario;

/// Papers that are shown whether or not another leads to them, and folders of such.
const PAPERS: [&str; 6] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/src/SUMMARY.md",
    "scenarios/README.md",
];
const FOLDERS: [&str; 2] = ["docs/src", "benches/measured"];
/// The library: stories in it, and in its folders.
const LIBRARY: &str = "scenarios";
/// A text that is longer is not shown.
const LARGEST: u64 = 512 * 1024;
/// Endings of pictures.
const PICTURES: [&str; 2] = ["svg", "png"];

/// What was read of a clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repository {
    /// Texts by their path in it.
    pub texts: BTreeMap<String, String>,
    /// Paths of pictures that papers show.
    pub shown: BTreeSet<String>,
    /// Their files, by their place in the site.
    pub pictures: BTreeMap<String, PathBuf>,
    /// The library.
    pub stories: Vec<LibraryScenario>,
}

/// Reads a clone; nothing where there is none.
pub fn read(root: Option<&Path>) -> Repository {
    let mut repository = Repository::default();
    let Some(root) = root.and_then(|root| fs::canonicalize(root).ok()) else { return repository };
    let mut wanted: Vec<String> = PAPERS.map(str::to_owned).to_vec();
    wanted.extend(FOLDERS.iter().flat_map(|folder| named(&root, folder, "md")));
    while let Some(path) = wanted.pop() {
        if repository.texts.contains_key(&path) || repository.shown.contains(&path) {
            continue;
        }
        let Some(file) = inside(&root, &path) else { continue };
        if ends(&path, &PICTURES) {
            repository.pictures.insert(picture(&path), file);
            repository.shown.insert(path);
            continue;
        }
        let Ok(text) = fs::read_to_string(&file) else { continue };
        if ends(&path, &["md"]) {
            let leads = links(&text);
            let files = leads.iter().filter_map(|link| link.split('#').next());
            wanted.extend(files.filter_map(|link| resolve(&path, link)));
        }
        repository.texts.insert(path, text);
    }
    let told = repository.texts.get("scenarios/README.md").map(|text| told(text)).unwrap_or_default();
    let mut library = named(&root, LIBRARY, "toml");
    library.extend(folders(&root, LIBRARY).iter().flat_map(|folder| named(&root, folder, "toml")));
    for path in library {
        let Some(text) = inside(&root, &path).and_then(|file| fs::read_to_string(file).ok()) else {
            continue;
        };
        repository.stories.push(story(&path, &text, &told));
        repository.texts.insert(path, text);
    }
    repository
}

fn ends(path: &str, endings: &[&str]) -> bool {
    path.rsplit_once('.').is_some_and(|(_, end)| endings.contains(&end))
}

/// Paths of files with an ending in a folder, in order.
fn named(root: &Path, folder: &str, end: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
    paths.retain(|path| ends(path, &[end]));
    paths.sort();
    paths
}

/// Folders in a folder, in order.
fn folders(root: &Path, folder: &str) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join(folder)) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<String> = names.map(|name| format!("{folder}/{name}")).collect();
    paths.sort();
    paths
}

/// A file of the clone that may be shown: not too large, and no link that leads out of it.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let file = fs::canonicalize(root.join(path)).ok()?;
    let shown = file.starts_with(root) && !file.starts_with(root.join(".git"));
    (shown && fs::metadata(&file).is_ok_and(|data| data.is_file() && data.len() <= LARGEST)).then_some(file)
}

/// What the library's own page says was seen, by scenario: the third cell of a row that begins with its file.
fn told(text: &str) -> BTreeMap<String, String> {
    let row = |line: &str| {
        let mut cells = line.strip_prefix("| [")?.trim_end_matches('|').split(" | ");
        let (name, _) = cells.next()?.split_once(']')?;
        Some((name.to_owned(), cells.nth(1)?.trim().to_owned()))
    };
    text.lines().filter_map(row).collect()
}

fn story(path: &str, text: &str, told: &BTreeMap<String, String>) -> LibraryScenario {
    let stem = path.rsplit('/').next().and_then(|name| name.strip_suffix(".toml")).unwrap_or(path);
    let mut story = LibraryScenario {
        name: stem.to_owned(),
        path: path.to_owned(),
        about: String::new(),
        tags: String::new(),
        ends: String::new(),
        told: String::new(),
    };
    match scenario::parse(path, text) {
        Ok(scenario) => {
            let Scenario { name, about, tags, lab, ends, .. } = scenario;
            let preset = lab.preset.map(|preset| format!("preset {preset}"));
            let tags: Vec<&str> = tags.iter().map(crate::model::Name::as_str).collect();
            let tags = (!tags.is_empty()).then(|| format!("tags {}", tags.join(", ")));
            story.tags = preset.into_iter().chain(tags).collect::<Vec<String>>().join(" · ");
            if let Some(ends) = ends {
                let by = ends.check.map(|check| format!(" by {check}")).unwrap_or_default();
                story.ends = format!("It must end in {}{by}.", ends.verdict);
            }
            (story.name, story.about) = (name.to_string(), about);
            story.told = told.get(&story.name).cloned().unwrap_or_default();
        }
        Err(problems) => {
            let first = problems.list.first().map(|problem| problem.message.clone()).unwrap_or_default();
            story.about = format!("This file cannot be read: {first}");
        }
    }
    story
}

/// Where a clone has its first paper: whoever looks for one looks for this.
pub const MARK: &str = "docs/src/SUMMARY.md";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::site::place;

    #[test]
    fn what_was_seen_is_the_third_cell() {
        let text = "| [a](a.toml) | it dies | 3 × pass; lost 0 |\n| scenario | what | seen |\n";
        assert_eq!(told(text), [("a".to_owned(), "3 × pass; lost 0".to_owned())].into());
    }

    #[test]
    fn links_lead_no_further_than_the_clone() {
        let outer = tempfile::tempdir().expect("a directory");
        let root = outer.path().join("clone");
        fs::create_dir_all(root.join("docs/src")).expect("made");
        fs::write(outer.path().join("secret.md"), "secret").expect("written");
        fs::write(root.join("seen.txt"), "seen").expect("written");
        fs::write(root.join("README.md"), "[a](../secret.md) [b](link.md) [c](seen.txt#x) [d](docs)")
            .expect("written");
        std::os::unix::fs::symlink("../secret.md", root.join("link.md")).expect("a link");
        let read = read(Some(&root));
        let texts: Vec<&str> = read.texts.keys().map(String::as_str).collect();
        assert_eq!(texts, ["README.md", "seen.txt"]);
    }

    #[test]
    fn a_file_of_the_library_that_cannot_be_read_says_so() {
        let story = story("scenarios/x.toml", "name = 3", &BTreeMap::new());
        assert!(story.about.starts_with("This file cannot be read: "), "{}", story.about);
        assert_eq!(place(&story.path), "scenarios/x.html");
    }
}
