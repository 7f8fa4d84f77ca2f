//! One line of `history.jsonl`. Externally tagged with short keys, because a journal has millions
//! of lines: `{"invoke":{"t":12,"l":0,"o":7,"w":3,"i":10}}`, then
//! `{"done":{"t":15,"l":0,"o":7,"r":{"ok":{"n":"postgres-1","tl":1}}}}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::fault::FaultRecord;
use crate::model::{Lsn, MemberId, Mono, Name};

/// Something that happened in a run: one line of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// Journal of one process begins: whose, and which boot its clock belongs to.
    Journal {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// `runner`, `client`, `witness` or `final-reads`.
        writer: String,
        /// The kernel's boot id; clocks of different boots cannot be merged.
        boot_id: String,
        /// Loads by index, as the `l` of operations refers to them.
        #[serde(default)]
        loads: Vec<Name>,
        /// The run it is about. Absent in journals of older editions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<String>,
    },
    /// A phase of the run begins.
    Phase {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// The phase that begins.
        phase: Phase,
    },
    /// The tables of a load were created and found empty (`rows` = 0) or not.
    Prepared {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// Number of its load in the scenario.
        l: u32,
        /// Rows found before the first write.
        rows: u64,
    },
    /// An operation was handed to a worker.
    Invoke {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// Number of its load in the scenario.
        l: u32,
        /// Operation: unique within its load; for `set` also the row it writes.
        o: u64,
        /// Worker: a new one after every operation nobody knows the end of.
        w: u32,
        /// When it was meant to start.
        i: Mono,
        /// What it asks for, where its number does not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        q: Option<Box<Asked>>,
        /// Client: one number within its load from the beginning of the load to its end, whatever connections
        /// and workers stand for it. Absent in journals of older editions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        c: Option<u32>,
    },
    /// An operation came to its end.
    Done {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// Number of its load in the scenario.
        l: u32,
        /// Number of the operation in its load.
        o: u64,
        /// How; a key of its own, because flattening it would make a million lines slow to read.
        #[serde(rename = "r")]
        outcome: Outcome,
    },
    /// A fault's record, written at intent, at injection and at heal (the last one counts).
    Fault(Box<FaultRecord>),
    /// One node was read in the end.
    FinalRead(Box<FinalRead>),
    /// The runner searched everything it had written for the lab's passwords.
    Searched {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// How many files were searched.
        files: u32,
        /// Where one was found, as `file:line`.
        found: Vec<String>,
    },
    /// The runner kept the log of every body: bytes by member.
    Logs {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// How many bytes each log has, by member.
        bytes: BTreeMap<MemberId, u64>,
    },
    /// Numbers of a load that is only counted (`record = "histogram"`), once a second.
    Counted(Box<Counted>),
    /// Something a person should know when reading the journal.
    Note {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// What is to be known, as a sentence.
        text: String,
    },
    /// A writer ended its journal in order. A journal without it was cut off.
    End {
        /// When it happened, on the machine's monotonic clock.
        t: Mono,
        /// The writer, as its journal names it.
        writer: String,
        /// How much it wrote. Absent in journals of older editions.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signed: Option<Box<Signed>>,
    },
}

/// How much a writer wrote until it ended: what is missing of it later shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// `runner`: lines of the whole journal before this one. `witness`: sightings. `final-reads`: reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lines: Option<u64>,
    /// `client`: the operations of each load.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub loads: Vec<Tally>,
}

/// How much a client wrote of one load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Number of its load in the scenario.
    pub l: u32,
    /// Those that ended, however that was.
    pub answered: u64,
    /// Those that had not ended when the load was stopped.
    pub open: u64,
}

impl Event {
    /// A writer ends its journal at `t`, and says nothing of how much it wrote.
    #[must_use]
    pub fn end(t: Mono, writer: &str) -> Self {
        Self::End { t, writer: writer.to_owned(), signed: None }
    }

    /// An operation `o` of load `l` is handed to worker `w` at `t`; it was meant to start at `i`.
    #[must_use]
    #[expect(clippy::many_single_char_names, reason = "they are the keys of the line")]
    pub const fn invoke(t: Mono, l: u32, o: u64, w: u32, i: Mono) -> Self {
        Self::Invoke { t, l, o, w, i, q: None, c: None }
    }

    /// The same by client `c` of its load.
    #[must_use]
    #[expect(clippy::many_single_char_names, reason = "they are the keys of the line")]
    pub const fn invoke_by(t: Mono, l: u32, o: u64, w: u32, i: Mono, c: u32) -> Self {
        Self::Invoke { t, l, o, w, i, q: None, c: Some(c) }
    }

    /// Operation `o` of load `l` ended at `t`.
    #[must_use]
    pub const fn done(t: Mono, l: u32, o: u64, outcome: Outcome) -> Self {
        Self::Done { t, l, o, outcome }
    }
}

