//! What the schema of a scenario cannot say: what refers to what, and what excludes what.

use std::time::Duration;

use super::problem::Problem;
use super::scenario::Draft;
use super::schedule;
use super::shape::{did_you_mean, first_line};
use super::tree::Node;
use crate::model::scenario::{LoadModel, Workload};
use crate::model::{Expect, Load, Span, Step, Verb};

/// Every check a run's verdict is made of: the expectations, and the rules of the house.
pub(crate) const CHECKS: &[&str] = &[
    "lost-acks",
    "unexpected",
    "one-writer",
    "outage",
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
    "audit",
    "receipts",
    "load-ran",
    "log",
    "secrets",
];

/// A node's first line: a problem about a whole step is shown at its head.
pub(crate) fn head(node: &Node, message: impl Into<String>) -> Problem {
    Problem::new(&node.source, Some(first_line(&node.source.text, &node.span)), message)
}

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
    for (node, load) in &draft.loads {
        check_load(node, load, problems);
    }
    for (node, step) in &draft.steps {
        check_step(node, step, draft, problems);
    }
    check_times(draft, problems);
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
    let nodes = draft.tree.get(array).map_or(&[][..], Node::items);
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

fn check_load(node: &Node, load: &Load, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: &str, hint: &str| {
        let problem = node.get(key).map_or_else(|| head(node, message), |at| at.problem(message));
        problems.push(problem.hint(hint));
    };
    match (load.endpoint, &load.direct) {
        (Some(_), Some(_)) => {
            say("direct", "a load has an endpoint or a direct member, not both", "take one out");
        }
        (None, None) => say(
            "",
            "a load needs somewhere to go",
            "endpoint = \"rw\" (5432) or \"ro\" (5433), or direct = \"postgres-1\"",
        ),
        _ => {}
    }
    match load.model {
        LoadModel::Open => {
            match (load.rate, &load.curve) {
                (Some(_), Some(_)) => {
                    say("curve", "an open load has a rate or a curve, not both", "take one out");
                }
                (None, None) => {
                    say("", "an open load needs a rate or a curve", "rate = 200 (operations per second)");
                }
                _ => {}
            }
            if load.connections.is_none() {
                say("", "an open load needs connections", "connections = 8");
            }
            if load.clients.is_some() {
                say(
                    "clients",
                    "clients belong to the closed model",
                    "connections = 8, or model = \"closed\"",
                );
            }
        }
        LoadModel::Closed => {
            if load.clients.is_none() {
                say("", "a closed load needs clients", "clients = 8");
            }
            for (key, there) in [
                ("rate", load.rate.is_some()),
                ("curve", load.curve.is_some()),
                ("connections", load.connections.is_some()),
            ] {
                if there {
                    say(key, &format!("{key} belongs to the open model"), "take it out, or model = \"open\"");
                }
            }
        }
    }
    if load.rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0 && rate <= 1e6)) {
        say("rate", "a rate is more than 0 and at most 1000000 per second", "rate = 200");
    }
    if load.connections == Some(0) || load.clients == Some(0) {
        let key = if load.connections == Some(0) { "connections" } else { "clients" };
        say(key, "nobody would ask anything", "1 or more");
    }
    if let Some(curve) = &load.curve {
        let rates = curve.iter().all(|(_, rate)| rate.is_finite() && (0.0..=1e6).contains(rate));
        let grows = curve.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let begins = curve.first().is_some_and(|(at, _)| at.0.is_zero());
        if !(rates && grows && begins) {
            say(
                "curve",
                "a curve begins at \"0s\", its times grow, its rates are 0 to 1000000",
                "curve = [[\"0s\", 100], [\"30s\", 400]]",
            );
        }
    }
    match (load.workload, &load.file) {
        (Workload::Sql, None) => {
            say("workload", "workload `sql` needs a file", "file = \"own.sql\", beside the scenario");
        }
        (workload, Some(_)) if workload != Workload::Sql => {
            say("file", "only workload `sql` reads a file", "take it out, or workload = \"sql\"");
        }
        _ => {}
    }
    if load.timeout.0.is_zero() {
        say("timeout", "no answer comes in no time", "timeout = \"10s\"");
    }
}

