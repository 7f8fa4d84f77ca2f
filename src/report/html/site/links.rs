//! Where things are in a site: paths of the repository → paths of the site, and relative ways between them.

/// A path of the repository that a link in one of its files leads to; `None` when it leads out of it or elsewhere.
///
/// ```
/// use pgha::report::html::site::resolve;
/// assert_eq!(resolve("docs/src/a.md", "../../lab/lab.toml").as_deref(), Some("lab/lab.toml"));
/// assert_eq!(resolve("README.md", "../secret"), None);
/// assert_eq!(resolve("README.md", "mailto:somebody"), None);
/// ```
#[must_use]
pub fn resolve(from: &str, link: &str) -> Option<String> {
    let absolute = link.is_empty() || link.starts_with(['/', '\\']);
    if absolute || link.contains(':') || link.contains(char::is_control) {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// Where a file of the repository has its page.
///
/// ```
/// use pgha::report::html::site::place;
/// assert_eq!(place("docs/src/bugs.md"), "docs/bugs.html");
/// assert_eq!(place("docs/src/SUMMARY.md"), "docs/index.html");
/// assert_eq!(place("scenarios/smoke.toml"), "scenarios/smoke.html");
/// assert_eq!(place(".ci/run"), "files/_.ci/run.html");
/// ```
#[must_use]
pub fn place(path: &str) -> String {
    if path == "docs/src/SUMMARY.md" {
        return "docs/index.html".to_owned();
    }
    let page = |folder: &str, name: &str| format!("{folder}/{}.html", slug(name));
    if let Some(name) = path.strip_prefix("docs/src/").and_then(|name| name.strip_suffix(".md")) {
        return page("docs", name);
    }
    if let Some(name) = path.strip_prefix("scenarios/").and_then(|name| name.strip_suffix(".toml")) {
        return page("scenarios", name);
    }
    page("files", path)
}

/// Where a picture of the repository is in the site, under its own ending.
#[must_use]
pub fn picture(path: &str) -> String {
    format!("files/{}", slug(path))
}

/// A path of letters that mean nothing in an address or on a file system: others become `_`, and no part begins
/// with a point.
///
/// ```
/// use pgha::report::html::site::slug;
/// assert_eq!(slug("a b/../c&d"), "a_b/_../c_d");
/// ```
#[must_use]
pub fn slug(path: &str) -> String {
    let plain = |letter: char| match letter {
        letter if letter.is_ascii_alphanumeric() || "._-/".contains(letter) => letter,
        _ => '_',
    };
    let part = |part: &str| {
        let text: String = part.chars().map(plain).collect();
        if text.starts_with('.') { format!("_{text}") } else { text }
    };
    path.split('/').filter(|part| !part.is_empty()).map(part).collect::<Vec<String>>().join("/")
}

/// The way from one page to another place of the site.
#[must_use]
pub fn way(from: &str, to: &str) -> String {
    let (path, anchor) = to.split_once('#').map_or((to, ""), |(path, anchor)| (path, anchor));
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), path.split('/').collect());
    let folders = from.len() - 1;
    let same = from.iter().take(folders).zip(&to).take_while(|(one, other)| one == other).count();
    let same = same.min(to.len() - 1);
    let mut way = "../".repeat(folders - same);
    way.push_str(&to.get(same..).unwrap_or_default().join("/"));
    if !anchor.is_empty() {
        way.push('#');
        way.push_str(anchor);
    }
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_are_relative() {
        assert_eq!(way("index.html", "runs.html"), "runs.html");
        assert_eq!(way("docs/a.html", "docs/b.html#c"), "b.html#c");
        assert_eq!(way("files/a/b.html", "docs/c.html"), "../../docs/c.html");
        assert_eq!(way("runs/x/y/report.html", "index.html"), "../../../index.html");
        assert_eq!(way("a/b.html", "a/b.html"), "b.html");
        assert_eq!(way("a/a.html", "a"), "../a");
    }

    #[test]
    fn no_link_leads_out_of_the_repository() {
        for link in
            ["../../../etc/passwd", "/etc/passwd", "file:///etc/passwd", "javascript:alert(1)", "a\n", ""]
        {
            assert_eq!(resolve("docs/src/a.md", link), None, "{link}");
        }
        assert_eq!(resolve("docs/src/a.md", "..").as_deref(), Some("docs"));
    }
}
