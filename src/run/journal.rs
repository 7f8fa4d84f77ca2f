//! The two files that grow line by line while a run goes: `history.jsonl` and `sightings.jsonl`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::engine::clock;
use crate::engine::locked::Locked;
use crate::history::event::Phase;
use crate::history::{Event, Signed};
use crate::model::{Sighting, Stamp};

/// A file of JSON lines with several writers; a line is written whole or not at all.
#[derive(Debug)]
pub struct Lines {
    file: Locked<File>,
    written: AtomicU64,
    of: Option<Stamp>,
}

impl Lines {
    /// Opens the file, making it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Locked::new(file), written: AtomicU64::new(0), of: None })
    }

    /// The same, whose sightings say which run they are of.
    #[must_use]
    pub fn stamped(self, of: Stamp) -> Self {
        Self { of: Some(of), ..self }
    }

    /// Lines that were written so far.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Appends one line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&self, line: &str) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(line.len() + 1);
        bytes.extend_from_slice(line.as_bytes());
        bytes.push(b'\n');
        let mut file = self.file.lock();
        file.write_all(&bytes)?;
        self.written.fetch_add(1, Ordering::SeqCst);
        Ok(())
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

    /// Appends the beginning of a writer of this run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin(&self, writer: &str, run: &str) -> io::Result<()> {
        let (writer, boot_id, run) = (writer.to_owned(), clock::boot_id(), Some(run.to_owned()));
        self.event(&Event::Journal { t: clock::now(), writer, boot_id, loads: Vec::new(), run })
    }

    /// Appends the end of a writer, who wrote so many lines.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn end(&self, writer: &str, lines: u64) -> io::Result<()> {
        let signed = Signed { lines: Some(lines), loads: Vec::new() };
        let (writer, signed) = (writer.to_owned(), Some(Box::new(signed)));
        self.event(&Event::End { t: clock::now(), writer, signed })
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
        let stamped = Sighting { of: self.of.clone(), ..sighting.clone() };
        self.line(&serde_json::to_string(&stamped)?)
    }
}
