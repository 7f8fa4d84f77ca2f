//! `status`: hosts × services as a table, or as JSON.

use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::args::{LabArgs, Output};
use super::screen::{self, After, Key, Screen};
use super::{CliError, Exit, faults, settings};
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::down::labs;
use crate::lab::status as look;
use crate::model::status::{MemberStatus, Status};
use crate::model::{Bytes, FaultRecord};
use crate::view::{Story, ViewLook};

/// How a lab is looked at again and again.
#[derive(Clone, Copy, Debug)]
pub struct StatusWatch {
    /// In lines, also on a terminal.
    pub plain: bool,
}

/// Pause between two looks.
const AGAIN: Duration = Duration::from_secs(1);
/// What keys do while a lab is watched.
const KEYS: &str = "q or Ctrl-C: leave";

/// `pgha status`
pub async fn status(
    args: &LabArgs,
    output: Output,
    watch: Option<StatusWatch>,
    all: bool,
) -> Result<Exit, CliError> {
    let docker = super::engine().await?;
    if all {
        let labs = labs(&docker).await?;
        match output {
            Output::Text => labs.iter().for_each(|lab| println!("{lab}")),
            Output::Json => println!("{}", serde_json::json!({ "schema_version": 1, "labs": labs })),
        }
        return Ok(Exit::Done);
    }
    let lab = settings::lab_name(args)?;
    if let Some(StatusWatch { plain }) = watch
        && output == Output::Text
        && let Some(look) = screen::look(plain)
    {
        return Box::pin(on_screen(&docker, &lab, look)).await;
    }
    loop {
        let (status, on) = once(&docker, &lab).await?;
        match output {
            Output::Json if watch.is_some() => println!("{}", json(&status, &on, false)?),
            Output::Json => println!("{}", json(&status, &on, true)?),
            Output::Text => {
                println!("{}", text(&status));
                for fault in &on {
                    println!("fault on: {}", faults::line(fault));
                }
            }
        }
        if watch.is_none() || super::out::gone() {
            return Ok(Exit::Done);
        }
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
            () = clock::sleep(AGAIN) => {}
        }
    }
}

/// One look at a lab, and the faults that are on.
async fn once(docker: &Docker, lab: &str) -> Result<(Status, Vec<FaultRecord>), CliError> {
    Ok((look::status(docker, lab).await?, faults::on(docker, lab).await?))
}

/// Watches a lab on a terminal until somebody leaves. What cannot be seen is shown, and looked at again.
async fn on_screen(docker: &Docker, lab: &str, look: ViewLook) -> Result<Exit, CliError> {
    let began = clock::now();
    // a lab that is not there is an error, not an empty view
    let mut seen = Some(once(docker, lab).await?);
    let leaving = watch::Sender::new(false);
    let (mut left, leave) = (leaving.subscribe(), leaving.clone());
    let on_key = move |_: Key, _: &mut Story| {
        leave.send_replace(true);
        After::Ends
    };
    let Some(screen) = Screen::open(Story::new(format!("lab {lab}"), KEYS), look, on_key) else {
        return Err(CliError::usage("this terminal cannot show a view", "`--plain` prints lines"));
    };
    let failed = |error: std::io::Error| CliError::usage(format!("signals cannot be handled: {error}"), "");
    let mut term = signal(SignalKind::terminate()).map_err(failed)?;
    loop {
        if let Some((status, on)) = seen.take() {
            let at = clock::now().since(began).as_secs_f64();
            let on = on.iter().map(faults::in_short).collect();
            screen.change(move |story| story.look(at, status, on));
        }
        tokio::select! {
            biased;
            _ = left.wait_for(|left| *left) => break,
            _ = tokio::signal::ctrl_c() => break,
            _ = term.recv() => break,
            looked = async {
                clock::sleep(AGAIN).await;
                once(docker, lab).await
            } => match looked {
                Ok(looked) => seen = Some(looked),
                Err(error) => {
                    let why = error.to_string();
                    screen.change(move |story| story.cannot_look(&why));
                }
            },
        }
    }
    screen.close();
    Ok(Exit::Done)
}

