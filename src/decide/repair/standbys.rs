//! How many synchronous standbys Patroni keeps: as many as the lab declares, and one more while one of them is about to
//! go, so that another is named before it does. Patroni keeps those it has for as long as they are well, and names a
//! newcomer only when it may name more.
//!
//! Theory: the number stands in Patroni's dynamic configuration (`synchronous_node_count`), which each of them reads at
//! its turn; so the leader's turn comes at once. While the number is higher, a commit waits for one standby more.
//!
//! Invariants: never fewer than the lab declares, and as many again as soon as nobody is to go, whoever raised it; a word
//! is written over the very configuration that was read.

use super::Step;
use super::doors::writes;
use super::draft::Draft;
use crate::model::MemberId;
use crate::model::lab::Replication;

/// Asks for another standby beside this one, if it is one; whether it confirms writes that nobody else would.
pub(super) fn spare(draft: &mut Draft<'_>, id: &MemberId) -> bool {
    let listed = draft.store.may_lead.as_ref().is_some_and(|may| may.contains(id));
    draft.spares |= listed && draft.world.spec.postgres.replication == Replication::Sync;
    draft.world.spec.confirms(draft.store.may_lead.as_deref(), id)
}

/// Keeps the number as it should be now; everything else is decided by then.
pub(super) fn standbys(draft: &mut Draft<'_>, leads: bool) {
    let (Some(seen), Some(key)) = (&draft.store.standbys, &draft.store.leader) else { return };
    let postgres = &draft.world.spec.postgres;
    if !leads || !writes(draft, &key.member) || postgres.replication != Replication::Sync {
        return;
    }
    let wanted = postgres.sync_standbys + u32::from(draft.spares);
    if seen.count != wanted {
        let (member, mod_revision) = (key.member.clone(), seen.mod_revision);
        draft.order(Step::Standbys { member, count: wanted, mod_revision });
    }
    // it reads at its turn, and names them at the one after
    let named = draft.store.may_lead.as_ref().map_or(0, |may| may.len().saturating_sub(1));
    if seen.count != wanted || draft.spares && named < wanted as usize {
        draft.order(Step::Wake { member: key.member.clone() });
    }
}
