//! Honest readiness, from one look: who is not ready, and why. Pure.
//!
//! Ready is: one primary, every other instance streaming from it, every balancer serving both
//! ports, every etcd member answering with one leader.

use std::collections::BTreeSet;

use crate::model::sighting::PostgresSeen;
use crate::model::{Member, MemberId, Service, Sight, Sighting};

/// One member that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// Which.
    pub member: MemberId,
    /// Why.
    pub why: String,
}

/// Nobody looked: that is no reason to call it ready.
const NOT_LOOKED_AT: &str = "not looked at";

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
        None => Some(NOT_LOOKED_AT.to_owned()),
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
    let Some(seen) = sighting.postgres.get(&member.id) else { return Some(NOT_LOOKED_AT.to_owned()) };
    let sql = match &seen.sql {
        Sight::Seen(sql) => sql,
        Sight::Blind(why) => return Some(format!("does not answer: {why}{}", patroni_says(seen))),
    };
    let Some(primary) = primary else { return Some(format!("no primary yet{}", patroni_says(seen))) };
    if *primary == member.id {
        return None;
    }
    if !sql.in_recovery {
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
    let Some(seen) = sighting.balancers.get(&member.id) else { return Some(NOT_LOOKED_AT.to_owned()) };
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::lab::Size;
    use crate::model::sighting::{BalancerSeen, EtcdSeen, PatroniSeen, ServerSeen, SqlSeen};
    use crate::model::{Bytes, Name};

    fn name(text: &str) -> Name {
        Name::new(text).expect("a name")
    }

    fn members() -> Vec<Member> {
        let member = |id: &str, service, host: &str| Member {
            id: name(id),
            service,
            host: name(host),
            size: Size { cpus: 1.0, memory: Bytes(0), disk: Bytes(0) },
        };
        vec![
            member("client", Service::Client, "client"),
            member("etcd-1", Service::Etcd, "h1"),
            member("postgres-1", Service::Postgres, "h2"),
            member("postgres-2", Service::Postgres, "h3"),
            member("balancer-1", Service::Balancer, "h1"),
        ]
    }

    fn postgres(in_recovery: bool, streaming: &[&str]) -> PostgresSeen {
        let streaming = streaming.iter().map(|name| (*name).to_owned()).collect();
        PostgresSeen {
            patroni: Sight::Seen(PatroniSeen::default()),
            sql: Sight::Seen(SqlSeen { in_recovery, streaming, ..SqlSeen::default() }),
        }
    }

    /// A balancer that routes 5432 to these hosts and serves both ports.
    fn balancer(hosts: &[&str]) -> BalancerSeen {
        let server =
            |host: &&str| (name(host), ServerSeen { status: "UP".to_owned(), ..ServerSeen::default() });
        let servers: BTreeMap<_, _> = hosts.iter().map(server).collect();
        BalancerSeen {
            rw: Sight::Seen(servers.clone()),
            ro: Sight::Seen(servers),
            rw_serves: Sight::Seen(true),
            ro_serves: Sight::Seen(true),
        }
    }

    fn whole() -> Sighting {
        let etcd = EtcdSeen { leader: Some("a".to_owned()), linearizable: true, ..EtcdSeen::default() };
        Sighting {
            postgres: BTreeMap::from([
                (name("postgres-1"), postgres(false, &["postgres-2"])),
                (name("postgres-2"), postgres(true, &[])),
            ]),
            etcd: BTreeMap::from([(name("etcd-1"), Sight::Seen(etcd))]),
            balancers: BTreeMap::from([(name("balancer-1"), balancer(&["h2"]))]),
            ..Sighting::default()
        }
    }

    /// Who is not ready, as one text.
    fn waiting(sighting: &Sighting) -> String {
        let list = not_ready(&members(), sighting);
        list.iter()
            .map(|waiting| format!("{}: {}", waiting.member, waiting.why))
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_whole_lab_is_ready() {
        assert_eq!(waiting(&whole()), "");
    }

    #[test]
    fn whom_nobody_looked_at_is_not_ready() {
        let said = waiting(&Sighting::default());
        for member in ["etcd-1", "postgres-1", "postgres-2", "balancer-1"] {
            assert!(said.contains(&format!("{member}: not looked at")), "{said}");
        }
        let mut one = whole();
        one.postgres.remove(&name("postgres-2"));
        assert_eq!(waiting(&one), "postgres-2: not looked at");
    }

    #[test]
    fn a_replica_that_does_not_stream_is_not_ready() {
        let mut lab = whole();
        lab.postgres.insert(name("postgres-1"), postgres(false, &[]));
        assert!(
            waiting(&lab).starts_with("postgres-2: does not stream from postgres-1"),
            "{}",
            waiting(&lab)
        );
    }

    #[test]
    fn of_two_primaries_neither_is_the_one() {
        let mut lab = whole();
        lab.postgres.insert(name("postgres-2"), postgres(false, &[]));
        let said = waiting(&lab);
        assert!(
            said.contains("postgres-1: no primary yet") && said.contains("postgres-2: no primary yet"),
            "{said}"
        );
        assert_eq!(primary(&lab), None);
    }

    #[test]
    fn a_balancer_routes_to_the_primary_alone() {
        let mut lab = whole();
        lab.balancers.insert(name("balancer-1"), balancer(&["h2", "h3"]));
        assert_eq!(waiting(&lab), "balancer-1: routes 5432 to h2, h3");
        lab.balancers.insert(name("balancer-1"), balancer(&[]));
        assert_eq!(waiting(&lab), "balancer-1: routes 5432 nowhere yet");
        let deaf = BalancerSeen { ro_serves: Sight::Blind("refused".to_owned()), ..balancer(&["h2"]) };
        lab.balancers.insert(name("balancer-1"), deaf);
        assert_eq!(waiting(&lab), "balancer-1: 5433 does not serve: refused");
    }

    #[test]
    fn a_store_without_a_leader_is_not_ready() {
        let mut lab = whole();
        lab.etcd.insert(name("etcd-1"), Sight::Seen(EtcdSeen::default()));
        assert_eq!(waiting(&lab), "etcd-1: has no leader");
    }
}
