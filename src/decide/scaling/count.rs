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
//! or seen out, or while anybody is not well, unless it is to keep somebody who must stay.

use std::collections::BTreeSet;

use super::expect::{Expected, pause, soonest};
use super::measure::measurements;
use super::restart::well;
use super::size::Limits;
use super::{Asked, Draft, Step, Wait};
use crate::decide::placement;
use crate::model::scaling::Resource;
use crate::model::{ContainerStatus, Member, MemberId, Service, Sight};

/// What is short of cores may have been rounded.
const ROUNDING: f64 = 1e-6;

/// Orders the next change of a number, if one is wanted.
pub(super) fn count(draft: &mut Draft<'_>) {
    for service in Service::SIZED {
        // the record is changed once in a decision
        if !draft.out.steps.iter().any(|step| matches!(step, Step::Scale { .. })) {
            of(draft, service);
        }
    }
}

fn of(draft: &mut Draft<'_>, service: Service) {
    let wanted = draft.bodies.wanted(&draft.world.spec, service);
    if keep_who_must_stay(draft, service, wanted) || asked(draft, service, wanted) || draft.held.is_some() {
        return;
    }
    if leaving(draft, service).next().is_some() {
        return swap(draft, service, wanted);
    }
    let copies = draft.staying(service).count();
    if copies > wanted as usize {
        name(draft, service, wanted);
    } else if copies == wanted as usize && everybody_is_well(draft, service) {
        if let Some((count, why)) = by_itself(draft, service, wanted, 0) {
            return scale(draft, service, count, BTreeSet::new(), why);
        }
        expect_change(draft, service, wanted);
    }
}

/// Who is to leave, of a service.
fn leaving<'a>(draft: &Draft<'a>, service: Service) -> impl Iterator<Item = &'a Member> + use<'a> {
    let bodies = draft.bodies;
    let its = bodies.placed.iter().filter(move |member| member.service == service);
    its.filter(|member| bodies.leaving.contains(&member.id))
}

/// Whose cores say how many are needed.
fn carriers<'a>(draft: &Draft<'a>, service: Service) -> Vec<&'a Member> {
    let stay = draft.staying(service);
    stay.filter(|member| service != Service::Postgres || !leads(draft, &member.id)).collect()
}

/// What one of those is called.
const fn carrier(service: Service) -> &'static str {
    if matches!(service, Service::Postgres) { "replica" } else { "balancer" }
}

/// What there is a number of, in words.
const fn called(service: Service) -> &'static str {
    if matches!(service, Service::Postgres) { "instances" } else { "balancers" }
}

/// What is expected of the number, if everybody stays as busy as measured last.
fn expect_change(draft: &mut Draft<'_>, service: Service, wanted: u32) {
    let policy = &draft.world.policy;
    let rule = &policy.instances;
    let whole = measurements(policy, rule.out_window.max(rule.in_window));
    let Some(after) = soonest(whole, |ahead| by_itself(draft, service, wanted, ahead).is_some()) else {
        return;
    };
    let Some((count, _)) = by_itself(draft, service, wanted, after) else { return };
    let who = carrier(service);
    let on = if count > wanted {
        format!("every {who} stays short of cores")
    } else {
        format!("{who}s stay as idle")
    };
    let (what, soon) = (called(service), pause(policy.every, after));
    let said = format!("{service}: {wanted} → {count} {what} in {soon} if {on}");
    draft.expects.push(Expected { after, said });
}

pub(super) fn leads(draft: &Draft<'_>, id: &MemberId) -> bool {
    draft.store.leader.as_ref() == Some(id)
}

/// Whether a member may not leave now.
fn must_stay(draft: &Draft<'_>, id: &MemberId) -> bool {
    leads(draft, id) || draft.world.spec.confirms(draft.store.may_lead.as_deref(), id)
}

fn scale(draft: &mut Draft<'_>, service: Service, count: u32, leaving: BTreeSet<MemberId>, why: String) {
    let generation = draft.bodies.generation;
    draft.order(Step::Scale { service, generation, count, leaving, why: why.clone() }, why);
}

/// Whoever was named to leave and came to lead meanwhile, or to confirm writes, stays; whether there was one.
fn keep_who_must_stay(draft: &mut Draft<'_>, service: Service, wanted: u32) -> bool {
    let named: Vec<MemberId> = leaving(draft, service).map(|member| member.id.clone()).collect();
    let Some(id) = named.iter().find(|id| must_stay(draft, id)) else { return false };
    let others = named.iter().filter(|other| *other != id).cloned().collect();
    let why = format!("{id} was to leave, and leads or confirms writes by now: it stays");
    scale(draft, service, wanted, others, why);
    true
}