fn check_step(node: &Node, step: &Step, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: &str, hint: &str| {
        let problem = node.get(key).map_or_else(|| head(node, message), |at| at.problem(message));
        problems.push(problem.hint(hint));
    };
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
    if step.when.is_some() && step.within.is_none() {
        say("when", "how long to wait for the condition is not said", "within = \"60s\"");
    }
    if step.when.is_none() && step.within.is_some() {
        say("within", "within belongs to when", "take it out, or say when");
    }
    if let Some(when) = step.when.as_ref().filter(|when| !condition(when)) {
        let hint = "primary-changed, no-primary, streaming(N), fault(ID), healed(ID), controller(NAME).step = \"STEP\", size(TARGET, RESOURCE) >= X";
        say("when", &format!("`{when}` is no condition"), hint);
    }
    if let Some(after) = &step.after {
        let ids = draft.step_ids();
        if !ids.contains(&after.as_str()) {
            let hint = did_you_mean("steps", after.as_str(), ids.iter().copied());
            say("after", &format!("no step is called `{after}`"), &hint);
        }
    }
    match &step.verb {
        Verb::Kill { signal, .. } if !SIGNALS.contains(&signal.as_str()) => {
            let hint = did_you_mean("signals", signal.trim_start_matches("SIG"), SIGNALS.iter().copied());
            say("do", &format!("`{signal}` is no signal"), &hint);
        }
        Verb::Partition { from, to, shape, .. } if shape.is_some() != (from.is_empty() && to.is_empty()) => {
            say(
                "do",
                "a partition has two sides or a shape",
                "from = [\"host-of:primary\"], to = [\"rest\"], or shape = \"ring\"",
            );
        }
        Verb::Loss { percent, .. } if !(0.0..=100.0).contains(percent) => {
            say("do", "percent is out of a hundred", "0 to 100");
        }
        Verb::Repeat { times: 0, .. } => say("do", "nothing would be repeated", "times = 1 or more"),
        Verb::Resize { cpu: None, memory: None, disk: None, .. } => {
            say("do", "nothing would be resized", "cpu, memory or disk");
        }
        _ => {}
    }
}

/// Signals by name, as `kill -l` says them.
const SIGNALS: &[&str] =
    &["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "SEGV", "STOP", "CONT", "USR1", "USR2"];

fn condition(text: &str) -> bool {
    let call = |name: &str| text.strip_prefix(name).and_then(|rest| rest.strip_prefix('('));
    matches!(text, "primary-changed" | "no-primary")
        || call("streaming").and_then(|rest| rest.strip_suffix(')')).is_some_and(|n| n.parse::<u32>().is_ok())
        || ["fault", "healed"].iter().any(|name| call(name).is_some_and(|rest| rest.ends_with(')')))
        || call("controller").is_some_and(|rest| rest.contains(").step = "))
        || call("size").is_some_and(|rest| rest.contains(") >= "))
}

/// Steps that follow each other in a circle, and steps that come when the load is over.
fn check_times(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
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

fn check_expect(node: &Node, expect: &Expect, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
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
        Expect::Redundancy { after: Some(after), .. } => {
            name("after", after.as_str(), "step", draft.step_ids());
        }
        Expect::Latency { load, .. } | Expect::Throughput { load, .. } => {
            name("load", load.as_str(), "load", draft.load_names());
        }
        Expect::Errors { max_ratio } if !(0.0..=1.0).contains(max_ratio) => {
            let at = node.nearest("errors.max-ratio");
            problems
                .push(at.problem("a ratio is between 0 and 1").hint("0.01 is one operation of a hundred"));
        }
        _ => {}
    }
}
