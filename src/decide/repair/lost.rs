//! Who does not come back by itself, and the word that another shall follow: the same for every service.

use super::Step;
use super::draft::{Draft, lies};
use super::replace::{LIVES, place};
use super::starts::TRIES;
use crate::model::{Member, MemberId, Service};

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
    match place(draft, service, gone) {
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
