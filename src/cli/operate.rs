//! The operator's verbs: `switchover`, `failover`, `maintenance`, `rolling-restart`, `replace`, `resize`,
//! `scale`.

use serde_json::json;

use super::args::{LabArgs, Output, Switch};
use super::{CliError, Exit, settings};
use crate::decide::placement;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::ready::{Wanted, not_ready};
use crate::lab::record::Record;
use crate::lab::{names, reach, record};
use crate::model::body::DATA_PATH;
use crate::model::lab::controller_of;
use crate::model::plan::Operation;
use crate::model::scaling::SizeWish;
use crate::model::{Member, Name, Service, Sighting, Span};

/// `pgha switchover`
pub async fn switchover(args: &LabArgs, to: Option<Name>, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |record| {
        if let Some(to) = &to {
            instance(record, to)?;
        }
        Ok(Operation::Switchover { candidate: to.clone() })
    })
    .await
}

/// `pgha failover`
pub async fn failover(args: &LabArgs, to: Name, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |record| {
        instance(record, &to)?;
        Ok(Operation::Failover { candidate: to.clone() })
    })
    .await
}

/// `pgha maintenance`
pub async fn maintenance(args: &LabArgs, switch: Switch, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |_| Ok(Operation::Maintenance { on: switch == Switch::On })).await
}

/// `pgha rolling-restart`
pub async fn rolling_restart(args: &LabArgs, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |record| {
        Ok(Operation::RollingRestart {
            members: record.of(Service::Postgres).map(|(member, _)| member.id.clone()).collect(),
        })
    })
    .await
}

/// `pgha replace`
pub async fn replace(
    args: &LabArgs,
    who: &Name,
    wait: Option<Span>,
    output: Output,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let before = record::require(&docker, &settings::lab_name(args)?).await?;
    if before.spec.controllers.is_empty() {
        return Err(CliError::usage(
            format!("lab `{}` has no controllers: nobody would replace {who}", before.spec.name),
            "found it with one: `pgha up --preset repair`",
        ));
    }
    let replaced = |member: &&Member| !matches!(member.service, Service::Client | Service::Broker);
    known(&before, who, before.members.iter().filter(replaced), "member that could be replaced")?;
    let asked = operate(args, output, |_| Ok(Operation::Replace { members: vec![who.clone()] })).await?;
    let Some(wait) = wait.filter(|_| asked == Exit::Done) else { return Ok(asked) };
    let began = clock::now();
    let mut told = Told::default();
    loop {
        let now = record::require(&docker, before.spec.name.as_str()).await?;
        if now.members.iter().all(|member| member.id != *who) {
            let new = now.members.iter().find(|member| before.members.iter().all(|old| old.id != member.id));
            let by = new.map_or("nobody", |member| member.id.as_str());
            let seconds = clock::now().since(began).as_secs_f64();
            match output {
                Output::Json => println!("{}", json!({ "replaced": who, "by": by, "seconds": seconds })),
                Output::Text => println!("{who} was replaced by {by} in {seconds:.1} s"),
            }
            return Ok(Exit::Done);
        }
        told.tell(&reach::look(&docker, &now).await?);
        if clock::now().since(began) > wait.0 {
            eprintln!("error: {who} is still there after {wait}");
            eprintln!("hint: `pgha status` shows what the controller waits for; the wish stands");
            return Ok(Exit::NotReady);
        }
        clock::sleep(std::time::Duration::from_secs(1)).await;
    }
}

