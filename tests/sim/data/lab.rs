//! Three databases on six hosts, with what each of them has on its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use pgha::decide::repair::{
    ConnectionReply, HeldConnection, InstanceSeen, LeaderSeen, RepairSeen, RepairStep, RepairStoreSeen,
    RestReply, SqlReply, StandbysSeen, StoredMemory,
};
use pgha::model::control::{Bodies, Budget, Proof, ProofLevel, Replacing};
use pgha::model::lab::Replication;
use pgha::model::sighting::{BodySeen, PatroniSeen};
use pgha::model::{
    Bytes, ContainerStatus as Status, HostName, Lsn, Member, MemberId, Mono, Service, Sight, Size, Span,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::time::named;

/// Faults end here.
pub const CALM: u64 = 20_000;
/// Somebody takes writes so long after that.
pub const WRITES: u64 = 45_000;
pub const END: u64 = 150_000;
/// Bytes a replica may lack and still lead.
pub const LAG: u64 = 1 << 20;
/// Bytes that are written in a tick.
const WRITTEN: u64 = 100_000;
const TICK: u64 = 50;
const LEASE: u64 = 8_000;
const HOSTS: usize = 6;
const WANTED: usize = 3;
/// How many replacements may be begun in a run.
pub const REPLACEMENTS: Budget = Budget { max: 4, per: Span::secs(600) };
/// In some runs the leadership changes so often, whatever happens.
const FLAPS: u64 = 4_000;

/// What was done before, one finding each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    None,
    /// Nobody starts a body alone.
    NobodyIsRevived,
    /// A frozen replica is taken for one that serves.
    FrozenIsWell,
    /// A shutdown ends by itself.
    StoppingIsAPhase,
    /// Whoever answers and is furthest is named: nobody counts votes.
    FurthestIsNamed,
    /// Whoever runs may follow.
    RunningIsEnough,
    /// A newcomer is waited for, for ever.
    NewcomersStay,
    /// A newcomer is taken for a good copy as soon as it is there.
    NewcomersAreGood,
    /// Whoever becomes the active controller remembers nothing.
    GracesBeginAnew,
    /// Whoever becomes the active controller does not know what the others spent.
    BudgetsBeginAnew,
    /// However many there are, so many are wanted.
    NobodyIsTooMany,
}

impl Mutant {
    pub const ALL: [Self; 10] = [
        Self::NobodyIsRevived,
        Self::FrozenIsWell,
        Self::StoppingIsAPhase,
        Self::FurthestIsNamed,
        Self::RunningIsEnough,
        Self::NewcomersStay,
        Self::NewcomersAreGood,
        Self::GracesBeginAnew,
        Self::BudgetsBeginAnew,
        Self::NobodyIsTooMany,
    ];

    /// What it breaks, in the words of a run.
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::NobodyIsRevived => "nobody takes writes",
            Self::FrozenIsWell | Self::StoppingIsAPhase | Self::NewcomersStay | Self::GracesBeginAnew => {
                "does not serve"
            }
            Self::NewcomersAreGood => "a member left before another took its place",
            Self::BudgetsBeginAnew => "more replacements were begun than the budget allows",
            Self::FurthestIsNamed => "an acknowledged write was lost",
            Self::RunningIsEnough => "a leader that lives was fenced while nobody may follow",
            Self::NobodyIsTooMany => "4 there",
        }
    }
}

/// What happened in a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    promotions: u32,
    releases: u32,
    named: u32,
    revived: u32,
    retired: u32,
    given_up: u32,
    seen_out: u32,
    /// Controllers that were deposed while a replacement stood there: written down, added, verified, gone.
    deposed: [u32; 4],
}

impl Done {
    pub fn add(&mut self, other: Self) {
        self.promotions += other.promotions;
        self.releases += other.releases;
        self.named += other.named;
        self.revived += other.revived;
        self.retired += other.retired;
        self.given_up += other.given_up;
        self.seen_out += other.seen_out;
        for (mine, others) in self.deposed.iter_mut().zip(other.deposed) {
            *mine += others;
        }
    }

