//! Who may follow a leader, and why not.
//!
//! Theory: Patroni asks a replica for more than a position. In a synchronous mode it must be named in `/sync`; in quorum
//! mode it needs as many votes as `/sync` says, from members that confirm writes and are not ahead of it; in every mode
//! it may lack no more than `maximum_lag_on_failover` of what the leader published last in `/status` (Patroni 4: `ha.py`,
//! `_is_healthiest_node`, `is_lagging`). A candidate that is named while an address is silent skips these checks, so they
//! are made here.
//!
//! Invariant: what cannot be known is *perhaps*. Nobody is named on a *perhaps*; nothing is held back by one.

use super::checksums::rotten;
use super::view::RepairView;
use super::{ConnectionReply, RestReply};
use crate::model::lab::Replication;
use crate::model::{Lsn, MemberId, Service};

/// Whether a member may lead in the place of whoever holds the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MayLead {
    /// Patroni would promote it now.
    Yes,
    /// It runs, and nobody can say.
    Perhaps(String),
    /// Patroni would not elect it, for this reason.
    No(String),
}

impl MayLead {
    /// Whether it is certain that it may not.
    #[must_use]
    pub const fn never(&self) -> bool {
        matches!(self, Self::No(_))
    }
}

/// Whether Patroni would elect `id`, as far as this look says.
#[must_use]
pub fn may_lead(view: &RepairView<'_>, id: &MemberId) -> MayLead {
    if let Some(why) = barred(view, id) {
        return MayLead::No(why);
    }
    let Some(rest) = view.patroni(id) else {
        return MayLead::Perhaps("its Patroni does not answer".to_owned());
    };
    if let Some(why) = unable(view, rest) {
        return MayLead::No(why);
    }
    let Some(lsn) = rest.patroni.lsn.filter(|_| is_plain(rest)) else {
        return MayLead::Perhaps(
            "its role, timeline or position is not known, or its Patroni's loop is stuck".to_owned(),
        );
    };
    if let Some(why) = behind(view, lsn) {
        // what it said a moment ago is old beside what a leader that writes published since
        let certain = view.store.leader.is_none();
        return if certain { MayLead::No(why) } else { MayLead::Perhaps(why) };
    }
    votes(view, id, lsn)
}

/// What keeps a member from leading whatever it says of itself.
fn barred(view: &RepairView<'_>, id: &MemberId) -> Option<String> {
    if view.member(id).is_none_or(|member| member.service != Service::Postgres) {
        return Some("it is no database of this lab".to_owned());
    }
    if !view.runs(id) {
        return Some("its body does not run".to_owned());
    }
    if let Some(why) = rotten(view, id) {
        return Some(why);
    }
    let listed = view.store.may_lead.as_ref().is_none_or(|may| may.contains(id));
    let named = listed || view.replication() == Replication::Quorum;
    (!named).then(|| "it confirms no writes: Patroni does not let it lead".to_owned())
}

/// What keeps a member from leading by its own word.
fn unable(view: &RepairView<'_>, rest: &RestReply) -> Option<String> {
    let patroni = &rest.patroni;
    if patroni.pause {
        return Some("its Patroni is paused".to_owned());
    }
    if patroni.nofailover {
        return Some("it is tagged nofailover".to_owned());
    }
    let serves = matches!(patroni.state.as_str(), "running" | "streaming" | "in archive recovery");
    if !serves {
        return Some(format!("its Patroni says {}", patroni.state));
    }
    if patroni.role == "uninitialized" {
        return Some("it has no data yet".to_owned());
    }
    let old = patroni.timeline.is_some() && patroni.timeline < view.newest;
    old.then(|| "it is not on the newest timeline".to_owned())
}

/// Whether it says that it is a replica, on which timeline, and that its loop runs.
fn is_plain(rest: &RestReply) -> bool {
    rest.loop_runs && rest.patroni.role == "replica" && rest.patroni.timeline.is_some()
}

/// That it lacks more than it may of what the leader published last.
fn behind(view: &RepairView<'_>, lsn: Lsn) -> Option<String> {
    let published = view.store.position?;
    let lacks = published.0.saturating_sub(lsn.0);
    (lacks > view.world.lag.0).then(|| format!("it lacks {lacks} bytes of what the leader published last"))
}

/// How the members that confirm writes would vote for it; everywhere but in quorum mode nobody votes.
fn votes(view: &RepairView<'_>, id: &MemberId, lsn: Lsn) -> MayLead {
    let Some(listed) = view.store.may_lead.as_ref().filter(|_| view.replication() == Replication::Quorum)
    else {
        return MayLead::Yes;
    };
    let needed = i64::from(view.store.quorum);
    let own = if listed.contains(id) { 0 } else { -1 };
    let (mut sure, mut open) = (own, own);
    for other in listed.iter().filter(|other| *other != id && !view.holds(other) && view.runs(other)) {
        match view.patroni(other).map(|rest| rest.patroni.lsn) {
            Some(Some(theirs)) if theirs.0 > 0 && theirs <= lsn => (sure, open) = (sure + 1, open + 1),
            // it is ahead, so it leads rather than votes
            Some(Some(theirs)) if theirs > lsn => {}
            _ => open += 1,
        }
    }
    let said = format!("{} of the {} votes it needs", sure - own.min(0), needed - own.min(0));
    if sure >= needed {
        MayLead::Yes
    } else if open >= needed {
        MayLead::Perhaps(format!("it has {said} so far"))
    } else {
        MayLead::No(format!("it has {said}, and nobody is left who could give more"))
    }
}

/// What a candidate is named for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// A leader that is gone: everything that Patroni would ask for.
    Succession,
    /// A handover: the leader shuts down only when the candidate has everything, so nobody votes and nobody lacks.
    Handover,
}

/// The one that may follow `leader`, or why nobody may; of those `wanted` allows.
///
/// # Errors
/// Why nobody may.
pub fn candidate(
    view: &RepairView<'_>,
    leader: &MemberId,
    what: For,
    wanted: impl Fn(&MemberId) -> bool,
) -> Result<MemberId, String> {
    let known = view.seen.postgres.iter().filter(|(id, _)| *id != leader).filter_map(|(id, instance)| {
        let ConnectionReply::Answers(rest) = &instance.rest else { return None };
        Some((id, rest, rest.patroni.lsn?))
    });
    let known: Vec<(&MemberId, &RestReply, Lsn)> = known.collect();
    let Some(best) = known.iter().map(|(_, _, lsn)| *lsn).max() else {
        return Err("no replica answers with its position".to_owned());
    };
    let listed = |id: &MemberId| view.store.may_lead.as_ref().is_none_or(|may| may.contains(id));
    let able = known.into_iter().filter(|(id, rest, lsn)| {
        let close = best.0.saturating_sub(lsn.0) <= view.world.lag.0;
        let may = match what {
            For::Succession => may_lead(view, id) == MayLead::Yes,
            For::Handover => {
                is_plain(rest) && listed(id) && barred(view, id).is_none() && unable(view, rest).is_none()
            }
        };
        wanted(id) && close && may
    });
    // of two at the same position the first by name, so that the same look means the same decision
    able.max_by(|(a, _, left), (b, _, right)| left.cmp(right).then(b.cmp(a)))
        .map(|(id, _, _)| id.clone())
        .ok_or_else(|| "none that answers is on the newest timeline, close enough and allowed".to_owned())
}
