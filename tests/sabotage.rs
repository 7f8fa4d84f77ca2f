//! The committed sabotage, on a real engine: labs, loads and runs that are broken on purpose, and the
//! verdict each must end in. What takes longer than CI has is in `tests/nightly.rs`.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot look must fail and say why")]

#[path = "live/desk.rs"]
#[allow(dead_code, reason = "sabotage needs less of the desk than the labs of `live` do")]
mod desk;
#[path = "live/ends.rs"]
mod ends;

use desk::engine;
use ends::ends_as_stated;

#[test]
fn a_fault_that_was_not_done_proves_nothing() {
    let _engine = engine();
    ends_as_stated("sabotage/fault-does-not-bite", "unknown", "receipts");
}

#[test]
fn a_final_read_that_is_skipped_proves_nothing() {
    let _engine = engine();
    ends_as_stated("sabotage/nobody-reads-in-the-end", "unknown", "lost-acks");
}

#[test]
fn balancers_that_check_nothing_are_noticed() {
    let _engine = engine();
    ends_as_stated("sabotage/balancers-check-nothing", "fail", "converged");
}
