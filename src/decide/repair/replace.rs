//! Members that do not serve where they are: restarted in place, and when that does not help replaced by a new
//! member on another host.
//!
//! Theory: add first, verify, remove last. What is about to be done stands in the store before it is begun, so a
//! controller that comes after goes on with it. The old volume stays untouched until the new copy streams.
//!
//! Invariants: one replacement at a time; nothing is begun while nobody takes writes; the leader never goes;
//! nobody goes before the one who takes its place is verified.

use std::collections::BTreeSet;

use super::checksums::{led_by_rotten, rotten};
use super::count::{count, see_out};
use super::doors::writes;
use super::draft::{Draft, lies};
use super::drift::drift;
use super::follow::{follow, left_behind, recovers_for_ever, stands_still};
use super::lost::{Unfit, intend, unfit, unfit_for_long};
use super::standbys::spare;
use super::{Reply, Step, movers, voters};
use crate::decide::placement;
use crate::model::control::Replacing;
use crate::model::{ContainerStatus, Member, MemberId, Mono, Service, Span};

/// Lives in the time of the budget of starts after which a body that lies dead again is given up.
pub(super) const LIVES: usize = 3;
/// A leader is asked for its slots so seldom that it may have led nobody when it was asked last.
const CERTAIN: Span = Span::secs(15);
/// A restart counts as tried for so many graces.
const TRIED: u32 = 10;

/// Goes on with what was begun, or begins; returns who must not be started any more.
pub(super) fn replace(draft: &mut Draft<'_>, lives: bool) -> BTreeSet<MemberId> {
    let store = draft.store;
    let leads = lives && store.leader.as_ref().is_some_and(|key| writes(draft, &key.member));
    follow(draft, leads);
    let mut settled = BTreeSet::new();
    if let Some(word) = &store.replacing {
        let over = match word.service {
            Service::Etcd => voters::go_on(draft, word, leads),
            Service::Balancer | Service::Controller => movers::go_on(draft, word, leads),
            _ => go_on(draft, word, leads),
        };
        // and rotten data is not served again
        if over || rotten(draft, &word.member).is_some() {
            settled.insert(word.member.clone());
        }
    }
    movers::reopen(draft);
    led_by_rotten(draft);
    stranded(draft);
    // a member of etcd is followed in seconds, a database is cloned: the quicker one first
    if store.replacing.is_none() && !voters::begin(draft, leads) {
        // whoever else needs it has its turn when this one is through
        let mut databases = draft.stay();
        let begun = databases.any(|member| begin(draft, member, leads))
            || movers::begin(draft, Service::Balancer, leads)
            || movers::begin(draft, Service::Controller, leads)
            || drift(draft, leads);
        if !begun {
            count(draft, leads);
            movers::count(draft, leads);
        }
    }
    for asked in &store.asked {
        let goes = |member: &Member| !matches!(member.service, Service::Client | Service::Broker);
        if draft.bodies.retired.contains(asked) {
            // it has left for another reason: nobody is to go for its sake
            if store.replacing.is_none() && draft.out.steps.iter().all(|step| step.name() != "intend") {
                draft.order(Step::Forget { member: asked.clone() });
            }
        } else if !draft.members.iter().any(|member| member.id == *asked && goes(member)) {
            draft.alarm(format!("{asked} is to be replaced and is no member of this lab that could be"));
        }
    }
    settled
}

