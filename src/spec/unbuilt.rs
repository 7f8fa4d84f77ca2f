//! What the grammar of a scenario knows and this version cannot do, refused by name before anything
//! starts. A line leaves this file when its verb, workload or expectation is built.

use super::problem::Problem;
use super::scenario::Draft;
use super::scenario_rules::head;
use super::tree::Node;
use crate::model::scenario::{Isolation, Record, Workload};
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
    for (node, load) in &draft.loads {
        if load.workload != Workload::Set {
            refuse(
                node.nearest("workload"),
                &format!("workload `{}`", node.nearest("workload").text().unwrap_or_default()),
            );
        }
        if load.direct.is_some() {
            refuse(node.nearest("direct"), "`direct`");
        }
        if load.record != Record::Operations {
            refuse(node.nearest("record"), "`record = \"histogram\"`");
        }
        // one INSERT is a transaction of its own: a level would change nothing
        if load.workload == Workload::Set
            && load.isolation.is_some_and(|level| level != Isolation::ReadCommitted)
        {
            refuse(node.nearest("isolation"), "`isolation` of workload `set`");
        }
    }
    for (node, step) in &draft.steps {
        for (key, there) in [("when", step.when.is_some()), ("together", step.together.is_some())] {
            if there {
                refuse(node.nearest(key), &format!("`{key}`"));
            }
        }
        let verb = step.verb.name();
        let at = node.nearest(&format!("do.{verb}"));
        if step.verb.built() {
            if let Some(target) = step.verb.target().filter(|target| !resolvable(target)) {
                refuse(at.nearest("target"), &format!("target `{target}` of `{verb}`"));
            }
        } else if matches!(step.verb, Verb::Kill { .. }) {
            refuse(at.nearest("by"), "`kill` by process");
        } else {
            refuse(at, &format!("`{verb}`"));
        }
    }
    for (node, expect) in &draft.expects {
        if !expect.built() {
            refuse(node, &format!("expectation `{}`", expect.name()));
        }
    }
    problems
}

/// Bodies can be hit; hosts, controllers and "the rest" not yet.
fn resolvable(target: &Target) -> bool {
    match target {
        Target::Primary
        | Target::Replica(_)
        | Target::Postgres(_)
        | Target::Etcd(_)
        | Target::Balancer(_) => true,
        Target::Random(_, of) => resolvable(of),
        Target::Controller(_) | Target::Host(_) | Target::HostOf(_) | Target::HostSpare | Target::Rest => {
            false
        }
    }
}
