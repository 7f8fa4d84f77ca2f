//! PostgreSQL's own pgbench as the client of a load: one process for each client, its log read as
//! history when it ends.
//!
//! - pgbench ends when its only client loses its connection ("client 0 aborted"). As a user's wrapper would, this
//!   starts it again after the load's `reconnect`, for the rest of the time; so a client can come back.
//! - Its log (`--log`) has a line for every transaction that ended: `client_id transaction_no time script_no
//!   time_epoch time_us [schedule_lag]`, times in microseconds, the lag only with `--rate`. The end is known from it,
//!   the start is the end less the latency. Of the transaction that was under way when pgbench gave up it says
//!   nothing: that one is told from the end of the line before to the end of the process, as one whose end nobody
//!   knows. A pgbench that got no connection began no transaction: that is a failure.
//! - pgbench's clock: it reads the wall clock and the monotonic one once when it starts, and logs monotonic time plus
//!   their difference. The same difference is measured here just before it starts; the journal says how
//!   wrong it may be. A wall clock that is set later changes neither.
//! - pgbench writes its log through a buffer of 4 KiB. One that is killed because it hangs takes its last lines
//!   with it, at most a hundred transactions, so its last acknowledgement seems that much earlier.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::watch;

use crate::engine::clock::{self, WallOffset};
use crate::history::event::{Ack, Error, Outcome};
use crate::history::{Event, classes};
use crate::load::tally::Tallied;
use crate::load::workload::pgbench::schema;
use crate::model::plan::LoadPlan;
use crate::model::scenario::SessionAttrs;
use crate::model::{Load, Mono};

/// The program.
const PROGRAM: &str = "pgbench";
/// Where its logs go for a moment.
const FOLDER: &str = "/tmp";

