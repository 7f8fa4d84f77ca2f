//! How many sessions a balancer takes: what its memory carries, and never more than the lab file declares. Told live; its
//! configuration, which is read when it starts, says the same.

use super::admit::order;
use super::assess::Assessment;
use super::condition::Condition;
use super::memory::Note;
use super::step::Step;
use super::wait::Wait;
use crate::decide::frame::Proposal;
use crate::model::Service;
use crate::model::inside::sessions as carried;

/// The number of every balancer that takes another one, each told by itself.
pub(super) fn sessions(a: &Assessment<'_>) -> Vec<Proposal<Step, Note, Wait>> {
    a.of(Service::Balancer).filter_map(|condition| one(a, condition)).collect()
}

fn one(a: &Assessment<'_>, condition: &Condition<'_>) -> Option<Proposal<Step, Note, Wait>> {
    let member = condition.member;
    // one that did not say what it takes is told nothing
    let most = condition.inside?.most;
    let wanted = carried(member.size.memory, a.view.world.spec.balancers.maxconn);
    if most == Some(wanted) {
        return None;
    }
    let takes = most.map_or_else(|| "different numbers".to_owned(), |most| most.to_string());
    let why = format!("{} of memory carry {wanted} sessions on a port, it takes {takes}", member.size.memory);
    Some(order(Step::Admit { member: member.id.clone(), sessions: wanted }, why))
}
