//! How a run is shown while it goes: a view on a terminal, else lines.

use std::fmt::Write as _;
use std::sync::Arc;

use tokio::sync::watch;

use super::interrupts::INTERRUPTED;
use crate::cli::news::NewsPrinter;
use crate::cli::screen::{After, Key, Screen};
use crate::lab::news::News;
use crate::run::order::Tell;
use crate::stats::figures::{count, rate, seconds_or_dash};
use crate::view::{Beat, LoadBeat, Story, ViewLook};

/// What keys do while a run is watched.
const KEYS: &str =
    "q: lines instead of this view, the run goes on   Ctrl-C: heal, judge what there is, clean up";

/// What is shown of one run.
pub struct View {
    printer: NewsPrinter,
    screen: Option<Screen>,
}

impl View {
    /// Lines on this stderr; on a terminal they move, unless they shall be plain.
    pub fn lines(plain: bool) -> Self {
        let printer = if plain { NewsPrinter::plain() } else { NewsPrinter::new() };
        Self { printer, screen: None }
    }

    /// A view on this stdout. Ctrl-C asks the run to stop, as the signal would.
    pub fn on_screen(look: ViewLook, title: String, asked: Arc<watch::Sender<bool>>) -> Self {
        let on_key = move |key: Key, story: &mut Story| match key {
            Key::Quit => After::Ends,
            Key::Interrupt => {
                story.say(INTERRUPTED);
                asked.send_replace(true);
                After::Stays
            }
        };
        match Screen::open(Story::new(title, KEYS), look, on_key) {
            // what is printed meanwhile stands below the view when it is over
            Some(screen) => Self { printer: NewsPrinter::plain(), screen: Some(screen) },
            None => Self::lines(false),
        }
    }

    /// Whether anything of it moves.
    pub fn is_live(&self) -> bool {
        self.screen.is_some() || self.printer.moves()
    }

    /// Shows one piece of news.
    pub fn show(&self, tell: Tell) {
        match &tell {
            Tell::Step(text) => self.printer.line(text),
            Tell::Lab(news) => self.printer.news(news),
            Tell::Beat(beat) => self.printer.board(&text(beat)),
        }
        if let Some(screen) = &self.screen {
            screen.change(move |story| hear(story, tell));
        }
    }

    /// Clears what moves.
    pub fn finish(self) {
        self.printer.finish();
        if let Some(screen) = self.screen {
            screen.close();
        }
    }
}

/// Tells a story what a run tells.
fn hear(story: &mut Story, tell: Tell) {
    match tell {
        Tell::Step(text) | Tell::Lab(News::Step(text)) => story.say(&text),
        Tell::Lab(News::Part(part)) => story.part(part),
        Tell::Lab(News::Waiting(waiting)) => {
            story.waiting(waiting.iter().map(|one| (one.member.as_str(), one.why.as_str())));
        }
        Tell::Beat(beat) => story.beat(*beat),
    }
}

/// One beat in lines that move: one for the run, one for every load.
fn text(beat: &Beat) -> String {
    let primary = beat.lab.primary.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string);
    let faults = if beat.faults.is_empty() { "nothing".to_owned() } else { beat.faults.join(", ") };
    let phase = beat.phase.as_str();
    let mut out = format!("{:.0} s  {phase}   primary: {primary}   on: {faults}", beat.seconds);
    let width = beat.loads.iter().map(|load| load.name.len()).max().unwrap_or(0);
    for load in &beat.loads {
        // writing to a string cannot fail
        let _ = write!(out, "\n  {}", line(load, beat.over, width));
    }
    out
}

fn line(load: &LoadBeat, over: f64, width: usize) -> String {
    let per_second = if over > 0.0 { load.ok as f64 / over } else { 0.0 };
    format!(
        "{:width$}  {:>6}/s  {:>5} not acknowledged   p50 {}   max {}",
        load.name,
        rate(per_second),
        count(load.bad),
        seconds_or_dash(load.p50_ms),
        seconds_or_dash(load.max_ms)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::Phase;
    use crate::model::status::Status;

    #[test]
    fn a_beat_is_a_line_for_the_run_and_one_for_each_load() {
        let load = |name: &str, ok, bad, p50_ms| LoadBeat {
            name: name.to_owned(),
            ok,
            bad,
            p50_ms,
            max_ms: p50_ms.map(|ms| ms * 2.0),
            last_ok_s: None,
        };
        let beat = Beat {
            seconds: 12.3,
            over: 0.5,
            phase: Phase::Hurt,
            faults: vec!["freeze (pause on postgres-1)".to_owned()],
            loads: vec![load("writer", 99, 0, Some(1.25)), load("age", 0, 17, None)],
            lab: Status::default(),
        };
        insta::assert_snapshot!(text(&beat), @r"
        12 s  hurt   primary: nobody   on: freeze (pause on postgres-1)
          writer     198/s      0 not acknowledged   p50 0.0013 s   max 0.0025 s
          age          0/s     17 not acknowledged   p50 –   max –
        ");
    }
}
