//! Whom a fault hits: written as text in scenario files, resolved when the fault is injected.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::id::{HostName, MemberId, Name};

/// A description of one or more bodies or hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// `primary`: the body that accepts writes.
    Primary,
    /// `replica`, `replica:all`, `replica:most-advanced`, `replica:most-lagging`, `replica:sync`.
    Replica(Replica),
    /// `postgres:all` or `postgres:postgres-1`; also the bare member name.
    Postgres(Which),
    /// `etcd:leader`, `etcd:follower`, `etcd:minority`, `etcd:majority`, `etcd:all` or a member name.
    Etcd(EtcdPick),
    /// `balancer:any`, `balancer:all` or a member name.
    Balancer(Which),
    /// `controller:repair`, `controller:scaling:active`, `controller:all`.
    Controller(String),
    /// `host:h1`.
    Host(HostName),
    /// `host-of:primary`: the host that carries the target.
    HostOf(Box<Target>),
    /// `host:spare`: a host that carries no database body.
    HostSpare,
    /// `rest`: everything not named on the other side.
    Rest,
    /// `random(2) of replica:all`: so many, chosen by the seed.
    Random(u32, Box<Target>),
}

/// Which replicas a target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replica {
    /// One, the first by name.
    One,
    /// Every replica.
    All,
    /// The one that has received most WAL.
    MostAdvanced,
    /// The one that has received least.
    MostLagging,
    /// One that the primary names as synchronous.
    Sync,
}

/// Which members of etcd a target names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EtcdPick {
    /// The leader by raft.
    Leader,
    /// One member that follows a known leader.
    Follower,
    /// As many as may be lost without losing the quorum.
    Minority,
    /// As many as a quorum needs.
    Majority,
    /// Every member of etcd.
    All,
    /// The member of this name.
    Named(MemberId),
}

/// Which of several equal bodies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// One, the first by name.
    Any,
    /// Every member of the service.
    All,
    /// The member of this name.
    Named(MemberId),
}

/// Why a text is no [`Target`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no target")]
pub struct BadTarget(pub String);

