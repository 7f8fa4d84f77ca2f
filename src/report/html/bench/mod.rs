//! A bench as one page: `index.html` of its directory. As the page of a run it is one file without network and script, for
//! light, dark, phone and print; [`page`] decides what is shown, `write` writes it down.
//!
//! Every point is on it. What never ended stands in a column of its own behind the axis, and is part of no mean.

mod content;
mod page;
mod sections;
mod strips;
#[cfg(test)]
mod tests;
mod waterfalls;
mod write;

/// The name of the file.
pub const FILE: &str = "index.html";

pub use content::page;
pub use page::{BenchPage, Dot, GoalRow, Section, Strip, Strips, Waterfall};
pub use write::write;
