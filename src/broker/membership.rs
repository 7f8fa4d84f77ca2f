//! Who belongs to the lab: bodies made anew, members taken in and members that leave, by the lab's record.
//!
//! Invariants: the record is written before a new member has a body, and before the body of one that leaves is
//! gone; a running body is neither replaced nor removed; a name is never used twice. One deed at a time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::doors;
use super::drift::{Drift, Wanted};
use super::fence::dead;
use super::rules::Facts;
use super::warrant::{Warrants, answered};
use super::{limited, refused, rules};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::hands::Hands as _;
use crate::engine::journal::Journal;
use crate::engine::store::Store;
use crate::lab::hands::DockerHands;
use crate::lab::record::{self, Record};
use crate::lab::{LabError, names, up};
use crate::model::body::{DATA_PATH, LABEL_MEMBER};
use crate::model::control::{
    Answer, Bodies, BrokerLine, Brokered, Deed, Kept, LeaderIs, Order, Refusal, Token,
};
use crate::model::{
    Action, Body, Container, ContainerStatus, HostName, ImageRole, MemberId, Mono, Name, Service, Size,
};

/// Services whose bodies controllers may start and make.
pub(super) const MOVABLE: [Service; 4] =
    [Service::Postgres, Service::Etcd, Service::Balancer, Service::Controller];
/// Longest wait for the engine to make or remove something.
pub(super) const DO: Duration = Duration::from_secs(15);
/// Seconds that a controller has to end when it is asked to.
const ENDS: u32 = 1;
/// Longest wait for the lab's record.
const READ: Duration = Duration::from_secs(5);
/// Pause between two looks at the record, which `up` may change, too.
const EVERY: Duration = Duration::from_secs(5);

/// The members of one lab.
pub(super) struct Membership {
    pub(super) docker: Docker,
    pub(super) lab: Name,
    /// The store whose members are members of the lab.
    pub(super) store: Arc<Store>,
    /// Where it stands what bodies said that are removed.
    journal: Journal<BrokerLine>,
    known: Mutex<Option<Record>>,
    /// What that record wants.
    wanted: Mutex<Wanted>,
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whether orders stand.
    warrants: Arc<Warrants>,
}

/// Why a deed was not done.
#[derive(Debug)]
pub(super) enum Not {
    /// Nothing was changed.
    Refused(Refusal, String),
    /// The effect is open.
    Failed(String),
}

impl From<EngineError> for Not {
    fn from(error: EngineError) -> Self {
        Self::Failed(error.to_string())
    }
}

pub(super) fn not_allowed(text: impl Into<String>) -> Not {
    Not::Refused(Refusal::NotAllowed, text.into())
}

pub(super) fn answer(outcome: Result<(), Not>) -> Answer {
    match outcome {
        Ok(()) => Answer::Done,
        Err(Not::Refused(why, text)) => refused(why, text),
        Err(Not::Failed(text)) => Answer::Failed { text },
    }
}

