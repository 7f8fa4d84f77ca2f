//! Whoever stands beside the databases of the lab in memory: members of etcd with their cluster, balancers with their
//! number, replicas of a controller. Their broker guards what the real one guards, and what must hold besides is
//! asserted where an effect happens.

use std::collections::{BTreeMap, BTreeSet};

use pgha::control::Failed;
use pgha::decide::placement::new_name;
use pgha::decide::repair::{RepairStep, Routes, VoterStanding, VotersSeen};
use pgha::model::control::{Bodies, Replacing};
use pgha::model::lab::kind;
use pgha::model::sighting::{BodySeen, ServerSeen};
use pgha::model::{Bytes, ContainerStatus as Status, HostName, Member, MemberId, Service, Sight, Size};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::lab::{Drift, host, number};

/// How many members etcd has, and how many replicas the controller.
const ETCD: usize = 3;
const REPLICAS: usize = 2;
/// How many balancers there may be.
const BALANCERS: std::ops::RangeInclusive<usize> = 2..=3;

/// One of them.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one thing that can be so with it, beside the others"
)]
struct Other {
    id: MemberId,
    service: Service,
    host: usize,
    status: Status,
    /// Whether it has a container, and whether the lab's record names it.
    there: bool,
    placed: bool,
    drift: Drift,
    /// Whether its process is frozen inside its body.
    frozen: bool,
    /// Whether the cluster of etcd knows it.
    listed: bool,
    /// When it serves, or routes.
    ready: u64,
    /// Whether it takes no new sessions, and how long those it has go on.
    shut: bool,
    busy: u64,
}

impl Other {
    fn runs(&self) -> bool {
        self.there && self.status == Status::Running
    }

    /// It was ended, or begins anew.
    fn turn(&mut self, status: Status) {
        (self.status, self.frozen) = (status, false);
    }

    fn of(&self, service: Service) -> bool {
        self.placed && self.service == service
    }
}

/// What became of them.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) voters: u32,
    pub(super) balancers: u32,
    pub(super) controllers: u32,
    pub(super) seen_out: u32,
    /// Controllers whose process was frozen.
    pub(super) restarted: u32,
}

pub(super) struct Others {
    all: Vec<Other>,
    pub(super) asked: BTreeSet<MemberId>,
    /// How many balancers there should be, and who is named as one too many.
    wanted: usize,
    leaving: BTreeSet<MemberId>,
    pub(super) done: Done,
}

impl Others {
    pub(super) fn new() -> Self {
        let stand = |(word, service, n, host): (&str, Service, usize, usize)| Other {
            id: MemberId::new(format!("{word}-{n}")).expect("a name"),
            service,
            host,
            status: Status::Running,
            there: true,
            placed: true,
            drift: Drift::No,
            frozen: false,
            listed: service == Service::Etcd,
            ready: 0,
            shut: false,
            busy: 0,
        };
        let etcd = (1..=ETCD).map(|n| ("etcd", Service::Etcd, n, n - 1));
        let balancers = (1..=*BALANCERS.start()).map(|n| ("balancer", Service::Balancer, n, n + 2));
        let replicas = (1..=REPLICAS).map(|n| ("scaling", Service::Controller, n, 2 * n));
        let all = etcd.chain(balancers).chain(replicas).map(stand).collect();
        let (asked, leaving) = (BTreeSet::new(), BTreeSet::new());
        Self { all, asked, wanted: *BALANCERS.start(), leaving, done: Done::default() }
    }

