//! Balancers: 5432 leads to whoever takes writes, and to nobody else; what was parked comes back.
//!
//! Theory: checks find the primary in seconds, a push in milliseconds. A host is pushed open only on the
//! word of its PostgreSQL (not in recovery), never on Patroni's, which says so earlier.

use super::draft::{Draft, REPEAT, lies};
use super::{Reply, Routes, Step};
use crate::model::sighting::ServerSeen;
use crate::model::{ContainerStatus, HostName, MemberId, Service};
use std::collections::BTreeSet;
use std::time::Duration;

/// Pause between two looks while the leader does not take writes yet.
const HURRY: Duration = Duration::from_millis(20);

/// Sets the doors; `lives`: the holder of the leader key lives.
pub(super) fn doors(draft: &mut Draft<'_>, lives: bool) {
    unpark(draft);
    if !lives {
        return;
    }
    let store = draft.store;
    let Some(key) = &store.leader else { return };
    if !writes(draft, &key.member) {
        draft.out.hurry = true;
        draft.soon(HURRY);
        draft.say("elect", Some(&key.member), "the leader does not take writes yet");
        promised(draft, &key.member, key.mod_revision);
        return;
    }
    // here somebody writes, so balancers were asked for this very look
    turn_readers_away(draft);
    let Some(host) = draft.host(&key.member).cloned() else { return };
    let (mut shut, mut wrong) = (false, BTreeSet::new());
    for routes in draft.seen.balancers.values().filter_map(|balancer| balancer.seen()) {
        shut |= !routes.rw.get(&host).is_some_and(ServerSeen::up);
        wrong.extend(
            routes.rw.iter().filter(|(other, server)| **other != host && server.up()).map(|(other, _)| other),
        );
    }
    left_behind(draft, &host);
    if !shut && wrong.is_empty() {
        return;
    }
    if opened_lately(draft, key.mod_revision) {
        draft.soon(REPEAT);
        return;
    }
    draft.out.memory.opened = Some((key.mod_revision, draft.seen.at));
    draft.say("open", Some(&key.member), "5432 does not lead to the leader and to it alone");
    for other in wrong {
        let member = resident(draft, other).unwrap_or_else(|| other.clone());
        draft.order(Step::Close { host: other.clone(), member, park: false });
    }
    if shut {
        draft.order(Step::Open { host, member: key.member.clone() });
    }
}

/// Sessions of 5432 on a server that does not lead and takes no new ones end: a client that keeps one hears for ever that
/// nothing can be written, or nothing at all.
fn left_behind(draft: &mut Draft<'_>, leads: &HostName) {
    let mut hosts = BTreeSet::new();
    for routes in draft.seen.balancers.values().filter_map(|balancer| balancer.seen()) {
        let stays = |(host, server): &(&HostName, &ServerSeen)| {
            *host != leads && !server.up() && server.sessions > 0
        };
        hosts.extend(routes.rw.iter().filter(stays).map(|(host, _)| host));
    }
    for host in hosts {
        let member = resident(draft, host).unwrap_or_else(|| host.clone());
        let reason = "sessions of 5432 stay on a member that does not lead";
        if draft.order(Step::EndSessions { host: host.clone(), member: member.clone() }) {
            draft.say("end-sessions", Some(&member), reason);
        }
    }
}

/// The leader still replays: it is being promoted. Its doors open with its first word that it takes writes; looking at
/// everything again and again until then would cost the cores that the promotion needs.
fn promised(draft: &mut Draft<'_>, member: &MemberId, revision: i64) {
    let sql = draft.seen.postgres.get(member).map(|instance| &instance.sql);
    let replays = matches!(sql, Some(Reply::Answers(sql)) if sql.in_recovery);
    if !replays || opened_lately(draft, revision) {
        return;
    }
    let Some(host) = draft.host(member).cloned() else { return };
    if draft.order(Step::Open { host, member: member.clone() }) {
        draft.out.memory.opened = Some((revision, draft.seen.at));
    }
}

/// Whether the doors were set for this leader key a moment ago.
fn opened_lately(draft: &Draft<'_>, revision: i64) -> bool {
    let (opened, now) = (draft.out.memory.opened, draft.seen.at);
    opened.is_some_and(|(its, at)| its == revision && now.since(at) < REPEAT)
}

/// Leads no reader to a replica whose body lies dead: checks would find out seconds later.
fn turn_readers_away(draft: &mut Draft<'_>) {
    for member in draft.members.iter().filter(|member| member.service == Service::Postgres) {
        let dead = matches!(draft.containers(&member.id), [body] if lies(body.status));
        // the holder's doors are closed with its fence
        if draft.holds(&member.id) || !dead {
            continue;
        }
        let led = |routes: &Routes| routes.ro.get(&member.host).is_some_and(ServerSeen::up);
        if draft.seen.balancers.values().filter_map(|balancer| balancer.seen()).any(led) {
            let (host, id) = (member.host.clone(), member.id.clone());
            draft.order(Step::Close { host, member: id, park: false });
            draft.say("close", Some(&member.id), "5433 leads to it and its body lies dead");
        }
    }
}

/// Gives parked hosts back to the checks as soon as these cannot be deceived any more.
fn unpark(draft: &mut Draft<'_>) {
    let store = draft.store;
    for (host, member) in &store.parked {
        // its readers are being sent elsewhere
        let leaves = draft.bodies.leaving.contains(member) && !draft.holds(member);
        if leaves && !draft.containers(member).is_empty() {
            continue;
        }
        let back = match draft.containers(member) {
            [] => true,
            [body] if lies(body.status) => true,
            [body] if body.status == ContainerStatus::Running => answers(draft, member),
            _ => false,
        };
        if back && draft.order(Step::Unpark { host: host.clone() }) {
            draft.say("unpark", Some(member), "what was frozen runs no more, or answers as it should");
        }
    }
}

/// Whether the member takes writes, by PostgreSQL's own word.
pub(super) fn writes(draft: &Draft<'_>, member: &MemberId) -> bool {
    let sql = draft.seen.postgres.get(member).map(|instance| &instance.sql);
    matches!(sql, Some(Reply::Answers(sql)) if !sql.in_recovery)
}

/// Whether a member that was frozen is a primary with the key, or a replica that streams.
fn answers(draft: &Draft<'_>, member: &MemberId) -> bool {
    let Some(instance) = draft.seen.postgres.get(member) else { return false };
    let (Reply::Answers(sql), Reply::Answers(rest)) = (&instance.sql, &instance.rest) else { return false };
    let streams =
        rest.patroni.state == "streaming" || rest.patroni.replication_state.as_deref() == Some("streaming");
    let leads = draft.holds(member);
    rest.loop_runs && if leads { !sql.in_recovery } else { sql.in_recovery && streams }
}

/// The PostgreSQL member of a host.
fn resident(draft: &Draft<'_>, host: &HostName) -> Option<MemberId> {
    let postgres = |member: &&crate::model::Member| member.service == crate::model::Service::Postgres;
    let found = draft.members.iter().filter(postgres).find(|member| member.host == *host);
    found.map(|member| member.id.clone())
}
