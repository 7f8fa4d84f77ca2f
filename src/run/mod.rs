//! One scenario from start to end, and its run directory.
//!
//! Invariants: the directory is written as the run goes, so a killed run is readable up to its last
//! line; the verdict comes from the directory alone; healing runs on success, failure and Ctrl-C.

mod calibration;
pub mod claim;
pub mod conduct;
pub mod dir;
pub mod dry;
mod error;
pub mod finish;
pub mod journal;
pub mod order;
mod phases;
pub mod pulse;
pub mod read;
pub mod refusals;
pub mod resolved;
pub mod samples;
pub mod search;
pub mod series;
pub mod sql_files;
pub mod steps;
mod under_way;

pub use error::RunError;
