//! What the grammar of a scenario knows and this version cannot do, refused by name before anything
//! starts. A line leaves this file when its verb or preset is built.

use super::condition::Condition;
use super::problem::Problem;
use super::scenario::Draft;
use super::scenario_rules::head;
use super::tree::Node;
use crate::model::Verb;

/// Names of presets that belong to later versions.
const LATER_PRESETS: &[&str] = &["zerops-2026"];

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
    for (node, step) in &draft.steps {
        verb(node.nearest("do"), &step.verb, &mut refuse);
        let condition = step.when.as_deref().and_then(|when| Condition::parse(when).ok());
        if let Some(condition) = condition.filter(|condition| !condition.built()) {
            refuse(node.nearest("when"), &format!("condition `{condition}`"));
        }
    }
    problems
}

/// A verb, or one inside it.
fn verb(node: &Node, verb: &Verb, refuse: &mut impl FnMut(&Node, &str)) {
    let name = verb.name();
    let at = node.nearest(name);
    if let Verb::Repeat { verb: inner, .. } = verb {
        return self::verb(at.nearest("do"), inner, refuse);
    }
    if !verb.built() {
        refuse(at, &format!("`{name}`"));
    }
}
