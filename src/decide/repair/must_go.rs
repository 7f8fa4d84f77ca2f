//! Which members do not come back by themselves, and which are not to stay as they are: the same for every service.
//!
//! Invariant: a member that serves goes only for what lasts.

use super::RepairStep;
use super::assess::RepairAssessment;
use super::starts::TRIES;
use super::trouble::Trouble;
use crate::model::{ContainerStatus, Member, MemberId, Mono, Service};

/// Lives in the time of the budget of starts after which a body that lies dead again is given up.
pub(super) const LIVES: usize = 3;
/// What was tried counts for so many graces.
const TRIED_GRACES: u32 = 10;

/// Why a member does not come back by itself: its host is given up, it dies again and again, or gets no life.
pub(super) fn lost(a: &RepairAssessment<'_>, member: &Member) -> Option<String> {
    let (id, host_grace) = (&member.id, a.view.world.policy.host_grace);
    match a.view.host_runs(&member.host) {
        None => return None,
        Some(false) => {
            let said = format!("its host {} has been down for {host_grace}", member.host);
            return a.lasts(id, Trouble::Host, host_grace).then_some(said);
        }
        Some(true) => {}
    }
    if !a.view.is_dead(id) && !a.view.containers(id).is_empty() {
        return None;
    }
    let create =
        RepairStep::Create { member: id.clone(), service: member.service, host: member.host.clone() };
    if a.lives_of(id) >= LIVES {
        return Some(format!("it died again after {} starts", a.lives_of(id)));
    }
    (a.failures(&create) >= TRIES).then(|| "it cannot be given another life".to_owned())
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
pub(super) fn unfit(a: &RepairAssessment<'_>, member: &Member) -> Option<Unfit> {
    let (view, id) = (&a.view, &member.id);
    if view.store.asked.contains_key(id) {
        return Some(Unfit::Asked);
    }
    let stays = view.member(id).filter(|_| !view.bodies.leaving.contains(id));
    if let Some(other) = stays.and_then(|member| view.twin(member)) {
        return Some(Unfit::Beside(other.id.clone()));
    }
    let body = view.body(id)?;
    let runs = body.status == ContainerStatus::Running && member.service != Service::Postgres;
    view.bodies.drifted.get(&body.id).filter(|_| runs).map(|what| Unfit::Drifted(what.clone()))
}

/// Why another must take the place of a member: it is lost, or it has been unfit for long enough.
pub(super) fn must_go(a: &RepairAssessment<'_>, member: &Member) -> Option<String> {
    lost(a, member).or_else(|| unfit_for_long(a, member))
}

/// Why a member that was unfit for long enough is to be followed.
pub(super) fn unfit_for_long(a: &RepairAssessment<'_>, member: &Member) -> Option<String> {
    let grace = a.view.world.policy.sick_grace;
    let unfit = unfit(a, member)?;
    let trouble = match unfit {
        Unfit::Asked => return Some(unfit.words()),
        Unfit::Beside(_) => Trouble::Beside,
        // where another comes out no better the budget ends it
        Unfit::Drifted(_) => Trouble::Drift,
    };
    // what else is wrong with it is dealt with first
    let free = !a.is_wrong_beside(&member.id, trouble);
    (free && a.lasts(&member.id, trouble, grace)).then(|| unfit.words())
}

/// Whether what was tried then still counts as tried.
pub(super) fn lately(a: &RepairAssessment<'_>, when: Option<&Mono>) -> bool {
    let counts = a.view.world.policy.sick_grace.0.saturating_mul(TRIED_GRACES);
    when.is_some_and(|when| a.now().since(*when) < counts)
}
