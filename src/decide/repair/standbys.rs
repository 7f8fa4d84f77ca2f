//! How many synchronous standbys Patroni keeps: as many as the lab declares, and one more while one of them is about to
//! go, so that another is named before it does. Patroni keeps those it has for as long as they are well, and names a
//! newcomer only when it may name more.
//!
//! Theory: the number stands in Patroni's dynamic configuration (`synchronous_node_count`), which each of them reads at
//! its turn; so the leader's turn comes at once. While the number is higher, a commit waits for one standby more.
//!
//! Invariants: never fewer than the lab declares, and as many again as soon as nobody is to go, whoever raised it; a word
//! is written over the very configuration that was read.

use super::RepairStep;
use super::assess::RepairAssessment;
use super::proposal::RepairProposal;
use crate::model::MemberId;
use crate::model::lab::Replication;

/// Whether it confirms writes that nobody else would.
pub(super) fn confirms(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    a.view.world.spec.confirms(a.view.store.may_lead.as_deref(), id)
}

/// Whether another standby is named beside one that is to go, because it is one.
pub(super) fn names_another(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    let listed = a.view.store.may_lead.as_ref().is_some_and(|may| may.contains(id));
    listed && a.view.replication() == Replication::Sync
}

/// The number as it should be now; everything else is decided by then. `spares`: one of them is about to go.
pub(super) fn standbys(a: &RepairAssessment<'_>, spares: bool) -> Vec<RepairProposal> {
    let (Some(seen), Some(key)) = (&a.view.store.standbys, &a.view.store.leader) else { return Vec::new() };
    if !a.leads || a.view.replication() != Replication::Sync {
        return Vec::new();
    }
    let mut all = Vec::new();
    let wanted = a.view.world.spec.postgres.sync_standbys + u32::from(spares);
    if seen.count != wanted {
        let (member, mod_revision) = (key.member.clone(), seen.mod_revision);
        all.push(RepairProposal::silent().step(RepairStep::Standbys { member, count: wanted, mod_revision }));
    }
    // it reads at its turn, and names them at the one after
    let named = a.view.store.may_lead.as_ref().map_or(0, |may| may.len().saturating_sub(1));
    if seen.count != wanted || spares && named < wanted as usize {
        all.push(RepairProposal::silent().step(RepairStep::Wake { member: key.member.clone() }));
    }
    all
}
