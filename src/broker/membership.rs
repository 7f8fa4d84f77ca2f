//! Who belongs to the lab: bodies made anew, members taken in and members that leave, by the lab's record.
//!
//! Invariants: the record is written before a new member has a body, and before the body of one that leaves is
//! gone; a running body is neither replaced nor removed; a name is never used twice. One deed at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cut_off;
use super::drift::{Drift, WantedBodies};
use super::engine_limits::{ENGINE_CHANGE_TIMEOUT, limited};
use super::fence::dead;
use super::refusal::{NotDone, answer, not_allowed};
use super::rules;
use super::rules::Facts;
use super::warrant::{Warrants, answered};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::engine::hands::Hands as _;
use crate::engine::journal_writer::Journal;
use crate::engine::locked::Locked;
use crate::engine::store::Store;
use crate::lab::lab_hands::DockerHands;
use crate::lab::record::{self, LabRecord};
use crate::lab::{LabError, names};
use crate::model::body::{DATA_PATH, LABEL_MEMBER};
use crate::model::control::{
    Bodies, BrokerAnswer, BrokerDeed, BrokerLine, BrokerOrder, Brokered, KeptLine, LeaderIs, Token,
};
use crate::model::{
    Action, Body, Container, ContainerStatus, HostName, ImageRole, MemberId, Mono, Name, Service, Size,
};

/// Seconds that a controller has to end when it is asked to.
const ENDS: u32 = 1;
/// Longest wait for the lab's record.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause between two looks at the record, which `up` may change, too.
const RECORD_LOOK_PAUSE: Duration = Duration::from_secs(5);