/// What an operator wants comes first; whether something is wanted.
fn asked(draft: &mut Draft<'_>, service: Service, wanted: u32) -> bool {
    let Some(Asked { wish, revision }) = draft.store.counts.get(&service).copied() else { return false };
    let (subject, count) = (service.as_str(), wish.count);
    let what = called(service);
    let forget = Step::ForgetCount { service, revision };
    if count == wanted {
        draft.out.steps.push(forget);
    } else if let Err(why) = draft.world.spec.may_have(service, count) {
        draft.say("refuse", subject, format!("an operator wants {count} {what}: {why}"));
        draft.out.steps.push(forget);
    } else if let Some(why) = draft.held.clone() {
        draft.wait(Wait::Wish, subject, format!("an operator wants {count} {what}: {why}"));
    } else {
        // whoever was to leave may be wanted again; who is too many is named anew
        scale(draft, service, count, BTreeSet::new(), "an operator asked for it".to_owned());
    }
    true
}

fn runs(draft: &Draft<'_>, id: &MemberId) -> bool {
    let found = draft.bodies.members.get(id).map_or(&[][..], Vec::as_slice);
    found.iter().any(|body| body.status == ContainerStatus::Running)
}

/// Whoever does not run leaves in the place of one that does: that one may be all that is left, and its host the only
/// one.
fn swap(draft: &mut Draft<'_>, service: Service, wanted: u32) {
    if leaving(draft, service).any(|member| !runs(draft, &member.id)) {
        return;
    }
    let mut dead =
        draft.staying(service).filter(|member| !must_stay(draft, &member.id) && !runs(draft, &member.id));
    let Some(one) = dead.next().map(|member| member.id.clone()) else { return };
    let why = format!("{one} does not run: it is the one to leave");
    scale(draft, service, wanted, BTreeSet::from([one]), why);
}

/// Names who is one too many.
fn name(draft: &mut Draft<'_>, service: Service, wanted: u32) {
    let runs = |member: &Member| runs(draft, &member.id);
    let newest = |member: &Member| placement::number(&member.id);
    let may = draft.staying(service).filter(|member| !must_stay(draft, &member.id));
    let Some(one) = may.max_by_key(|member| (!runs(member), newest(member))).map(|member| member.id.clone())
    else {
        let said = "there are too many, and nobody of them may leave".to_owned();
        draft.wait(Wait::Number, service.as_str(), said);
        return;
    };
    let what = called(service);
    let why = format!("{wanted} {what} are wanted: {one} is to leave");
    scale(draft, service, wanted, BTreeSet::from([one]), why);
}

fn everybody_is_well(draft: &Draft<'_>, service: Service) -> bool {
    draft.staying(service).all(|member| {
        if service == Service::Balancer {
            return runs(draft, &member.id) && draft.seen.inside.contains_key(&member.id);
        }
        let seen = draft.seen.postgres.get(&member.id).and_then(Sight::seen);
        seen.is_some_and(|seen| well(seen, leads(draft, &member.id)))
    })
}

/// One more or one less, by what is used of cores, when so many measurements like the newest have followed it; and
/// why.
fn by_itself(draft: &Draft<'_>, service: Service, wanted: u32, ahead: usize) -> Option<(u32, String)> {
    let (policy, spec) = (&draft.world.policy, &draft.world.spec);
    let (rule, cpu, who) = (&policy.instances, &policy.cpu, carrier(service));
    let carriers = carriers(draft, service);
    // what led to the last change does not lead to the next
    let since = draft.out.memory.counted.get(&service).copied().unwrap_or_default();
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
    if !carriers.is_empty() && carriers.iter().all(short) && spec.may_have(service, wanted + 1).is_ok() {
        let window = rule.out_window;
        let why = format!("every {who} has been short of cores for {window}, and none may have more");
        return Some((wanted + 1, why));
    }
    let uses: Option<Vec<f64>> =
        carriers.iter().map(|member| used(member, rule.in_window, cpu.down_percentile)).collect();
    let (uses, left) = uses.zip(carriers.len().checked_sub(1).filter(|left| *left > 0))?;
    let least = carriers.iter().map(|member| member.size.cpus).fold(f64::INFINITY, f64::min);
    #[expect(clippy::cast_precision_loss, reason = "a few instances")]
    let each = uses.iter().sum::<f64>() / left as f64;
    let fewer = wanted.checked_sub(1).filter(|fewer| spec.may_have(service, *fewer).is_ok());
    let why = format!(
        "{who}s used so little of their cores for {} that one less would do: {} each",
        rule.in_window,
        Resource::Cpu.words(each)
    );
    Some((fewer.filter(|_| each <= least * rule.in_share)?, why))
}