/// Whether the program can be run here.
///
/// # Errors
/// A sentence.
pub fn installed() -> Result<(), String> {
    let asked = std::process::Command::new(PROGRAM).arg("--version").stdout(Stdio::null()).status();
    match asked {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{PROGRAM} --version` ended with {status}")),
        Err(error) => {
            Err(format!("{PROGRAM} cannot be started in the client host: {error}; found the lab anew"))
        }
    }
}

/// A load of pgbench: what its clients share.
#[derive(Clone, Debug)]
pub struct Bench {
    /// What the client host was told.
    pub plan: Arc<LoadPlan>,
    /// What pgbench is to do.
    pub load: Load,
    /// The hosts of its connection string, in order.
    pub doors: watch::Receiver<Vec<SocketAddr>>,
    /// Its number.
    pub index: u32,
    /// How many clients share its rate.
    pub clients: u32,
    /// Numbers of its operations.
    pub numbers: Arc<AtomicU64>,
    /// Numbers of workers, of all loads.
    pub names: Arc<AtomicU32>,
    /// Where its operations are written down.
    pub journal: Tallied,
    /// Whether the load is over.
    pub over: watch::Receiver<bool>,
}

/// Whose transaction it is.
#[derive(Clone, Copy, Debug)]
struct Who {
    /// The client, which stays.
    client: u32,
    /// A new one after a transaction whose end nobody knows.
    worker: u32,
}

/// How one process ended.
enum ProcessEnd {
    /// Its time was up.
    Well,
    /// It gave up, and why.
    Badly(String),
    /// It was killed: the load was over and it was not.
    Killed,
}

impl Bench {
    /// One client, from `start` to `end`.
    pub async fn run(mut self, client: u32, start: Mono, end: Mono) {
        clock::sleep_until(start).await;
        let mut who = Who { client, worker: self.names.fetch_add(1, Ordering::Relaxed) };
        for turn in 0.. {
            // pgbench counts in whole seconds: the nearest one
            let seconds = (end.since(clock::now()) + Duration::from_millis(500)).as_secs();
            if seconds == 0 || *self.over.borrow() {
                return;
            }
            let offset = WallOffset::measure();
            if (client, turn) == (0, 0) {
                self.note_clock(offset);
            }
            let began = clock::now();
            let (exit, log) = self.process(client, turn, seconds).await;
            let lines: Vec<Logged> = log.lines().filter_map(|line| Logged::read(line, &offset)).collect();
            for line in &lines {
                self.write_down(who, line);
            }
            let last = lines.last().map_or(began, |line| line.end);
            match exit {
                ProcessEnd::Well => {}
                ProcessEnd::Badly(why) => {
                    if self.write_end(who, last, &why) {
                        who.worker = self.names.fetch_add(1, Ordering::Relaxed);
                    }
                    clock::sleep(self.load.reconnect.0).await;
                }
                ProcessEnd::Killed => {
                    self.begin(who, last, last);
                    return;
                }
            }
        }
    }

    fn note_clock(&self, offset: WallOffset) {
        let text = format!(
            "load {}: instants of pgbench's log are known to {} microseconds",
            self.load.name,
            offset.error.as_micros() + 1
        );
        self.journal.say(Event::Note { t: clock::now(), text });
    }

    /// Runs one process to its end, or to that of the load; with its log.
    async fn process(&mut self, client: u32, turn: u64, seconds: u64) -> (ProcessEnd, String) {
        let prefix = format!("{FOLDER}/pgha-pgbench-{}-{client}", self.load.name);
        let hosts = self.doors.borrow().clone();
        let mut command = Command::new(PROGRAM);
        command
            .args(["--no-vacuum", "--client=1", "--log", "--failures-detailed"])
            .arg(format!("--log-prefix={prefix}"))
            .arg(format!("--time={seconds}"))
            .arg(format!("--random-seed={}", self.seed(client, turn)))
            .args(self.load.rate.map(|rate| format!("--rate={}", rate / f64::from(self.clients))))
            .arg(connection_string(&self.load, &self.plan, &hosts))
            // in the arguments anybody on the machine would read it
            .env("PGPASSWORD", &self.plan.credentials.password)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return (ProcessEnd::Badly(error.to_string()), String::new()),
        };
        let log = child.id().map(|id| PathBuf::from(format!("{prefix}.{id}")));
        let mut over = self.over.clone();
        let exit = tokio::select! {
            ended = child.wait_with_output() => match ended {
                Ok(output) if output.status.success() => ProcessEnd::Well,
                Ok(output) => ProcessEnd::Badly(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => ProcessEnd::Badly(error.to_string()),
            },
            _ = over.wait_for(|over| *over) => ProcessEnd::Killed,
        };
        (exit, taken(log))
    }

    /// Other draws in every process; the same ones under the same seed.
    fn seed(&self, client: u32, turn: u64) -> u64 {
        let draws = self.plan.seed.wrapping_add(client.into()).wrapping_add(turn.wrapping_mul(1000));
        // pgbench takes 32 bits everywhere
        draws % 1_000_000_007
    }

    fn begin(&self, who: Who, invoked: Mono, intended: Mono) -> u64 {
        let op = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.journal.say(Event::invoke_by(invoked, self.index, op, who.worker, intended, who.client));
        op
    }

    fn write_down(&self, who: Who, line: &Logged) {
        let op = self.begin(who, line.began, line.intended);
        let outcome = match line.failed {
            None => Outcome::Ok(Ack::default()),
            Some(code) => Outcome::Fail(Error { c: code.to_owned(), m: String::new() }),
        };
        self.journal.say(Event::done(line.end, self.index, op, outcome));
    }

    /// What pgbench was about when it gave up; whether that stays open.
    fn write_end(&self, who: Who, since: Mono, why: &str) -> bool {
        let (op, outcome) = (self.begin(who, since, since), given_up(why));
        let open = matches!(outcome, Outcome::Info(_));
        self.journal.say(Event::done(clock::now(), self.index, op, outcome));
        open
    }
}

/// The log, which is then gone.
fn taken(log: Option<PathBuf>) -> String {
    let Some(log) = log else { return String::new() };
    let text = std::fs::read_to_string(&log).unwrap_or_default();
    let _ = std::fs::remove_file(&log);
    text
}

/// A transaction may have been under way only where pgbench says that it aborted its client.
fn given_up(why: &str) -> Outcome {
    let said = |word: &str| why.lines().find(|line| line.contains(word));
    let line = said("aborted in").or_else(|| said("error:")).or_else(|| why.lines().next());
    let message = line.unwrap_or_default().to_owned();
    if said("aborted in").is_some() {
        Outcome::Info(Error { c: classes::ABORTED.to_owned(), m: message })
    } else {
        Outcome::Fail(Error { c: classes::UNCONNECTED.to_owned(), m: message })
    }
}

/// What pgbench is told of the servers, without the password.
fn connection_string(load: &Load, plan: &LoadPlan, hosts: &[SocketAddr]) -> String {
    let join = |each: &dyn Fn(&SocketAddr) -> String| hosts.iter().map(each).collect::<Vec<_>>().join(",");
    let mut text = format!(
        "host={} port={} user={} dbname={} application_name=pgha-{} options=-csearch_path={}",
        join(&|host| host.ip().to_string()),
        join(&|host| host.port().to_string()),
        plan.credentials.user,
        plan.credentials.database,
        load.name,
        schema(&load.name)
    );
    let wanted = load.session_attrs();
    if wanted != SessionAttrs::Any {
        text.push_str(" target_session_attrs=");
        text.push_str(wanted.as_str());
    }
    if let Some(limit) = load.connect_timeout {
        // writing to a String cannot fail
        let _ = write!(text, " connect_timeout={}", limit.0.as_secs().max(1));
    }
    text
}

/// One line of pgbench's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Logged {
    intended: Mono,
    began: Mono,
    end: Mono,
    failed: Option<&'static str>,
}

impl Logged {
    /// `None` for a line that is torn.
    fn read(line: &str, offset: &WallOffset) -> Option<Self> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let micros = |at: usize| columns.get(at)?.parse::<u64>().ok();
        let wall = i128::from(micros(4)?) * 1_000_000 + i128::from(micros(5)?);
        let end = offset.monotonic(wall * 1000);
        let lag = micros(6).unwrap_or(0);
        let before = |micros: u64| Mono(end.0.saturating_sub(micros.saturating_mul(1000)));
        let (failed, took) = match *columns.get(2)? {
            "serialization" => (Some("40001"), 0),
            "deadlock" => (Some("40P01"), 0),
            // counted from when it was meant to start, where there is a rate
            took => (None, took.parse::<u64>().ok()?),
        };
        Some(Self { intended: before(took), began: before(took.saturating_sub(lag)), end, failed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(more: &str) -> Load {
        let text = format!(r#"{{"name":"bench-1","endpoint":"rw","workload":"pgbench","clients":1{more}}}"#);
        serde_json::from_str(&text).expect("a load")
    }

    fn plan() -> LoadPlan {
        let text = r#"{"loads":[],"duration":"1s","seed":1,"endpoints":{},"nodes":{},
            "credentials":{"user":"pgha","password":"s3cret","database":"db"}}"#;
        serde_json::from_str(text).expect("a plan")
    }

    #[test]
    fn a_line_ends_at_its_instant_and_begins_its_latency_earlier() {
        let offset = WallOffset::measure();
        let read = |line: &str| Logged::read(line, &offset);
        // 3 s and 20 us after the zero of the wall clock's own monotonic instant
        let end = offset.monotonic(1_800_000_003_000_020_000);
        let line = read("0 1 1500 0 1800000003 20").expect("a line");
        assert_eq!((line.end, line.failed), (end, None));
        assert_eq!((line.began, line.intended), (Mono(end.0 - 1_500_000), Mono(end.0 - 1_500_000)));
        let late = read("0 1 1500 0 1800000003 20 400").expect("a line");
        assert_eq!((late.began, late.intended), (Mono(end.0 - 1_100_000), Mono(end.0 - 1_500_000)));
        assert_eq!(read("0 1 deadlock 0 1800000003 20").expect("a line").failed, Some("40P01"));
        for torn in ["", "0 1 15", "0 1 1500 0 1800000003", "0 1 skipped 0 1800000003 20"] {
            assert_eq!(read(torn), None, "{torn}");
        }
    }

    #[test]
    fn only_an_aborted_client_may_have_written() {
        let aborted =
            "pgbench: error: client 0 aborted in command 5 (SQL) of script 0; perhaps the backend died";
        assert!(
            matches!(given_up(aborted), Outcome::Info(error) if error.c == classes::ABORTED && error.m == aborted)
        );
        let refused =
            "pgbench (17.6)\npgbench: error: connection to server at \"x\" failed: Connection refused";
        assert!(matches!(given_up(refused), Outcome::Fail(error) if error.c == classes::UNCONNECTED
            && error.m.contains("Connection refused")));
        assert!(classes::mapped(classes::ABORTED) && classes::mapped(classes::UNCONNECTED));
    }

    #[test]
    fn a_connection_string_names_every_host_and_no_password() {
        let hosts =
            ["198.18.0.15:5432".parse().expect("a host"), "198.18.0.16:5432".parse().expect("a host")];
        let text = connection_string(&load(""), &plan(), &hosts);
        assert_eq!(
            text,
            "host=198.18.0.15,198.18.0.16 port=5432,5432 user=pgha dbname=db application_name=pgha-bench-1 \
             options=-csearch_path=pgha_pgbench_bench_1"
        );
        let text = connection_string(&load(r#","via":"instances","connect-timeout":"2s""#), &plan(), &hosts);
        assert!(text.ends_with(" target_session_attrs=read-write connect_timeout=2"), "{text}");
    }
}
