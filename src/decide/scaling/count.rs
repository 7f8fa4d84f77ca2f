//! How many PostgreSQL instances there should be, and who is one too many. Written down here, made so by repair.
//!
//! Theory: a copy more takes reads from the other replicas and never writes, so what counts is the cores of replicas:
//! one more when every one of them is short of cores for a whole window and none may have more, one less when those who
//! would stay could carry it all for a longer one. Who leaves is named one at a time: whoever is not well, then the
//! newest; never the leader, nor whoever must confirm writes.
//!
//! Invariants: the limits of the spec; nothing while nobody leads, while a member is replaced or seen out, or while
//! anybody is not well, unless it is to keep somebody who must stay.

use std::collections::BTreeSet;

use super::expect::{Expected, pause, soonest};
use super::measure::measurements;
use super::restart::well;
use super::size::Limits;
use super::{Asked, Draft, Step};
use crate::decide::placement;
use crate::model::scaling::Resource;
use crate::model::{ContainerStatus, Member, MemberId, Service, Sight};

/// What is short of cores may have been rounded.
const ROUNDING: f64 = 1e-6;

/// Orders the next change of the number, if one is wanted.
pub(super) fn count(draft: &mut Draft<'_>) {
    let told = draft.bodies.counts.get(&Service::Postgres).copied();
    let wanted = told.unwrap_or(draft.world.spec.postgres.instances.start);
    if keep_who_must_stay(draft, wanted) || asked(draft, wanted) || draft.held.is_some() {
        return;
    }
    if !draft.bodies.leaving.is_empty() {
        return swap(draft, wanted);
    }
    let copies = draft.stay().count();
    if copies > wanted as usize {
        name(draft, wanted);
    } else if copies == wanted as usize && everybody_is_well(draft) {
        if let Some((count, why)) = by_itself(draft, wanted, 0) {
            return scale(draft, count, BTreeSet::new(), why);
        }
        expect_change(draft, wanted);
    }
}

/// What is expected of the number, if everybody stays as busy as measured last.
fn expect_change(draft: &mut Draft<'_>, wanted: u32) {
    let policy = &draft.world.policy;
    let rule = &policy.instances;
    let whole = measurements(policy, rule.out_window.max(rule.in_window));
    let Some(after) = soonest(whole, |ahead| by_itself(draft, wanted, ahead).is_some()) else { return };
    let Some((count, _)) = by_itself(draft, wanted, after) else { return };
    let on = if count > wanted { "every replica stays short of cores" } else { "replicas stay as idle" };
    let said = format!("postgres: {wanted} → {count} instances in {} if {on}", pause(policy.every, after));
    draft.expects.push(Expected { after, said });
}

pub(super) fn leads(draft: &Draft<'_>, id: &MemberId) -> bool {
    draft.store.leader.as_ref() == Some(id)
}

/// Whether a member may not leave now.
fn must_stay(draft: &Draft<'_>, id: &MemberId) -> bool {
    leads(draft, id) || draft.world.spec.confirms(draft.store.may_lead.as_deref(), id)
}

fn scale(draft: &mut Draft<'_>, count: u32, leaving: BTreeSet<MemberId>, why: String) {
    let generation = draft.bodies.generation;
    let service = Service::Postgres;
    draft.order(Step::Scale { service, generation, count, leaving, why: why.clone() }, why);
}

/// Whoever was named to leave and came to lead meanwhile, or to confirm writes, stays; whether there was one.
fn keep_who_must_stay(draft: &mut Draft<'_>, wanted: u32) -> bool {
    let Some(id) = draft.bodies.leaving.iter().find(|id| must_stay(draft, id)).cloned() else { return false };
    let leaving = draft.bodies.leaving.iter().filter(|other| **other != id).cloned().collect();
    scale(
        draft,
        wanted,
        leaving,
        format!("{id} was to leave, and leads or confirms writes by now: it stays"),
    );
    true
}

/// What an operator wants comes first; whether something is wanted.
fn asked(draft: &mut Draft<'_>, wanted: u32) -> bool {
    let Some(Asked { wish, revision }) = draft.store.count else { return false };
    let subject = Service::Postgres.as_str();
    if wish.count == wanted {
        draft.out.steps.push(Step::ForgetCount { revision });
    } else if let Err(why) = draft.world.spec.may_have(wish.count) {
        draft.say("refuse", subject, format!("an operator wants {} instances: {why}", wish.count));
        draft.out.steps.push(Step::ForgetCount { revision });
    } else if let Some(why) = draft.held.clone() {
        draft.say("hold", subject, format!("an operator wants {} instances: {why}", wish.count));
    } else {
        // whoever was to leave may be wanted again; who is too many is named anew
        scale(draft, wish.count, BTreeSet::new(), "an operator asked for it".to_owned());
    }
    true
}

