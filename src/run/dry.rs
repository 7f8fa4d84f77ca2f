//! What a run would do and when, without an engine: targets are resolved against the lab as declared,
//! whole and with its first instance as primary. Pure.

use crate::chaos::{PossibleTargets, hits};
use crate::decide::placement;
use crate::model::lab::{Desired, Replication};
use crate::model::scenario::{ActsOn, Client, LoadModel, Via};
use crate::model::sighting::{EtcdSeen, PostgresSeen, SqlSeen};
use crate::model::{
    FaultTarget, LabSpec, Load, Member, MemberId, Name, Scenario, Service, Sight, Sighting, Span, Verb,
};
use crate::spec::schedule::{self, PlannedStep, Start};

/// One line of a dry run; `None` for what has no time before it happens.
type DryLine = (Option<Span>, String);

/// Everything a run of `scenario` with `seed` on a lab of `spec` would do, one line each in the order of
/// time. Ends with a newline.
///
/// # Errors
/// When the lab cannot be placed, in a sentence.
pub fn actions(scenario: &Scenario, spec: &LabSpec, seed: u64) -> Result<String, String> {
    let members = placement::place(spec, &Desired::founding(spec), &[]).map_err(|why| why.to_string())?;
    let sighting = whole(spec, &members);
    let world = PossibleTargets { members: &members, hosts: &spec.hosts, sighting: &sighting };
    let mut lines: Vec<DryLine> = Vec::new();
    for load in &scenario.loads {
        lines.push((Some(Span::default()), format!("load    {}", describe_load(load))));
    }
    for planned in schedule::plan(scenario, seed) {
        step(&planned, scenario.duration, world, &mut lines);
    }
    lines.push((
        Some(scenario.duration),
        "heal    everything that is still on, then settle and read".to_owned(),
    ));
    // stable: a heal follows its injection
    lines.sort_by_key(|(at, _)| (at.is_none(), *at));
    let head = format!(
        "{}, seed {seed}, lab {}: {} for {}\n",
        scenario.name,
        spec.name,
        counts(&members),
        scenario.duration
    );
    let text = |(at, text): &DryLine| match at {
        Some(at) => format!("{:9.3} s  {text}\n", at.0.as_secs_f64()),
        None => format!("        … s  {text}\n"),
    };
    Ok(lines.iter().map(text).fold(head, |all, line| all + &line))
}

fn step(planned: &PlannedStep, duration: Span, world: PossibleTargets<'_>, lines: &mut Vec<DryLine>) {
    let begin = match &planned.start {
        Start::At(at) => Some(*at),
        _ => None,
    };
    let when = match &planned.start {
        Start::At(_) => String::new(),
        Start::After { id, offset, .. } => format!(", {offset} after {id}"),
        Start::When { condition, within: Some(within) } => format!(", when {condition}, within {within}"),
        Start::When { condition, within: None } => format!(", when {condition}"),
    };
    let group = planned.together.as_ref().map(|group| format!(", as one with group {group}"));
    let tail = when + &group.unwrap_or_default();
    let mut chance = schedule::rng(planned.chance);
    let mut say = |id: &Name, verb: &Verb, at: Span, heal_at: Option<Span>, chance: &mut _| {
        let whom = match hits(verb, world, chance) {
            Ok(hits) => hits.targets.iter().map(FaultTarget::as_str).collect::<Vec<_>>().join(", "),
            Err(error) => format!("nobody: {error}"),
        };
        let moment = |offset: Span| begin.map(|begin| Span(begin.0.saturating_add(offset.0)));
        lines.push((moment(at), format!("inject  {id}: {} on {whom}{tail}", describe(verb))));
        match heal_at {
            _ if verb.lasting() => {}
            Some(heal_at) if moment(heal_at).is_none_or(|at| at < duration) => {
                let since = format!(", {heal_at} after its step began");
                let since = if begin.is_some() { "" } else { since.as_str() };
                lines.push((moment(heal_at), format!("heal    {id}{since}")));
            }
            _ => {}
        }
    };
    match &planned.verb {
        Verb::Repeat { every, times, verb } => {
            for turn in schedule::turns(&planned.id, *every, *times, verb, planned.lasts) {
                say(&turn.id, &turn.verb, turn.at, Some(turn.heal_at), &mut chance);
            }
        }
        Verb::Swizzle { .. } => {
            let hosts =
                hits(&planned.verb, world, &mut chance).map(|hits| hits.named_hosts()).unwrap_or_default();
            let lasts = planned.lasts.unwrap_or_default();
            for turn in schedule::swizzle(&planned.id, &hosts, lasts, &mut chance) {
                say(&turn.id, &turn.verb, turn.at, Some(turn.heal_at), &mut chance);
            }
        }
        verb => say(&planned.id, verb, Span::default(), planned.lasts, &mut chance),
    }
}

/// A verb with its keys, as in the file.
fn describe(verb: &Verb) -> String {
    let value = serde_json::to_value(verb).unwrap_or_default();
    let keys = value[verb.name()].as_object().into_iter().flatten();
    let keys = keys.filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|v| !v.is_empty()));
    let keys = keys.map(|(key, value)| match value.as_str() {
        Some(text) => format!(" {key}={text}"),
        None => format!(" {key}={value}"),
    });
    let what = match verb.acts_on() {
        ActsOn::Cluster => " (the cluster)",
        _ => "",
    };
    format!("{}{what}{}", verb.name(), keys.collect::<String>())
}

