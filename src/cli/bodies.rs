//! `logs` and `exec`: looking into one member.

use std::time::Duration;

use super::args::LabArgs;
use super::{CliError, Exit, settings};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::lab::names;
use crate::model::{Container, Name};

/// Pause between two looks whether anybody reads what is printed.
const READER_LOOK_PAUSE: Duration = Duration::from_millis(200);

/// The container of a member, or an error that names those that are there.
async fn container(docker: &Docker, args: &LabArgs, member: &Name) -> Result<Container, CliError> {
    let lab = settings::lab_name(args)?;
    for name in [names::container(&lab, member.as_str()), names::sandbox(&lab, member.as_str())] {
        match docker.inspect(&name).await {
            Ok(found) => return Ok(found),
            Err(EngineError::NotFound(_)) => {}
            Err(other) => return Err(other.into()),
        }
    }
    let seen = docker.observe(Some(&lab)).await?;
    let known: Vec<&str> = seen.containers.values().filter_map(Container::member).collect();
    Err(CliError::usage(
        format!("lab `{lab}` has no member `{member}`"),
        if known.is_empty() {
            "it is not up: `pgha up`".to_owned()
        } else {
            format!("members: {}", known.join(", "))
        },
    ))
}

/// `pgha logs`
pub async fn logs(args: &LabArgs, member: &Name, follow: bool, tail: u32) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let container = container(&docker, args, member).await?;
    if follow {
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {}
            () = reader_gone() => {}
            outcome = docker.follow_logs(&container.id, tail, |chunk| print!("{chunk}")) => outcome?,
        }
    } else {
        print!("{}", docker.logs(&container.id, Some(tail)).await?);
    }
    Ok(Exit::Done)
}

/// Waits until nobody reads what is printed.
async fn reader_gone() {
    while !super::out::gone() {
        clock::sleep(READER_LOOK_PAUSE).await;
    }
}

/// `pgha exec`
pub async fn exec(args: &LabArgs, member: &Name, command: &[String]) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    let container = container(&docker, args, member).await?;
    let output = docker.exec(&container.id, command).await?;
    print!("{}", output.stdout);
    eprint!("{}", output.stderr);
    Ok(u8::try_from(output.code)
        .map_or(Exit::Software, |code| if code == 0 { Exit::Done } else { Exit::Other(code) }))
}
