//! News of long work as lines: a line a step, and a line for each image or body when it comes to another state. On a terminal the
//! lines of those that are waited for are replaced, not repeated.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::engine::locked::Locked;
use crate::lab::news::News;
use crate::report::html::cut;
use crate::view::Parts;

/// Letters of what is said of one image or body.
const WIDE: usize = 110;
/// Images and bodies that are shown at once.
const MANY: usize = 16;

/// Prints news.
pub struct NewsPrinter {
    bar: Option<ProgressBar>,
    parts: Locked<Parts>,
}

/// What is still waited for, a line each.
fn board(parts: &Parts) -> String {
    let (done, all) = parts.done();
    let width = parts.open().map(|part| part.name.chars().count()).max().unwrap_or(0);
    let mut lines = vec![format!("{done} of {all} ready")];
    lines.extend(
        parts.open().take(MANY).map(|part| format!("  {:width$}  {}", part.name, cut(&part.state, WIDE))),
    );
    let more = (all - done).saturating_sub(MANY);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}

impl NewsPrinter {
    /// A printer for this stderr, whose lines move on a terminal.
    #[must_use]
    pub fn new() -> Self {
        if !std::io::stderr().is_terminal() {
            return Self::plain();
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Self { bar: Some(bar), parts: Locked::default() }
    }

    /// A printer whose lines stay.
    #[must_use]
    pub fn plain() -> Self {
        Self { bar: None, parts: Locked::default() }
    }

    /// Prints one line.
    pub fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{text}")),
            None => eprintln!("{text}"),
        }
    }

    /// Whether anything moves.
    #[must_use]
    pub const fn moves(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows several lines that are replaced by the next ones; nothing where nothing moves.
    pub fn board(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Prints one piece of news.
    pub fn news(&self, news: &News) {
        let mut parts = self.parts.lock();
        let said = match news {
            News::Step(text) => return self.line(&format!("  {text}")),
            News::Part(part) => parts.hear(part.clone()).into_iter().collect(),
            News::Waiting(waiting) => {
                parts.waiting(waiting.iter().map(|one| (one.member.as_str(), one.why.as_str())))
            }
        };
        if self.moves() {
            return self.board(&board(&parts));
        }
        for line in said {
            self.line(&format!("  {line}"));
        }
    }

    /// Clears what moves.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::part::LabPart;

    #[test]
    fn whoever_is_waited_for_has_a_line_and_whoever_is_ready_has_none() {
        let mut parts = Parts::default();
        parts.hear(LabPart::done("host h1", "started"));
        parts.hear(LabPart::at("etcd-1", "has no leader"));
        parts.hear(LabPart::at("postgres-1", "x".repeat(200)));
        let seen = board(&parts);
        let lines: Vec<&str> = seen.lines().collect();
        assert_eq!(lines[..2], ["1 of 3 ready", "  etcd-1      has no leader"]);
        assert_eq!((lines.len(), lines[2].chars().count()), (3, 2 + 10 + 2 + WIDE + 1));
        for number in 0..MANY {
            parts.hear(LabPart::at(format!("other-{number}"), "created"));
        }
        assert_eq!(board(&parts).lines().last(), Some("  and 2 more"));
    }
}
