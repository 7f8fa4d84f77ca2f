//! What is wrong with the holder of the leader key, and how its lease is taken away.
//!
//! Theory: silence is not death, a partition looks the same. Only the engine can tell, and only of one
//! container: so the body is fenced first, and the key released when the proof is complete.

use super::candidate::candidate;
use super::draft::{Draft, lies};
use super::{DiskSeen, Held, InstanceSeen, LeaderSeen, Reply, Step};
use crate::model::control::ProofLevel;
use crate::model::sighting::BodySeen;
use crate::model::{ContainerStatus, MemberId, Span};
use std::time::Duration;

/// How many graces a body that runs may hang altogether.
const ALTOGETHER: u32 = 4;
/// Pause between two looks while nobody holds the leader key: whoever takes it wakes the loop.
const ELECTION: Duration = Duration::from_millis(50);
/// Pause between two looks while a proof is awaited.
const PROOF: Duration = Duration::from_millis(200);

/// Deals with the holder of the leader key; says whether it lives as far as anybody can tell.
pub(super) fn leader(draft: &mut Draft<'_>) -> bool {
    let store = draft.store;
    let Some(key) = &store.leader else {
        draft.say("elect", None, "nobody holds the leader key: Patroni elects");
        draft.out.hurry = true;
        draft.soon(ELECTION);
        return false;
    };
    match draft.containers(&key.member) {
        [body] => {
            draft.out.memory.known.insert(key.member.clone(), body.id.clone());
            one(draft, key, body)
        }
        [] => {
            gone(draft, key);
            false
        }
        several => {
            let text = format!(
                "{} containers are called {}: which of them holds the leader key cannot be known",
                several.len(),
                key.member
            );
            draft.alarm(format!("{text}; remove the wrong one"));
            draft.say("refuse", Some(&key.member), text);
            false
        }
    }
}

/// The usual case: the holder has one body.
fn one(draft: &mut Draft<'_>, key: &LeaderSeen, body: &BodySeen) -> bool {
    let member = &key.member;
    let word = match body.status {
        status if lies(status) => {
            condemn(draft, key, &body.id, false, true);
            return false;
        }
        ContainerStatus::Restarting | ContainerStatus::Removing => {
            condemn(draft, key, &body.id, false, false);
            return false;
        }
        status if condemned(draft, key, body, status) => {
            condemn(draft, key, &body.id, true, false);
            return false;
        }
        ContainerStatus::Paused => Some(("frozen", draft.world.policy.freeze_grace)),
        ContainerStatus::Running => hangs(draft, member),
        _ => {
            draft.say("refuse", Some(member), "the engine does not say whether the leader runs");
            draft.alarm(format!("the engine does not say in which state {member} is"));
            return false;
        }
    };
    if let Some((word, grace)) = word {
        if draft.lasts(member, word, grace) {
            condemn(draft, key, &body.id, true, false);
        } else {
            draft.say("grace", Some(member), format!("the leader {word}, for less than {grace}"));
        }
        return false;
    }
    wake(draft, member);
    true
}

/// Whether a body that runs, or is frozen, has no grace left whatever it says.
fn condemned(draft: &mut Draft<'_>, key: &LeaderSeen, body: &BodySeen, status: ContainerStatus) -> bool {
    match status {
        ContainerStatus::Paused => cut_off(draft, key, &body.id),
        ContainerStatus::Running => cut_off(draft, key, &body.id) || waits_for_disk(draft, &key.member),
        _ => false,
    }
}

/// Whether the body was fenced as the holder of this very key and did not die of it. Its ports are closed, so that nobody
/// answers there is no sign of anything any more; that its Patroni would start it in place, least of all.
fn cut_off(draft: &Draft<'_>, key: &LeaderSeen, id: &str) -> bool {
    let level = draft.seen.proofs.get(id).map(|proof| proof.level);
    let closed = matches!(level, Some(ProofLevel::CutOff | ProofLevel::Doomed));
    closed && draft.seen.fenced.get(id) == Some(&key.mod_revision)
}

