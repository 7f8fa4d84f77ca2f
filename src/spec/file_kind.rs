//! Which kind of file a text is, whatever its name: by its schema line, else by its keys.

use super::problem::{SourceText, nearest};
use super::tree;

/// What a file of this program declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A lab, or a preset: a layer of one.
    Lab,
    /// A file that declares an experiment.
    Scenario,
    /// A file that compares labs.
    Suite,
}

const SCHEMAS: [(&str, FileKind); 3] = [
    ("lab.schema.json", FileKind::Lab),
    ("scenario.schema.json", FileKind::Scenario),
    ("suite.schema.json", FileKind::Suite),
];
/// Keys that one kind has alone.
const KEYS_OF_ONE_KIND: [(FileKind, &[&str]); 3] = [
    (
        FileKind::Scenario,
        &[
            "about", "duration", "ends", "expect", "lab", "load", "seed", "settle", "skip", "step", "tags",
            "timeout",
        ],
    ),
    (FileKind::Lab, &["balancers", "controller", "etcd", "host", "images", "network", "postgres"]),
    (FileKind::Suite, &["comparison"]),
];

/// What a text is; `None` when it has no key of any kind, not even one with a slip.
#[must_use]
pub fn file_kind(text: &str) -> Option<FileKind> {
    let line = text.lines().map(str::trim).find(|line| line.starts_with("#:schema"));
    let said = line.and_then(|line| SCHEMAS.iter().find(|(schema, _)| line.contains(schema)));
    if let Some((_, what)) = said {
        return Some(*what);
    }
    let tree = tree::read(&SourceText::new("", text), &mut Vec::new());
    let keys = || tree.entries().iter().map(|entry| entry.key.as_str());
    let exact = |known: &[&str]| keys().filter(|key| known.contains(key)).count();
    let near = |known: &[&str]| keys().filter(|key| nearest(key, known.iter().copied()).is_some()).count();
    most(exact).or_else(|| most(near))
}

fn most(count: impl Fn(&[&str]) -> usize) -> Option<FileKind> {
    let counted =
        KEYS_OF_ONE_KIND.iter().map(|(what, known)| (count(known), *what)).filter(|(count, _)| *count > 0);
    // of equals the first one: a scenario is what most files are
    counted.reduce(|best, one| if one.0 > best.0 { one } else { best }).map(|(_, what)| what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_its_schema_line_or_its_keys_say() {
        for (text, wanted) in [
            ("#:schema ../lab/lab.schema.json\n", Some(FileKind::Lab)),
            ("# a comment\n#:schema ./scenario.schema.json\nschema = 1\n", Some(FileKind::Scenario)),
            ("[postgres]\ninstances = 3\n", Some(FileKind::Lab)),
            ("schema = 1\nname = \"x\"\n[[host]]\nname = \"h1\"\n", Some(FileKind::Lab)),
            ("[postgers]\ninstances = 3\n", Some(FileKind::Lab)),
            ("[balancer]\nmaxconn = 3\n", Some(FileKind::Lab)),
            ("schema = 1\nname = \"x\"\nabout = \"a\"\nduration = \"1s\"\n", Some(FileKind::Scenario)),
            ("[[lod]]\nname = \"x\"\n", Some(FileKind::Scenario)),
            ("[lab]\npreset = \"stock\"\n[[step]]\nat = \"1s\"\n", Some(FileKind::Scenario)),
            ("[[comparison]]\nname = \"x\"\n", Some(FileKind::Suite)),
            ("[postgres\ninstances = 3\n[etcd]\nmembers = 3\n", Some(FileKind::Lab)),
            ("schema = 1\nname = \"x\"\n", None),
            ("", None),
        ] {
            assert_eq!(file_kind(text), wanted, "{text}");
        }
    }
}
