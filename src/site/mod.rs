//! A site of what lies on disk: runs, benchmarks, the library of scenarios and the papers of a clone. It is written into a
//! folder, or shown on an address of this machine while runs go on.
//!
//! Pages are made by [`crate::report::html::site`], from data; here files are read, written and served. Nothing that was
//! read is changed: a run without a page gets one in the site alone.

mod benches;
mod gather;
mod gathered;
mod record;
mod repository;
mod runs;
mod serve;
mod sources;
mod write;

pub use repository::MARK;
pub use serve::{Door, serve};
pub use sources::{SiteError, Sources};
pub use write::{Written, write};
