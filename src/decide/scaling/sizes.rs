//! Which sizes are asked for: what operators want, then what is used; members in the order of the record, each with
//! what those before it leave of its host.
//!
//! Theory: every size is an order of its own, so a decision that gives a thousand of them would be carried out long after
//! its look. It gives some, and the rest is decided anew by the next look, which follows at once.
//!
//! Invariants: a disk that fills is asked for beside everything else: while a wish stands, while a size is being given,
//! and while cores and memory failed a moment ago, however many sizes are given; a wish that is refused is dropped with
//! its reason, and tried again only when its reasons are others.

use super::admit::order;
use super::assess::ScalingAssessment;
use super::begun::{Begun, BegunState};
use super::condition::SizeCondition;
use super::memory::{Dropped, ScalingNote};
use super::proposal::ScalingProposal;
use super::seen::OperatorWish;
use super::size::{self, Limits, SizeChange, SizeQuestion, SizeWants};
use super::step::{Concern, ScalingStep};
use super::wait::ScalingWait;
use super::{expect, wal};
use crate::decide::placement::{self, Rooms};
use crate::model::control::AlarmKind;
use crate::model::scaling::SizeWish;
use crate::model::{Member, MemberId, Size};

/// So many sizes are given in one decision, beside disks that fill and what operators want.
pub(super) const SIZES_AT_ONCE: usize = 32;

/// What this decision gives: it counts for the members behind.
struct GivenSizes<'a> {
    /// What hosts have left.
    rooms: Rooms<'a>,
    /// How many sizes were given.
    sizes: usize,
}

/// The sizes of all members.
pub(super) fn sizes(a: &ScalingAssessment<'_>) -> Vec<ScalingProposal> {
    let mut given = GivenSizes { rooms: a.view.rooms.clone(), sizes: 0 };
    let mut all = dropped(a);
    for (id, asked) in &a.view.store.asked {
        all.extend(wish(a, &mut given, id, *asked));
    }
    for condition in &a.members {
        if !a.view.store.asked.contains_key(&condition.member.id) {
            all.extend(one(a, &mut given, condition));
        }
    }
    all
}

/// Wishes that were refused are told for a while.
fn dropped(a: &ScalingAssessment<'_>) -> Vec<ScalingProposal> {
    let told = a.notes.dropped.iter().filter(|(id, dropped)| {
        let size = a.view.member(id).map(|member| member.size);
        let anew = a.view.store.asked.contains_key(*id);
        !anew && size.is_some_and(|size| dropped.stands(size, a.now()))
    });
    told.map(|(id, dropped)| refused(ScalingProposal::silent(), id, &dropped.why)).collect()
}

fn refusal(id: &MemberId, why: &str) -> String {
    format!("{id}: an operator wants another size, and it cannot be given: {why}")
}

/// With the alarm of a wish that was refused.
fn refused(one: ScalingProposal, id: &MemberId, why: &str) -> ScalingProposal {
    one.alarm(AlarmKind::SizeRefused, Some(id), refusal(id, why))
}

/// What an operator wants of a member comes first, but for a disk that fills.
fn wish(
    a: &ScalingAssessment<'_>,
    given: &mut GivenSizes<'_>,
    id: &MemberId,
    asked: OperatorWish<SizeWish>,
) -> Vec<ScalingProposal> {
    let forget = ScalingStep::Forget { member: id.clone(), revision: asked.revision };
    let refuse = |why: String| ScalingProposal::say("refuse", Some(id), why).step(forget.clone());
    let Some(condition) = a.condition(id) else {
        return vec![refuse("a size is wanted for it, and it is nobody who scales".to_owned())];
    };
    let member = condition.member;
    let (disk, size) = disk_alone(a, given, condition);
    let mut all: Vec<ScalingProposal> = disk.into_iter().collect();
    let now = Member { size, ..member.clone() };
    let to = asked.wish.of(size);
    let why = "an operator asked for it".to_owned();
    let step = ScalingStep::Resize { member: id.clone(), from: size, to, why: why.clone() };
    if to == member.size {
        all.push(ScalingProposal::silent().step(forget));
    } else if let Err(why) = placement::fits(&a.view.world.spec, &given.rooms.of(&now), &now, &to) {
        all.push(refuse(format!("an operator wants another size: {why}")));
    } else if let Some(why) = vain(a, &step) {
        let told = refused(refuse(refusal(id, &why)), id, &why);
        all.push(
            told.note(ScalingNote::Dropped(id.clone(), Dropped { why, size: member.size, at: a.now() })),
        );
    } else if a.awaits(Concern::Size, id) || a.awaits(Concern::Disk, id) {
        let said = "an operator wants another size, and one is being given";
        all.push(ScalingProposal::say(ScalingWait::Size.word(), Some(id), said).waits(ScalingWait::Size));
    } else if to != size {
        all.push(give(a, given, &now, step, why).note(ScalingNote::Anew(id.clone())));
    }
    all
}

