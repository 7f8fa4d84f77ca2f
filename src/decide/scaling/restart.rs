//! Restarts that a change of memory asks for: PostgreSQL's shared memory stands on steps of it, and takes another
//! step only when PostgreSQL starts anew.
//!
//! Theory: replicas first, one at a time, each back and streaming before the next; whoever leads hands over to one
//! that has restarted, and restarts as it becomes a replica. A Patroni says that it waits for a restart when its
//! loop has come round, so one that says nothing yet is waited for: handing over to it would mean a second handover.
//!
//! Invariants: nothing while any member is not well; never two at once; a leader with replicas is not restarted, and
//! hands over to no replica that may not lead.

use super::admit::order;
use super::assess::ScalingAssessment;
use super::condition::SizeCondition;
use super::memory::ScalingNote;
use super::step::{Concern, ScalingStep};
use super::view::{SETTING, waits};
use super::wait::ScalingWait;
use crate::decide::frame::{OneAtATime, Proposal};
use crate::model::scaling::Resource;
use crate::model::{MemberId, Service, Span};

/// Beside its loop, what a Patroni takes to hear of a memory and to say what it means.
const HEARS: Span = Span::secs(2);

/// The next restart, if one is wanted and every database is well.
pub(super) fn restart(a: &ScalingAssessment<'_>) -> Option<Proposal<ScalingStep, ScalingNote, ScalingWait>> {
    if let Some(id) = a.going_on(Concern::Restart).chain(a.going_on(Concern::Handover)).next() {
        let said = format!("{id} restarts for {SETTING}");
        return Some(Proposal::say(ScalingWait::Restart.word(), Some(id), said).waits(ScalingWait::Restart));
    }
    let databases: Vec<&SizeCondition<'_>> = a.of(Service::Postgres).collect();
    let pending: Vec<&SizeCondition<'_>> =
        databases.iter().copied().filter(|one| one.patroni.is_some_and(waits)).collect();
    let first = *pending.first()?;
    let hold = |id: &MemberId, why: String| {
        Proposal::say(ScalingWait::Restart.word(), Some(id), why).waits(ScalingWait::Restart)
    };
    let waits_for = |why: &str| hold(&first.member.id, format!("{SETTING} waits for a restart: {why}"));
    if let Some(why) = &a.held {
        return Some(waits_for(why));
    }
    // whatever was just decided is seen through first
    let alone =
        |proposal: Proposal<ScalingStep, ScalingNote, ScalingWait>| Some(proposal.turn(OneAtATime::Alone));
    if let Some(unwell) = databases.iter().find(|one| !one.well) {
        return alone(waits_for(&format!("{} is not well", unwell.member.id)));
    }
    if let Some(replica) = pending.iter().find(|one| !one.leads) {
        let said = format!("its memory stands on another step, and {SETTING} follows with a restart");
        return alone(order(ScalingStep::Restart { member: replica.member.id.clone() }, said));
    }
    if let Some(unheard) = databases.iter().find(|one| !one.leads && unheard(a, &one.member.id)) {
        let said = format!("its memory has just changed, and {SETTING} may wait for a restart there as well");
        return alone(hold(&unheard.member.id, said));
    }
    let leader = first.member.id.clone();
    let replicas = databases.iter().any(|one| !one.leads);
    let step = match candidate(a, &databases) {
        Some(to) => ScalingStep::HandOver { member: leader, to },
        None if replicas => return alone(waits_for("no replica may lead in its place")),
        // nobody could take over: its restart is the only way
        None => ScalingStep::Restart { member: leader },
    };
    alone(order(step, format!("its memory stands on another step: it hands over, and {SETTING} follows")))
}

/// Who takes over: a synchronous standby first, then the replica that has most.
fn candidate(a: &ScalingAssessment<'_>, databases: &[&SizeCondition<'_>]) -> Option<MemberId> {
    let may = |id: &MemberId| a.view.store.may_lead.as_ref().is_none_or(|may| may.contains(id));
    let replicas = databases.iter().filter(|one| !one.leads && may(&one.member.id));
    let seen = replicas.filter_map(|one| Some((&one.member.id, one.patroni?)));
    let best = seen.max_by_key(|(id, seen)| (seen.sync_standby, seen.lsn, std::cmp::Reverse(*id)));
    best.map(|(id, _)| id.clone())
}

/// Whether a member's memory was changed so lately that its Patroni may not have said what it waits for.
fn unheard(a: &ScalingAssessment<'_>, id: &MemberId) -> bool {
    let turn = Span::secs(a.view.world.spec.postgres.patroni.loop_wait.into()).0.saturating_add(HEARS.0);
    let changed = a.notes.changed.get(id).and_then(|of| of.get(&Resource::Memory));
    changed.is_some_and(|when| a.now().since(*when) < turn)
}