    /// Whether one of them is meant.
    pub(super) fn means(id: &MemberId) -> bool {
        ["etcd-", "balancer-", "scaling-"].iter().any(|stem| id.as_str().starts_with(stem))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Member> {
        let size = Size { cpus: 0.5, memory: Bytes::mib(128), disk: Bytes::mib(512) };
        let placed = self.all.iter().filter(|one| one.placed);
        placed.map(move |one| Member { id: one.id.clone(), service: one.service, host: host(one.host), size })
    }

    /// What the engine and the record say of them.
    pub(super) fn show(&self, bodies: &mut Bodies) {
        bodies.placed.extend(self.members());
        bodies.retired.extend(self.all.iter().filter(|one| !one.placed).map(|one| one.id.clone()));
        bodies.leaving.extend(self.leaving.iter().cloned());
        bodies.counts.insert(Service::Balancer, u32::try_from(self.wanted).expect("few"));
        for one in self.all.iter().filter(|one| one.there) {
            let body = BodySeen {
                id: format!("c-{}", one.id),
                status: one.status,
                host: host(one.host),
                service: one.service.to_string(),
                started: String::new(),
                oom_killed: false,
            };
            if one.drift == Drift::Is {
                bodies.drifted.insert(body.id.clone(), "its image is another".to_owned());
            }
            bodies.members.insert(one.id.clone(), vec![body]);
        }
    }

    /// The cluster, by those of its members who answer.
    pub(super) fn voters(&self, now: u64) -> Sight<VotersSeen> {
        let vote = |one: &Other| match one.listed {
            false => VoterStanding::Out,
            true if !one.runs() => VoterStanding::Fails("silent".to_owned()),
            true if now < one.ready => VoterStanding::Joins,
            true => VoterStanding::Serves,
        };
        let members = self.all.iter().filter(|one| one.of(Service::Etcd));
        Sight::Seen(VotersSeen {
            listed: u32::try_from(self.all.iter().filter(|one| one.listed).count()).expect("few"),
            members: members.map(|one| (one.id.clone(), vote(one))).collect(),
        })
    }

    /// Who of the controllers says that it is well.
    pub(super) fn well(&self) -> BTreeMap<MemberId, Sight<()>> {
        let replicas = self.all.iter().filter(|one| one.of(Service::Controller));
        let answer = |one: &Other| {
            let well = one.runs() && !one.frozen;
            if well { Sight::Seen(()) } else { Sight::Blind("silent".to_owned()) }
        };
        replicas.map(|one| (one.id.clone(), answer(one))).collect()
    }

    /// How each balancer routes: as the doors stand, when it has looked, or at once in a `lie`.
    pub(super) fn routes(&self, doors: &[bool], now: u64, lie: bool) -> Vec<(MemberId, Sight<Routes>)> {
        let routes = |one: &Other| {
            let server = |up: bool| ServerSeen {
                status: if up { "UP" } else { "DOWN" }.to_owned(),
                sessions: u32::from(up && now < one.busy),
                ..ServerSeen::default()
            };
            let up = |(n, up): (usize, &bool)| (host(n), server(*up && (lie || now >= one.ready)));
            let rw = doors.iter().enumerate().map(up).collect();
            Routes { rw, shut: one.shut, ..Routes::default() }
        };
        let balancers = self.all.iter().filter(|one| one.of(Service::Balancer));
        balancers
            .map(|one| {
                let answer =
                    if one.runs() { Sight::Seen(routes(one)) } else { Sight::Blind("silent".to_owned()) };
                (one.id.clone(), answer)
            })
            .collect()
    }

    /// Something happens to one of them, or an operator wants another.
    pub(super) fn fault(&mut self, chance: &mut ChaCha8Rng) {
        let at = chance.random_range(0..self.all.len());
        let one = &mut self.all[at];
        match chance.random_range(0..5) {
            0 | 1 => one.turn(Status::Exited),
            4 => one.frozen |= one.service == Service::Controller && one.runs(),
            2 if one.placed => {
                self.asked.insert(one.id.clone());
            }
            3 if one.there && one.drift == Drift::No => one.drift = Drift::Is,
            _ => {}
        }
    }

    /// Whether etcd has a quorum without what stands on a host.
    pub(super) fn spare(&self, host: usize) -> bool {
        let listed = || self.all.iter().filter(|one| one.listed);
        2 * listed().filter(|one| one.runs() && one.host != host).count() > listed().count()
    }

    /// A host lost its power.
    pub(super) fn fall(&mut self, host: usize) {
        for one in self.all.iter_mut().filter(|one| one.host == host) {
            one.turn(Status::Exited);
        }
    }

    /// Scaling as bad as its broker lets it be while there is trouble, then as it is.
    pub(super) fn scaling(&mut self, calm: bool, replacing: Option<&Replacing>, chance: &mut ChaCha8Rng) {
        let placed = || self.all.iter().filter(|one| one.of(Service::Balancer));
        let stay = placed().filter(|one| !self.leaving.contains(&one.id)).count();
        if !calm {
            if chance.random_bool(0.0003) {
                self.wanted = chance.random_range(BALANCERS);
                self.leaving.clear();
            } else if stay > self.wanted && chance.random_bool(0.01) {
                let any = chance.random_range(0..placed().count());
                let any = placed().nth(any).map(|one| one.id.clone());
                self.leaving.extend(any);
            }
        } else if replacing.is_none() && self.leaving.is_empty() && stay > self.wanted {
            let worst = placed().max_by_key(|one| (!one.runs(), number(&one.id))).map(|one| one.id.clone());
            self.leaving.extend(worst);
        } else if replacing.is_none()
            && !self.leaving.is_empty()
            && let Some(dead) = placed().find(|one| !one.runs()).map(|one| one.id.clone())
        {
            self.leaving = BTreeSet::from([dead]);
        }
    }

    fn position(&self, id: &MemberId) -> Option<usize> {
        self.all.iter().position(|one| one.id == *id)
    }

    /// Whether those who serve carry the cluster without one, or with one more that does not yet.
    fn carried(&self, without: Option<&MemberId>, more: usize, now: u64) -> bool {
        let others = || self.all.iter().filter(|one| one.listed && Some(&one.id) != without);
        let serve = others().filter(|one| one.runs() && now >= one.ready).count();
        2 * serve > others().count() + more
    }

    /// How many there should be of the kind of `id`.
    fn wanted(&self, service: Service) -> usize {
        match service {
            Service::Etcd => ETCD,
            Service::Balancer => self.wanted,
            _ => REPLICAS,
        }
    }

    /// The effect of a step on one of them; what must not happen comes back as a sentence.
    pub(super) fn effect(
        &mut self,
        step: &RepairStep,
        replacing: Option<&Replacing>,
        powered: &[bool],
        now: u64,
        chance: &mut ChaCha8Rng,
    ) -> Result<Option<&'static str>, Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let at = self.position(&step.subject());
        match step {
            RepairStep::Start { member, .. } => match at.filter(|at| self.all[*at].there) {
                Some(at) if powered[self.all[at].host] => {
                    self.all[at].turn(Status::Running);
                    self.all[at].shut = false;
                }
                _ => return Err(Failed::Trouble(format!("{member} has no container, or no host"))),
            },
            RepairStep::Create { member, service, host } => {
                return self.create((member, *service, host), powered, now, chance);
            }
            RepairStep::Retire { .. } => {
                let Some(at) = at else { return guard("no such member") };
                return self.retire(at, replacing, now);
            }
            // the broker takes databases down, and controllers
            RepairStep::Fence { .. } if at.is_some_and(|at| self.all[at].service == Service::Controller) => {
                if let Some(one) = at.and_then(|at| self.all.get_mut(at)) {
                    self.done.restarted += u32::from(one.frozen);
                    one.turn(Status::Exited);
                }
            }
            RepairStep::Shut { .. } | RepairStep::Reopen { .. } => {
                let Some(at) = at.filter(|at| self.all[*at].runs()) else {
                    return guard("it does not answer");
                };
                self.all[at].shut = matches!(step, RepairStep::Shut { .. });
                self.all[at].busy = now + chance.random_range(0..2_000);
            }
            RepairStep::Discard { .. } if at.is_some_and(|at| self.all[at].placed) => {
                return Ok(Some("the volumes of a member of the lab were removed"));
            }
            RepairStep::Discard { .. } => {}
            _ => return Ok(Some("a step that is none for it")),
        }
        Ok(None)
    }

