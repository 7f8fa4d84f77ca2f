//! One replacement, from its word in the store to its end: one machine for every service, over a small profile of each.
//!
//! `Intended → Added → Verified → Leaving → Gone`; of a member of etcd, which leaves first, `Intended → Leaving → Added →
//! Verified → Gone`. Which of them it is follows from the word, the lab's record and the look, so a controller that comes
//! after goes on where the one before it stopped.
//!
//! Every state has a deadline. Until the newcomer is verified it runs from the instant that stands in the word. While the
//! old member leaves it runs from when that began, which outlives a controller, too (`memory`). What is late is given up:
//! a newcomer that is not verified is retired, the word is taken back, and the next try is decided anew within the budget.
//! A newcomer that is verified stays: the next try takes it (`intend`).
//!
//! Invariants: nothing is made while nobody takes writes; the old member goes only when the newcomer is verified, but for a
//! member of etcd; no state lasts for ever; what has not begun to copy is withdrawn when the old member is well again.

use super::RepairStep;
use super::assess::RepairAssessment;
use super::intend::{forget, let_go, retire};
use super::proposal::{RepairNote, RepairProposal};
use super::starts::TRIES;
use super::trouble::{Trouble, leaves};
use super::wait::RepairWait;
use crate::model::control::{AlarmKind, RepairPolicy, Replacing};
use crate::model::{Member, MemberId, Mono, Service, Span};

/// Proposals, and whether the old member is done for: nobody starts it any more.
pub(super) type NextProposals = (Vec<RepairProposal>, bool);

/// What is particular to the members of a service.
pub(super) trait Profile {
    /// Whether the old member leaves before the newcomer is added.
    fn leaves_first(&self) -> bool {
        false
    }

