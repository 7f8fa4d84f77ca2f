//! What takes longer than CI has, on a real engine: `cargo test --test nightly`. Sabotage that needs
//! several failovers, and the long random run.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot look must fail and say why")]

#[path = "live/desk.rs"]
#[allow(dead_code, reason = "these runs need less of the desk than the labs of `live` do")]
mod desk;
#[path = "live/ends.rs"]
mod ends;
#[path = "live/patroni.rs"]
mod patroni;

use desk::{Lab, engine};
use ends::{ends_as_stated, run};

#[test]
fn writes_that_were_never_synced_are_missed() {
    let _engine = engine();
    ends_as_stated("sabotage/fsync-is-off", "fail", "lost-acks");
}

#[test]
fn commits_that_did_not_wait_are_missed() {
    let _engine = engine();
    ends_as_stated("sabotage/commits-do-not-wait", "fail", "lost-acks");
}

#[test]
fn hosts_that_come_and_go_in_a_random_order_lose_nothing_they_may_not() {
    let _engine = engine();
    run("networks/random-swizzle");
}

#[test]
fn patroni_of_the_next_debian_keeps_what_a_release_of_its_leader_key_relies_on() {
    let _engine = engine();
    let lab = Lab::new("forky", 1);
    lab.up_with(&["--set", "images.suite=forky", "--set", "images.postgres=18"]);
    patroni::keeps_what_a_release_relies_on(&lab);
    lab.pgha(&["down"]);
    lab.assert_gone();
}
