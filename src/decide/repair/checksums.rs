//! Data that fails its checksums, by PostgreSQL's own count of what it found while it read.
//!
//! Theory: bytes on a disk that changed by themselves are no trouble of a process, so a restart mends nothing: a replica is
//! replaced by a new clone. From a primary nobody is cloned then and nobody is taken down: which of the copies is right
//! is for a person to say, and to hand over.

use super::view::RepairView;
use crate::model::MemberId;

/// How often the data of a member failed its checksums, in words; `None`: never, as far as it was read.
pub(super) fn rotten(view: &RepairView<'_>, id: &MemberId) -> Option<String> {
    let times = view.seen.corrupt.get(id).filter(|times| **times > 0)?;
    Some(format!("its data failed its checksums ({times})"))
}
