//! The instances of a lab as a controller watches them: whoever joins is watched, whoever leaves is not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::instance::Instance;
use super::instance_watch;
use crate::decide::body::{PATRONI_PORT, POSTGRES_PORT};
use crate::model::control::{Bodies, ControllerPlan};
use crate::model::plan::PostgresPorts;
use crate::model::{MemberId, Service};

/// Everybody who is watched, and the task that does.
#[derive(Debug, Default)]
pub(super) struct Instances(BTreeMap<MemberId, (Arc<Instance>, AbortHandle)>);

impl Instances {
    /// Those of the plan; must be called inside the runtime, which watches them.
    pub(super) fn new(plan: &ControllerPlan, wake: &Arc<Notify>) -> Self {
        let mut all = Self::default();
        for (member, doors) in &plan.postgres {
            all.watch(plan, member, doors.clone(), wake);
        }
        all
    }

    /// One instance.
    pub(super) fn of(&self, member: &MemberId) -> Option<Arc<Instance>> {
        self.0.get(member).map(|(instance, _)| Arc::clone(instance))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<(MemberId, Arc<Instance>)> {
        self.0.iter().map(|(member, (instance, _))| (member.clone(), Arc::clone(instance))).collect()
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
        self.0.retain(|member, (instance, task)| {
            let stays = wanted.get(member).is_some_and(|doors| doors == instance.doors());
            if !stays {
                task.abort();
            }
            stays
        });
        for (member, doors) in wanted {
            if !self.0.contains_key(member) {
                self.watch(plan, member, doors, wake);
            }
        }
    }

    fn watch(&mut self, plan: &ControllerPlan, member: &MemberId, doors: PostgresPorts, wake: &Arc<Notify>) {
        let instance = Arc::new(Instance::new(doors, plan.superuser.clone()));
        let (watched, wake) = (Arc::clone(&instance), Arc::clone(wake));
        let task = tokio::spawn(async move { instance_watch::watch(&watched, &wake).await });
        self.0.insert(member.clone(), (instance, task.abort_handle()));
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        for (_, task) in self.0.values() {
            task.abort();
        }
    }
}
