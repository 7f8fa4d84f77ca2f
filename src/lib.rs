//! `pgha`: a reference lab for highly available PostgreSQL. It founds a real cluster on simulated
//! computers, loads it, breaks it, and judges what that cost.
//!
//! The library is a house of rooms; each imports only rooms above it. A tour, in reading order:
//!
//! 1. [`model`]: the words. A lab and an experiment as declared, a body as it must be created, what
//!    was seen, faults and their receipts. Plain data.
//! 2. [`spec`]: text of a lab or scenario file → that data, or every problem in it at once.
//! 3. [`decide`]: what must be done: who stands where, what a container is made of, what a lab
//!    still lacks.
//! 4. [`engine`]: everything outside: containers, databases, the clock; and an engine in memory.
//! 5. [`drive`]: the one loop: observe, decide, act.
//! 6. [`lab`]: that loop with real hands: up, down, status, readiness.
//! 7. [`history`]: the journal of a run; [`load`] writes it, inside the lab.
//! 8. [`chaos`]: faults, each with evidence that it bit and that it healed.
//! 9. [`check`]: a recorded run → a verdict with evidence, with [`stats`] for the numbers and
//!    [`report`] for the text.
//! 10. [`run`]: all of it as one sentence: prepare, baseline, hurt, heal, settle, read, judge. [`view`] shows it meanwhile.
//! 11. [`site`]: runs, benchmarks, scenarios and papers as a site.
//! 12. [`control`]: what runs beside a lab: the controllers; [`broker`]: their only way to the engine.
//! 13. [`cli`]: the door.
//!
//! `model`, `stats`, `spec`, `decide`, `history`, `check`, `report` and `view` are pure: they wait
//! for nothing and touch nothing, so most of the house can be tried without an engine. Here the lab that
//! comes with the program is read and placed:
//!
//! ```
//! use pgha::decide::placement::place;
//! use pgha::model::lab::Desired;
//! use pgha::spec::lab::{Layer, resolve};
//!
//! let lab = resolve(&[Layer::built_in()])?;
//! let members = place(&lab, &Desired::founding(&lab), &[])?;
//! for member in &members {
//!     println!("{} stands on {}", member.id, member.host);
//! }
//!
//! let stands = |id: &str| {
//!     members.iter().find(|member| member.id.as_str() == id).map(|member| member.host.as_str())
//! };
//! assert_eq!(stands("postgres-1"), Some("h4"));
//! assert_eq!(stands("balancer-1"), Some("h1"), "away from the databases");
//! assert_eq!(stands("client"), Some("client"), "a host of its own");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod broker;
pub mod chaos;
pub mod check;
pub mod cli;
pub mod control;
pub mod decide;
pub mod drive;
pub mod engine;
pub mod history;
pub mod lab;
pub mod load;
pub mod model;
pub mod operate;
pub mod report;
pub mod run;
pub mod site;
pub mod spec;
pub mod stats;
pub mod view;