    pub fn words(self) -> [(&'static str, u32); 11] {
        let [intended, added, verified, gone] = self.deposed;
        [
            ("promoted anybody", self.promotions),
            ("released a key", self.releases),
            ("named a candidate", self.named),
            ("started a body alone", self.revived),
            ("replaced a member", self.retired),
            ("gave a newcomer up", self.given_up),
            ("saw out who was one too many", self.seen_out),
            ("deposed a controller that had written a replacement down", intended),
            ("deposed a controller while a newcomer cloned", added),
            ("deposed a controller whose newcomer was verified", verified),
            ("deposed a controller whose old member had left", gone),
        ]
    }
}

#[expect(clippy::struct_excessive_bools, reason = "each is one thing that can be so with it")]
struct Db {
    status: Status,
    host: usize,
    placed: bool,
    there: bool,
    primary: bool,
    timeline: u32,
    lsn: u64,
    /// When its clone is complete; never for a newcomer that does not come up.
    ready: u64,
    /// When its PostgreSQL has recovered.
    up: u64,
    /// Its shutdown hangs until it is killed.
    stops: bool,
    /// Until when nothing comes through from the primary.
    cut: u64,
    /// It stays frozen whatever else heals.
    stays_frozen: bool,
}

struct Sync {
    leader: usize,
    voters: Vec<usize>,
}

impl Sync {
    fn lists(&self, n: usize) -> bool {
        self.leader == n || self.voters.contains(&n)
    }

    /// How many of the others must vote: writes are confirmed by one.
    fn quorum(&self) -> usize {
        self.voters.len().saturating_sub(1)
    }
}

pub struct Lab {
    pub now: u64,
    pub chance: ChaCha8Rng,
    pub broken: Option<String>,
    pub done: Done,
    mode: Replication,
    mutant: Mutant,
    dbs: Vec<Db>,
    key: Option<(usize, i64, u64)>,
    gone_since: u64,
    revision: i64,
    /// Where each timeline begins.
    forks: Vec<u64>,
    sync: Option<Sync>,
    /// Where the leader stood when it published that last.
    published: u64,
    /// Up to where writes are acknowledged, and when the last one was.
    acked: u64,
    acked_at: u64,
    named: Option<usize>,
    host_back: [u64; HOSTS],
    replacing: Option<Replacing>,
    proofs: BTreeMap<String, Proof>,
    blind: u64,
    /// Which leadership of a controller stands, and which replica has it.
    term: i64,
    active: usize,
    /// Whether it changes all the time.
    flaps: bool,
    /// Whether no newcomer ever comes up.
    barren: bool,
    /// What controllers write down for one another.
    kept: StoredMemory,
    replaced: Vec<Mono>,
    /// What a controller said last, and what it says a person must know.
    pub told: String,
    pub alarms: Vec<String>,
    /// How many standbys Patroni shall keep in sync mode.
    standbys: u32,
}

fn member(n: usize) -> MemberId {
    static NAMES: OnceLock<Vec<MemberId>> = OnceLock::new();
    named(&NAMES, "postgres-", n)
}

fn host(n: usize) -> HostName {
    static NAMES: OnceLock<Vec<HostName>> = OnceLock::new();
    named(&NAMES, "h", n)
}

fn number(name: &impl AsRef<str>) -> usize {
    let digits = name.as_ref().trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse::<usize>().expect("a number") - 1
}

impl Lab {
    pub fn new(seed: u64, mode: Replication, mutant: Mutant) -> Self {
        let dbs = (0..WANTED).map(|host| Self::born(host, 1, 0, 0)).collect();
        let sync = (mode != Replication::Async).then(|| Sync { leader: 0, voters: Vec::new() });
        let mut lab = Self {
            now: 0,
            chance: ChaCha8Rng::seed_from_u64(seed),
            broken: None,
            done: Done::default(),
            mode,
            mutant,
            dbs,
            key: Some((0, 1, LEASE)),
            gone_since: 0,
            revision: 1,
            forks: vec![0, 0],
            sync,
            published: 0,
            acked: 0,
            acked_at: 0,
            named: None,
            host_back: [0; HOSTS],
            replacing: None,
            proofs: BTreeMap::new(),
            blind: 0,
            term: 1,
            active: 0,
            flaps: seed.is_multiple_of(3),
            barren: seed.is_multiple_of(6),
            kept: StoredMemory::default(),
            replaced: Vec::new(),
            told: String::new(),
            alarms: Vec::new(),
            standbys: 1,
        };
        lab.dbs[0].primary = true;
        // one more than are wanted was left over; every other one of them never came up
        if seed % 4 == 1 {
            let ready = if seed % 8 == 1 { u64::MAX } else { 0 };
            lab.dbs.push(Self::born(WANTED, 1, ready, 0));
        }
        lab
    }

    fn born(host: usize, timeline: u32, ready: u64, lsn: u64) -> Db {
        Db {
            status: Status::Running,
            host,
            placed: true,
            there: true,
            primary: false,
            timeline,
            lsn,
            ready,
            up: 0,
            stops: false,
            cut: 0,
            stays_frozen: false,
        }
    }

