//! What is done about whoever holds the leader key, and how its lease is taken away.
//!
//! Theory: silence is not death, a partition looks the same. Only the engine can tell, and only of one container: so the
//! body is fenced first, and the key released when the proof is complete.
//!
//! Invariants: a body that lives is fenced only while somebody may follow; a key is released only while somebody perhaps
//! may. Where it is certain that nobody may, the holder has the data: its body is started where it is.

use std::time::Duration;

use super::assess::RepairAssessment;
use super::checksums::rotten;
use super::holder::{Holder, is_cut_off};
use super::may_lead::{For, MayLead, candidate};
use super::proposal::RepairProposal;
use super::starts::{TRIES, over_budget};
use super::trouble::Trouble;
use super::wait::RepairWait;
use super::{ConnectionReply, DiskSeen, InstanceSeen, LeaderSeen, RepairStep};
use crate::model::control::{AlarmKind, ProofLevel};
use crate::model::{MemberId, Service};

/// Pause between two looks while nobody holds the leader key: whoever takes it wakes the loop.
const ELECTION: Duration = Duration::from_millis(50);
/// Pause between two looks while a proof is awaited.
const PROOF: Duration = Duration::from_millis(200);

/// What is to be done about the holder of the key.
pub(super) fn leader(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let Some(key) = &a.view.store.leader else {
        let said = "nobody holds the leader key: Patroni elects";
        return vec![RepairProposal::wait(RepairWait::Election, None, said).hurry().soon(ELECTION)];
    };
    let member = &key.member;
    let mut all: Vec<RepairProposal> = disk(a, member).into_iter().collect();
    all.extend(match &a.holder {
        Holder::Nobody => Vec::new(),
        Holder::Several(n) => {
            let text = format!(
                "{n} containers are called {member}: which of them holds the leader key cannot be known"
            );
            let alarm = format!("{text}; remove the wrong one");
            vec![RepairProposal::wait(RepairWait::Bodies, Some(member), text).alarm(
                AlarmKind::SeveralBodies,
                Some(member),
                alarm,
            )]
        }
        Holder::NoBody(known) => gone(a, key, known.as_deref()),
        Holder::Dead(id) => condemn(a, key, id, FenceProgress::Lies),
        Holder::Ends(id) => condemn(a, key, id, FenceProgress::Ends),
        Holder::Condemned(id) => condemn(a, key, id, FenceProgress::Lives),
        Holder::Fails { trouble, grace } => {
            let word = failing(*trouble);
            vec![RepairProposal::wait(
                RepairWait::Grace,
                Some(member),
                format!("the leader {word}, for less than {grace}"),
            )]
        }
        Holder::Unknown => {
            let said = "the engine does not say whether the leader runs";
            let alarm = format!("the engine does not say in which state {member} is");
            vec![RepairProposal::wait(RepairWait::State, Some(member), said).alarm(
                AlarmKind::StateUnknown,
                Some(member),
                alarm,
            )]
        }
        Holder::Lives => wake(a, member),
    });
    all
}

const fn failing(trouble: Trouble) -> &'static str {
    match trouble {
        Trouble::Frozen => "frozen",
        Trouble::HangsAltogether => "hangs altogether",
        _ => "hangs",
    }
}

/// How far a body that is condemned has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FenceProgress {
    /// It has no process.
    Lies,
    /// It is between two lives.
    Ends,
    /// It runs, or is frozen.
    Lives,
}

/// That the disk of the leader takes nothing, while it has a grace.
fn disk(a: &RepairAssessment<'_>, member: &MemberId) -> Option<RepairProposal> {
    let Some(InstanceSeen { disk: DiskSeen::Waits { so_far, .. }, .. }) = a.view.instance(member) else {
        return None;
    };
    let judged = matches!(a.holder, Holder::Lives | Holder::Fails { .. }) && a.view.runs(member);
    let grace = a.view.world.policy.disk_grace;
    let said =
        format!("the leader waits for its disk ({so_far}): it is fenced when nothing moves for {grace}");
    judged.then(|| RepairProposal::wait(RepairWait::Grace, Some(member), said))
}

