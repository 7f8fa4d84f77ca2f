//! The container engine (Docker Engine API): one handle, typed errors, one file a kind of object.
//!
//! Theory: the API is asked for what *is*, and told what to *ensure*; a name that is taken or an
//! object that is already gone is an answer, not a failure. The version on the wire is negotiated,
//! never pinned, so engines from 20.10 on work.

mod bodies;
mod connection;
mod disks;
mod error;
mod events;
mod exec;
mod helper;
mod images;
mod limits;
mod network;
mod observe;
mod reattach;
mod turn;
mod usage;
mod volumes;
mod wiring;

pub use crate::engine::engine_error::EngineError;
pub use connection::{Docker, EngineInfo, EngineLimit, EngineResult};
pub use disks::{Disk, DiskState};
pub use exec::{ExecOutput, ExecStream};
pub use helper::Helper;
pub use images::{BuildContext, ImageSeen};
pub use reattach::Reattached;
pub use wiring::Wiring;
