//! Members of etcd: taken out of the cluster where they are lost or do not serve, then followed by a new one; and what is
//! particular to their replacement.
//!
//! Theory: remove first, then add. Added first, the new one would raise the quorum while the lost one still counts.
//! What is about to be done stands in the store like every replacement, so all of them exclude one another; the old
//! volumes stay until the new member serves, and are never used again. One that is frozen cannot be restarted in place by
//! anybody but whoever froze it: it is replaced like one that does not serve.
//!
//! Invariants: whoever goes leaves a quorum of members that serve, by the cluster's own word; one at a time; nobody
//! goes for whom no host is free; nothing is begun while nobody takes writes.

use super::assess::RepairAssessment;
use super::intend::{forget, intend};
use super::must_go::{lost, must_go, unfit};
use super::proposal::{OneAtATime, RepairProposal};
use super::replacement::{NextProposals, Profile};
use super::trouble::{Trouble, quickly};
use super::wait::RepairWait;
use super::{RepairStep, VoterStanding};
use crate::decide::placement::number;
use crate::model::control::{AlarmKind, RepairPolicy, Replacing};
use crate::model::{Member, MemberId, Service, Sight, Span};

/// What is particular to their replacement.
pub(super) struct EtcdMembers;

impl Profile for EtcdMembers {
    fn leaves_first(&self) -> bool {
        true
    }

    fn stays(&self, a: &RepairAssessment<'_>, old: &Member) -> Option<String> {
        (serves(a, &old.id) && unfit(a, old).is_none()).then(|| "it is well again".to_owned())
    }

    fn lacks(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        (!serves(a, &new.id)).then(|| "it does not serve yet".to_owned())
    }

    fn hopeless(&self, a: &RepairAssessment<'_>, new: &Member) -> Option<String> {
        away(a, new)
    }

    fn verified_within(&self, policy: &RepairPolicy) -> Span {
        quickly(policy)
    }

    fn help(&self, a: &RepairAssessment<'_>, word: &Replacing, lacks: &str) -> Vec<RepairProposal> {
        let said = format!("it takes the place of {}: {lacks}", word.member);
        let join = RepairProposal::wait(RepairWait::Join, Some(&word.by), said);
        let grace = a.view.member(&word.by).and_then(|new| not_yet(a, new));
        grace.into_iter().chain([join]).collect()
    }

    fn leave(&self, a: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        let old = &word.member;
        let proposal = match carried(a, old) {
            Ok(()) => {
                let said = format!("{}: it leaves the cluster before {} joins", word.why, word.by);
                RepairProposal::say("retire", Some(old), said)
                    .step(RepairStep::Retire { member: old.clone() })
            }
            Err(not) => {
                let text = format!("{old} is to be replaced by {} and waits: {not}", word.by);
                let wait = RepairProposal::wait(RepairWait::Quorum, Some(old), not).alarm(
                    AlarmKind::NoQuorum,
                    Some(old),
                    text,
                );
                // one that serves keeps nobody from being followed who does not; whatever an operator wants stays wanted
                if serves(a, old) { wait.step(forget(old)) } else { wait }
            }
        };
        (vec![proposal], true)
    }

    /// Nobody wants fewer of them than are declared.
    fn see_out(&self, _: &RepairAssessment<'_>, word: &Replacing) -> NextProposals {
        let id = &word.member;
        (vec![RepairProposal::say("watch", Some(id), "it may stay").step(forget(id))], false)
    }
}

/// Begins with a member that is lost, or with one that is missing.
pub(super) fn begin(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    // without the record nobody knows who left
    if !a.view.has_record() {
        return Vec::new();
    }
    let Some((old, why)) = needed(a) else {
        return a.view.all(Service::Etcd).filter_map(|member| not_yet(a, member)).collect();
    };
    vec![match carried(a, &old) {
        Err(not) if a.leads => {
            let said = format!("{why}; {not}");
            let alarm = format!("{old}: {why}; it waits: {not}");
            RepairProposal::wait(RepairWait::Quorum, Some(&old), said).alarm(
                AlarmKind::NoQuorum,
                Some(&old),
                alarm,
            )
        }
        _ => intend(a, Service::Etcd, &old, why),
    }]
}