fn json(status: &Status, on: &[FaultRecord], pretty: bool) -> Result<String, CliError> {
    let with_faults = serde_json::to_value(status).map(|mut value| {
        value["faults"] = faults::as_json(on).into();
        value
    });
    let text = with_faults.and_then(|value| {
        if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }
    });
    text.map_err(|error| CliError::usage(format!("the status cannot be written: {error}"), ""))
}

fn text(status: &Status) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "MEMBER", "HOST", "STATE", "ROLE", "TIMELINE", "LAG", "CPU", "MEMORY", "DISK", "WORK", "ROUTES",
    ]);
    for member in &status.members {
        table.add_row(row(member));
    }
    let spare: Vec<&str> =
        status.hosts.iter().filter(|host| host.carries.is_empty()).map(|host| host.name.as_str()).collect();
    let mut lines = vec![
        format!(
            "lab {}{}: {}",
            status.lab,
            status.preset.as_ref().map_or_else(String::new, |preset| format!(" (preset {preset})")),
            if status.ready { "ready" } else { "not ready" }
        ),
        table.to_string(),
    ];
    if !spare.is_empty() {
        lines.push(format!("spare hosts: {}", spare.join(", ")));
    }
    for member in &status.members {
        // one that cannot ask who is the active one says so
        let speaking = member.controller.as_ref().filter(|seen| seen.active || !seen.alarms.is_empty());
        let Some(seen) = speaking else { continue };
        let subject = seen.subject.as_ref().map_or_else(String::new, |subject| format!(" {subject}"));
        lines.push(format!("{}: {}{subject}: {}", member.name, seen.step, seen.reason));
        lines.extend(seen.expects.iter().map(|said| format!("{}: expects {said}", member.name)));
        lines.extend(
            seen.not_done
                .iter()
                .map(|last| format!("{}: {} was not done: {}", member.name, last.deed, last.why)),
        );
        lines.extend(seen.alarms.iter().map(|alarm| format!("{}: ALARM: {alarm}", member.name)));
    }
    for (member, why) in &status.waiting {
        lines.push(format!("not ready: {member}: {why}"));
    }
    lines.join("\n")
}

fn row(member: &MemberStatus) -> Vec<String> {
    let dash = || "-".to_owned();
    let routes = match (&member.routes_rw, &member.routes_ro) {
        (Some(rw), Some(ro)) => {
            let list = |hosts: &[crate::model::HostName]| {
                if hosts.is_empty() {
                    "none".to_owned()
                } else {
                    hosts.iter().map(crate::model::HostName::as_str).collect::<Vec<_>>().join(",")
                }
            };
            format!("5432 to {}; 5433 to {}", list(rw), list(ro))
        }
        _ => dash(),
    };
    vec![
        member.name.to_string(),
        member.host.to_string(),
        member.state.clone(),
        member.role.clone().unwrap_or_else(dash),
        member.timeline.map_or_else(dash, |timeline| timeline.to_string()),
        member.lag_bytes.map_or_else(dash, |bytes| format!("{bytes} B")),
        cores(member),
        of(member.memory_used, member.size.memory),
        if member.size.disk.0 == 0 { dash() } else { of(member.disk_used, member.size.disk) },
        member.work.map_or_else(dash, |work| work.to_string()),
        routes,
    ]
}

/// Cores it uses of those it has, and those it is kept from.
fn cores(member: &MemberStatus) -> String {
    let all = member.size.cpus;
    let Some(used) = member.cpu_used else { return all.to_string() };
    let held_back = member.cpu_held_back.filter(|cores| *cores >= 0.005);
    held_back.map_or_else(
        || format!("{used:.2} of {all}"),
        |cores| format!("{used:.2} of {all}, {cores:.2} held back"),
    )
}

/// What is used of what there is, where it is known.
fn of(used: Option<Bytes>, all: Bytes) -> String {
    used.map_or_else(|| all.to_string(), |used| format!("{} of {all}", Bytes::mib(used.as_mib())))
}
