//! The next change of every size, if what is used stays as it was measured last: what the rules themselves say of so
//! many measurements more like the newest one. It is shown, and nothing follows from it.

use super::size::{Plain, SizeQuestion, amount, next_of};
use crate::decide::frame::Expected;
use crate::model::Span;
use crate::model::scaling::Resource;

/// What is expected of one member's size, a resource each.
pub(super) fn expected(asked: &SizeQuestion<'_>) -> Vec<Expected> {
    Resource::ALL.into_iter().filter_map(|resource| one(asked, resource)).collect()
}

fn one(asked: &SizeQuestion<'_>, resource: Resource) -> Option<Expected> {
    let given = amount(&asked.member.size, resource);
    let to = |ahead: usize| {
        let at = asked.at.plus(pause(asked.policy.every, ahead).0);
        next_of(&SizeQuestion { at, ahead, ..*asked }, resource)
    };
    // what does not come of whole windows does not come
    let after = soonest(asked.windows.whole(resource), |ahead| (to(ahead) - given).abs() > f64::EPSILON)?;
    let (to, rule) = (to(after), Plain::of(asked.policy, resource));
    let (word, bound) =
        if to > given { ("above", given - rule.free(given)) } else { ("below", rule.fits(to)) };
    let said = format!(
        "{}: {resource} {} → {} in {} if use stays {word} {}",
        asked.member.id,
        resource.words(given),
        resource.words(to),
        pause(asked.policy.every, after),
        resource.words(bound)
    );
    Some(Expected { after, said })
}

/// How long so many measurements take.
pub(super) fn pause(every: Span, measurements: usize) -> Span {
    Span(every.0.saturating_mul(u32::try_from(measurements).unwrap_or(u32::MAX)))
}

/// The fewest measurements after which it is so, of those up to `most`; with more of them it stays so.
pub(super) fn soonest(most: usize, mut is: impl FnMut(usize) -> bool) -> Option<usize> {
    if !is(most) {
        return None;
    }
    let (mut not, mut so) = (0, most);
    while so - not > 1 {
        let middle = usize::midpoint(not, so);
        if is(middle) { so = middle } else { not = middle }
    }
    Some(so)
}
