//! Data that fails its checksums, by PostgreSQL's own count of what it found while it read.
//!
//! Theory: bytes on a disk that changed by themselves are no trouble of a process, so a restart mends nothing: a replica is
//! replaced by a new clone. From a primary nobody is cloned then and nobody is taken down: which of the copies is right
//! is for a person to say, and to hand over.

use super::draft::Draft;
use super::replace::unverified;
use crate::model::MemberId;

/// How often the data of a member failed its checksums, in words; `None`: never, as far as it was read.
pub(super) fn rotten(draft: &Draft<'_>, member: &MemberId) -> Option<String> {
    let times = draft.seen.corrupt.get(member).filter(|times| **times > 0)?;
    Some(format!("its data failed its checksums ({times})"))
}

/// Says so when it is the leader's.
pub(super) fn led_by_rotten(draft: &mut Draft<'_>) {
    let Some(key) = &draft.store.leader else { return };
    let Some(why) = rotten(draft, &key.member) else { return };
    let clean =
        draft.stay().find(|member| member.id != key.member && unverified(draft, &member.id).is_none());
    let then = clean.map_or_else(
        || "no other copy is good".to_owned(),
        |member| format!("{} is a good copy: hand over to it", member.id),
    );
    draft.alarm(format!("{} leads and {why}; {then}", key.member));
}