/// Why what an operator wants cannot be given: it was refused and its reasons are the same, or it failed often.
fn vain(a: &ScalingAssessment<'_>, step: &ScalingStep) -> Option<String> {
    let failure = a.failure(&step.about())?;
    (failure.refuses(step) || failure.is_vain()).then(|| failure.why.clone())
}

/// A step that gives a member another size; those behind it are counted with it, if it may be ordered.
fn give(
    a: &ScalingAssessment<'_>,
    given: &mut GivenSizes<'_>,
    member: &Member,
    step: ScalingStep,
    why: String,
) -> ScalingProposal {
    if let ScalingStep::Resize { to, .. } = &step
        && a.may(&step)
    {
        given.rooms.give(member, to);
    }
    order(step, why)
}

/// What is asked about a member whose only body runs and was measured.
fn question<'q>(
    a: &'q ScalingAssessment<'_>,
    condition: &SizeCondition<'q>,
    limits: &'q Limits,
) -> Option<SizeQuestion<'q>> {
    condition.usage?;
    let id = &condition.member.id;
    Some(SizeQuestion {
        policy: &a.view.world.policy,
        windows: &a.view.windows,
        member: condition.member,
        ring: condition.ring?,
        wal: condition.inside.and_then(|inside| inside.wal.as_ref()),
        limits,
        streaks: a.notes.streaks.get(id),
        changed: a.notes.changed.get(id),
        held: a.held.as_deref(),
        at: a.now(),
        ahead: 0,
    })
}

/// The disk of a member alone, and the size the member has then.
fn disk_alone(
    a: &ScalingAssessment<'_>,
    given: &mut GivenSizes<'_>,
    condition: &SizeCondition<'_>,
) -> (Option<ScalingProposal>, Size) {
    let member = condition.member;
    let limits = Limits::of(&a.view.world.spec, &given.rooms, member);
    let Some(asked) = question(a, condition, &limits) else { return (None, member.size) };
    let change = size::next_disk(&asked);
    if change.to == member.size || disk_is_being_given(a, &member.id) {
        return (told(member, change), member.size);
    }
    let (step, why) = resize(member, member.size, &change);
    let size = if a.may(&step) { change.to } else { member.size };
    let follows = ScalingNote::Follows(member.id.clone(), change.streaks);
    (Some(give(a, given, member, step, why).note(follows)), size)
}

/// Whether a larger disk was asked for and is not there yet.
fn disk_is_being_given(a: &ScalingAssessment<'_>, id: &MemberId) -> bool {
    let mut on = a.begun.iter().filter(|begun| begun.state == BegunState::On && begun.about.1 == *id);
    on.any(|begun| matches!(begun.what, Begun::Size { from, to } if to.disk > from.disk))
}

/// What a member lacks and does not get.
fn told(member: &Member, change: SizeChange) -> Option<ScalingProposal> {
    // of most members nothing is said
    if change.waits.is_none() && change.alarms.is_empty() {
        return None;
    }
    let lacks =
        change.waits.map(|(wait, why)| ScalingProposal::say(wait.word(), Some(&member.id), why).waits(wait));
    let alarms = change.alarms.into_iter();
    Some(alarms.fold(lacks.unwrap_or_default(), |said, text| {
        said.alarm(AlarmKind::DiskFull, Some(&member.id), text)
    }))
}

