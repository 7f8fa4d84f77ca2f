//! Who does not come back by itself, who is not to stay as it is, and the word that another shall follow: the same for
//! every service.
//!
//! Invariant: whoever serves goes only for what lasts, and within the budget: where newcomers come out no better, that ends.

use super::Step;
use super::assess::Assessment;
use super::proposal::{Proposal, Turn};
use super::starts::TRIES;
use super::trouble::Trouble;
use crate::decide::placement;
use crate::model::control::{AlarmKind, Budget};
use crate::model::lab::kind;
use crate::model::{ContainerStatus, HostName, Member, MemberId, Mono, Service};

/// Lives in the time of the budget of starts after which a body that lies dead again is given up.
pub(super) const LIVES: usize = 3;
/// What was tried counts for so many graces.
const TRIED: u32 = 10;
/// Volumes that could not be removed so often are left to whoever takes the lab down.
const VAIN: u32 = 5;

/// Why a member does not come back by itself: its host is given up, it dies again and again, or gets no life.
pub(super) fn lost(a: &Assessment<'_>, member: &Member) -> Option<String> {
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
    let create = Step::Create { member: id.clone(), service: member.service, host: member.host.clone() };
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
pub(super) fn unfit(a: &Assessment<'_>, member: &Member) -> Option<Unfit> {
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
pub(super) fn must_go(a: &Assessment<'_>, member: &Member) -> Option<String> {
    lost(a, member).or_else(|| unfit_for_long(a, member))
}

/// Why a member that was unfit for long enough is to be followed.
pub(super) fn unfit_for_long(a: &Assessment<'_>, member: &Member) -> Option<String> {
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

/// The word that another shall take the place of `old`, where the budget allows it and a host is free; `gone` has left by
/// then.
pub(super) fn intend(
    a: &Assessment<'_>,
    service: Service,
    old: &MemberId,
    why: String,
    gone: Option<&MemberId>,
) -> Proposal {
    if let Some(spent) = spent(a) {
        let said = format!("{why}; {spent}");
        let alarm = format!("{old}: {said}: find out why members go bad");
        return Proposal::say("refuse", Some(old), said)
            .alarm(AlarmKind::ReplacementsSpent, Some(old), alarm)
            .turn(Turn::Begins);
    }
    match place(a, service, kind(old, service.as_str()), gone) {
        Ok((by, host)) => {
            let said = format!("{why}: {by} on {host} shall take its place");
            let step = Step::Intend { service, member: old.clone(), by, host, why };
            Proposal::say("intend", Some(old), said).when_ordered().step(step).turn(Turn::Begins)
        }
        Err(none) => {
            let alarm = format!("{old}: {why}; it waits for a host: {none}");
            let said = format!("{why}; no host can carry another: {none}");
            Proposal::say("wait", Some(old), said)
                .alarm(AlarmKind::WaitsForHost, Some(old), alarm)
                .turn(Turn::Begins)
        }
    }
}

/// That no more replacements may be begun, while that is so.
fn spent(a: &Assessment<'_>) -> Option<String> {
    let Budget { max, per } = a.view.world.policy.replacements;
    let lately = |when: &&Mono| a.now().since(**when) < per.0;
    let known = a.memory.replaced.iter().filter(lately).count();
    let written = a.view.store.replaced.iter().filter(lately).count();
    (known.max(written) >= max as usize)
        .then(|| format!("the budget of replacements is spent ({max} in {per})"))
}

/// What a new member of a kind is called and where it stands; `gone` has left by then.
pub(super) fn place(
    a: &Assessment<'_>,
    service: Service,
    kind: &str,
    gone: Option<&MemberId>,
) -> Result<(MemberId, HostName), String> {
    let view = &a.view;
    let placed = view.members.iter().map(|member| &member.id);
    let used = placed.chain(&view.bodies.retired).chain(view.bodies.members.keys());
    let id = placement::new_name(kind, used).ok_or_else(|| "no name is left".to_owned())?;
    let runs = |host: &HostName| view.host_runs(host) == Some(true);
    let stay: Vec<Member> = view.members.iter().filter(|member| Some(&member.id) != gone).cloned().collect();
    let placed = placement::one(&view.world.spec, &stay, &id, service, runs);
    placed.map(|member| (member.id, member.host)).map_err(|error| error.to_string())
}

/// The volumes of a member that has left go, and then the word of the replacement it was part of, which stands under
/// `old`; volumes that cannot be removed stay, so that the others are not left waiting for ever.
pub(super) fn let_go(a: &Assessment<'_>, left: &MemberId, old: &MemberId, wish: Option<i64>) -> Proposal {
    let discard = Step::Discard { member: left.clone() };
    let forget = Step::Forget { member: old.clone(), wish };
    if a.failures(&discard) >= VAIN {
        let text = format!("the volumes of {left} cannot be removed: they stay until the lab goes");
        return Proposal::silent().alarm(AlarmKind::VolumesStay, Some(left), text).step(forget);
    }
    Proposal::silent().step(discard).step(forget)
}

/// A newcomer streams through a slot that the leader's Patroni makes at its next turn, up to `loop_wait` later, and
/// PostgreSQL asks again only every five seconds: so that turn comes as soon as the newcomer is known.
pub(super) fn hasten(a: &Assessment<'_>, by: &MemberId) -> Vec<Proposal> {
    let known = a.view.patroni(by).is_some();
    let leader = a.view.store.leader.as_ref().filter(|_| known);
    let wake = leader.map(|leader| Proposal::silent().step(Step::Wake { member: leader.member.clone() }));
    wake.into_iter().collect()
}

/// A member leaves the lab; `said` is why. While nobody leads nobody does.
pub(super) fn retire(a: &Assessment<'_>, id: &MemberId, said: impl Into<String>) -> Proposal {
    if a.view.store.leader.is_none() {
        return Proposal::say("wait", Some(id), format!("{}; nobody leaves while nobody leads", said.into()));
    }
    Proposal::say("retire", Some(id), said).step(Step::Retire { member: id.clone() })
}

/// The word about `old` is taken back; whatever an operator wants of it stays wanted.
pub(super) fn forget(old: &MemberId) -> Step {
    Step::Forget { member: old.clone(), wish: None }
}

/// The operator's wish about `old`, which ends now.
pub(super) fn wish(a: &Assessment<'_>, old: &MemberId) -> Option<i64> {
    a.view.store.asked.get(old).copied()
}

/// Whether what was tried then still counts as tried.
pub(super) fn lately(a: &Assessment<'_>, when: Option<&Mono>) -> bool {
    let counts = a.view.world.policy.sick_grace.0.saturating_mul(TRIED);
    when.is_some_and(|when| a.now().since(*when) < counts)
}