/// Whom another must follow, and why: the last that left where one is missing, or a member that is lost.
fn needed(a: &RepairAssessment<'_>) -> Option<(MemberId, String)> {
    let members: Vec<&Member> = a.view.all(Service::Etcd).collect();
    let wanted = a.view.world.spec.etcd.members as usize;
    if !members.is_empty() && members.len() < wanted {
        let prefix = format!("{}-", Service::Etcd);
        let left = a.view.bodies.retired.iter().filter(|id| id.as_str().starts_with(&prefix));
        let last = left.max_by_key(|id| number(id))?;
        return Some((last.clone(), format!("there are {} of {wanted} members of etcd", members.len())));
    }
    // whoever cannot be spared must not keep one that does not serve from being followed
    let gone = members.iter().find_map(|member| Some((member.id.clone(), away(a, member)?)));
    gone.or_else(|| members.iter().find_map(|member| Some((member.id.clone(), must_go(a, member)?))))
}

/// Why another must follow a member: it does not come back by itself, or it runs and has not served for too long.
fn away(a: &RepairAssessment<'_>, member: &Member) -> Option<String> {
    if let Some(why) = lost(a, member) {
        return Some(why);
    }
    let (id, grace) = (&member.id, a.view.world.policy.sick_grace);
    let trouble = idle(a, id)?;
    let long = a.lasts(id, Trouble::Sick, grace) || a.lasts(id, Trouble::Frozen, grace);
    long.then(|| format!("{trouble}, for {grace}"))
}

/// That a member does not serve, for less than its grace.
fn not_yet(a: &RepairAssessment<'_>, member: &Member) -> Option<RepairProposal> {
    let grace = a.view.world.policy.sick_grace;
    if away(a, member).is_some() || a.view.host_runs(&member.host) != Some(true) {
        return None;
    }
    let said = format!("{}, for less than {grace}", idle(a, &member.id)?);
    Some(RepairProposal::wait(RepairWait::Grace, Some(&member.id), said).turn(OneAtATime::Free))
}

/// How a member that has a living body does not serve.
fn idle(a: &RepairAssessment<'_>, id: &MemberId) -> Option<String> {
    if a.lasting(id, Trouble::Frozen).is_some() {
        return Some("its body is frozen".to_owned());
    }
    if !a.view.runs(id) || a.lasting(id, Trouble::Sick).is_none() {
        return None;
    }
    match a.view.seen.voters.seen()?.members.get(id)? {
        VoterStanding::Serves => None,
        VoterStanding::Fails(why) => Some(format!("it runs and does not serve: {why}")),
        VoterStanding::Joins => Some("it runs and has not joined the cluster".to_owned()),
        VoterStanding::Out => Some("it is not in the cluster".to_owned()),
    }
}

/// Whether a member runs and serves.
fn serves(a: &RepairAssessment<'_>, id: &MemberId) -> bool {
    let vote = a.view.seen.voters.seen().and_then(|voters| voters.members.get(id));
    a.view.runs(id) && vote == Some(&VoterStanding::Serves)
}

/// Whether those that serve are a quorum without this one; or why not.
pub(super) fn carried(a: &RepairAssessment<'_>, without: &MemberId) -> Result<(), String> {
    let voters = match &a.view.seen.voters {
        Sight::Seen(voters) => voters,
        Sight::Blind(why) => return Err(format!("the cluster of etcd cannot be seen: {why}")),
    };
    let counts = voters.members.get(without).is_some_and(|vote| *vote != VoterStanding::Out);
    let left = voters.listed.saturating_sub(u32::from(counts)) as usize;
    let others = voters.members.iter().filter(|(id, _)| *id != without);
    let healthy = others.filter(|(_, vote)| **vote == VoterStanding::Serves).count();
    let quorum = left / 2 + 1;
    if healthy >= quorum {
        return Ok(());
    }
    Err(format!("of the {left} others {healthy} serve, and {quorum} must"))
}
