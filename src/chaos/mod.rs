//! Faults: resolve the target, inject, heal, and bring evidence for both from a second source.
//!
//! Invariants: a fault is written down before it is injected; a target that matches nothing is an
//! error, never a fault on nobody; a receipt never rests on the answer of the call that did the deed.

pub mod body;
pub mod engine;
pub mod families;
pub mod family;
pub mod hits;
pub mod host;
pub mod inject;
pub mod ledger;
pub mod needs;
pub mod network;
pub mod operator;
pub mod process;
pub mod resolve;
pub mod resource;
pub mod sides;
pub mod sql;
pub mod storage;
pub mod storm;
pub mod table;
pub mod time;
pub mod wipe;

pub use family::{Family, Scene, Victim, VictimSeen};
pub use hits::hits;
pub use inject::{Injector, Prepared};
pub use ledger::Ledger;
pub use resolve::{Hits, NoMatch, PossibleTargets};
