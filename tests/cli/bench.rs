//! `pgha bench report`, `compare` and `publish` as a person calls them, on points that stand in a directory: no engine.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::pgha;

const SUITE: &str = r#"
schema = 1
[[comparison]]
name = "dies"
about = "A death."
scenario = "x.toml"
metric = "last-back"
fault = "kill"
phase = { from = "4s", to = "14s" }
baseline = "stock"
goal = [{ arm = "ours", points = 5, max = "800ms", never-back = 0 }]
arm = [
    { name = "stock", preset = "stock", trials = 5, lasts = "40s" },
    { name = "ours", preset = "repair", trials = 5, lasts = "6s" },
]
"#;

/// A bench in a directory, with points as an older edition wrote them.
fn bench(dir: &Path, arms: &[(&str, &[u32])], day: &str) {
    fs::create_dir_all(dir).expect("a directory");
    let mut lines = String::new();
    for (arm, values) in arms {
        for (trial, value) in values.iter().enumerate() {
            let _ = writeln!(
                lines,
                "{{\"comparison\":\"dies\",\"arm\":\"{arm}\",\"trial\":{trial},\"verdict\":\"pass\",\"value\":{value}.0,\"hurt\":8,\
                 \"never-back\":0,\"lost\":0,\"stages\":{{}},\"run\":\"/elsewhere/runs/dies-{arm}/{day}T00000{trial}Z-7\",\"started\":\"{day}T00:00:00Z\"}}"
            );
        }
    }
    fs::write(dir.join("points.jsonl"), lines).expect("points");
    fs::write(dir.join("suite.toml"), SUITE).expect("a suite");
}

fn ends(words: &[&str]) -> (Option<i32>, String, String) {
    let output = pgha(words);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn report(dir: &Path) -> (Option<i32>, String, String) {
    let suite = dir.join("suite.toml").display().to_string();
    ends(&["bench", "report", &suite, "--out", &dir.display().to_string()])
}

const STOCK: (&str, &[u32]) = ("stock", &[28_000, 30_000, 31_000, 29_000, 33_000]);

#[test]
fn a_bench_ends_by_its_goals() {
    let dir = tempfile::tempdir().expect("a directory");
    for (ours, wanted) in
        [(&[300, 350, 400, 320, 500][..], 0), (&[300, 350, 400, 320, 900], 1), (&[300, 350], 2)]
    {
        bench(dir.path(), &[STOCK, ("ours", ours)], "2026-11-28");
        let (code, said, error) = report(dir.path());
        assert_eq!(code, Some(wanted), "{said}{error}");
        assert!(said.contains("## Goals"), "{said}");
        assert!(error.contains("index.html"), "{error}");
    }
    // points of an older edition do not say how many clients never came back: that is no pass
    bench(dir.path(), &[STOCK, ("ours", &[300, 350, 400, 320, 500])], "2026-11-28");
    let points = fs::read_to_string(dir.path().join("points.jsonl")).expect("points");
    fs::write(dir.path().join("points.jsonl"), points.replace("\"never-back\":0,", "")).expect("points");
    assert_eq!(report(dir.path()).0, Some(2));
    for file in ["index.html", "bench.json", "bench.md", "smaller-is-better.json", "bmf.json"] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn what_stands_in_a_directory_is_read_or_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("suite.toml"), SUITE).expect("a suite");
    let (code, _, error) = report(dir.path());
    assert!(code == Some(64) && error.contains("holds no points.jsonl"), "{error}");
    fs::write(dir.path().join("points.jsonl"), "{\"comparison\":\"dies\",\n").expect("points");
    let (code, _, error) = report(dir.path());
    assert!(code == Some(64) && error.contains("points.jsonl:1: no point"), "{error}");
}

#[test]
fn two_benches_are_told_apart_or_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let of = |name: &str, ours: &[u32]| {
        let path = dir.path().join(name);
        bench(&path, &[STOCK, ("ours", ours)], "2026-11-28");
        report(&path);
        path.display().to_string()
    };
    let before = of("before", &[300, 350, 400, 320, 380]);
    let same = of("same", &[310, 390, 340, 360, 330]);
    let slower = of("slower", &[600, 700, 800, 640, 760]);
    let few = of("few", &[600]);
    let compared = |other: &str| ends(&["bench", "compare", &before, other]);
    let (code, said, _) = compared(&same);
    assert!(code == Some(0) && said.contains("0 of 2 arms changed"), "{said}");
    let (code, said, _) = compared(&slower);
    assert!(code == Some(1) && said.contains("1 of 2 arms changed") && said.contains("| worse |"), "{said}");
    let (code, said, _) = ends(&["bench", "compare", &slower, &format!("{before}/bench.json")]);
    assert!(code == Some(0) && said.contains("| better |"), "{said}");
    let (_, said, _) = compared(&few);
    assert!(said.contains("too few points"), "{said}");
    let (code, said, _) = ends(&["bench", "compare", &before, &slower, "-o", "json"]);
    let changes: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &changes["verdict"]), (Some(1), &Value::from("fail")));
    assert_eq!(changes["arms"][1]["value"]["lies"], "above");
    let (code, _, error) = compared("/no/such/bench");
    assert!(code == Some(64) && error.contains("bench.json"), "{error}");
}

#[test]
fn what_is_published_is_not_written_over_by_other_runs() {
    let dir = tempfile::tempdir().expect("a directory");
    let (out, into) = (dir.path().join("out"), dir.path().join("results"));
    let publish = || {
        let words = ["bench", "publish", "--machine", "two-cores", "--out"].map(str::to_owned);
        let paths = [&out, &into, &out.join("suite.toml")].map(|path| path.display().to_string());
        let words =
            [&words[..], &[paths[0].clone(), "--into".to_owned(), paths[1].clone(), paths[2].clone()]]
                .concat();
        ends(&words.iter().map(String::as_str).collect::<Vec<&str>>())
    };
    bench(&out, &[STOCK, ("ours", &[300])], "2026-11-28");
    let (code, said, error) = publish();
    assert_eq!(code, Some(0), "{error}");
    let there = into.join("2026-11-28-two-cores");
    assert_eq!(said.trim(), there.join("index.html").display().to_string());
    let points = fs::read_to_string(there.join("points.jsonl")).expect("points");
    assert!(points.contains("\"run\":\"runs/dies-ours/") && !points.contains("elsewhere"), "{points}");
    assert!(!fs::read_to_string(there.join("bench.json")).expect("numbers").contains("elsewhere"));
    // the same bench with more trials goes there again, another one does not
    bench(&out, &[STOCK, ("ours", &[300, 310])], "2026-11-28");
    assert_eq!(publish().0, Some(0));
    fs::write(out.join("points.jsonl"), points.replace("T00", "T09").replace("9:00", "0:00"))
        .expect("points");
    let (code, _, error) = publish();
    assert!(code == Some(64) && error.contains("from another run"), "{error}");
}
