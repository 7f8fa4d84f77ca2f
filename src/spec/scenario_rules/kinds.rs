//! Which kind of target goes with which verb: one table, every verb against every kind, so that a verb that is added
//! without an answer does not compile.

use crate::model::scenario::Process;
use crate::model::target::{EtcdPick, Replica, Which};
use crate::model::{Target, Verb};
use crate::spec::problem::Problem;
use crate::spec::tree::TomlNode;

/// What a target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// Members of postgres.
    Postgres,
    /// Members of etcd.
    Etcd,
    /// Members that balance.
    Balancer,
    /// Replicas of controllers.
    Controller,
    /// Simulated hosts.
    Hosts,
    /// Everything the other side does not name.
    Rest,
}

impl TargetKind {
    const fn words(self) -> &'static str {
        match self {
            Self::Postgres => "members of postgres",
            Self::Etcd => "members of etcd",
            Self::Balancer => "balancers",
            Self::Controller => "controllers",
            Self::Hosts => "hosts",
            Self::Rest => "the rest of another side",
        }
    }
}

const BODIES: &[TargetKind] =
    &[TargetKind::Postgres, TargetKind::Etcd, TargetKind::Balancer, TargetKind::Controller];
/// Bodies stand for the hosts that carry them.
const HOSTS: &[TargetKind] = &[
    TargetKind::Postgres,
    TargetKind::Etcd,
    TargetKind::Balancer,
    TargetKind::Controller,
    TargetKind::Hosts,
];
const SIDES: &[TargetKind] = &[
    TargetKind::Postgres,
    TargetKind::Etcd,
    TargetKind::Balancer,
    TargetKind::Controller,
    TargetKind::Hosts,
    TargetKind::Rest,
];
const POSTGRES: &[TargetKind] = &[TargetKind::Postgres];
const ETCD: &[TargetKind] = &[TargetKind::Etcd];
const BALANCERS: &[TargetKind] = &[TargetKind::Balancer];
const CONTROLLERS: &[TargetKind] = &[TargetKind::Controller];
const STORING: &[TargetKind] = &[TargetKind::Postgres, TargetKind::Etcd];
const SERVING: &[TargetKind] = &[TargetKind::Postgres, TargetKind::Balancer];
const NO_KINDS: &[TargetKind] = &[];

/// The kinds a verb acts on, and what of them it needs.
pub(super) const fn wanted(verb: &Verb) -> (&'static [TargetKind], &'static str) {
    match verb {
        Verb::Kill { .. }
        | Verb::Stop { .. }
        | Verb::Pause { .. }
        | Verb::Restart { .. }
        | Verb::Cpu { .. }
        | Verb::Memory { .. }
        | Verb::MemoryHog { .. }
        | Verb::Replace { .. } => (BODIES, "bodies"),
        Verb::Freeze { process, .. } | Verb::Crash { process, .. } => lives_in(*process),
        Verb::Wipe { .. } | Verb::DiskFill { .. } | Verb::DiskFreeze { .. } | Verb::DiskSlow { .. } => {
            (STORING, "data on a disk")
        }
        Verb::DiskCorrupt { .. } => (POSTGRES, "a table or its WAL"),
        Verb::Clock { .. } => (POSTGRES, "a clock that can be set wrong"),
        Verb::Connections { .. } => (SERVING, "a port for clients of PostgreSQL"),
        Verb::Switchover { .. } | Verb::Failover { .. } | Verb::RollingRestart { .. } => {
            (POSTGRES, "what Patroni manages")
        }
        Verb::Resize { .. } => (SERVING, "a size that moves"),
        Verb::PowerOff { .. }
        | Verb::Isolate { .. }
        | Verb::Loss { .. }
        | Verb::Delay { .. }
        | Verb::Bandwidth { .. }
        | Verb::Flap { .. }
        | Verb::Swizzle { .. } => (HOSTS, "hosts"),
        Verb::Partition { .. } => (SIDES, "sides"),
        // the first three name nobody; what is repeated answers for itself
        Verb::Engine { .. } | Verb::Scale { .. } | Verb::Maintenance { .. } | Verb::Repeat { .. } => {
            (NO_KINDS, "")
        }
    }
}

const fn lives_in(process: Process) -> (&'static [TargetKind], &'static str) {
    match process {
        Process::Patroni => (POSTGRES, "process `patroni`"),
        Process::Postmaster => (POSTGRES, "process `postmaster`"),
        Process::Walreceiver => (POSTGRES, "process `walreceiver`"),
        Process::Backend => (POSTGRES, "process `backend`"),
        Process::Etcd => (ETCD, "process `etcd`"),
        Process::Haproxy => (BALANCERS, "process `haproxy`"),
        Process::Controller => (CONTROLLERS, "process `controller`"),
    }
}

