//! Restarts that a change of memory asks for: PostgreSQL's shared memory stands on steps of it, and takes another
//! step only when PostgreSQL starts anew.
//!
//! Theory: replicas first, one at a time, each back and streaming before the next; whoever leads hands over to one
//! that has restarted, and restarts as it becomes a replica. A Patroni says that it waits for a restart when its
//! loop has come round, so one that says nothing yet is waited for: handing over to it would mean a second handover.
//!
//! Invariants: nothing while anybody is not well; never two at once; a leader with replicas is not restarted, and
//! hands over to nobody who may not lead.

use super::{Draft, Step, Wait};
use crate::model::scaling::Resource;
use crate::model::sighting::PatroniSeen;
use crate::model::{MemberId, Service, Sight, Span};

/// The setting that waits for a restart.
const SETTING: &str = "shared_buffers";
/// Beside its loop, what a Patroni takes to hear of a memory and to say what it means.
const HEARS: Span = Span::secs(2);

/// Orders the next restart, if one is wanted and everybody is well.
pub(super) fn restart(draft: &mut Draft<'_>) {
    let databases = draft.bodies.placed.iter().filter(|member| member.service == Service::Postgres);
    let seen: Vec<(&MemberId, Option<&PatroniSeen>)> = databases
        .map(|member| (&member.id, draft.seen.postgres.get(&member.id).and_then(Sight::seen)))
        .collect();
    let waits = |seen: &PatroniSeen| seen.restart_for.iter().any(|setting| setting == SETTING);
    let mut pending = seen.iter().filter(|(_, seen)| seen.is_some_and(waits)).map(|(id, _)| (*id).clone());
    let Some(first) = pending.next() else { return };
    let others: Vec<MemberId> = pending.collect();
    let leader = draft.store.leader.clone();
    if let Some(why) = draft.held.clone() {
        draft.wait(Wait::Restart, first.as_str(), format!("{SETTING} waits for a restart: {why}"));
        return;
    }
    // whatever was just decided is seen through first
    if !draft.out.steps.is_empty() {
        return;
    }
    let leads = |id: &MemberId| leader.as_ref() == Some(id);
    let unwell = seen.iter().find(|(id, seen)| !seen.is_some_and(|seen| well(seen, leads(id))));
    if let Some((unwell, _)) = unwell {
        draft.wait(
            Wait::Restart,
            first.as_str(),
            format!("{SETTING} waits for a restart: {unwell} is not well"),
        );
        return;
    }
    let replica = std::iter::once(&first).chain(&others).find(|id| !leads(id)).cloned();
    if let Some(member) = replica {
        let said = format!("its memory stands on another step, and {SETTING} follows with a restart");
        draft.order(Step::Restart { member }, said);
        return;
    }
    let unheard = seen.iter().find(|(id, _)| !leads(id) && unheard(draft, id));
    if let Some((unheard, _)) = unheard {
        let said = format!("its memory has just changed, and {SETTING} may wait for a restart there as well");
        draft.wait(Wait::Restart, unheard.as_str(), said);
        return;
    }
    let replicas: Vec<(&MemberId, &PatroniSeen)> =
        seen.iter().filter(|(id, _)| !leads(id)).filter_map(|(id, seen)| Some((*id, (*seen)?))).collect();
    let may = |id: &MemberId| draft.store.may_lead.as_ref().is_none_or(|may| may.contains(id));
    // a synchronous standby first, then whoever has most
    let candidates = replicas.iter().filter(|(id, _)| may(id));
    let best = candidates.max_by_key(|(id, seen)| (seen.sync_standby, seen.lsn, std::cmp::Reverse(*id)));
    if best.is_none() && !replicas.is_empty() {
        let said = format!("{SETTING} waits for a restart: no replica may lead in its place");
        draft.wait(Wait::Restart, first.as_str(), said);
        return;
    }
    let step = match best.map(|(id, _)| (*id).clone()) {
        Some(to) => Step::Handover { member: first, to },
        // nobody could take over: its restart is the only way
        None => Step::Restart { member: first },
    };
    draft.order(step, format!("its memory stands on another step: it hands over, and {SETTING} follows"));
}

/// Whether a member's memory was changed so lately that its Patroni may not have said what it waits for.
fn unheard(draft: &Draft<'_>, id: &MemberId) -> bool {
    let turn = Span::secs(draft.world.spec.postgres.patroni.loop_wait.into()).0.saturating_add(HEARS.0);
    let changed = draft.out.memory.changed.get(id).and_then(|of| of.get(&Resource::Memory));
    changed.is_some_and(|when| draft.seen.at.since(*when) < turn)
}

/// Whether a member leads and runs, or streams.
pub(super) fn well(seen: &PatroniSeen, leads: bool) -> bool {
    if leads {
        return seen.state == "running" && seen.role == "primary";
    }
    seen.state == "streaming" || seen.replication_state.as_deref() == Some("streaming")
}
