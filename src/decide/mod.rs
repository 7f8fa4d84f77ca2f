//! What must be done, as pure functions over plain data: who stands where, how a body is made,
//! what is still missing. No clock, no I/O, no chance: time and chance are arguments.

pub mod body;
pub mod brain;
pub mod found;
pub mod frame;
pub mod placement;
pub mod repair;
pub mod scaling;
pub mod waits;
