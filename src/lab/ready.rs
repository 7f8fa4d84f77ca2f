//! Honest readiness, from one look: who is not ready, and why. Pure.
//!
//! Ready is: one primary, every other instance streaming from it, as many of them synchronous as the
//! lab asks for, every balancer serving both ports, every etcd member answering with one leader.

use std::collections::BTreeSet;

use crate::model::lab::Replication;
use crate::model::sighting::PostgresSeen;
use crate::model::{LabSpec, Member, MemberId, Service, Sight, Sighting};

/// One member that is not ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady {
    /// Which.
    pub member: MemberId,
    /// What is still missing, in a few words.
    pub why: String,
}

/// A body that does not run while a lab is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyDown {
    /// Its member, or the name of its container.
    pub member: String,
    /// How it is, in the engine's words: `exited with code 1`, `created`.
    pub state: String,
    /// What it wrote last.
    pub log: String,
}

/// Lines of a body's last words.
const LAST_WORDS: usize = 6;
/// Letters of one of them.
const LINE: usize = 300;

/// Who is not ready and why, a line each; of bodies that do not run, their last words under it.
#[must_use]
pub fn in_words(waiting: &[NotReady], down: &[BodyDown]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in waiting.iter().filter(|one| down.iter().all(|down| down.member != one.member.as_str())) {
        lines.push(format!("  {}: {}", one.member, one.why));
    }
    for body in down {
        let last = last_words(&body.log);
        let said = if last.is_empty() { "it said nothing" } else { "its last words:" };
        lines.push(format!("  {}: {}; {said}", body.member, body.state));
        lines.extend(last.into_iter().map(|line| format!("      {line}")));
    }
    lines.join("\n")
}

/// The last lines of a log that say something, shortened.
fn last_words(log: &str) -> Vec<String> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(LAST_WORDS);
    lines[from..]
        .iter()
        .map(|line| line.chars().filter(|letter| !letter.is_control()).take(LINE).collect())
        .collect()
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

/// What must hold of a lab besides everybody being there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyWhen {
    /// Synchronous standbys it must have before its replication mode is in force.
    pub sync: u32,
    /// Whether its balancers check their servers; where they do not, 5432 leads anywhere.
    pub checked: bool,
}

impl ReadyWhen {
    /// What the lab of this spec must be.
    #[must_use]
    pub const fn of(spec: &LabSpec) -> Self {
        let sync = match spec.postgres.replication {
            Replication::Async => 0,
            Replication::Sync | Replication::Quorum => spec.postgres.sync_standbys,
        };
        Self { sync, checked: spec.balancers.check.enabled }
    }
}

/// Everyone of `members` who is not ready, in order; empty when the lab is. Synchronous standbys
/// count in PostgreSQL's view and in Patroni's: until Patroni has written them down, a strict mode may
/// neither be in force (Patroni 4.0, quorum: `scenarios/found`) nor allow anybody to take over.
#[must_use]
pub fn not_ready(members: &[Member], wanted: ReadyWhen, sighting: &Sighting) -> Vec<NotReady> {
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
            Service::Balancer => balancer(member, wanted.checked, sighting, primary, members),
            Service::Controller => controller(member, members, sighting),
            Service::Client | Service::Broker => None,
        };
        let why = why.or_else(|| {
            (primary == Some(&member.id)).then(|| synchronous(wanted.sync, &member.id, sighting)).flatten()
        });
        if let Some(why) = why {
            waiting.push(NotReady { member: member.id.clone(), why });
        }
    }
    waiting
}

/// A controller answers, and one of its replicas is the active one.
fn controller(member: &Member, members: &[Member], sighting: &Sighting) -> Option<String> {
    let seen = |member: &Member| sighting.controllers.get(&member.id);
    match seen(member) {
        None => return Some(NOT_LOOKED_AT.to_owned()),
        Some(Sight::Blind(why)) => return Some(format!("does not answer: {why}")),
        Some(Sight::Seen(_)) => {}
    }
    let mut twins = members.iter().filter(|other| other.controller() == member.controller());
    let active = twins.any(|twin| seen(twin).and_then(Sight::seen).is_some_and(|status| status.active));
    (!active).then(|| "none of its replicas is active".to_owned())
}

