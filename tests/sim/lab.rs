//! A lab in memory: three databases on six hosts, whoever takes their place and whoever stands beside them, under a Patroni that is the least that matters, a store with leases, a
//! broker and a balancer with their guards. What must always hold is asserted where an effect happens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use pgha::control::Failed;
use pgha::decide::repair::{
    ConnectionReply, DiskSeen, HandoverSeen, HeldConnection, InstanceSeen, LeaderSeen, RepairSeen,
    RepairStep, RepairStoreSeen, RestReply, SqlReply, StoredMemory, WishSeen,
};
use pgha::model::control::{Bodies, Proof, ProofLevel, Replacing, Token};
use pgha::model::sighting::{BodySeen, PatroniSeen};
use pgha::model::{
    Bytes, ContainerStatus as Status, HostName, Lsn, Member, MemberId, Mono, Service, Sight, Size,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::others::Others;
use crate::time::named;

/// Milliseconds a leader key and a controller's leadership last without renewal.
pub(super) const LEASE: [u64; 2] = [8_000, 2_000];
/// Faults and troubles end here; whoever is not whole by then never is.
pub(super) const CALM: u64 = 25_000;
pub(super) const END: u64 = 200_000;
/// So long it must have been whole without a break.
pub(super) const STAYS: u64 = 10_000;

/// In some runs the leadership is lost so often, whatever happens.
const FLAPS: u64 = 4_000;

/// What a wrong pair of hands does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutant {
    None,
    /// An engine that does not answer is taken for a dead leader.
    SilenceIsDeath,
    /// The broker does not compare the token.
    AnyToken,
    /// A member that is still being cloned is shown as one that streams.
    ClonesCount,
    /// A primary that was asked to hand over is taken for one that has stopped.
    Hasty,
    /// A lost leader key is shown as another member's, and no guard reads it again.
    NoGuard,
    /// A body that is cut off is shown as one that is doomed.
    CutOffIsDoom,
    /// A balancer that has not looked yet is shown as one that routes.
    NewIsReady,
    /// Whoever becomes the active controller remembers nothing.
    Forgets,
}

/// What a process of a controller was told of the bodies it fenced, by container.
#[derive(Clone, Default)]
pub(super) struct Proofs {
    pub(super) proofs: BTreeMap<String, Proof>,
    pub(super) fenced: BTreeMap<String, i64>,
}

impl Mutant {
    /// What it breaks, in the words of the lab.
    pub(super) const fn breaks(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::SilenceIsDeath | Self::CutOffIsDoom => "the key of a living body was released",
            Self::ClonesCount => "a member left before another took its place",
            Self::NewIsReady => "one of them left before another took its place",
            Self::AnyToken => "an old controller acted",
            Self::Hasty => "the key of a primary that runs was taken",
            Self::NoGuard => "a body was started while nobody else led",
            Self::Forgets => "as they should be",
        }
    }
}

/// Hosts that may carry a PostgreSQL.
const HOSTS: usize = 6;

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that can be wrong with it, beside the others"
)]
pub(super) struct Body {
    status: Status,
    primary: bool,
    lsn: u64,
    host: usize,
    /// Whether it has a container.
    there: bool,
    /// Whether the lab's record names it.
    placed: bool,
    /// When its copy of the data is complete.
    ready: u64,
    /// Since when its PostgreSQL is stopped for a handover.
    stopped: Option<u64>,
    /// Whether its body is what the record says; each goes wrong once.
    drift: Drift,
    /// Its disk hangs: it serves reads, keeps its key, and dies only when the disk moves again.
    hung: bool,
    /// It was killed meanwhile.
    doomed: bool,
}

