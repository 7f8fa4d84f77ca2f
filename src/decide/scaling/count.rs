//! How many PostgreSQL instances and how many balancers there should be, and who is one too many. Written down here,
//! made so by repair.
//!
//! Theory: a copy more takes reads from the other replicas and never writes, so what counts is the cores of replicas:
//! one more when every one of them is short of cores for a whole window and none may have more, one less when those who
//! would stay could carry it all for a longer one. Of balancers all count alike, for clients share themselves out. Who
//! leaves is named one at a time: whoever is not well, then the newest; never the leader, nor whoever must confirm
//! writes.
//!
//! Invariants: the limits of the spec; one change in a decision; nothing while nobody leads, while a member is replaced
//! or seen out, or while any member is not well, unless it is to keep one that must stay.

use std::collections::BTreeSet;

use super::admit::order;
use super::assess::ScalingAssessment;
use super::condition::SizeCondition;
use super::expect::{pause, soonest};
use super::proposal::ScalingProposal;
use super::seen::OperatorWish;
use super::size::Limits;
use super::step::ScalingStep;
use super::wait::ScalingWait;
use crate::decide::frame::{Expected, OneAtATime};
use crate::decide::placement;
use crate::model::scaling::Resource;
use crate::model::{MemberId, Service};

/// What is short of cores may have been rounded.
const ROUNDING: f64 = 1e-6;

/// The next change of a number, if one is wanted, service by service.
pub(super) fn count(a: &ScalingAssessment<'_>) -> Vec<ScalingProposal> {
    // the record is changed once in a decision
    let once = |one: ScalingProposal| {
        let scales = one.steps.iter().any(|step| matches!(step, ScalingStep::Scale { .. }));
        one.turn(if scales { OneAtATime::Begins } else { OneAtATime::Free })
    };
    Service::SIZED.into_iter().filter_map(|service| of(a, service)).map(once).collect()
}

fn of(a: &ScalingAssessment<'_>, service: Service) -> Option<ScalingProposal> {
    let wanted = a.view.wanted(service);
    let first = keep_who_must_stay(a, service, wanted).or_else(|| asked(a, service, wanted));
    if first.is_some() || a.held.is_some() {
        return first;
    }
    if let Some(id) = leaving(a, service).next() {
        let leaves = ScalingProposal {
            subject: Some(id.clone()),
            ..ScalingProposal::silent().waits(ScalingWait::Leaves)
        };
        return swap(a, service, wanted).or(Some(leaves));
    }
    let copies = a.staying(service).count();
    if copies > wanted as usize {
        return Some(name(a, service, wanted));
    }
    if copies < wanted as usize {
        let subject = Some(MemberId::from(service));
        return Some(ScalingProposal { subject, ..ScalingProposal::silent().waits(ScalingWait::Missing) });
    }
    if !a.staying(service).all(|condition| condition.well) {
        return None;
    }
    match by_itself(a, service, wanted, 0) {
        Some((count, why)) => Some(scale(a, service, count, BTreeSet::new(), why)),
        None => expected(a, service, wanted),
    }
}

/// Who is to leave, of a service.
fn leaving<'a>(a: &'a ScalingAssessment<'_>, service: Service) -> impl Iterator<Item = &'a MemberId> {
    a.of(service).filter(|condition| condition.leaves).map(|condition| &condition.member.id)
}

/// What one of those is called whose cores say how many are needed.
const fn carrier(service: Service) -> &'static str {
    if matches!(service, Service::Postgres) { "replica" } else { "balancer" }
}

/// What there is a number of, in words.
const fn called(service: Service) -> &'static str {
    if matches!(service, Service::Postgres) { "instances" } else { "balancers" }
}

/// What is expected of the number, if all members stay as busy as measured last.
fn expected(a: &ScalingAssessment<'_>, service: Service, wanted: u32) -> Option<ScalingProposal> {
    let policy = &a.view.world.policy;
    let whole = a.view.windows.out.max(a.view.windows.fewer);
    let after = soonest(whole, |ahead| by_itself(a, service, wanted, ahead).is_some())?;
    let (count, _) = by_itself(a, service, wanted, after)?;
    let who = carrier(service);
    let on = if count > wanted {
        format!("every {who} stays short of cores")
    } else {
        format!("{who}s stay as idle")
    };
    let (what, soon) = (called(service), pause(policy.every, after));
    let said = format!("{service}: {wanted} → {count} {what} in {soon} if {on}");
    Some(ScalingProposal { expects: vec![Expected { after, said }], ..ScalingProposal::silent() })
}

fn scale(
    a: &ScalingAssessment<'_>,
    service: Service,
    count: u32,
    leaving: BTreeSet<MemberId>,
    why: impl Into<String>,
) -> ScalingProposal {
    let (generation, why) = (a.view.bodies.generation, why.into());
    order(ScalingStep::Scale { service, generation, count, leaving, why: why.clone() }, why)
}

/// A member that was named to leave and came to lead meanwhile, or to confirm writes, stays.
fn keep_who_must_stay(a: &ScalingAssessment<'_>, service: Service, wanted: u32) -> Option<ScalingProposal> {
    let id = leaving(a, service).find(|id| a.view.must_stay(id))?;
    let others = leaving(a, service).filter(|other| *other != id).cloned().collect();
    let why = format!("{id} was to leave, and leads or confirms writes by now: it stays");
    Some(scale(a, service, wanted, others, why))
}

