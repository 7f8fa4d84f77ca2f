//! Who does not come back by itself, who is not to stay as it is, and the word that another shall follow: the same for
//! every service.
//!
//! Invariant: whoever serves goes only for what lasts, and within the budget: where newcomers come out no better, that ends.

use super::Step;
use super::draft::{Draft, lies};
use super::replace::{LIVES, place};
use super::starts::TRIES;
use crate::decide::placement::number;
use crate::model::lab::kind;
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// Why a member does not come back by itself: its host is given up, it dies again and again, or gets no life.
pub(super) fn lost(draft: &mut Draft<'_>, member: &Member) -> Option<String> {
    let (id, host_grace) = (&member.id, draft.world.policy.host_grace);
    match draft.host_runs(&member.host) {
        None => return None,
        Some(false) => {
            let said = format!("its host {} has been down for {host_grace}", member.host);
            return draft.lasts(id, "host", host_grace).then_some(said);
        }
        Some(true) => {}
    }
    let dead = match draft.containers(id) {
        [] => true,
        [body] => lies(body.status),
        _ => false,
    };
    if !dead {
        return None;
    }
    let lives = draft.out.memory.lives.get(id).map_or(0, Vec::len);
    let create = Step::Create { member: id.clone(), service: member.service, host: member.host.clone() };
    if lives >= LIVES {
        return Some(format!("it died again after {lives} starts"));
    }
    (draft.failures(&create) >= TRIES).then(|| "it cannot be given another life".to_owned())
}

/// What is wrong with a member that may well run and serve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// An operator wants another.
    Asked,
    /// Another of its kind stands on its host.
    Beside(MemberId),
    /// Its body is not what the lab's record says.
    Drifted(String),
}

impl Unfit {
    pub(super) fn words(&self) -> String {
        match self {
            Self::Asked => "an operator asked for it".to_owned(),
            Self::Beside(other) => format!("{other} stands on its host, too: one lost host would cost both"),
            Self::Drifted(what) => what.clone(),
        }
    }
}

/// Why a member is not to stay as it is, though it runs and serves. A database whose body differs is made anew in its
/// place (`drift`): it has data that another would have to copy first.
pub(super) fn unfit(draft: &Draft<'_>, member: &Member) -> Option<Unfit> {
    let id = &member.id;
    if draft.store.asked.contains(id) {
        return Some(Unfit::Asked);
    }
    let twin = |other: &&Member| {
        let beside = other.host == member.host && other.kind() == member.kind() && other.id != *id;
        // whoever leads stays, else whoever was there first
        beside && (draft.holds(&other.id) || number(&other.id) < number(id))
    };
    if let Some(other) = draft.staying(member.service).find(twin).filter(|_| !draft.holds(id)) {
        return Some(Unfit::Beside(other.id.clone()));
    }
    let [body] = draft.containers(id) else { return None };
    let runs = body.status == ContainerStatus::Running && member.service != Service::Postgres;
    draft.bodies.drifted.get(&body.id).filter(|_| runs).map(|what| Unfit::Drifted(what.clone()))
}

/// Why another must take the place of a member: it is lost, or it has been unfit for long enough.
pub(super) fn must_go(draft: &mut Draft<'_>, member: &Member) -> Option<String> {
    lost(draft, member).or_else(|| unfit_for_long(draft, member))
}

/// Why a member that was unfit for long enough is to be followed. Whatever else is wrong with it has its own time, which
/// must not begin anew with this one.
pub(super) fn unfit_for_long(draft: &mut Draft<'_>, member: &Member) -> Option<String> {
    let (id, grace) = (&member.id, draft.world.policy.sick_grace);
    let unfit = unfit(draft, member)?;
    let why = unfit.words();
    let what = match unfit {
        Unfit::Asked => return Some(why),
        Unfit::Beside(_) => "beside",
        // where another comes out no better the budget ends it
        Unfit::Drifted(_) => "drift",
    };
    (!draft.is_wrong(id) && draft.lasts(id, what, grace)).then_some(why)
}

/// Writes down that another shall take the place of `old`, where the budget allows it and a host is free; `gone` has
/// left by then. Whether it was written.
pub(super) fn intend(
    draft: &mut Draft<'_>,
    service: Service,
    old: &MemberId,
    why: String,
    gone: Option<&MemberId>,
) -> bool {
    if let Some(spent) = draft.spent() {
        let said = format!("{why}; {spent}");
        draft.alarm(format!("{old}: {said}: find out why members go bad"));
        draft.say("refuse", Some(old), said);
        return false;
    }
    match place(draft, service, kind(old, service.as_str()), gone) {
        Ok(Member { id: by, host, .. }) => {
            let said = format!("{why}: {by} on {host} shall take its place");
            let begun = draft.order(Step::Intend { service, member: old.clone(), by, host, why });
            if begun {
                draft.say("intend", Some(old), said);
            }
            begun
        }
        Err(none) => {
            draft.alarm(format!("{old}: {why}; it waits for a host: {none}"));
            draft.say("wait", Some(old), format!("{why}; no host can carry another: {none}"));
            false
        }
    }
}
