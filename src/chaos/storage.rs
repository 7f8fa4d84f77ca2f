//! Faults on the disk of one body: full, frozen, slow, corrupt; and what a power cut does to it.
//!
//! Each is done by a helper beside the body that is started in `prepare` and removed when the heal is
//! proved. A heal in another process finds it by its name, or starts it anew.

mod corrupt;
mod fill;
mod freeze;
mod hand;
mod power;
mod slow;

use async_trait::async_trait;

pub(super) use hand::{Hand, in_body, remove_all, volume};
pub use power::{forget_cache, lose_cache, ready_to_lose_cache};

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::lab::lab_hands::LABEL_PLAIN;
use crate::model::FaultRecord;
use crate::model::scenario::DiskVerb;
use slow::Limit;

/// Faults on disks.
#[derive(Clone, Copy, Debug)]
pub struct Storage(pub DiskVerb);

/// Refuses a body whose volume has no size of its own, with the reason that its founding wrote down.
async fn own_disk(scene: &Scene<'_>, victim: &Victim) -> Result<(), String> {
    let lab = scene.record.spec.name.as_str();
    let seen = scene.docker.observe(Some(lab)).await.map_err(|error| error.to_string())?;
    let volume = volume(lab, victim.hit.as_str());
    let labels = seen.volumes.get(&volume).ok_or_else(|| format!("{} has no volume {volume}", victim.hit))?;
    match labels.get(LABEL_PLAIN) {
        Some(why) => Err(format!("{} has no disk of its own: {why}", victim.hit)),
        None => Ok(()),
    }
}

impl Storage {
    async fn prepare_one(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victim: &Victim,
    ) -> Result<(), String> {
        if !matches!(self.0, DiskVerb::Corrupt { .. }) {
            own_disk(scene, victim).await?;
        }
        let id = fault.id.clone();
        let hand = Hand::of(scene, id.as_str(), &victim.hit);
        hand.start().await?;
        match self.0 {
            DiskVerb::Fill { leave, .. } => fill::prepare(scene, fault, victim, leave).await,
            DiskVerb::Corrupt { what, bytes } => {
                let spot = corrupt::prepare(scene, hand, victim, what, bytes).await?;
                fault.notes.insert(victim.hit.to_string(), spot);
                Ok(())
            }
            DiskVerb::Slow { bytes_per_second, iops } => {
                slow::prepare(hand, victim, Limit { bytes: bytes_per_second.0, iops }).await
            }
            DiskVerb::Freeze => Ok(()),
        }
    }

    async fn healed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        let id = fault.id.as_str();
        let hand = Hand::of(scene, id, &victim.hit);
        match self.0 {
            DiskVerb::Fill { leave, .. } => fill::seen(scene, fault, victim, leave, true).await,
            DiskVerb::Freeze => freeze::undone(hand, id).await,
            DiskVerb::Slow { bytes_per_second, iops } => {
                slow::seen(scene, hand, victim, Limit { bytes: bytes_per_second.0, iops }, id, true).await
            }
            DiskVerb::Corrupt { .. } => VictimSeen::new(true, "definition of the verb", "nothing to undo"),
        }
    }
}

#[async_trait]
impl Family for Storage {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        for victim in victims {
            if let Err(why) = self.prepare_one(scene, fault, victim).await {
                remove_all(scene, fault.id.as_str(), victims).await?;
                return Err(why);
            }
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let hand = Hand::of(scene, fault.id.as_str(), &victim.hit);
        match self.0 {
            DiskVerb::Fill { leave, once } => fill::deed(hand, fault, leave, once).await,
            DiskVerb::Freeze => freeze::deed(hand).await,
            DiskVerb::Corrupt { bytes, .. } => corrupt::deed(hand, fault, victim, bytes).await,
            DiskVerb::Slow { bytes_per_second, iops } => {
                slow::deed(hand, victim, Limit { bytes: bytes_per_second.0, iops }).await
            }
        }
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        let id = fault.id.as_str();
        let hand = Hand::of(scene, id, &victim.hit);
        match self.0 {
            DiskVerb::Fill { leave, .. } => fill::seen(scene, fault, victim, leave, false).await,
            DiskVerb::Freeze => freeze::bit(hand, id).await,
            DiskVerb::Corrupt { bytes, .. } => corrupt::bit(scene, fault, victim, bytes).await,
            DiskVerb::Slow { bytes_per_second, iops } => {
                slow::seen(scene, hand, victim, Limit { bytes: bytes_per_second.0, iops }, id, false).await
            }
        }
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let hand = Hand::of(scene, fault.id.as_str(), &victim.hit);
        match self.0 {
            DiskVerb::Fill { .. } => fill::undo(hand, fault).await,
            DiskVerb::Freeze => freeze::undo(hand).await,
            DiskVerb::Slow { .. } => slow::undo(hand, victim).await,
            DiskVerb::Corrupt { .. } => Ok(()),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        let mut seen = self.healed(scene, fault, victim).await;
        if seen.proved
            && let Err(why) = Hand::of(scene, fault.id.as_str(), &victim.hit).remove().await
        {
            seen = VictimSeen::new(false, "engine", format!("its helper cannot be removed: {why}"));
        }
        seen
    }
}
