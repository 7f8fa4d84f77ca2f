//! `wipe`: a body's data is gone. It is killed, its volume emptied, and it is started on the empty one. What it
//! makes of that is its own affair: Patroni clones anew, an etcd member cannot rejoin by itself.

use async_trait::async_trait;

use super::family::{Family, Scene, Victim, VictimSeen};
use super::storage::{Hand, in_body, remove_all};
use crate::model::{FaultRecord, FaultTarget};

/// Inode and birth of what only its first start makes: the same name may come back, the same file cannot.
const MARK: &str = r#"for file in "$1"/postgres/PG_VERSION "$1"/member "$1"/*/member; do
  [ ! -e "$file" ] || { stat -c '%i born %w' "$file"; exit 0; }
done
echo none
"#;
const EMPTY_DISK_SCRIPT: &str = "find /disk -mindepth 1 -delete";
const WIPE_SOURCE: &str = "inode and birth of the data's first file";

/// Empties bodies.
#[derive(Clone, Copy, Debug)]
pub struct Wiping;

#[async_trait]
impl Family for Wiping {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        for victim in victims {
            let id = fault.id.clone();
            let hand = Hand::of(scene, id.as_str(), &victim.hit);
            match hand.run(MARK, &["/disk"]).await.and_then(|mark| marked(&victim.hit, mark)) {
                Ok(mark) => fault.notes.insert(victim.hit.to_string(), mark.into()),
                Err(why) => {
                    remove_all(scene, id.as_str(), victims).await?;
                    return Err(why);
                }
            };
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let hand = Hand::of(scene, fault.id.as_str(), &victim.hit);
        let id = victim.container.id.as_str();
        // a body that does not run has nothing to be killed
        let _ = scene.docker.kill(id, "KILL").await;
        let emptied = match scene.docker.stop(id, 0).await {
            Ok(()) => hand.run(EMPTY_DISK_SCRIPT, &[]).await.map(|_| ()),
            Err(error) => Err(error.to_string()),
        };
        let removed = hand.remove().await;
        let started = scene.docker.start(id).await.map_err(|error| error.to_string());
        emptied.and(removed).and(started)
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        let before = fault.notes.get(victim.hit.as_str()).and_then(|note| note.as_str()).unwrap_or_default();
        let mut now = in_body(scene, &victim.container.id, MARK, &["/data"]).await;
        if now.is_err() {
            // it may have ended again at once, as a member of etcd without its data does
            let hand = Hand::of(scene, fault.id.as_str(), &victim.hit);
            now = hand.run(MARK, &["/disk"]).await;
            now = hand.remove().await.and(now);
        }
        match now {
            Ok(now) => VictimSeen::new(gone(before, &now), WIPE_SOURCE, format!("now {now}, was {before}")),
            Err(why) => VictimSeen::new(false, WIPE_SOURCE, why),
        }
    }

    async fn undo(&self, _: &Scene<'_>, _: &FaultRecord, _: &Victim) -> Result<(), String> {
        Ok(())
    }

    async fn undone(&self, _: &Scene<'_>, _: &FaultRecord, _: &Victim) -> VictimSeen {
        VictimSeen::new(true, "definition of the verb", "what is gone stays gone")
    }
}

fn marked(victim: &FaultTarget, mark: String) -> Result<String, String> {
    if mark == "none" { Err(format!("{victim} holds no data: there is nothing to wipe")) } else { Ok(mark) }
}

fn gone(before: &str, now: &str) -> bool {
    !before.is_empty() && !now.is_empty() && before != now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_is_the_same_file_was_not_wiped() {
        let before = "131 born 2026-01-01 10:00:00.123456789 +0000";
        assert!(gone(before, "none"));
        assert!(gone(before, "131 born 2026-01-01 10:05:00.000000001 +0000"));
        assert!(!gone(before, before));
        assert!(!gone("", "none"), "nobody knows what was there");
        assert!(!gone(before, ""));
    }
}