/// The next step of a replacement that was begun; whether the old one is done for.
fn go_on(draft: &mut Draft<'_>, word: &Replacing, leads: bool) -> bool {
    let old = &word.member;
    let placed = |id: &MemberId| draft.members.iter().any(|member| member.id == *id);
    let (old_placed, by_placed) = (placed(old), placed(&word.by));
    let too_many = word.by == *old;
    if too_many && old_placed {
        return see_out(draft, word, leads);
    }
    if !old_placed {
        let said = if too_many {
            "it has left: its volumes go".to_owned()
        } else {
            format!("{} has taken its place: its volumes go", word.by)
        };
        if draft.containers(old).is_empty() {
            draft.let_go(old, old);
        } else {
            draft.order(Step::Retire { member: old.clone() });
        }
        draft.say("retire", Some(old), said);
        return true;
    }
    let extra = draft.stay().count() > draft.wanted(Service::Postgres);
    let gone = |id: &MemberId| draft.bodies.retired.contains(id) || draft.bodies.leaving.contains(id);
    if gone(&word.by) || by_placed && !extra {
        draft.order(Step::Forget { member: old.clone() });
        draft.say("watch", Some(old), format!("{} is not there for its sake: decided anew", word.by));
        return false;
    }
    let unfit = draft.members.iter().any(|member| member.id == *old && unfit(draft, member).is_some());
    if !by_placed {
        if !unfit && serves(draft, old) {
            draft.order(Step::Forget { member: old.clone() });
            draft.say("watch", Some(old), "it is well again: it is not replaced");
        } else if draft.host_runs(&word.host) != Some(true) {
            draft.order(Step::Forget { member: old.clone() });
            draft.say("refuse", Some(old), format!("{}, where it was to go, does not run", word.host));
        } else if leads {
            let (member, host) = (word.by.clone(), word.host.clone());
            if draft.order(Step::Create { member, service: Service::Postgres, host }) {
                let said = format!("{}: {} is made on {} to take its place", word.why, word.by, word.host);
                draft.say("add", Some(old), said);
            }
        } else {
            draft.say("wait", Some(old), "nobody takes writes: there is nobody to clone from");
        }
        return false;
    }
    if let Some(why) = unverified(draft, &word.by) {
        if !begins_anew(draft, &word.by, leads) {
            hasten(draft, &word.by);
            draft.say("clone", Some(&word.by), format!("{old} waits for it: {why}"));
        }
        return false;
    }
    leave(draft, word)
}

/// A newcomer that does not get there by itself is restarted in place, once; whether it was now.
fn begins_anew(draft: &mut Draft<'_>, by: &MemberId, leads: bool) -> bool {
    let Some((trouble, so_far)) = stands_still(draft, by) else { return false };
    let ([body], grace) = (draft.containers(by), draft.world.policy.sick_grace) else { return false };
    if so_far < grace || !leads || draft.holds(by) {
        return false;
    }
    if tried(draft, by) {
        draft
            .alarm(format!("{by}: {trouble}, and a restart did not help: find out why, or have it replaced"));
        return false;
    }
    restart(draft, by, body.id.clone(), &format!("{trouble}, for {grace}"))
}

/// A newcomer streams through a slot that the leader's Patroni makes at its next turn, up to `loop_wait` later, and
/// PostgreSQL asks again only every five seconds: so that turn comes as soon as the newcomer is known.
pub(super) fn hasten(draft: &mut Draft<'_>, by: &MemberId) {
    let known = matches!(draft.seen.postgres.get(by).map(|instance| &instance.rest), Some(Reply::Answers(_)));
    if let Some(leader) = draft.store.leader.as_ref().filter(|_| known) {
        draft.order(Step::Wake { member: leader.member.clone() });
    }
}

/// The new copy is verified: the old member may go, unless others still lean on it.
fn leave(draft: &mut Draft<'_>, word: &Replacing) -> bool {
    let old = &word.member;
    let Some(key) = &draft.store.leader else {
        draft.say("wait", Some(old), "nobody leads");
        return false;
    };
    if key.member == *old {
        // it came to lead meanwhile. A word that waited for its end would keep everybody else from being replaced
        draft.order(Step::Forget { member: old.clone() });
        draft.say(
            "watch",
            Some(old),
            format!("it leads by now and stays: {} is one more than are wanted", word.by),
        );
        return false;
    }
    match draft.containers(old) {
        [] => {
            draft.order(Step::Retire { member: old.clone() });
        }
        [body] if lies(body.status) => {
            draft.order(Step::Retire { member: old.clone() });
        }
        [_] if spare(draft, old) => {
            draft.say("wait", Some(old), "it confirms writes: another standby is named first");
            return false;
        }
        [body] => {
            let fence = Step::Fence { member: old.clone(), container: body.id.clone(), key: None };
            if draft.may(&fence)
                && let Some(host) = draft.host(old).cloned()
            {
                draft.order(Step::Close { host, member: old.clone(), park: false });
                draft.order(fence);
            }
        }
        several => {
            draft.alarm(format!("{} containers are called {old}: remove the wrong one", several.len()));
        }
    }
    draft.say("retire", Some(old), format!("{} streams in its place", word.by));
    true
}

