//! Controllers: what decides is in room `decide`, here is the loop that asks who is active, looks, has it
//! decided and acts, and its eyes and hands. The broker is its only way to the engine.
//!
//! Theory: level, not edge. Whatever wakes a controller (an event of the engine, the end of a
//! connection, a change in the store) only makes it look sooner; what is done follows from that look.
//! A controller that is killed at any point and comes back with empty memory ends in the same lab.

mod alarms;
mod balancer;
mod balancers;
pub mod broker_client;
mod controller_eyes;
pub mod controller_hands;
pub mod controller_process;
mod controllers;
#[cfg(test)]
mod dashboard_tests;
mod deeds_under_way;
mod disk;
pub mod driver;
mod haproxy_words;
pub mod instance;
mod instance_watch;
mod instances;
mod leader_words;
pub mod leadership;
mod orders;
mod replacement_words;
mod self_reports;
mod server_exit;
pub mod sizes;
pub mod status_server;
mod stored_memory;
mod voter_watch;

pub use driver::{Deeds, Failed, JournalEntry, LateAnswer, conduct};