    fn powered(&self, host: usize) -> bool {
        self.now >= self.host_back[host]
    }

    fn runs(&self, n: usize) -> bool {
        self.dbs[n].there && self.dbs[n].status == Status::Running
    }

    /// Whether its PostgreSQL serves.
    fn serves(&self, n: usize) -> bool {
        let db = &self.dbs[n];
        self.runs(n) && self.now >= db.ready && self.now >= db.up && !db.stops
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.dbs.len()
    }

    fn primary(&self) -> Option<usize> {
        self.key.map(|(n, ..)| n).filter(|n| self.serves(*n) && self.dbs[*n].primary)
    }

    fn timeline(&self) -> u32 {
        u32::try_from(self.forks.len() - 1).expect("few")
    }

    /// How much of the one history it has: what it wrote after a timeline ended does not belong to it.
    fn has(&self, n: usize) -> u64 {
        let db = &self.dbs[n];
        let later = self.forks.iter().skip(db.timeline as usize + 1).copied();
        later.fold(db.lsn, u64::min)
    }

    fn follows(&self, n: usize) -> bool {
        let leads = self.primary().is_some_and(|leader| leader != n);
        leads && self.serves(n) && self.now >= self.dbs[n].cut && self.dbs[n].timeline == self.timeline()
    }

    fn broke(&mut self, what: &str) {
        let now = self.now;
        self.broken.get_or_insert_with(|| format!("{what} at {now} ms"));
    }

    pub fn tick(&mut self) {
        self.now += TICK;
        // the end of a replacement is over in a moment, so it is hit on purpose
        let ends = self.replacing.as_ref().is_some_and(|word| !self.dbs[number(&word.member)].placed);
        let trouble = self.now < CALM && self.chance.random_bool(0.002);
        if trouble || ends && self.chance.random_bool(0.2) || self.flaps && self.now.is_multiple_of(FLAPS) {
            self.depose();
        }
        if self.now < CALM {
            self.fault();
        } else {
            self.heal();
        }
        self.lease();
        if let Some((n, ..)) = self.key.filter(|(n, ..)| self.serves(*n)) {
            if !self.dbs[n].primary {
                self.promote(n);
            }
            self.write(n);
        } else if self.key.is_none() && self.now > self.gone_since + 100 {
            self.elect();
        }
        for n in self.all() {
            let leads = self.key.is_some_and(|(holder, ..)| holder == n);
            if self.runs(n) && !leads && self.dbs[n].primary {
                self.dbs[n].primary = false;
            }
        }
    }

    /// Another replica becomes the active one, or the same once more.
    fn depose(&mut self) {
        self.term += 1;
        self.active = self.chance.random_range(0..2);
        let Some(word) = &self.replacing else { return };
        let (old, by) = (number(&word.member), number(&word.by));
        let phase = match self.dbs.get(by) {
            _ if !self.dbs[old].placed => 3,
            None => 0,
            Some(new) if self.now < new.ready => 1,
            Some(_) => 2,
        };
        self.done.deposed[phase] += 1;
    }

    /// The leadership of a replica, if it has it.
    pub fn leadership(&self, replica: usize) -> Option<i64> {
        (replica == self.active).then_some(self.term)
    }

    /// What stands in the store for whoever becomes the active controller.
    pub fn recall(&self) -> StoredMemory {
        match self.mutant {
            Mutant::GracesBeginAnew | Mutant::BudgetsBeginAnew => StoredMemory::default(),
            _ => self.kept.clone(),
        }
    }

    /// Writes that, for the active controller alone.
    pub fn keep(&mut self, kept: &StoredMemory, term: i64) -> bool {
        let may = term == self.term;
        if may {
            self.kept = kept.clone();
        }
        may
    }

    fn lease(&mut self) {
        if let Some((n, revision, end)) = self.key {
            if self.runs(n) && !self.dbs[n].stops {
                self.key = Some((n, revision, self.now + LEASE));
            } else if end < self.now {
                (self.key, self.gone_since) = (None, self.now);
            }
        }
    }