/// The first step for a member that must be restarted or replaced; whether anything was begun.
fn begin(draft: &mut Draft<'_>, member: &Member, leads: bool) -> bool {
    let id = &member.id;
    if draft.holds(id) {
        if draft.store.asked.contains(id) {
            draft.alarm(format!("{id} is to be replaced and leads: hand over first"));
        }
        return false;
    }
    let wrong = match unfit(draft, member) {
        Some(unfit @ Unfit::Asked) => Wrong::Replace(unfit.words()),
        _ => wrong(draft, member),
    };
    let (why, container) = match wrong {
        Wrong::Nothing => match unfit_for_long(draft, member) {
            Some(why) => (why, None),
            None => return false,
        },
        Wrong::Restart { container, why } => (why, Some(container)),
        Wrong::Replace(why) => (why, None),
    };
    if !leads {
        draft.say("wait", Some(id), format!("{why}; nobody takes writes, so nothing is begun"));
        return false;
    }
    if let Some(container) = container {
        return restart(draft, id, container, &why);
    }
    intend(draft, Service::Postgres, id, why, None)
}

/// What a member that does not lead needs.
enum Wrong {
    /// Nothing, or not yet.
    Nothing,
    /// A restart in place, which was not tried yet.
    Restart {
        /// Its container.
        container: String,
        /// What is wrong.
        why: String,
    },
    /// Another in its place.
    Replace(String),
}

fn wrong(draft: &mut Draft<'_>, member: &Member) -> Wrong {
    let (id, policy) = (&member.id, &draft.world.policy);
    let (host_grace, sick_grace) = (policy.host_grace, policy.sick_grace);
    if draft.host_runs(&member.host) == Some(false) {
        if draft.lasts(id, "host", host_grace) {
            return Wrong::Replace(format!("its host {} has been down for {host_grace}", member.host));
        }
        return Wrong::Nothing;
    }
    if let Some(why) = rotten(draft, id) {
        if draft.store.leader.as_ref().is_some_and(|key| rotten(draft, &key.member).is_some()) {
            draft.alarm(format!("{id}: {why}, and so it is with the leader: nobody can be cloned"));
            return Wrong::Nothing;
        }
        return Wrong::Replace(why);
    }
    let [body] = draft.containers(id) else { return Wrong::Nothing };
    let lives = draft.out.memory.lives.get(id).map_or(0, Vec::len);
    if lies(body.status) && lives >= LIVES {
        return Wrong::Replace(format!("it died again after {lives} starts"));
    }
    if body.status != ContainerStatus::Running {
        return Wrong::Nothing;
    }
    if let Some(why) = left_behind(draft, id) {
        if draft.lasts(id, "wal", CERTAIN) {
            return Wrong::Replace(why);
        }
        draft.say("grace", Some(id), format!("{why}, for less than {CERTAIN}"));
        return Wrong::Nothing;
    }
    // a restart would begin its recovery anew
    if let Some(why) = recovers_for_ever(draft, id) {
        return Wrong::Replace(why);
    }
    let (trouble, lasts) = if let Some(trouble) = sick(draft, id) {
        (trouble, draft.lasts(id, "sick", sick_grace))
    } else {
        let Some((trouble, so_far)) = stands_still(draft, id) else { return Wrong::Nothing };
        (trouble, so_far >= sick_grace)
    };
    if !lasts {
        draft.say("grace", Some(id), format!("{trouble}, for less than {sick_grace}"));
        return Wrong::Nothing;
    }
    if tried(draft, id) {
        return Wrong::Replace(format!("{trouble}, and a restart did not help"));
    }
    Wrong::Restart { container: body.id.clone(), why: format!("{trouble}, for {sick_grace}") }
}

/// Whether a member was restarted lately.
fn tried(draft: &Draft<'_>, id: &MemberId) -> bool {
    lately(draft, draft.out.memory.restarted.get(id))
}

/// Whether what was tried then still counts as tried.
pub(super) fn lately(draft: &Draft<'_>, when: Option<&Mono>) -> bool {
    let counts = draft.world.policy.sick_grace.0.saturating_mul(TRIED);
    when.is_some_and(|when| draft.seen.at.since(*when) < counts)
}

/// Takes a replica down that does not serve; `starts` gives it its next life.
fn restart(draft: &mut Draft<'_>, id: &MemberId, container: String, why: &str) -> bool {
    let fence = Step::Fence { member: id.clone(), container, key: None };
    let begun = draft.order(fence);
    if begun {
        draft.out.memory.restarted.insert(id.clone(), draft.seen.at);
        draft.out.memory.since.remove(id);
        draft.out.memory.paths.remove(id);
        draft.say("restart", Some(id), format!("{why}: it is restarted in place"));
    }
    begun
}

