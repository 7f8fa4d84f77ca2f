//! A server that speaks as much of PostgreSQL's protocol as a load asks for, answers at once, and
//! stalls once, from one known instant to another; or behaves in another way that clients meet.

#![allow(dead_code, reason = "the benchmark of the generator needs a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use pgha::engine::clock::{self, KernelTimer};
use pgha::engine::journal_writer;
use pgha::history::{Event, History, Signed, decode};
use pgha::load::generator::{self, LoadPatience};
use pgha::load::tally::Tallied;
use pgha::model::Mono;
use pgha::model::plan::LoadPlan;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// No answer from the first instant to the second.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stall {
    pub from: Mono,
    pub until: Mono,
}

/// How a server behaves.
#[derive(Clone, Debug, Default)]
pub struct Manner {
    pub stall: Stall,
    /// `default_transaction_read_only` and `in_hot_standby`, as reported; nothing is reported without it.
    pub told: Option<(&'static str, &'static str)>,
    /// The answer to every question of one text, when it is not that of an instance.
    pub says: Option<&'static str>,
    /// It accepts and hangs up, as a balancer without a server.
    pub hangs_up: bool,
    /// It answers the startup message with an error of this SQLSTATE.
    pub refuses: Option<&'static str>,
    /// It accepts and says nothing.
    pub mute: bool,
    /// Connections from before this instant are closed then.
    pub closes: Option<Mono>,
    /// Connections from before this instant get no answer from then on.
    pub deaf: Option<Mono>,
}

/// What a server saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub connections: AtomicUsize,
    pub asked_for_ssl: AtomicUsize,
    /// Empty queries.
    pub trials: AtomicUsize,
}

impl Seen {
    pub fn count(count: &AtomicUsize) -> usize {
        count.load(Ordering::SeqCst)
    }
}

/// A server and what it saw.
#[derive(Clone, Debug)]
pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
}

impl Server {
    pub fn connections(&self) -> usize {
        Seen::count(&self.seen.connections)
    }
}

/// Serves until it is dropped with its runtime.
pub async fn serve(stall: Stall) -> SocketAddr {
    serve_as(Manner { stall, ..Manner::default() }).await.address
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

/// Serves until it is dropped with its runtime.
pub async fn serve_as(manner: Manner) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let seen = Arc::<Seen>::default();
    let known = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            known.connections.fetch_add(1, Ordering::SeqCst);
            let (manner, seen) = (manner.clone(), Arc::clone(&known));
            tokio::spawn(async move {
                let began = clock::now();
                let closes = manner.closes.filter(|at| began < *at);
                let serving = connection(socket, began, manner, &seen);
                match closes {
                    Some(at) => tokio::select! {
                        done = serving => done,
                        () = clock::sleep_until(at) => None,
                    },
                    None => serving.await,
                }
            });
        }
    });
    Server { address, seen }
}

const SSL_REQUEST: u32 = 80_877_103;

async fn connection(socket: TcpStream, began: Mono, manner: Manner, seen: &Seen) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let stall = manner.stall;
    let (reader, mut writer) = socket.into_split();
    let (mut reader, alarm) = (BufReader::new(reader), KernelTimer::new().ok()?);
    if manner.mute {
        std::future::pending::<()>().await;
    }
    let mut startup = reader.read_u32().await.ok()?;
    let mut code = reader.read_u32().await.ok()?;
    if code == SSL_REQUEST {
        seen.asked_for_ssl.fetch_add(1, Ordering::SeqCst);
        if manner.hangs_up {
            return None;
        }
        writer.write_all(b"N").await.ok()?;
        startup = reader.read_u32().await.ok()?;
        code = reader.read_u32().await.ok()?;
    }
    assert_eq!(code, 196_608, "version 3.0 of the protocol");
    skip(&mut reader, startup.checked_sub(4)?).await?;
    if manner.hangs_up {
        return None;
    }
    let mut out = Vec::new();
    if let Some(state) = manner.refuses {
        message(&mut out, b'E', format!("SFATAL\0C{state}\0Mno\0\0").as_bytes());
        return writer.write_all(&out).await.ok();
    }
    message(&mut out, b'R', &0_u32.to_be_bytes());
    if let Some((read_only, standby)) = manner.told {
        for (name, value) in [("default_transaction_read_only", read_only), ("in_hot_standby", standby)] {
            message(&mut out, b'S', format!("{name}\0{value}\0").as_bytes());
        }
    }
    message(&mut out, b'Z', b"I");
    loop {
        writer.write_all(&out).await.ok()?;
        out.clear();
        loop {
            let kind = reader.read_u8().await.ok()?;
            let length = reader.read_u32().await.ok()?;
            skip(&mut reader, length).await?;
            match kind {
                b'P' => message(&mut out, b'1', b""),
                b'B' => message(&mut out, b'2', b""),
                b'E' => result(&mut out, &["0/10", "1"]),
                b'Q' if length == 5 => {
                    seen.trials.fetch_add(1, Ordering::SeqCst);
                    message(&mut out, b'I', b"");
                }
                b'Q' => match manner.says {
                    Some(text) => result(&mut out, &[text]),
                    None => result(&mut out, &["postgres-1", "127.0.0.1", "7"]),
                },
                _ => {}
            }
            if matches!(kind, b'S' | b'Q') {
                message(&mut out, b'Z', b"I");
                // requests that are pipelined are answered together, as PostgreSQL does
                if reader.buffer().is_empty() {
                    break;
                }
            }
        }
        let now = clock::now();
        if manner.deaf.is_some_and(|at| began < at && now >= at) {
            std::future::pending::<()>().await;
        }
        if now >= stall.from && now < stall.until {
            alarm.wait_until(stall.until).await.ok()?;
        }
    }
}

