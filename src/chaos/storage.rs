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

use super::family::{Family, Scene, Seen, Victim};
use crate::lab::hands::LABEL_PLAIN;
use crate::model::{FaultRecord, Verb};
use slow::Limit;

/// Faults on disks.
#[derive(Clone, Copy, Debug)]
pub struct Storage;

/// Refuses a body whose volume has no size of its own, with the reason that its founding wrote down.
async fn own_disk(scene: &Scene<'_>, victim: &Victim) -> Result<(), String> {
    let lab = scene.record.spec.name.as_str();
    let seen = scene.docker.observe(Some(lab)).await.map_err(|error| error.to_string())?;
    let volume = volume(lab, &victim.name);
    let labels =
        seen.volumes.get(&volume).ok_or_else(|| format!("{} has no volume {volume}", victim.name))?;
    match labels.get(LABEL_PLAIN) {
        Some(why) => Err(format!("{} has no disk of its own: {why}", victim.name)),
        None => Ok(()),
    }
}

const fn limit(verb: &Verb) -> Option<Limit> {
    match verb {
        Verb::DiskSlow { bytes_per_second, iops, .. } => {
            Some(Limit { bytes: bytes_per_second.0, iops: *iops })
        }
        _ => None,
    }
}

fn stranger(verb: &Verb) -> String {
    format!("`{}` is no fault of a disk", verb.name())
}

impl Storage {
    async fn prepare_one(scene: &Scene<'_>, fault: &mut FaultRecord, victim: &Victim) -> Result<(), String> {
        if !matches!(fault.verb, Verb::DiskCorrupt { .. }) {
            own_disk(scene, victim).await?;
        }
        let id = fault.id.clone();
        let hand = Hand::of(scene, id.as_str(), &victim.name);
        hand.start().await?;
        match fault.verb.clone() {
            Verb::DiskFill { leave, .. } => fill::prepare(scene, fault, victim, leave).await,
            Verb::DiskCorrupt { what, bytes, .. } => {
                let spot = corrupt::prepare(scene, hand, victim, what, bytes).await?;
                fault.notes.insert(victim.name.to_string(), spot);
                Ok(())
            }
            other => match limit(&other) {
                Some(limit) => slow::prepare(hand, victim, limit).await,
                None => Ok(()),
            },
        }
    }

    async fn healed(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        let id = fault.id.as_str();
        let hand = Hand::of(scene, id, &victim.name);
        match (&fault.verb, limit(&fault.verb)) {
            (Verb::DiskFill { leave, .. }, _) => fill::seen(scene, fault, victim, *leave, true).await,
            (Verb::DiskFreeze { .. }, _) => freeze::undone(hand, id).await,
            (_, Some(limit)) => slow::seen(scene, hand, victim, limit, id, true).await,
            (other, None) => Seen::new(true, "nothing", stranger(other)),
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
            if let Err(why) = Self::prepare_one(scene, fault, victim).await {
                remove_all(scene, fault.id.as_str(), victims).await?;
                return Err(why);
            }
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let hand = Hand::of(scene, fault.id.as_str(), &victim.name);
        match (&fault.verb, limit(&fault.verb)) {
            (Verb::DiskFill { leave, once, .. }, _) => fill::deed(hand, fault, *leave, *once).await,
            (Verb::DiskFreeze { .. }, _) => freeze::deed(hand).await,
            (Verb::DiskCorrupt { bytes, .. }, _) => corrupt::deed(hand, fault, victim, *bytes).await,
            (_, Some(limit)) => slow::deed(hand, victim, limit).await,
            (other, None) => Err(stranger(other)),
        }
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        let id = fault.id.as_str();
        let hand = Hand::of(scene, id, &victim.name);
        match (&fault.verb, limit(&fault.verb)) {
            (Verb::DiskFill { leave, .. }, _) => fill::seen(scene, fault, victim, *leave, false).await,
            (Verb::DiskFreeze { .. }, _) => freeze::bit(hand, id).await,
            (Verb::DiskCorrupt { bytes, .. }, _) => corrupt::bit(scene, fault, victim, *bytes).await,
            (_, Some(limit)) => slow::seen(scene, hand, victim, limit, id, false).await,
            (other, None) => Seen::new(false, "nothing", stranger(other)),
        }
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let hand = Hand::of(scene, fault.id.as_str(), &victim.name);
        match (&fault.verb, limit(&fault.verb)) {
            (Verb::DiskFill { .. }, _) => fill::undo(hand, fault).await,
            (Verb::DiskFreeze { .. }, _) => freeze::undo(hand).await,
            (_, Some(_)) => slow::undo(hand, victim).await,
            _ => Ok(()),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Seen {
        let mut seen = Self::healed(scene, fault, victim).await;
        if seen.proved
            && let Err(why) = Hand::of(scene, fault.id.as_str(), &victim.name).remove().await
        {
            seen = Seen::new(false, "engine", format!("its helper cannot be removed: {why}"));
        }
        seen
    }
}
