//! A whole site of this repository and of stored runs: every link leads somewhere, hostile text stays text, and a real
//! browser finds nothing too wide, no letter without a glyph and no text that can hardly be read.
//!
//! The browser is Debian's Chromium. Where none is installed, the test that needs it says so and proves nothing.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says why it cannot go on"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use pgha::site::{Sources, Written, write};
use tempfile::TempDir;

const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=x onerror='alert(2)'>\u{202e}";
/// Stored runs that are shown.
const RUNS: [&str; 5] = [
    "good-last-back",
    "bad-lost-more-than-documented",
    "bad-g1c",
    "bad-forbidden-text",
    "unknown-never-back",
];
/// Names under which a browser is looked for.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A folder with runs as `pgha run` leaves them, a measurement, and one run whose texts are hostile.
fn runs(folder: &Path) {
    for (number, name) in RUNS.iter().enumerate() {
        let dir = folder.join(format!("primary-dies/2026112{number}T004844Z-{number}"));
        copy(&root().join("tests/histories").join(name), &dir);
        fs::write(dir.join("outcome.json"), "{}").expect("written");
        fs::write(dir.join("verdict.json"), "{}").expect("written");
    }
    let hostile = folder.join("hostile <b>&\"'/20261128T004844Z-9");
    copy(&root().join("tests/histories/good-failover"), &hostile);
    let path = hostile.join("scenario.json");
    let text = fs::read_to_string(&path).expect("a scenario");
    let mut scenario: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    scenario["about"] = HOSTILE.into();
    fs::write(&path, scenario.to_string()).expect("written");
    fs::write(hostile.join("outcome.json"), "{}").expect("written");
    let broken = folder.join("broken/20261128T004844Z-8");
    fs::create_dir_all(&broken).expect("made");
    fs::write(broken.join("scenario.json"), format!("{{\"name\":{HOSTILE:?}}}")).expect("written");
    fs::write(broken.join("outcome.json"), "{}").expect("written");
    let bench = folder.join("bench");
    fs::create_dir_all(&bench).expect("made");
    for (from, to) in [("side-by-side.jsonl", "points.jsonl"), ("side-by-side.md", "bench.md")] {
        fs::copy(root().join("benches/measured").join(from), bench.join(to)).expect("copied");
    }
    fs::write(bench.join("bench.html"), format!("<!doctype html><main>{HOSTILE}</main>")).expect("written");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("logs")).expect("made");
    for entry in fs::read_dir(from).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        let to = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() {
            copy(&entry, &to);
        } else {
            fs::copy(&entry, to).expect("copied");
        }
    }
}

/// A site of all that, and what was written.
fn made() -> (TempDir, PathBuf, Written) {
    let folder = tempfile::tempdir().expect("a directory");
    runs(&folder.path().join("runs"));
    let site = folder.path().join("site");
    let sources = Sources {
        runs: folder.path().join("runs"),
        repository: Some(root().to_owned()),
        benches: Vec::new(),
    };
    let written = write(&sources, &site, &|_| {}).expect("a site");
    (folder, site, written)
}

/// Every page below a folder, by its path in it.
fn pages(site: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![site.to_owned()];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "html") {
                let name = path.strip_prefix(site).expect("below it").to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    found
}

