//! A lab in memory: three bodies under a Patroni that is the least that matters, a store with leases, a
//! broker and a balancer with their guards. What must always hold is asserted where an effect happens.

use std::collections::BTreeMap;

use pgha::control::Failed;
use pgha::decide::repair::{
    Held, InstanceSeen, LeaderSeen, Reply, RestReply, Routes, Seen, SqlReply, Step, StoreSeen,
};
use pgha::model::control::{Bodies, Proof, ProofLevel, Token};
use pgha::model::sighting::{BodySeen, PatroniSeen, ServerSeen};
use pgha::model::{ContainerStatus as Status, Lsn, Mono, Name, Sight};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Milliseconds a leader key and a controller's leadership last without renewal.
pub(super) const LEASE: [u64; 2] = [8_000, 2_000];
/// Faults and troubles end here, the run there.
pub(super) const CALM: u64 = 25_000;
pub(super) const END: u64 = 60_000;

/// What a wrong pair of hands does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    /// An engine that does not answer is taken for a dead leader.
    SilenceIsDeath,
    /// The broker does not compare the token.
    AnyToken,
    /// A lost leader key is shown as another member's, and no guard reads it again.
    NoGuard,
}

impl Mutant {
    /// What it breaks, in the words of the lab.
    pub(super) const fn breaks(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::SilenceIsDeath => "the key of a living body was released",
            Self::AnyToken => "an old controller acted",
            Self::NoGuard => "a body was started while nobody else led",
        }
    }
}

pub(super) struct Body {
    status: Status,
    primary: bool,
    lsn: u64,
}

pub(super) struct Lab {
    pub(super) now: u64,
    pub(super) chance: ChaCha8Rng,
    pub(super) mutant: Mutant,
    pub(super) bodies: Vec<Body>,
    /// Holder, revision and end of the lease.
    pub(super) key: Option<(usize, i64, u64)>,
    pub(super) gone_since: u64,
    pub(super) revision: i64,
    pub(super) active: Option<(usize, i64, u64)>,
    pub(super) parked: Vec<usize>,
    pub(super) doors: Vec<bool>,
    pub(super) engine_back: u64,
    pub(super) store_back: u64,
    pub(super) releases: u32,
    pub(super) broken: Option<String>,
    pub(super) earlier: Option<Seen>,
}

pub(super) fn member(n: usize) -> Name {
    Name::new(format!("postgres-{n}")).expect("a name")
}

pub(super) fn host(n: usize) -> Name {
    Name::new(format!("h{n}")).expect("a name")
}

