//! From a target in words to members, at the instant of injection. Pure.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

use crate::model::lab::Host;
use crate::model::target::{EtcdPick, Replica, Which};
use crate::model::{FaultTarget, HostName, Member, MemberId, Service, Sight, Sighting, Target};

/// Why a target names nobody right now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target `{target}` matches nothing: {why}")]
pub struct NoMatch {
    /// What the scenario names.
    pub target: Target,
    /// What keeps it from naming anybody now.
    pub why: String,
}

/// Whom a verb hits, and what else was decided when its targets were resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// Members, or hosts where the verb acts on hosts; each once.
    pub targets: Vec<FaultTarget>,
    /// For the fault's notes. `cuts`: a partition's directed pairs of hosts `[from, to]` whose packets are
    /// dropped; `from` and `to`: its two sides, which a shape has not; `candidate`: the member an operator's verb names.
    pub notes: BTreeMap<String, Value>,
}

impl Hits {
    /// Hits members, each once, and decides nothing else.
    #[must_use]
    pub fn members(ids: Vec<MemberId>) -> Self {
        let targets = each_once(ids).into_iter().map(FaultTarget::Member).collect();
        Self { targets, ..Self::default() }
    }

    /// Hits hosts, each once, and decides nothing else.
    #[must_use]
    pub fn hosts(names: Vec<HostName>) -> Self {
        let targets = each_once(names).into_iter().map(FaultTarget::Host).collect();
        Self { targets, ..Self::default() }
    }

    /// The hosts among the targets.
    #[must_use]
    pub fn named_hosts(&self) -> Vec<HostName> {
        self.targets.iter().filter_map(FaultTarget::host).cloned().collect()
    }
}

/// Who there is to be hit.
#[derive(Clone, Copy, Debug)]
pub struct PossibleTargets<'a> {
    /// Members of every service, the client too.
    pub members: &'a [Member],
    /// Hosts, in the order of the declaration.
    pub hosts: &'a [Host],
    /// The newest look at the lab.
    pub sighting: &'a Sighting,
}

impl PossibleTargets<'_> {
    /// Hosts that carry anything but the client, in the order of the declaration.
    pub(super) fn carrying_services(&self) -> Vec<HostName> {
        let carries = |host: &&Host| {
            self.members.iter().any(|member| member.host == host.name && member.service != Service::Client)
        };
        self.hosts.iter().filter(carries).map(|host| host.name.clone()).collect()
    }
}

