//! What every live test needs: the engine, one lab of its own that goes away with the test, the
//! program as a user calls it, and eyes of its own on the engine.
//!
//! The engine is looked at through its own command line and not through this crate: what the
//! program says about itself is checked against somebody else's word.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pgha::engine::clock;
use pgha::engine::docker::Docker;
use pgha::lab::reach;
use pgha::lab::ready::{ReadyWhen, not_ready};
use pgha::lab::record::LabRecord;
use pgha::model::Sighting;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Labs share the cores they are measured on: one test at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Settings of every lab here: the small preset with the shortest timings Patroni allows.
const SETTINGS: [&str; 8] = [
    "--preset",
    "small",
    "--set",
    "postgres.patroni.ttl=20",
    "--set",
    "postgres.patroni.loop-wait=1",
    "--set",
    "postgres.patroni.retry-timeout=5",
];

/// The engine, for one test alone.
pub fn engine() -> MutexGuard<'static, ()> {
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let version = Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]).output();
    assert!(
        version.is_ok_and(|version| version.status.success()),
        "no container engine answers; `cargo nextest run` (or `cargo test --lib --test tidy --test scenarios --test sim --test model \
         --test judge --test placement --test cli`) runs everything that needs none"
    );
    guard
}

/// How often every fault is injected and healed: `PGHA_ROUNDS` measures a spread, without it once.
#[allow(clippy::disallowed_methods, reason = "measuring by hand, not deciding")]
pub fn rounds() -> usize {
    std::env::var("PGHA_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

/// How long a lab may take to be whole again after one fault.
const PATIENCE: Duration = Duration::from_mins(1);

/// One look at which nobody is missing.
pub async fn whole(docker: &Docker, record: &LabRecord) -> Sighting {
    let deadline = clock::now().plus(PATIENCE);
    loop {
        let seen = reach::look(docker, record).await.expect("a look");
        let missing = not_ready(&record.members, ReadyWhen::of(&record.spec), &seen);
        if missing.is_empty() {
            return seen;
        }
        assert!(clock::now() < deadline, "not whole again: {missing:?}");
        clock::sleep(Duration::from_millis(200)).await;
    }
}

/// A lab with a name nobody else has, taken down when the test is over, however it ends.
pub struct Lab {
    pub name: String,
    publish: String,
    /// Scenario files and run directories.
    dir: tempfile::TempDir,
}

impl Drop for Lab {
    fn drop(&mut self) {
        // a test that fails has said why; what is left over is said by the next one
        let _ = self.command(&["down"]).output();
    }
}

impl Lab {
    /// `place` tells the labs of one test apart: it is the third number of their loopback addresses.
    pub fn new(what: &str, place: u8) -> Self {
        let process = std::process::id();
        // two checkouts may test on one engine at once
        let publish =
            format!("127.{}.{}.0/24", 64 + process % 128, process / 128 % 64 * 4 + u32::from(place));
        let dir = tempfile::tempdir().expect("a temporary directory");
        Self { name: format!("live-{what}-{process}"), publish, dir }
    }

    /// The program on this lab: `words` are a verb and its own arguments.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgha"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
        for name in
            ["PGHA_FILE", "PGHA_PRESET", "PGHA_LAB", "PGHA_SEED", "PGHA_RUNS", "PGHA_WAIT", "RUST_LOG"]
        {
            command.env_remove(name);
        }
        // the faults of tests are nobody's state
        command.env("PGHA_STATE", self.dir.path().join("state"));
        // what follows `--` belongs to somebody else's program
        let split = words.iter().position(|word| *word == "--").unwrap_or(words.len());
        command.args(&words[..split]).args(["--lab", &self.name]).args(&words[split..]);
        command
    }

    /// The same, of verbs that need to know what the lab is to be.
    fn command_with_spec(&self, words: &[&str]) -> Command {
        let mut command = self.command(words);
        command.args(SETTINGS).args(["--set", &format!("network.publish={}", self.publish)]);
        command
    }

    /// Standard output of a verb that must succeed.
    pub fn pgha(&self, words: &[&str]) -> String {
        succeed(&mut self.command(words))
    }

    /// `pgha up`.
    pub fn up(&self) -> String {
        succeed(&mut self.command_with_spec(&["up"]))
    }

    /// `pgha up` with more settings.
    pub fn up_with(&self, more: &[&str]) -> String {
        succeed(self.command_with_spec(&["up"]).args(more))
    }

    /// `pgha up`, interrupted when it has made `containers` containers; its exit code.
    pub fn up_interrupted(&self, containers: usize) -> Option<i32> {
        let mut command = self.command_with_spec(&["up"]);
        let mut up = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("pgha starts");
        let mut lines = BufReader::new(up.stderr.take().expect("its stderr"));
        let mut said = String::new();
        while said.matches(": created").count() < containers {
            assert_ne!(
                lines.read_line(&mut said).expect("text"),
                0,
                "it ended before it was interrupted:\n{said}"
            );
        }
        let pid = i32::try_from(up.id()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(pid, Signal::INT).expect("an interrupt");
        lines.read_to_string(&mut said).expect("text");
        up.wait().expect("an end").code()
    }

    /// A path beside the scenarios.
    pub fn path(&self, name: &str) -> String {
        text_of(&self.dir.path().join(name))
    }

    /// Writes a file beside the scenarios.
    pub fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).expect("a file");
    }

    /// Writes a scenario and runs it: exit code, report, run directory.
    pub fn run(&self, name: &str, text: &str) -> Ran {
        self.run_with(name, text, &[])
    }

    /// The same with more settings.
    pub fn run_with(&self, name: &str, text: &str, more: &[&str]) -> Ran {
        let path = self.dir.path().join(format!("{name}.toml"));
        fs::write(
            &path,
            format!("schema = 1\nname = \"{name}\"\nabout = \"Written for a test.\"\nseed = 1\n{text}"),
        )
        .expect("a scenario file");
        let runs = self.dir.path().join("runs");
        let output = self
            .command_with_spec(&["run", &text_of(&path), "--runs", &text_of(&runs), "-o", "json"])
            .args(more)
            .output()
            .expect("pgha starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        let report =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}:\n{stderr}"));
        let dir = runs.join("latest").canonicalize().expect("a run directory");
        Ran { code: output.status.code(), report, dir, stderr }
    }

    /// Runs a scenario and sends `signal` when it says `word` on stderr: exit code, run directory, what it said.
    pub fn run_signalled(
        &self,
        name: &str,
        text: &str,
        word: &str,
        signal: Signal,
    ) -> (Option<i32>, PathBuf, String) {
        let path = self.dir.path().join(format!("{name}.toml"));
        let head = format!("schema = 1\nname = \"{name}\"\nabout = \"Written for a test.\"\nseed = 1\n");
        fs::write(&path, head + text).expect("a scenario file");
        let runs = self.dir.path().join("runs");
        let mut command = self.command_with_spec(&["run", &text_of(&path), "--runs", &text_of(&runs)]);
        let mut run = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("pgha starts");
        let mut lines = BufReader::new(run.stderr.take().expect("its stderr"));
        let mut said = String::new();
        while !said.contains(word) {
            assert_ne!(lines.read_line(&mut said).expect("text"), 0, "it ended before `{word}`:\n{said}");
        }
        // the deed follows its announcement
        succeed(Command::new("sleep").arg("2"));
        let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw).expect("a process number");
        kill_process(pid, signal).expect("a signal");
        lines.read_to_string(&mut said).expect("text");
        let code = run.wait().expect("an end").code();
        (code, runs.join("latest").canonicalize().expect("a run directory"), said)
    }

    /// What `docker inspect` says about every container of the lab.
    pub fn containers(&self) -> Vec<Value> {
        let names = self.on_the_engine(&["ps", "--all", "--format", "{{.Names}}"]);
        assert!(!names.is_empty(), "lab {} has no container", self.name);
        let said = succeed(Command::new("docker").arg("inspect").args(&names));
        serde_json::from_str(&said).expect("JSON of the engine")
    }

    fn on_the_engine(&self, words: &[&str]) -> Vec<String> {
        let label = format!("label=pgha.lab={}", self.name);
        let said = succeed(Command::new("docker").args(words).args(["--filter", &label]));
        said.lines().map(str::to_owned).collect()
    }

    /// Fails when anything of the lab is still on the engine or on this machine.
    pub fn assert_gone(&self) {
        let mut left = self.on_the_engine(&["ps", "--all", "--format", "container {{.Names}} {{.Status}}"]);
        left.extend(self.on_the_engine(&["volume", "ls", "--format", "volume {{.Name}}"]));
        left.extend(self.on_the_engine(&["network", "ls", "--format", "network {{.Name}}"]));
        left.extend(self.loop_devices());
        assert!(left.is_empty(), "left over: {left:#?}");
    }

    /// Fails when the disks the engine knows are not the loop devices seen here: whoever cannot see
    /// them would also see nothing left over. An engine on another kernel shows none here.
    pub fn assert_disks_are_seen(&self) {
        let kernel = succeed(Command::new("docker").args(["info", "--format", "{{.KernelVersion}}"]));
        let here = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        if kernel.trim() != here.trim() {
            return;
        }
        let volumes = self.on_the_engine(&["volume", "ls", "--format", "{{.Name}}"]);
        let said = succeed(Command::new("docker").args(["volume", "inspect"]).args(&volumes));
        let volumes: Vec<Value> = serde_json::from_str(&said).expect("JSON of the engine");
        let on_loop = |volume: &&Value| {
            volume["Options"]["device"].as_str().is_some_and(|device| device.starts_with("/dev/loop"))
        };
        assert_eq!(volumes.iter().filter(on_loop).count(), self.loop_devices().len());
    }

    /// Loop devices whose image is a disk of this lab, as the kernel names them.
    fn loop_devices(&self) -> Vec<String> {
        let disks = format!("pgha-{}-", self.name);
        let Ok(devices) = fs::read_dir("/sys/block") else { return Vec::new() };
        devices
            .filter_map(|device| fs::read_to_string(device.ok()?.path().join("loop/backing_file")).ok())
            .filter(|file| file.contains(&disks))
            .map(|file| format!("loop device on {}", file.trim()))
            .collect()
    }
}