impl Membership {
    pub(super) fn new(
        docker: Docker,
        lab: Name,
        store: Arc<Store>,
        journal: Journal<BrokerLine>,
        warrants: Arc<Warrants>,
    ) -> Self {
        Self {
            warrants,
            docker,
            lab,
            store,
            journal,
            known: Mutex::default(),
            wanted: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The turn of an order; whoever waited for it is asked again whether it stands.
    pub(super) async fn turn_of(&self, order: &Order) -> Result<tokio::sync::MutexGuard<'_, ()>, Answer> {
        let turn = self.turn.lock().await;
        self.warrants.stands(order).await.map_err(answered)?;
        Ok(turn)
    }

    /// The record as it was read last.
    pub(super) fn known(&self) -> Option<Record> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down that a body was started without an order, in the words of one.
    pub(super) fn say_started(&self, container: &str, began: Mono) {
        let token = Token { key: "the broker itself: no controller can be asked".to_owned(), revision: 0 };
        let (at, deed) = (clock::now(), Deed::Start { container: container.to_owned() });
        let order = Order { token, deadline: at, deed };
        let said = Brokered { began, at, order, answer: Answer::Done };
        self.journal.say(BrokerLine::Order(Box::new(said)));
    }

    /// Nobody who comes to stand on a host finds a door that was closed for the one before.
    async fn open_doors(&self, host: &HostName) {
        let sandbox = format!("pgha-{}-host-{host}", self.lab);
        let command = ["/bin/sh", "-c", &doors::open()].map(str::to_owned);
        match limited(DO, self.docker.exec(&sandbox, &command)).await {
            Ok(ran) if ran.code == 0 => {}
            Ok(ran) => tracing::warn!(said = ran.stderr.trim(), %host, "its doors could not be opened"),
            // a host that does not run has no doors
            Err(error) => tracing::debug!(%error, %host, "its doors could not be opened"),
        }
    }

    /// These bodies with what the record says, as it was read last: who stands where, who left, and how many there
    /// should be.
    pub(super) fn told(&self, bodies: Bodies) -> Bodies {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(record) = known.as_ref() else { return bodies };
        let leaving = record.leaving();
        let retired = record.desired.without.difference(&leaving).cloned().collect();
        Bodies {
            placed: record.members.clone(),
            retired,
            counts: record.desired.counts.clone(),
            leaving,
            generation: record.desired.generation,
            ..bodies
        }
    }

    /// What of these containers is not as the record says, as it was read last.
    pub(super) fn compare(&self, found: &BTreeMap<String, Container>) -> Drift {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).compare(found)
    }

    /// Reads the record now and then, for ever.
    pub(super) async fn follow(&self) {
        loop {
            {
                let _turn = self.turn.lock().await;
                if let Err(Not::Refused(_, text) | Not::Failed(text)) = self.read().await {
                    tracing::warn!(text, "the lab's record");
                }
            }
            clock::sleep(EVERY).await;
        }
    }

    pub(super) async fn read(&self) -> Result<Record, Not> {
        let read = clock::timeout(READ, record::read(&self.docker, self.lab.as_str())).await;
        let record = read
            .map_err(|late| Not::Failed(late.to_string()))?
            .map_err(|error| Not::Failed(error.to_string()))?
            .ok_or_else(|| Not::Failed("the lab has no record".to_owned()))?;
        self.follow_voters(&record);
        self.know(record.clone());
        Ok(record)
    }

