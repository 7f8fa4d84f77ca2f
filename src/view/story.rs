//! What is known of a lab or a run that is watched, and what happened to it since.

use std::collections::VecDeque;

use super::beat::{Beat, LoadBeat};
use super::changes::changes;
use super::parts::Parts;
use crate::history::event::Phase;
use crate::model::part::LabPart;
use crate::model::status::Status;

/// Lines of the past that are kept.
const LINES: usize = 400;
/// Seconds of the past that are kept.
const SECONDS: usize = 600;

/// Everything a view is drawn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Story {
    pub(super) title: String,
    pub(super) keys: String,
    pub(super) phase: Option<(Phase, f64)>,
    pub(super) lab: Option<Status>,
    pub(super) faults: Vec<String>,
    pub(super) loads: Vec<LoadStory>,
    pub(super) wal: Seconds,
    pub(super) parts: Parts,
    pub(super) trouble: Option<String>,
    log: VecDeque<String>,
    wal_seen: Option<u64>,
}

/// One load since the run began.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct LoadStory {
    pub beat: LoadBeat,
    pub acknowledged: Seconds,
    pub bad: u64,
}

/// Counts by the second, without a gap; the newest one is not over yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Seconds {
    newest: u64,
    counts: VecDeque<u64>,
}

impl Seconds {
    fn add(&mut self, at: f64, count: u64) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "seconds of a run")]
        let second = at as u64;
        if self.counts.is_empty() {
            (self.newest, self.counts) = (second, VecDeque::from([0]));
        }
        // whoever slept for a day does not fill a day
        for _ in 0..second.saturating_sub(self.newest).min(SECONDS as u64) {
            self.counts.push_back(0);
        }
        self.newest = self.newest.max(second);
        while self.counts.len() > SECONDS {
            self.counts.pop_front();
        }
        if let Some(last) = self.counts.back_mut() {
            *last += count;
        }
    }

    /// Seconds that are over, the oldest first.
    pub fn over(&self) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
        self.counts.range(..self.counts.len().saturating_sub(1)).copied()
    }
}

impl Story {
    /// A story with its title, and what keys do.
    #[must_use]
    pub fn new(title: impl Into<String>, keys: impl Into<String>) -> Self {
        Self { title: title.into(), keys: keys.into(), ..Self::default() }
    }

    /// Hears words as they are.
    pub fn say(&mut self, text: &str) {
        for line in text.lines() {
            self.log.push_back(line.trim_end().to_owned());
        }
        while self.log.len() > LINES {
            self.log.pop_front();
        }
    }

    /// Hears what an image or a body is at.
    pub fn part(&mut self, part: LabPart) {
        if let Some(line) = self.parts.hear(part) {
            self.say(&line);
        }
    }

    /// Hears who is not ready, and why.
    pub fn waiting<'a>(&mut self, waiting: impl Iterator<Item = (&'a str, &'a str)>) {
        for line in self.parts.waiting(waiting) {
            self.say(&line);
        }
    }

    /// Hears a look at a lab that nobody measures, so many seconds after the first, and which faults are on.
    pub fn look(&mut self, seconds: f64, lab: Status, faults: Vec<String>) {
        let went = self.faults.iter().filter(|fault| !faults.contains(fault));
        let mut said: Vec<String> = went.map(|fault| format!("no fault any more: {fault}")).collect();
        let came = faults.iter().filter(|fault| !self.faults.contains(fault));
        said.extend(came.map(|fault| format!("fault on: {fault}")));
        for line in said {
            self.say(&at(seconds, &line));
        }
        self.faults = faults;
        self.trouble = None;
        self.lab(seconds, lab);
    }

    /// Hears why nobody can look.
    pub fn cannot_look(&mut self, why: &str) {
        self.trouble = Some(why.to_owned());
    }

    /// Hears a moment of a run.
    pub fn beat(&mut self, beat: Beat) {
        let Beat { seconds, over, phase, faults, loads, lab } = beat;
        self.loads.resize_with(loads.len(), LoadStory::default);
        for (known, load) in self.loads.iter_mut().zip(loads) {
            known.bad += load.bad;
            known.acknowledged.add(seconds - over / 2.0, load.ok);
            let quiet = load.ok == 0;
            let (p50_ms, max_ms) = (known.beat.p50_ms, known.beat.max_ms);
            known.beat = load;
            if quiet {
                // what nobody was acknowledged has no latency: the last one stays
                (known.beat.p50_ms, known.beat.max_ms) = (p50_ms, max_ms);
            }
        }
        (self.phase, self.faults) = (Some((phase, seconds)), faults);
        self.lab(seconds, lab);
    }

    fn lab(&mut self, seconds: f64, lab: Status) {
        let written = lab.members.iter().filter_map(|member| member.wal).map(|position| position.0).max();
        if let Some(written) = written {
            self.wal.add(seconds, written.saturating_sub(self.wal_seen.unwrap_or(written)));
            self.wal_seen = self.wal_seen.max(Some(written));
        }
        if let Some(before) = &self.lab {
            for line in changes(before, &lab) {
                self.say(&at(seconds, &line));
            }
        }
        self.lab = Some(lab);
    }

    /// What happened, the newest last.
    pub(super) fn log(&self) -> impl DoubleEndedIterator<Item = &String> + ExactSizeIterator {
        self.log.iter()
    }
}

/// A line with the seconds at which it was so, as a run writes them.
fn at(seconds: f64, text: &str) -> String {
    format!("{seconds:6.1} s  {text}")
}