/// What an operation asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// Steps of a list-append transaction, in order.
    Txn(Vec<Mop>),
    /// A read, write or compare-and-set of one key.
    Register(RegisterOp),
    /// A transfer between two accounts.
    Transfer {
        /// The account that loses.
        from: u32,
        /// The account that gains.
        to: u32,
        /// How much is moved.
        amount: i64,
    },
    /// A read: all balances of the bank, or the newest heartbeat.
    Read,
}

/// One step of a list-append transaction. Written `{"a":[3,17]}` and `{"r":[3]}`; answered
/// `{"r":[3,[1,17]]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mop {
    /// Append this element to the list of this key. Elements are unique within a load.
    #[serde(rename = "a")]
    Append(u64, u64),
    /// Read the list of this key; the list is what came back.
    #[serde(rename = "r")]
    Read(u64, #[serde(default, skip_serializing_if = "Option::is_none")] Option<Vec<u64>>),
}

/// One operation on one register. Values written are unique within a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegisterOp {
    /// Reads what the key holds.
    Read {
        /// The key.
        k: u64,
    },
    /// Gives the key another value.
    Write {
        /// The key.
        k: u64,
        /// Value.
        v: i64,
    },
    /// Write `to` if it holds `from`.
    Cas {
        /// The key.
        k: u64,
        /// The value that is expected.
        from: i64,
        /// The value that takes its place.
        to: i64,
    },
}

/// What an acknowledged operation was told beyond "done".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The transaction with what its reads returned.
    Txn(Vec<Mop>),
    /// The register's value; `None`: never written.
    Value(Option<i64>),
    /// Whether a compare-and-set found what it expected.
    Swapped(bool),
    /// Every account's balance, by account.
    Balances(Vec<i64>),
    /// The newest heartbeat seen: the number of the operation of the writing load; `None`: none yet.
    Heartbeat(Option<u64>),
}

/// One second of a load that is only counted. Latencies count from the intended start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counted {
    /// The end of the second that is counted.
    pub t: Mono,
    /// Number of its load in the scenario.
    pub l: u32,
    /// Operations that were acknowledged.
    pub ok: u64,
    /// Operations that certainly failed, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fail: BTreeMap<String, u64>,
    /// Operations whose end nobody knows, by code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub info: BTreeMap<String, u64>,
    /// Latencies of acknowledged operations: (upper end of a bucket in nanoseconds, count), three digits.
    pub latency: Vec<(u64, u64)>,
    /// How late operations were begun, the same way.
    pub lag: Vec<(u64, u64)>,
}

/// Parts of a run, in order.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// The load runs, and there is no fault yet.
    Baseline,
    /// From the first fault on.
    Hurt,
    /// What is still on is undone.
    Heal,
    /// Waiting until the lab is whole.
    Settle,
    /// Every node is read to its end.
    FinalReads,
}

impl Phase {
    /// Its name, as journals write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was acknowledged.
    Ok(Ack),
    /// Acknowledged by the primary alone: a cancelled wait for synchronous replication.
    OkLocal(Ack),
    /// It certainly did not happen.
    Fail(Error),
    /// Nobody knows whether it was done.
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
    /// System identifier of the instance that acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys: Option<String>,
    /// `pg_current_wal_insert_lsn()` inside the transaction: the commit record is not before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<Lsn>,
    /// `pg_current_wal_flush_lsn()` after the commit: the commit record is not behind it. Where a session
    /// does not wait for its WAL (`synchronous_commit = off`), `pg_current_wal_insert_lsn()`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<Lsn>,
    /// What was answered beyond that it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<Box<Answer>>,
}

/// Why an operation was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Error {
    /// SQLSTATE, or one of [`crate::history::classes::PLAIN`], or `unmapped`.
    pub c: String,
    /// The message, as it came.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub m: String,
}

/// One node's rows after the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FinalRead {
    /// When it happened, on the machine's monotonic clock.
    pub t: Mono,
    /// The instance that was read.
    pub node: MemberId,
    /// Whether it was read as the primary (`FOR UPDATE`).
    pub primary: bool,
    /// Number of its load in the scenario.
    pub l: u32,
    /// Marks found, in order; one that is there twice stands here twice. A mark is what an
    /// operation leaves behind: its number (`set`, `bank`, `tpcb`) or an element it appended
    /// (`append`). `None`: the node could not be read.
    pub rows: Option<Vec<u64>>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Timeline of the instance when it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tl: Option<u32>,
    /// System identifier of the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sys: Option<String>,
    /// Primary's flush position, or the position the replica had replayed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lsn: Option<Lsn>,
    /// Timeline history of the primary: (parent timeline, position where it ended).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub timelines: Vec<(u32, Lsn)>,
}
