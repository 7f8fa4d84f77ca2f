//! Text of a lab or scenario file → value, or **every** problem found in it. Pure.
//!
//! One way for both kinds of file: `tree` reads TOML into nodes that remember where they were
//! written, `shape` compares the nodes with the JSON Schema of the type (so the schema an editor
//! uses and the check made here cannot differ), and the rules in `lab_rules` and `scenario_rules`
//! look at what a schema cannot say. Layers of a lab are merged node by node, so a problem points
//! into the file that said it.
//!
//! Invariant: nothing stops at the first problem.

pub mod arrivals;
pub mod condition;
mod draft;
mod file_kind;
pub mod lab;
mod lab_rules;
mod parameters;
pub mod problem;
pub mod scenario;
mod scenario_rules;
pub mod schedule;
pub mod schema;
mod shape;
pub mod suite;
mod tree;

pub use file_kind::{FileKind, file_kind};
pub use problem::{Problem, ProblemKind, Problems};
