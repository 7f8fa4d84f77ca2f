//! Sessions left behind, by the runner's looks at balancers and backends.
//!
//! A look counts when it sees a member take writes that was first seen to do so long enough before. Where hosts
//! carry which database, and whether it runs, is the engine's last word.

use std::collections::{BTreeMap, BTreeSet};

use crate::check::record::RunRecord;
use crate::model::lab::Service;
use crate::model::scenario::Endpoint;
use crate::model::sighting::{BalancerSeen, BodySeen, Sight, SqlSeen};
use crate::model::{ContainerStatus, HostName, MemberId, Mono, Name, Sighting};

/// Sessions on one server at one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSessions {
    /// When it was seen, on the machine's monotonic clock.
    pub at: Mono,
    /// The balancer that counted, or the member whose backends they are.
    pub seen_by: MemberId,
    /// The host of the server, or the balancer itself where sessions wait for one.
    pub on: Name,
    /// Sessions by the balancer's count.
    pub sessions: u32,
    /// Backends by the member's own.
    pub backends: u32,
}

/// Sessions that were left behind, at every look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Looks at a balancer that came late enough.
    pub counted: usize,
    /// Sessions left behind, in the order of the looks.
    pub kept: Vec<ServerSessions>,
}

impl Looks {
    /// The most at one look, by the balancers.
    #[must_use]
    pub fn most_sessions(&self) -> u64 {
        self.most(|kept| kept.sessions)
    }

    /// The most at one look, by the members.
    #[must_use]
    pub fn most_backends(&self) -> u64 {
        self.most(|kept| kept.backends)
    }

    fn most(&self, of: fn(&ServerSessions) -> u32) -> u64 {
        let mut by_look: BTreeMap<Mono, u64> = BTreeMap::new();
        for kept in &self.kept {
            *by_look.entry(kept.at).or_default() += u64::from(of(kept));
        }
        by_look.into_values().max().unwrap_or(0)
    }

    /// Where they were, as text: each host with who counted.
    #[must_use]
    pub fn places(&self) -> String {
        let counted = self.kept.iter().filter(|kept| kept.sessions > 0);
        let places: BTreeSet<String> =
            counted.map(|kept| format!("`{}` (`{}`)", kept.on, kept.seen_by)).collect();
        places.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Where the backends were.
    #[must_use]
    pub fn hosts(&self) -> String {
        let there = self.kept.iter().filter(|kept| kept.backends > 0);
        let hosts: BTreeSet<String> = there.map(|kept| format!("`{}`", kept.seen_by)).collect();
        hosts.into_iter().collect::<Vec<_>>().join(", ")
    }
}

/// Walks the looks in order.
pub fn measure(record: &RunRecord, after: u64) -> Looks {
    let mut walk = LookWalk::new(record, after);
    for seen in record.sightings_in_order() {
        walk.bodies(seen);
        walk.look(seen);
    }
    walk.looks
}

struct LookWalk {
    after: u64,
    /// What sessions of loads on 5432 call themselves.
    writers: BTreeSet<String>,
    host: BTreeMap<MemberId, HostName>,
    /// Hosts that carry no running database, since when.
    dead: BTreeMap<HostName, Mono>,
    running: Option<BTreeSet<HostName>>,
    leader: Option<(MemberId, Mono)>,
    /// Sessions that no server has: by balancer and port, since when, and how many at the least since then.
    unserved: BTreeMap<(MemberId, Endpoint), (Mono, u32)>,
    looks: Looks,
}

impl LookWalk {
    fn new(record: &RunRecord, after: u64) -> Self {
        let writers = record.scenario.loads.iter().filter(|load| load.endpoint == Some(Endpoint::Rw));
        let carried = record.resolved.members.iter().filter(|member| member.service == Service::Postgres);
        Self {
            after,
            writers: writers.map(|load| format!("pgha-{}", load.name)).collect(),
            host: carried.map(|member| (member.id.clone(), member.host.clone())).collect(),
            dead: BTreeMap::new(),
            running: None,
            leader: None,
            unserved: BTreeMap::new(),
            looks: Looks::default(),
        }
    }

    fn bodies(&mut self, seen: &Sighting) {
        if seen.bodies.is_empty() {
            return;
        }
        let databases = || seen.bodies.iter().filter(|(_, body)| body.service == Service::Postgres.as_str());
        self.host.extend(databases().map(|(member, body)| (member.clone(), body.host.clone())));
        let runs = |body: &BodySeen| matches!(body.status, ContainerStatus::Running);
        self.running =
            Some(databases().filter(|(_, body)| runs(body)).map(|(_, body)| body.host.clone()).collect());
    }