pub(super) fn each_once<T: PartialEq>(names: Vec<T>) -> Vec<T> {
    let mut once: Vec<T> = Vec::new();
    for name in names {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    once
}

/// The hosts `target` names; bodies stand for the hosts that carry them. `rest` names nobody here: only a
/// partition knows what the other side is.
///
/// # Errors
/// [`NoMatch`].
pub fn resolve_hosts(
    target: &Target,
    world: PossibleTargets<'_>,
    chance: &mut ChaCha8Rng,
) -> Result<Vec<HostName>, NoMatch> {
    let no = |why: &str| NoMatch { target: target.clone(), why: why.to_owned() };
    let found = match target {
        Target::Host(name) => {
            world.hosts.iter().filter(|host| host.name == *name).map(|host| host.name.clone()).collect()
        }
        Target::HostSpare => {
            let busy = world.carrying_services();
            let spare = world.hosts.iter().find(|host| {
                !busy.contains(&host.name) && !world.members.iter().any(|member| member.host == host.name)
            });
            // without an empty host: one that carries no database body
            let idle = || {
                world.hosts.iter().find(|host| {
                    !world.members.iter().any(|member| {
                        member.host == host.name
                            && matches!(member.service, Service::Postgres | Service::Client)
                    })
                })
            };
            spare.or_else(idle).map(|host| host.name.clone()).into_iter().collect()
        }
        Target::HostOf(of) => return resolve_hosts(of, world, chance),
        Target::Random(count, of) if names_hosts(of) => {
            let from = resolve_hosts(of, world, chance)?;
            let count = *count as usize;
            if from.len() < count {
                return Err(no(&format!("`{of}` names only {}", from.len())));
            }
            let mut chosen: Vec<HostName> = from.choose_multiple(chance, count).cloned().collect();
            chosen.sort();
            chosen
        }
        Target::Rest => return Err(no("only a side of a partition has a rest")),
        bodies => {
            let members = resolve(bodies, world.members, world.sighting, chance)?;
            world
                .members
                .iter()
                .filter(|member| members.contains(&member.id))
                .map(|member| member.host.clone())
                .collect()
        }
    };
    if found.is_empty() { Err(no("no such host right now")) } else { Ok(each_once(found)) }
}

fn names_hosts(target: &Target) -> bool {
    match target {
        Target::Host(_) | Target::HostOf(_) | Target::HostSpare | Target::Rest => true,
        Target::Random(_, of) => names_hosts(of),
        _ => false,
    }
}

/// The members `target` names, given the newest look at the lab. `chance` is the schedule's.
///
/// # Errors
/// [`NoMatch`] when that is nobody.
pub fn resolve(
    target: &Target,
    members: &[Member],
    sighting: &Sighting,
    chance: &mut ChaCha8Rng,
) -> Result<Vec<MemberId>, NoMatch> {
    let no = |why: &str| NoMatch { target: target.clone(), why: why.to_owned() };
    let all = |service: Service| -> Vec<MemberId> {
        members.iter().filter(|member| member.service == service).map(|member| member.id.clone()).collect()
    };
    let found = match target {
        Target::Primary => vec![primary(sighting).ok_or_else(|| no("no instance says that it is primary"))?],
        Target::Replica(pick) => replicas(*pick, sighting, &all(Service::Postgres)),
        Target::Postgres(which) => pick_which(which, all(Service::Postgres)),
        Target::Balancer(which) => pick_which(which, all(Service::Balancer)),
        Target::Etcd(pick) => etcd(pick, sighting, all(Service::Etcd)),
        Target::Random(count, of) => {
            let from = resolve(of, members, sighting, chance)?;
            let count = *count as usize;
            if from.len() < count {
                return Err(no(&format!("`{of}` names only {}", from.len())));
            }
            // who lies dead already is no victim while others are there: nothing would bite
            let alive: Vec<MemberId> = from.iter().filter(|id| !dead(sighting, id)).cloned().collect();
            let from = if alive.len() < count { from } else { alive };
            let mut chosen: Vec<MemberId> = from.choose_multiple(chance, count).cloned().collect();
            chosen.sort();
            chosen
        }
        Target::Controller(pick) => controllers(pick, members, sighting),
        Target::Host(_) | Target::HostOf(_) | Target::HostSpare | Target::Rest => {
            return Err(no("this verb acts on bodies, and this target names hosts"));
        }
    };
    if found.is_empty() { Err(no("no such member right now")) } else { Ok(found) }
}

/// Whether the newest look asked an etcd, or a PostgreSQL and its Patroni, and nobody answered.
fn dead(sighting: &Sighting, id: &MemberId) -> bool {
    let postgres = sighting.postgres.get(id);
    postgres.is_some_and(|seen| seen.sql.seen().is_none() && seen.patroni.seen().is_none())
        || sighting.etcd.get(id).is_some_and(|seen| seen.seen().is_none())
}

/// `repair`, `repair:active`, `all:standby`: who says so itself, by the newest look.
fn controllers(pick: &str, members: &[Member], sighting: &Sighting) -> Vec<MemberId> {
    let (who, state) = pick.split_once(':').map_or((pick, None), |(who, state)| (who, Some(state)));
    let active = |id: &MemberId| sighting.controllers.get(id).and_then(Sight::seen).map(|seen| seen.active);
    let named = members.iter().filter(|member| match member.controller() {
        Some(controller) => who == "all" || who == controller,
        None => false,
    });
    let wanted = named.filter(|member| match state {
        None => true,
        Some(state) => active(&member.id) == Some(state == "active"),
    });
    wanted.map(|member| member.id.clone()).collect()
}

fn primary(sighting: &Sighting) -> Option<MemberId> {
    // PostgreSQL's own word counts; Patroni's only where PostgreSQL was not seen
    let by_sql = sighting
        .postgres
        .iter()
        .find(|(_, seen)| seen.sql.seen().is_some_and(|sql| !sql.in_recovery && sql.writable != Some(false)));
    by_sql
        .or_else(|| {
            sighting
                .postgres
                .iter()
                .find(|(_, seen)| seen.patroni.seen().is_some_and(|patroni| patroni.role == "primary"))
        })
        .map(|(member, _)| member.clone())
}

fn replicas(pick: Replica, sighting: &Sighting, postgres: &[MemberId]) -> Vec<MemberId> {
    let primary = primary(sighting);
    let received = |member: &MemberId| {
        sighting.postgres.get(member).and_then(|seen| seen.sql.seen()).filter(|sql| sql.in_recovery)
    };
    let followers: Vec<MemberId> = postgres
        .iter()
        .filter(|member| Some(*member) != primary.as_ref() && received(member).is_some())
        .cloned()
        .collect();
    let sync: Vec<String> = primary
        .as_ref()
        .and_then(|member| sighting.postgres.get(member))
        .and_then(|seen| seen.sql.seen())
        .map(|sql| sql.sync.clone())
        .unwrap_or_default();
    let position = |member: &MemberId| received(member).and_then(|sql| sql.lsn);
    match pick {
        Replica::All => followers,
        Replica::One => followers.into_iter().take(1).collect(),
        Replica::MostAdvanced => followers.into_iter().max_by_key(position).into_iter().collect(),
        Replica::MostLagging => followers.into_iter().min_by_key(position).into_iter().collect(),
        Replica::Sync => {
            followers.into_iter().filter(|member| sync.iter().any(|name| name == member.as_str())).collect()
        }
    }
}

fn etcd(pick: &EtcdPick, sighting: &Sighting, members: Vec<MemberId>) -> Vec<MemberId> {
    let leads = |member: &MemberId| {
        sighting
            .etcd
            .get(member)
            .and_then(|seen| seen.seen())
            .is_some_and(|etcd| etcd.leader.as_deref() == Some(etcd.id.as_str()))
    };
    let quorum = members.len() / 2 + 1;
    match pick {
        EtcdPick::All => members,
        EtcdPick::Leader => members.into_iter().filter(leads).collect(),
        EtcdPick::Follower => {
            // without a known leader nobody is known to follow
            if members.iter().any(leads) {
                members.into_iter().filter(|member| !leads(member)).take(1).collect()
            } else {
                Vec::new()
            }
        }
        EtcdPick::Minority => {
            let count = members.len() - quorum;
            members.into_iter().take(count).collect()
        }
        EtcdPick::Majority => members.into_iter().take(quorum).collect(),
        EtcdPick::Named(name) => members.into_iter().filter(|member| member == name).collect(),
    }
}

fn pick_which(which: &Which, members: Vec<MemberId>) -> Vec<MemberId> {
    match which {
        Which::All => members,
        Which::Any => members.into_iter().take(1).collect(),
        Which::Named(name) => members.into_iter().filter(|member| member == name).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::model::lab::Size;
    use crate::model::sighting::{EtcdSeen, PostgresSeen, SqlSeen};
    use crate::model::{Bytes, Lsn, Sight};

    /// A name of the kind that is wanted here.
    fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
        text.parse().expect("a name")
    }

    fn members() -> Vec<Member> {
        let ids = [
            "etcd-1",
            "etcd-2",
            "etcd-3",
            "postgres-1",
            "postgres-2",
            "postgres-3",
            "balancer-1",
            "balancer-2",
        ];
        let service = |id: &str| match id.split_once('-') {
            Some(("etcd", _)) => Service::Etcd,
            Some(("postgres", _)) => Service::Postgres,
            _ => Service::Balancer,
        };
        ids.iter()
            .map(|id| Member {
                id: name(id),
                service: service(id),
                host: HostName::new("h1").expect("a name"),
                size: Size { cpus: 1.0, memory: Bytes(0), disk: Bytes(0) },
            })
            .collect()
    }

    fn instance(in_recovery: bool, lsn: u64, sync: &[&str]) -> PostgresSeen {
        let sync = sync.iter().map(|name| (*name).to_owned()).collect();
        let sql = SqlSeen { in_recovery, lsn: Some(Lsn(lsn)), sync, ..SqlSeen::default() };
        PostgresSeen { sql: Sight::Seen(sql), ..PostgresSeen::default() }
    }

    /// postgres-2 is primary, postgres-3 is ahead of postgres-1 and synchronous; etcd-3 leads.
    fn sighting() -> Sighting {
        let etcd =
            |id: &str| EtcdSeen { id: id.to_owned(), leader: Some("c".to_owned()), ..EtcdSeen::default() };
        Sighting {
            postgres: [
                (name("postgres-1"), instance(true, 10, &[])),
                (name("postgres-2"), instance(false, 30, &["postgres-3"])),
                (name("postgres-3"), instance(true, 20, &[])),
            ]
            .into(),
            etcd: [("etcd-1", "a"), ("etcd-2", "b"), ("etcd-3", "c")]
                .map(|(member, id)| (name(member), Sight::Seen(etcd(id))))
                .into(),
            ..Sighting::default()
        }
    }

    /// The members a target names, as one text, or why it names nobody.
    fn named(target: &str, sighting: &Sighting) -> String {
        let target: Target = target.parse().expect("a target");
        match resolve(&target, &members(), sighting, &mut ChaCha8Rng::seed_from_u64(7)) {
            Ok(found) => found.iter().map(MemberId::as_str).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_target_names_whom_it_says() {
        let lab = sighting();
        for (target, members) in [
            ("primary", "postgres-2"),
            ("replica", "postgres-1"),
            ("replica:all", "postgres-1 postgres-3"),
            ("replica:most-advanced", "postgres-3"),
            ("replica:most-lagging", "postgres-1"),
            ("replica:sync", "postgres-3"),
            ("postgres:all", "postgres-1 postgres-2 postgres-3"),
            ("postgres-3", "postgres-3"),
            ("etcd:leader", "etcd-3"),
            ("etcd:follower", "etcd-1"),
            ("etcd:minority", "etcd-1"),
            ("etcd:majority", "etcd-1 etcd-2"),
            ("balancer:any", "balancer-1"),
            ("balancer:all", "balancer-1 balancer-2"),
            ("random(3) of postgres:all", "postgres-1 postgres-2 postgres-3"),
        ] {
            assert_eq!(named(target, &lab), members, "{target}");
        }
    }

    #[test]
    fn nobody_is_an_error_and_never_an_empty_list() {
        let blind = Sighting::default();
        for target in ["primary", "replica:all", "etcd:leader", "etcd:follower", "replica:sync"] {
            assert!(named(target, &blind).contains("matches nothing"), "{target}: {}", named(target, &blind));
        }
        let lab = sighting();
        for target in
            ["postgres-9", "etcd:etcd-9", "random(4) of postgres:all", "host:h1", "rest", "controller:repair"]
        {
            assert!(named(target, &lab).contains("matches nothing"), "{target}: {}", named(target, &lab));
        }
    }

    #[test]
    fn who_lies_dead_is_drawn_last() {
        let mut lab = sighting();
        let dead = PostgresSeen {
            sql: Sight::Blind("refused".to_owned()),
            patroni: Sight::Blind("refused".to_owned()),
        };
        lab.postgres.insert("postgres-1".parse().expect("a name"), dead);
        assert_eq!(named("random(2) of postgres:all", &lab), "postgres-2 postgres-3");
        assert_eq!(named("random(3) of postgres:all", &lab), "postgres-1 postgres-2 postgres-3");
    }

    #[test]
    fn the_seed_chooses() {
        let lab = sighting();
        let chosen = named("random(1) of postgres:all", &lab);
        assert_eq!(chosen, named("random(1) of postgres:all", &lab));
        assert!(chosen.starts_with("postgres-"), "{chosen}");
    }
}