/// What the primary lacks until its replication mode is in force.
fn synchronous(wanted: u32, primary: &MemberId, sighting: &Sighting) -> Option<String> {
    let confirmed = sighting.postgres.get(primary)?.sql.seen()?.sync.len();
    let others = sighting.postgres.iter().filter(|(member, _)| *member != primary);
    let known =
        others.filter(|(_, seen)| seen.patroni.seen().is_some_and(|patroni| patroni.sync_standby)).count();
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if confirmed < wanted {
        Some(format!("has {confirmed} synchronous standbys of {wanted}"))
    } else if known < wanted {
        Some(format!("Patroni knows of {known} synchronous standbys, {wanted} are wanted"))
    } else {
        None
    }
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
    checked: bool,
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
    if checked && host.is_none_or(|host| up != [host]) {
        return Some(match up.as_slice() {
            [] => "routes 5432 nowhere yet".to_owned(),
            hosts => {
                format!("routes 5432 to {}", hosts.iter().map(|h| h.as_str()).collect::<Vec<_>>().join(", "))
            }
        });
    }
    match (&seen.rw_serves, &seen.ro_serves) {
        // without checks whom a port reaches is chance
        _ if !checked => None,
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
    use crate::model::{Bytes, HostName, MemberId};

    const ASYNC: ReadyWhen = ReadyWhen { sync: 0, checked: true };

    fn name(text: &str) -> MemberId {
        text.parse().expect("a name")
    }

    fn members() -> Vec<Member> {
        let member = |id: &str, service, host: &str| Member {
            id: name(id),
            service,
            host: host.parse().expect("a name"),
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
        let server = |host: &&str| {
            let up = ServerSeen { status: "UP".to_owned(), ..ServerSeen::default() };
            (HostName::new(*host).expect("a name"), up)
        };
        let servers: BTreeMap<_, _> = hosts.iter().map(server).collect();
        BalancerSeen {
            rw: Sight::Seen(servers.clone()),
            ro: Sight::Seen(servers),
            rw_serves: Sight::Seen(true),
            ro_serves: Sight::Seen(true),
            ..BalancerSeen::default()
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
        let list = not_ready(&members(), ASYNC, sighting);
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
    fn a_body_that_ended_says_its_last_words_once() {
        let waiting = [
            NotReady { member: name("postgres-1"), why: "no primary yet".to_owned() },
            NotReady { member: name("balancer-1"), why: "does not answer: refused".to_owned() },
        ];
        let log = ["1", "2", "3", "4", "5", "6", "7", "8"].map(|n| format!("line {n}\n\n")).concat();
        let down = |member: &str, log: &str| BodyDown {
            member: member.to_owned(),
            state: "exited with code 1".to_owned(),
            log: log.to_owned(),
        };
        let said = in_words(&waiting, &[down("balancer-1", &log), down("etcd-1", " \n")]);
        insta::assert_snapshot!(said, @r"
          postgres-1: no primary yet
          balancer-1: exited with code 1; its last words:
              line 3
              line 4
              line 5
              line 6
              line 7
              line 8
          etcd-1: exited with code 1; it said nothing
        ");
        let long = in_words(&[], &[down("etcd-1", &"x".repeat(5000))]);
        assert!(long.len() < 400, "{}", long.len());
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
    fn a_mode_that_is_not_in_force_is_not_ready() {
        let said = |lab: &Sighting| -> Vec<String> {
            not_ready(&members(), ReadyWhen { sync: 1, ..ASYNC }, lab)
                .into_iter()
                .map(|waiting| format!("{}: {}", waiting.member, waiting.why))
                .collect()
        };
        let mut lab = whole();
        assert_eq!(said(&lab), ["postgres-1: has 0 synchronous standbys of 1"]);
        let mut primary = postgres(false, &["postgres-2"]);
        if let Sight::Seen(sql) = &mut primary.sql {
            sql.sync = vec!["postgres-2".to_owned()];
        }
        lab.postgres.insert(name("postgres-1"), primary);
        assert_eq!(said(&lab), ["postgres-1: Patroni knows of 0 synchronous standbys, 1 are wanted"]);
        let mut standby = postgres(true, &[]);
        standby.patroni = Sight::Seen(PatroniSeen { sync_standby: true, ..PatroniSeen::default() });
        lab.postgres.insert(name("postgres-2"), standby);
        assert_eq!(said(&lab), Vec::<String>::new());
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
    fn a_balancer_that_checks_nothing_may_route_anywhere() {
        let mut lab = whole();
        let anywhere = BalancerSeen { rw_serves: Sight::Seen(false), ..balancer(&["h2", "h3"]) };
        lab.balancers.insert(name("balancer-1"), anywhere);
        assert!(!not_ready(&members(), ASYNC, &lab).is_empty());
        assert_eq!(not_ready(&members(), ReadyWhen { checked: false, ..ASYNC }, &lab), []);
    }

    #[test]
    fn a_store_without_a_leader_is_not_ready() {
        let mut lab = whole();
        lab.etcd.insert(name("etcd-1"), Sight::Seen(EtcdSeen::default()));
        assert_eq!(waiting(&lab), "etcd-1: has no leader");
    }
}