    /// Why the old member needs nobody in its place any more.
    fn stays(&self, a: &RepairAssessment<'_>, old: &Member) -> Option<String>;

    /// What keeps a newcomer from doing what the old member is for.
    fn lacks(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String>;

    /// Why a newcomer will never do it.
    fn hopeless(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String>;

    /// How long a newcomer may take, from the instant at which it was decided.
    fn verified_within(&self, policy: &RepairPolicy) -> Span;

    /// Whether a newcomer has begun to copy what the old member has.
    fn has_begun(&self, _: &RepairAssessment<'_>, _: &MemberId) -> bool {
        true
    }

    /// What is done for a newcomer that lacks something, and said of it.
    fn help(&self, a: &RepairAssessment<'_>, word: &Replacing, lacks: &str) -> Vec<RepairProposal>;

    /// The next step of an old member that may leave.
    fn leave(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals;

    /// The next step of a member that leaves because there are too many.
    fn see_out(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals;
}

/// Where a replacement is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ReplacementPhase {
    /// It is written down, and nothing has been done.
    Intended,
    /// The newcomer is a member of the lab and lacks this.
    Added(String),
    /// The newcomer does what the old member is for, which has not left.
    Verified,
    /// The old member has left; the newcomer is no member of the lab.
    Left,
    /// The old member has left, and nobody waits for a newcomer.
    Gone,
    /// The newcomer has left, or is there for another's sake: the old member stays.
    Vain,
}

/// The next step of a replacement that was begun.
pub(super) fn go_on(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing) -> NextProposals {
    let old = &word.member;
    if word.by == *old && a.view.member(old).is_some() {
        return see_out(a, its, word);
    }
    match phase(a, its, word) {
        ReplacementPhase::Intended => intended(a, its, word),
        ReplacementPhase::Added(lacks) => added(a, its, word, &lacks),
        ReplacementPhase::Verified => leaving(a, its, word),
        ReplacementPhase::Left => (vec![follow(a, word)], true),
        ReplacementPhase::Gone => (vec![gone(a, word)], true),
        ReplacementPhase::Vain => (vec![vain(a, word)], false),
    }
}

fn phase(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing) -> ReplacementPhase {
    let (old, new) = (a.view.member(&word.member), a.view.member(&word.by));
    let lost = a.view.bodies.retired.contains(&word.by);
    match (old, new) {
        (None, None) if its.leaves_first() && word.by != word.member => ReplacementPhase::Left,
        (None, Some(new)) if its.leaves_first() => {
            its.lacks(a, new).map_or(ReplacementPhase::Gone, ReplacementPhase::Added)
        }
        (None, _) => ReplacementPhase::Gone,
        (Some(_), None) if lost => ReplacementPhase::Vain,
        (Some(_), None) => ReplacementPhase::Intended,
        (Some(_), Some(new)) => {
            let extra = a.view.staying(word.service).count() > a.view.wanted(word.service);
            if its.leaves_first() || a.view.bodies.leaving.contains(&new.id) || !extra {
                return ReplacementPhase::Vain;
            }
            its.lacks(a, new).map_or(ReplacementPhase::Verified, ReplacementPhase::Added)
        }
    }
}

/// Whether something has lasted since then for longer than it may.
fn late(a: &RepairAssessment<'_>, since: Option<Mono>, within: Span) -> bool {
    since.is_some_and(|since| a.now().since(since) >= within.0)
}

/// Nothing was done yet: it is, or the word does not hold any more.
fn intended(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing) -> NextProposals {
    let (old, by, host) = (&word.member, &word.by, &word.host);
    let back = |said: String| (vec![RepairProposal::say("watch", Some(old), said).step(forget(old))], false);
    if let Some(why) = a.view.member(old).and_then(|member| its.stays(a, member)) {
        return back(format!("{why}: it is not replaced"));
    }
    if a.view.host_runs(host) != Some(true) {
        return back(format!("{host}, where {by} was to go, does not run: decided anew"));
    }
    if !a.leads {
        let said = "nobody takes writes: there is nobody to clone from";
        return (vec![RepairProposal::wait(RepairWait::Leader, Some(old), said)], its.leaves_first());
    }
    if its.leaves_first() {
        return leaving(a, its, word);
    }
    let create = RepairStep::Create { member: by.clone(), service: word.service, host: host.clone() };
    if late(a, word.begun, a.view.world.policy.sick_grace) && a.failures(&create) >= TRIES {
        let said = format!("{by} could not be made on {host}");
        let alarm = format!("{old} is to be replaced, and {said}");
        let (mut all, settled) = back(format!("{said}: decided anew"));
        all.push(RepairProposal::silent().alarm(AlarmKind::NewcomerFailed, Some(old), alarm));
        return (all, settled);
    }
    let said = format!("{}: {by} is made on {host} to take its place", word.why);
    (vec![RepairProposal::say("add", Some(old), said).when_ordered().step(create)], false)
}

/// The newcomer is there: it gets as far as it must, or is given up.
fn added(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing, lacks: &str) -> NextProposals {
    let (old, by) = (&word.member, &word.by);
    let new = a.view.member(by).filter(|_| !a.view.holds(by));
    let within = its.verified_within(&a.view.world.policy);
    let long = || format!("it is no good copy {within} after that was decided");
    // once its body is down, what was wrong with it cannot be seen any more
    let given_up = || a.memory.since_of(by, Trouble::Leaves).map(|_| "it was given up".to_owned());
    let over = new.and_then(|new| {
        its.hopeless(a, new).or_else(|| late(a, word.begun, within).then(long)).or_else(given_up)
    });
    let left = a.view.member(old).is_none();
    if let Some(why) = over {
        return (give_up(a, word, &why), left);
    }
    let stays = a.view.member(old).and_then(|old| its.stays(a, old));
    if let Some(why) = stays.filter(|_| !a.view.holds(by) && !its.has_begun(a, by)) {
        return (withdraw(a, word, &format!("{why}, and {by} has copied nothing yet")), left);
    }
    let mut all = vec![RepairProposal::silent().note(RepairNote::Over(old.clone(), Trouble::Leaves))];
    all.extend(its.help(a, word, lacks));
    (all, left)
}

/// A newcomer that is given up leaves, and an alarm says so. Where the old member has left, it is replaced like any other.
fn give_up(a: &RepairAssessment<'_>, word: &Replacing, why: &str) -> Vec<RepairProposal> {
    let (old, by) = (&word.member, &word.by);
    let alarm = format!("{by} never took the place of {old}: {why}");
    let mut all = if a.view.member(old).is_some() {
        withdraw(a, word, why)
    } else {
        let said = format!("{by}, which took its place: {why}: decided anew");
        vec![end(a, word, "retire", said, old)]
    };
    let noted = RepairProposal::silent().note(RepairNote::Began(by.clone(), Trouble::Leaves));
    all.push(noted.alarm(AlarmKind::NewcomerFailed, Some(by), alarm));
    all
}

/// A newcomer that is not needed leaves: its body first, then its name.
fn withdraw(a: &RepairAssessment<'_>, word: &Replacing, why: &str) -> Vec<RepairProposal> {
    let by = &word.by;
    let said = format!("{why}: it does not take the place of {}", word.member);
    if !a.leads {
        return vec![RepairProposal::wait(
            RepairWait::Leader,
            Some(by),
            format!("{said}; it leaves when somebody takes writes"),
        )];
    }
    let database = word.service == Service::Postgres;
    match a.view.body(by).filter(|_| database && !a.view.is_dead(by)) {
        Some(body) => {
            let step = RepairStep::Fence { member: by.clone(), container: body.id.clone(), key: None };
            vec![RepairProposal::say("retire", Some(by), said).step(step)]
        }
        None => vec![retire(a, by, said)],
    }
}

/// The newcomer has left, or is there for another's sake: the word ends.
fn vain(a: &RepairAssessment<'_>, word: &Replacing) -> RepairProposal {
    let (old, by) = (&word.member, &word.by);
    let said = format!("{by} does not take its place: decided anew");
    if !a.view.bodies.retired.contains(by) {
        return RepairProposal::say("watch", Some(old), said).step(forget(old));
    }
    let alarm =
        format!("{by} never took the place of {old}, which stays: find out why newcomers do not come up");
    end(a, word, "watch", said, by).alarm(AlarmKind::NewcomerFailed, Some(old), alarm)
}

/// The newcomer is verified, or the old member leaves first: it leaves, and not for ever.
fn leaving(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing) -> NextProposals {
    let old = &word.member;
    let within = leaves(&a.view.world.policy);
    if late(a, a.memory.since_of(old, Trouble::Leaves), within) {
        let text = format!("{old} was to leave for {} and has not, for {within}", word.by);
        let said = format!("{text}: decided anew");
        return (
            vec![
                RepairProposal::say("watch", Some(old), said)
                    .alarm(AlarmKind::DeedFails, Some(old), text)
                    .step(forget(old)),
            ],
            false,
        );
    }
    let (mut all, settled) = its.leave(a, word);
    all.push(RepairProposal::silent().note(RepairNote::Began(old.clone(), Trouble::Leaves)));
    (all, settled)
}

/// A member leaves because there are too many: that does not last for ever either.
fn see_out(a: &RepairAssessment<'_>, its: &dyn Profile, word: &Replacing) -> NextProposals {
    let id = &word.member;
    let within = leaves(&a.view.world.policy);
    if late(a, word.begun, Span(within.0.saturating_mul(2))) {
        let text = format!("{id} is one too many and does not leave");
        let said = format!("{text}: decided anew");
        return (
            vec![
                RepairProposal::say("watch", Some(id), said)
                    .alarm(AlarmKind::DeedFails, Some(id), text)
                    .step(forget(id)),
            ],
            false,
        );
    }
    its.see_out(a, word)
}

/// The old member has left first: the newcomer joins, where it can.
fn follow(a: &RepairAssessment<'_>, word: &Replacing) -> RepairProposal {
    let (old, by, host) = (&word.member, &word.by, &word.host);
    let create = RepairStep::Create { member: by.clone(), service: word.service, host: host.clone() };
    let stuck = late(a, word.begun, a.view.world.policy.sick_grace) && a.failures(&create) >= TRIES;
    let lost = a.view.bodies.retired.contains(by);
    if stuck || lost || a.view.host_runs(host) != Some(true) {
        return end(a, word, "retire", format!("{by} cannot take its place: decided anew"), old);
    }
    let said = format!("it joins the cluster on {host} in place of {old}");
    RepairProposal::say("add", Some(by), said).when_ordered().step(create)
}

/// The old member has left: its body goes if it still has one, then its volumes.
fn gone(a: &RepairAssessment<'_>, word: &Replacing) -> RepairProposal {
    let old = &word.member;
    let said = if word.by == *old {
        "it has left: its volumes go".to_owned()
    } else {
        format!("{} has taken its place: its volumes go", word.by)
    };
    if a.view.containers(old).is_empty() { end(a, word, "retire", said, old) } else { retire(a, old, said) }
}

/// The word ends, and with it go the volumes of `left`.
fn end(
    a: &RepairAssessment<'_>,
    word: &Replacing,
    step: &'static str,
    said: String,
    left: &MemberId,
) -> RepairProposal {
    let old = &word.member;
    let proposal = let_go(a, left, old);
    RepairProposal { word: step, subject: Some(old.clone()), reason: said, ..proposal }
}
