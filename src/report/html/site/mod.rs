//! A site of many runs as pages of HTML: runs, benchmarks with trends, the library of scenarios with what was seen, and
//! the papers. Its style is that of the page of a run.
//!
//! [`Site`] is what is shown, as plain data; [`pages`] writes it down. What was read from files is escaped on its way in. A
//! page refers to other pages by relative paths alone, so that the folder works from a disk and below any address.

mod benches;
mod content;
mod library;
mod links;
mod paper;
mod runs;
mod shell;
mod trend;

use std::collections::BTreeMap;

pub use benches::{of_markdown, of_report};
pub use content::{Judged, LibraryScenario, Measure, Measurement, RunLine, Site, State};
pub use links::{picture, place, resolve, slug};
pub use paper::{links, title};
pub use shell::{FIRST, POLICY, home, notice};

/// Every page, by its path in the site.
#[must_use]
pub fn pages(site: &Site) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    runs::pages(site, &mut pages);
    benches::page(site, &mut pages);
    library::pages(site, &mut pages);
    paper::pages(site, &mut pages);
    pages
}
