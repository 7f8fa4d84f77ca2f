//! How the clients of a load come by a connection: the generator's own way, as libpq does, and from a
//! pool. One file a kind of client; what an operation does on its connection is the same for all. The
//! fourth kind, [`pgbench`], is a program that does both by itself.
//!
//! Invariant: no wait has a limit that the load does not state. Whatever hangs then hangs until the
//! load is over.

pub mod libpq;
mod opener;
pub mod pgbench;
pub mod pool;

pub use opener::{Connected, Opener};