    fn create(
        &mut self,
        (id, service, on): (&MemberId, Service, &HostName),
        powered: &[bool],
        now: u64,
        chance: &mut ChaCha8Rng,
    ) -> Result<Option<&'static str>, Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let at = number(on) - 1;
        if !powered[at] {
            return Err(Failed::Trouble("no host".to_owned()));
        }
        let ready = now + chance.random_range(300..3_000);
        if let Some(known) = self.position(id) {
            let one = &mut self.all[known];
            if !one.placed || one.host != at {
                return guard("it left, or it stands elsewhere");
            }
            if !one.runs() {
                one.turn(Status::Running);
                (one.there, one.shut, one.ready) = (true, false, ready);
                one.drift = if one.drift == Drift::Is { Drift::Was } else { one.drift };
            }
            return Ok(None);
        }
        let its = kind(id, service.as_str());
        let there = || self.all.iter().filter(|one| one.placed && kind(&one.id, one.service.as_str()) == its);
        let stay = there().filter(|one| !self.leaving.contains(&one.id)).count();
        let room = self.wanted(service) + usize::from(service != Service::Etcd);
        if stay >= room || there().any(|one| one.host == at) {
            return guard("there are enough, or one stands there");
        }
        if new_name(its, self.all.iter().map(|one| &one.id)).as_ref() != Some(id) {
            return guard("not the next name");
        }
        if service == Service::Etcd && !self.carried(None, 1, now) {
            return guard("no quorum would be left");
        }
        self.all.push(Other {
            id: id.clone(),
            service,
            host: at,
            status: Status::Running,
            there: true,
            placed: true,
            drift: Drift::No,
            frozen: false,
            listed: service == Service::Etcd,
            ready,
            shut: false,
            busy: 0,
        });
        Ok(None)
    }

    fn retire(
        &mut self,
        at: usize,
        replacing: Option<&Replacing>,
        now: u64,
    ) -> Result<Option<&'static str>, Failed> {
        let guard = |why: &str| Err(Failed::Guard(why.to_owned()));
        let (id, service) = (self.all[at].id.clone(), self.all[at].service);
        let mut broke = None;
        if self.all[at].placed {
            let left = self.all.iter().filter(|one| one.of(service)).count() - 1;
            if left + usize::from(service == Service::Etcd) < self.wanted(service) {
                return guard("too few would be left");
            }
            if service == Service::Etcd && !self.carried(Some(&id), 0, now) {
                return guard("no quorum would be left");
            }
            let by = replacing.filter(|word| word.member == id && word.by != id).map(|word| &word.by);
            // a controller's replica stands for the leadership as soon as it runs, and has no say before it has that
            let serves = |one: &Other| service == Service::Controller || now >= one.ready;
            let ready = |by: &MemberId| self.position(by).is_some_and(|by| serves(&self.all[by]));
            if service != Service::Etcd && by.is_some_and(|by| !ready(by)) {
                broke = Some("one of them left before another took its place");
            }
            let done = &mut self.done;
            let sum = match service {
                Service::Etcd => &mut done.voters,
                Service::Balancer if by.is_some() => &mut done.balancers,
                Service::Balancer => &mut done.seen_out,
                _ => &mut done.controllers,
            };
            *sum += 1;
        }
        let one = &mut self.all[at];
        (one.placed, one.there, one.listed) = (false, false, false);
        self.leaving.remove(&id);
        Ok(broke)
    }

    /// What is not as it should be in the end.
    pub(super) fn wrong(&self, now: u64) -> Option<String> {
        let placed = |service| self.all.iter().filter(move |one| one.of(service));
        for service in [Service::Etcd, Service::Balancer, Service::Controller] {
            let well = |one: &&Other| one.runs() && !one.frozen && now >= one.ready && one.drift != Drift::Is;
            let good = placed(service).filter(well);
            let (good, there, wanted) = (good.count(), placed(service).count(), self.wanted(service));
            if (good, there) != (wanted, wanted) {
                return Some(format!(
                    "{wanted} of {service} wanted, {there} there, {good} as they should be"
                ));
            }
        }
        if let Some(one) = placed(Service::Balancer).find(|one| one.shut) {
            return Some(format!("{} takes no sessions", one.id));
        }
        if self.leaving.is_empty() && self.asked.is_empty() {
            return None;
        }
        let said = |one: &Other| {
            let shut = if one.shut { " shut" } else { "" };
            let drifted = if one.drift == Drift::Is { " drifted" } else { "" };
            format!("{}@h{}{shut}{drifted}", one.id, one.host + 1)
        };
        let all: Vec<String> = self.all.iter().filter(|one| one.placed).map(said).collect();
        Some(format!("{:?} are to leave, {:?} to be replaced of {all:?}", self.leaving, self.asked))
    }
}
