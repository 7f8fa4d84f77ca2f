//! What needs controllers: whether it may be asked of a lab, and waiting until it is done. Nothing is printed here: what
//! controllers say meanwhile goes to whoever listens.

use std::time::Duration;

use crate::decide::placement;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::ready::{ReadyWhen, not_ready};
use crate::lab::record::{self, LabRecord};
use crate::lab::{LabError, names, reach};
use crate::model::body::DATA_PATH;
use crate::model::lab::controller_of;
use crate::model::plan::Operation;
use crate::model::scaling::SizeWish;
use crate::model::{Member, MemberId, Mono, Name, Service, Sighting, Size, Span};

/// Pause between two looks at members.
const MEMBERS_PAUSE: Duration = Duration::from_secs(1);
/// Pause between two looks at sizes and numbers.
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// Why something cannot be asked for, and what helps.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CannotBeAsked {
    /// What is wrong.
    pub message: String,
    /// What helps.
    pub hint: String,
}

impl CannotBeAsked {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// How waiting ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaitEnd<T> {
    /// It is done: what there is now, and after how long.
    Done(T, Duration),
    /// It is not done, and the wait is over: what there is now.
    TooLong(T),
}

/// Whether this member is one of those.
///
/// # Errors
/// That there is none of that name, with the names there are; `what` they are, for a person.
pub fn known<'a>(
    lab: &Name,
    who: &MemberId,
    among: impl Iterator<Item = &'a Member>,
    what: &str,
) -> Result<(), CannotBeAsked> {
    let members: Vec<&str> = among.map(|member| member.id.as_str()).collect();
    if members.contains(&who.as_str()) {
        return Ok(());
    }
    let message = format!("lab `{lab}` has no {what} `{who}`");
    Err(CannotBeAsked::new(message, format!("members: {}", members.join(", "))))
}

/// Whether a PostgreSQL of the lab has this name.
///
/// # Errors
/// That none has.
pub fn instance(record: &LabRecord, who: &MemberId) -> Result<(), CannotBeAsked> {
    let instances = record.of(Service::Postgres).map(|(member, _)| member);
    known(&record.spec.name, who, instances, "PostgreSQL member")
}

fn needs_controllers(record: &LabRecord, what: &str, preset: &str) -> Result<(), CannotBeAsked> {
    if !record.spec.controllers.is_empty() {
        return Ok(());
    }
    let message = format!("lab `{}` has no controllers: nobody would {what}", record.spec.name);
    Err(CannotBeAsked::new(message, format!("found it with {preset}")))
}

/// What asks for a member to be replaced.
///
/// # Errors
/// Why nobody would do it.
pub fn replacement(record: &LabRecord, who: &MemberId) -> Result<Operation, CannotBeAsked> {
    needs_controllers(record, &format!("replace {who}"), "one: `pgha up --preset repair`")?;
    let replaced = |member: &&Member| !matches!(member.service, Service::Client | Service::Broker);
    let among = record.members.iter().filter(replaced);
    known(&record.spec.name, who, among, "member that could be replaced")?;
    Ok(Operation::Replace { members: vec![who.clone()] })
}

/// What asks for another size of a member, and the size it would have.
///
/// # Errors
/// Why nobody would do it, or why it cannot be.
pub fn size(record: &LabRecord, who: &MemberId, wish: SizeWish) -> Result<(Operation, Size), CannotBeAsked> {
    needs_controllers(record, &format!("resize {who}"), "one that scales: `pgha up --preset zerops-2022`")?;
    known(&record.spec.name, who, record.members.iter(), "member")?;
    let member = record.members.iter().find(|member| member.id == *who);
    let Some(member) = member else { return Err(CannotBeAsked::new("no such member", "`pgha status`")) };
    let to = wish.of(member.size);
    if to == member.size {
        let hint = "name another: --cpu, --memory or --disk; `pgha status` shows what it has";
        return Err(CannotBeAsked::new(format!("{who} has that size"), hint));
    }
    placement::resizable(&record.spec, &record.members, member, &to).map_err(|why| {
        let message = format!("{who} cannot have that size: {why}");
        CannotBeAsked::new(message, "`pgha status` shows who has what")
    })?;
    Ok((Operation::Resize { members: vec![who.clone()], size: wish }, to))
}

/// A service whose number changes, and how people call its bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Countable {
    /// What its bodies do.
    pub service: Service,
    /// Several of it, in words.
    pub plural: &'static str,
}

