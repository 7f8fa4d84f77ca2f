//! The instances of a lab as a controller watches them: whoever joins is watched, whoever leaves is not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::instance::Instance;
use super::instance_watch;
use super::leadership::Leading;
use crate::decide::body::{PATRONI_PORT, POSTGRES_PORT};
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::plan::PostgresPorts;
use crate::model::{MemberId, Service};

/// Everybody who is watched.
#[derive(Debug)]
pub(super) struct Instances {
    /// Each with the task that watches it.
    watched: BTreeMap<MemberId, (Arc<Instance>, AbortHandle)>,
    leading: Leading,
}

impl Instances {
    /// Those of the plan; must be called inside the runtime, which watches them.
    pub(super) fn new(plan: &ControllerPlan, wake: &Arc<Notify>, leading: Leading) -> Self {
        let mut all = Self { watched: BTreeMap::new(), leading };
        for (member, doors) in &plan.postgres {
            all.watch(plan, member, doors.clone(), wake);
        }
        all
    }

    /// One instance.
    pub(super) fn of(&self, member: &MemberId) -> Option<Arc<Instance>> {
        self.watched.get(member).map(|(instance, _)| Arc::clone(instance))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(MemberId, Arc<Instance>)> {
        self.watched.iter().map(|(member, (instance, _))| (member.clone(), Arc::clone(instance))).collect()
    }

    /// Watches whoever stands in the lab now. A record nobody could read changes nothing.
    pub(super) fn follow(&mut self, plan: &ControllerPlan, bodies: &Bodies, wake: &Arc<Notify>) {
        if bodies.placed.is_empty() {
            return;
        }
        let placed = bodies.placed.iter().filter(|member| member.service == Service::Postgres);
        let wanted: BTreeMap<&MemberId, PostgresPorts> = placed
            .filter_map(|member| {
                let address = *plan.hosts.get(&member.host)?;
                let door = |port| SocketAddr::new(address, port);
                Some((&member.id, PostgresPorts { sql: door(POSTGRES_PORT), rest: door(PATRONI_PORT) }))
            })
            .collect();
        self.watched.retain(|member, (instance, task)| {
            let stays = wanted.get(member).is_some_and(|doors| doors == instance.doors());
            if !stays {
                task.abort();
            }
            stays
        });
        for (member, doors) in wanted {
            if !self.watched.contains_key(member) {
                self.watch(plan, member, doors, wake);
            }
        }
    }

    fn watch(&mut self, plan: &ControllerPlan, member: &MemberId, doors: PostgresPorts, wake: &Arc<Notify>) {
        let instance = Arc::new(Instance::new(doors, plan.superuser.clone(), self.leading.clone()));
        let (watched, wake) = (Arc::clone(&instance), Arc::clone(wake));
        let task = tokio::spawn(async move { instance_watch::watch(&watched, &wake).await });
        self.watched.insert(member.clone(), (instance, task.abort_handle()));
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        for (_, task) in self.watched.values() {
            task.abort();
        }
    }
}
