//! One line of `history.jsonl`. Externally tagged with short keys, because a journal has millions
//! of lines: `{"invoke":{"t":12,"l":0,"o":7,"w":3,"i":10}}`, then
//! `{"done":{"t":15,"l":0,"o":7,"r":{"ok":{"n":"postgres-1","tl":1}}}}`.

use serde::{Deserialize, Serialize};

use crate::model::fault::FaultRecord;
use crate::model::{Lsn, MemberId, Mono, Name};

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Journal of one process begins: whose, and which boot its clock belongs to.
    Journal {
        /// When.
        t: Mono,
        /// `runner` or `client`.
        writer: String,
        /// The kernel's boot id; clocks of different boots cannot be merged.
        boot_id: String,
        /// Loads by index, as the `l` of operations refers to them.
        #[serde(default)]
        loads: Vec<Name>,
    },
    /// A phase of the run begins.
    Phase {
        /// When.
        t: Mono,
        /// Which.
        phase: Phase,
    },
    /// The tables of a load were created and found empty (`rows` = 0) or not.
    Prepared {
        /// When.
        t: Mono,
        /// Load.
        l: u32,
        /// Rows found before the first write.
        rows: u64,
    },
    /// An operation was handed to a worker.
    Invoke {
        /// When.
        t: Mono,
        /// Load.
        l: u32,
        /// Operation: unique within its load; for `set` also the row it writes.
        o: u64,
        /// Worker: a new one after every operation nobody knows the end of.
        w: u32,
        /// When it was meant to start.
        i: Mono,
    },
    /// An operation ended.
    Done {
        /// When.
        t: Mono,
        /// Load.
        l: u32,
        /// Operation.
        o: u64,
        /// How; a key of its own, because flattening it would make a million lines slow to read.
        #[serde(rename = "r")]
        outcome: Outcome,
    },
    /// A fault's record, written at intent, at injection and at heal (the last one counts).
    Fault(Box<FaultRecord>),
    /// One node was read in the end.
    FinalRead(Box<FinalRead>),
    /// Something a person should know when reading the journal.
    Note {
        /// When.
        t: Mono,
        /// What.
        text: String,
    },
    /// A writer ended its journal in order. A journal without it was cut off.
    End {
        /// When.
        t: Mono,
        /// `runner` or `client`.
        writer: String,
    },
}

impl Event {
    /// An operation `o` of load `l` is handed to worker `w` at `t`; it was meant to start at `i`.
    #[must_use]
    #[expect(clippy::many_single_char_names, reason = "they are the keys of the line")]
    pub const fn invoke(t: Mono, l: u32, o: u64, w: u32, i: Mono) -> Self {
        Self::Invoke { t, l, o, w, i }
    }

    /// Operation `o` of load `l` ended at `t`.
    #[must_use]
    pub const fn done(t: Mono, l: u32, o: u64, outcome: Outcome) -> Self {
        Self::Done { t, l, o, outcome }
    }
}

/// Parts of a run, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Load without faults.
    Baseline,
    /// From the first fault.
    Hurt,
    /// Faults are undone.
    Heal,
    /// Waiting until the lab is whole.
    Settle,
    /// Every node is read.
    FinalReads,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Acknowledged.
    Ok(Ack),
    /// Acknowledged by the primary alone: a cancelled wait for synchronous replication.
    OkLocal(Ack),
    /// It certainly did not happen.
    Fail(Error),
    /// Nobody knows.
    Info(Error),
}

/// What came with an acknowledgement.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ack {
    /// The member that acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<MemberId>,
    /// Its timeline, read after the commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tl: Option<u32>,
    /// Its system identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys: Option<String>,
    /// `pg_current_wal_insert_lsn()` inside the transaction: the commit record is not before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<Lsn>,
    /// `pg_current_wal_flush_lsn()` after the commit: the commit record is not behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<Lsn>,
}

/// Why an operation was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// SQLSTATE, or one of `refused`, `connect-timeout`, `connect-eof`, `eof`, `reset`, `timeout`, `unmapped`.
    pub c: String,
    /// The message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub m: String,
}

/// One node's rows after the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalRead {
    /// When.
    pub t: Mono,
    /// Node.
    pub node: MemberId,
    /// Whether it was read as the primary (`FOR UPDATE`).
    pub primary: bool,
    /// Load.
    pub l: u32,
    /// Rows found, in order; a row that is there twice stands here twice. `None`: the node could not be read.
    pub rows: Option<Vec<u64>>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Timeline at the read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tl: Option<u32>,
    /// System identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys: Option<String>,
    /// Primary's flush position, or the position the replica had replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<Lsn>,
    /// Timeline history of the primary: (parent timeline, position where it ended).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<(u32, Lsn)>,
}