/// Whether a body is what the record says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Drift {
    No,
    Is,
    Was,
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
    /// Whose host is parked.
    pub(super) parked: Vec<usize>,
    /// 5432, by host.
    pub(super) doors: Vec<bool>,
    /// Until when a host has no power.
    host_back: Vec<u64>,
    replacing: Option<Replacing>,
    /// How many there should be, and who is named as one too many.
    wanted: usize,
    leaving: BTreeSet<usize>,
    pub(super) seen_out: u32,
    pub(super) made_anew: u32,
    pub(super) retirements: u32,
    pub(super) engine_back: u64,
    pub(super) store_back: u64,
    pub(super) releases: u32,
    pub(super) yields: u32,
    /// How many keys of bodies were released that were doomed and not dead.
    pub(super) dooms: u32,
    /// Revision of a handover that controllers are asked for.
    wish: Option<i64>,
    /// A handover that Patroni is asked for: from whom, to whom, revision and when.
    handover: Option<(usize, usize, i64, u64)>,
    /// Revision of the empty word that Patroni leaves when a handover is done; 0: there was none.
    idle: i64,
    pub(super) others: Others,
    pub(super) broken: Option<String>,
    pub(super) earlier: Option<RepairSeen>,
    /// What controllers write down for one another.
    pub(super) kept: StoredMemory,
    /// Whether the leadership is lost and taken anew all the time.
    flaps: bool,
}

pub(super) fn member(n: usize) -> MemberId {
    static NAMES: OnceLock<Vec<MemberId>> = OnceLock::new();
    // here they are counted from 0
    n.checked_sub(1).map_or_else(
        || MemberId::new("postgres-0").expect("a name"),
        |before| named(&NAMES, "postgres-", before),
    )
}

pub(super) fn host(n: usize) -> HostName {
    static NAMES: OnceLock<Vec<HostName>> = OnceLock::new();
    named(&NAMES, "h", n)
}

pub(super) fn number(name: &impl AsRef<str>) -> usize {
    name.as_ref().trim_start_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number")
}

