//! The fault ledger, `faults.jsonl`: each change of a fault is one line, synced before the deed, so
//! that a killed runner leaves behind what must still be undone.
//!
//! There are two of them. The one in the run directory is part of the run's record. The other belongs to
//! the lab and is found from any directory: it lies under a state directory by the lab's name and by its
//! founding token, so that what was done to an earlier lab of this name is never undone on this one. It
//! holds what is on: when the last fault is healed, it is emptied.
//!
//! Invariants: writers in several processes take turns (an exclusive lock per line); a line that a killed
//! writer tore is skipped, and the next line begins on a line of its own.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::engine::locked::Locked;
use crate::model::scenario::ActsOn;
use crate::model::{FaultRecord, ReceiptState, Stamp};

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    file: Option<Locked<File>>,
    lab: Option<PathBuf>,
    of: Option<Stamp>,
}

impl Ledger {
    /// Opens the ledger at `path`, making it when it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self { file: Some(Locked::new(file)), lab: None, of: None })
    }

    /// The lab's own ledger alone, for faults by hand; `path` as from [`of_lab`].
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn open_lab(path: PathBuf) -> io::Result<Self> {
        Self { file: None, lab: None, of: None }.and_lab(path)
    }

    /// The same ledger, writing into that of the lab too.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn and_lab(self, path: PathBuf) -> io::Result<Self> {
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir)?;
        }
        Ok(Self { lab: Some(path), ..self })
    }

    /// The same, whose lines say which run they are of.
    #[must_use]
    pub fn stamped(self, of: Stamp) -> Self {
        Self { of: Some(of), ..self }
    }

    /// Writes one change down and syncs it to disk.
    ///
    /// # Errors
    /// When it cannot be written: then the fault must not be injected.
    pub fn write(&self, record: &FaultRecord) -> io::Result<()> {
        let stamped = FaultRecord { of: self.of.clone(), ..record.clone() };
        let mut line = serde_json::to_vec(&stamped)?;
        line.push(b'\n');
        if let Some(file) = &self.file {
            let mut file = file.lock();
            file.write_all(&line)?;
            file.sync_data()?;
        }
        self.lab.as_deref().map_or(Ok(()), |path| append(path, &line))
    }
}

/// Where the ledger of a lab lies below the state directory.
#[must_use]
pub fn of_lab(state: &Path, lab: &str, token: &str) -> PathBuf {
    state.join(lab).join(format!("{token}.jsonl"))
}

/// What is on according to the ledger at `path`, in the order in which it was injected. No file: nothing.
///
/// # Errors
/// When the file cannot be read.
pub fn standing(path: &Path) -> io::Result<Vec<FaultRecord>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    file.lock_shared()?;
    on(file)
}

/// Whether a fault is on nobody any more: every body or host it hit has been removed or made anew since. `there` are the
/// ids of the containers that are there. A fault on the cluster as a whole outlives its bodies.
#[must_use]
pub fn superseded(fault: &FaultRecord, there: &BTreeSet<&str>) -> bool {
    let of_bodies = fault.verb.acts_on() != ActsOn::Cluster;
    of_bodies
        && !fault.containers.is_empty()
        && fault.containers.iter().all(|id| !there.contains(id.as_str()))
}

/// Forgets whatever is known of a lab that is no more.
///
/// # Errors
/// When its directory is there and cannot be removed.
pub fn forget(state: &Path, lab: &str) -> io::Result<()> {
    match fs::remove_dir_all(state.join(lab)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    file.lock()?;
    let torn = match file.seek(SeekFrom::End(-1)) {
        Ok(_) => {
            let mut last = [0];
            file.read_exact(&mut last)?;
            last != *b"\n"
        }
        Err(_) => false, // it is empty
    };
    if torn {
        file.write_all(b"\n")?;
    }
    file.write_all(line)?;
    file.sync_data()?;
    file.seek(SeekFrom::Start(0))?;
    if on(&file)?.is_empty() {
        file.set_len(0)?;
    }
    Ok(())
}

/// The faults of a ledger that nobody has undone. The last line of a fault counts; ids come again from run
/// to run, so a fault is told by its id and the instant of its intent.
fn on(mut ledger: impl Read) -> io::Result<Vec<FaultRecord>> {
    let mut bytes = Vec::new();
    ledger.read_to_end(&mut bytes)?;
    let mut faults: Vec<FaultRecord> = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(record) = serde_json::from_slice::<FaultRecord>(line) else { continue };
        match faults.iter_mut().find(|known| known.id == record.id && known.intent == record.intent) {
            Some(known) => *known = record,
            None => faults.push(record),
        }
    }
    faults.retain(is_on);
    Ok(faults)
}

