//! What runs inside the client host: it writes and reads through the balancers, watches every
//! subject of the lab, and reads every node in the end.
//!
//! Plans come in as one line of JSON on stdin, events and sightings go out as lines of JSON on
//! stdout; the end of stdin means stop at once. Invariants: an operation is journaled before its
//! first byte is sent; no operation is ever retried under the same number; what was not
//! acknowledged is never called acknowledged, and what may have happened is never called failed.

pub mod agent;
pub mod classify;
pub mod client;
pub mod counter;
pub mod final_read;
pub mod generator;
pub mod late_packets;
pub mod prober;
pub mod storm;
pub mod tally;
pub mod timeline;
pub mod watch;
pub mod workload;