/// PostgreSQL is gone and its Patroni lives, as far as anybody knows: it starts it again in place, sooner when
/// told; it answers nobody while it looks for what is gone. Meanwhile clients are kept away: those that come
/// again and again are what its recovery waits for.
fn wake(a: &RepairAssessment<'_>, member: &MemberId) -> Vec<RepairProposal> {
    let Some(instance) = a.view.instance(member) else { return Vec::new() };
    let gone = matches!(instance.rest, ConnectionReply::Refuses(_) | ConnectionReply::Silent(_));
    if !matches!(instance.sql, ConnectionReply::Refuses(_)) || gone {
        return Vec::new();
    }
    // refused here and well by its Patroni's word: the way from here to it is what is wrong
    let well = a.view.patroni(member).is_some_and(|rest| rest.patroni.state == "running");
    let said = "PostgreSQL refuses and its body runs: Patroni starts it in place";
    let mut proposal = RepairProposal::wait(RepairWait::InPlace, Some(member), said);
    if let Some(host) = a.view.host(member).filter(|_| !well).cloned() {
        proposal = proposal.step(RepairStep::Close { host, member: member.clone(), park: false });
    }
    vec![proposal.step(RepairStep::Wake { member: member.clone() })]
}

/// The holder has no body at all: only the engine's word about a known id proves anything.
fn gone(a: &RepairAssessment<'_>, key: &LeaderSeen, known: Option<&str>) -> Vec<RepairProposal> {
    let member = &key.member;
    let alarm = format!("{member} holds the leader key and has no container");
    let mut all = vec![RepairProposal::silent().alarm(AlarmKind::NoBody, Some(member), alarm)];
    if let Some(id) = known {
        all.extend(condemn(a, key, id, FenceProgress::Lies));
    } else {
        let reason = "the leader has no container and its id is not known: its lease decides";
        all.push(RepairProposal::wait(RepairWait::Body, Some(member), reason));
    }
    all
}

/// Fence until there is proof, then release. An old proof about a body that was started since proves nothing, so it must
/// be seen now that the body does not run.
fn condemn(a: &RepairAssessment<'_>, key: &LeaderSeen, id: &str, end: FenceProgress) -> Vec<RepairProposal> {
    let (member, seen) = (&key.member, a.view.seen);
    let proof = seen.proofs.get(id);
    let level = proof.map(|proof| proof.level);
    // its tasks cannot come back to life; a body that was started since holds another key
    let doomed = level == Some(ProofLevel::Doomed) && is_cut_off(&a.view, key, id);
    if let Some(why) = nobody_follows(a, if doomed { FenceProgress::Ends } else { end }) {
        return stay(a, key, id, end, &why);
    }
    let enough = end == FenceProgress::Lies && level == Some(ProofLevel::Dead)
        || doomed && a.view.world.policy.release_doomed;
    if enough {
        return release(a, key, if doomed { "doomed and cut off" } else { "proved dead" });
    }
    let mut all = Vec::new();
    // a second kill hastens nothing that is doomed
    if end == FenceProgress::Lies || !doomed {
        let said = "the leader's body must be proved dead before its key is released";
        let mut fence = RepairProposal::say("fence", Some(member), said).when_ordered();
        if let Some(host) = a.view.host(member).cloned() {
            fence = fence.step(RepairStep::Close {
                host,
                member: member.clone(),
                park: end == FenceProgress::Lives,
            });
        }
        let step = RepairStep::Fence {
            member: member.clone(),
            container: id.to_owned(),
            key: Some(key.mod_revision),
        };
        all.push(fence.step(step));
    }
    let level = proof.map_or_else(
        || "no proof yet".to_owned(),
        |proof| format!("the proof says {:?}: {}", proof.level, proof.evidence),
    );
    let said = format!("{level}; without more the lease decides");
    all.push(RepairProposal::wait(RepairWait::Proof, Some(member), said).soon(PROOF));
    all
}

