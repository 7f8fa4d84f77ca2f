//! How a run is shown while it goes: plain lines, and on a terminal a view that moves.

use std::fmt::Write as _;

use crate::cli::lab::NewsPrinter;
use crate::history::event::Phase;
use crate::run::conduct::Tell;
use crate::run::pulse::{Beat, LoadBeat};
use crate::stats::figures::{count, seconds_or_dash};

/// What is shown of one run.
pub struct View {
    printer: NewsPrinter,
}

impl View {
    /// A view on this stderr.
    pub fn new() -> Self {
        Self { printer: NewsPrinter::new() }
    }

    /// Whether anything of it moves.
    pub fn is_live(&self) -> bool {
        self.printer.moves()
    }

    /// Shows one piece of news.
    pub fn show(&self, tell: &Tell) {
        match tell {
            Tell::Step(text) => self.printer.line(text),
            Tell::Lab(news) => self.printer.news(news),
            Tell::Beat(beat) => self.printer.board(&text(beat)),
        }
    }

    /// Clears what moves.
    pub fn finish(&self) {
        self.printer.finish();
    }
}

/// One beat as a person reads it: a line for the run, a line for every load.
fn text(beat: &Beat) -> String {
    let phase = match beat.phase {
        Phase::Baseline => "baseline",
        Phase::Hurt => "hurt",
        Phase::Heal => "heal",
        Phase::Settle => "settle",
        Phase::FinalReads => "final reads",
    };
    let primary = beat.primary.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    let faults = if beat.faults.is_empty() { "nothing".to_owned() } else { beat.faults.join(", ") };
    let mut out = format!("{:.0} s  {phase}   primary: {primary}   on: {faults}", beat.seconds);
    let width = beat.loads.iter().map(|load| load.name.len()).max().unwrap_or(0);
    for load in &beat.loads {
        // writing to a string cannot fail
        let _ = write!(out, "\n  {}", line(load, width));
    }
    out
}

fn line(load: &LoadBeat, width: usize) -> String {
    format!(
        "{:width$}  {:>6}/s  {:>5} not acknowledged   p50 {}   max {}",
        load.name,
        count(load.ok),
        count(load.bad),
        seconds_or_dash(load.p50_ms),
        seconds_or_dash(load.max_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_a_line_for_the_run_and_one_for_each_load() {
        let load = |name: &str, ok, bad, p50_ms| LoadBeat {
            name: name.to_owned(),
            ok,
            bad,
            p50_ms,
            max_ms: p50_ms.map(|ms| ms * 2.0),
        };
        let beat = Beat {
            seconds: 12.3,
            phase: Phase::Hurt,
            faults: vec!["freeze (pause on postgres-1)".to_owned()],
            loads: vec![load("writer", 198, 0, Some(1.25)), load("age", 0, 17, None)],
            primary: None,
        };
        insta::assert_snapshot!(text(&beat), @r"
        12 s  hurt   primary: nobody   on: freeze (pause on postgres-1)
          writer     198/s      0 not acknowledged   p50 0.0013 s   max 0.0025 s
          age          0/s     17 not acknowledged   p50 –   max –
        ");
    }
}
