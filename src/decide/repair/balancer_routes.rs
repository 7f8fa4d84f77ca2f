//! Balancers: 5432 leads to whoever takes writes, and to nobody else; what was parked comes back.
//!
//! Theory: checks find the primary in seconds, a push in milliseconds. A host is pushed open only on the
//! word of its PostgreSQL (not in recovery), never on Patroni's, which says so earlier.

use std::collections::BTreeSet;
use std::time::Duration;

use super::assess::RepairAssessment;
use super::memory::REPEAT;
use super::proposal::{RepairNote, RepairProposal};
use super::trouble::Trouble;
use super::view::lies;
use super::wait::RepairWait;
use super::{ConnectionReply, LeaderSeen, RepairStep, Routes};
use crate::model::sighting::ServerSeen;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Service};

/// Pause between two looks while the leader does not take writes yet.
const LEADER_LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Pause between two looks at a balancer that has just started and does not answer yet …
const STARTING: Duration = Duration::from_millis(100);
/// … and how long it is waited for so.
const STARTED: Duration = Duration::from_secs(3);

/// How the doors should stand.
pub(super) fn doors(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let mut all = unpark(a);
    all.extend(starting(a));
    let Some(key) = a.view.store.leader.as_ref().filter(|_| a.lives()) else { return all };
    if !a.leads {
        let said = "the leader does not take writes yet";
        all.push(
            RepairProposal::wait(RepairWait::Writes, Some(&key.member), said).hurry().soon(LEADER_LOOK_PAUSE),
        );
        all.extend(promised(a, key));
        return all;
    }
    // here somebody writes, so balancers were asked for this very look
    all.extend(turn_readers_away(a));
    all.extend(lead(a, key));
    all
}

/// A balancer that has just started routes nowhere until it is told, so it is looked for again soon.
fn starting(a: &RepairAssessment<'_>) -> Option<RepairProposal> {
    let silent =
        |member: &Member| a.lasting(&member.id, Trouble::Silent).is_some_and(|so_far| so_far < STARTED);
    a.view.all(Service::Balancer).any(silent).then(|| RepairProposal::silent().soon(STARTING))
}

/// 5432 leads to the leader and to it alone.
fn lead(a: &RepairAssessment<'_>, key: &LeaderSeen) -> Vec<RepairProposal> {
    let Some(host) = a.view.host(&key.member).cloned() else { return Vec::new() };
    let (mut shut, mut wrong) = (false, BTreeSet::new());
    for routes in a.view.seen.balancers.values().filter_map(|balancer| balancer.seen()) {
        shut |= !routes.rw.get(&host).is_some_and(ServerSeen::up);
        wrong.extend(
            routes.rw.iter().filter(|(other, server)| **other != host && server.up()).map(|(other, _)| other),
        );
    }
    let mut all = left_behind(a, &host);
    if !shut && wrong.is_empty() {
        return all;
    }
    if opened_lately(a, key.mod_revision) {
        all.push(RepairProposal::silent().soon(REPEAT));
        return all;
    }
    let said = "5432 does not lead to the leader and to it alone";
    all.push(RepairProposal::say("open", Some(&key.member), said).note(RepairNote::Opened(key.mod_revision)));
    for other in wrong {
        let member = resident(a, other).unwrap_or_else(|| MemberId::of_host(other));
        all.push(RepairProposal::silent().step(RepairStep::Close {
            host: other.clone(),
            member,
            park: false,
        }));
    }
    if shut {
        all.push(RepairProposal::silent().step(RepairStep::Open { host, member: key.member.clone() }));
    }
    all
}