fn runs(draft: &Draft<'_>, id: &MemberId) -> bool {
    let found = draft.bodies.members.get(id).map_or(&[][..], Vec::as_slice);
    found.iter().any(|body| body.status == ContainerStatus::Running)
}

/// Whoever does not run leaves in the place of one that does: that one may be all that is left, and its host the only
/// one.
fn swap(draft: &mut Draft<'_>, wanted: u32) {
    if draft.bodies.leaving.iter().any(|id| !runs(draft, id)) {
        return;
    }
    let mut dead = draft.stay().filter(|member| !must_stay(draft, &member.id) && !runs(draft, &member.id));
    let Some(one) = dead.next().map(|member| member.id.clone()) else { return };
    scale(
        draft,
        wanted,
        BTreeSet::from([one.clone()]),
        format!("{one} does not run: it is the one to leave"),
    );
}

/// Names who is one too many.
fn name(draft: &mut Draft<'_>, wanted: u32) {
    let runs = |member: &Member| runs(draft, &member.id);
    let newest = |member: &Member| placement::number(&member.id);
    let may = draft.stay().filter(|member| !must_stay(draft, &member.id));
    let Some(one) = may.max_by_key(|member| (!runs(member), newest(member))).map(|member| member.id.clone())
    else {
        draft.say(
            "hold",
            Service::Postgres.as_str(),
            "there are too many, and nobody of them may leave".to_owned(),
        );
        return;
    };
    scale(
        draft,
        wanted,
        BTreeSet::from([one.clone()]),
        format!("{wanted} instances are wanted: {one} is to leave"),
    );
}

fn everybody_is_well(draft: &Draft<'_>) -> bool {
    draft.stay().all(|member| {
        let seen = draft.seen.postgres.get(&member.id).and_then(Sight::seen);
        seen.is_some_and(|seen| well(seen, leads(draft, &member.id)))
    })
}

/// One more or one less, by what replicas use of their cores, when so many measurements like the newest have followed
/// it; and why.
fn by_itself(draft: &Draft<'_>, wanted: u32, ahead: usize) -> Option<(u32, String)> {
    let (policy, spec) = (&draft.world.policy, &draft.world.spec);
    let (rule, cpu) = (&policy.instances, &policy.cpu);
    let replicas: Vec<&Member> = draft.stay().filter(|member| !leads(draft, &member.id)).collect();
    // what led to the last change does not lead to the next
    let since = draft.out.memory.counted.unwrap_or_default();
    let used = |member: &Member, window, percent| {
        draft.out.memory.rings.get(&member.id)?.over(policy, window, Resource::Cpu, percent, since, ahead)
    };
    let short = |member: &&Member| {
        let most = Limits::of(spec, &draft.room, member).most(Resource::Cpu);
        let given = member.size.cpus;
        let free = cpu.min_free.max(given * cpu.min_free_share);
        given + ROUNDING >= most
            && used(member, rule.out_window, cpu.up_percentile).is_some_and(|used| used + free > given)
    };
    if !replicas.is_empty() && replicas.iter().all(short) && spec.may_have(wanted + 1).is_ok() {
        let window = rule.out_window;
        let why = format!("every replica has been short of cores for {window}, and none may have more");
        return Some((wanted + 1, why));
    }
    let uses: Option<Vec<f64>> =
        replicas.iter().map(|member| used(member, rule.in_window, cpu.down_percentile)).collect();
    let (uses, left) = uses.zip(replicas.len().checked_sub(1).filter(|left| *left > 0))?;
    let least = replicas.iter().map(|member| member.size.cpus).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "a few instances")]
    let each = uses.iter().sum::<f64>() / left as f64;
    let fewer = wanted.checked_sub(1).filter(|fewer| spec.may_have(*fewer).is_ok());
    let why = format!(
        "replicas used so little of their cores for {} that one less would do: {} each",
        rule.in_window,
        Resource::Cpu.words(each)
    );
    Some((fewer.filter(|_| each <= least * rule.in_share)?, why))
}
