//! A server that speaks as much of PostgreSQL's protocol as a load asks for, answers at once, and
//! stalls once, from one known instant to another.

use std::net::SocketAddr;
use std::sync::Arc;

use pgha::engine::clock::{self, Alarm};
use pgha::engine::journal;
use pgha::history::{Event, History, decode};
use pgha::load::generator;
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

/// Serves until it is dropped with its runtime.
pub async fn serve(stall: Stall) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(connection(socket, stall));
        }
    });
    address
}

async fn connection(socket: TcpStream, stall: Stall) -> Option<()> {
    socket.set_nodelay(true).ok()?;
    let (reader, mut writer) = socket.into_split();
    let (mut reader, alarm) = (BufReader::new(reader), Alarm::new().ok()?);
    let startup = reader.read_u32().await.ok()?;
    skip(&mut reader, startup).await?;
    let mut out = Vec::new();
    message(&mut out, b'R', &0_u32.to_be_bytes());
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
                b'Q' => result(&mut out, &["postgres-1", "127.0.0.1", "7"]),
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
    let plan = format!(
        r#"{{"loads":[{load}],"duration":"{seconds}s","seed":1,"endpoints":{{"rw":["{server}"]}},"nodes":{{}},
        "credentials":{{"user":"pgha","password":"x","database":"pgha"}}}}"#
    );
    let plan: Arc<LoadPlan> = Arc::new(serde_json::from_str(&plan).expect("a plan"));
    let ready = generator::ready(&plan).expect("a load that can be run");
    let (journal, lines) = journal::channel();
    let mut text = Vec::new();
    let running = async move {
        generator::run(ready, &plan, &journal, start, std::future::pending()).await;
    };
    let (written, ()) = tokio::join!(journal::write_out(lines, &mut text), running);
    written.expect("memory takes everything");
    let text = String::from_utf8(text).expect("text");
    let events: Vec<Event> = decode(&text).expect("a journal").events;
    History::from_events(events)
}