/// Sessions of 5432 on a server that does not lead and takes no new ones end: a client that keeps one hears for ever that
/// nothing can be written, or nothing at all.
fn left_behind(a: &RepairAssessment<'_>, leads: &HostName) -> Vec<RepairProposal> {
    let stays =
        |(host, server): &(&HostName, &ServerSeen)| *host != leads && !server.up() && server.sessions > 0;
    let seen = a.view.seen.balancers.values().filter_map(|balancer| balancer.seen());
    let hosts: BTreeSet<&HostName> =
        seen.flat_map(|routes| routes.rw.iter().filter(stays).map(|(host, _)| host)).collect();
    let said = "sessions of 5432 stay on a member that does not lead";
    hosts
        .into_iter()
        .map(|host| {
            let member = resident(a, host).unwrap_or_else(|| MemberId::of_host(host));
            let end = RepairStep::EndSessions { host: host.clone(), member: member.clone() };
            RepairProposal::say("end-sessions", Some(&member), said).when_ordered().step(end)
        })
        .collect()
}

/// The leader still replays: it is being promoted. Its doors open with its first word that it takes writes; looking at
/// everything again and again until then would cost the cores that the promotion needs.
fn promised(a: &RepairAssessment<'_>, key: &LeaderSeen) -> Option<RepairProposal> {
    let sql = a.view.instance(&key.member).map(|instance| &instance.sql);
    let replays = matches!(sql, Some(ConnectionReply::Answers(sql)) if sql.in_recovery);
    if !replays || opened_lately(a, key.mod_revision) {
        return None;
    }
    let host = a.view.host(&key.member)?.clone();
    let open = RepairStep::Open { host, member: key.member.clone() };
    Some(RepairProposal::silent().step(open).note(RepairNote::Opened(key.mod_revision)))
}

/// Whether the doors were set for this leader key a moment ago.
fn opened_lately(a: &RepairAssessment<'_>, revision: i64) -> bool {
    a.memory.opened.is_some_and(|(its, at)| its == revision && a.now().since(at) < REPEAT)
}

/// Leads no reader to a replica whose body lies dead: checks would find out seconds later.
fn turn_readers_away(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    // the holder's doors are closed with its fence
    let dead = a
        .view
        .all(Service::Postgres)
        .filter(|member| !a.view.holds(&member.id) && a.view.is_dead(&member.id));
    let led = dead.filter(|member| {
        let led = |routes: &Routes| routes.ro.get(&member.host).is_some_and(ServerSeen::up);
        a.view.seen.balancers.values().filter_map(|balancer| balancer.seen()).any(led)
    });
    led.map(|member| {
        let close = RepairStep::Close { host: member.host.clone(), member: member.id.clone(), park: false };
        RepairProposal::say("close", Some(&member.id), "5433 leads to it and its body lies dead").step(close)
    })
    .collect()
}

/// Gives parked hosts back to the checks as soon as these cannot be deceived any more.
fn unpark(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let view = &a.view;
    let back = |member: &MemberId| {
        // its readers are being sent elsewhere
        let leaves = view.bodies.leaving.contains(member) && !view.holds(member);
        match view.containers(member) {
            [] => true,
            _ if leaves => false,
            [body] if lies(body.status) => true,
            [body] if body.status == ContainerStatus::Running => answers(a, member),
            _ => false,
        }
    };
    let parked = view.store.parked.iter().filter(|(_, member)| back(member));
    parked
        .map(|(host, member)| {
            let said = "what was frozen runs no more, or answers as it should";
            let unpark = RepairStep::Unpark { host: host.clone() };
            RepairProposal::say("unpark", Some(member), said).when_ordered().step(unpark)
        })
        .collect()
}

/// Whether a member that was frozen is a primary with the key, or a replica that streams.
fn answers(a: &RepairAssessment<'_>, member: &MemberId) -> bool {
    let (Some(instance), Some(rest)) = (a.view.instance(member), a.view.patroni(member)) else {
        return false;
    };
    let ConnectionReply::Answers(sql) = &instance.sql else { return false };
    let streams =
        rest.patroni.state == "streaming" || rest.patroni.replication_state.as_deref() == Some("streaming");
    rest.loop_runs && if a.view.holds(member) { !sql.in_recovery } else { sql.in_recovery && streams }
}

/// The PostgreSQL member of a host.
fn resident(a: &RepairAssessment<'_>, host: &HostName) -> Option<MemberId> {
    a.view.all(Service::Postgres).find(|member| member.host == *host).map(|member| member.id.clone())
}
