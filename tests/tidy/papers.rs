//! What is not Rust: the manifest, the papers, and words that belong to nobody's repository.

use std::path::Path;

/// Every dependency carries its reason behind it.
pub fn dependencies(manifest: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut inside = false;
    for (n, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let is_entry = line.chars().next().is_some_and(char::is_alphanumeric) && line.contains('=');
        let reason = line.rsplit_once("# ").map(|(_, reason)| reason.trim()).unwrap_or_default();
        if inside && is_entry && reason.is_empty() {
            let name = line.split(['=', '.', ' ']).next().unwrap_or(line);
            findings.push(format!(
                "Cargo.toml:{}: `{name}` is there for no reason: say in a trailing comment what it is for.",
                n + 1
            ));
        }
    }
    findings
}

/// Links of a paper to files that do not exist.
pub fn links(paper: &Path, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut findings = Vec::new();
    let folder = paper.parent().unwrap_or(Path::new(""));
    for (n, line) in text.lines().enumerate() {
        for piece in line.split("](").skip(1) {
            let target = piece.split([')', ' ', '#']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !exists(&folder.join(target)) {
                findings.push(format!(
                    "{}:{}: the link to `{target}` leads nowhere.",
                    paper.display(),
                    n + 1
                ));
            }
        }
    }
    findings
}

/// Folders whose files papers name by their path from the root.
const FOLDERS: [&str; 7] = ["src/", "tests/", "scenarios/", "lab/", "benches/", "docs/", ".ci/"];

/// Code spans of a paper, each with its line; fenced blocks have none.
fn spans(text: &str) -> Vec<(usize, &str)> {
    let mut fenced = false;
    let mut spans = Vec::new();
    for (n, line) in text.lines().enumerate() {
        fenced ^= line.trim_start().starts_with("```");
        if !fenced && !line.trim_start().starts_with("```") {
            spans.extend(line.split('`').skip(1).step_by(2).map(|span| (n + 1, span)));
        }
    }
    spans
}

/// Paths that a paper names in code spans and that are not there. One with a gap (`<…>`, `…`, `*`) is no path.
pub fn paths(paper: &Path, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<String> {
    let whole = |span: &str| {
        !span.contains(['<', '…', '*', ' ']) && FOLDERS.iter().any(|folder| span.starts_with(folder))
    };
    let named = spans(text).into_iter().filter(|(_, span)| whole(span));
    named
        .filter(|(_, span)| !exists(Path::new(span)))
        .map(|(line, span)| format!("{}:{line}: `{span}` is not there.", paper.display()))
        .collect()
}

/// Tests that a table of a paper names and that nobody wrote: code spans such as `a_test_is_a_sentence`.
pub fn tests(paper: &Path, text: &str, is_function: impl Fn(&str) -> bool) -> Vec<String> {
    let is_name = |span: &str| {
        span.matches('_').count() > 1
            && span
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    let tables =
        text.lines().map(|line| if line.starts_with('|') { line } else { "" }).collect::<Vec<_>>().join("\n");
    let named = spans(&tables).into_iter().filter(|(_, span)| is_name(span) && !is_function(span));
    named.map(|(line, span)| format!("{}:{line}: there is no test `{span}`.", paper.display())).collect()
}

/// Pages that the contents of the book do not name.
pub fn book(contents: &str, pages: &[String]) -> Vec<String> {
    let lost = pages.iter().filter(|page| !contents.contains(&format!("]({page})")));
    lost.map(|page| format!("docs/src/{page} is in no chapter: name it in docs/src/SUMMARY.md.")).collect()
}

/// Written in two halves, so that this file does not contain what it forbids.
const STRANGERS: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/tm", "p/h/"),
    concat!("/far", "m/"),
    concat!("bash_", "jobs"),
    concat!(".debian", ".org"),
    concat!("pypi", ".org"),
    concat!("crates", ".io"),
    concat!("registry-1", ".docker"),
];

/// Names of registries and paths of somebody's machine.
pub fn strangers(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (n, line) in text.lines().enumerate() {
        for stranger in STRANGERS {
            if line.contains(stranger) {
                findings.push(format!(
                    "{path}:{}: `{stranger}` names a machine or a registry. The repository works anywhere: leave mirrors and \
                     registries to the configuration of apt, cargo and the engine, and paths to arguments.",
                    n + 1
                ));
            }
        }
    }
    findings
}

mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[package]\nname = \"x\"\n[dependencies]\na = \"1\" # why\nb = { version = \"1\" }\n[dev-dependencies]\nc = \"2\"\n[profile.dev]\ndebug = 1\n";
        let findings = dependencies(manifest);
        assert_eq!(findings.len(), 2);
        assert_eq!(
            findings[0],
            "Cargo.toml:5: `b` is there for no reason: say in a trailing comment what it is for."
        );
        assert!(findings[1].contains("`c`"));
    }

    #[test]
    fn a_dead_link_is_found() {
        let text =
            "[a](there.md) [b](gone.md#part) [c](https://example.org/x)\n[d](#here) ![e](img/none.png)\n";
        let findings = links(Path::new("docs/x.md"), text, |target| target == Path::new("docs/there.md"));
        assert_eq!(
            findings,
            [
                "docs/x.md:1: the link to `gone.md` leads nowhere.",
                "docs/x.md:2: the link to `img/none.png` leads nowhere."
            ]
        );
    }

    #[test]
    fn a_path_that_is_not_there_is_found() {
        let text = "`src/gone.rs` `src/there.rs` `src/<word>.rs` `spec` `lab/*.md`\n```sh\n`src/no.rs`\n```\n- `.ci/run`\n";
        let findings = paths(Path::new("docs/x.md"), text, |path| path == Path::new("src/there.rs"));
        assert_eq!(
            findings,
            ["docs/x.md:1: `src/gone.rs` is not there.", "docs/x.md:5: `.ci/run` is not there."]
        );
    }

    #[test]
    fn a_test_that_is_not_there_is_found() {
        let text =
            "`not_in_a_table`\n| rule | `sim`: `it_holds_for_ever`, `it_is_gone_now` `mod_revision` |\n";
        let findings = tests(Path::new("x.md"), text, |name| name == "it_holds_for_ever");
        assert_eq!(findings, ["x.md:2: there is no test `it_is_gone_now`."]);
    }

    #[test]
    fn a_page_without_a_chapter_is_found() {
        let findings = book("- [A](a.md)\n", &["a.md".to_owned(), "b.md".to_owned()]);
        assert_eq!(findings, ["docs/src/b.md is in no chapter: name it in docs/src/SUMMARY.md."]);
    }

    #[test]
    fn a_stranger_is_found() {
        let text = format!("fine\nmirror = \"deb{}/debian\"\n", concat!(".debian", ".org"));
        let findings = strangers("lab/images/x", &text);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("lab/images/x:2:"), "{findings:?}");
    }
}
