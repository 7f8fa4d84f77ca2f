//! What people see while a lab or a run goes on: a [`Story`] hears what is seen and said, a [`ViewScene`] is what of it fits into rows,
//! and [`draw`] puts the scene onto a screen of any size.
//!
//! Theory: the first two are plain data, the third writes into a buffer of cells. `cli` owns the terminal, the keys and the clock,
//! so everything here is tried without them.
//!
//! Invariant: nothing here is judged. The numbers of a verdict come from the journal.

mod beat;
mod changes;
mod draw;
mod layout;
mod parts;
mod scene;
mod story;
mod table;

pub use beat::{Beat, LoadBeat};
pub use draw::{ViewLook, draw};
pub use parts::Parts;
pub use scene::{LoadRow, MemberRow, Piece, ViewScene, ViewTone};
pub use story::Story;

#[cfg(test)]
mod tests;