/// What keeps a member that runs from serving, if it is nothing that Patroni works on.
fn sick(draft: &Draft<'_>, member: &MemberId) -> Option<String> {
    let instance = draft.seen.postgres.get(member)?;
    let rest = match &instance.rest {
        Reply::Unasked => return None,
        Reply::Answers(rest) => rest,
        Reply::Refuses(why) | Reply::Hangs(why) | Reply::Silent(why) => {
            return Some(format!("its Patroni does not answer: {why}"));
        }
    };
    let hangs = matches!(instance.sql, Reply::Hangs(_)) && rest.patroni.state == "running";
    (hangs || !rest.loop_runs).then(|| "it accepts connections and does not answer".to_owned())
}

/// Whether a member streams as a replica should.
fn serves(draft: &Draft<'_>, member: &MemberId) -> bool {
    unverified(draft, member).is_none()
}

/// What a member lacks to be a good copy: it leads and writes, or it runs, replays and streams, on the leader's
/// timeline and close behind.
pub(super) fn unverified(draft: &Draft<'_>, member: &MemberId) -> Option<String> {
    let [body] = draft.containers(member) else { return Some("it has no body".to_owned()) };
    if body.status != ContainerStatus::Running {
        return Some(format!("its body is {}", body.status.as_str()));
    }
    let Some(instance) = draft.seen.postgres.get(member) else { return Some("nobody asked it".to_owned()) };
    let Reply::Answers(rest) = &instance.rest else {
        return Some("its Patroni does not answer yet".to_owned());
    };
    if let Some(why) = rotten(draft, member) {
        return Some(why);
    }
    let patroni = &rest.patroni;
    // it came to lead meanwhile: there is no better copy
    if writes(draft, member) && draft.holds(member) {
        return None;
    }
    if !matches!(&instance.sql, Reply::Answers(sql) if sql.in_recovery) {
        return Some(format!("its PostgreSQL does not answer yet, Patroni says {}", patroni.state));
    }
    if patroni.state != "streaming" && patroni.replication_state.as_deref() != Some("streaming") {
        return Some(format!("it does not stream yet, Patroni says {}", patroni.state));
    }
    let key = draft.store.leader.as_ref()?;
    let Some(Reply::Answers(leader)) = draft.seen.postgres.get(&key.member).map(|leader| &leader.rest) else {
        return Some("the leader's Patroni does not answer".to_owned());
    };
    if patroni.timeline.is_none() || patroni.timeline != leader.patroni.timeline {
        return Some("it is not on the leader's timeline".to_owned());
    }
    let behind = match (leader.patroni.lsn, patroni.lsn) {
        (Some(leader), Some(its)) => leader.0.saturating_sub(its.0),
        _ => return Some("its position is not known".to_owned()),
    };
    (behind > draft.world.lag.0).then(|| format!("it is {behind} bytes behind"))
}

/// Where a new member of a kind stands and what it is called; `gone` has left by then.
pub(super) fn place(
    draft: &Draft<'_>,
    service: Service,
    kind: &str,
    gone: Option<&MemberId>,
) -> Result<Member, String> {
    let placed = draft.members.iter().map(|member| &member.id);
    let used = placed.chain(&draft.bodies.retired).chain(draft.bodies.members.keys());
    let id = placement::new_name(kind, used).ok_or_else(|| "no name is left".to_owned())?;
    let runs = |host: &crate::model::HostName| draft.host_runs(host) == Some(true);
    let stay: Vec<Member> = draft.members.iter().filter(|member| Some(&member.id) != gone).cloned().collect();
    placement::one(&draft.world.spec, &stay, &id, service, runs).map_err(|error| error.to_string())
}

/// What stands on a lost host: its time runs also while another has its turn.
fn stranded(draft: &mut Draft<'_>) {
    for member in draft.members {
        let apart = matches!(member.service, Service::Client | Service::Broker) || draft.holds(&member.id);
        if apart || draft.host_runs(&member.host) != Some(false) {
            continue;
        }
        draft.lasts(&member.id, "host", draft.world.policy.host_grace);
    }
}