/// Why nobody follows. A body that lives is taken down only for somebody who may follow now; of one that does not, the key
/// is released where somebody perhaps may: Patroni asks everybody anew.
fn nobody_follows(a: &RepairAssessment<'_>, holder: FenceProgress) -> Option<String> {
    let mut against = Vec::new();
    for (id, may) in a.followers() {
        match may {
            MayLead::Yes => return None,
            MayLead::Perhaps(_) if holder != FenceProgress::Lives => return None,
            MayLead::Perhaps(why) | MayLead::No(why) => against.push(format!("{id}: {why}")),
        }
    }
    let against = if against.is_empty() { "there is no other".to_owned() } else { against.join("; ") };
    Some(format!("nobody may follow it ({against})"))
}

/// Nobody may follow: the holder keeps its key, and gets its life back where it is if it has none.
fn stay(
    a: &RepairAssessment<'_>,
    key: &LeaderSeen,
    id: &str,
    end: FenceProgress,
    why: &str,
) -> Vec<RepairProposal> {
    let member = &key.member;
    let alarm = format!("{member} leads and does not serve, and {why}");
    let refuse = RepairProposal::wait(RepairWait::Successor, Some(member), why)
        .alarm(AlarmKind::NoSuccessor, Some(member), alarm)
        .soon(PROOF);
    let mut all: Vec<RepairProposal> = Vec::new();
    let start = RepairStep::Start { member: member.clone(), container: id.to_owned(), alone: true };
    let able = end == FenceProgress::Lies
        && a.view.is_dead(member)
        && a.view.on_a_running_host(member)
        && rotten(&a.view, member).is_none()
        && a.failures(&start) < TRIES
        && !over_budget(a);
    if able {
        let said = format!("{why}: its own body has the data and is started again");
        all.push(RepairProposal::say("start", Some(member), said).when_ordered().step(start));
    }
    all.push(refuse);
    all
}

/// The body is `gone`, for good.
fn release(a: &RepairAssessment<'_>, key: &LeaderSeen, gone: &str) -> Vec<RepairProposal> {
    let member = &key.member;
    if !a.view.world.policy.release {
        let said = format!("the leader is {gone}; the policy leaves the key to its lease");
        return vec![RepairProposal::wait(RepairWait::Lease, Some(member), said).hurry().soon(PROOF)];
    }
    let silent = a.view.host(member).is_some_and(|host| a.view.host_runs(host) == Some(false));
    let (candidate, why) = if silent {
        match candidate(&a.view, member, For::Succession, |_| true) {
            Ok(next) => (Some(next), "its address is silent, the best replica follows".to_owned()),
            Err(why) => (None, format!("its address is silent and no candidate qualifies: {why}")),
        }
    } else {
        (None, "Patroni's race decides".to_owned())
    };
    let step = RepairStep::Release {
        member: member.clone(),
        mod_revision: key.mod_revision,
        lease: key.lease,
        candidate,
    };
    let done = RepairProposal::say("release", Some(member), format!("the leader is {gone}; {why}"));
    let held = format!("the leader is {gone}; its release is repeated soon");
    vec![
        done.when_ordered().step(step).hurry().soon(PROOF),
        RepairProposal::wait(RepairWait::Release, Some(member), held),
    ]
}

/// That the leader's data failed its checksums, for a person.
pub(super) fn led_by_rotten(a: &RepairAssessment<'_>) -> Option<RepairProposal> {
    let key = a.view.store.leader.as_ref()?;
    let why = rotten(&a.view, &key.member)?;
    let clean =
        a.view.staying(Service::Postgres).find(|member| member.id != key.member && a.is_good(&member.id));
    let then = clean.map_or_else(
        || "no other copy is good".to_owned(),
        |member| format!("{} is a good copy: hand over to it", member.id),
    );
    Some(RepairProposal::silent().alarm(
        AlarmKind::BadData,
        Some(&key.member),
        format!("{} leads and {why}; {then}", key.member),
    ))
}
