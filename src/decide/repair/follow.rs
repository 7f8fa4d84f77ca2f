//! Replicas that run and do not come closer to the leader. One whose WAL the leader has removed never gets there: a restart
//! would bring nothing.
//!
//! While nobody takes writes there is nobody to follow: that time does not count, and nothing seen before is forgotten.

use std::collections::BTreeMap;

use super::path::Path;
use super::view::RepairView;
use super::{ConnectionReply, RepairMemory};
use crate::decide::body::slot;
use crate::model::sighting::PatroniSeen;
use crate::model::{MemberId, Service};

/// The paths of all replicas that do not follow, as they are in this look.
pub(super) fn paths(view: &RepairView<'_>, memory: &RepairMemory, leads: bool) -> BTreeMap<MemberId, Path> {
    let now = view.seen.at;
    if !leads {
        let unled = now.since(memory.looked.unwrap_or(now));
        let kept = memory.paths.iter().filter(|(id, _)| view.member(id).is_some() && !view.holds(id));
        return kept.map(|(id, path)| (id.clone(), path.clone().later(unled))).collect();
    }
    let followed = view.all(Service::Postgres).filter(|member| {
        let id = &member.id;
        !view.holds(id) && view.runs(id) && view.on_a_running_host(id)
    });
    let path = |id: &MemberId| {
        let known = memory.paths.get(id).cloned();
        match view.instance(id).map(|instance| &instance.rest) {
            Some(ConnectionReply::Answers(rest)) if follows(view, &rest.patroni) => None,
            Some(ConnectionReply::Answers(rest)) => {
                Some(known.unwrap_or_else(|| Path::new(now)).goes_on(&rest.patroni, view.seen.sent, now))
            }
            // what it does now cannot be seen; that it does not answer is another's to judge
            _ => known,
        }
    };
    followed.filter_map(|member| Some((member.id.clone(), path(&member.id)?))).collect()
}

/// Whether it streams on the leader's timeline; where the leader's is not known, whether it streams.
fn follows(view: &RepairView<'_>, patroni: &PatroniSeen) -> bool {
    let streams = patroni.state == "streaming" || patroni.replication_state.as_deref() == Some("streaming");
    let leader = view.store.leader.as_ref().and_then(|key| view.patroni(&key.member));
    let timeline = leader.and_then(|rest| rest.patroni.timeline);
    streams && (timeline.is_none() || patroni.timeline == timeline)
}

/// That the leader keeps no WAL any more from where a replica stands, if so. One that Patroni brings to another place
/// needs it no longer.
pub(super) fn left_behind(view: &RepairView<'_>, id: &MemberId, path: &Path) -> Option<String> {
    let lost = !path.moves() && view.seen.lost_slots.contains(&slot(id));
    lost.then(|| "it does not follow, and the leader has removed WAL that it needs".to_owned())
}