fn resize(member: &Member, from: Size, change: &SizeChange) -> (ScalingStep, String) {
    let why = change.why.join("; ");
    (ScalingStep::Resize { member: member.id.clone(), from, to: change.to, why: why.clone() }, why)
}

/// The next size of one member, by what is used.
fn one(
    a: &ScalingAssessment<'_>,
    given: &mut GivenSizes<'_>,
    condition: &SizeCondition<'_>,
) -> Vec<ScalingProposal> {
    let (member, id) = (condition.member, &condition.member.id);
    let limits = Limits::of(&a.view.world.spec, &given.rooms, member);
    let Some(asked) = question(a, condition, &limits) else { return Vec::new() };
    let held_back = asked.wal.filter(|_| condition.leads).and_then(|wal| wal::alarm(member, wal));
    let mut all: Vec<ScalingProposal> = held_back
        .map(|text| ScalingProposal::silent().alarm(AlarmKind::WalHeld, Some(id), text))
        .into_iter()
        .collect();
    let wants = SizeWants::of(&asked);
    if given.sizes >= SIZES_AT_ONCE && wants.move_all_but_the_disk() && is_settled(a, id) {
        // the next look decides it, and follows at once
        return all;
    }
    let change = size::next(&asked, &wants);
    if change.to == member.size {
        let expects = expect::expected(&asked);
        if !expects.is_empty() {
            all.push(ScalingProposal { expects, ..ScalingProposal::silent() });
        }
        if let Some(differs) = condition.usage.and_then(|usage| usage.differs(&member.size)) {
            // a change was cut short, or somebody made one. What is used comes first: a size that was written down
            // and not given may be too small by now
            all.extend(told(member, SizeChange { waits: None, ..change }));
            let (from, to) = (member.size, member.size);
            all.push(order(
                ScalingStep::Resize { member: id.clone(), from, to, why: differs.clone() },
                differs,
            ));
        } else {
            all.extend(told(member, change));
        }
    } else if is_settled(a, id) {
        given.sizes += 1;
        let (step, why) = resize(member, member.size, &change);
        let follows = ScalingNote::Follows(id.clone(), change.streaks.clone());
        all.push(give(a, given, member, step, why).note(follows));
        all.extend(told(member, SizeChange { waits: None, ..change }));
    } else {
        let rest = size::next_but_disk(&asked, &wants);
        all.extend(apart(a, given, condition, rest));
    }
    all
}

/// Whether nothing of a member's size failed or goes on.
fn is_settled(a: &ScalingAssessment<'_>, id: &MemberId) -> bool {
    let failed = a.failure(&(Concern::Size, id.clone()));
    failed.is_none() && !a.awaits(Concern::Size, id) && !a.awaits(Concern::Disk, id)
}

/// Disk and the rest of a size by themselves: whatever holds the rest back is not in the way of the disk.
fn apart(
    a: &ScalingAssessment<'_>,
    given: &mut GivenSizes<'_>,
    condition: &SizeCondition<'_>,
    rest: SizeChange,
) -> Vec<ScalingProposal> {
    let (member, id) = (condition.member, &condition.member.id);
    let (disk, size) = disk_alone(a, given, condition);
    let mut all: Vec<ScalingProposal> = disk.into_iter().collect();
    if rest.to == member.size {
        all.extend(told(member, rest));
    } else if !a.awaits(Concern::Size, id) {
        let now = Member { size, ..member.clone() };
        let rest = SizeChange { to: Size { disk: size.disk, ..rest.to }, ..rest };
        let (step, why) = resize(member, size, &rest);
        let follows = ScalingNote::Follows(id.clone(), rest.streaks);
        all.push(give(a, given, &now, step, why).note(follows));
    }
    all
}