impl Lab {
    pub(super) fn new(seed: u64, mutant: Mutant) -> Self {
        let body = |host| Body {
            status: Status::Running,
            primary: false,
            lsn: 0,
            host,
            there: true,
            placed: true,
            ready: 0,
            stopped: None,
            drift: Drift::No,
            hung: false,
            doomed: false,
        };
        let bodies = (0..3).map(body).collect();
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
            doors: vec![false; HOSTS],
            host_back: vec![0; HOSTS],
            replacing: None,
            wanted: 3,
            leaving: BTreeSet::new(),
            seen_out: 0,
            made_anew: 0,
            retirements: 0,
            engine_back: 0,
            store_back: 0,
            releases: 0,
            yields: 0,
            dooms: 0,
            wish: None,
            handover: None,
            idle: 0,
            others: Others::new(),
            broken: None,
            earlier: None,
            kept: StoredMemory::default(),
            flaps: seed % 4 == 1,
        }
    }

    fn runs(&self, n: usize) -> bool {
        self.bodies[n].there && self.bodies[n].status == Status::Running && !self.bodies[n].doomed
    }

    /// Its disk goes on: who was killed meanwhile dies at last.
    fn thaw(&mut self, n: usize) {
        let body = &mut self.bodies[n];
        if body.doomed {
            body.status = Status::Exited;
        }
        (body.hung, body.doomed) = (false, false);
    }

    fn powered(&self, host: usize) -> bool {
        self.now >= self.host_back[host]
    }

    /// Numbers of everybody there ever was.
    fn all(&self) -> std::ops::Range<usize> {
        0..self.bodies.len()
    }

    /// Whether it has all the data and runs.
    fn whole_copy(&self, n: usize) -> bool {
        let body = &self.bodies[n];
        self.runs(n) && !body.hung && body.stopped.is_none() && self.now >= body.ready
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
            for n in self.all() {
                if self.bodies[n].status == Status::Paused {
                    self.bodies[n].status = Status::Running;
                }
                self.thaw(n);
            }
        }
        if self.flaps && self.now.is_multiple_of(FLAPS) {
            self.active = None;
        }
        self.scaling();
        self.others.scaling(self.now >= CALM, self.replacing.as_ref(), &mut self.chance);
        let store = self.now >= self.store_back;
        if store {
            self.hand_over();
        }
        if store && self.key.is_some_and(|(_, _, end)| end < self.now) {
            (self.key, self.gone_since) = (None, self.now);
        }
        if let Some((n, revision, _)) = self.key.filter(|(n, ..)| store && self.runs(*n)) {
            self.key = Some((n, revision, self.now + LEASE[0]));
            let serves = self.bodies[n].stopped.is_none();
            self.bodies[n].primary = serves;
            self.bodies[n].lsn += u64::from(serves && !self.bodies[n].hung);
            let lsn = self.bodies[n].lsn;
            for other in self.all().filter(|other| *other != n) {
                if self.whole_copy(other) && self.chance.random_bool(0.5) {
                    self.bodies[other].lsn = lsn;
                }
            }
        } else if store && self.key.is_none() && self.now > self.gone_since + 100 {
            let named = self.handover.map(|(_, to, ..)| to).filter(|to| self.whole_copy(*to));
            let best = self.all().filter(|n| self.whole_copy(*n)).max_by_key(|n| self.bodies[*n].lsn);
            if let Some(n) = named.or(best) {
                self.revision += 1;
                self.key = Some((n, self.revision, self.now + LEASE[0]));
            }
        }
        for n in self.all() {
            let leads = self.key.is_some_and(|(holder, ..)| holder == n);
            if self.runs(n) && !leads {
                self.bodies[n].primary = false;
            }
        }
        if self.now.is_multiple_of(1_000) {
            let leads = self.key.map(|(holder, ..)| holder).filter(|holder| self.runs(*holder));
            let leads = leads.map(|holder| self.bodies[holder].host);
            for host in 0..HOSTS {
                if !self.is_parked(host) {
                    self.doors[host] = leads == Some(host);
                }
            }
        }
    }

    /// What Patroni does for a handover: it stops the leader's PostgreSQL, looks a second later and gives the key away;
    /// whoever has it then clears the word, and who was stopped follows.
    fn hand_over(&mut self) {
        let holder = self.key.map(|(holder, ..)| holder);
        for n in self.all() {
            let Some(since) = self.bodies[n].stopped else { continue };
            let follows = holder.is_some_and(|holder| holder != n) || self.now > since + 3_000;
            if !self.runs(n) || follows {
                self.bodies[n].stopped = None;
            } else if holder == Some(n) && self.now > since + 1_000 {
                (self.key, self.gone_since) = (None, self.now);
            }
        }
        let Some((from, to, _, when)) = self.handover else { return };
        let over = holder.is_some_and(|holder| holder != from) && self.now > when + 100;
        let refused = holder == Some(from) && (!self.whole_copy(to) || from == to);
        if over || refused {
            self.revision += 1;
            (self.handover, self.idle) = (None, self.revision);
        } else if holder == Some(from) && self.runs(from) && !self.bodies[from].hung && self.now > when + 200
        {
            let body = &mut self.bodies[from];
            (body.primary, body.stopped) = (false, Some(body.stopped.unwrap_or(self.now)));
        }
    }

    /// Somebody wants another leader: by the controllers, or by Patroni itself.
    fn operator(&mut self) {
        if !self.chance.random_bool(0.002) {
            return;
        }
        self.revision += 1;
        if self.chance.random_bool(0.7) {
            self.wish.get_or_insert(self.revision);
        } else if let (None, Some((from, ..))) = (self.handover, self.key) {
            let to = self.chance.random_range(self.all());
            self.handover = Some((from, to, self.revision, self.now));
        }
    }

    /// Scaling as bad as its broker lets it be while there is trouble: it wants another number at any time and names
    /// anybody, the leader and whoever is being cloned among them. Then as it is.
    fn scaling(&mut self) {
        let placed: Vec<usize> = self.all().filter(|n| self.bodies[*n].placed).collect();
        let stay = placed.iter().filter(|n| !self.leaving.contains(n)).count();
        let holder = self.key.map(|(holder, ..)| holder);
        if self.now < CALM {
            if self.chance.random_bool(0.0005) {
                self.wanted = self.chance.random_range(3..=5);
                self.leaving.clear();
            } else if stay > self.wanted && self.chance.random_bool(0.01) {
                let n = placed[self.chance.random_range(0..placed.len())];
                self.leaving.insert(n);
            } else if self.chance.random_bool(0.001) {
                self.leaving.clear();
            }
        } else if self.leaving.iter().any(|n| holder == Some(*n)) {
            self.leaving.clear();
        } else if self.replacing.is_none()
            && self.leaving.iter().all(|n| self.runs(*n))
            && let Some(dead) = placed.iter().copied().find(|n| holder != Some(*n) && !self.runs(*n))
            && !self.leaving.is_empty()
        {
            self.leaving = BTreeSet::from([dead]);
        } else if stay > self.wanted && self.leaving.is_empty() && self.replacing.is_none() {
            let may = placed.into_iter().filter(|n| holder.is_some_and(|holder| holder != *n));
            self.leaving.extend(may.max_by_key(|n| (!self.runs(*n), *n)));
        }
    }

    fn fault(&mut self) {
        self.operator();
        if self.chance.random_bool(0.001) {
            self.others.fault(&mut self.chance);
        }
        if !self.chance.random_bool(0.003) {
            return;
        }
        let n = self.chance.random_range(self.all());
        let others = self.all().filter(|other| *other != n && self.whole_copy(*other)).count();
        match self.chance.random_range(0..9) {
            7 if self.bodies[n].hung => self.thaw(n),
            7 if others > 0 && self.runs(n) => self.bodies[n].hung = true,
            5 if others > 0 && self.runs(n) => self.bodies[n].there = false,
            6 if others > 0 && self.bodies[n].placed => {
                let host = self.bodies[n].host;
                // one may be lost for good: there is room for everybody on the others
                // and etcd keeps its quorum: nobody brings back one that is lost
                let good = self.host_back.iter().all(|back| *back <= END)
                    && self.chance.random_bool(0.2)
                    && self.others.spare(host);
                self.host_back[host] = if good { END + 1 } else { self.now + 6_000 };
                for body in self.bodies.iter_mut().filter(|body| body.host == host) {
                    (body.status, body.hung, body.doomed) = (Status::Exited, false, false);
                }
                self.others.fall(host);
            }
            8 if self.bodies[n].there && self.bodies[n].drift == Drift::No => {
                self.bodies[n].drift = Drift::Is;
            }
            0 | 1 if others > 0 => self.bodies[n].status = Status::Exited,
            2 if others > 0 && self.runs(n) => self.bodies[n].status = Status::Paused,
            3 => self.engine_back = self.now + 3_000,
            4 => self.store_back = self.now + 1_500,
            _ if self.bodies[n].status == Status::Paused => self.bodies[n].status = Status::Running,
            _ => {}
        }
    }

    fn is_parked(&self, host: usize) -> bool {
        self.parked.iter().any(|n| self.bodies[*n].host == host)
    }

    fn placed(&self) -> Vec<Member> {
        let size = Size { cpus: 1.0, memory: Bytes::mib(256), disk: Bytes::gib(1) };
        let placed = self.bodies.iter().enumerate().filter(|(_, body)| body.placed);
        let place = |(n, body): (usize, &Body)| Member {
            id: member(n),
            service: Service::Postgres,
            host: host(body.host),
            size,
        };
        placed.map(place).collect()
    }

    pub(super) fn look(&self, told: &Proofs) -> RepairSeen {
        let (proofs, fenced) = (told.proofs.clone(), told.fenced.clone());
        let mut seen = RepairSeen { at: Mono(self.now * 1_000_000), proofs, fenced, ..RepairSeen::default() };
        if self.mutant == Mutant::CutOffIsDoom {
            for proof in seen.proofs.values_mut().filter(|proof| proof.level == ProofLevel::CutOff) {
                proof.level = ProofLevel::Doomed;
            }
        }
        let lie = self.mutant == Mutant::SilenceIsDeath && self.now < self.engine_back;
        if self.now >= self.engine_back || lie {
            let mut bodies = Bodies::default();
            bodies.placed = self.placed();
            bodies.counts = [(Service::Postgres, u32::try_from(self.wanted).expect("few"))].into();
            bodies.leaving = self.leaving.iter().map(|n| member(*n)).collect();
            bodies.retired = self.all().filter(|n| !self.bodies[*n].placed).map(member).collect();
            let body = |id, status, at: usize, service: &str| BodySeen {
                id,
                status,
                host: host(at),
                service: service.to_owned(),
                started: String::new(),
                oom_killed: false,
            };
            for at in 0..HOSTS {
                let status = if self.powered(at) { Status::Running } else { Status::Exited };
                bodies.hosts.insert(host(at), body(format!("s{at}"), status, at, "host"));
            }
            for n in self.all().filter(|n| self.bodies[*n].there) {
                let doomed = lie && self.key.is_some_and(|(holder, ..)| holder == n);
                let status = if doomed { Status::Exited } else { self.bodies[n].status };
                let its = body(format!("c{n}"), status, self.bodies[n].host, "postgres");
                bodies.members.insert(member(n), vec![its]);
                if self.bodies[n].drift == Drift::Is {
                    bodies.drifted.insert(format!("c{n}"), "its image is another".to_owned());
                }
                if doomed {
                    let proof = Proof { level: ProofLevel::Dead, evidence: "silence".to_owned() };
                    seen.proofs.insert(format!("c{n}"), proof);
                }
            }
            self.others.show(&mut bodies);
            seen.bodies = Sight::Seen(bodies);
            seen.voters = self.others.voters(self.now);
        }
        if self.now >= self.store_back {
            let mut leader = self.key.map(|(n, revision, _)| (n, revision));
            if self.mutant == Mutant::NoGuard && leader.is_none() {
                leader = self.all().find(|n| self.runs(*n)).map(|n| (n, 0));
            }
            seen.store = Sight::Seen(RepairStoreSeen {
                leader: leader.map(|(n, revision)| LeaderSeen {
                    member: member(n),
                    mod_revision: revision,
                    lease: revision,
                }),
                initialized: true,
                handover: self.handover.map(|(from, to, mod_revision, _)| HandoverSeen {
                    from: Some(member(from)),
                    to: Some(member(to)),
                    scheduled: false,
                    mod_revision,
                }),
                wish: self.wish.map(|mod_revision| WishSeen {
                    candidate: None,
                    mod_revision,
                    idle: self.idle,
                }),
                parked: self.parked.iter().map(|n| (host(self.bodies[*n].host), member(*n))).collect(),
                replacing: self.replacing.clone(),
                asked: self.others.asked.iter().map(|id| (id.clone(), 1)).collect(),
                ..RepairStoreSeen::default()
            });
        }
        for n in self.all().filter(|n| self.bodies[*n].placed) {
            let cloning = self.now < self.bodies[n].ready && self.mutant != Mutant::ClonesCount;
            let mut one = instance(&self.bodies[n], cloning, self.now);
            let asked = self.handover.is_some_and(|(from, ..)| from == n) && self.mutant == Mutant::Hasty;
            if self.runs(n)
                && (asked || self.bodies[n].stopped.is_some())
                && let ConnectionReply::Answers(rest) = &mut one.rest
            {
                "stopping".clone_into(&mut rest.patroni.state);
                one.sql = ConnectionReply::Refuses(String::new());
            }
            seen.postgres.insert(member(n), one);
        }
        seen.controllers = self.others.well();
        seen.balancers.extend(self.others.routes(&self.doors, self.now, self.mutant == Mutant::NewIsReady));
        seen
    }

    /// The effect of a step, with the guards of broker, store and balancers.
    pub(super) fn effect(
        &mut self,
        step: &RepairStep,
        token: &Token,
        told: &mut Proofs,
    ) -> Result<(), Failed> {
        let current = self.active.is_some_and(|(_, revision, _)| revision == token.revision);
        if self.mutant != Mutant::AnyToken && !current {
            return Err(Failed::NotLeader("an old token".to_owned()));
        }
        let life = step.disruptive() || matches!(step, RepairStep::Release { .. });
        if life && !current {
            self.broke("an old controller acted");
        }
        if (step.disruptive() && self.now < self.engine_back) || self.now < self.store_back {
            return Err(Failed::Trouble("no answer".to_owned()));
        }
        let word = matches!(step, RepairStep::Intend { .. } | RepairStep::Forget { .. });
        if Others::means(&step.subject()) && !word {
            let powered: Vec<bool> = (0..HOSTS).map(|host| self.powered(host)).collect();
            let Self { others, replacing, chance, now, .. } = self;
            if let Some(broken) = others.effect(step, replacing.as_ref(), &powered, *now, chance)? {
                self.broke(broken);
            }
            return Ok(());
        }
        let n = number(&step.subject());
        match step {
            RepairStep::Close { park, member, .. } => {
                if *park {
                    self.park(number(member));
                }
                self.doors[n - 1] = false;
            }
            RepairStep::Open { member, .. } => {
                let body = &self.bodies[number(member)];
                if body.status != Status::Running || !body.primary {
                    return Err(Failed::Guard("it does not take writes".to_owned()));
                }
                self.doors[n - 1] = !self.is_parked(n - 1);
            }
            RepairStep::Unpark { .. } => {
                let bodies = &self.bodies;
                self.parked.retain(|parked| bodies[*parked].host != n - 1);
            }
            RepairStep::Create { .. }
            | RepairStep::Intend { .. }
            | RepairStep::Retire { .. }
            | RepairStep::Forget { .. } => {
                return self.membership(step, n);
            }
            RepairStep::Discard { .. } => {
                if self.bodies[n].placed {
                    self.broke("the volumes of a member of the lab were removed");
                }
            }
            RepairStep::Remove { .. } => self.broke("a container of the record was removed"),
            RepairStep::Wake { .. }
            | RepairStep::EndSessions { .. }
            | RepairStep::Standbys { .. }
            | RepairStep::Prepare { .. }
            | RepairStep::Shut { .. }
            | RepairStep::Reopen { .. } => {}
            RepairStep::DrainReads { member, .. } => self.park(number(member)),
            RepairStep::Drain { .. } | RepairStep::HandOver { .. } | RepairStep::Yield { .. } => {
                return self.planned(step, n);
            }
            RepairStep::Fence { container, key, .. } => return self.fence(n, container, *key, told),
            RepairStep::End { .. } => return self.end(n),
            RepairStep::Start { container, alone, .. } => {
                // alone it leads again by its own key, or lets Patroni's election decide
                let alone = *alone && self.key.is_none_or(|(holder, ..)| holder == n);
                let may = alone || self.key.is_some_and(|(holder, ..)| holder != n);
                if !may && self.mutant != Mutant::NoGuard {
                    return Err(Failed::Guard("nobody else leads".to_owned()));
                }
                if !may {
                    self.broke("a body was started while nobody else led");
                }
                told.proofs.remove(container);
                told.fenced.remove(container);
                if !self.bodies[n].there || !self.powered(self.bodies[n].host) {
                    return Err(Failed::Trouble("no such container, or no host".to_owned()));
                }
                if self.bodies[n].status == Status::Exited {
                    (self.bodies[n].status, self.bodies[n].primary) = (Status::Running, false);
                }
            }
            RepairStep::Release { mod_revision, .. } => {
                if self.key.is_none_or(|(holder, revision, _)| (holder, revision) != (n, *mod_revision)) {
                    return Err(Failed::Guard("another key".to_owned()));
                }
                let body = &self.bodies[n];
                self.dooms += u32::from(body.there && body.doomed);
                if body.there && body.status != Status::Exited && !body.doomed {
                    self.broke("the key of a living body was released");
                }
                self.releases += 1;
                (self.key, self.gone_since) = (None, self.now);
            }
        }
        Ok(())
    }

    /// A host is out of reach of the checks, for the sake of this member.
    fn park(&mut self, owner: usize) {
        if !self.parked.contains(&owner) {
            self.parked.push(owner);
        }
    }

    /// A body that is stuck is ended while nobody leads.
    fn end(&mut self, n: usize) -> Result<(), Failed> {
        if self.key.is_some() {
            return Err(Failed::Guard("somebody leads".to_owned()));
        }
        if !self.bodies[n].hung {
            self.bodies[n].status = Status::Exited;
        }
        Ok(())
    }

    /// A body that cannot die is cut off, and doomed when the seed says so.
    fn fence(
        &mut self,
        n: usize,
        container: &str,
        key: Option<i64>,
        told: &mut Proofs,
    ) -> Result<(), Failed> {
        let holds = |revision| self.key.is_some_and(|(holder, now, _)| (holder, now) == (n, revision));
        let else_leads = self.key.is_some_and(|(holder, ..)| holder != n);
        if !key.map_or(else_leads, holds) {
            return Err(Failed::Guard("another key".to_owned()));
        }
        let dies = self.chance.random_bool(0.5);
        let body = &mut self.bodies[n];
        let level = if !body.hung {
            body.status = Status::Exited;
            ProofLevel::Dead
        } else if body.doomed || dies {
            (body.doomed, body.primary) = (true, false);
            ProofLevel::Doomed
        } else {
            ProofLevel::CutOff
        };
        let proof = Proof { level, evidence: "fenced".to_owned() };
        told.proofs.insert(container.to_owned(), proof);
        if let Some(revision) = key {
            told.fenced.insert(container.to_owned(), revision);
        }
        Ok(())
    }

    /// What store and balancers do for a planned handover, with their guards.
    fn planned(&mut self, step: &RepairStep, n: usize) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let key = self.key.map(|(holder, revision, _)| (holder, revision));
        match step {
            RepairStep::Drain { member, .. } => {
                let owner = number(member);
                if !self.parked.contains(&owner) {
                    self.parked.push(owner);
                }
                self.doors[n - 1] = false;
            }
            RepairStep::HandOver { mod_revision, candidate, wish, idle, .. } => {
                let asked = self.handover.is_some() || self.idle != *idle;
                if key != Some((n, *mod_revision)) || self.wish != Some(*wish) || asked {
                    return guard("the key, the wish or the handover is another");
                }
                self.revision += 1;
                self.handover = Some((n, number(candidate), self.revision, self.now));
                self.wish = None;
            }
            RepairStep::Yield { mod_revision, handover, .. } => {
                let asked = self.handover.map(|(_, _, revision, _)| revision);
                if key != Some((n, *mod_revision)) || asked != Some(*handover) {
                    return guard("the key or the handover is another");
                }
                let stopped = self.runs(n) && self.bodies[n].stopped.is_some();
                if !stopped && self.mutant != Mutant::Hasty {
                    return guard("it has not stopped yet");
                }
                if !stopped {
                    self.broke("the key of a primary that runs was taken");
                }
                self.yields += 1;
                (self.key, self.gone_since) = (None, self.now);
            }
            _ => {}
        }
        Ok(())
    }

    /// What the broker and the store do for a replacement, with their guards.
    fn membership(&mut self, step: &RepairStep, n: usize) -> Result<(), Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let else_leads = self.key.is_some_and(|(holder, ..)| holder != n);
        match step {
            RepairStep::Create { host: on, .. } if else_leads => {
                let at = number(on) - 1;
                if !self.powered(at) {
                    return Err(Failed::Trouble("no host".to_owned()));
                }
                if n > self.bodies.len() || self.bodies.get(n).is_some_and(|body| !body.placed) {
                    return guard("not the next name");
                }
                if n == self.bodies.len() {
                    if self.bodies.iter().any(|body| body.placed && body.host == at) {
                        return guard("one stands there");
                    }
                    // of those that are to take a place some never come up
                    let never = self.replacing.is_some() && self.chance.random_bool(0.1);
                    let ready =
                        if never { u64::MAX } else { self.now + self.chance.random_range(500..4_000) };
                    let (status, host) = (Status::Running, at);
                    let (there, placed, stopped) = (true, true, None);
                    self.bodies.push(Body {
                        status,
                        primary: false,
                        lsn: 0,
                        host,
                        there,
                        placed,
                        ready,
                        stopped,
                        drift: Drift::No,
                        hung: false,
                        doomed: false,
                    });
                } else if !self.bodies[n].there || self.bodies[n].status == Status::Exited {
                    let body = &mut self.bodies[n];
                    (body.there, body.status, body.primary) = (true, Status::Running, false);
                    if body.drift == Drift::Is {
                        body.drift = Drift::Was;
                        self.made_anew += 1;
                    }
                }
            }
            RepairStep::Intend { service, member, by, host, why } => {
                if self.replacing.is_some() {
                    return guard("the key is there");
                }
                let (service, why) = (*service, why.clone());
                let (member, by, host) = (member.clone(), by.clone(), host.clone());
                let begun = Some(Mono(self.now * 1_000_000));
                let word = Replacing { service, member, by, host, why, begun };
                self.replacing = Some(word);
            }
            RepairStep::Retire { .. } if else_leads => {
                let left = self.bodies.iter().filter(|body| body.placed).count();
                if self.bodies[n].there && self.bodies[n].status != Status::Exited {
                    return guard("it runs");
                }
                if self.bodies[n].placed {
                    if left <= self.wanted {
                        return guard("too few would be left");
                    }
                    let word = self.replacing.as_ref().filter(|word| word.member == member(n));
                    let by = word.map(|word| number(&word.by));
                    let whole = |body: &Body| body.placed && self.now >= body.ready;
                    if by == Some(n) {
                        let others = self.all().filter(|other| *other != n && whole(&self.bodies[*other]));
                        if others.count() < self.wanted {
                            self.broke("a member left before another took its place");
                        }
                        self.seen_out += 1;
                    } else if self.replacing.as_ref().is_some_and(|word| number(&word.by) == n) {
                        // it never took the place it was made for
                    } else {
                        if by.and_then(|by| self.bodies.get(by)).is_none_or(|body| self.now < body.ready) {
                            self.broke("a member left before another took its place");
                        }
                        self.retirements += 1;
                    }
                    self.leaving.remove(&n);
                }
                (self.bodies[n].placed, self.bodies[n].there) = (false, false);
            }
            RepairStep::Forget { member, wish } => {
                self.replacing = None;
                if wish.is_some() {
                    self.others.asked.remove(member);
                }
            }
            _ => return guard("nobody else leads"),
        }
        Ok(())
    }

    /// Whether everything is as it should be.
    pub(super) fn is_whole(&self) -> bool {
        let Some((leader, ..)) = self.key else { return false };
        let placed = || self.all().filter(|n| self.bodies[*n].placed);
        let right = |n: usize| self.runs(n) && (n == leader || self.bodies[n].drift != Drift::Is);
        let open = |host: usize| self.doors[host] == (self.bodies[leader].host == host);
        let asked = self.wish.is_some() || self.handover.is_some() || !self.leaving.is_empty();
        !asked
            && self.parked.is_empty()
            && self.replacing.is_none()
            && placed().count() == self.wanted
            && placed().all(right)
            && (0..HOSTS).all(open)
            && self.others.wrong(self.now).is_none()
    }

    /// What is not as it should be.
    pub(super) fn whole(&self) -> Result<(), String> {
        if self.is_whole() {
            return Ok(());
        }
        let Some((leader, ..)) = self.key else { return Err("no leader".to_owned()) };
        let placed: Vec<usize> = self.all().filter(|n| self.bodies[*n].placed).collect();
        let dead: Vec<usize> = placed.iter().copied().filter(|n| !self.runs(*n)).collect();
        let doors: Vec<usize> = (0..HOSTS).filter(|host| self.doors[*host]).collect();
        if let Some(wrong) = self.others.wrong(self.now) {
            return Err(format!("{wrong}; {:?}", self.replacing));
        }
        // whoever leads must hand over first, and nobody asks for that
        let differs = placed.iter().filter(|n| **n != leader && self.bodies[**n].drift == Drift::Is);
        let differs: Vec<usize> = differs.copied().collect();
        let (parked, replacing, wanted, leaving) =
            (&self.parked, &self.replacing, self.wanted, &self.leaving);
        Err(format!(
            "{wanted} wanted, {leaving:?} leave, leader {leader}, placed {placed:?}, dead {dead:?}, differ {differs:?}, doors {doors:?}, parked {parked:?}, {replacing:?}"
        ))
    }
}

