//! Controllers: what decides is in room `decide`, here is the loop that asks who is active, looks, has it
//! decided and acts, and its eyes and hands. The broker is its only way to the engine.
//!
//! Theory: level, not edge. Whatever wakes a controller (an event of the engine, the end of a
//! connection, a change in the store) only makes it look sooner; what is done follows from that look.
//! A controller that is killed at any point and comes back with empty memory ends in the same lab.

mod alarms;
mod asked;
mod balancers;
pub mod board;
pub mod broker_client;
mod controllers;
mod disk;
pub mod driver;
pub mod hands;
mod haproxy_words;
mod inside;
pub mod instance;
mod instances;
mod kept;
pub mod leadership;
mod orders;
pub mod process;
mod server_exit;
pub mod sizes;
mod voters;

pub use driver::{Deeds, Entry, Failed, conduct};
