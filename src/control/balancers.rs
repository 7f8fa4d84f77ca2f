//! Words for every balancer of the lab at once.

use std::time::Duration;

use futures_util::future::join_all;

use super::driver::Failed;
use crate::engine::haproxy::Admin;
use crate::model::MemberId;
use crate::model::control::ControllerPlan;

/// Longest wait for a balancer.
pub(super) const BALANCER: Duration = Duration::from_millis(500);

/// The runtime APIs of a plan.
pub(super) fn admins(plan: &ControllerPlan) -> Vec<(MemberId, Admin)> {
    let balancers = plan.balancers.iter();
    balancers.map(|(member, doors)| (member.clone(), Admin::new(doors.admin, BALANCER))).collect()
}

/// The same words to every balancer; one that is not reached is no obstacle for the others.
pub(super) async fn push(balancers: &[(MemberId, Admin)], commands: &[String]) -> Result<(), Failed> {
    let told = balancers.iter().map(|(member, admin)| async move {
        admin.say(commands).await.map_err(|error| format!("{member}: {error}"))
    });
    let wrong: Vec<String> = join_all(told).await.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Failed::Trouble(wrong.join("; "))) }
}
