//! What the grammar of a scenario knows and this version cannot do, refused by name before anything
//! starts. A line leaves this file when its condition is built.

use super::condition::Condition;
use super::problem::Problem;
use super::scenario::Draft;
use super::scenario_rules::head;

/// What is right and not built.
pub(crate) fn problems(draft: &Draft<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (node, step) in &draft.steps {
        let condition = step.when.as_deref().and_then(|when| Condition::parse(when).ok());
        if let Some(condition) = condition.filter(|condition| !condition.built()) {
            let said = format!("condition `{condition}` is in the grammar but not built in this version");
            problems.push(head(node.nearest("when"), said).unbuilt());
        }
    }
    problems
}
