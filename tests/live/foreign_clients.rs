//! Clients that nobody here wrote (`clients.py`: psycopg 3, or psql where that cannot be had), through the published
//! ports and without a limit on any wait, over deaths of the primary.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use pgha::engine::docker::Docker;
use pgha::lab::record;

use crate::desk::{Lab, whole};

/// Labs, one after the other: whoever dies again and again in one of them is replaced, and the small lab has no host for it.
pub const LABS: usize = 2;
/// Deaths of the primary in each.
const KILLS: usize = 5;
/// Clients that wait for their answers.
const CLIENTS: usize = 8;

/// The clients at work.
struct Clients {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Clients {
    fn start(lab: &Lab) -> Self {
        let dsn = lab.pgha(&["dsn", "rw"]);
        let mut process = Command::new(python(lab))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/clients.py"))
            // no bound on the time: only one that says that a client hangs
            .args(["--stdin", "--hang", "15", "--clients", &CLIENTS.to_string(), dsn.trim()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 starts");
        let said = BufReader::new(process.stdout.take().expect("its output"));
        let mut clients = Self { process, said };
        assert_eq!(clients.line(), "ready");
        clients
    }

    fn tell(&mut self, words: &str) {
        let input = self.process.stdin.as_mut().expect("its input");
        writeln!(input, "{words}").expect("it listens");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("it answers");
        assert!(!line.is_empty(), "the clients ended");
        line.trim_end().to_owned()
    }
}

/// A Python that has psycopg; without pip the machine's own, whose clients are psql.
fn python(lab: &Lab) -> String {
    let venv = lab.path("venv");
    let made = Command::new("python3").args(["-m", "venv", &venv]).output();
    let python = format!("{venv}/bin/python");
    let install = ["-m", "pip", "install", "--quiet", "psycopg[binary]>=3.2"];
    let installed = made.is_ok_and(|made| made.status.success())
        && Command::new(&python).args(install).output().is_ok_and(|done| done.status.success());
    if installed {
        return python;
    }
    println!("psycopg cannot be installed here: the clients are psql");
    "python3".to_owned()
}

/// Kills the primary again and again: every client writes again, every time.
pub fn every_client_comes_back(lab: &Lab) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut clients = Clients::start(lab);
    let mut hung = Vec::new();
    for kill in 1..=KILLS {
        clients.tell(&format!("begin kill-{kill}"));
        lab.pgha(&["inject", "kill", "--target", "primary"]);
        clients.tell("end");
        let said = clients.line();
        println!("{said}");
        if !said.contains(", hung 0 |") {
            hung.push(said);
        }
        lab.pgha(&["heal"]);
        runtime.block_on(async {
            let docker = Docker::connect().await.expect("an engine");
            let record = record::require(&docker, &lab.name).await.expect("a record");
            whole(&docker, &record).await;
        });
    }
    assert!(hung.is_empty(), "clients did not come back: {hung:#?}");
}
