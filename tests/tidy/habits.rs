//! What a source file must keep, apart from imports.

use crate::rooms;
use crate::source::{Source, lines_with, paths};

/// Paths of the standard library that reach outside, and what they are.
const OUTSIDE: [(&str, &str); 10] = [
    ("fs", "files"),
    ("env", "the environment"),
    ("process", "processes"),
    ("thread", "threads"),
    ("time::Instant", "the clock"),
    ("time::SystemTime", "the clock"),
    ("net::TcpStream", "the network"),
    ("net::TcpListener", "the network"),
    ("net::UdpSocket", "the network"),
    ("os::unix::net", "the network"),
];
/// Words that have no place in a pure room, and what they are.
const IMPURE: [(&str, &str); 11] = [
    ("async", "waiting"),
    ("await", "waiting"),
    ("tokio", "the runtime"),
    ("reqwest", "the network"),
    ("tokio_postgres", "the network"),
    ("rustix", "the kernel"),
    ("Instant::now", "the clock"),
    ("SystemTime", "the clock"),
    ("thread_rng", "global randomness"),
    ("OsRng", "global randomness"),
    ("from_os_rng", "global randomness"),
];

/// Pure rooms touch nothing outside.
pub fn purity(source: &Source) -> Vec<String> {
    let Some(room) = source.room().and_then(rooms::find).filter(|room| room.pure) else { return Vec::new() };
    let mut found = Vec::new();
    for named in paths(&source.product, "std") {
        let text = named.text();
        let reached =
            OUTSIDE.iter().find(|(path, _)| text == *path || text.starts_with(&format!("{path}::")));
        found.extend(reached.map(|(_, what)| (named.line, format!("std::{text}"), *what)));
    }
    for (word, what) in IMPURE {
        found.extend(lines_with(&source.product, word).into_iter().map(|line| (line, word.to_owned(), what)));
    }
    found
        .into_iter()
        .map(|(line, word, what)| {
            format!(
                "{}:{line}: `{word}` brings {what} into the pure room `{}`. Take what it would tell as an argument and let \
                 `engine`, `run` or `cli` fetch it.",
                source.path, room.name
            )
        })
        .collect()
}

/// Things one room alone may do.
pub fn ownership(source: &Source) -> Vec<String> {
    let path = source.path.as_str();
    let mut findings = Vec::new();
    if path != "src/engine/docker.rs" && !path.starts_with("src/engine/docker/") {
        findings.extend(lines_with(&source.code, "bollard").into_iter().map(|line| {
            format!(
                "{path}:{line}: only `engine::docker` names bollard. Add what you need to the traits of `engine`, in words of \
                 `model`, so that the engine in memory can do it too."
            )
        }));
    }
    if source.room() == Some("cli") || path == "src/main.rs" {
        return findings;
    }
    for word in ["println!", "print!", "eprintln!", "eprint!", "dbg!"] {
        findings.extend(lines_with(&source.product, word).into_iter().map(|line| {
            format!("{path}:{line}: only `cli` prints, here stands `{word}`. Return the text, or log it with `tracing`.")
        }));
    }
    for (part, sentence) in [
        ("process::exit", "only `main` ends the process: return an error, so that healing still runs"),
        ("process::abort", "only `main` ends the process: return an error, so that healing still runs"),
        ("env::", "only `cli` reads the environment: take the value as an argument"),
    ] {
        for named in paths(&source.product, "std") {
            if named.text().starts_with(part) || format!("{}::", named.text()) == part {
                findings.push(format!("{path}:{}: `std::{}`, but {sentence}.", named.line, named.text()));
            }
        }
    }
    findings
}

/// Every file begins by saying what lives in it.
pub fn header(source: &Source) -> Vec<String> {
    if source.text.lines().next().is_some_and(|line| line.starts_with("//! ")) {
        return Vec::new();
    }
    vec![format!(
        "{}:1: no header. The first line of every file is `//! …`: what lives here, the theory behind it, what always holds.",
        source.path
    )]
}