/// What asks for another number of bodies.
///
/// # Errors
/// Why nobody would do it, or why it cannot be.
pub fn count(
    record: &LabRecord,
    service: &Name,
    count: u32,
) -> Result<(Operation, Countable), CannotBeAsked> {
    let Some(service) = Service::sized(service.as_str()) else {
        let message = format!("the number of `{service}` does not change");
        return Err(CannotBeAsked::new(
            message,
            "`pgha scale postgres COUNT` or `pgha scale balancer COUNT`",
        ));
    };
    needs_controllers(record, "change a number", "those that do: `pgha up --preset zerops-2022`")?;
    let (plural, limits) = match service {
        Service::Balancer => ("balancers", "balancers.instances"),
        _ => ("instances", "postgres.instances"),
    };
    record.spec.may_have(service, count).map_err(|why| {
        let hint = format!("`{limits}` in the lab file has the limits; they are fixed when it is founded");
        CannotBeAsked::new(why, hint)
    })?;
    Ok((Operation::Scale { service, count }, Countable { service, plural }))
}

/// Waits until a member is gone; who took its place, if anybody did. `say` hears what active controllers say.
///
/// # Errors
/// When the lab cannot be looked at.
pub async fn until_replaced(
    docker: &Docker,
    before: &LabRecord,
    who: &MemberId,
    wait: Span,
    say: impl Fn(&str),
) -> Result<WaitEnd<Option<MemberId>>, LabError> {
    let (began, mut told) = (clock::now(), Told::default());
    loop {
        let now = record::require(docker, before.spec.name.as_str()).await?;
        if now.members.iter().all(|member| member.id != *who) {
            let new = now.members.iter().find(|member| before.members.iter().all(|old| old.id != member.id));
            return Ok(WaitEnd::Done(new.map(|member| member.id.clone()), since(began)));
        }
        told.tell(&reach::look(docker, &now).await?, &say);
        if since(began) > wait.0 {
            return Ok(WaitEnd::TooLong(None));
        }
        clock::sleep(MEMBERS_PAUSE).await;
    }
}

/// Waits until a member has a size, by the record and by what the engine says of its body.
///
/// # Errors
/// When the lab cannot be looked at.
pub async fn until_resized(
    docker: &Docker,
    lab: &Name,
    who: &MemberId,
    to: Size,
    wait: Span,
) -> Result<WaitEnd<()>, LabError> {
    let (began, container) = (clock::now(), names::container(lab.as_str(), who.as_str()));
    loop {
        let now = record::require(docker, lab.as_str()).await?;
        let given = now.members.iter().find(|member| member.id == *who).map(|member| member.size);
        // the record says so first, then it is done
        let usage = if given == Some(to) { docker.usage(&container, DATA_PATH).await.ok() } else { None };
        if usage.is_some_and(|usage| usage.differs(&to).is_none()) {
            return Ok(WaitEnd::Done((), since(began)));
        }
        if since(began) > wait.0 {
            return Ok(WaitEnd::TooLong(()));
        }
        clock::sleep(RECORD_PAUSE).await;
    }
}

/// Waits until there are so many bodies of a service and all of them are ready; who they are. `say` hears what active
/// controllers say.
///
/// # Errors
/// When the lab cannot be looked at.
pub async fn until_scaled(
    docker: &Docker,
    lab: &Name,
    service: Service,
    count: u32,
    wait: Span,
    say: impl Fn(&str),
) -> Result<WaitEnd<Vec<String>>, LabError> {
    let (began, mut told) = (clock::now(), Told::default());
    loop {
        let now = record::require(docker, lab.as_str()).await?;
        let members: Vec<String> = now.of(service).map(|(member, _)| member.id.to_string()).collect();
        let sighting = reach::look(docker, &now).await?;
        let waiting = not_ready(&now.members, ReadyWhen::of(&now.spec), &sighting);
        if members.len() == count as usize && now.leaving().is_empty() && waiting.is_empty() {
            return Ok(WaitEnd::Done(members, since(began)));
        }
        told.tell(&sighting, &say);
        if since(began) > wait.0 {
            return Ok(WaitEnd::TooLong(members));
        }
        clock::sleep(RECORD_PAUSE).await;
    }
}

fn since(began: Mono) -> Duration {
    clock::now().since(began)
}

/// What active controllers say, once.
#[derive(Default)]
struct Told(String);

impl Told {
    fn tell(&mut self, sighting: &Sighting, say: impl Fn(&str)) {
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
            say(&says);
            self.0 = says;
        }
    }
}
