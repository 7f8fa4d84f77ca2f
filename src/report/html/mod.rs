//! A judged run as one page: `report.html`. One file, no network, and no script: pictures are SVG, colours a style sheet
//! for light, dark and print.
//!
//! Two steps. [`page`] decides what is shown and says it as plain data ([`Page`]); `write` writes that down and decides
//! nothing. Numbers are those of the report and of what the checkers measured. Texts from logs, errors and scenarios are
//! escaped on their way into the page (`markup`), and everything is bounded (`bounds`), so that a run of a million
//! operations is no larger a page than a run of ten thousand.

mod anomalies;
pub mod bench;
mod bounds;
mod content;
mod lanes;
mod markup;
mod page;
mod render;
mod scale;
pub mod site;
mod tables;

pub use content::page;
pub use markup::cut;
pub use page::{
    Anomaly, Band, Chart, CheckLine, FILE, Fact, Join, Lane, LatencyCurves, Line, LossShown, Mark, Page, Row,
    Table, Time, Timeline, Tone, Unit,
};
pub use render::write;