impl BadTarget {
    /// What would have been one.
    pub const HINT: &str = "targets: primary, replica[:all|most-advanced|most-lagging|sync], postgres:all|NAME, \
        etcd:leader|follower|minority|majority|all|NAME, balancer:any|all|NAME, controller:repair|scaling|all[:active|:standby], \
        host:NAME|spare, host-of:TARGET, rest, random(N) of TARGET, or a member's name such as postgres-1";
}

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(text.to_owned());
        let member = |text: &str| MemberId::new(text).map_err(|_| bad());
        if let Some(rest) = text.strip_prefix("random(") {
            let (n, of) = rest.split_once(')').ok_or_else(bad)?;
            let n: u32 = n.trim().parse().map_err(|_| bad())?;
            let of = of.trim().strip_prefix("of ").ok_or_else(bad)?.trim().parse()?;
            return if n == 0 { Err(bad()) } else { Ok(Self::Random(n, Box::new(of))) };
        }
        if let Some(of) = text.strip_prefix("host-of:") {
            return Ok(Self::HostOf(Box::new(of.parse().map_err(|_| bad())?)));
        }
        let (kind, pick) = match text.split_once(':') {
            Some((kind, pick)) => (kind, Some(pick)),
            None => (text, None),
        };
        let which = |pick: Option<&str>| match pick {
            None | Some("any") => Ok(Which::Any),
            Some("all") => Ok(Which::All),
            Some(other) => member(other).map(Which::Named),
        };
        Ok(match (kind, pick) {
            ("primary", None) => Self::Primary,
            ("rest", None) => Self::Rest,
            ("replica", None) => Self::Replica(Replica::One),
            ("replica", Some("all")) => Self::Replica(Replica::All),
            ("replica", Some("most-advanced")) => Self::Replica(Replica::MostAdvanced),
            ("replica", Some("most-lagging")) => Self::Replica(Replica::MostLagging),
            ("replica", Some("sync")) => Self::Replica(Replica::Sync),
            ("postgres", Some(_)) => Self::Postgres(which(pick)?),
            ("balancer", Some(_)) => Self::Balancer(which(pick)?),
            ("etcd", Some("leader")) => Self::Etcd(EtcdPick::Leader),
            ("etcd", Some("follower")) => Self::Etcd(EtcdPick::Follower),
            ("etcd", Some("minority")) => Self::Etcd(EtcdPick::Minority),
            ("etcd", Some("majority")) => Self::Etcd(EtcdPick::Majority),
            ("etcd", Some("all")) => Self::Etcd(EtcdPick::All),
            ("etcd", Some(other)) => Self::Etcd(EtcdPick::Named(member(other)?)),
            ("controller", Some(pick)) => {
                let (who, state) = pick.split_once(':').unwrap_or((pick, "active"));
                Name::new(who).map_err(|_| bad())?;
                if !matches!(state, "active" | "standby") {
                    return Err(bad());
                }
                Self::Controller(pick.to_owned())
            }
            ("host", Some("spare")) => Self::HostSpare,
            ("host", Some(host)) => Self::Host(HostName::new(host).map_err(|_| bad())?),
            (bare, None) if bare.starts_with("postgres-") => Self::Postgres(Which::Named(member(bare)?)),
            (bare, None) if bare.starts_with("etcd-") => Self::Etcd(EtcdPick::Named(member(bare)?)),
            (bare, None) if bare.starts_with("balancer-") => Self::Balancer(Which::Named(member(bare)?)),
            _ => return Err(bad()),
        })
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Named(name) => write!(f, "{name}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Primary => f.write_str("primary"),
            Self::Replica(Replica::One) => f.write_str("replica"),
            Self::Replica(Replica::All) => f.write_str("replica:all"),
            Self::Replica(Replica::MostAdvanced) => f.write_str("replica:most-advanced"),
            Self::Replica(Replica::MostLagging) => f.write_str("replica:most-lagging"),
            Self::Replica(Replica::Sync) => f.write_str("replica:sync"),
            Self::Postgres(which) => write!(f, "postgres:{which}"),
            Self::Etcd(EtcdPick::Leader) => f.write_str("etcd:leader"),
            Self::Etcd(EtcdPick::Follower) => f.write_str("etcd:follower"),
            Self::Etcd(EtcdPick::Minority) => f.write_str("etcd:minority"),
            Self::Etcd(EtcdPick::Majority) => f.write_str("etcd:majority"),
            Self::Etcd(EtcdPick::All) => f.write_str("etcd:all"),
            Self::Etcd(EtcdPick::Named(name)) => write!(f, "etcd:{name}"),
            Self::Balancer(which) => write!(f, "balancer:{which}"),
            Self::Controller(pick) => write!(f, "controller:{pick}"),
            Self::Host(name) => write!(f, "host:{name}"),
            Self::HostOf(of) => write!(f, "host-of:{of}"),
            Self::HostSpare => f.write_str("host:spare"),
            Self::Rest => f.write_str("rest"),
            Self::Random(n, of) => write!(f, "random({n}) of {of}"),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = BadTarget;
    fn try_from(text: String) -> Result<Self, BadTarget> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": BadTarget::HINT })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_reads_back_as_it_was_written() {
        for text in [
            "primary",
            "replica",
            "replica:all",
            "replica:most-advanced",
            "replica:most-lagging",
            "replica:sync",
            "postgres:all",
            "postgres:postgres-1",
            "etcd:leader",
            "etcd:follower",
            "etcd:minority",
            "etcd:majority",
            "etcd:all",
            "etcd:etcd-2",
            "balancer:any",
            "balancer:all",
            "balancer:balancer-1",
            "controller:repair",
            "controller:scaling:standby",
            "host:h1",
            "host:spare",
            "host-of:primary",
            "rest",
            "random(2) of replica:all",
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), text);
        }
        assert_eq!(
            "postgres-1".parse(),
            Ok(Target::Postgres(Which::Named(MemberId::new("postgres-1").expect("a name"))))
        );
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in [
            "",
            "primary:1",
            "replica:best",
            "etcd",
            "host:",
            "random(0) of replica",
            "random(1) replica",
            "db-1",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text}");
        }
    }
}
