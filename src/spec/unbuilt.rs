//! What the grammar of a scenario knows and this version cannot do, refused by name before anything
//! starts. A line leaves this file when its verb, workload or expectation is built.

use super::condition::Condition;
use super::problem::Problem;
use super::scenario::Draft;
use super::scenario_rules::head;
use super::tree::Node;
use crate::model::{Target, Verb};

/// Names of presets that belong to later versions.
const LATER_PRESETS: &[&str] = &["zerops-2022", "zerops-2026"];

/// What is right and not built.
pub(crate) fn problems(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut refuse = |at: &Node, what: &str| {
        problems.push(head(at, format!("{what} is in the grammar but not built in this version")).unbuilt());
    };
    let preset = draft.lab.as_ref().and_then(|lab| lab.preset.as_ref());
    if let Some(preset) = preset.filter(|preset| LATER_PRESETS.contains(&preset.as_str())) {
        refuse(draft.tree.nearest("lab.preset"), &format!("preset `{preset}`"));
    }
    if let Some(set) =
        draft.tree.get("lab").and_then(|lab| lab.get("set")).and_then(|set| set.get("controller"))
    {
        refuse(set, "a controller");
    }
    for (node, step) in &draft.steps {
        verb(node.nearest("do"), &step.verb, &mut refuse);
        let condition = step.when.as_deref().and_then(|when| Condition::parse(when).ok());
        if let Some(condition) = condition.filter(|condition| !condition.built()) {
            refuse(node.nearest("when"), &format!("condition `{condition}`"));
        }
    }
    for (node, expect) in &draft.expects {
        if !expect.built() {
            refuse(node, &format!("expectation `{}`", expect.name()));
        }
    }
    problems
}

/// A verb, or one inside it, or a target that only a later version knows.
fn verb(node: &Node, verb: &Verb, refuse: &mut impl FnMut(&Node, &str)) {
    let name = verb.name();
    let at = node.nearest(name);
    if let Verb::Repeat { verb: inner, .. } = verb {
        return self::verb(at.nearest("do"), inner, refuse);
    }
    if !verb.built() {
        return refuse(at, &format!("`{name}`"));
    }
    let none = Vec::new();
    let (from, to, targets) = match verb {
        Verb::Partition { from, to, .. } => (from, to, &none),
        Verb::Swizzle { targets } => (&none, &none, targets),
        _ => (&none, &none, &none),
    };
    let to_one = if let Verb::Switchover { to } = verb { to.as_ref() } else { None };
    let single = verb.target().or(to_one).into_iter();
    for target in single.chain(from).chain(to).chain(targets).filter(|target| names_controller(target)) {
        refuse(at.nearest("target"), &format!("target `{target}` of `{name}`"));
    }
}

/// There are no controllers yet.
fn names_controller(target: &Target) -> bool {
    match target {
        Target::Controller(_) => true,
        Target::Random(_, of) | Target::HostOf(of) => names_controller(of),
        _ => false,
    }
}
