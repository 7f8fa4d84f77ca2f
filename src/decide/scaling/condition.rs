//! How every member does whose size moves, by one walk through everything that was seen.

use std::collections::BTreeMap;

use super::measure::Ring;
use super::seen::ScalingSeen;
use super::view::{ScalingView, SortedWalk, run, well};
use crate::model::scaling::Usage;
use crate::model::self_report::SelfReport;
use crate::model::sighting::{BodySeen, PatroniSeen};
use crate::model::{ContainerStatus, Member, MemberId, Service, Sight};

/// How one member does whose size moves.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four answers, none of which follows from another")]
pub struct SizeCondition<'a> {
    /// Who, and what it has.
    pub member: &'a Member,
    /// Whether a body of it runs.
    pub runs: bool,
    /// What its only body uses, if that runs and was measured.
    pub usage: Option<&'a Usage>,
    /// What it used, in its windows.
    pub ring: Option<&'a Ring>,
    /// What it says of itself.
    pub inside: Option<&'a SelfReport>,
    /// What its Patroni says.
    pub patroni: Option<&'a PatroniSeen>,
    /// Whether it holds the leader key.
    pub leads: bool,
    /// Whether it is to leave.
    pub leaves: bool,
    /// Whether it leads and runs, or streams; of a balancer, whether it runs and answers.
    pub well: bool,
}

/// Members whose size moves, as the record lists them, with their places in it.
pub(super) fn conditions<'a>(
    view: &ScalingView<'a>,
    rings: &'a BTreeMap<MemberId, Ring>,
) -> (Vec<usize>, Vec<SizeCondition<'a>>) {
    let ScalingSeen { postgres, inside, .. } = view.seen;
    let (mut bodies, mut usage, mut rings) =
        (SortedWalk::new(&view.bodies.members), SortedWalk::new(view.usage), SortedWalk::new(rings));
    let (mut postgres, mut inside) = (SortedWalk::new(postgres), SortedWalk::new(inside));
    let mut all: Vec<Option<SizeCondition<'a>>> = vec![None; view.bodies.placed.len()];
    for (at, member) in view.by_name() {
        let id = &member.id;
        let found: &[BodySeen] = bodies.at(id).map_or(&[], Vec::as_slice);
        let patroni = postgres.at(id).and_then(Sight::seen);
        let mut condition = SizeCondition {
            member,
            runs: run(found),
            usage: usage.at(id).filter(|usage| is_of(usage, found)),
            ring: rings.at(id),
            inside: inside.at(id),
            patroni,
            leads: view.leads(id),
            leaves: view.bodies.leaving.contains(id),
            well: false,
        };
        condition.well = match member.service {
            Service::Balancer => condition.runs && condition.inside.is_some(),
            _ => patroni.is_some_and(|seen| well(seen, condition.leads)),
        };
        if let Some(place) = all.get_mut(at) {
            *place = Some(condition);
        }
    }
    all.into_iter().enumerate().filter_map(|(at, condition)| Some((at, condition?))).unzip()
}

/// Whether this is what the only body of a member uses, and it runs.
fn is_of(usage: &Usage, found: &[BodySeen]) -> bool {
    matches!(found, [body] if body.status == ContainerStatus::Running && body.id == usage.container)
}