/// The members of one lab.
pub(super) struct Membership {
    pub(super) docker: Docker,
    pub(super) lab: Name,
    /// The store whose members are members of the lab.
    pub(super) store: Arc<Store>,
    /// Where it stands what bodies said that are removed.
    journal: Journal<BrokerLine>,
    known: Locked<Option<LabRecord>>,
    /// What that record wants.
    wanted: Locked<WantedBodies>,
    pub(super) turn: tokio::sync::Mutex<()>,
    /// Whether orders stand.
    warrants: Arc<Warrants>,
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
            known: Locked::default(),
            wanted: Locked::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The turn of an order; whoever waited for it is asked again whether it stands.
    pub(super) async fn turn_of(
        &self,
        order: &BrokerOrder,
    ) -> Result<tokio::sync::MutexGuard<'_, ()>, BrokerAnswer> {
        let turn = self.turn.lock().await;
        self.warrants.stands(order).await.map_err(answered)?;
        Ok(turn)
    }

    /// The record as it was read last.
    pub(super) fn known(&self) -> Option<LabRecord> {
        self.known.lock().clone()
    }

    /// Writes down that a body was started without an order, in the words of one.
    pub(super) fn say_started(&self, container: &str, began: Mono) {
        let token = Token { key: "the broker itself: no controller can be asked".to_owned(), revision: 0 };
        let (at, deed) = (clock::now(), BrokerDeed::Start { container: container.to_owned() });
        let order = BrokerOrder { token, deadline: at, deed };
        let said = Brokered { began, at, order, answer: BrokerAnswer::Done };
        self.journal.say(BrokerLine::Order(Box::new(said)));
    }

    /// Nobody who comes to stand on a host finds a door that was closed for the one before.
    async fn open_doors(&self, host: &HostName) {
        let sandbox = format!("pgha-{}-host-{host}", self.lab);
        let command = ["/bin/sh", "-c", &cut_off::open()].map(str::to_owned);
        match limited(ENGINE_CHANGE_TIMEOUT, self.docker.exec(&sandbox, &command)).await {
            Ok(ran) if ran.code == 0 => {}
            Ok(ran) => tracing::warn!(said = ran.stderr.trim(), %host, "its doors could not be opened"),
            // a host that does not run has no doors
            Err(error) => tracing::debug!(%error, %host, "its doors could not be opened"),
        }
    }

    /// These bodies with what the record says, as it was read last: who stands where, who left, and how many there
    /// should be.
    pub(super) fn told(&self, bodies: Bodies) -> Bodies {
        let known = self.known.lock();
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
        self.wanted.lock().compare(found)
    }

    /// Reads the record now and then, for ever.
    pub(super) async fn follow(&self) {
        loop {
            {
                let _turn = self.turn.lock().await;
                if let Err(NotDone::Refused(_, text) | NotDone::Failed(text)) = self.read().await {
                    tracing::warn!(text, "the lab's record");
                }
            }
            clock::sleep(RECORD_LOOK_PAUSE).await;
        }
    }

    pub(super) async fn read(&self) -> Result<LabRecord, NotDone> {
        let read = clock::timeout(RECORD_TIMEOUT, record::read(&self.docker, self.lab.as_str())).await;
        let record = read
            .map_err(|late| NotDone::Failed(late.to_string()))?
            .map_err(|error| NotDone::Failed(error.to_string()))?
            .ok_or_else(|| NotDone::Failed("the lab has no record".to_owned()))?;
        self.follow_voters(&record);
        self.know(record.clone());
        Ok(record)
    }

    fn know(&self, record: LabRecord) {
        let mut known = self.known.lock();
        if known.as_ref() != Some(&record) {
            *self.wanted.lock() = WantedBodies::of(&record);
            *known = Some(record);
        }
    }

    /// Writes a record in the place of the one that was read last. Where another was written meanwhile nothing is, and
    /// whoever ordered it looks again.
    async fn write(&self, record: LabRecord) -> Result<(), NotDone> {
        let before =
            self.known().ok_or_else(|| NotDone::Failed("the lab's record was never read".to_owned()))?;
        let written = record::replace(&self.docker, &before, &record);
        match clock::timeout(record::REPLACES, written).await {
            Ok(Ok(())) => {}
            Ok(Err(LabError::Moved(why))) => return Err(not_allowed(why)),
            Ok(Err(error)) => return Err(NotDone::Failed(error.to_string())),
            Err(late) => return Err(NotDone::Failed(late.to_string())),
        }
        self.follow_voters(&record);
        self.know(record);
        Ok(())
    }

    /// See [`crate::model::control::BrokerDeed::Create`].
    pub(super) async fn create(
        &self,
        order: &BrokerOrder,
        member: &MemberId,
        service: Service,
        host: &HostName,
    ) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.create_body(&order.deed, member, service, host)).await)
    }

    async fn create_body(
        &self,
        deed: &BrokerDeed,
        id: &MemberId,
        service: Service,
        host: &HostName,
    ) -> Result<(), NotDone> {
        let mut record = self.read().await?;
        if let Some(with) = rules::judged(&record, deed, &Facts::default())? {
            if service == Service::Etcd {
                self.may_join().await?;
            }
            self.write(with.clone()).await?;
            record = with;
        }
        let body = recipe(&record, id, service)?;
        let found = match limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(&body.container)).await {
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
            self.remove_body(&found).await?;
        }
        if service == Service::Postgres {
            self.open_doors(host).await;
        }
        let hands = DockerHands::new(self.docker.clone(), self.lab.to_string(), record.images.clone());
        limited(
            ENGINE_CHANGE_TIMEOUT,
            hands.act(&Action::EnsureVolumes { volumes: body.volumes().collect() }),
        )
        .await?;
        limited(ENGINE_CHANGE_TIMEOUT, hands.act(&Action::EnsureCreated { body: Box::new(body) })).await?;
        Ok(())
    }

    /// See [`crate::model::control::BrokerDeed::Resize`].
    pub(super) async fn resize(
        &self,
        order: &BrokerOrder,
        member: &MemberId,
        from: Size,
        to: Size,
    ) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.resize_body(&order.deed, member, from, to)).await)
    }

    async fn resize_body(
        &self,
        deed: &BrokerDeed,
        id: &MemberId,
        from: Size,
        to: Size,
    ) -> Result<(), NotDone> {
        let mut record = self.read().await?;
        // what the record alone forbids is said before the engine is asked
        rules::judged(&record, deed, &Facts::default())?;
        let lab = self.lab.as_str();
        let container = names::container(lab, id.as_str());
        let found = limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(&container)).await?;
        let (mut fills, mut facts) = (true, Facts::default());
        if found.status == ContainerStatus::Running {
            let usage =
                Box::pin(limited(ENGINE_CHANGE_TIMEOUT, self.docker.usage(&found.id, DATA_PATH))).await?;
            facts.memory = usage.memory;
            fills = usage.disk.is_none_or(|disk| disk.fills(to.disk));
        }
        let sized = limited(ENGINE_CHANGE_TIMEOUT, self.docker.volumes(Some(lab)))
            .await?
            .contains_key(&names::disks(lab));
        facts.plain = !sized;
        let goal = rules::judged(&record, deed, &facts)?.unwrap_or_else(|| record.clone());
        let Some(member) = record.members.iter().find(|member| member.id == *id).cloned() else {
            return Err(NotDone::Failed(format!("{id} is in no record")));
        };
        // cut short anywhere, the record says no less than the body is held to: nobody else is given that
        self.write_size(&mut record, id, member.size.or_more(&to)).await?;
        let body = recipe(&goal, id, member.service)?;
        // the disk first: a body that is full waits for nothing else
        if sized && (to.disk != from.disk || !fills) {
            Box::pin(limited(ENGINE_CHANGE_TIMEOUT, self.docker.grow_disk(lab, id.as_str(), to.disk)))
                .await?;
        }
        limited(ENGINE_CHANGE_TIMEOUT, self.docker.limit(&found.id, Some(to.cpus), Some(to.memory))).await?;
        limited(ENGINE_CHANGE_TIMEOUT, self.docker.write_files(&settings(body))).await?;
        self.write_size(&mut record, id, to).await
    }

    /// Writes down a member's size, if it is another.
    async fn write_size(&self, record: &mut LabRecord, id: &MemberId, size: Size) -> Result<(), NotDone> {
        if !rules::set_size(record, id, size) {
            return Ok(());
        }
        record.desired.generation += 1;
        self.write(record.clone()).await
    }

    /// See [`crate::model::control::BrokerDeed::Scale`].
    pub(super) async fn scale(&self, order: &BrokerOrder) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(Box::pin(self.scale_service(&order.deed)).await)
    }

    async fn scale_service(&self, deed: &BrokerDeed) -> Result<(), NotDone> {
        let record = self.read().await?;
        match rules::judged(&record, deed, &Facts::default())? {
            Some(scaled) => self.write(scaled).await,
            None => Ok(()),
        }
    }

    /// See [`crate::model::control::BrokerDeed::Retire`].
    pub(super) async fn retire(&self, order: &BrokerOrder, member: &MemberId) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        // it may have come to lead while this waited
        if let Err(not) = self.warrants.leader(Some(LeaderIs::Another), member.as_str()).await {
            return answered(not);
        }
        answer(Box::pin(self.retire_member(&order.deed, member)).await)
    }

    async fn retire_member(&self, deed: &BrokerDeed, id: &MemberId) -> Result<(), NotDone> {
        let record = self.read().await?;
        let container = names::container(self.lab.as_str(), id.as_str());
        let found = match limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(&container)).await {
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
            self.remove_body(&found).await?;
        }
        if let Some(host) = host.filter(|_| rules::is_database(id)) {
            self.open_doors(&host).await;
        }
        Ok(())
    }

    /// The body of a container goes; what a controller said in it stays, as it may explain what was ordered.
    async fn remove_body(&self, found: &Container) -> Result<(), NotDone> {
        if found.service() == Some(Service::Controller.as_str())
            && let Some(kept) = found.member().and_then(|member| MemberId::new(member).ok())
        {
            // whoever is asked to end says so, and its last word is said by then
            limited(ENGINE_CHANGE_TIMEOUT, self.docker.stop(&found.id, ENDS)).await?;
            for line in limited(ENGINE_CHANGE_TIMEOUT, self.docker.logs_since(&found.id, 0)).await?.lines() {
                self.journal.say(BrokerLine::Kept(KeptLine { kept: kept.clone(), line: line.to_owned() }));
            }
        }
        limited(ENGINE_CHANGE_TIMEOUT, self.docker.remove_container(&found.id)).await?;
        Ok(())
    }

    /// See [`crate::model::control::BrokerDeed::Remove`].
    pub(super) async fn remove(&self, order: &BrokerOrder, found: &Container) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(self.remove_stray(&order.deed, found).await)
    }

    async fn remove_stray(&self, deed: &BrokerDeed, found: &Container) -> Result<(), NotDone> {
        let record = self.read().await?;
        // it may have been started while this waited for its turn
        let now = limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(&found.id)).await?;
        let running = Some(now.status).filter(|_| !dead(&now));
        let named = WantedBodies::of(&record).names(&found.name);
        rules::judged(&record, deed, &Facts { running, named, ..Facts::default() })?;
        self.remove_body(&now).await
    }

    /// See [`crate::model::control::BrokerDeed::Discard`].
    pub(super) async fn discard(&self, order: &BrokerOrder, member: &MemberId) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(self.discard_volumes(&order.deed, member).await)
    }

    async fn discard_volumes(&self, deed: &BrokerDeed, id: &MemberId) -> Result<(), NotDone> {
        let record = self.read().await?;
        rules::judged(&record, deed, &Facts::default())?;
        let lab = self.lab.as_str();
        let volumes = limited(ENGINE_CHANGE_TIMEOUT, self.docker.volumes(Some(lab))).await?;
        let its =
            |labels: &BTreeMap<String, String>| labels.get(LABEL_MEMBER).is_some_and(|of| of == id.as_str());
        let (store, image) = (names::disks(lab), record.images.get(&ImageRole::Host));
        let disks = image.filter(|_| volumes.contains_key(&store));
        let volumes: Vec<String> =
            volumes.into_iter().filter(|(_, labels)| its(labels)).map(|(name, _)| name).collect();
        // disks first: as long as their volumes are there, whoever tries again knows what is left to do
        if let Some(image) = disks {
            limited(ENGINE_CHANGE_TIMEOUT, self.docker.discard_disks(lab, image, &store, &volumes)).await?;
        }
        for volume in &volumes {
            limited(ENGINE_CHANGE_TIMEOUT, self.docker.remove_volume(volume)).await?;
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
fn recipe(record: &LabRecord, id: &MemberId, service: Service) -> Result<Body, NotDone> {
    let mut bodies = record::world(record).bodies.into_iter();
    let found = bodies.find(|body| body.member == *id && body.service == Some(service));
    found.ok_or_else(|| NotDone::Failed(format!("there is no recipe for {id}")))
}
