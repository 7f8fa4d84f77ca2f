//! The fault ledger, `faults.jsonl`: each change of a fault is one line, synced before the deed, so
//! that a killed runner leaves behind what must still be undone.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::model::FaultRecord;

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    file: Mutex<File>,
}

impl Ledger {
    /// Opens the ledger at `path`, making it when it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Mutex::new(file) })
    }

    /// Writes one change down and syncs it to disk.
    ///
    /// # Errors
    /// When it cannot be written: then the fault must not be injected.
    pub fn write(&self, record: &FaultRecord) -> io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)?;
        file.sync_data()
    }
}