/// Whether there is still something to undo. A heal that did not take leaves its fault on.
#[must_use]
pub fn is_on(record: &FaultRecord) -> bool {
    let done = record.verb.lasting() && record.began.is_some();
    !done && record.heal.as_ref().is_none_or(|heal| heal.state == ReceiptState::Refuted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{FaultTarget, Mono, Name, Receipt, Target, Verb};

    fn fault(id: &str, intent: u64) -> FaultRecord {
        FaultRecord {
            id: Name::new(id).expect("a name"),
            verb: Verb::Pause { target: Target::Primary },
            targets: vec![FaultTarget::Member("postgres-1".parse().expect("a name"))],
            containers: vec!["c".to_owned()],
            notes: std::collections::BTreeMap::new(),
            intent: Mono(intent),
            began: None,
            healing: None,
            healed: None,
            receipt: None,
            heal: None,
            of: None,
        }
    }

    fn healed(record: &FaultRecord, state: ReceiptState) -> FaultRecord {
        let heal = Receipt { state, source: "test".to_owned(), evidence: String::new() };
        FaultRecord { began: Some(Mono(2)), healed: Some(Mono(3)), heal: Some(heal), ..record.clone() }
    }

    fn ids(path: &Path) -> Vec<String> {
        standing(path).expect("a ledger").iter().map(|fault| fault.id.to_string()).collect()
    }

    #[test]
    fn what_is_not_healed_is_on_from_any_process() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = of_lab(dir.path(), "lab", "lab-abc");
        assert_eq!(ids(&path), Vec::<String>::new(), "no ledger, no fault");
        let ledger = Ledger::open_lab(path.clone()).expect("a ledger");
        let (one, two) = (fault("one", 1), fault("two", 2));
        for record in [&one, &two] {
            ledger.write(record).expect("a line");
        }
        assert_eq!(ids(&path), ["one", "two"]);
        ledger.write(&healed(&one, ReceiptState::Confirmed)).expect("a line");
        assert_eq!(ids(&path), ["two"]);
        ledger.write(&healed(&two, ReceiptState::Refuted)).expect("a line");
        assert_eq!(ids(&path), ["two"], "a heal that did not take leaves the fault on");
        ledger.write(&healed(&two, ReceiptState::Superseded)).expect("a line");
        assert_eq!(fs::metadata(&path).expect("a file").len(), 0, "with nothing on, nothing is kept");
    }

    #[test]
    fn an_id_that_comes_again_is_another_fault() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = of_lab(dir.path(), "lab", "lab-abc");
        let ledger = Ledger::open_lab(path.clone()).expect("a ledger");
        ledger.write(&fault("kill", 1)).expect("a line");
        ledger.write(&fault("kill", 9)).expect("a line");
        ledger.write(&healed(&fault("kill", 9), ReceiptState::Confirmed)).expect("a line");
        assert_eq!(standing(&path).expect("a ledger"), [fault("kill", 1)]);
    }

    #[test]
    fn a_line_torn_anywhere_hides_no_other() {
        let dir = tempfile::tempdir().expect("a directory");
        let whole = serde_json::to_string(&fault("torn", 1)).expect("JSON");
        for cut in [1, whole.len() / 2, whole.len() - 1] {
            let path = dir.path().join(format!("{cut}.jsonl"));
            let ledger = Ledger::open_lab(path.clone()).expect("a ledger");
            ledger.write(&fault("before", 1)).expect("a line");
            let mut file = OpenOptions::new().append(true).open(&path).expect("the file");
            file.write_all(&whole.as_bytes()[..cut]).expect("half a line");
            assert_eq!(ids(&path), ["before"]);
            ledger.write(&fault("after", 2)).expect("a line");
            assert_eq!(ids(&path), ["before", "after"]);
        }
    }

    #[test]
    fn a_lab_of_the_same_name_founded_anew_has_no_faults() {
        let dir = tempfile::tempdir().expect("a directory");
        let ledger = Ledger::open_lab(of_lab(dir.path(), "lab", "lab-old")).expect("a ledger");
        ledger.write(&fault("kill", 1)).expect("a line");
        assert_eq!(ids(&of_lab(dir.path(), "lab", "lab-new")), Vec::<String>::new());
        forget(dir.path(), "lab").expect("gone");
        forget(dir.path(), "lab").expect("gone already");
        assert_eq!(ids(&of_lab(dir.path(), "lab", "lab-old")), Vec::<String>::new());
    }

    #[test]
    fn a_fault_on_bodies_that_are_no_more_is_superseded() {
        let hit = |verb: &str, containers: &[&str]| FaultRecord {
            containers: containers.iter().map(|id| (*id).to_owned()).collect(),
            verb: serde_json::from_str(verb).expect("a verb"),
            ..fault("one", 1)
        };
        let there = BTreeSet::from(["a", "b"]);
        let pause = r#"{"pause":{"target":"replica"}}"#;
        assert!(!superseded(&hit(pause, &["a"]), &there));
        assert!(superseded(&hit(pause, &["gone"]), &there), "its body was replaced");
        assert!(!superseded(&hit(pause, &["gone", "b"]), &there), "one of two is hit still");
        assert!(!superseded(&hit(pause, &[]), &there), "nobody knows whom it hit");
        let maintenance = r#"{"maintenance":{"on":true}}"#;
        assert!(!superseded(&hit(maintenance, &["gone"]), &there), "Patroni is paused all the same");
    }

    #[test]
    fn a_run_writes_into_both() {
        let dir = tempfile::tempdir().expect("a directory");
        let (run, lab) = (dir.path().join("faults.jsonl"), of_lab(dir.path(), "lab", "lab-abc"));
        let ledger = Ledger::open(&run).and_then(|ledger| ledger.and_lab(lab.clone())).expect("a ledger");
        let one = fault("one", 1);
        ledger.write(&one).expect("a line");
        assert_eq!((ids(&run), ids(&lab)), (vec!["one".to_owned()], vec!["one".to_owned()]));
        ledger.write(&healed(&one, ReceiptState::Confirmed)).expect("a line");
        assert_eq!(fs::read_to_string(&run).expect("the run's").lines().count(), 2, "a run keeps its record");
    }
}
