//! The two files that grow line by line while a run goes: `history.jsonl` and `sightings.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::engine::clock;
use crate::history::Event;
use crate::history::event::Phase;
use crate::model::Sighting;

/// A file of JSON lines with several writers; a line is written whole or not at all.
#[derive(Debug)]
pub struct Lines {
    file: Mutex<File>,
}

impl Lines {
    /// Opens the file, making it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Appends one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(&bytes)
    }

    /// Appends an event.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn event(&self, event: &Event) -> io::Result<()> {
        self.line(&serde_json::to_string(event)?)
    }

    /// Appends the beginning of a phase.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn phase(&self, phase: Phase) -> io::Result<()> {
        self.event(&Event::Phase { t: clock::now(), phase })
    }

    /// Appends a remark.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, text: impl Into<String>) -> io::Result<()> {
        self.event(&Event::Note { t: clock::now(), text: text.into() })
    }

    /// Appends a sighting.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sighting(&self, sighting: &Sighting) -> io::Result<()> {
        self.line(&serde_json::to_string(sighting)?)
    }
}