pub(super) fn number(name: &Name) -> usize {
    name.as_str().trim_start_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

impl Lab {
    pub(super) fn new(seed: u64, mutant: Mutant) -> Self {
        let bodies = (0..3).map(|_| Body { status: Status::Running, primary: false, lsn: 0 }).collect();
        let chance = ChaCha8Rng::seed_from_u64(seed);
        Self {
            now: 0,
            chance,
            mutant,
            bodies,
            key: None,
            gone_since: 0,
            revision: 1,
            active: None,
            parked: Vec::new(),
            doors: vec![false; 3],
            engine_back: 0,
            store_back: 0,
            releases: 0,
            broken: None,
            earlier: None,
        }
    }

    fn runs(&self, n: usize) -> bool {
        self.bodies[n].status == Status::Running
    }

    fn broke(&mut self, what: &str) {
        let now = self.now;
        self.broken.get_or_insert_with(|| format!("{what} at {now} ms"));
    }

    /// Ten milliseconds of everybody but the controllers.
    pub(super) fn tick(&mut self) {
        self.now += 10;
        if self.now < CALM {
            self.fault();
        } else {
            // whoever froze something thaws it in the end
            for body in &mut self.bodies {
                if body.status == Status::Paused {
                    body.status = Status::Running;
                }
            }
        }
        let store = self.now >= self.store_back;
        if store && self.key.is_some_and(|(_, _, end)| end < self.now) {
            (self.key, self.gone_since) = (None, self.now);
        }
        if let Some((n, revision, _)) = self.key.filter(|(n, ..)| store && self.runs(*n)) {
            self.key = Some((n, revision, self.now + LEASE[0]));
            self.bodies[n].primary = true;
            self.bodies[n].lsn += 1;
            let lsn = self.bodies[n].lsn;
            for other in (0..3).filter(|other| *other != n) {
                if self.runs(other) && self.chance.random_bool(0.5) {
                    self.bodies[other].lsn = lsn;
                }
            }
        } else if store && self.key.is_none() && self.now > self.gone_since + 100 {
            let best = (0..3).filter(|n| self.runs(*n)).max_by_key(|n| self.bodies[*n].lsn);
            if let Some(n) = best {
                self.revision += 1;
                self.key = Some((n, self.revision, self.now + LEASE[0]));
            }
        }
        for n in 0..3 {
            let leads = self.key.is_some_and(|(holder, ..)| holder == n);
            if self.runs(n) && !leads {
                self.bodies[n].primary = false;
            }
            if self.now.is_multiple_of(1_000) && !self.parked.contains(&n) {
                self.doors[n] = self.runs(n) && leads;
            }
        }
    }

    fn fault(&mut self) {
        if !self.chance.random_bool(0.003) {
            return;
        }
        let n = self.chance.random_range(0..3);
        let others = (0..3).filter(|other| *other != n && self.runs(*other)).count();
        match self.chance.random_range(0..5) {
            0 | 1 if others > 0 => self.bodies[n].status = Status::Exited,
            2 if others > 0 && self.runs(n) => self.bodies[n].status = Status::Paused,
            3 => self.engine_back = self.now + 3_000,
            4 => self.store_back = self.now + 1_500,
            _ if self.bodies[n].status == Status::Paused => self.bodies[n].status = Status::Running,
            _ => {}
        }
    }

    pub(super) fn look(&self, proofs: &BTreeMap<String, Proof>) -> Seen {
        let mut seen = Seen { at: Mono(self.now * 1_000_000), proofs: proofs.clone(), ..Seen::default() };
        let lie = self.mutant == Mutant::SilenceIsDeath && self.now < self.engine_back;
        if self.now >= self.engine_back || lie {
            let mut bodies = Bodies::default();
            for n in 0..3 {
                let doomed = lie && self.key.is_some_and(|(holder, ..)| holder == n);
                let status = if doomed { Status::Exited } else { self.bodies[n].status };
                let body = |id, status, service: &str| BodySeen {
                    id,
                    status,
                    host: host(n),
                    service: service.to_owned(),
                    started: String::new(),
                    oom_killed: false,
                };
                bodies.members.insert(member(n), vec![body(format!("c{n}"), status, "postgres")]);
                bodies.hosts.insert(host(n), body(format!("s{n}"), Status::Running, "host"));
                if doomed {
                    let proof = Proof { level: ProofLevel::Dead, evidence: "silence".to_owned() };
                    seen.proofs.insert(format!("c{n}"), proof);
                }
            }
            seen.bodies = Sight::Seen(bodies);
        }
        if self.now >= self.store_back {
            let mut leader = self.key.map(|(n, revision, _)| (n, revision));
            if self.mutant == Mutant::NoGuard && leader.is_none() {
                leader = (0..3).find(|n| self.runs(*n)).map(|n| (n, 0));
            }
            seen.store = Sight::Seen(StoreSeen {
                leader: leader.map(|(n, revision)| LeaderSeen {
                    member: member(n),
                    mod_revision: revision,
                    lease: revision,
                }),
                initialized: true,
                parked: self.parked.iter().map(|n| (host(*n), member(*n))).collect(),
                ..StoreSeen::default()
            });
        }
        for (n, body) in self.bodies.iter().enumerate() {
            seen.postgres.insert(member(n), instance(body));
        }
        let word = |n: usize| if self.doors[n] { "UP" } else { "DOWN" }.to_owned();
        let rw = (0..3).map(|n| (host(n), ServerSeen { status: word(n), ..ServerSeen::default() })).collect();
        let routes = Routes { rw, ..Routes::default() };
        seen.balancers.insert(Name::new("balancer-1").expect("a name"), Sight::Seen(routes));
        seen
    }

    /// The effect of a step, with the guards of broker, store and balancers.
    pub(super) fn effect(
        &mut self,
        step: &Step,
        token: &Token,
        proofs: &mut BTreeMap<String, Proof>,
    ) -> Result<(), Failed> {
        let current = self.active.is_some_and(|(_, revision, _)| revision == token.revision);
        if self.mutant != Mutant::AnyToken && !current {
            return Err(Failed::NotLeader("an old token".to_owned()));
        }
        let life = step.disruptive() || matches!(step, Step::Release { .. });
        if life && !current {
            self.broke("an old controller acted");
        }
        if (step.disruptive() && self.now < self.engine_back) || self.now < self.store_back {
            return Err(Failed::Trouble("no answer".to_owned()));
        }
        let n = number(step.subject());
        match step {
            Step::Close { park, .. } => {
                if *park && !self.parked.contains(&n) {
                    self.parked.push(n);
                }
                self.doors[n] = false;
            }
            Step::Open { .. } => self.doors[n] = !self.parked.contains(&n),
            Step::Unpark { .. } => self.parked.retain(|parked| *parked != n),
            Step::Wake { .. } => {}
            Step::Fence { container, .. } => {
                self.bodies[n].status = Status::Exited;
                let proof = Proof { level: ProofLevel::Dead, evidence: "killed".to_owned() };
                proofs.insert(container.clone(), proof);
            }
            Step::Start { container, .. } => {
                let else_leads = self.key.is_some_and(|(holder, ..)| holder != n);
                if !else_leads && self.mutant != Mutant::NoGuard {
                    return Err(Failed::Guard("nobody else leads".to_owned()));
                }
                if !else_leads {
                    self.broke("a body was started while nobody else led");
                }
                proofs.remove(container);
                if self.bodies[n].status == Status::Exited {
                    (self.bodies[n].status, self.bodies[n].primary) = (Status::Running, false);
                }
            }
            Step::Release { mod_revision, .. } => {
                if self.key.is_none_or(|(holder, revision, _)| (holder, revision) != (n, *mod_revision)) {
                    return Err(Failed::Guard("another key".to_owned()));
                }
                if self.bodies[n].status != Status::Exited {
                    self.broke("the key of a living body was released");
                }
                self.releases += 1;
                (self.key, self.gone_since) = (None, self.now);
            }
        }
        Ok(())
    }

    pub(super) fn whole(&self) -> Result<(), String> {
        let Some((leader, ..)) = self.key else { return Err("no leader".to_owned()) };
        let dead: Vec<usize> = (0..3).filter(|n| !self.runs(*n)).collect();
        let doors: Vec<usize> = (0..3).filter(|n| self.doors[*n]).collect();
        if dead.is_empty() && doors == [leader] && self.parked.is_empty() {
            return Ok(());
        }
        Err(format!("leader {leader}, dead {dead:?}, doors {doors:?}, parked {:?}", self.parked))
    }
}

pub(super) fn instance(body: &Body) -> InstanceSeen {
    match body.status {
        Status::Running => {
            let role = if body.primary { "primary" } else { "replica" };
            let patroni = PatroniSeen {
                role: role.to_owned(),
                state: "streaming".to_owned(),
                timeline: Some(1),
                lsn: Some(Lsn(body.lsn)),
                ..PatroniSeen::default()
            };
            InstanceSeen {
                held: Held::Quick,
                sql: Reply::Answers(SqlReply { in_recovery: !body.primary }),
                rest: Reply::Answers(RestReply { patroni, loop_runs: true }),
            }
        }
        Status::Paused => {
            let hangs = || String::new();
            InstanceSeen { sql: Reply::Hangs(hangs()), rest: Reply::Hangs(hangs()), held: Held::Silent }
        }
        _ => InstanceSeen {
            sql: Reply::Refuses(String::new()),
            rest: Reply::Refuses(String::new()),
            held: Held::None,
        },
    }
}
