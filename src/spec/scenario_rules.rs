//! What the schema of a scenario cannot say: what refers to what, and what excludes what.

mod kinds;
mod loads;
pub(crate) mod names;
mod sizes;
mod steps;
mod verbs;

use super::draft::Draft;
use super::problem::Problem;
use super::shape::did_you_mean;
use super::tree::TomlNode;
use crate::model::Expect;
use crate::model::scaling::amount;

/// Every check a run's verdict is made of: the expectations, and the rules of the house.
pub(crate) const CHECKS: &[&str] = &[
    "lost-acks",
    "unexpected",
    "one-writer",
    "outage",
    "stuck",
    "stale-reads",
    "lag",
    "isolation",
    "bank-total",
    "register",
    "latency",
    "throughput",
    "errors",
    "failovers",
    "replaced",
    "redundancy",
    "converged",
    "restarts",
    "scaled",
    "placement",
    "controller",
    "alarm",
    "audit",
    "receipts",
    "load-ran",
    "log",
    "secrets",
];

/// What is wrong.
pub(crate) fn check(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    if let Some(schema) = draft.schema.filter(|schema| *schema != 1) {
        let at = draft.tree.nearest("schema");
        problems.push(at.problem(format!("this version reads schema 1, found {schema}")));
    }
    if let Some(duration) = draft.duration {
        if duration.0.is_zero() {
            problems.push(draft.tree.nearest("duration").problem("a load without duration proves nothing"));
        }
        if let Some(timeout) = draft.timeout.filter(|timeout| timeout.0 < duration.0) {
            let message =
                format!("timeout = {timeout} cuts the run short before its load ends, at {duration}");
            let at = draft.tree.nearest("timeout");
            problems.push(at.problem(message).hint("healing, settling and final reads come after the load"));
        }
    }
    twice(draft, "load", "name", problems);
    twice(draft, "step", "id", problems);
    loads::check(draft, problems);
    steps::check(draft, problems);
    for (node, expect) in &draft.expects {
        check_expect(node, expect, draft, problems);
    }
    let check = draft.ends.as_ref().and_then(|ends| ends.check.as_ref());
    if let Some(check) = check.filter(|check| !CHECKS.contains(&check.as_str())) {
        let hint = did_you_mean("checks", check.as_str(), CHECKS.iter().copied());
        problems.push(draft.tree.nearest("ends.check").problem(format!("`{check}` is no check")).hint(hint));
    }
}

fn twice(draft: &Draft<'_>, array: &str, key: &str, problems: &mut Vec<Problem>) {
    let nodes = draft.tree.get(array).map_or(&[][..], TomlNode::items);
    let named: Vec<_> =
        nodes.iter().filter_map(|node| node.get(key)).filter_map(|n| Some((n, n.text()?))).collect();
    for (index, (node, text)) in named.iter().enumerate() {
        if named[..index].iter().any(|(_, earlier)| earlier == text) {
            problems.push(
                node.problem(format!("{array} {key} `{text}` is used twice")).hint("every one has its own"),
            );
        }
    }
}

fn check_expect(node: &TomlNode, expect: &Expect, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let mut name = |key: &str, name: &str, what: &str, known: Vec<&str>| {
        if !known.contains(&name) {
            let hint = did_you_mean(&format!("{what}s"), name, known.iter().copied());
            let at = node.nearest(&format!("{}.{key}", expect.name()));
            problems.push(at.problem(format!("no {what} is called `{name}`")).hint(hint));
        }
    };
    match expect {
        Expect::Outage { endpoint, after, .. } => {
            let endpoints =
                draft.loads.iter().filter_map(|(_, load)| Some(load.endpoint?.as_str())).collect();
            // a load that could not be read may be the one that is meant: its own problem is enough
            let declared = draft.tree.get("load").map_or(0, |loads| loads.items().len());
            if declared == draft.loads.len() {
                name("endpoint", endpoint.as_str(), "loaded endpoint", endpoints);
            }
            if let Some(after) = after {
                name("after", after.as_str(), "step", draft.step_ids());
            }
        }
        Expect::Redundancy { after: Some(after), .. } | Expect::Alarm { after: Some(after), .. } => {
            name("after", after.as_str(), "step", draft.step_ids());
        }
        Expect::Latency { load, .. } | Expect::Throughput { load, .. } => {
            name("load", load.as_str(), "load", draft.load_names());
        }
        Expect::Scaled { resource, to_at_least, .. } => {
            if let Err(wanted) = amount(*resource, to_at_least) {
                let at = node.nearest("scaled.to-at-least");
                problems.push(at.problem(format!("`{to_at_least}` is no amount of {resource}")).hint(wanted));
            }
        }
        Expect::Log { absent, tolerated } if absent.is_some() == tolerated.is_some() => {
            let said = "a text is either `absent` or `tolerated`";
            let hint = "log = { absent = \"PANIC\" }; another text has its own [[expect]]";
            problems.push(node.nearest("log").problem(said).hint(hint));
        }
        Expect::Errors { max_ratio, .. } if !(0.0..=1.0).contains(max_ratio) => {
            let at = node.nearest("errors.max-ratio");
            problems
                .push(at.problem("a ratio is between 0 and 1").hint("0.01 is one operation of a hundred"));
        }
        _ => {}
    }
}