    fn look(&mut self, seen: &Sighting) {
        let writes = primary(seen);
        if let Some(member) = writes
            && self.leader.as_ref().is_none_or(|(known, _)| known != member)
        {
            self.leader = Some((member.clone(), seen.at));
        }
        // the balancers are looked at even where nobody takes writes: since when a session hangs must be known
        let settled = |since: Mono| seen.at.0.saturating_sub(since.0) >= self.after;
        let leads = self.leader.clone().filter(|(_, since)| writes.is_some() && settled(*since));
        let leader = leads.map(|(member, _)| member);
        for (balancer, state) in &seen.balancers {
            self.balancer(seen.at, balancer, state, leader.as_ref());
        }
        if let Some(leader) = leader {
            self.backends(seen, &leader);
        }
    }

    fn balancer(&mut self, at: Mono, name: &MemberId, seen: &BalancerSeen, leader: Option<&MemberId>) {
        let home = leader.and_then(|leader| self.host.get(leader)).cloned();
        for (port, servers) in [(Endpoint::Rw, &seen.rw), (Endpoint::Ro, &seen.ro)] {
            let Sight::Seen(servers) = servers else { continue };
            self.looks.counted += usize::from(port == Endpoint::Rw && home.is_some());
            for (host, server) in servers {
                let dead = self.dead_for(at, host);
                let astray = home.as_ref().is_some_and(|home| match port {
                    Endpoint::Rw => home != host,
                    Endpoint::Ro => dead,
                });
                if astray && server.sessions > 0 {
                    let (seen_by, on, sessions) = (name.clone(), host.clone().into(), server.sessions);
                    self.looks.kept.push(ServerSessions { at, seen_by, on, sessions, backends: 0 });
                }
            }
            let now = if port == Endpoint::Rw { seen.unserved_rw } else { seen.unserved_ro };
            let sessions = self.unserved_for(at, (name.clone(), port), now, home.is_some());
            if sessions > 0 {
                let (seen_by, on) = (name.clone(), name.clone().into());
                self.looks.kept.push(ServerSessions { at, seen_by, on, sessions, backends: 0 });
            }
        }
    }

    /// Whether a host has carried no running database for so long.
    fn dead_for(&mut self, at: Mono, host: &HostName) -> bool {
        let Some(running) = &self.running else { return false };
        if running.contains(host) {
            self.dead.remove(host);
            return false;
        }
        let since = *self.dead.entry(host.clone()).or_insert(at);
        at.0.saturating_sub(since.0) >= self.after
    }

    /// Sessions that no server has had for so long, while somebody takes writes: those held until then do not count.
    fn unserved_for(&mut self, at: Mono, port: (MemberId, Endpoint), now: u32, settled: bool) -> u32 {
        if now == 0 || !settled {
            self.unserved.remove(&port);
            return 0;
        }
        let (since, least) = self.unserved.entry(port).or_insert((at, now));
        *least = now.min(*least);
        if at.0.saturating_sub(since.0) >= self.after { *least } else { 0 }
    }

    fn backends(&mut self, seen: &Sighting, leader: &MemberId) {
        let others = seen.postgres.iter().filter(|(member, _)| *member != leader);
        for (member, postgres) in others {
            let Sight::Seen(sql) = &postgres.sql else { continue };
            let backends: u32 = if sql.in_recovery { self.of_writers(sql) } else { 0 };
            let Some(host) = self.host.get(member).filter(|_| backends > 0) else { continue };
            let (at, seen_by, on) = (seen.at, member.clone(), host.clone());
            self.looks.kept.push(ServerSessions { at, seen_by, on: on.into(), sessions: 0, backends });
        }
    }

    fn of_writers(&self, sql: &SqlSeen) -> u32 {
        let backends = sql.backends.iter().filter(|(application, _)| self.writers.contains(*application));
        backends.map(|(_, number)| number).sum()
    }
}

/// The member that takes writes at a look: of several, the one on the newest timeline.
fn primary(seen: &Sighting) -> Option<&MemberId> {
    let sql = seen.postgres.iter().filter_map(|(member, postgres)| Some((member, postgres.sql.seen()?)));
    let writes = sql.filter(|(_, sql)| !sql.in_recovery && sql.writable == Some(true));
    writes.max_by_key(|(_, sql)| sql.timeline).map(|(member, _)| member)
}
