//! What the generator itself costs, against a server in the same process that answers at once, and
//! how exactly it counts a stall of 500 ms: the latency of every operation meant to start in the
//! stall is compared with the rest of the stall.
//!
//! `cargo bench --bench generator -- --out DIR/generator.json` also writes it where the page of a bench finds it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench says what it measured, and loudly when it cannot"
)]

#[path = "../tests/load/fake.rs"]
mod fake;

use std::time::Duration;

use pgha::engine::clock;
use pgha::history::{Class, History};
use pgha::model::Mono;
use pgha::report::bench::{Rate, SelfTest, Stall};

/// The stall, milliseconds, and operations meant to begin in it.
const STALL_MS: u64 = 500;
const MEANT: usize = 500;

fn main() {
    let out = std::env::args().skip_while(|argument| argument != "--out").nth(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let pgha = format!("pgha {}, {build} build", env!("CARGO_PKG_VERSION"));
    let mut test = SelfTest { schema_version: 1, pgha, ..SelfTest::default() };
    runtime.block_on(async {
        for round in 1..=5 {
            test.stalls.push(stall(round).await);
        }
        for record in ["operations", "histogram"] {
            let start = soon();
            let server = fake::serve(fake::Stall::default()).await;
            let writer = format!(
                r#"{{"name":"w","endpoint":"rw","workload":"set","model":"closed","clients":8,"record":"{record}"}}"#
            );
            let history = fake::load(server, &writer, 5, start).await;
            let per_second = acknowledged(&history) / 5;
            println!("closed loop, 8 clients, {record}: {per_second} operations a second");
            test.rates.push(Rate { clients: 8, record: record.to_owned(), per_second });
        }
    });
    if let Some(path) = out {
        std::fs::write(&path, serde_json::to_string(&test).expect("JSON")).expect("a file");
        println!("{path}");
    }
}

async fn stall(round: u32) -> Stall {
    let start = soon();
    let from = start.plus(Duration::from_secs(1));
    let stall = fake::Stall { from, until: from.plus(Duration::from_millis(STALL_MS)) };
    let server = fake::serve(stall).await;
    let writer = r#"{"name":"w","endpoint":"rw","workload":"set","rate":1000,"connections":8}"#;
    let history = fake::load(server, writer, 3, start).await;
    let hit: Vec<_> =
        history.ops.iter().filter(|op| op.intended >= stall.from && op.intended < stall.until).collect();
    let off: Vec<f64> =
        hit.iter().map(|op| op.done.unwrap_or_default().since(stall.until).as_secs_f64() * 1000.0).collect();
    let lag = history.ops.iter().filter(|op| op.intended < stall.from);
    let mut lag: Vec<_> = lag.map(|op| op.invoked.since(op.intended).as_secs_f64() * 1000.0).collect();
    lag.sort_by(f64::total_cmp);
    let seen = Stall {
        stall_ms: STALL_MS as f64,
        meant: MEANT,
        counted: hit.len(),
        error_mean_ms: off.iter().sum::<f64>() / off.len() as f64,
        error_max_ms: off.iter().copied().fold(0.0, f64::max),
        lag_p50_ms: lag[lag.len() / 2],
        lag_p99_ms: lag[lag.len() * 99 / 100],
    };
    println!(
        "stall {round}: {} of {MEANT} operations counted; error mean {:.2} ms ({:.2} % of {STALL_MS} ms), worst {:.2} ms; \
         schedule lag before it p50 {:.3} ms, p99 {:.3} ms",
        seen.counted,
        seen.error_mean_ms,
        seen.error_mean_ms / seen.stall_ms * 100.0,
        seen.error_max_ms,
        seen.lag_p50_ms,
        seen.lag_p99_ms,
    );
    seen
}

fn soon() -> Mono {
    clock::now().plus(Duration::from_millis(500))
}

fn acknowledged(history: &History) -> u64 {
    let recorded = history.ops.iter().filter(|op| op.class() == Class::Ok).count() as u64;
    recorded + history.counted.iter().map(|second| second.ok).sum::<u64>()
}
