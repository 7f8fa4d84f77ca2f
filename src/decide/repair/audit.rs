//! What no decision may do, whoever proposed it. Every decision is audited; one that breaks a rule is not carried out and
//! is an alarm.

use super::assess::RepairAssessment;
use super::etcd_members::carried;
use super::holder::is_cut_off;
use super::may_lead::MayLead;
use super::view::lies;
use super::{RepairDecision, RepairStep};
use crate::decide::frame::Breach;
use crate::model::control::ProofLevel;
use crate::model::{ContainerStatus, MemberId, Service};

/// Every rule that `decision` breaks.
#[must_use]
pub fn audit(a: &RepairAssessment<'_>, decision: &RepairDecision) -> Vec<Breach> {
    let breach = |step: &RepairStep, rule| Breach { step: step.key(), rule };
    let mut all: Vec<Breach> =
        decision.steps.iter().filter_map(|step| Some(breach(step, broken(a, step)?))).collect();
    let disruptive = decision.steps.iter().filter(|step| step.disruptive());
    all.extend(disruptive.skip(1).map(|step| breach(step, "one disruptive step at a time")));
    all
}

/// The rule that a step breaks.
fn broken(a: &RepairAssessment<'_>, step: &RepairStep) -> Option<&'static str> {
    match step {
        RepairStep::Release { member, mod_revision, candidate, .. } => {
            release(a, member, *mod_revision, candidate.as_ref())
        }
        RepairStep::Fence { member, container, key } => fence(a, member, container, *key),
        RepairStep::End { .. } => {
            let may = a.view.store.leader.is_none();
            (!may).then_some("a body is ended for its own sake only while nobody leads")
        }
        RepairStep::Start { member, alone: true, .. } => {
            let may = a.view.is_dead(member)
                && a.view.on_a_running_host(member)
                && (a.view.store.leader.is_none() || a.view.holds(member));
            (!may).then_some("a body is started alone only while nobody else leads")
        }
        RepairStep::Start { member, .. } | RepairStep::Create { member, .. } => {
            let database = is_database(a, step, member);
            let led = a.view.store.leader.is_some() && !a.view.holds(member);
            (database && !led).then_some("a database is given life only while somebody else leads")
        }
        RepairStep::Retire { member } => retire(a, member),
        RepairStep::Yield { member, .. } => {
            let asked = a.view.store.handover.is_some() && a.view.holds(member);
            (!asked).then_some("a key is taken from its holder for a handover alone")
        }
        RepairStep::HandOver { member, candidate, .. } => {
            let good = a.leads && a.view.holds(member) && a.view.patroni(candidate).is_some();
            (!good).then_some("a leader that takes writes hands over, to somebody who answers")
        }
        RepairStep::Intend { .. } => {
            let store = a.view.store;
            let one = store.replacing.is_none() && store.unreadable.is_none();
            (!one).then_some("one replacement at a time")
        }
        RepairStep::Discard { member } => {
            a.view.member(member).map(|_| "the volumes of a member of the lab stay")
        }
        _ => None,
    }
}

/// Whether a step is about a PostgreSQL.
fn is_database(a: &RepairAssessment<'_>, step: &RepairStep, member: &MemberId) -> bool {
    match step {
        RepairStep::Create { service, .. } => *service == Service::Postgres,
        _ => a.view.member(member).is_some_and(|member| member.service == Service::Postgres),
    }
}

fn release(
    a: &RepairAssessment<'_>,
    member: &MemberId,
    revision: i64,
    candidate: Option<&MemberId>,
) -> Option<&'static str> {
    let Some(key) = a.view.store.leader.as_ref().filter(|key| key.member == *member) else {
        return Some("only the key of its holder is released");
    };
    if key.mod_revision != revision {
        return Some("only the key that was seen is released");
    }
    let id = a.view.body(member).map(|body| &body.id).or_else(|| a.memory.known.get(member));
    let level = id.and_then(|id| a.view.seen.proofs.get(id)).map(|proof| proof.level);
    let doomed = level == Some(ProofLevel::Doomed)
        && a.view.world.policy.release_doomed
        && id.is_some_and(|id| is_cut_off(&a.view, key, id));
    if level != Some(ProofLevel::Dead) && !doomed {
        return Some("a key is released only with proof of death");
    }
    if candidate.is_some_and(|next| a.may_lead(next) != MayLead::Yes) {
        return Some("a candidate is named only if Patroni would promote it");
    }
    let hopeless = a.followers().all(|(_, may)| may.never());
    hopeless.then_some("a key is not released while nobody may follow")
}

fn fence(
    a: &RepairAssessment<'_>,
    member: &MemberId,
    container: &str,
    key: Option<i64>,
) -> Option<&'static str> {
    let Some(revision) = key else {
        let may = !a.view.holds(member) && a.leads;
        return (!may).then_some("nobody but the leader is fenced unless somebody else takes writes");
    };
    let held =
        a.view.store.leader.as_ref().filter(|its| its.member == *member && its.mod_revision == revision);
    let Some(held) = held else { return Some("a leader is fenced by the key that was seen") };
    let lives = a.view.body(member).is_some_and(|body| {
        matches!(body.status, ContainerStatus::Running | ContainerStatus::Paused) && !lies(body.status)
    });
    let doomed = is_cut_off(&a.view, held, container);
    let follows = a.followers().any(|(_, may)| may == MayLead::Yes);
    (lives && !doomed && !follows).then_some("a leader that lives is fenced only if somebody may follow")
}

fn retire(a: &RepairAssessment<'_>, member: &MemberId) -> Option<&'static str> {
    if a.view.store.leader.is_none() || a.view.holds(member) {
        return Some("nobody leaves while nobody leads, and the leader never does");
    }
    let placed = a.view.member(member)?;
    let word = a.view.store.replacing.as_ref();
    match placed.service {
        Service::Etcd => carried(a, member).is_err().then_some("a quorum of etcd stays"),
        Service::Postgres => {
            let dead = a.view.is_dead(member) || a.view.containers(member).is_empty();
            let by = word.filter(|word| word.member == *member && word.by != *member).map(|word| &word.by);
            let newcomer = word.is_some_and(|word| word.by == *member && word.member != *member);
            let followed = by.is_none_or(|by| a.is_good(by));
            let copies =
                a.view.all(Service::Postgres).any(|other| other.id != *member && a.is_good(&other.id));
            let may = dead && (newcomer || followed) && copies;
            (!may).then_some(
                "a database leaves dead, after its place was taken, and never as the last good copy",
            )
        }
        _ => None,
    }
}
