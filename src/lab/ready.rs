//! Honest readiness, from one look: who is not ready, and why. Pure.
//!
//! Ready is: one primary, every other instance streaming from it, every balancer serving both
//! ports, every etcd member answering with one leader.

use std::collections::BTreeSet;

use crate::model::sighting::{PostgresSeen, SqlSeen};
use crate::model::{Member, MemberId, Service, Sight, Sighting};

/// One member that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// Which.
    pub member: MemberId,
    /// Why.
    pub why: String,
}

/// The member that is primary, if exactly one says so.
#[must_use]
pub fn primary(sighting: &Sighting) -> Option<&MemberId> {
    let mut primaries = sighting
        .postgres
        .iter()
        .filter(|(_, seen)| seen.sql.seen().is_some_and(|sql| !sql.in_recovery))
        .map(|(member, _)| member);
    let first = primaries.next()?;
    primaries.next().is_none().then_some(first)
}

/// Everyone of `members` who is not ready, in order; empty when the lab is.
#[must_use]
pub fn not_ready(members: &[Member], sighting: &Sighting) -> Vec<NotReady> {
    let primary = primary(sighting);
    let streaming: BTreeSet<&str> = primary
        .and_then(|member| sighting.postgres.get(member))
        .and_then(|seen| seen.sql.seen())
        .map(|sql| sql.streaming.iter().map(String::as_str).collect())
        .unwrap_or_default();
    let leaders: BTreeSet<&str> = sighting
        .etcd
        .values()
        .filter_map(|seen| seen.seen().and_then(|etcd| etcd.leader.as_deref()))
        .collect();
    let mut waiting = Vec::new();
    for member in members {
        let why = match member.service {
            Service::Etcd => etcd(member, sighting, leaders.len()),
            Service::Postgres => postgres(member, sighting, primary, &streaming),
            Service::Balancer => balancer(member, sighting, primary, members),
            Service::Client | Service::Controller => None,
        };
        if let Some(why) = why {
            waiting.push(NotReady { member: member.id.clone(), why });
        }
    }
    waiting
}

fn etcd(member: &Member, sighting: &Sighting, leaders: usize) -> Option<String> {
    match sighting.etcd.get(&member.id) {
        None => Some("not looked at".to_owned()),
        Some(Sight::Blind(why)) => Some(format!("does not answer: {why}")),
        Some(Sight::Seen(seen)) if seen.leader.is_none() => Some("has no leader".to_owned()),
        Some(Sight::Seen(_)) if leaders > 1 => Some("the members disagree on the leader".to_owned()),
        Some(Sight::Seen(seen)) if !seen.linearizable => {
            Some("does not answer a linearizable read".to_owned())
        }
        Some(Sight::Seen(_)) => None,
    }
}

fn postgres(
    member: &Member,
    sighting: &Sighting,
    primary: Option<&MemberId>,
    streaming: &BTreeSet<&str>,
) -> Option<String> {
    let seen = sighting.postgres.get(&member.id)?;
    let sql = match &seen.sql {
        Sight::Seen(sql) => sql,
        Sight::Blind(why) => return Some(format!("does not answer: {why}{}", patroni_says(seen))),
    };
    let Some(primary) = primary else { return Some(format!("no primary yet{}", patroni_says(seen))) };
    if *primary == member.id {
        return (sql.in_recovery).then(|| "primary still in recovery".to_owned());
    }
    let follows: &SqlSeen = sql;
    if !follows.in_recovery {
        return Some("a second primary".to_owned());
    }
    (!streaming.contains(member.id.as_str()))
        .then(|| format!("does not stream from {primary}{}", patroni_says(seen)))
}

fn patroni_says(seen: &PostgresSeen) -> String {
    match &seen.patroni {
        Sight::Seen(patroni) => format!(" (Patroni says {} {})", patroni.role, patroni.state),
        Sight::Blind(why) => format!(" (Patroni does not answer: {why})"),
    }
}

fn balancer(
    member: &Member,
    sighting: &Sighting,
    primary: Option<&MemberId>,
    members: &[Member],
) -> Option<String> {
    let seen = sighting.balancers.get(&member.id)?;
    let servers = match &seen.rw {
        Sight::Seen(servers) => servers,
        Sight::Blind(why) => return Some(format!("does not answer: {why}")),
    };
    let host = members.iter().find(|other| Some(&other.id) == primary).map(|other| &other.host);
    let up: Vec<_> = servers.iter().filter(|(_, server)| server.up()).map(|(host, _)| host).collect();
    if host.is_none_or(|host| up != [host]) {
        return Some(match up.as_slice() {
            [] => "routes 5432 nowhere yet".to_owned(),
            hosts => {
                format!("routes 5432 to {}", hosts.iter().map(|h| h.as_str()).collect::<Vec<_>>().join(", "))
            }
        });
    }
    match (&seen.rw_serves, &seen.ro_serves) {
        (Sight::Seen(true), Sight::Seen(true)) => None,
        (Sight::Seen(true), Sight::Seen(false)) => Some("5433 does not serve".to_owned()),
        (Sight::Seen(true), Sight::Blind(why)) => Some(format!("5433 does not serve: {why}")),
        (Sight::Seen(false), _) => Some("5432 does not reach a writable instance".to_owned()),
        (Sight::Blind(why), _) => Some(format!("5432 does not serve: {why}")),
    }
}
