//! What a power cut does to a disk: pages that nobody synced are gone. The filesystem is shut down without
//! flushing its log (`xfs_io(8)`, `shutdown`), so nothing that was not on the device ever gets there.
//!
//! The volume must be unmounted afterwards (its last container ends) and mounted again, which
//! replays the log; until then every access is an input/output error.

use futures_util::future::join_all;

use super::hand::Hand;
use crate::chaos::family::Scene;
use crate::model::{FaultTarget, Member};

const SHUTDOWN: &str = "xfs_io -x -c shutdown /disk";
/// A write that fails although nothing is full: the kernel says the filesystem is shut down.
const DEAD: &str =
    "if ( : > /disk/.pgha-probe ) 2>/dev/null; then rm -f /disk/.pgha-probe; echo lives; else echo dead; fi";
/// Fault in the name of these helpers: a host loses power once at a time.
const FAULT: &str = "power";

fn hit(member: &Member) -> FaultTarget {
    FaultTarget::Member(member.id.clone())
}

/// Starts the helpers that [`lose_cache`] needs, so that the deed itself is quick. Whoever does not go on calls
/// [`forget_cache`].
///
/// # Errors
/// When a helper cannot be started.
pub async fn ready_to_lose_cache(scene: &Scene<'_>, members: &[Member]) -> Result<(), String> {
    let hands =
        members.iter().map(|member| async move { Hand::of(scene, FAULT, &hit(member)).start().await });
    join_all(hands).await.into_iter().collect()
}

/// Drops what the disks of these members have not synced, and removes the helpers, so that the volumes are
/// unmounted when the bodies end.
///
/// # Errors
/// When a disk was not shut down: what was not synced may survive.
pub async fn lose_cache(scene: &Scene<'_>, members: &[Member]) -> Result<(), String> {
    let done = join_all(members.iter().map(|member| async move {
        let victim = hit(member);
        let hand = Hand::of(scene, FAULT, &victim);
        let lost = match hand.run(SHUTDOWN, &[]).await {
            Ok(_) => hand.run(DEAD, &[]).await,
            Err(why) => Err(why),
        };
        let gone = hand.remove().await;
        match lost.as_deref() {
            Ok("dead") => gone,
            Ok(said) => Err(format!("{}: its disk {said} after the shutdown", member.id)),
            Err(why) => Err(format!("{}: {why}", member.id)),
        }
    }))
    .await;
    done.into_iter().collect()
}

/// Removes helpers that were started and are not needed.
///
/// # Errors
/// When the engine does not answer.
pub async fn forget_cache(scene: &Scene<'_>, members: &[Member]) -> Result<(), String> {
    let hands =
        members.iter().map(|member| async move { Hand::of(scene, FAULT, &hit(member)).remove().await });
    join_all(hands).await.into_iter().collect()
}
