//! WAL told apart from data: a disk that fills because a slot nobody reads holds WAL back needs another hand than one
//! that fills with data. It grows all the same, before it is full; who holds what back is said beside it.

use std::fmt::Write as _;

use crate::model::self_report::Wal;
use crate::model::{Bytes, Member};

/// An instance keeps a sixteenth of its disk in WAL for nobody in particular (`wal_keep_size`): a slot that holds twice
/// as much back holds more than would be there without it.
const SHARE: u64 = 8;

/// How much WAL there is, and for whom, as a part of a sentence.
pub(super) fn words(wal: &Wal) -> String {
    let mut said = format!(", WAL has {} MiB", wal.size.as_mib());
    if let Some(slot) = wal.forgotten().filter(|slot| slot.held.as_mib() > 0) {
        let (name, held) = (&slot.name, slot.held.as_mib());
        // writing to a String cannot fail
        let _ = write!(said, ", of which slot {name}, which nobody reads, holds {held} MiB back");
    }
    said
}

/// What needs a person: a slot that nobody reads holds back a share of the disk. Asked of the leader alone: nobody reads
/// slots of a replica, its Patroni moves them along.
pub(super) fn alarm(member: &Member, wal: &Wal) -> Option<String> {
    let slot = wal.forgotten().filter(|slot| slot.held > Bytes(member.size.disk.0 / SHARE))?;
    let (name, held, all) = (&slot.name, slot.held.as_mib(), wal.size.as_mib());
    Some(format!("{}: slot {name}, which nobody reads, holds {held} MiB of {all} MiB of WAL back", member.id))
}
