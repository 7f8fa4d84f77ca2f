//! How many sessions a balancer takes: what its memory carries, and never more than the lab file declares. Told live; its
//! configuration, which is read when it starts, says the same.

use super::{Draft, Step};
use crate::model::Service;
use crate::model::inside::sessions;

/// Orders the number of every balancer that takes another one.
pub(super) fn admit(draft: &mut Draft<'_>) {
    for member in draft.bodies.placed.iter().filter(|member| member.service == Service::Balancer) {
        // who did not say what it takes is told nothing
        let Some(inside) = draft.seen.inside.get(&member.id) else { continue };
        let wanted = sessions(member.size.memory, draft.world.spec.balancers.maxconn);
        if inside.most == Some(wanted) {
            continue;
        }
        let takes = inside.most.map_or_else(|| "different numbers".to_owned(), |most| most.to_string());
        let why =
            format!("{} of memory carry {wanted} sessions on a port, it takes {takes}", member.size.memory);
        draft.order(Step::Admit { member: member.id.clone(), sessions: wanted }, why);
    }
}