/// A run that is over.
pub struct Ran {
    pub code: Option<i32>,
    pub report: Value,
    pub dir: PathBuf,
    pub stderr: String,
}

impl Ran {
    /// Verdict of one check.
    pub fn check(&self, name: &str) -> &str {
        let checks = self.report["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = checks.iter().find(|check| check["name"] == name);
        found.and_then(|check| check["verdict"].as_str()).unwrap_or_else(|| panic!("no check {name}: {self}"))
    }

    /// Every file of the run directory.
    pub fn files(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let text = fs::read_to_string(&path).expect("text");
                    found.push((path, text));
                }
            }
        }
        found
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n{}\n{:#}", self.code, self.stderr, self.report)
    }
}

fn text_of(path: &Path) -> String {
    path.to_str().expect("a path that is text").to_owned()
}

/// Standard output of a command that must end with 0.
pub fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// One statement through a connection string, by a client this program has no hand in; the rows'
/// first column, as text.
pub fn query(dsn: &str, sql: &str) -> Result<Vec<String>, tokio_postgres::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(dsn.trim(), tokio_postgres::NoTls).await?;
        let driver = tokio::spawn(connection);
        let said = client.simple_query(sql).await;
        drop(client);
        let _ = driver.await;
        let rows = said?.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        Ok(rows.collect())
    })
}
