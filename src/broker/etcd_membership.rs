//! Who belongs to the cluster of etcd: members leave it and join it, by the broker alone and by the lab's record.
//!
//! Invariants: nobody leaves or joins but where a quorum of those that serve is left; whoever has been part of the
//! cluster is given no life without its data, as it would take part as if it had forgotten nothing.

use futures_util::future::join_all;

use super::engine_limits::{ENGINE_CHANGE_TIMEOUT, limited};
use super::membership::{Membership, settings};
use super::refusal::{NotDone, answer, not_allowed};
use crate::decide::body::{ETCD_PEER_PORT, ETCD_PORT};
use crate::engine::store::{VoterState, carried};
use crate::lab::names;
use crate::lab::record::{self, LabRecord};
use crate::model::body::DATA_PATH;
use crate::model::control::{BrokerAnswer, BrokerOrder};
use crate::model::{Container, Member, MemberId, Service};

/// Why a member without its data gets no life.
const FORGOTTEN: &str = "its data is gone: it would take part as if it had forgotten nothing";

impl Membership {
    /// Whoever asks the store finds its members where they stand now.
    pub(super) fn follow_voters(&self, record: &LabRecord) {
        let at = record.of(Service::Etcd).map(|(_, address)| (address, ETCD_PORT).into());
        self.store.follow(&at.collect::<Vec<_>>());
    }

    /// A member leaves the cluster; one that has left already is fine.
    pub(super) async fn expel(&self, record: &LabRecord, member: &Member) -> Result<(), NotDone> {
        let (votes, mine) = self.votes(record, member).await?;
        let Some(id) = mine else { return Ok(()) };
        carried(&votes, Some(id), 0).map_err(not_allowed)?;
        let outcome = self.store.remove_member(id).await;
        let left = !self.listed(record, member).await?;
        match outcome {
            Err(error) if !left => Err(NotDone::Failed(error.to_string())),
            _ => Ok(()),
        }
    }

    /// Whether a member that the cluster does not know may join it.
    pub(super) async fn may_join(&self) -> Result<(), NotDone> {
        let votes = self.store.votes().await.map_err(|error| NotDone::Failed(error.to_string()))?;
        carried(&votes, None, 1).map_err(not_allowed)
    }

    /// A member of the record is one of the cluster: added to it, or known to it and with its data.
    pub(super) async fn admit(&self, record: &LabRecord, id: &MemberId) -> Result<(), NotDone> {
        let member = known(record, id.as_str())?;
        let (votes, mine) = self.votes(record, member).await?;
        let volume = format!("{}-data", names::container(self.lab.as_str(), member.id.as_str()));
        let kept = limited(ENGINE_CHANGE_TIMEOUT, self.docker.volumes(Some(self.lab.as_str())))
            .await?
            .contains_key(&volume);
        let joined =
            mine.is_some_and(|id| votes.iter().any(|vote| vote.listed.id == id && vote.listed.joined()));
        if joined {
            let container = names::container(self.lab.as_str(), member.id.as_str());
            return if kept { self.has_data(&container).await } else { Err(not_allowed(FORGOTTEN)) };
        }
        if mine.is_some() {
            return Ok(());
        }
        if kept {
            return Err(not_allowed(format!(
                "{} was taken out of the cluster: another must take its place",
                member.id
            )));
        }
        carried(&votes, None, 1).map_err(not_allowed)?;
        let peer = peer(record, member)?;
        let outcome = self.store.add_member(&peer).await;
        let there = self.listed(record, member).await?;
        match outcome {
            Err(error) if !there => Err(NotDone::Failed(error.to_string())),
            _ => Ok(()),
        }
    }

    /// Whether a body of etcd may be started: one that has been part of the cluster needs its data.
    pub(super) async fn startable(&self, order: &BrokerOrder, container: &Container) -> BrokerAnswer {
        let _turn = match self.turn_of(order).await {
            Ok(turn) => turn,
            Err(not) => return not,
        };
        answer(self.may_start(container).await)
    }

    async fn may_start(&self, container: &Container) -> Result<(), NotDone> {
        let record = self.read().await?;
        let member = known(&record, container.member().unwrap_or_default())?;
        let (votes, mine) = self.votes(&record, member).await?;
        if votes.iter().any(|vote| Some(vote.listed.id) == mine && vote.listed.joined()) {
            return self.has_data(&container.id).await;
        }
        Ok(())
    }

    /// Whoever reads at its start where members stand reads where they stand now.
    pub(super) async fn spread(&self, record: &LabRecord) {
        let readers = [Service::Postgres, Service::Controller, Service::Broker].map(Some);
        let bodies = record::world(record).bodies.into_iter().filter(|body| readers.contains(&body.service));
        let told = bodies.map(|body| async move {
            if let Err(error) =
                limited(ENGINE_CHANGE_TIMEOUT, self.docker.write_files(&settings(body.clone()))).await
            {
                // what it knows of those who stay is enough to find the others
                tracing::warn!(%error, member = body.member.as_str(), "it was not told who stands where");
            }
        });
        join_all(told).await;
    }

    /// A body that is there shows its data; without a body nobody can look. What says so is its log: the other
    /// directories are made by a start that comes to nothing, too.
    async fn has_data(&self, container: &str) -> Result<(), NotDone> {
        let there = limited(ENGINE_CHANGE_TIMEOUT, self.docker.inspect(container)).await.is_ok();
        if !there
            || limited(
                ENGINE_CHANGE_TIMEOUT,
                self.docker.has(container, &format!("{DATA_PATH}/etcd/member/wal")),
            )
            .await?
        {
            return Ok(());
        }
        Err(not_allowed(FORGOTTEN))
    }

    /// The cluster, and the number it gave this member; `None` when it does not know it.
    async fn votes(
        &self,
        record: &LabRecord,
        member: &Member,
    ) -> Result<(Vec<VoterState>, Option<u64>), NotDone> {
        let votes = self.store.votes().await.map_err(|error| NotDone::Failed(error.to_string()))?;
        let peer = peer(record, member)?;
        let mine = votes.iter().find(|vote| vote.is(member.id.as_str(), &peer)).map(|vote| vote.listed.id);
        Ok((votes, mine))
    }

    async fn listed(&self, record: &LabRecord, member: &Member) -> Result<bool, NotDone> {
        Ok(self.votes(record, member).await?.1.is_some())
    }
}

/// A member of the record.
fn known<'a>(record: &'a LabRecord, id: &str) -> Result<&'a Member, NotDone> {
    let found = record.members.iter().find(|member| member.id.as_str() == id);
    found.ok_or_else(|| not_allowed(format!("{id} is no member of this lab")))
}

/// Where the others reach a member.
fn peer(record: &LabRecord, member: &Member) -> Result<String, NotDone> {
    let address =
        record.address(member).ok_or_else(|| NotDone::Failed(format!("{} has no host", member.id)))?;
    Ok(format!("http://{address}:{ETCD_PEER_PORT}"))
}
