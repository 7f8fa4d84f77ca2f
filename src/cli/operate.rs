//! The operator's verbs: `switchover`, `failover`, `maintenance`, `rolling-restart`, `replace`, `resize`,
//! `scale`.

use serde_json::json;

use super::args::{LabArgs, Output, Switch};
use super::{CliError, Exit, settings};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::record::LabRecord;
use crate::lab::{reach, record};
use crate::model::plan::Operation;
use crate::model::scaling::SizeWish;
use crate::model::{MemberId, Name, Service, Span};
use crate::operate::wait::{self, CannotBeAsked, Countable, WaitEnd};

/// `pgha switchover`
pub async fn switchover(args: &LabArgs, to: Option<MemberId>, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |record| {
        if let Some(to) = &to {
            wait::instance(record, to).map_err(cannot)?;
        }
        Ok(Operation::Switchover { candidate: to.clone() })
    })
    .await
}

/// `pgha failover`
pub async fn failover(args: &LabArgs, to: MemberId, output: Output) -> Result<Exit, CliError> {
    operate(args, output, |record| {
        wait::instance(record, &to).map_err(cannot)?;
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
    who: &MemberId,
    wait: Option<Span>,
    output: Output,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let before = record::require(&docker, &settings::lab_name(args)?).await?;
    let wish = wait::replacement(&before, who).map_err(cannot)?;
    let asked = operate(args, output, |_| Ok(wish.clone())).await?;
    let Some(wait) = wait.filter(|_| asked == Exit::Done) else { return Ok(asked) };
    match wait::until_replaced(&docker, &before, who, wait, |said| eprintln!("{said}")).await? {
        WaitEnd::Done(by, took) => {
            let (by, seconds) = (by.as_ref().map_or("nobody", MemberId::as_str), took.as_secs_f64());
            match output {
                Output::Json => println!("{}", json!({ "replaced": who, "by": by, "seconds": seconds })),
                Output::Text => println!("{who} was replaced by {by} in {seconds:.1} s"),
            }
            Ok(Exit::Done)
        }
        WaitEnd::TooLong(_) => {
            eprintln!("error: {who} is still there after {wait}");
            eprintln!("hint: `pgha status` shows what the controller waits for; the wish stands");
            Ok(Exit::NotReady)
        }
    }
}

/// `pgha resize`
pub async fn resize(
    args: &LabArgs,
    who: &MemberId,
    size: SizeWish,
    wait: Span,
    output: Output,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let before = record::require(&docker, &settings::lab_name(args)?).await?;
    let (wish, to) = wait::size(&before, who, size).map_err(cannot)?;
    if !asked(&docker, &before, wish).await? {
        return Ok(Exit::NotReady);
    }
    match wait::until_resized(&docker, &before.spec.name, who, to, wait).await? {
        WaitEnd::Done((), took) => {
            let seconds = took.as_secs_f64();
            match output {
                Output::Json => println!("{}", json!({ "resized": who, "to": to, "seconds": seconds })),
                Output::Text => println!(
                    "{who} has {} cores, {} of memory and {} of disk after {seconds:.1} s",
                    to.cpus, to.memory, to.disk
                ),
            }
            Ok(Exit::Done)
        }
        WaitEnd::TooLong(()) => {
            eprintln!("error: {who} does not have that size after {wait}");
            eprintln!("hint: `pgha status` shows what the controller waits for; the wish stands");
            Ok(Exit::NotReady)
        }
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
    let (wish, Countable { service, plural }) = wait::count(&before, service, count).map_err(cannot)?;
    if !asked(&docker, &before, wish).await? {
        return Ok(Exit::NotReady);
    }
    let Some(wait) = wait else {
        match output {
            Output::Json => println!("{}", json!({ "asked": { "count": count } })),
            Output::Text => println!("asked for {count} {plural}"),
        }
        return Ok(Exit::Done);
    };
    let lab = &before.spec.name;
    match wait::until_scaled(&docker, lab, service, count, wait, |said| eprintln!("{said}")).await? {
        WaitEnd::Done(members, took) => {
            let seconds = took.as_secs_f64();
            match output {
                Output::Json => println!("{}", json!({ "scaled": members, "seconds": seconds })),
                Output::Text => println!("{count} {plural} after {seconds:.1} s: {}", members.join(", ")),
            }
            Ok(Exit::Done)
        }
        WaitEnd::TooLong(members) => {
            eprintln!("error: there are not {count} {plural} after {wait}: {}", members.join(", "));
            eprintln!("hint: `pgha status` shows what the controllers wait for; the wish stands");
            Ok(Exit::NotReady)
        }
    }
}

fn cannot(why: CannotBeAsked) -> CliError {
    CliError::usage(why.message, why.hint)
}

/// Writes down a wish for controllers; whether it was.
async fn asked(docker: &Docker, record: &LabRecord, wish: Operation) -> Result<bool, CliError> {
    let name = wish.name();
    let outcome = reach::operate(docker, record, wish).await?;
    if !outcome.done {
        let why = outcome.said.last().map_or("nobody answered", |(_, said)| said.as_str());
        eprintln!("error: {name} was not done: {why}");
        eprintln!("hint: `pgha status` shows whether etcd answers");
    }
    Ok(outcome.done)
}

async fn operate(
    args: &LabArgs,
    output: Output,
    wanted: impl Fn(&LabRecord) -> Result<Operation, CliError>,
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
