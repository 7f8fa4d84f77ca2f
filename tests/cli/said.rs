//! Commands of `pgha` that the papers name: each is one that the program takes, and those that need no engine are run.

use std::fs;
use std::path::{Path, PathBuf};

use super::pgha;

/// Folders with papers, besides the root.
const FOLDERS: [&str; 5] = ["docs/src", "scenarios", "benches/measured", "benches/results", "lab"];
/// Verbs that need no engine, whatever their words are.
const ALONE: [&str; 4] = ["validate", "schema", "check", "completions"];
/// Flags with which a verb needs none.
const DRY: [&str; 3] = ["--dry-run", "--help", "-h"];

/// A command that a paper tells its reader to type.
pub struct Said {
    /// Paper and line.
    pub place: String,
    /// Its words after `pgha`.
    pub words: Vec<String>,
    /// Whether the paper shows what it prints: then the transcripts hold it.
    pub shown: bool,
}

impl Said {
    /// Whether it can be run here: it needs no engine, and the files that it names are part of the repository.
    pub fn runs_alone(&self, root: &Path) -> bool {
        let first = self.words.first().map_or("", String::as_str);
        let alone = ALONE.contains(&first) || self.words.iter().any(|word| DRY.contains(&word.as_str()));
        let is_file = |word: &&String| {
            word.contains('/') || Path::new(word).extension().is_some_and(|ext| ext == "toml")
        };
        let mut files = self.words.iter().filter(is_file);
        alone && !self.shown && files.all(|file| root.join(file).exists())
    }
}

/// The part of a line that is a command of `pgha`, as words; nothing where it is another program's.
fn command(piece: &str) -> Option<Vec<String>> {
    let words: Vec<String> =
        piece.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_owned()).collect();
    let first = words.first()?;
    if first == "cargo" {
        let at = words.iter().position(|word| word == "--")?;
        return (words.get(1)? == "run").then(|| words[at + 1..].to_vec());
    }
    (first == "pgha" || first.ends_with("/pgha")).then(|| words[1..].to_vec())
}

/// Commands in the fenced blocks of a paper that a shell would run; a line of output begins with no `$`.
pub fn commands(place: &str, text: &str) -> Vec<Said> {
    let mut found = Vec::new();
    let mut block: Option<&str> = None;
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(kind) = line.strip_prefix("```") {
            block = block.is_none().then_some(kind);
            continue;
        }
        let typed = match block {
            Some("sh") => line,
            Some("console") => line.strip_prefix("$ ").unwrap_or_default(),
            _ => continue,
        };
        let typed = typed.split(" # ").next().unwrap_or_default();
        let pieces = typed
            .split(" && ")
            .flat_map(|piece| piece.split(" | "))
            .flat_map(|piece| piece.split(" > ").take(1));
        for piece in pieces {
            // what a shell puts in the place of `$(…)` is a command, too
            let inner =
                piece.split_once("$(").and_then(|(_, rest)| rest.split_once(')')).map(|(inner, _)| inner);
            let said = [Some(piece), inner].into_iter().flatten().filter_map(command);
            let shown = block == Some("console");
            found.extend(said.map(|words| Said { place: format!("{place}:{}", n + 1), words, shown }));
        }
    }
    found
}

/// Verbs that the text of a paper names in code spans, `pgha run` or `pgha heal --lab NAME`.
pub fn verbs(place: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (n, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        let spans = line.split('`').skip(1).step_by(2).filter(|_| !fenced);
        let named = spans
            .filter_map(|span| span.strip_prefix("pgha "))
            .filter_map(|rest| rest.split_whitespace().next());
        found.extend(
            named.filter(|verb| *verb != "…").map(|verb| (format!("{place}:{}", n + 1), verb.to_owned())),
        );
    }
    found
}

/// Every paper, with its path below the root.
pub fn papers(root: &Path) -> Vec<(String, String)> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in [""].iter().chain(&FOLDERS) {
        let entries = fs::read_dir(root.join(folder)).expect("a folder of papers");
        paths.extend(entries.map(|entry| entry.expect("an entry").path()));
    }
    let papers = paths.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut papers: Vec<(String, String)> = papers
        .map(|path| {
            (
                path.strip_prefix(root).unwrap_or(&path).display().to_string(),
                fs::read_to_string(&path).expect("text"),
            )
        })
        .collect();
    papers.sort();
    papers
}

/// Why the program does not take a command, if it does not.
pub fn refusal(said: &Said) -> Option<String> {
    let words = ["pgha"].into_iter().chain(said.words.iter().map(String::as_str));
    let error = ::pgha::cli::command().try_get_matches_from(words).err().filter(clap::Error::use_stderr)?;
    Some(format!("{}: `pgha {}`: {error}", said.place, said.words.join(" ")))
}

/// How a command ends that needs no engine, where it does not end well.
pub fn failure(said: &Said) -> Option<String> {
    let words: Vec<&str> = said.words.iter().map(String::as_str).collect();
    let output = pgha(&words);
    let error = String::from_utf8_lossy(&output.stderr);
    (output.status.code() != Some(0)).then(|| format!("{}: `pgha {}`: {error}", said.place, words.join(" ")))
}

mod tests {
    use super::*;

    #[test]
    fn commands_are_found_where_a_shell_would_run_them() {
        let text = "`pgha up`\n```sh\nlab/setup && cargo run --release -- run a.toml    # why\npsql \"$(pgha dsn rw)\"\n\
                    target/release/pgha doctor | head\ncargo run -- schema lab > x\n```\n```console\n$ pgha check b\n\
                    pgha is output\n```\n```text\npgha up\n```\n";
        let found: Vec<String> = commands("x.md", text).iter().map(|said| said.words.join(" ")).collect();
        assert_eq!(found, ["run a.toml", "dsn rw", "doctor", "schema lab", "check b"]);
        assert_eq!(verbs("x.md", text), [("x.md:1".to_owned(), "up".to_owned())]);
    }

    #[test]
    fn a_command_that_the_program_does_not_take_is_found() {
        let said = |words: &str| {
            let words = words.split(' ').map(str::to_owned).collect();
            Said { place: "x.md:1".to_owned(), words, shown: false }
        };
        assert_eq!(refusal(&said("run --trials 3 a.toml")), None);
        assert!(refusal(&said("run --trails 3 a.toml")).expect("a refusal").contains("--trails"));
        assert!(refusal(&said("walk")).is_some());
    }
}
