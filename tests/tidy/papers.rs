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
    fn a_stranger_is_found() {
        let text = format!("fine\nmirror = \"deb{}/debian\"\n", concat!(".debian", ".org"));
        let findings = strangers("lab/images/x", &text);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("lab/images/x:2:"), "{findings:?}");
    }
}
