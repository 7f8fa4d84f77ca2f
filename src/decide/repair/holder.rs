//! How whoever holds the leader key does.
//!
//! Theory: silence is not death, a partition looks the same. Slow is not frozen: only beside a connection that answers as
//! ever is it certain that what hangs is frozen. Where everything hangs, a starved body looks the same. Any word of
//! PostgreSQL, a refusal for want of connections included, proves that its postmaster lives.

use super::trouble::{Trouble, altogether};
use super::view::{RepairView, lies};
use super::{ConnectionReply, DiskSeen, HeldConnection, InstanceSeen, LeaderSeen, RepairMemory};
use crate::model::control::ProofLevel;
use crate::model::{ContainerStatus, MemberId, Mono, Span};

/// Whose disk takes nothing, how far it had come, and when that was seen first.
pub type Stalled = (MemberId, String, Mono);

/// How whoever holds the leader key does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Nobody holds it.
    Nobody,
    /// So many containers have its name.
    Several(usize),
    /// It has no container; the id of the one it had, where that is known.
    NoBody(Option<String>),
    /// Its container has no process.
    Dead(String),
    /// Its container is between two lives, or is being removed.
    Ends(String),
    /// Its container runs or is frozen, and has no grace left.
    Condemned(String),
    /// It lives and does not serve, for less than its grace.
    Fails {
        /// What is wrong.
        trouble: Trouble,
        /// For so long at the most.
        grace: Span,
    },
    /// The engine does not say.
    Unknown,
    /// It lives, as far as anybody can tell.
    Lives,
}

/// How the holder does.
pub(super) fn holder(view: &RepairView<'_>, memory: &RepairMemory, stalled: Option<&Stalled>) -> Holder {
    let Some(key) = &view.store.leader else { return Holder::Nobody };
    let body = match view.containers(&key.member) {
        [body] => body,
        [] => return Holder::NoBody(memory.known.get(&key.member).cloned()),
        several => return Holder::Several(several.len()),
    };
    let id = body.id.clone();
    let policy = &view.world.policy;
    let fails = match body.status {
        status if lies(status) => return Holder::Dead(id),
        ContainerStatus::Restarting | ContainerStatus::Removing => return Holder::Ends(id),
        ContainerStatus::Paused | ContainerStatus::Running if is_cut_off(view, key, &id) => {
            return Holder::Condemned(id);
        }
        ContainerStatus::Paused => Some((Trouble::Frozen, policy.freeze_grace)),
        ContainerStatus::Running if disk_is_lost(view, &key.member, stalled) => return Holder::Condemned(id),
        ContainerStatus::Running => hangs(view, &key.member),
        _ => return Holder::Unknown,
    };
    let Some((trouble, grace)) = fails else { return Holder::Lives };
    let since = memory.since_of(&key.member, trouble).unwrap_or(view.seen.at);
    if view.seen.at.since(since) >= grace.0 {
        Holder::Condemned(id)
    } else {
        Holder::Fails { trouble, grace }
    }
}

/// Whether the body was fenced as the holder of this very key and did not die of it. Its ports are closed, so that nobody
/// answers there is no sign of anything any more; that its Patroni would start it in place, least of all.
pub(super) fn is_cut_off(view: &RepairView<'_>, key: &LeaderSeen, id: &str) -> bool {
    let level = view.seen.proofs.get(id).map(|proof| proof.level);
    let closed = matches!(level, Some(ProofLevel::CutOff | ProofLevel::Doomed));
    closed && view.seen.fenced.get(id) == Some(&key.mod_revision)
}

/// Since when the disk of the holder has stood where it stands, if it waits for it. The same words now and then: nothing
/// moved between, whatever was seen or missed meanwhile.
pub(super) fn stalled(view: &RepairView<'_>, memory: &RepairMemory) -> Option<Stalled> {
    let Some(key) = &view.store.leader else { return memory.stalled.clone() };
    let runs = view.body(&key.member).filter(|body| body.status == ContainerStatus::Running);
    if runs.is_none_or(|body| is_cut_off(view, key, &body.id)) {
        return memory.stalled.clone();
    }
    let Some(InstanceSeen { disk: DiskSeen::Waits { so_far, at }, .. }) = view.instance(&key.member) else {
        return None;
    };
    let first = match &memory.stalled {
        Some((who, word, since)) if *who == key.member && word == so_far => *since,
        _ => *at,
    };
    Some((key.member.clone(), so_far.clone(), first))
}

/// Whether its disk has taken nothing for its grace, though something was to be written all the time and PostgreSQL
/// answers at once: who is starved writes nothing either. Until then it lives, so that it can still hand over.
fn disk_is_lost(view: &RepairView<'_>, member: &MemberId, stalled: Option<&Stalled>) -> bool {
    let Some(InstanceSeen { disk: DiskSeen::Waits { at, .. }, held, .. }) = view.instance(member) else {
        return false;
    };
    let first = stalled.filter(|(who, ..)| who == member).map_or(*at, |(_, _, first)| *first);
    at.since(first) >= view.world.policy.disk_grace.0 && *held == HeldConnection::Quick
}

/// Whether a running leader accepts connections and does not answer, or its Patroni's loop is stuck; and how long that
/// must last.
pub(super) fn hangs(view: &RepairView<'_>, member: &MemberId) -> Option<(Trouble, Span)> {
    let policy = &view.world.policy;
    let instance = view.instance(member)?;
    let stuck = matches!(&instance.rest, ConnectionReply::Answers(rest) if !rest.loop_runs);
    // a Patroni that looks for a PostgreSQL that is gone answers late; it is not frozen
    let refuses = matches!(instance.sql, ConnectionReply::Refuses(_));
    let hangs = matches!(instance.sql, ConnectionReply::Hangs(_))
        || matches!(instance.rest, ConnectionReply::Hangs(_)) && !refuses;
    match instance.held {
        HeldConnection::Quick if stuck || hangs || is_mute(view, instance) => {
            Some((Trouble::Hangs, policy.freeze_grace))
        }
        HeldConnection::Silent if hangs => Some((Trouble::HangsAltogether, altogether(policy))),
        _ => None,
    }
}

/// Whether its Patroni is frozen by a second sign, where its port is merely silent, as one is whose queue of
/// connections is full, and as one that a firewall hides: it has not renewed its lease when a loop that runs would have.
fn is_mute(view: &RepairView<'_>, instance: &InstanceSeen) -> bool {
    let serves = matches!(instance.sql, ConnectionReply::Answers(_) | ConnectionReply::Denies(_));
    let pause = Span::secs(view.world.spec.postgres.patroni.loop_wait.into());
    let late = view.store.unrenewed.is_some_and(|since| since > pause);
    matches!(instance.rest, ConnectionReply::Silent(_)) && serves && late
}