    fn know(&self, record: Record) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() != Some(&record) {
            *self.wanted.lock().unwrap_or_else(PoisonError::into_inner) = Wanted::of(&record);
            *known = Some(record);
        }
    }

    /// Writes a record in the place of the one that was read last. Where another was written meanwhile nothing is, and
    /// whoever ordered it looks again.
    async fn write(&self, record: Record) -> Result<(), Not> {
        let before = self.known().ok_or_else(|| Not::Failed("the lab's record was never read".to_owned()))?;
        let written = record::replace(&self.docker, &before, &record);
        match clock::timeout(record::REPLACES, written).await {
            Ok(Ok(())) => {}
            Ok(Err(LabError::Moved(why))) => return Err(not_allowed(why)),
            Ok(Err(error)) => return Err(Not::Failed(error.to_string())),
            Err(late) => return Err(Not::Failed(late.to_string())),
        }
        self.follow_voters(&record);
        self.know(record);
        Ok(())
    }

    /// See [`crate::model::control::Deed::Create`].
    pub(super) async fn create(
        &self,
        order: &Order,
        member: &MemberId,
        service: Service,
        host: &HostName,
    ) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.make(&order.deed, member, service, host)).await)
    }

    async fn make(&self, deed: &Deed, id: &MemberId, service: Service, host: &HostName) -> Result<(), Not> {
        let mut record = self.read().await?;
        if let Some(with) = rules::judged(&record, deed, &Facts::default())? {
            if service == Service::Etcd {
                self.may_join().await?;
            }
            self.write(with.clone()).await?;
            record = with;
        }
        let body = recipe(&record, id, service)?;
        let found = match limited(DO, self.docker.inspect(&body.container)).await {
            Err(EngineError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
            Ok(found) if found.status == ContainerStatus::Running => return Ok(()),
            Ok(found) if dead(&found) => Some(found),
            Ok(found) => return Err(not_allowed(format!("its body is {}", found.status.as_str()))),
        };
        if service == Service::Etcd {
            self.admit(&record, id).await?;
            self.spread(&record).await;
        }
        if let Some(found) = found {
            self.remove(&found).await?;
        }
        if service == Service::Postgres {
            self.open_doors(host).await;
        }
        let hands = DockerHands::new(self.docker.clone(), self.lab.to_string(), record.images.clone());
        limited(DO, hands.act(&Action::EnsureVolumes { volumes: body.volumes().collect() })).await?;
        limited(DO, hands.act(&Action::EnsureCreated { body: Box::new(body) })).await?;
        Ok(())
    }

    /// See [`crate::model::control::Deed::Resize`].
    pub(super) async fn resize(&self, order: &Order, member: &MemberId, from: Size, to: Size) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.size(&order.deed, member, from, to)).await)
    }

    async fn size(&self, deed: &Deed, id: &MemberId, from: Size, to: Size) -> Result<(), Not> {
        let mut record = self.read().await?;
        // what the record alone forbids is said before the engine is asked
        rules::judged(&record, deed, &Facts::default())?;
        let lab = self.lab.as_str();
        let container = names::container(lab, id.as_str());
        let found = limited(DO, self.docker.inspect(&container)).await?;
        let (mut fills, mut facts) = (true, Facts::default());
        if found.status == ContainerStatus::Running {
            let usage = Box::pin(limited(DO, self.docker.usage(&found.id, DATA_PATH))).await?;
            facts.memory = usage.memory;
            fills = usage.disk.is_none_or(|disk| disk.fills(to.disk));
        }
        let sized = limited(DO, self.docker.volumes(Some(lab))).await?.contains_key(&names::disks(lab));
        facts.plain = !sized;
        let goal = rules::judged(&record, deed, &facts)?.unwrap_or_else(|| record.clone());
        let Some(member) = record.members.iter().find(|member| member.id == *id).cloned() else {
            return Err(Not::Failed(format!("{id} is in no record")));
        };
        // cut short anywhere, the record says no less than the body is held to: nobody else is given that
        self.give(&mut record, id, member.size.or_more(&to)).await?;
        let body = recipe(&goal, id, member.service)?;
        // the disk first: a body that is full waits for nothing else
        if sized && (to.disk != from.disk || !fills) {
            Box::pin(limited(DO, self.docker.grow_disk(lab, id.as_str(), to.disk))).await?;
        }
        limited(DO, self.docker.limit(&found.id, Some(to.cpus), Some(to.memory))).await?;
        limited(DO, self.docker.write_files(&settings(body))).await?;
        self.give(&mut record, id, to).await
    }

    /// Writes down a member's size, if it is another.
    async fn give(&self, record: &mut Record, id: &MemberId, size: Size) -> Result<(), Not> {
        if !rules::resized(record, id, size) {
            return Ok(());
        }
        record.desired.generation += 1;
        self.write(record.clone()).await
    }

    /// See [`crate::model::control::Deed::Scale`].
    pub(super) async fn scale(&self, order: &Order) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.number(&order.deed)).await)
    }

    async fn number(&self, deed: &Deed) -> Result<(), Not> {
        let record = self.read().await?;
        match rules::judged(&record, deed, &Facts::default())? {
            Some(numbered) => self.write(numbered).await,
            None => Ok(()),
        }
    }

    /// See [`crate::model::control::Deed::Retire`].
    pub(super) async fn retire(&self, order: &Order, member: &MemberId) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        // it may have come to lead while this waited
        if let Err(not) = self.warrants.leader(Some(LeaderIs::Another), member.as_str()).await {
            return answered(not);
        }
        answer(Box::pin(self.leave(&order.deed, member)).await)
    }

    async fn leave(&self, deed: &Deed, id: &MemberId) -> Result<(), Not> {
        let record = self.read().await?;
        let container = names::container(self.lab.as_str(), id.as_str());
        let found = match limited(DO, self.docker.inspect(&container)).await {
            Ok(found) => Some(found),
            Err(EngineError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let running = found.as_ref().filter(|found| !dead(found)).map(|found| found.status);
        let known = record.members.iter().find(|member| member.id == *id).cloned();
        let without = rules::judged(&record, deed, &Facts { running, ..Facts::default() })?;
        if let Some((without, member)) = without.zip(known) {
            if member.service == Service::Etcd {
                self.expel(&record, &member).await?;
            }
            self.write(without.clone()).await?;
            if member.service == Service::Balancer {
                self.spread(&without).await;
            }
        }
        let host = found.as_ref().and_then(|found| found.host()).and_then(|host| HostName::new(host).ok());
        if let Some(found) = found {
            self.remove(&found).await?;
        }
        if let Some(host) = host.filter(|_| rules::is_database(id)) {
            self.open_doors(&host).await;
        }
        Ok(())
    }

    /// The body of a container goes; what a controller said in it stays, as it may explain what was ordered.
    async fn remove(&self, found: &Container) -> Result<(), Not> {
        if found.service() == Some(Service::Controller.as_str())
            && let Some(kept) = found.member().and_then(|member| MemberId::new(member).ok())
        {
            // whoever is asked to end says so, and its last word is said by then
            limited(DO, self.docker.stop(&found.id, ENDS)).await?;
            for line in limited(DO, self.docker.logs_since(&found.id, 0)).await?.lines() {
                self.journal.say(BrokerLine::Kept(Kept { kept: kept.clone(), line: line.to_owned() }));
            }
        }
        limited(DO, self.docker.remove_container(&found.id)).await?;
        Ok(())
    }

    /// See [`crate::model::control::Deed::Remove`].
    pub(super) async fn clear(&self, order: &Order, found: &Container) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(self.sweep(&order.deed, found).await)
    }

    async fn sweep(&self, deed: &Deed, found: &Container) -> Result<(), Not> {
        let record = self.read().await?;
        // it may have been started while this waited for its turn
        let now = limited(DO, self.docker.inspect(&found.id)).await?;
        let running = Some(now.status).filter(|_| !dead(&now));
        let named = Wanted::of(&record).names(&found.name);
        rules::judged(&record, deed, &Facts { running, named, ..Facts::default() })?;
        self.remove(&now).await
    }

    /// See [`crate::model::control::Deed::Discard`].
    pub(super) async fn discard(&self, order: &Order, member: &MemberId) -> Answer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(self.forget(&order.deed, member).await)
    }

    async fn forget(&self, deed: &Deed, id: &MemberId) -> Result<(), Not> {
        let record = self.read().await?;
        rules::judged(&record, deed, &Facts::default())?;
        let lab = self.lab.as_str();
        let volumes = limited(DO, self.docker.volumes(Some(lab))).await?;
        let its =
            |labels: &BTreeMap<String, String>| labels.get(LABEL_MEMBER).is_some_and(|of| of == id.as_str());
        let (store, image) = (names::disks(lab), record.images.get(&ImageRole::Host));
        let disks = image.filter(|_| volumes.contains_key(&store));
        let volumes: Vec<String> =
            volumes.into_iter().filter(|(_, labels)| its(labels)).map(|(name, _)| name).collect();
        // disks first: as long as their volumes are there, whoever tries again knows what is left to do
        if let Some(image) = disks {
            limited(DO, self.docker.discard_disks(lab, image, &store, &volumes)).await?;
        }
        for volume in &volumes {
            limited(DO, self.docker.remove_volume(volume)).await?;
        }
        Ok(())
    }
}

/// What a body's settings say; its clock is set by nobody but a fault.
pub(super) fn settings(body: Body) -> Body {
    let files = body.files.iter().filter(|file| !file.path.ends_with("/clock")).cloned().collect();
    Body { files, ..body }
}

/// What a member's container is made of.
fn recipe(record: &Record, id: &MemberId, service: Service) -> Result<Body, Not> {
    let mut bodies = up::world(record).bodies.into_iter();
    let found = bodies.find(|body| body.member == *id && body.service == Some(service));
    found.ok_or_else(|| Not::Failed(format!("there is no recipe for {id}")))
}
