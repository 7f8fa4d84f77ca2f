//! A planned handover: while the leader still serves it is prepared and its sessions end by themselves, then Patroni is
//! asked, and the key is taken from a leader that has shut down a second before its own Patroni would give it away.
//!
//! Theory: Patroni's own handover costs two seconds, because it looks at a PostgreSQL that shuts down once a second
//! (`STOP_POLLING_INTERVAL`) and gives the key away after that. That PostgreSQL is gone can be seen sooner. Everything
//! else is Patroni's: who may follow, the shutdown, the election. One that is planned for later is none before its time.

use std::time::Duration;

use super::assess::RepairAssessment;
use super::may_lead::{For, candidate};
use super::proposal::RepairProposal;
use super::wait::RepairWait;
use super::{ConnectionReply, HandoverSeen, LeaderSeen, RepairStep, Routes, WishSeen};
use crate::model::MemberId;
use crate::model::sighting::PatroniSeen;

/// How long sessions have to end by themselves.
const DRAIN: Duration = Duration::from_millis(300);
/// Pause between two looks while a handover is under way.
const HANDOVER_LOOK_PAUSE: Duration = Duration::from_millis(5);

/// What a handover needs.
pub(super) enum Handover {
    /// Nobody wants one, or nobody can have it: everything else goes on.
    Beside(Vec<RepairProposal>),
    /// This, and nothing else.
    Alone(Vec<RepairProposal>),
}

/// What a handover needs while the leader lives.
pub(super) fn handover(a: &RepairAssessment<'_>) -> Handover {
    let store = a.view.store;
    let Some(key) = store.leader.as_ref().filter(|_| a.lives()) else { return Handover::Beside(Vec::new()) };
    if let Some(asked) = store.handover.as_ref().filter(|asked| is_due(a, key, asked)) {
        // the word stays for a moment after the next one has the key
        let done = asked.to.as_ref() == Some(&key.member);
        let meant = asked.from.as_ref().is_none_or(|from| *from == key.member);
        if meant && !done {
            return Handover::Alone(under_way(a, key, asked));
        }
        return Handover::Beside(Vec::new());
    }
    match &store.wish {
        Some(wish) => wanted(a, key, wish),
        None => Handover::Beside(Vec::new()),
    }
}

/// Whether Patroni has begun with it: one that is planned for later has when its leader stops.
fn is_due(a: &RepairAssessment<'_>, key: &LeaderSeen, asked: &HandoverSeen) -> bool {
    !asked.scheduled || a.view.patroni(&key.member).is_some_and(|rest| rest.patroni.stops())
}

/// Patroni was asked and the leader still has the key.
fn under_way(a: &RepairAssessment<'_>, key: &LeaderSeen, asked: &HandoverSeen) -> Vec<RepairProposal> {
    let member = &key.member;
    let (mut stops, mut serves) = (false, false);
    if let Some(instance) = a.view.instance(member) {
        let patroni = a.view.patroni(member).map(|rest| &rest.patroni);
        let refuses = matches!(instance.sql, ConnectionReply::Refuses(_));
        let running = |seen: &PatroniSeen| seen.state == "running";
        // one that was asked as its PostgreSQL went away answers seconds later: its word of before counts little
        // then, and it is asked once more before anything is done
        stops = patroni.is_some_and(PatroniSeen::stops) || refuses && patroni.is_none_or(running);
        serves = patroni.is_some_and(running) && !refuses;
    }
    let (mod_revision, handover) = (key.mod_revision, asked.mod_revision);
    let mut all = Vec::new();
    if stops && a.view.world.policy.release {
        let said = "its PostgreSQL stops for a handover: then its key is taken";
        let step = RepairStep::Yield { member: member.clone(), mod_revision, handover };
        all.push(RepairProposal::say("yield", Some(member), said).when_ordered().step(step));
    }
    if serves {
        // its loop reads a copy of the store that follows by a watch: one that was woken too soon sees nothing to do
        all.push(RepairProposal::silent().step(RepairStep::Wake { member: member.clone() }));
    }
    all.push(
        RepairProposal::wait(RepairWait::Handover, Some(member), "a handover is under way: Patroni does it")
            .hurry()
            .soon(HANDOVER_LOOK_PAUSE),
    );
    all
}

/// Controllers are asked: prepare, drain, hand over, each when the one before is done.
fn wanted(a: &RepairAssessment<'_>, key: &LeaderSeen, wish: &WishSeen) -> Handover {
    let member = &key.member;
    if !a.leads {
        let said = "a handover is wanted and nobody takes writes";
        return Handover::Beside(vec![RepairProposal::wait(RepairWait::Leader, Some(member), said)]);
    }
    let meant = |other: &MemberId| wish.candidate.as_ref().is_none_or(|who| who == other);
    let next = match candidate(&a.view, member, For::Handover, meant) {
        Ok(next) => next,
        Err(why) => {
            let said = format!("a handover is wanted: {why}");
            return Handover::Beside(vec![RepairProposal::wait(RepairWait::Candidate, Some(member), said)]);
        }
    };
    Handover::Alone(vec![stage(a, key, wish, next).soon(HANDOVER_LOOK_PAUSE)])
}

/// The next stage of a handover to `next`.
fn stage(a: &RepairAssessment<'_>, key: &LeaderSeen, wish: &WishSeen, next: MemberId) -> RepairProposal {
    let member = &key.member;
    let (prepared, drained) = a.memory.handover;
    let prepare = RepairStep::Prepare { member: member.clone() };
    // one that cannot be prepared is handed over as it is
    if prepared.is_none() && a.failures(&prepare) == 0 {
        let said = format!("{next} shall lead: what is in memory is written first");
        return RepairProposal::say("prepare", Some(member), said).step(prepare);
    }
    let holds = a.view.world.spec.balancers.hold.0 > Duration::ZERO;
    if let Some(host) = a.view.host(member).cloned().filter(|_| holds) {
        let sessions = |routes: &Routes| routes.rw.get(&host).map_or(0, |server| server.sessions);
        let balancers = a.view.seen.balancers.values().filter_map(|balancer| balancer.seen());
        let open: u64 = balancers.map(sessions).map(u64::from).sum();
        let drain = RepairStep::Drain { host: host.clone(), member: member.clone() };
        match drained {
            None if a.failures(&drain) == 0 => {
                let said = "no new session goes to it, those it has may end";
                return RepairProposal::say("drain", Some(member), said).step(drain);
            }
            Some(since) if open > 0 && a.now().since(since) < DRAIN => {
                return RepairProposal::say("drain", Some(member), "sessions may still end by themselves");
            }
            _ => {}
        }
    }
    let (mod_revision, idle, wish) = (key.mod_revision, wish.idle, wish.mod_revision);
    let said = format!("Patroni is asked to hand over to {next}");
    let step = RepairStep::HandOver { member: member.clone(), mod_revision, candidate: next, wish, idle };
    RepairProposal::say("hand-over", Some(member), said).step(step)
}