    fn write(&mut self, leader: usize) {
        self.dbs[leader].lsn += WRITTEN;
        let (lsn, timeline) = (self.dbs[leader].lsn, self.dbs[leader].timeline);
        for n in self.all().filter(|n| *n != leader) {
            if self.now < self.dbs[n].ready || !self.serves(n) || self.now < self.dbs[n].cut {
                continue;
            }
            if self.dbs[n].timeline != timeline {
                (self.dbs[n].lsn, self.dbs[n].timeline) = (self.has(n), timeline);
            }
            if self.chance.random_bool(0.8) {
                self.dbs[n].lsn = lsn;
            }
        }
        let confirmed = match &self.sync {
            None => lsn,
            Some(sync) => {
                let its = |n: &usize| if self.dbs[*n].timeline == timeline { self.dbs[*n].lsn } else { 0 };
                let received = sync.voters.iter().map(its);
                // one of those who vote, or everybody who is named
                let enough = if self.mode == Replication::Quorum { received.max() } else { received.min() };
                enough.unwrap_or(0)
            }
        };
        if confirmed > self.acked {
            (self.acked, self.acked_at) = (confirmed, self.now);
        }
        if self.now.is_multiple_of(1_000) {
            self.turn(leader, lsn);
        }
    }

    /// Patroni's turn at the leader: it publishes its position, and who confirms.
    fn turn(&mut self, leader: usize, lsn: u64) {
        self.published = lsn;
        let streams: Vec<usize> = self.all().filter(|n| self.dbs[*n].placed && self.follows(*n)).collect();
        let (mode, acked) = (self.mode, self.acked);
        let complete = |n: &usize| self.dbs[*n].lsn >= acked;
        let known = self.sync.as_ref().filter(|sync| sync.leader == leader);
        let voters = match mode {
            Replication::Sync => {
                // those who are well stay, and others are named where there are too few
                let stay = known.map(|sync| sync.voters.clone()).unwrap_or_default();
                let mut voters: Vec<usize> = stay.into_iter().filter(|n| streams.contains(n)).collect();
                let more: Vec<usize> =
                    streams.iter().copied().filter(|n| complete(n) && !voters.contains(n)).collect();
                voters.extend(more);
                voters.truncate(self.standbys as usize);
                voters
            }
            Replication::Quorum if streams.iter().any(complete) => streams,
            Replication::Async | Replication::Quorum => return,
        };
        let empty = voters.is_empty();
        // one that went is a standby until another is named
        if !empty || known.is_none() {
            self.sync = Some(Sync { leader, voters });
        }
    }

    /// Whether Patroni would let it lead.
    fn may_lead(&self, n: usize) -> bool {
        // what it wrote after its timeline ended counts for nothing (Patroni: `check_timeline`)
        let lsn = self.has(n);
        if !self.serves(n) || self.published.saturating_sub(lsn) > LAG {
            return false;
        }
        let others =
            || self.all().filter(|other| *other != n && self.dbs[*other].placed && self.serves(*other));
        let ahead =
            |pool: &dyn Fn(usize) -> bool| others().any(|other| pool(other) && self.has(other) > self.has(n));
        match (&self.sync, self.mode) {
            (Some(sync), Replication::Quorum) => {
                let votes =
                    others().filter(|other| sync.lists(*other) && self.has(*other) <= self.has(n)).count();
                let needed = sync.quorum() + usize::from(!sync.lists(n));
                !ahead(&|other| sync.lists(other)) && (votes >= needed || sync.leader == n)
            }
            (Some(sync), Replication::Sync) => sync.lists(n) && !ahead(&|other| sync.lists(other)),
            _ => !ahead(&|_| true),
        }
    }

    fn elect(&mut self) {
        let able = |n: &usize| self.dbs[*n].placed && self.may_lead(*n);
        // who is named asks nobody
        let named = self.named.filter(|n| self.serves(*n));
        let best = self.all().filter(able).max_by_key(|n| self.has(*n));
        if let Some(n) = named.or(best) {
            self.revision += 1;
            (self.key, self.named) = (Some((n, self.revision, self.now + LEASE)), None);
            self.promote(n);
        }
    }

    fn promote(&mut self, n: usize) {
        let has = self.has(n);
        let lost = self.acked.saturating_sub(has);
        if self.mode != Replication::Async && lost > 0 {
            self.broke("an acknowledged write was lost");
        }
        if self.published.saturating_sub(has) > LAG {
            self.broke("an acknowledged write was lost beyond the limit");
        }
        self.acked = self.acked.min(has);
        self.done.promotions += 1;
        self.forks.push(has);
        let timeline = self.timeline();
        let db = &mut self.dbs[n];
        (db.primary, db.lsn, db.timeline) = (true, has, timeline);
        if let Some(sync) = &mut self.sync
            && sync.leader != n
        {
            // in quorum mode whoever may have confirmed votes on, in sync mode another is named first
            let former = sync.leader;
            sync.voters.retain(|voter| *voter != n);
            match self.mode {
                Replication::Quorum => sync.voters.push(former),
                _ => sync.voters.clear(),
            }
            sync.leader = n;
        }
        self.published = self.published.min(has);
    }

