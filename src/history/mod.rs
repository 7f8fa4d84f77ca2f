//! The journal of a run: what clients asked and were told, phase by phase, fault by fault.
//!
//! Pure: text in, values out. The writers are room `load` (inside the client host) and room `run`;
//! the readers are the checkers. Invariant: one line, one event, one clock.

pub mod classes;
pub mod codec;
pub mod event;
pub mod pairing;

pub use codec::{CodecError, Decoded, decode, encode};
pub use event::{
    Ack, Answer, Asked, Counted, Error, Event, FinalRead, Mop, Outcome, Phase, RegisterOp, Signed, Tally,
};
pub use pairing::{Class, History, Op, Problem, Search, Writer};
