//! How many sessions a balancer takes: what its memory carries, and never more than the lab file declares. Told live; its
//! configuration, which is read when it starts, says the same.

use super::admit::order;
use super::assess::ScalingAssessment;
use super::condition::SizeCondition;
use super::memory::ScalingNote;
use super::step::ScalingStep;
use super::wait::ScalingWait;
use crate::decide::frame::Proposal;
use crate::model::Service;
use crate::model::self_report::sessions as carried;

/// The number of every balancer that takes another one, each told by itself.
pub(super) fn sessions(a: &ScalingAssessment<'_>) -> Vec<Proposal<ScalingStep, ScalingNote, ScalingWait>> {
    a.of(Service::Balancer).filter_map(|condition| one(a, condition)).collect()
}

fn one(
    a: &ScalingAssessment<'_>,
    condition: &SizeCondition<'_>,
) -> Option<Proposal<ScalingStep, ScalingNote, ScalingWait>> {
    let member = condition.member;
    // one that did not say what it takes is told nothing
    let most = condition.inside?.most;
    let wanted = carried(member.size.memory, a.view.world.spec.balancers.maxconn);
    if most == Some(wanted) {
        return None;
    }
    let takes = most.map_or_else(|| "different numbers".to_owned(), |most| most.to_string());
    let why = format!("{} of memory carry {wanted} sessions on a port, it takes {takes}", member.size.memory);
    Some(order(ScalingStep::Admit { member: member.id.clone(), sessions: wanted }, why))
}
