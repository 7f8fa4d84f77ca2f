//! What the schema cannot say of steps: their times, their conditions, their groups.

use std::time::Duration;

use super::verbs;
use crate::model::scenario::Verb;
use crate::model::{Name, Span, Step};
use crate::spec::condition::{Condition, StepMark};
use crate::spec::draft::{Draft, head, step_id};
use crate::spec::problem::Problem;
use crate::spec::schedule;
use crate::spec::shape::did_you_mean;
use crate::spec::tree::TomlNode;

/// Letters of the id of a step that is made of several faults: theirs are longer.
const SHORT_ID: usize = 24;

/// What is wrong with the steps.
pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    for (node, step) in &draft.steps {
        beginning(node, step, draft, problems);
        composition(node, step, problems);
        verbs::check(node.nearest("do"), &step.verb, problems);
    }
    times(draft, problems);
    groups(draft, problems);
}

fn said(node: &TomlNode, key: &str, message: impl Into<String>) -> Problem {
    let message = message.into();
    node.get(key).map_or_else(|| head(node, &message), |at| at.problem(&message))
}

/// When a step begins, and how long it lasts.
fn beginning(node: &TomlNode, step: &Step, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: &str, hint: &str| problems.push(said(node, key, message).hint(hint));
    match (step.at.is_some(), step.after.is_some(), step.when.is_some()) {
        (true, false, false) | (_, true, false) | (false, false, true) => {}
        (false, false, false) => {
            say("", "a step needs a time", "at = \"10s\", after = \"other-step\", or when = \"no-primary\"");
        }
        _ => say(
            "when",
            "a step that waits for a condition has no other time",
            "exactly one of at, after, when; after may carry at",
        ),
    }
    if step.when.is_none() && step.within.is_some() {
        say("within", "within belongs to when", "take it out, or say when");
    }
    if step.within.is_some_and(|within| within.0.is_zero()) {
        say("within", "nothing is met within no time", "within = \"60s\", or take it out");
    }
    if step.lasts.is_some_and(|lasts| lasts.0.is_zero()) {
        say(
            "for",
            "a fault of no length is none",
            "for = \"10s\", or take it out: healed when the load ends",
        );
    }
    if let Some(after) = &step.after {
        let ids = ids(draft);
        if !ids.iter().any(|id| id == after.as_str()) {
            let hint = did_you_mean("steps", after.as_str(), ids.iter().map(String::as_str));
            say("after", &format!("no step is called `{after}`"), &hint);
        }
    }
    if let Some(when) = &step.when {
        condition(node, step, when, draft, problems);
    }
}

/// Ids of all steps, also of those that could not be read and of those that were given none.
fn ids(draft: &Draft<'_>) -> Vec<String> {
    let declared = draft.step_ids().into_iter().map(str::to_owned);
    let number = draft.tree.get("step").map_or(0, |steps| steps.items().len());
    declared.chain((1..=number).map(|n| format!("step-{n}"))).collect()
}

fn condition(node: &TomlNode, step: &Step, when: &str, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let condition = match Condition::parse(when) {
        Ok(condition) => condition,
        Err(bad) => {
            problems.push(said(node, "when", bad.message).hint(bad.hint));
            return;
        }
    };
    let Some(id) = condition.step() else { return };
    let ids = ids(draft);
    if !ids.iter().any(|known| known == id.as_str()) {
        let hint = did_you_mean("steps", id.as_str(), ids.iter().map(String::as_str));
        problems.push(said(node, "when", format!("no step is called `{id}`")).hint(hint));
        return;
    }
    if step.id.as_ref() == Some(id) {
        let hint = "wait for another step, or take an id that this one has not";
        problems.push(said(node, "when", "a step that waits for itself never begins").hint(hint));
        return;
    }
    let steps: Vec<&Step> = draft.steps.iter().map(|(_, step)| step).collect();
    let other = steps.iter().enumerate().position(|(index, step)| step_id(index, step) == *id);
    let time = other.and_then(|other| schedule::times(&steps)[other]);
    let mark = if matches!(condition, Condition::Healed(_)) { StepMark::Healed } else { StepMark::Began };
    let comes = time.and_then(|(begin, end)| if mark == StepMark::Began { Some(begin) } else { end });
    if let (Some(comes), Some(within)) = (comes, step.within)
        && within.0 <= comes
    {
        let message =
            format!("`{condition}` comes {} into the load, and is waited for {within} of it", Span(comes));
        problems.push(said(node, "within", message).hint("within counts from the start of the load"));
    }
}

/// Steps that are made of several faults.
fn composition(node: &TomlNode, step: &Step, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: &str, hint: &str| problems.push(said(node, key, message).hint(hint));
    if !matches!(step.verb, Verb::Repeat { .. } | Verb::Swizzle { .. }) {
        return;
    }
    if step.together.is_some() {
        let message =
            format!("a `{}` is many faults in time, and injected with no other as one", step.verb.name());
        say("together", &message, "take it out, or give the group single faults");
    }
    if step.id.as_ref().is_some_and(|id| id.as_str().len() > SHORT_ID) {
        say(
            "id",
            "the faults of this step are named after it, and that gets too long",
            "24 letters or fewer",
        );
    }
    if matches!(step.verb, Verb::Swizzle { .. }) && step.lasts.is_none() {
        say("", "a swizzle needs to know how long it lasts", "for = \"60s\": one half in, one half out");
    }
    if let (Verb::Repeat { every, .. }, Some(lasts)) = (&step.verb, step.lasts)
        && lasts > *every
    {
        let message = format!("a turn of {lasts} is not over when the next one begins, after {every}");
        say("for", &message, "for is the length of one turn, and not more than every");
    }
}

/// Steps that follow each other in a circle, and steps that come when the load is over.
fn times(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let steps: Vec<&Step> = draft.steps.iter().map(|(_, step)| step).collect();
    let times = schedule::times(&steps);
    let all_read = steps.len() == draft.tree.get("step").map_or(0, |node| node.items().len());
    for ((node, step), time) in draft.steps.iter().zip(&times) {
        let late = |at: Duration| draft.duration.is_some_and(|duration| at >= duration.0);
        if schedule::circular(&steps, step) {
            let at = node.nearest("after");
            problems.push(
                at.problem("these steps follow each other in a circle")
                    .hint("one of them needs a time of its own: at"),
            );
        } else if let Some((at, _)) = time.filter(|(at, _)| all_read && late(*at)) {
            let message = format!("this step begins {} into a load that is over by then", Span(at));
            problems.push(head(node, message).hint("a longer duration, or an earlier time"));
        }
    }
}

/// Steps of one group begin at one instant.
fn groups(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let steps: Vec<&Step> = draft.steps.iter().map(|(_, step)| step).collect();
    let times = schedule::times(&steps);
    let begins = |index: usize| {
        let step = steps[index];
        (times[index].map(|(begin, _)| begin), step.when.as_deref(), step.within)
    };
    let first = |group: &Name| steps.iter().position(|step| step.together.as_ref() == Some(group));
    for (index, (node, step)) in draft.steps.iter().enumerate() {
        let Some(group) = &step.together else { continue };
        if first(group).is_some_and(|first| begins(first) != begins(index)) {
            let message = format!("the steps of group `{group}` do not begin together");
            problems
                .push(said(node, "together", message).hint("give all of them the same at, after or when"));
        }
    }
}