async fn skip(reader: &mut (impl AsyncReadExt + Unpin), length: u32) -> Option<()> {
    let mut body = vec![0; (length as usize).checked_sub(4)?];
    reader.read_exact(&mut body).await.ok().map(drop)
}

fn message(out: &mut Vec<u8>, kind: u8, body: &[u8]) {
    out.push(kind);
    out.extend(u32::try_from(body.len() + 4).expect("a short message").to_be_bytes());
    out.extend(body);
}

fn result(out: &mut Vec<u8>, columns: &[&str]) {
    let mut row = Vec::from(u16::try_from(columns.len()).expect("few columns").to_be_bytes());
    for column in columns {
        row.extend(u32::try_from(column.len()).expect("a short text").to_be_bytes());
        row.extend(column.as_bytes());
    }
    message(out, b'D', &row);
    message(out, b'C', b"INSERT 0 1\0");
}

/// Runs one load of the plan's JSON against `server`, its tables being somebody else's matter: from
/// `start`, for `seconds`.
pub async fn load(server: SocketAddr, load: &str, seconds: u64, start: Mono) -> History {
    load_on(&[server], load, seconds, start, std::future::pending()).await
}

/// The same with less patience than a load has.
pub async fn hasty_load(
    server: SocketAddr,
    load: &str,
    seconds: u64,
    start: Mono,
    patience: LoadPatience,
) -> History {
    run(&[server], load, seconds, start, std::future::pending(), patience).await
}

/// The same against several servers, which are both the balancers and the hosts of the plan, until `stop`.
pub async fn load_on(
    servers: &[SocketAddr],
    load: &str,
    seconds: u64,
    start: Mono,
    stop: impl Future<Output = ()>,
) -> History {
    run(servers, load, seconds, start, stop, LoadPatience::default()).await
}

async fn run(
    servers: &[SocketAddr],
    load: &str,
    seconds: u64,
    start: Mono,
    stop: impl Future<Output = ()>,
    patience: LoadPatience,
) -> History {
    let servers = serde_json::to_string(servers).expect("JSON");
    let plan = format!(
        r#"{{"loads":[{load}],"duration":"{seconds}s","seed":1,"endpoints":{{"rw":{servers}}},"nodes":{{}},
        "hosts":{servers},"credentials":{{"user":"pgha","password":"x","database":"pgha"}}}}"#
    );
    let plan: Arc<LoadPlan> = Arc::new(serde_json::from_str(&plan).expect("a plan"));
    let ready = generator::ready(&plan).expect("a load that can be run").with_patience(patience);
    let (journal, lines) = journal_writer::channel();
    let mut text = Vec::new();
    let running = async move {
        let told = Tallied::new(journal, plan.loads.len());
        generator::run(ready, &plan, &told, start, stop).await;
        told.operations()
    };
    let (written, signed) = tokio::join!(journal_writer::write_out(lines, &mut text), running);
    written.expect("memory takes everything");
    let text = String::from_utf8(text).expect("text");
    let events: Vec<Event> = decode(&text).expect("a journal").events;
    let history = History::from_events(events);
    what_is_signed_is_there(&history, &signed);
    history
}

/// Whatever became of a load, its client signs what it wrote, no more and no less.
fn what_is_signed_is_there(history: &History, signed: &Signed) {
    for tally in &signed.loads {
        let ops = || history.ops.iter().filter(|op| op.load == tally.l);
        let counted = history.counted.iter().filter(|second| second.l == tally.l);
        let counted: u64 = counted
            .map(|second| second.ok + second.fail.values().sum::<u64>() + second.info.values().sum::<u64>())
            .sum();
        let answered = ops().filter(|op| op.done.is_some()).count() as u64 + counted;
        let open = ops().filter(|op| op.done.is_none()).count() as u64;
        assert_eq!((tally.answered, tally.open), (answered, open), "load {}", tally.l);
    }
}