pub(super) fn instance(body: &Body, cloning: bool, now: u64) -> InstanceSeen {
    let status = if body.there { body.status } else { Status::Exited };
    match status {
        // its ports are closed
        Status::Running if body.doomed => InstanceSeen {
            sql: ConnectionReply::Refuses(String::new()),
            rest: ConnectionReply::Refuses(String::new()),
            ..InstanceSeen::default()
        },
        Status::Running if cloning => {
            let patroni = PatroniSeen { state: "creating replica".to_owned(), ..PatroniSeen::default() };
            InstanceSeen {
                sql: ConnectionReply::Refuses(String::new()),
                rest: ConnectionReply::Answers(RestReply { patroni, loop_runs: true }),
                ..InstanceSeen::default()
            }
        }
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
                held: HeldConnection::Quick,
                disk: if body.hung {
                    DiskSeen::Waits { so_far: body.lsn.to_string(), at: Mono(now * 1_000_000) }
                } else {
                    DiskSeen::Takes
                },
                sql: ConnectionReply::Answers(SqlReply { in_recovery: !body.primary }),
                rest: ConnectionReply::Answers(RestReply { patroni, loop_runs: true }),
            }
        }
        Status::Paused => {
            let hangs = || String::new();
            let (sql, rest) = (ConnectionReply::Hangs(hangs()), ConnectionReply::Hangs(hangs()));
            InstanceSeen { sql, rest, held: HeldConnection::Silent, ..InstanceSeen::default() }
        }
        _ => InstanceSeen {
            sql: ConnectionReply::Refuses(String::new()),
            rest: ConnectionReply::Refuses(String::new()),
            ..InstanceSeen::default()
        },
    }
}