/// Whether its disk has taken nothing for its grace, though something was to be written all the time and PostgreSQL
/// answers at once: who is starved writes nothing either. Until then it lives, so that it can still hand over.
fn waits_for_disk(draft: &mut Draft<'_>, member: &MemberId) -> bool {
    let instance = draft.seen.postgres.get(member);
    let Some(InstanceSeen { disk: DiskSeen::Waits { so_far, at }, held, .. }) = instance else {
        draft.out.memory.stalled = None;
        return false;
    };
    // the same words now and then: nothing moved between, whatever was seen or missed meanwhile
    let first = match &draft.out.memory.stalled {
        Some((who, word, since)) if who == member && word == so_far => *since,
        _ => *at,
    };
    draft.out.memory.stalled = Some((member.clone(), so_far.clone(), first));
    let grace = draft.world.policy.disk_grace;
    if at.since(first) >= grace.0 && *held == Held::Quick {
        return true;
    }
    let said =
        format!("the leader waits for its disk ({so_far}): it is fenced when nothing moves for {grace}");
    draft.say("grace", Some(member), said);
    false
}

/// Whether a running leader accepts connections and does not answer, or its Patroni's loop is stuck; and how long that
/// must last. Slow is not frozen: only beside a connection that answers as ever is it certain that what hangs is
/// frozen. Where everything hangs, a starved body looks the same, and usually says something in time.
fn hangs(draft: &Draft<'_>, member: &MemberId) -> Option<(&'static str, Span)> {
    let policy = &draft.world.policy;
    let instance = draft.seen.postgres.get(member)?;
    let stuck = matches!(&instance.rest, Reply::Answers(rest) if !rest.loop_runs);
    // a Patroni that looks for a PostgreSQL that is gone answers late; it is not frozen
    let refuses = matches!(instance.sql, Reply::Refuses(_));
    let hangs =
        matches!(instance.sql, Reply::Hangs(_)) || matches!(instance.rest, Reply::Hangs(_)) && !refuses;
    let altogether = Span(policy.freeze_grace.0.saturating_mul(ALTOGETHER));
    match instance.held {
        Held::Quick if stuck || hangs || mute(draft, instance) => Some(("hangs", policy.freeze_grace)),
        Held::Silent if hangs => Some(("hangs altogether", altogether)),
        _ => None,
    }
}

/// Whether its Patroni is frozen by a second sign, where its port is merely silent, as one is whose queue of
/// connections is full, and as one that a firewall hides: it has not renewed its lease when a loop that runs would have.
fn mute(draft: &Draft<'_>, instance: &InstanceSeen) -> bool {
    let serves = matches!(instance.sql, Reply::Answers(_));
    let pause = Span::secs(draft.world.spec.postgres.patroni.loop_wait.into());
    let late = draft.store.unrenewed.is_some_and(|since| since > pause);
    matches!(instance.rest, Reply::Silent(_)) && serves && late
}

/// PostgreSQL is gone and its Patroni lives, as far as anybody knows: it starts it again in place, sooner when
/// told; it answers nobody while it looks for what is gone. Meanwhile clients are kept away: those that come
/// again and again are what its recovery waits for.
fn wake(draft: &mut Draft<'_>, member: &MemberId) {
    let Some(instance) = draft.seen.postgres.get(member) else { return };
    let gone = matches!(instance.rest, Reply::Refuses(_) | Reply::Silent(_));
    if !matches!(instance.sql, Reply::Refuses(_)) || gone {
        return;
    }
    let wake = Step::Wake { member: member.clone() };
    // refused here and well by its Patroni's word: the way from here to it is what is wrong
    let well = matches!(&instance.rest, Reply::Answers(rest) if rest.patroni.state == "running");
    if draft.may(&wake) {
        if let Some(host) = draft.host(member).filter(|_| !well).cloned() {
            draft.order(Step::Close { host, member: member.clone(), park: false });
        }
        draft.order(wake);
    }
    draft.say("wake", Some(member), "PostgreSQL refuses and its body runs: Patroni starts it in place");
}

