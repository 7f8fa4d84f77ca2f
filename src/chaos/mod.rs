//! Faults: resolve the target, inject, heal, and bring evidence for both from a second source.
//!
//! Invariants: a fault is written down before it is injected; a target that matches nothing is an
//! error, never a fault on nobody; a receipt never rests on the answer of the call that did the deed.

pub mod inject;
pub mod ledger;
pub mod resolve;

pub use inject::Injector;
pub use ledger::Ledger;
pub use resolve::{NoMatch, resolve};