/// `main.rs` opens the library and does nothing else.
pub fn door(source: &Source) -> Vec<String> {
    if source.path != "src/main.rs" {
        return Vec::new();
    }
    let lines = source.text.lines().count();
    let mut findings = Vec::new();
    if lines > 30 {
        findings.push(format!("src/main.rs has {lines} lines; 30 are enough to call `cli` and turn its answer into an exit code."));
    }
    for named in paths(&source.code, "pgha") {
        if named.segments.first().is_none_or(|first| first != "cli") {
            let text = named.text();
            findings.push(format!(
                "src/main.rs:{}: `pgha::{text}`, but main knows `cli` alone: call it there.",
                named.line
            ));
        }
    }
    findings
}

/// Nothing stands in the repository that is not done.
pub fn unfinished(source: &Source) -> Vec<String> {
    let mut findings = Vec::new();
    for (word, instead) in [
        (concat!("to", "do!"), "finish it, or refuse the input by name with a reason a user can read"),
        (
            concat!("unimple", "mented!"),
            "finish it, or refuse the input by name with a reason a user can read",
        ),
        (
            concat!("#[ign", "ore"),
            "a test that does not run proves nothing: give it a profile in .config/nextest.toml",
        ),
    ] {
        let lines = source.code.lines().enumerate().filter(|(_, line)| line.contains(word));
        findings.extend(lines.map(|(n, _)| format!("{}:{}: `{word}`: {instead}.", source.path, n + 1)));
    }
    findings
}

mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    #[test]
    fn impurity_is_answered_with_a_lesson() {
        assert_eq!(
            purity(&source("src/check/outage.rs", "//! Outage.\nuse std::time::Instant;\n")),
            [
                "src/check/outage.rs:2: `std::time::Instant` brings the clock into the pure room `check`. Take what it would tell \
                 as an argument and let `engine`, `run` or `cli` fetch it."
            ]
        );
        for text in [
            "async fn f() {}",
            "use std::{env, path::Path};",
            "x.await",
            "tokio::spawn(f)",
            "std::net::TcpStream::connect(a)",
        ] {
            assert_eq!(purity(&source("src/spec/mod.rs", text)).len(), 1, "{text}");
            assert_eq!(purity(&source("src/engine/mod.rs", text)), [""; 0], "{text}");
        }
        let fine = "use std::time::Duration; use std::net::Ipv4Addr; env!(\"X\"); #[cfg(test)] mod tests { use std::fs; }";
        assert_eq!(purity(&source("src/spec/mod.rs", fine)), [""; 0]);
    }

    #[test]
    fn only_one_room_names_the_engine() {
        assert_eq!(ownership(&source("src/lab/up.rs", "use bollard::Docker;")).len(), 1);
        for path in ["src/engine/docker.rs", "src/engine/docker/image.rs"] {
            assert_eq!(ownership(&source(path, "use bollard::Docker;")), [""; 0]);
        }
    }

    #[test]
    fn only_one_room_prints_exits_and_reads_the_environment() {
        for text in [
            "println!(\"x\");",
            "eprint!(\"x\")",
            "std::process::exit(1)",
            "use std::process::exit;",
            "std::env::var(a)",
            "use std::env;",
        ] {
            assert_eq!(ownership(&source("src/run/mod.rs", text)).len(), 1, "{text}");
            assert_eq!(ownership(&source("src/cli/mod.rs", text)), [""; 0], "{text}");
        }
        let fine =
            "writeln!(out); std::process::Command::new(a); #[cfg(test)] mod tests { fn f() { println!(); } }";
        assert_eq!(ownership(&source("src/run/mod.rs", fine)), [""; 0]);
    }

    #[test]
    fn headers_doors_and_ends() {
        assert_eq!(header(&source("src/lab/mod.rs", "use crate::model;")).len(), 1);
        assert_eq!(header(&source("src/lab/mod.rs", "//! The lab.\n")), [""; 0]);
        assert_eq!(door(&source("src/main.rs", &"\n".repeat(31))).len(), 1);
        assert_eq!(door(&source("src/main.rs", "fn main() { pgha::run::scenario(); }")).len(), 1);
        assert_eq!(door(&source("src/main.rs", "fn main() -> ExitCode { pgha::cli::main() }")), [""; 0]);
        for text in
            [concat!("to", "do!()"), concat!("unimple", "mented!()"), concat!("#[ign", "ore = \"slow\"]")]
        {
            assert_eq!(unfinished(&source("src/lab/mod.rs", text)).len(), 1, "{text}");
        }
    }
}
