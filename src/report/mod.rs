//! Verdicts and numbers → `report.json`; that → one page of HTML, Markdown and `JUnit` XML. Pure: strings out, no files.
//!
//! Instants are milliseconds from the start of the load, because a reader asks "how long after"; spans
//! carry their unit in the key. A number nobody measured is absent, never 0.

pub mod bench;
mod build;
mod document;
mod exposure;
mod figures;
pub mod html;
mod junit;
mod markdown;
mod summary;

pub use bench::{
    BenchReport, Beside, Changes, ComparisonLine, GoalLine, Point, SelfTest, Stall, bench_markdown,
    bench_report, changes, changes_markdown, compare, point,
};
pub use build::{build, build_with};
pub use document::{
    AlarmChange, AlarmLine, BackLine, ClientLine, EndpointLine, Environment, Failover, FaultLine, LoadLine,
    LossLine, OneWriterLine, Operations, Report, SCHEMA_VERSION, Stages, Staleness, WindowLine, ZombieLine,
};
pub use exposure::{Exposed, Exposure, Spread, measure as exposed, sum_up as exposure};
pub use figures::{Figure, figures};
pub use junit::{junit, junit_with};
pub use markdown::markdown;
pub use summary::summary;

use crate::check::{Judgement, Measured};

/// The report of a judged run, and its page. What checkers measured is not measured again.
#[must_use]
pub fn with_page(run: &Measured<'_>, judgement: &Judgement) -> (Report, String) {
    let exposed = exposed(run.record);
    let report = build_with(run, judgement, &exposed);
    let page = html::write(&html::page(run, &report, &exposed));
    (report, page)
}