/// What a target names.
pub(super) fn kind(target: &Target) -> TargetKind {
    match target {
        Target::Primary | Target::Replica(_) | Target::Postgres(_) => TargetKind::Postgres,
        Target::Etcd(_) => TargetKind::Etcd,
        Target::Balancer(_) => TargetKind::Balancer,
        Target::Controller(_) => TargetKind::Controller,
        Target::Host(_) | Target::HostSpare => TargetKind::Hosts,
        Target::HostOf(of) => match kind(of) {
            TargetKind::Rest => TargetKind::Rest,
            _ => TargetKind::Hosts,
        },
        Target::Random(_, of) => kind(of),
        Target::Rest => TargetKind::Rest,
    }
}

/// Every target of a verb, and the key it stands at; what is repeated has its own.
pub(super) fn targets<'a>(at: &'a TomlNode, verb: &'a Verb) -> Vec<(&'a TomlNode, &'a Target)> {
    let list = |key: &str, targets: &'a [Target]| {
        let node = at.nearest(key);
        let items = targets.iter().enumerate();
        items.map(|(index, target)| (node.items().get(index).unwrap_or(node), target)).collect::<Vec<_>>()
    };
    match verb {
        Verb::Partition { from, to, .. } => [list("from", from), list("to", to)].concat(),
        Verb::Swizzle { targets } => list("targets", targets),
        Verb::Switchover { to } => to.iter().map(|to| (at.nearest("to"), to)).collect(),
        Verb::Failover { to } => vec![(at.nearest("to"), to)],
        Verb::Repeat { .. } => Vec::new(),
        one => one.target().map(|target| (at.nearest("target"), target)).into_iter().collect(),
    }
}

/// Targets of a kind that their verb does not act on, or that never names what the verb wants.
pub(super) fn check(at: &TomlNode, verb: &Verb, problems: &mut Vec<Problem>) {
    for (node, target) in targets(at, verb) {
        let said = refuse(verb, target).or_else(|| nested_rest(target)).or_else(|| never(verb, target));
        problems.extend(said.map(|(message, hint)| node.problem(message).hint(hint)));
    }
}

/// Why a verb does not act on a target, and what helps.
fn refuse(verb: &Verb, target: &Target) -> Option<(String, String)> {
    let ((wanted, what), kind, name) = (wanted(verb), kind(target), verb.name());
    if wanted.contains(&kind) {
        return None;
    }
    let others = wanted.iter().map(|kind| kind.words()).collect::<Vec<_>>().join(", ");
    Some(match kind {
        TargetKind::Rest => {
            (format!("`{name}` has no other side to be the rest of"), "rest belongs to partition".to_owned())
        }
        TargetKind::Hosts => (
            format!("`{name}` acts on bodies, and `{target}` names hosts"),
            format!(
                "it acts on {others}; power-off, isolate, partition, loss, delay, bandwidth, flap act on hosts"
            ),
        ),
        _ => (
            format!("`{name}` needs {what}, and `{target}` names {}", kind.words()),
            format!("it acts on {others}"),
        ),
    })
}

/// `rest` is a side by itself, and no part of another target.
fn nested_rest(target: &Target) -> Option<(String, String)> {
    let nested = kind(target) == TargetKind::Rest && *target != Target::Rest;
    nested.then(|| (format!("`{target}`: the rest is a side by itself"), "to = [\"rest\"]".to_owned()))
}

/// Targets of the right kind that name nobody the verb could do anything to, in any lab.
fn never(verb: &Verb, target: &Target) -> Option<(String, String)> {
    let said = |message: &str, hint: &str| Some((message.to_owned(), hint.to_owned()));
    match (verb, innermost(target)) {
        (
            Verb::Freeze { process: Process::Walreceiver, .. }
            | Verb::Crash { process: Process::Walreceiver, .. },
            Target::Primary,
        ) => said("the primary receives no WAL: it has no process `walreceiver`", "target = \"replica\""),
        (Verb::Switchover { .. } | Verb::Failover { .. }, Target::Primary) => {
            said("the primary is primary already: there is nothing to hand over", "to = \"replica\"")
        }
        (Verb::Failover { .. }, Target::Postgres(Which::All)) if !matches!(target, Target::Random(1, _)) => {
            said("a failover has one candidate, and this target names all", "to = \"replica:most-advanced\"")
        }
        (Verb::Failover { .. }, _) if matches!(target, Target::Random(count, _) if *count > 1) => said(
            "a failover has one candidate, and this target names several",
            "to = \"replica:most-advanced\"",
        ),
        (_, inner) => match (target, at_most(inner)) {
            (Target::Random(count, of), Some(most)) if u64::from(*count) > most => Some((
                format!("`{target}`: `{of}` never names more than {most}"),
                format!("random({most}) of {of}, or a target that names more"),
            )),
            _ => None,
        },
    }
}

