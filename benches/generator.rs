//! What the generator itself costs, against a server in the same process that answers at once, and
//! how exactly it counts a stall of 500 ms: the latency of every operation meant to start in the
//! stall is compared with the rest of the stall.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench says what it measured, and loudly when it cannot"
)]

#[path = "../tests/load/fake.rs"]
mod fake;

use std::time::Duration;

use fake::Stall;
use pgha::engine::clock;
use pgha::history::{Class, History};
use pgha::model::Mono;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for round in 1..=5 {
            stall(round).await;
        }
        for record in ["operations", "histogram"] {
            let start = soon();
            let server = fake::serve(Stall::default()).await;
            let writer = format!(
                r#"{{"name":"w","endpoint":"rw","workload":"set","model":"closed","clients":8,"record":"{record}"}}"#
            );
            let history = fake::load(server, &writer, 5, start).await;
            println!("closed loop, 8 clients, {record}: {} operations a second", acknowledged(&history) / 5);
        }
    });
}

async fn stall(round: u32) {
    let start = soon();
    let stall =
        Stall { from: start.plus(Duration::from_secs(1)), until: start.plus(Duration::from_millis(1500)) };
    let server = fake::serve(stall).await;
    let writer = r#"{"name":"w","endpoint":"rw","workload":"set","rate":1000,"connections":8}"#;
    let history = fake::load(server, writer, 3, start).await;
    let hit: Vec<_> =
        history.ops.iter().filter(|op| op.intended >= stall.from && op.intended < stall.until).collect();
    let off: Vec<f64> =
        hit.iter().map(|op| op.done.unwrap_or_default().since(stall.until).as_secs_f64() * 1000.0).collect();
    let (mean, worst) = (off.iter().sum::<f64>() / off.len() as f64, off.iter().copied().fold(0.0, f64::max));
    let lag = history.ops.iter().filter(|op| op.intended < stall.from);
    let mut lag: Vec<_> = lag.map(|op| op.invoked.since(op.intended).as_secs_f64() * 1000.0).collect();
    lag.sort_by(f64::total_cmp);
    println!(
        "stall {round}: {} of 500 operations counted; error mean {mean:.2} ms ({:.2} % of 500 ms), worst {worst:.2} ms; \
         schedule lag before it p50 {:.3} ms, p99 {:.3} ms",
        hit.len(),
        mean / 5.0,
        lag[lag.len() / 2],
        lag[lag.len() * 99 / 100],
    );
}

fn soon() -> Mono {
    clock::now().plus(Duration::from_millis(500))
}

fn acknowledged(history: &History) -> u64 {
    let recorded = history.ops.iter().filter(|op| op.class() == Class::Ok).count() as u64;
    recorded + history.counted.iter().map(|second| second.ok).sum::<u64>()
}