    fn fault(&mut self) {
        if !self.chance.random_bool(0.02) {
            return;
        }
        let n = self.chance.random_range(self.all());
        match self.chance.random_range(0..11) {
            0 | 1 => self.end(n),
            // the primary and whoever confirms its writes
            2 => {
                let both = self.sync.as_ref().map(|sync| (sync.leader, sync.voters.first().copied()));
                for n in both.into_iter().flat_map(|(leader, voter)| [Some(leader), voter]).flatten() {
                    self.end(n);
                }
            }
            3 | 4 if self.runs(n) => {
                self.dbs[n].status = Status::Paused;
                self.dbs[n].stays_frozen = self.chance.random_bool(0.2);
            }
            5 | 6 => self.dbs[n].cut = self.now + self.chance.random_range(500..6_000),
            7 => {
                let host = self.dbs[n].host;
                let good = self.host_back.iter().all(|back| *back <= END) && self.chance.random_bool(0.2);
                self.host_back[host] = if good { END + 1 } else { self.now + 4_000 };
                for n in self.all().filter(|n| self.dbs[*n].host == host).collect::<Vec<_>>() {
                    self.end(n);
                }
            }
            8 => self.blind = self.now + 1_000,
            // the host of whoever is being cloned
            10 => {
                let clones = self.all().find(|n| self.dbs[*n].placed && self.now < self.dbs[*n].ready);
                if let Some(n) = clones {
                    self.host_back[self.dbs[n].host] = self.now + 8_000;
                    self.end(n);
                }
            }
            // the operator hands over
            9 => {
                if let Some(leader) = self.primary() {
                    self.dbs[leader].primary = false;
                    self.dbs[leader].stops = self.chance.random_bool(0.5);
                    (self.key, self.gone_since) = (None, self.now);
                }
            }
            _ if self.dbs[n].status == Status::Paused => self.dbs[n].status = Status::Running,
            _ => {}
        }
    }

    fn end(&mut self, n: usize) {
        let db = &mut self.dbs[n];
        (db.status, db.primary, db.stops, db.stays_frozen) = (Status::Exited, false, false, false);
    }

    fn heal(&mut self) {
        for n in self.all() {
            // nobody thaws a replica that froze for good
            let stays = self.dbs[n].stays_frozen && self.key.is_some_and(|(holder, ..)| holder != n);
            if self.dbs[n].status == Status::Paused && !stays {
                self.dbs[n].status = Status::Running;
            }
        }
    }

    pub fn placed(&self) -> Vec<Member> {
        let size = Size { cpus: 1.0, memory: Bytes::mib(256), disk: Bytes::gib(1) };
        let placed = self.all().filter(|n| self.dbs[*n].placed);
        let stand =
            |n| Member { id: member(n), service: Service::Postgres, host: host(self.dbs[n].host), size };
        placed.map(stand).collect()
    }

    pub fn look(&self) -> RepairSeen {
        let mut seen = RepairSeen {
            at: Mono(self.now * 1_000_000),
            proofs: self.proofs.clone(),
            ..RepairSeen::default()
        };
        if self.now < self.blind {
            return seen;
        }
        seen.bodies = Sight::Seen(self.bodies());
        let listed =
            |sync: &Sync| std::iter::once(sync.leader).chain(sync.voters.clone()).map(member).collect();
        let counts = self.mutant != Mutant::FurthestIsNamed;
        let voting = self.sync.as_ref().filter(|_| counts && self.mode == Replication::Quorum);
        let quorum = voting.map_or(0, Sync::quorum);
        seen.store = Sight::Seen(RepairStoreSeen {
            leader: self.key.map(|(n, mod_revision, _)| LeaderSeen {
                member: member(n),
                mod_revision,
                lease: mod_revision,
            }),
            initialized: true,
            may_lead: self.sync.as_ref().map(listed),
            quorum: u32::try_from(quorum).expect("few"),
            position: counts.then_some(Lsn(self.published)),
            standbys: Some(StandbysSeen { count: self.standbys, mod_revision: 1 }),
            led: self.sync.as_ref().map(|sync| member(sync.leader)),
            replacing: self.word(),
            replaced: if self.mutant == Mutant::BudgetsBeginAnew {
                Vec::new()
            } else {
                self.replaced.clone()
            },
            ..RepairStoreSeen::default()
        });
        // a shutdown that shows progress all the time
        let moves = matches!(self.mutant, Mutant::StoppingIsAPhase | Mutant::NewcomersStay);
        seen.sent = moves.then_some(self.now);
        let placed = self.all().filter(|n| self.dbs[*n].placed);
        seen.postgres = placed.map(|n| (member(n), self.instance(n))).collect();
        seen
    }