/// The holder has no body at all: only the engine's word about a known id proves anything.
fn gone(draft: &mut Draft<'_>, key: &LeaderSeen) {
    draft.alarm(format!("{} holds the leader key and has no container", key.member));
    if let Some(id) = draft.out.memory.known.get(&key.member).cloned() {
        condemn(draft, key, &id, false, true);
    } else {
        let reason = "the leader has no container and its id is not known: its lease decides";
        draft.say("refuse", Some(&key.member), reason);
    }
}

/// Fence until there is proof, then release. `lies`: the engine shows now that the body does not run; an
/// old proof about a body that was started since proves nothing. One that is doomed does not lie yet. The last body
/// is never taken down: while the key stands, dead replicas are started, and one of them can follow.
fn condemn(draft: &mut Draft<'_>, key: &LeaderSeen, id: &str, park: bool, lies: bool) {
    let (member, seen) = (&key.member, draft.seen);
    if !draft.another_runs(member) {
        let reason = "no other PostgreSQL runs: nobody could follow this one";
        draft.say("refuse", Some(member), reason);
        draft.alarm(format!("{member} leads and does not serve, and {reason}"));
        draft.soon(PROOF);
        return;
    }
    let proof = seen.proofs.get(id);
    let level = proof.map(|proof| proof.level);
    // its tasks cannot come back to life; a body that was started since holds another key
    let doomed = level == Some(ProofLevel::Doomed) && cut_off(draft, key, id);
    let enough = lies && level == Some(ProofLevel::Dead) || doomed && draft.world.policy.release_doomed;
    if enough {
        release(draft, key, if doomed { "doomed and cut off" } else { "proved dead" });
        return;
    }
    let revision = Some(key.mod_revision);
    let fence = Step::Fence { member: member.clone(), container: id.to_owned(), key: revision };
    // a second kill hastens nothing that is doomed
    if (lies || !doomed) && draft.may(&fence) {
        let host = draft.host(member).cloned();
        if let Some(host) = host {
            draft.order(Step::Close { host, member: member.clone(), park });
        }
        draft.order(fence);
        draft.say("fence", Some(member), "the leader's body must be proved dead before its key is released");
    }
    draft.soon(PROOF);
    let level = proof.map_or_else(
        || "no proof yet".to_owned(),
        |proof| format!("the proof says {:?}: {}", proof.level, proof.evidence),
    );
    draft.say("wait", Some(member), format!("{level}; without more the lease decides"));
}

/// The body is `gone`, for good.
fn release(draft: &mut Draft<'_>, key: &LeaderSeen, gone: &str) {
    let member = &key.member;
    draft.out.hurry = true;
    draft.soon(PROOF);
    if !draft.world.policy.release {
        draft.say(
            "wait",
            Some(member),
            format!("the leader is {gone}; the policy leaves the key to its lease"),
        );
        return;
    }
    let silent = draft.host(member).is_some_and(|host| draft.host_runs(host) == Some(false));
    let (candidate, why) = if silent {
        match candidate(draft, member, |_| true) {
            Ok(next) => (Some(next), "its address is silent, the best replica follows".to_owned()),
            Err(why) => (None, format!("its address is silent and no candidate qualifies: {why}")),
        }
    } else {
        (None, "Patroni's race decides".to_owned())
    };
    let step =
        Step::Release { member: member.clone(), mod_revision: key.mod_revision, lease: key.lease, candidate };
    if draft.order(step) {
        draft.say("release", Some(member), format!("the leader is {gone}; {why}"));
    } else {
        draft.say("wait", Some(member), format!("the leader is {gone}; its release is repeated soon"));
    }
}
