//! Controllers: what decides is in room `decide`, here is the loop that asks who is active, looks, has it
//! decided and acts. Its eyes and hands are a trait; only a simulation has them yet.
//!
//! Theory: level, not edge. Whatever wakes a controller (an event of the engine, the end of a
//! connection, a change in the store) only makes it look sooner; what is done follows from that look.
//! A controller that is killed at any point and comes back with empty memory ends in the same lab.

pub mod driver;

pub use driver::{Deeds, Entry, Failed, conduct};
