//! Who may follow a leader. Naming somebody while its address is silent makes Patroni skip its own checks, so
//! they are made here: reachable, right timeline, highest received position, little lag, allowed to lead, and no data that
//! failed its checksums.

use super::checksums::rotten;
use super::draft::Draft;
use super::{Reply, RestReply};
use crate::model::{ContainerStatus, Lsn, MemberId};

/// The one that may follow `leader`, or why nobody may; of those `wanted` allows.
pub(super) fn candidate(
    draft: &Draft<'_>,
    leader: &MemberId,
    wanted: impl Fn(&MemberId) -> bool,
) -> Result<MemberId, String> {
    let known: Vec<(&MemberId, &RestReply, Lsn)> = draft
        .seen
        .postgres
        .iter()
        .filter(|(member, _)| *member != leader)
        .filter_map(|(member, instance)| match &instance.rest {
            Reply::Answers(rest) => Some((member, rest, rest.patroni.lsn?)),
            _ => None,
        })
        .collect();
    let Some(best) = known.iter().map(|(_, _, lsn)| *lsn).max() else {
        return Err("no replica answers with its position".to_owned());
    };
    let newest = known.iter().filter_map(|(_, rest, _)| rest.patroni.timeline).max();
    let able = known.into_iter().filter(|(member, rest, lsn)| {
        let patroni = &rest.patroni;
        wanted(member)
            && rotten(draft, member).is_none()
            && rest.loop_runs
            && !patroni.pause
            && patroni.role == "replica"
            && (patroni.state == "running" || patroni.state == "streaming")
            && patroni.timeline.is_some()
            && patroni.timeline == newest
            && best.0.saturating_sub(lsn.0) <= draft.world.lag.0
            && draft.store.may_lead.as_ref().is_none_or(|may| may.contains(member))
            && matches!(draft.containers(member), [body] if body.status == ContainerStatus::Running)
    });
    // of two at the same position the first by name, so that the same look means the same decision
    able.max_by(|(a, _, left), (b, _, right)| left.cmp(right).then(b.cmp(a)))
        .map(|(member, _, _)| member.clone())
        .ok_or_else(|| "none that answers is on the newest timeline, close enough and allowed".to_owned())
}
