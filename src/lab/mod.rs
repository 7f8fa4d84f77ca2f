//! A lab on the engine: images, network, hosts, bodies; up, down, status.
//!
//! Theory: everything a lab is stands on the engine under its label, its record (spec, members,
//! passwords) in the client's configuration volume. No state lives beside it, so any directory and
//! any user that reaches the engine can look at it and take it down.

pub mod doctor;
pub mod down;
pub mod engines;
mod error;
mod finding;
pub mod images;
pub mod lab_hands;
pub mod names;
pub mod news;
pub mod reach;
pub mod ready;
pub mod record;
pub mod status;
pub mod up;
pub mod user;
mod wiring;

pub use error::LabError;
