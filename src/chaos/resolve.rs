//! From a target in words to members, at the instant of injection. Pure.

use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::model::target::{EtcdPick, Replica, Which};
use crate::model::{Member, MemberId, Service, Sighting, Target};

/// Why a target names nobody right now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("target `{target}` matches nothing: {why}")]
pub struct NoMatch {
    /// The target.
    pub target: Target,
    /// Why.
    pub why: String,
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
            let mut chosen: Vec<MemberId> = from.choose_multiple(chance, count).cloned().collect();
            chosen.sort();
            chosen
        }
        Target::Controller(_) => return Err(no("this lab declares no controllers")),
        Target::Host(_) | Target::HostOf(_) | Target::HostSpare | Target::Rest => {
            return Err(no("this verb acts on bodies, and this target names hosts"));
        }
    };
    if found.is_empty() { Err(no("no such member right now")) } else { Ok(found) }
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