/// The target that is chosen from, or whose host is meant.
pub(super) fn innermost(target: &Target) -> &Target {
    match target {
        Target::Random(_, of) => innermost(of),
        other => other,
    }
}

/// How many a target names at most, in any lab; `None` where that is the lab's affair.
fn at_most(target: &Target) -> Option<u64> {
    match target {
        Target::Primary
        | Target::Host(_)
        | Target::HostSpare
        | Target::Replica(Replica::One | Replica::MostAdvanced | Replica::MostLagging)
        | Target::Postgres(Which::Any | Which::Named(_))
        | Target::Balancer(Which::Any | Which::Named(_))
        | Target::Etcd(EtcdPick::Leader | EtcdPick::Follower | EtcdPick::Named(_)) => Some(1),
        Target::HostOf(of) => at_most(of),
        Target::Random(count, of) => {
            let most = at_most(of).unwrap_or(u64::MAX);
            Some(u64::from(*count).min(most))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One target of every form the grammar has, and its kind.
    const TARGETS: [(&str, TargetKind); 30] = [
        ("primary", TargetKind::Postgres),
        ("replica", TargetKind::Postgres),
        ("replica:all", TargetKind::Postgres),
        ("replica:most-advanced", TargetKind::Postgres),
        ("replica:most-lagging", TargetKind::Postgres),
        ("replica:sync", TargetKind::Postgres),
        ("postgres:all", TargetKind::Postgres),
        ("postgres-1", TargetKind::Postgres),
        ("random(1) of replica:all", TargetKind::Postgres),
        ("etcd:leader", TargetKind::Etcd),
        ("etcd:follower", TargetKind::Etcd),
        ("etcd:minority", TargetKind::Etcd),
        ("etcd:majority", TargetKind::Etcd),
        ("etcd:all", TargetKind::Etcd),
        ("etcd-1", TargetKind::Etcd),
        ("random(1) of etcd:all", TargetKind::Etcd),
        ("balancer:any", TargetKind::Balancer),
        ("balancer:all", TargetKind::Balancer),
        ("balancer-1", TargetKind::Balancer),
        ("random(2) of balancer:all", TargetKind::Balancer),
        ("controller:repair", TargetKind::Controller),
        ("controller:all:standby", TargetKind::Controller),
        ("random(1) of controller:all", TargetKind::Controller),
        ("host:h1", TargetKind::Hosts),
        ("host:spare", TargetKind::Hosts),
        ("host-of:primary", TargetKind::Hosts),
        ("host-of:controller:repair", TargetKind::Hosts),
        ("random(1) of host-of:etcd:all", TargetKind::Hosts),
        ("rest", TargetKind::Rest),
        ("host-of:rest", TargetKind::Rest),
    ];

    /// Every verb of the grammar, and the kinds it goes with, by their first letters: p e b c h, r for rest.
    fn table() -> Vec<(&'static str, serde_json::Value, &'static str)> {
        vec![
            ("kill", json!({}), "pebc"),
            ("stop", json!({}), "pebc"),
            ("pause", json!({}), "pebc"),
            ("freeze", json!({ "process": "patroni" }), "p"),
            ("freeze", json!({ "process": "postmaster" }), "p"),
            ("freeze", json!({ "process": "backend" }), "p"),
            ("freeze", json!({ "process": "etcd" }), "e"),
            ("freeze", json!({ "process": "haproxy" }), "b"),
            ("crash", json!({ "process": "patroni" }), "p"),
            ("crash", json!({ "process": "postmaster" }), "p"),
            ("crash", json!({ "process": "etcd" }), "e"),
            ("crash", json!({ "process": "haproxy" }), "b"),
            ("restart", json!({}), "pebc"),
            ("wipe", json!({}), "pe"),
            ("power-off", json!({}), "pebch"),
            ("isolate", json!({}), "pebch"),
            ("loss", json!({ "percent": 5.0 }), "pebch"),
            ("delay", json!({ "delay": "20ms" }), "pebch"),
            ("bandwidth", json!({ "rate": "1MiB" }), "pebch"),
            ("flap", json!({ "on": "2s", "off": "1s" }), "pebch"),
            ("disk-fill", json!({}), "pe"),
            ("disk-freeze", json!({}), "pe"),
            ("disk-slow", json!({ "bytes-per-second": "1MiB" }), "pe"),
            ("disk-corrupt", json!({ "what": "heap", "bytes": 16 }), "p"),
            ("cpu", json!({ "cores": 0.25 }), "pebc"),
            ("memory", json!({ "limit": "300MiB" }), "pebc"),
            ("memory-hog", json!({ "size": "200MiB" }), "pebc"),
            ("connections", json!({ "count": 40 }), "pb"),
            ("clock", json!({ "offset": "-30s" }), "p"),
            ("resize", json!({ "cpu": 1.0 }), "pb"),
            ("replace", json!({}), "pebc"),
            ("rolling-restart", json!({}), "p"),
        ]
    }

    fn goes(kinds: &str, kind: TargetKind) -> bool {
        kinds.contains(match kind {
            TargetKind::Postgres => 'p',
            TargetKind::Etcd => 'e',
            TargetKind::Balancer => 'b',
            TargetKind::Controller => 'c',
            TargetKind::Hosts => 'h',
            TargetKind::Rest => 'r',
        })
    }

    #[test]
    fn every_verb_takes_the_kinds_it_acts_on_and_no_other() {
        for (name, keys, kinds) in table() {
            for (text, wanted) in TARGETS {
                let mut keys = keys.clone();
                keys["target"] = json!(text);
                let verb: Verb = serde_json::from_value(json!({ name: keys })).expect(name);
                let target = verb.target().expect(name).clone();
                assert_eq!(kind(&target), wanted, "{text}");
                let refused = refuse(&verb, &target);
                assert_eq!(refused.is_none(), goes(kinds, wanted), "{name} on {text}: {refused:?}");
            }
        }
    }

    #[test]
    fn the_table_above_leaves_no_verb_out() {
        let schema: serde_json::Value =
            serde_json::from_str(&crate::spec::schema::scenario_schema()).expect("JSON");
        let elsewhere =
            ["partition", "swizzle", "switchover", "failover", "engine", "scale", "maintenance", "repeat"];
        for option in schema["definitions"]["Verb"]["oneOf"].as_array().expect("options") {
            let name = option["required"][0].as_str().expect("a name");
            let there = table().iter().any(|(known, ..)| *known == name);
            assert!(there != elsewhere.contains(&name), "{name}");
        }
        let forms = crate::model::target::BadTarget::HINT;
        for part in
            ["primary", "replica", "postgres", "etcd", "balancer", "controller", "host", "rest", "random"]
        {
            assert!(forms.contains(part) && TARGETS.iter().any(|(text, _)| text.starts_with(part)), "{part}");
        }
    }

    #[test]
    fn sides_lists_and_candidates_are_looked_at_one_by_one() {
        for (text, wanted) in TARGETS {
            let verb = |value: serde_json::Value| -> Verb { serde_json::from_value(value).expect(text) };
            for (made, kinds) in [
                (verb(json!({ "swizzle": { "targets": [text] } })), "pebch"),
                (verb(json!({ "partition": { "from": [text], "to": ["host:h2"] } })), "pebchr"),
                (verb(json!({ "switchover": { "to": text } })), "p"),
                (verb(json!({ "failover": { "to": text } })), "p"),
            ] {
                let target: Target = text.parse().expect(text);
                assert_eq!(refuse(&made, &target).is_none(), goes(kinds, wanted), "{} {text}", made.name());
            }
        }
    }

    #[test]
    fn what_names_nobody_in_any_lab_is_refused() {
        for (verb, target, why) in [
            (r#"{"crash":{"target":"primary","process":"walreceiver"}}"#, "primary", "receives no WAL"),
            (r#"{"switchover":{"to":"primary"}}"#, "primary", "primary already"),
            (r#"{"failover":{"to":"postgres:all"}}"#, "postgres:all", "names all"),
            (
                r#"{"failover":{"to":"random(2) of replica:all"}}"#,
                "random(2) of replica:all",
                "names several",
            ),
            (
                r#"{"kill":{"target":"random(2) of primary"}}"#,
                "random(2) of primary",
                "never names more than 1",
            ),
            (
                r#"{"isolate":{"target":"random(2) of host:h1"}}"#,
                "random(2) of host:h1",
                "never names more than 1",
            ),
        ] {
            let (verb, target): (Verb, Target) =
                (serde_json::from_str(verb).expect(target), target.parse().expect(target));
            let (said, _) = never(&verb, &target).expect("refused");
            assert!(said.contains(why), "{said}");
        }
        let rest: Target = "random(1) of rest".parse().expect("a target");
        assert!(nested_rest(&rest).is_some() && nested_rest(&Target::Rest).is_none());
        let fine: Target = "random(1) of etcd:follower".parse().expect("a target");
        assert_eq!(never(&Verb::Pause { target: fine.clone() }, &fine), None);
    }
}