    /// The replacement that is under way; to a mutant it has no beginning.
    fn word(&self) -> Option<Replacing> {
        let mut word = self.replacing.clone()?;
        if self.mutant == Mutant::NewcomersStay {
            word.begun = None;
        }
        Some(word)
    }

    fn bodies(&self) -> Bodies {
        let body = |id: String, status, at: usize, service: &str| BodySeen {
            id,
            status,
            host: host(at),
            service: service.to_owned(),
            started: String::new(),
            oom_killed: false,
        };
        let placed = self.placed();
        let wanted = if self.mutant == Mutant::NobodyIsTooMany { WANTED.max(placed.len()) } else { WANTED };
        let mut bodies = Bodies {
            placed,
            counts: [(Service::Postgres, u32::try_from(wanted).expect("few"))].into(),
            retired: self.all().filter(|n| !self.dbs[*n].placed).map(member).collect::<BTreeSet<_>>(),
            ..Bodies::default()
        };
        for at in 0..HOSTS {
            let status = if self.powered(at) { Status::Running } else { Status::Exited };
            bodies.hosts.insert(host(at), body(format!("s{at}"), status, at, "host"));
        }
        for n in self.all().filter(|n| self.dbs[*n].there) {
            let leads = self.key.is_some_and(|(holder, ..)| holder == n);
            let hidden = self.mutant == Mutant::FrozenIsWell && !leads;
            let status = match self.dbs[n].status {
                Status::Paused if hidden => Status::Running,
                status => status,
            };
            bodies
                .members
                .insert(member(n), vec![body(format!("c{n}"), status, self.dbs[n].host, "postgres")]);
        }
        bodies
    }

    fn instance(&self, n: usize) -> InstanceSeen {
        let db = &self.dbs[n];
        let nobody = || ConnectionReply::Refuses("nobody listens".to_owned());
        let status = if db.there { db.status } else { Status::Exited };
        if status == Status::Paused && self.mutant != Mutant::FrozenIsWell {
            let (sql, rest) =
                (ConnectionReply::Hangs("late".to_owned()), ConnectionReply::Hangs("late".to_owned()));
            return InstanceSeen { sql, rest, held: HeldConnection::Silent, ..InstanceSeen::default() };
        }
        if status != Status::Running && status != Status::Paused {
            return InstanceSeen {
                sql: ConnectionReply::Refuses(String::new()),
                rest: ConnectionReply::Refuses(String::new()),
                ..InstanceSeen::default()
            };
        }
        // a mutant takes whoever is there for a good copy
        if self.now < db.ready && self.mutant == Mutant::NewcomersAreGood {
            let leader = self.key.map_or(0, |(holder, ..)| self.dbs[holder].lsn);
            let patroni = PatroniSeen {
                role: "replica".to_owned(),
                state: "streaming".to_owned(),
                timeline: Some(self.timeline()),
                lsn: Some(Lsn(leader)),
                ..PatroniSeen::default()
            };
            let rest = ConnectionReply::Answers(RestReply { patroni, loop_runs: true });
            let sql = ConnectionReply::Answers(SqlReply { in_recovery: true });
            return InstanceSeen { sql, rest, held: HeldConnection::Quick, ..InstanceSeen::default() };
        }
        let word = match () {
            () if db.stops && self.mutant == Mutant::StoppingIsAPhase => "creating replica",
            () if db.stops => "stopping",
            () if self.now < db.ready && self.mutant == Mutant::NewcomersStay => "creating replica",
            () if self.now < db.ready && (self.now / 1_000).is_multiple_of(3) => "stopped",
            () if self.now < db.ready => "creating replica",
            () if self.now < db.up => "starting",
            () if db.primary => "running",
            () if self.follows(n) || status == Status::Paused => "streaming",
            () => "running",
        };
        let serves = self.serves(n) || status == Status::Paused;
        // a mutant takes whoever runs for one that may follow
        let lie = self.mutant == Mutant::RunningIsEnough && !db.primary;
        let patroni = PatroniSeen {
            role: if db.primary { "primary" } else { "replica" }.to_owned(),
            state: if lie { "running" } else { word }.to_owned(),
            timeline: (serves || lie).then_some(if lie { self.timeline() } else { db.timeline }),
            lsn: (serves || lie).then_some(Lsn(if lie { self.published + LAG } else { db.lsn })),
            ..PatroniSeen::default()
        };
        let rest = ConnectionReply::Answers(RestReply { patroni, loop_runs: true });
        let sql =
            if serves { ConnectionReply::Answers(SqlReply { in_recovery: !db.primary }) } else { nobody() };
        InstanceSeen { sql, rest, held: HeldConnection::Quick, ..InstanceSeen::default() }
    }

