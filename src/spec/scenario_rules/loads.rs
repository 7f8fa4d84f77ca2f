//! What the schema cannot say of loads.

use crate::model::Load;
use crate::model::scenario::{Client, Endpoint, LoadModel, Recording, SessionUse, Via, Workload};
use crate::spec::draft::{Draft, head};
use crate::spec::problem::Problem;
use crate::spec::shape::did_you_mean;
use crate::spec::tree::TomlNode;

/// What is wrong with the loads.
pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    for (node, load) in &draft.loads {
        one(node, load, problems);
        clients(node, load, problems);
        pgbench(node, load, problems);
        reads(node, load, draft, problems);
    }
}

/// Workloads that may read what another load writes.
const fn may_read(workload: Workload) -> bool {
    matches!(workload, Workload::Append | Workload::Bank | Workload::Register | Workload::Freshness)
}

/// Whose tables a load reads, when they are not its own.
fn reads(node: &TomlNode, load: &Load, draft: &Draft<'_>, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: String, hint: String| {
        let problem = node.get(key).map_or_else(|| head(node, &message), |at| at.problem(&message));
        problems.push(problem.hint(hint));
    };
    let workload = node.get("workload").and_then(TomlNode::text).unwrap_or_default();
    let Some(of) = &load.of else {
        if may_read(load.workload) && load.endpoint != Some(Endpoint::Rw) {
            let place = load.direct.as_ref().map_or("ro", |member| member.as_str());
            let message = format!("a `{workload}` load on {place} reads what another load writes");
            say("workload", message, "of = \"…\", the load on rw whose tables it reads".to_owned());
        }
        return;
    };
    if !may_read(load.workload) {
        let message = format!("a `{workload}` load reads no other load's tables");
        say("of", message, "take it out; append, bank, register and freshness do".to_owned());
        return;
    }
    let names = draft.load_names();
    let others = || names.iter().copied().filter(|name| *name != load.name.as_str());
    let written = draft.loads.iter().map(|(_, other)| other).find(|other| other.name == *of);
    match written {
        _ if *of == load.name || !names.contains(&of.as_str()) => {
            let hint = did_you_mean("loads", of.as_str(), others());
            say("of", format!("no other load is called `{of}`"), hint);
        }
        Some(written) if written.workload != load.workload => {
            let hint = "both have the same workload".to_owned();
            say("of", format!("load `{of}` has another workload than this one"), hint);
        }
        Some(written) if written.of.is_some() || written.endpoint != Some(Endpoint::Rw) => {
            say(
                "of",
                format!("load `{of}` writes nothing"),
                "name one on endpoint \"rw\" without of".to_owned(),
            );
        }
        _ => {}
    }
}

/// What only some kinds of client can do.
fn clients(node: &TomlNode, load: &Load, problems: &mut Vec<Problem>) {
    let mut say = |key: &str, message: &str, hint: &str| {
        let problem = node.get(key).map_or_else(|| head(node, message), |at| at.problem(message));
        problems.push(problem.hint(hint));
    };
    let by_libpq = load.client != Client::Wire || load.workload == Workload::Pgbench;
    if load.target_session_attrs.is_some() && !by_libpq {
        say("target-session-attrs", "client `wire` takes every server it reaches", "client = \"libpq\"");
    }
    if load.via == Via::Instances {
        if load.direct.is_some() {
            say("via", "a direct load names one member, not every host", "take one of the two out");
        }
        if !by_libpq {
            say(
                "via",
                "client `wire` cannot tell a primary from a replica",
                "client = \"libpq\" with via = \"instances\"",
            );
        }
    }
    if load.max_age.is_some() && load.client != Client::Pool {
        say("max-age", "only a pool replaces connections at an age", "take it out, or client = \"pool\"");
    }
    if load.client == Client::Pool && load.session == SessionUse::Fresh {
        say("session", "a pool keeps its connections", "take it out, or client = \"libpq\"");
    }
    if load.think.is_some() && load.model == LoadModel::Open {
        say(
            "think",
            "think belongs to the closed model",
            "take it out, or model = \"closed\" with clients = 8",
        );
    }
    for (key, limit) in [("connect-timeout", load.connect_timeout), ("max-age", load.max_age)] {
        if limit.is_some_and(|limit| limit.0.is_zero()) {
            say(key, "nothing is done in no time", "connect-timeout = \"2s\", max-age = \"30m\"");
        }
    }
}

/// What pgbench cannot do: it makes its connections and its transactions itself.
fn pgbench(node: &TomlNode, load: &Load, problems: &mut Vec<Problem>) {
    if load.workload != Workload::Pgbench {
        return;
    }
    let mut say = |key: &str, message: &str, hint: &str| {
        let problem = node.get(key).map_or_else(|| head(node, message), |at| at.problem(message));
        problems.push(problem.hint(hint));
    };
    if node.get("client").is_some() && load.client != Client::Libpq {
        say("client", "pgbench connects by libpq", "take it out");
    }
    for (key, there, why) in [
        ("session", node.get("session").is_some(), "pgbench keeps its connections"),
        ("timeout", load.timeout.is_some(), "pgbench waits for every answer"),
        ("think", load.think.is_some(), "pgbench asks again at once"),
        ("isolation", load.isolation.is_some(), "pgbench's transaction names no isolation level"),
        ("curve", load.curve.is_some(), "pgbench knows one rate"),
    ] {
        if there {
            say(key, why, "take it out; workload `tpcb` does the same and can");
        }
    }
    if load.record == Recording::Histogram {
        say("record", "pgbench's log is read as operations", "take it out");
    }
    if load.endpoint == Some(Endpoint::Ro) {
        say("endpoint", "pgbench's transaction writes", "endpoint = \"rw\"");
    }
    if load.connect_timeout.is_some_and(|limit| limit.0.subsec_nanos() > 0) {
        say("connect-timeout", "libpq counts in whole seconds", "connect-timeout = \"2s\"");
    }
}

fn one(node: &TomlNode, load: &Load, problems: &mut Vec<Problem>) {
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
    if load.timeout.is_some_and(|limit| limit.0.is_zero()) {
        say("timeout", "no answer comes in no time", "timeout = \"10s\"");
    }
    let single = matches!(load.workload, Workload::Set | Workload::Select | Workload::Freshness);
    if load.isolation.is_some() && single {
        say(
            "isolation",
            "an operation of one statement is the same at every isolation level",
            "take it out; append, bank, register and tpcb have transactions",
        );
    }
}
