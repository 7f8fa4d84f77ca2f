//! Databases: restarted in place where they do not serve, and when that does not help replaced by a new member on another
//! host; and what is particular to their replacement.
//!
//! Theory: the newcomer clones from whoever takes writes, and is verified when it streams close behind. The old volume stays
//! untouched until then.
//!
//! Invariants: the leader never goes; nor does whoever confirms writes, before another standby is named.

use super::RepairStep;
use super::assess::{RepairAssessment, sick};
use super::checksums::rotten;
use super::count::see_out;
use super::follow::left_behind;
use super::intend::{forget, hasten, intend};
use super::must_go::{LIVES, lately, lost, unfit, unfit_for_long};
use super::proposal::{OneAtATime, RepairNote, RepairProposal};
use super::replacement::{NextProposals, Profile};
use super::standbys::{confirms, names_another};
use super::trouble::{SLOTS_CERTAIN_AFTER, Trouble};
use super::wait::RepairWait;
use crate::model::control::{AlarmKind, RepairPolicy, Replacing};
use crate::model::{ContainerStatus, Member, MemberId, Service, Span};

/// What is particular to their replacement.
pub(super) struct Databases;

impl Profile for Databases {
    fn stays(&self, a: &RepairAssessment<'_>, old: &Member) -> Option<String> {
        let id = &old.id;
        if unfit(a, old).is_some() {
            return None;
        }
        if a.is_good(id) {
            return Some("it is well again".to_owned());
        }
        // it is started, and another is looked for only if that comes to nothing
        let needs = matches!(wrong(a, old), MemberNeeds::Replace(_));
        let back = a.view.is_dead(id) && a.view.on_a_running_host(id) && !needs;
        back.then(|| "its host runs again and it has its data".to_owned())
    }

    fn lacks(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        a.lacks(&new.id)
    }

    fn hopeless(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        let stuck = || stuck(a, &new.id).filter(|stuck| stuck.lasts && tried(a, &new.id));
        lost(a, new).or_else(|| Some(format!("{}, and a restart did not help", stuck()?.trouble)))
    }

    fn verified_within(&self, policy: &RepairPolicy) -> Span {
        policy.newcomer_grace
    }

    fn has_begun(&self, a: &RepairAssessment<'_>, by: &MemberId) -> bool {
        let clones = a.paths.get(by).is_some_and(|path| path.has_said("creating"));
        clones || a.view.patroni(by).is_some_and(|rest| rest.patroni.lsn.is_some())
    }

    /// One that does not get there by itself is restarted in place, once.
    fn help(&self, a: &RepairAssessment<'_>, word: &Replacing, lacks: &str) -> Vec<RepairProposal> {
        let by = &word.by;
        if let Some(again) = begins_anew(a, by) {
            return vec![again];
        }
        let mut all = hasten(a, by);
        all.push(RepairProposal::wait(
            RepairWait::Clone,
            Some(by),
            format!("{} waits for it: {lacks}", word.member),
        ));
        all
    }

    fn leave(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        leave(a, word)
    }

    fn see_out(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        see_out(a, word)
    }
}

/// The first steps for those that must be restarted or replaced.
pub(super) fn begin(a: &RepairAssessment<'_>) -> impl Iterator<Item = RepairProposal> {
    a.view.staying(Service::Postgres).filter_map(|member| first(a, member))
}

/// A newcomer that does not get there by itself is restarted in place, once.
fn begins_anew(a: &RepairAssessment<'_>, by: &MemberId) -> Option<RepairProposal> {
    let StuckIn { trouble, lasts, grace } = stuck(a, by)?;
    let body = a.view.body(by)?;
    let may = lasts && a.leads && !a.view.holds(by) && !tried(a, by);
    may.then(|| restart(by, body.id.clone(), &format!("{trouble}, for {grace}")).when_ordered())
}

/// What a member is stuck in that has a living body.
struct StuckIn {
    trouble: String,
    /// Whether that has lasted for its grace.
    lasts: bool,
    grace: Span,
}

fn stuck(a: &RepairAssessment<'_>, id: &MemberId) -> Option<StuckIn> {
    let grace = a.view.world.policy.sick_grace;
    let long = |trouble: String, what| StuckIn { trouble, lasts: a.lasts(id, what, grace), grace };
    if a.lasting(id, Trouble::Frozen).is_some() {
        return Some(long("its body is frozen".to_owned(), Trouble::Frozen));
    }
    if let Some(trouble) = sick(&a.view, id).filter(|_| a.view.runs(id)) {
        return Some(long(trouble, Trouble::Sick));
    }
    let path = a.paths.get(id)?;
    a.view.patroni(id)?;
    let (trouble, so_far, grace) = path.stands_still(a.now(), grace)?;
    Some(StuckIn { trouble, lasts: so_far >= grace.0, grace })
}