/// Values of an attribute, as they are written.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let mark = format!(" {attribute}=\"");
    page.split(&mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Where a relative way leads from a page.
fn target(from: &str, way: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in way.split('/') {
        if part == ".." {
            assert!(parts.pop().is_some(), "{from}: {way} leads out of the site");
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}

#[test]
fn every_link_leads_somewhere_and_hostile_text_stays_text() {
    let (_folder, site, written) = made();
    let pages = pages(&site);
    let mut wrong = Vec::new();
    for (at, page) in &pages {
        for way in values(page, "href").into_iter().chain(values(page, "src")) {
            if way.starts_with("https://") || way.starts_with("http://") {
                continue;
            }
            let (path, anchor) = way.split_once('#').unwrap_or((way, ""));
            let path = if path.is_empty() { at.clone() } else { target(at, path) };
            let there = site.join(&path).is_file();
            let known = || pages.get(&path).is_some_and(|page| values(page, "id").contains(&anchor));
            if !there || !anchor.is_empty() && !known() {
                wrong.push(format!("{at}: {way}"));
            }
        }
        // what is loaded comes from the site, and nothing runs
        for markup in ["<script", "onerror='", "<iframe", "<link", " src=\"http"] {
            if page.contains(markup) {
                wrong.push(format!("{at}: {markup}"));
            }
        }
        if !page.contains("Content-Security-Policy") {
            wrong.push(format!("{at}: no policy"));
        }
    }
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));
    assert!(!pages.contains_key("benches/runs/bench/bench.html"), "a page of somebody else");
    assert_eq!(written.runs, RUNS.len() + 1);
    assert_eq!(written.without_page.len(), 1, "{:?}", written.without_page);
    assert!(pages.values().any(|page| page.contains("&lt;script&gt;")), "what is hostile is shown, as text");
    assert!(pages["runs.html"].contains("broken"), "the broken run is named");
}

#[test]
fn what_was_seen_stands_where_it_belongs() {
    let (_folder, site, _) = made();
    let pages = pages(&site);
    for at in ["runs.html", "scenarios/primary-dies.html"] {
        let page = &pages[at];
        for (word, verdict) in [("good", "pass"), ("bad", "fail"), ("warn", "unknown")] {
            assert!(
                page.contains(&format!("<span class=\"verdict {word}\">{verdict}</span>")),
                "{at}: {verdict}"
            );
        }
    }
    let library = &pages["scenarios.html"];
    assert!(library.contains("3 × <span class=\"verdict bad\">fail</span>"), "five runs of primary-dies");
    let benches = &pages["benches.html"];
    assert!(
        benches.contains("side-by-side, 2026-11-26") && benches.contains("<svg"),
        "points have a picture"
    );
    assert!(pages["docs/bugs.html"].contains("<h3 id=\"a-late-slot\">"), "the track record");
}

/// Pages that a reader sees first, and one of each kind.
fn shown(pages: &BTreeMap<String, String>) -> Vec<&String> {
    let first = |at: &&String| {
        !at.contains('/')
            || at.starts_with("docs/")
            || at.starts_with("runs/")
            || at.starts_with("files/README")
    };
    let kinds = ["scenarios/primary-dies.html", "scenarios/tour.html", "files/scenarios/README.md.html"];
    pages.keys().filter(|at| first(at) || kinds.contains(&at.as_str())).collect()
}

/// A page in which everything is wrong that is looked for.
const BROKEN: &str = "<!doctype html><meta charset=\"utf-8\"><body style=\"background:#fff;color:#ccc\">\
                      <div style=\"width:2000px\">\u{10fffd}</div><img src=\"absent.png\"></body>";

/// Looks at pages in a browser, in a theme; what was found, line by line, or `None` where there is no browser.
fn look(folder: &Path, theme: &str, pages: &[(String, PathBuf)]) -> Option<Vec<String>> {
    let mut all = "<!doctype html><meta charset=\"utf-8\"><body>".to_owned();
    for (name, path) in pages {
        for width in [390, 1280] {
            let _ = write!(
                all,
                "<iframe src=\"file://{}\" width=\"{width}\" height=\"900\" style=\"border:0\" title=\"{name} at {width}\"></iframe>",
                path.display()
            );
        }
    }
    let _ = write!(all, "<script>{}</script></body>", include_str!("site/look.js"));
    let file = folder.join(format!("all-{theme}.html"));
    fs::write(&file, all).expect("written");
    for browser in BROWSERS {
        let mut command = Command::new(browser);
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--dump-dom"]);
        command.arg("--allow-file-access-from-files");
        command.arg(format!("--user-data-dir={}", folder.join(format!("profile-{theme}")).display()));
        command.args((theme == "dark").then_some("--force-dark-mode"));
        let output = match command.arg(format!("file://{}", file.display())).output() {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            other => other.expect("the browser runs"),
        };
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, list) = dom
            .split_once("<pre id=\"found\">")
            .unwrap_or_else(|| panic!("{browser} said nothing: {}", String::from_utf8_lossy(&output.stderr)));
        let list = list.split("</pre>").next().unwrap_or_default();
        return Some(list.lines().map(str::to_owned).collect());
    }
    None
}

#[test]
fn a_browser_finds_nothing_wrong_wide_and_narrow_light_and_dark() {
    let (folder, site, _) = made();
    let pages = pages(&site);
    let shown: Vec<(String, PathBuf)> =
        shown(&pages).into_iter().map(|at| (at.clone(), site.join(at))).collect();
    assert!(shown.len() > 30, "{}", shown.len());
    let broken = folder.path().join("broken.html");
    fs::write(&broken, BROKEN).expect("written");
    // the broken page is one of the first look, and proves that looking finds what is wrong
    let first = [shown.as_slice(), &[("broken".to_owned(), broken)]].concat();
    // the starts of two browsers overlap
    let (light, dark) = std::thread::scope(|scope| {
        let light = scope.spawn(|| look(folder.path(), "light", &first));
        let dark = look(folder.path(), "dark", &shown);
        (light.join().expect("a look"), dark)
    });
    let (Some(light), Some(dark)) = (light, dark) else {
        eprintln!("######## NOT LOOKED AT in a browser: none of {BROWSERS:?} is installed ########");
        return;
    };
    let is_broken = |line: &&String| line.starts_with("broken at ");
    let proven: Vec<&String> = light.iter().filter(is_broken).collect();
    for wanted in ["is 2", "no font has", "has a contrast of 1.6", "absent.png is not shown"] {
        assert!(proven.iter().any(|line| line.contains(wanted)), "{wanted}: {proven:?}");
    }
    let mut wrong = BTreeSet::new();
    for (found, told) in [(&light, "light, letters seen"), (&dark, "dark, letters seen")] {
        assert_eq!(found.first().map(String::as_str), Some(told));
        let rest = found.iter().skip(1).filter(|line| !is_broken(line));
        wrong.extend(rest.map(|line| format!("{told}: {line}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}
