//! The journal of a run: what clients asked and were told, phase by phase, fault by fault.
//!
//! Pure: text in, values out. The writers are room `load` (inside the client host) and room `run`;
//! the readers are the checkers. Invariant: one line, one event, one clock.

pub mod classes;
pub mod codec;
mod columns;
pub mod event;
mod gather;
mod keep;
mod line;
pub mod ops;
mod paired;
mod pairing;
mod problem;
pub mod said;

pub use codec::{CodecError, Decoded, Reading, decode, encode};
pub use event::{
    Ack, Answer, Asked, Counted, Error, Event, FinalRead, Mop, Outcome, Phase, RegisterOp, Signed, Tally,
};
pub use gather::Pairing;
pub use ops::{Acked, Op, Ops};
pub use paired::History;
pub use problem::{Class, JournalProblem, JournalWriter, PasswordSearch};
pub use said::{Move, Moves, OpQuestion, OpReply};
