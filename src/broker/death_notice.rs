//! Ends of bodies as the kernel tells them. The engine buries a container before it shows it as dead: its mounts, a
//! line on its disk. The end of the first process is known to the kernel at once, and with that process every other
//! one of its namespace has ended.
//!
//! Invariant: an end is believed only of a process that was seen to be the first one of the very container, only where
//! the engine does not start it again by itself, and only for [`NOTICE_BELIEVED`]: then the engine itself knows.

use std::collections::BTreeMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::engine::locked::Locked;
use crate::engine::process_table::First;
use crate::model::{Container, ContainerStatus, Mono};

/// How long an end is believed without the engine: it has buried the container by then, or somebody asks it.
const NOTICE_BELIEVED: Duration = Duration::from_secs(2);

/// The bodies whose ends are waited for, by the container's id.
#[derive(Default)]
pub(super) struct DeathNotices {
    lives: Locked<BTreeMap<String, Life>>,
    /// Told of every end.
    ended: Notify,
}

enum Life {
    /// Its end is waited for, if it is to be seen from here.
    Waited(AbortHandle),
    /// It has ended.
    Ended(Mono, Box<Container>),
}

impl DeathNotices {
    /// Waits for the end of a body that runs, and calls `tell` then. Asked again it does nothing.
    pub(super) fn wait(
        self: &Arc<Self>,
        docker: &Docker,
        id: &str,
        tell: impl Fn(&Container) + Send + 'static,
    ) {
        let mut lives = self.lives();
        if lives.contains_key(id) {
            return;
        }
        let (ends, docker, own) = (Arc::clone(self), docker.clone(), id.to_owned());
        let task = tokio::spawn(async move {
            let Ok(seen) = docker.inspect(&own).await else {
                // the next look asks again
                ends.lives().remove(&own);
                return;
            };
            // what the engine starts again by itself is dead for nobody knows how long
            let Some(first) = First::of(&own, seen.pid).filter(|_| !seen.restarts) else { return };
            if first.ended().await.is_err() {
                return;
            }
            let ended = Container { status: ContainerStatus::Exited, ..seen };
            // known before it is told: whoever hears of it looks at once
            if let Some(life @ Life::Waited(_)) = ends.lives().get_mut(&own) {
                *life = Life::Ended(clock::now(), Box::new(ended.clone()));
            } else {
                return;
            }
            ends.ended.notify_waiters();
            tell(&ended);
        });
        lives.insert(id.to_owned(), Life::Waited(task.abort_handle()));
    }

    /// What is known of a container holds no more: it was started, changed or removed.
    pub(super) fn forget(&self, id: &str) {
        if let Some(Life::Waited(task)) = self.lives().remove(id) {
            task.abort();
        }
    }

    /// The same of every container: what happened to them while nobody listened is not known.
    pub(super) fn forget_all(&self) {
        for life in std::mem::take(&mut *self.lives()).into_values() {
            if let Life::Waited(task) = life {
                task.abort();
            }
        }
    }

    /// The container as it was, with the number its first process had, when that has ended just now.
    pub(super) fn just_ended(&self, id: &str) -> Option<Container> {
        match self.lives().get(id)? {
            Life::Ended(at, container) if clock::now().since(*at) < NOTICE_BELIEVED => {
                Some((**container).clone())
            }
            _ => None,
        }
    }

    /// Waits until that is so; for ever, when it never is.
    pub(super) async fn end_of(&self, id: &str) -> Container {
        loop {
            // asked for before the look, so that an end in between is not missed
            let next = self.ended.notified();
            if let Some(container) = self.just_ended(id) {
                return container;
            }
            next.await;
        }
    }

    fn lives(&self) -> MutexGuard<'_, BTreeMap<String, Life>> {
        self.lives.lock()
    }
}