fn describe_load(load: &Load) -> String {
    let place = match (&load.direct, load.endpoint) {
        (Some(member), _) => member.to_string(),
        (None, Some(endpoint)) => endpoint.to_string(),
        (None, None) => "nowhere".to_owned(),
    };
    let pace = match (load.model, load.rate, &load.curve) {
        (LoadModel::Closed, ..) => format!("{} clients", load.clients.unwrap_or(0)),
        (LoadModel::Open, Some(rate), _) => format!("{rate} per second"),
        (LoadModel::Open, None, curve) => {
            let points = curve.iter().flatten().map(|(at, rate)| format!("{rate} at {at}"));
            format!("per second {}", points.collect::<Vec<_>>().join(", "))
        }
    };
    let client = match (load.client, load.via) {
        (Client::Wire, Via::Balancers) => String::new(),
        (client, via) => {
            let word = serde_json::to_value(client).unwrap_or_default();
            let past = if via == Via::Instances { " past the balancers" } else { "" };
            format!(", by {}{past}", word.as_str().unwrap_or_default())
        }
    };
    let workload = serde_json::to_value(load.workload).unwrap_or_default();
    format!("{}: {} on {place}, {pace}{client}", load.name, workload.as_str().unwrap_or_default())
}

fn counts(members: &[Member]) -> String {
    [Service::Postgres, Service::Etcd, Service::Balancer]
        .map(|service| {
            let count = members.iter().filter(|member| member.service == service).count();
            format!("{count} {service}")
        })
        .join(", ")
}

/// The declared lab as it would be seen when it is whole.
fn whole(spec: &LabSpec, members: &[Member]) -> Sighting {
    let of = |service| members.iter().filter(move |member| member.service == service);
    let names: Vec<String> = of(Service::Postgres).map(|member| member.id.to_string()).collect();
    let replicas = names.get(1..).unwrap_or_default().to_vec();
    let sync = if spec.postgres.replication == Replication::Async { Vec::new() } else { replicas.clone() };
    let instance = |index: usize| {
        let sql = SqlSeen {
            in_recovery: index > 0,
            writable: Some(index == 0),
            streaming: if index == 0 { replicas.clone() } else { Vec::new() },
            sync: if index == 0 { sync.clone() } else { Vec::new() },
            ..SqlSeen::default()
        };
        PostgresSeen { sql: Sight::Seen(sql), ..PostgresSeen::default() }
    };
    let leader = of(Service::Etcd).next().map(|member| member.id.to_string());
    let voter = |id: &MemberId| {
        Sight::Seen(EtcdSeen { id: id.to_string(), leader: leader.clone(), ..EtcdSeen::default() })
    };
    Sighting {
        postgres: of(Service::Postgres)
            .enumerate()
            .map(|(index, member)| (member.id.clone(), instance(index)))
            .collect(),
        etcd: of(Service::Etcd).map(|member| (member.id.clone(), voter(&member.id))).collect(),
        ..Sighting::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::lab::{Layer, resolve};

    #[test]
    fn a_dry_run_names_whom_it_would_hit_and_when() {
        let text = r#"schema = 1
name = "dry"
about = "a"
duration = "60s"
[[load]]
name = "w"
endpoint = "rw"
workload = "set"
rate = 50
connections = 1
[[step]]
id = "kill"
at = "5s"
for = "10s"
do.kill = { target = "primary" }
[[step]]
id = "again"
after = "kill"
at = "1.5s"
for = "1s"
do.repeat = { every = "4s", times = 2, do.pause = { target = "replica" } }
[[step]]
when = "no-primary"
within = "9s"
do.restart = { target = "balancer:any" }
[[step]]
id = "s"
at = "30s"
for = "12s"
do.swizzle = { targets = ["etcd:leader", "postgres:postgres-2"] }
"#;
        let scenario =
            crate::spec::scenario::parse("dry.toml", text).unwrap_or_else(|p| panic!("{}", p.render()));
        let spec = resolve(&[Layer::built_in()]).unwrap_or_else(|p| panic!("{}", p.render()));
        insta::assert_snapshot!(actions(&scenario, &spec, 3).expect("a placed lab"), @r"
        dry, seed 3, lab lab: 3 postgres, 3 etcd, 2 balancer for 1m
            0.000 s  load    w: set on rw, 50 per second
            5.000 s  inject  kill: kill target=primary signal=KILL by=engine on postgres-1
           15.000 s  heal    kill
           16.500 s  inject  again-1: pause target=replica on postgres-2
           17.500 s  heal    again-1
           20.500 s  inject  again-2: pause target=replica on postgres-2
           21.500 s  heal    again-2
           30.000 s  inject  s-h5: isolate target=host:h5 on h5
           33.000 s  inject  s-h1: isolate target=host:h1 on h1
           39.000 s  heal    s-h5
           42.000 s  heal    s-h1
           60.000 s  heal    everything that is still on, then settle and read
                … s  inject  step-3: restart target=balancer:any on balancer-1, when no-primary, within 9s
        ");
    }
}
