//! A planned handover: while the leader still serves it is prepared and its sessions end by themselves, then Patroni is
//! asked, and the key is taken from a leader that has shut down a second before its own Patroni would give it away.
//!
//! Theory: Patroni's own handover costs two seconds, because it looks at a PostgreSQL that shuts down once a second
//! (`STOP_POLLING_INTERVAL`) and gives the key away after that. That PostgreSQL is gone can be seen sooner. Everything
//! else is Patroni's: who may follow, the shutdown, the election.

use super::candidate::candidate;
use super::doors::writes;
use super::draft::Draft;
use super::{HandoverSeen, LeaderSeen, Reply, Step, WishSeen};
use crate::model::sighting::PatroniSeen;
use std::time::Duration;

/// How long sessions have to end by themselves.
const DRAIN: Duration = Duration::from_millis(300);
/// Pause between two looks while a handover is under way.
const HURRY: Duration = Duration::from_millis(5);

/// Deals with a handover while the leader lives; says whether nothing else is to be done.
pub(super) fn handover(draft: &mut Draft<'_>) -> bool {
    let store = draft.store;
    let Some(key) = &store.leader else { return false };
    if let Some(asked) = &store.handover {
        // the word stays for a moment after the next one has the key
        let done = asked.to.as_ref() == Some(&key.member);
        let meant = asked.from.as_ref().is_none_or(|from| *from == key.member);
        if meant && !done {
            under_way(draft, key, asked);
        }
        return meant && !done;
    }
    if let Some(wish) = &store.wish {
        return wanted(draft, key, wish);
    }
    let memory = &mut draft.out.memory;
    memory.handover = (None, None);
    memory.failed.retain(|step, _| !step.starts_with("prepare ") && !step.starts_with("drain "));
    false
}

/// Patroni was asked and the leader still has the key.
fn under_way(draft: &mut Draft<'_>, key: &LeaderSeen, asked: &HandoverSeen) {
    let member = &key.member;
    draft.afresh();
    draft.out.hurry = true;
    draft.soon(HURRY);
    let (mut stops, mut serves) = (false, false);
    if let Some(instance) = draft.seen.postgres.get(member) {
        let patroni = match &instance.rest {
            Reply::Answers(rest) => Some(&rest.patroni),
            _ => None,
        };
        let refuses = matches!(instance.sql, Reply::Refuses(_));
        let running = |seen: &PatroniSeen| seen.state == "running";
        // one that was asked as its PostgreSQL went away answers seconds later: its word of before counts little
        // then, and it is asked once more before anything is done
        stops = patroni.is_some_and(PatroniSeen::stops) || refuses && patroni.is_none_or(running);
        serves = patroni.is_some_and(running) && !refuses;
    }
    let (mod_revision, handover) = (key.mod_revision, asked.mod_revision);
    let step = Step::Yield { member: member.clone(), mod_revision, handover };
    if stops && draft.world.policy.release && draft.order(step) {
        draft.say("yield", Some(member), "its PostgreSQL stops for a handover: then its key is taken");
    }
    if serves {
        // its loop reads a copy of the store that follows by a watch: one that was woken too soon sees nothing to do
        draft.order(Step::Wake { member: member.clone() });
    }
    draft.say("hold", Some(member), "a handover is under way: Patroni does it");
}

/// Controllers are asked: prepare, drain, hand over, each when the one before is done.
fn wanted(draft: &mut Draft<'_>, key: &LeaderSeen, wish: &WishSeen) -> bool {
    let member = &key.member;
    if !writes(draft, member) {
        draft.say("wait", Some(member), "a handover is wanted and nobody takes writes");
        return false;
    }
    let next = match candidate(draft, member, |other| wish.candidate.as_ref().is_none_or(|who| who == other))
    {
        Ok(next) => next,
        Err(why) => {
            draft.say("refuse", Some(member), format!("a handover is wanted: {why}"));
            return false;
        }
    };
    draft.afresh();
    draft.soon(HURRY);
    let (prepared, drained) = draft.out.memory.handover;
    let now = draft.seen.at;
    let prepare = Step::Prepare { member: member.clone() };
    // one that cannot be prepared is handed over as it is
    if prepared.is_none() && draft.failures(&prepare) == 0 {
        draft.order(prepare);
        draft.say("prepare", Some(member), format!("{next} shall lead: what is in memory is written first"));
        return true;
    }
    let holds = draft.world.spec.balancers.hold.0 > Duration::ZERO;
    if let Some(host) = draft.host(member).cloned().filter(|_| holds) {
        let sessions = |routes: &super::Routes| routes.rw.get(&host).map_or(0, |server| server.sessions);
        let open: u64 = draft
            .seen
            .balancers
            .values()
            .filter_map(|balancer| balancer.seen())
            .map(sessions)
            .map(u64::from)
            .sum();
        let drain = Step::Drain { host: host.clone(), member: member.clone() };
        match drained {
            None if draft.failures(&drain) == 0 => {
                draft.order(drain);
                draft.say("drain", Some(member), "no new session goes to it, those it has may end");
                return true;
            }
            Some(since) if open > 0 && now.since(since) < DRAIN => {
                draft.say("drain", Some(member), "sessions may still end by themselves");
                return true;
            }
            _ => {}
        }
    }
    let (mod_revision, idle, wish) = (key.mod_revision, wish.idle, wish.mod_revision);
    let said = format!("Patroni is asked to hand over to {next}");
    draft.order(Step::HandOver { member: member.clone(), mod_revision, candidate: next, wish, idle });
    draft.say("hand-over", Some(member), said);
    true
}