    /// The effect of a step, with the guards of broker and store.
    pub fn effect(&mut self, step: &RepairStep) -> Result<(), ()> {
        if matches!(
            step,
            RepairStep::Close { .. }
                | RepairStep::Open { .. }
                | RepairStep::Unpark { .. }
                | RepairStep::Wake { .. }
        ) {
            return Ok(());
        }
        let n = number(&step.subject());
        let else_leads = self.key.is_some_and(|(holder, ..)| holder != n);
        match step {
            RepairStep::Fence { container, key, .. } => {
                let holds =
                    |revision| self.key.is_some_and(|(holder, now, _)| (holder, now) == (n, revision));
                if !key.map_or(else_leads, holds) {
                    return Err(());
                }
                self.fence(n, key.is_some());
                let proof = Proof { level: ProofLevel::Dead, evidence: "fenced".to_owned() };
                self.proofs.insert(container.clone(), proof);
            }
            RepairStep::End { .. } => {
                if self.key.is_some() {
                    return Err(());
                }
                self.end(n);
            }
            RepairStep::Release { mod_revision, candidate, .. } => {
                self.release(n, *mod_revision, candidate.as_ref())?;
            }
            RepairStep::Start { container, alone, .. } => {
                let may = if *alone { self.key.is_none_or(|(holder, ..)| holder == n) } else { else_leads };
                if *alone && self.mutant == Mutant::NobodyIsRevived || !may || !self.powered(self.dbs[n].host)
                {
                    return Err(());
                }
                self.proofs.remove(container);
                self.done.revived += u32::from(*alone);
                self.live(n);
            }
            RepairStep::Create { host: on, .. } => self.create(n, number(on), else_leads)?,
            RepairStep::Intend { service, member, by, host, why } => {
                let (service, why, begun) = (*service, why.clone(), Some(Mono(self.now * 1_000_000)));
                let (member, by, host) = (member.clone(), by.clone(), host.clone());
                if self.replacing.is_some() {
                    return Err(());
                }
                if member != by {
                    self.replaced.extend(begun);
                    if self.replaced.len() > REPLACEMENTS.max as usize {
                        self.broke("more replacements were begun than the budget allows");
                    }
                }
                self.replacing = Some(Replacing { service, member, by, host, why, begun });
            }
            RepairStep::Retire { .. } => self.retire(n, else_leads)?,
            RepairStep::Discard { .. } if self.dbs[n].placed => {
                self.broke("the volumes of a member were removed");
            }
            RepairStep::Forget { .. } => self.replacing = None,
            RepairStep::Standbys { count, .. } => self.standbys = *count,
            _ => {}
        }
        Ok(())
    }

    fn is_newcomer(&self, n: usize) -> bool {
        self.replacing.as_ref().is_some_and(|word| word.by == member(n))
    }

    fn fence(&mut self, n: usize, as_leader: bool) {
        let lives = matches!(self.dbs[n].status, Status::Running | Status::Paused) && self.dbs[n].there;
        if as_leader && self.serves(n) && self.dbs[n].primary {
            self.broke("a healthy leader was fenced");
        }
        let follows = self.all().any(|other| other != n && self.dbs[other].placed && self.could_lead(other));
        if as_leader && lives && !follows {
            self.broke("a leader that lives was fenced while nobody may follow");
        }
        self.end(n);
    }

    /// Whether it may lead when the holder of the key is gone: what the holder has does not count against it.
    fn could_lead(&self, n: usize) -> bool {
        let listed = self.sync.as_ref().is_none_or(|sync| sync.lists(n)) || self.mode == Replication::Quorum;
        self.serves(n) && listed
    }

    fn release(&mut self, n: usize, revision: i64, candidate: Option<&MemberId>) -> Result<(), ()> {
        if self.key.is_none_or(|(holder, now, _)| (holder, now) != (n, revision)) {
            return Err(());
        }
        if self.dbs[n].there && matches!(self.dbs[n].status, Status::Running | Status::Paused) {
            self.broke("the key of a living body was released");
        }
        self.done.releases += 1;
        self.done.named += u32::from(candidate.is_some());
        (self.key, self.gone_since, self.named) = (None, self.now, candidate.map(number));
        Ok(())
    }

