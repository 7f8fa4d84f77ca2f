//! The judge, judged: what every checker accepts, what it refuses and with which words; correct runs
//! that must pass, each spoiled in one way that must be caught; runs stored for ever.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should say so loudly"
)]

mod exposure;
mod numbers;
mod opinions;
mod page;
mod properties;
mod refusals;
mod registers;
mod signed;
mod spoils;
mod stored;
mod story;
mod tales;
mod workloads;

use pgha::check::{Judgement, judge};

/// Whether the long search is asked for, as `.ci/run` does; a sample is enough for whoever waits.
#[expect(clippy::disallowed_methods, reason = "a longer search is asked for from outside")]
fn long() -> bool {
    std::env::var("PGHA_SEEDS").is_ok_and(|text| text == "long")
}

/// Cases of a property: a quarter of them in a sample.
fn cases(all: u32) -> u32 {
    if long() { all } else { all / 4 }
}

/// The verdict with every reason, as one text: a finding must be exact.
fn verdict(judgement: &Judgement) -> String {
    std::iter::once(judgement.verdict.to_string())
        .chain(judgement.reasons.iter().cloned())
        .collect::<Vec<_>>()
        .join(
            "
",
        )
}

/// The same of a story.
fn judged(story: &story::Story) -> String {
    verdict(&judge(&story.record()))
}