/// `pgha resize`
pub async fn resize(
    args: &LabArgs,
    who: &Name,
    size: SizeWish,
    wait: Span,
    output: Output,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let before = record::require(&docker, &settings::lab_name(args)?).await?;
    let lab = before.spec.name.clone();
    if before.spec.controllers.is_empty() {
        return Err(CliError::usage(
            format!("lab `{lab}` has no controllers: nobody would resize {who}"),
            "found it with one that scales: `pgha up --preset zerops-2022`",
        ));
    }
    let Some(member) = before.members.iter().find(|member| member.id == *who) else {
        let names: Vec<&str> = before.members.iter().map(|member| member.id.as_str()).collect();
        return Err(CliError::usage(
            format!("lab `{lab}` has no member `{who}`"),
            format!("members: {}", names.join(", ")),
        ));
    };
    let to = size.of(member.size);
    if to == member.size {
        return Err(CliError::usage(
            format!("{who} has that size"),
            "name another: --cpu, --memory or --disk; `pgha status` shows what it has",
        ));
    }
    placement::resizable(&before.spec, &before.members, member, &to).map_err(|why| {
        CliError::usage(format!("{who} cannot have that size: {why}"), "`pgha status` shows who has what")
    })?;
    let wish = Operation::Resize { members: vec![who.clone()], size };
    if !asked(&docker, &before, wish).await? {
        return Ok(Exit::NotReady);
    }
    let began = clock::now();
    let container = names::container(lab.as_str(), who.as_str());
    loop {
        let now = record::require(&docker, lab.as_str()).await?;
        let given = now.members.iter().find(|member| member.id == *who).map(|member| member.size);
        let seconds = clock::now().since(began).as_secs_f64();
        // the record says so first, then it is done
        let usage = if given == Some(to) { docker.usage(&container, DATA_PATH).await.ok() } else { None };
        if usage.is_some_and(|usage| usage.differs(&to).is_none()) {
            match output {
                Output::Json => println!("{}", json!({ "resized": who, "to": to, "seconds": seconds })),
                Output::Text => println!(
                    "{who} has {} cores, {} of memory and {} of disk after {seconds:.1} s",
                    to.cpus, to.memory, to.disk
                ),
            }
            return Ok(Exit::Done);
        }
        if clock::now().since(began) > wait.0 {
            eprintln!("error: {who} does not have that size after {wait}");
            eprintln!("hint: `pgha status` shows what the controller waits for; the wish stands");
            return Ok(Exit::NotReady);
        }
        clock::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// `pgha scale`
pub async fn scale(
    args: &LabArgs,
    service: &Name,
    count: u32,
    wait: Option<Span>,
    output: Output,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let before = record::require(&docker, &settings::lab_name(args)?).await?;
    let lab = before.spec.name.clone();
    let Some(service) = Service::sized(service.as_str()) else {
        return Err(CliError::usage(
            format!("the number of `{service}` does not change"),
            "`pgha scale postgres COUNT` or `pgha scale balancer COUNT`",
        ));
    };
    if before.spec.controllers.is_empty() {
        return Err(CliError::usage(
            format!("lab `{lab}` has no controllers: nobody would change a number"),
            "found it with those that do: `pgha up --preset zerops-2022`",
        ));
    }
    let (what, limits) = match service {
        Service::Balancer => ("balancers", "balancers.instances"),
        _ => ("instances", "postgres.instances"),
    };
    before.spec.may_have(service, count).map_err(|why| {
        let hint = format!("`{limits}` in the lab file has the limits; they are fixed when it is founded");
        CliError::usage(why, hint)
    })?;
    let wish = Operation::Scale { service, count };
    if !asked(&docker, &before, wish).await? {
        return Ok(Exit::NotReady);
    }
    let Some(wait) = wait else {
        match output {
            Output::Json => println!("{}", json!({ "asked": { "count": count } })),
            Output::Text => println!("asked for {count} {what}"),
        }
        return Ok(Exit::Done);
    };
    let began = clock::now();
    let mut told = Told::default();
    loop {
        let now = record::require(&docker, lab.as_str()).await?;
        let members: Vec<String> = now.of(service).map(|(member, _)| member.id.to_string()).collect();
        let sighting = reach::look(&docker, &now).await?;
        let waiting = not_ready(&now.members, Wanted::of(&now.spec), &sighting);
        if members.len() == count as usize && now.leaving().is_empty() && waiting.is_empty() {
            let seconds = clock::now().since(began).as_secs_f64();
            match output {
                Output::Json => println!("{}", json!({ "scaled": members, "seconds": seconds })),
                Output::Text => {
                    println!("{count} {what} after {seconds:.1} s: {}", members.join(", "));
                }
            }
            return Ok(Exit::Done);
        }
        told.tell(&sighting);
        if clock::now().since(began) > wait.0 {
            eprintln!("error: there are not {count} {what} after {wait}: {}", members.join(", "));
            eprintln!("hint: `pgha status` shows what the controllers wait for; the wish stands");
            return Ok(Exit::NotReady);
        }
        clock::sleep(std::time::Duration::from_millis(500)).await;
    }
}

/// Writes down a wish for controllers; whether it was.
async fn asked(docker: &Docker, record: &Record, wish: Operation) -> Result<bool, CliError> {
    let name = wish.name();
    let outcome = reach::operate(docker, record, wish).await?;
    if !outcome.done {
        let why = outcome.said.last().map_or("nobody answered", |(_, said)| said.as_str());
        eprintln!("error: {name} was not done: {why}");
        eprintln!("hint: `pgha status` shows whether etcd answers");
    }
    Ok(outcome.done)
}

/// What active controllers say, once.
#[derive(Default)]
struct Told(String);

impl Told {
    fn tell(&mut self, sighting: &Sighting) {
        let active = sighting.controllers.iter().filter_map(|(member, status)| {
            let status = status.seen().filter(|status| status.active)?;
            Some(format!("{}: {}, {}", controller_of(member), status.step, status.reason))
        });
        let mut says: Vec<String> = active.collect();
        if says.is_empty() {
            says.push("no controller is active".to_owned());
        }
        let says = says.join("; ");
        if says != self.0 {
            eprintln!("{says}");
            self.0 = says;
        }
    }
}

/// A member of postgres, or an error that names those there are.
/// Whether somebody of these has this name; `what` they are, for a person.
fn known<'a>(
    record: &Record,
    who: &Name,
    among: impl Iterator<Item = &'a Member>,
    what: &str,
) -> Result<(), CliError> {
    let members: Vec<&str> = among.map(|member| member.id.as_str()).collect();
    if members.contains(&who.as_str()) {
        return Ok(());
    }
    Err(CliError::usage(
        format!("lab `{}` has no {what} `{who}`", record.spec.name),
        format!("members: {}", members.join(", ")),
    ))
}

/// Whether an instance has this name.
fn instance(record: &Record, who: &Name) -> Result<(), CliError> {
    known(record, who, record.of(Service::Postgres).map(|(member, _)| member), "PostgreSQL member")
}

async fn operate(
    args: &LabArgs,
    output: Output,
    wanted: impl Fn(&Record) -> Result<Operation, CliError>,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let record = record::require(&docker, &settings::lab_name(args)?).await?;
    let operation = wanted(&record)?;
    let name = operation.name();
    let began = clock::now();
    let outcome = reach::operate(&docker, &record, operation).await?;
    let seconds = clock::now().since(began).as_secs_f64();
    match output {
        Output::Json => {
            let said: Vec<_> =
                outcome.said.iter().map(|(member, said)| json!({ "member": member, "said": said })).collect();
            println!(
                "{}",
                json!({ "verb": name, "done": outcome.done, "leader": outcome.leader, "said": said, "seconds": seconds })
            );
        }
        Output::Text => {
            for (member, said) in &outcome.said {
                println!("{member}: {said}");
            }
            let leader = outcome.leader.as_deref().unwrap_or("nobody");
            println!(
                "{name} {} in {seconds:.1} s; {leader} leads",
                if outcome.done { "done" } else { "not done" }
            );
        }
    }
    if outcome.done {
        return Ok(Exit::Done);
    }
    let why = outcome.said.last().map_or("nobody answered", |(_, said)| said.as_str());
    eprintln!("error: {name} was not done: {why}");
    if matches!(name, "switchover" | "failover") {
        eprintln!(
            "hint: `pgha status` shows who leads and who could; in maintenance Patroni wants a candidate"
        );
    } else {
        eprintln!("hint: `pgha status` shows which Patroni answers");
    }
    Ok(Exit::NotReady)
}