    fn live(&mut self, n: usize) {
        if self.dbs[n].status == Status::Exited {
            let up = self.now + self.chance.random_range(200..2_500);
            let db = &mut self.dbs[n];
            (db.status, db.there, db.primary, db.up) = (Status::Running, true, false, up);
        }
    }

    fn create(&mut self, n: usize, at: usize, else_leads: bool) -> Result<(), ()> {
        if !else_leads || !self.powered(at) || n > self.dbs.len() {
            return Err(());
        }
        if n < self.dbs.len() {
            if !self.dbs[n].placed {
                return Err(());
            }
            self.live(n);
            return Ok(());
        }
        let hopeless = self.barren || self.chance.random_bool(0.3);
        let ready = if hopeless { u64::MAX } else { self.now + self.chance.random_range(500..4_000) };
        let timeline = self.timeline();
        self.dbs.push(Self::born(at, timeline, ready, 0));
        Ok(())
    }

    fn retire(&mut self, n: usize, else_leads: bool) -> Result<(), ()> {
        let lies = !self.dbs[n].there || self.dbs[n].status == Status::Exited;
        let left = self.all().filter(|other| *other != n && self.dbs[*other].placed).count();
        if !else_leads || !lies || left < WANTED {
            return Err(());
        }
        let complete =
            |other: &usize| self.dbs[*other].placed && *other != n && self.has(*other) >= self.acked;
        if self.dbs[n].placed && self.all().filter(complete).count() == 0 {
            self.broke("the last copy of what was acknowledged left");
        }
        let word = self.replacing.as_ref().filter(|word| word.member == member(n) && word.by != word.member);
        let by = word.and_then(|word| self.dbs.get(number(&word.by)));
        if by.is_some_and(|by| self.now < by.ready) {
            self.broke("a member left before another took its place");
        }
        let too_many = self.replacing.as_ref().is_some_and(|word| word.by == word.member);
        let count = match (too_many, self.is_newcomer(n)) {
            (true, _) => &mut self.done.seen_out,
            (false, true) => &mut self.done.given_up,
            (false, false) => &mut self.done.retired,
        };
        *count += 1;
        (self.dbs[n].placed, self.dbs[n].there) = (false, false);
        Ok(())
    }

    pub fn takes_writes(&self) -> bool {
        self.primary().is_some() && self.now <= self.acked_at + 5_000
    }

    /// Whether a host never comes back.
    pub fn lost_for_good(&self) -> bool {
        self.host_back.iter().any(|back| *back > END)
    }

    /// Who of the lab there is, and who of them does not serve; the first is no other than the primary.
    fn idle(&self, leader: usize) -> (usize, Option<usize>) {
        let placed = || self.all().filter(|n| self.dbs[*n].placed);
        (placed().count(), placed().find(|n| *n != leader && !self.follows(*n)))
    }

    /// Whether everything is as it should be.
    pub fn is_whole(&self) -> bool {
        let right = |leader| self.idle(leader) == (WANTED, None);
        self.replacing.is_none() && self.primary().is_some_and(right)
    }

    /// What is not as it should be.
    pub fn lacks(&self) -> String {
        let Some(leader) = self.primary() else { return "nobody leads".to_owned() };
        match self.idle(leader) {
            (_, Some(n)) => format!("{} does not serve; {}", member(n), self.state()),
            (there, None) => format!("{there} there, {:?}; {}", self.replacing, self.state()),
        }
    }

    pub fn state(&self) -> String {
        let sync = self
            .sync
            .as_ref()
            .map(|sync| (sync.leader + 1, sync.voters.iter().map(|n| n + 1).collect::<Vec<_>>()));
        let db = |n: usize| {
            let db = &self.dbs[n];
            let power = if self.powered(db.host) { "" } else { " no power" };
            format!(
                "{} {:?}{power} tl {} at {} serves {}",
                n + 1,
                db.status,
                db.timeline,
                db.lsn,
                self.serves(n)
            )
        };
        let dbs: Vec<String> = self.all().filter(|n| self.dbs[*n].placed).map(db).collect();
        let key = self.key.map(|(n, ..)| n + 1);
        format!("key {key:?} sync {sync:?} acked {} published {} {dbs:?}", self.acked, self.published)
    }
}