/// The new copy is verified: the old member may go, unless others still lean on it.
fn leave(a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
    let old = &word.member;
    let said = format!("{} streams in its place", word.by);
    let retire = || RepairProposal::say("retire", Some(old), said.as_str());
    let Some(key) = &a.view.store.leader else {
        return (vec![RepairProposal::wait(RepairWait::Leader, Some(old), "nobody leads")], false);
    };
    if key.member == *old {
        // it came to lead meanwhile. A word that waited for its end would keep everybody else from being replaced
        let said = format!("it leads by now and stays: {} is one more than are wanted", word.by);
        return (vec![RepairProposal::say("watch", Some(old), said).step(forget(old))], false);
    }
    let proposal = match a.view.containers(old) {
        [] => retire().step(RepairStep::Retire { member: old.clone() }),
        [_] if a.view.is_dead(old) => retire().step(RepairStep::Retire { member: old.clone() }),
        [_] if confirms(a, old) => {
            let said = "it confirms writes: another standby is named first";
            return (
                vec![
                    RepairProposal::wait(RepairWait::Standby, Some(old), said).spares(names_another(a, old)),
                ],
                false,
            );
        }
        [body] => {
            let fence = RepairStep::Fence { member: old.clone(), container: body.id.clone(), key: None };
            let host = a.view.host(old).cloned();
            let close = host.map(|host| RepairStep::Close { host, member: old.clone(), park: false });
            close.into_iter().chain([fence]).fold(retire(), RepairProposal::step)
        }
        several => {
            let text = format!("{} containers are called {old}: remove the wrong one", several.len());
            retire().alarm(AlarmKind::SeveralBodies, Some(old), text)
        }
    };
    (vec![proposal.spares(!a.view.is_dead(old) && names_another(a, old))], true)
}

/// The first step for a member that must be restarted or replaced.
fn first(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairProposal> {
    let id = &member.id;
    let asked = a.view.store.asked.contains_key(id);
    if a.view.holds(id) {
        let text = format!("{id} is to be replaced and leads: hand over first");
        return asked.then(|| RepairProposal::silent().alarm(AlarmKind::HandOverFirst, Some(id), text));
    }
    let (why, container) = match wrong(a, member) {
        _ if asked => ("an operator asked for it".to_owned(), None),
        MemberNeeds::Nothing => (unfit_for_long(a, member)?, None),
        MemberNeeds::Told(proposal) => {
            return Some(match unfit_for_long(a, member) {
                Some(why) => intend(a, Service::Postgres, id, why),
                None => *proposal,
            });
        }
        MemberNeeds::Restart { container, why } => (why, Some(container)),
        MemberNeeds::Replace(why) => (why, None),
    };
    match container {
        Some(container) if a.leads => {
            Some(restart(id, container, &why).when_ordered().turn(OneAtATime::Begins))
        }
        _ => Some(intend(a, Service::Postgres, id, why)),
    }
}

/// What a member that does not lead needs.
enum MemberNeeds {
    /// Nothing, or not yet.
    Nothing,
    /// Not yet, and that is said.
    Told(Box<RepairProposal>),
    /// A restart in place, which was not tried yet.
    Restart {
        /// The engine's id of the container to be ended.
        container: String,
        /// What is wrong.
        why: String,
    },
    /// Another in its place.
    Replace(String),
}

fn grace(id: &MemberId, said: String) -> MemberNeeds {
    MemberNeeds::Told(Box::new(
        RepairProposal::wait(RepairWait::Grace, Some(id), said).turn(OneAtATime::Begins),
    ))
}

fn wrong(a: &RepairAssessment<'_>, member: &Member) -> MemberNeeds {
    let (id, policy) = (&member.id, &a.view.world.policy);
    if a.view.host_runs(&member.host) == Some(false) {
        return lost(a, member).map_or(MemberNeeds::Nothing, MemberNeeds::Replace);
    }
    if let Some(why) = rotten(&a.view, id) {
        if a.view.store.leader.as_ref().is_some_and(|key| rotten(&a.view, &key.member).is_some()) {
            let text = format!("{id}: {why}, and so it is with the leader: nobody can be cloned");
            return MemberNeeds::Told(Box::new(RepairProposal::silent().alarm(
                AlarmKind::BadData,
                Some(id),
                text,
            )));
        }
        return MemberNeeds::Replace(why);
    }
    let Some(body) = a.view.body(id) else { return MemberNeeds::Nothing };
    if a.view.is_dead(id) {
        let again = a.lives_of(id) >= LIVES;
        let why = || format!("it died again after {} starts", a.lives_of(id));
        return if again { MemberNeeds::Replace(why()) } else { MemberNeeds::Nothing };
    }
    if !matches!(body.status, ContainerStatus::Running | ContainerStatus::Paused) {
        return MemberNeeds::Nothing;
    }
    if let Some(path) = a.paths.get(id).filter(|_| a.view.runs(id)) {
        if let Some(why) = left_behind(&a.view, id, path) {
            if a.lasts(id, Trouble::Wal, SLOTS_CERTAIN_AFTER) {
                return MemberNeeds::Replace(why);
            }
            return grace(id, format!("{why}, for less than {SLOTS_CERTAIN_AFTER}"));
        }
        // a restart would begin its recovery anew
        if let Some(why) = path.recovers_for_ever(a.now(), policy.sick_grace) {
            return MemberNeeds::Replace(why);
        }
    }
    let Some(StuckIn { trouble, lasts, grace: its }) = stuck(a, id) else { return MemberNeeds::Nothing };
    if !lasts {
        return grace(id, format!("{trouble}, for less than {its}"));
    }
    if tried(a, id) {
        return MemberNeeds::Replace(format!("{trouble}, and a restart did not help"));
    }
    MemberNeeds::Restart { container: body.id.clone(), why: format!("{trouble}, for {its}") }
}

/// Whether a member was restarted lately.
fn tried(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    lately(a, a.memory.restarted.get(id))
}

/// Takes a replica down that does not serve; `starts` gives it its next life.
fn restart(id: &MemberId, container: String, why: &str) -> RepairProposal {
    let fence = RepairStep::Fence { member: id.clone(), container, key: None };
    let said = format!("{why}: it is restarted in place");
    RepairProposal::say("restart", Some(id), said).step(fence).note(RepairNote::Restarted(id.clone()))
}