/// What an operator wants comes first.
fn asked(a: &ScalingAssessment<'_>, service: Service, wanted: u32) -> Option<ScalingProposal> {
    let OperatorWish { wish, revision } = a.view.store.counts.get(&service).copied()?;
    let (subject, count, what) = (MemberId::from(service), wish.count, called(service));
    let forget = ScalingStep::ForgetCount { service, revision };
    let say = |word, why: &str| {
        ScalingProposal::say(word, Some(&subject), format!("an operator wants {count} {what}: {why}"))
    };
    if count == wanted {
        return Some(ScalingProposal::silent().step(forget));
    }
    if let Err(why) = a.view.world.spec.may_have(service, count) {
        return Some(say("refuse", &why).step(forget));
    }
    if let Some(why) = &a.held {
        return Some(say(ScalingWait::Wish.word(), why).waits(ScalingWait::Wish));
    }
    // whoever was to leave may be wanted again; who is too many is named anew
    Some(scale(a, service, count, BTreeSet::new(), "an operator asked for it"))
}

/// Whoever does not run leaves in the place of one that does: that one may be all that is left, and its host the only
/// one.
fn swap(a: &ScalingAssessment<'_>, service: Service, wanted: u32) -> Option<ScalingProposal> {
    if a.of(service).any(|condition| condition.leaves && !condition.runs) {
        return None;
    }
    let dead = |condition: &&SizeCondition<'_>| !condition.runs && !a.view.must_stay(&condition.member.id);
    let one = a.staying(service).find(dead).map(|condition| condition.member.id.clone())?;
    let why = format!("{one} does not run: it is the one to leave");
    Some(scale(a, service, wanted, BTreeSet::from([one]), why))
}

/// Names who is one too many.
fn name(a: &ScalingAssessment<'_>, service: Service, wanted: u32) -> ScalingProposal {
    let rank = |one: &&SizeCondition<'_>| (!one.runs, !one.well, placement::number(&one.member.id));
    let may = a.staying(service).filter(|condition| !a.view.must_stay(&condition.member.id));
    let Some(one) = may.max_by_key(rank).map(|condition| condition.member.id.clone()) else {
        let said = "there are too many, and nobody of them may leave";
        return ScalingProposal::say(ScalingWait::Number.word(), Some(&MemberId::from(service)), said)
            .waits(ScalingWait::Number);
    };
    let why = format!("{wanted} {} are wanted: {one} is to leave", called(service));
    scale(a, service, wanted, BTreeSet::from([one]), why)
}

/// One more or one less, by what is used of cores, when so many measurements like the newest have followed it; and
/// why.
fn by_itself(
    a: &ScalingAssessment<'_>,
    service: Service,
    wanted: u32,
    ahead: usize,
) -> Option<(u32, String)> {
    let spec = &a.view.world.spec;
    let may = |count: Option<u32>| count.filter(|count| spec.may_have(service, *count).is_ok());
    let (more, fewer) = (may(wanted.checked_add(1)), may(wanted.checked_sub(1)));
    // before anything is measured: most labs are at a limit
    if more.is_none() && fewer.is_none() {
        return None;
    }
    let carries = |one: &&SizeCondition<'_>| service != Service::Postgres || !one.leads;
    let carriers: Vec<&SizeCondition<'_>> = a.staying(service).filter(carries).collect();
    let out =
        more.filter(|_| !carriers.is_empty() && carriers.iter().all(|one| short(a, one, service, ahead)));
    if let Some(more) = out {
        let (who, window) = (carrier(service), a.view.world.policy.instances.out_window);
        let why = format!("every {who} has been short of cores for {window}, and none may have more");
        return Some((more, why));
    }
    one_less(a, &carriers, service, fewer?, ahead)
}

/// What a member used of cores since the number changed: what led to the last change does not lead to the next.
fn used(
    a: &ScalingAssessment<'_>,
    condition: &SizeCondition<'_>,
    service: Service,
    ahead: usize,
    out: bool,
) -> Option<f64> {
    let (cpu, windows) = (&a.view.world.policy.cpu, &a.view.windows);
    let (window, percent) =
        if out { (windows.out, cpu.up_percentile) } else { (windows.fewer, cpu.down_percentile) };
    let since = a.notes.counted.get(&service).copied().unwrap_or_default();
    condition.ring?.percentile(window, Resource::Cpu, percent, since, ahead)
}

/// Whether a member was short of cores for a whole window, and may have no more.
fn short(a: &ScalingAssessment<'_>, condition: &SizeCondition<'_>, service: Service, ahead: usize) -> bool {
    let (cpu, given) = (&a.view.world.policy.cpu, condition.member.size.cpus);
    let most = Limits::of(&a.view.world.spec, &a.view.rooms, condition.member).most(Resource::Cpu);
    let free = cpu.min_free.max(given * cpu.min_free_share);
    given + ROUNDING >= most
        && used(a, condition, service, ahead, true).is_some_and(|used| used + free > given)
}

/// One less, if those who would stay could carry it all.
fn one_less(
    a: &ScalingAssessment<'_>,
    carriers: &[&SizeCondition<'_>],
    service: Service,
    fewer: u32,
    ahead: usize,
) -> Option<(u32, String)> {
    let rule = &a.view.world.policy.instances;
    let left = carriers.len().checked_sub(1).filter(|left| *left > 0)?;
    let uses: Option<Vec<f64>> =
        carriers.iter().map(|condition| used(a, condition, service, ahead, false)).collect();
    let least = carriers.iter().map(|one| one.member.size.cpus).fold(f64::INFINITY, f64::min);
    let each = uses?.iter().sum::<f64>() / left as f64;
    let why = || {
        format!(
            "{}s used so little of their cores for {} that one less would do: {} each",
            carrier(service),
            rule.in_window,
            Resource::Cpu.words(each)
        )
    };
    (each <= least * rule.in_share).then(|| (fewer, why()))
}
