//! `up`: make the lab of a spec, or add what it lacks. Reads as: place, images, found, wait.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::lab_hands::DockerHands;
use super::news::{self, News};
use super::ready::{BodyDown, NotReady, ReadyWhen, in_words, not_ready};
use super::record::{self, LabRecord};
use super::wiring::{network_is_back, overlaps};
use super::{LabError, images, names, reach};
use crate::decide::found::found;
use crate::decide::placement;
use crate::drive::{Progress, drive};
use crate::engine::clock;
use crate::engine::docker::{Docker, EngineError};
use crate::model::body::LABEL_LAB;
use crate::model::lab::Desired;
use crate::model::self_report::files_for;
use crate::model::{Action, Container, ContainerStatus, ImageRole, LabSpec, Name, Service, Sighting, Span};

/// What `up` is asked for.
#[derive(Clone, Debug)]
pub struct UpOrder {
    /// The lab.
    pub spec: LabSpec,
    /// The preset it came from, for the record; `None` when the lab file stands alone.
    pub preset: Option<Name>,
    /// The binary that goes into the client.
    pub program: PathBuf,
    /// Longest wait for readiness, from the moment every body runs.
    pub wait: Span,
}

/// What `up` made.
#[derive(Clone, Debug, PartialEq)]
pub struct StandingLab {
    /// The lab's record.
    pub record: LabRecord,
    /// Image references.
    pub images: images::References,
    /// Why volumes have no size of their own, when they have none.
    pub plain_volumes: Option<String>,
    /// From the start of `up` to readiness.
    pub took: Duration,
    /// Containers that were created.
    pub created: usize,
}

/// Makes the lab, or adds what it lacks, and waits until it is ready.
///
/// # Errors
/// See [`LabError`]; nothing is removed on failure, `up` can be repeated.
pub async fn up(
    docker: &Docker,
    order: &UpOrder,
    news: &(impl Fn(News) + Sync),
) -> Result<StandingLab, LabError> {
    let started = clock::now();
    let planned = plan(docker, order).await?;
    let images = images::ensure(docker, &order.spec.images, &order.program, news).await?;
    enough_files(docker, &order.spec, &images).await?;
    let (record, founds) = Box::pin(agree(docker, order, &images, planned)).await?;
    let world = record::world(&record);
    let lab = order.spec.name.as_str();
    if !founds {
        disks_are_back(docker, lab, &images, news).await?;
    }
    network_is_back(docker, &record, &world.bodies, news).await?;
    let hands = DockerHands::new(docker.clone(), lab.to_owned(), images.clone());
    let mut created = 0;
    drive(
        &hands,
        |seen| found(&world, seen),
        |progress| match progress {
            Progress::Decided(decision) => tracing::debug!(reason = decision.reason, "decided"),
            Progress::Did(action) => {
                created += usize::from(matches!(action, Action::EnsureCreated { .. }));
                news(news::did(&action));
            }
            Progress::Failed(action, error) => news(news::failed(&action, &error)),
        },
    )
    .await?;
    if founds {
        is_ours(docker, &record).await?;
    }
    wait_ready(docker, &record, order.wait, news).await?;
    let took = clock::now().since(started);
    Ok(StandingLab { record, images, plain_volumes: hands.plain_reason(), took, created })
}

/// Gives the disks of a lab that stands still their devices back: they are gone when the machine was started anew.
async fn disks_are_back(
    docker: &Docker,
    lab: &str,
    images: &images::References,
    news: &(impl Fn(News) + Sync),
) -> Result<(), LabError> {
    let seen = docker.observe(Some(lab)).await?;
    let all_run = seen.containers.values().all(|container| container.status == ContainerStatus::Running);
    let Some(helper) = images.get(&ImageRole::Host).filter(|_| !all_run) else { return Ok(()) };
    let found = docker.reattach_disks(lab, helper, &names::disks(lab)).await?;
    if !found.back.is_empty() {
        news(News::Step(format!("attached again: {}", found.back.join(", "))));
    }
    if let Some((disk, device)) = found.taken.first() {
        return Err(LabError::DeviceTaken {
            lab: lab.to_owned(),
            disk: disk.clone(),
            device: device.clone(),
        });
    }
    Ok(())
}

/// Writes down what this `up` wants, before a body is made for it; whether it founds the lab. Controllers write the record,
/// too, and so may another `up`: where one did meanwhile, what is wanted is planned anew. Where nothing is new nothing is
/// written.
async fn agree(
    docker: &Docker,
    order: &UpOrder,
    images: &images::References,
    planned: (LabRecord, Option<LabRecord>),
) -> Result<(LabRecord, bool), LabError> {
    const ATTEMPTS: usize = 5;
    let (mut record, mut known) = planned;
    for _ in 0..ATTEMPTS {
        if known.is_none() {
            claim_subnet(docker, &mut record).await?;
        }
        record.images.clone_from(images);
        let Some(before) = known else { return Ok((record, true)) };
        if before == record {
            return Ok((record, false));
        }
        match record::replace(docker, &before, &record).await {
            Ok(()) => return Ok((record, false)),
            Err(LabError::Moved(why)) => tracing::info!(why, "what is wanted is planned anew"),
            Err(other) => return Err(other),
        }
        (record, known) = plan(docker, order).await?;
    }
    Err(LabError::Moved(format!("the record of lab `{}` is written again and again", order.spec.name)))
}

/// Whether the lab that was founded has this record: another `up` may have made its client first.
async fn is_ours(docker: &Docker, record: &LabRecord) -> Result<(), LabError> {
    let lab = record.spec.name.as_str();
    let now = record::require(docker, lab).await?;
    let ours = now.token == record.token;
    let said = || format!("another `up` founded lab `{lab}` at the same time, with other passwords");
    if ours { Ok(()) } else { Err(LabError::Moved(format!("{}: take it down first", said()))) }
}

/// The record this `up` works by, and the lab's own when it stands.
async fn plan(docker: &Docker, order: &UpOrder) -> Result<(LabRecord, Option<LabRecord>), LabError> {
    let spec = &order.spec;
    let lab = spec.name.as_str();
    let unplaceable = |error: placement::Unplaceable| LabError::Unplaceable(error.to_string());
    let mut wanted = Desired::founding(spec);
    if let Some(known) = record::read(docker, lab).await? {
        // names of those who left are not used again
        wanted.without.clone_from(&known.desired.without);
        // how many there are is the controllers' business once they stand
        for (service, same) in [
            (Service::Postgres, known.spec.postgres.instances == spec.postgres.instances),
            (Service::Balancer, known.spec.balancers.instances == spec.balancers.instances),
        ] {
            wanted.counts.extend(known.desired.counts.get_key_value(&service).filter(|_| same));
        }
        if let Some(difference) = difference(&known, spec, &wanted) {
            let difference = difference + &age(&known, env!("CARGO_PKG_VERSION"));
            return Err(LabError::Differs { lab: lab.to_owned(), difference });
        }
        // one that is missing joins its cluster by whoever replaces it; founded, it would begin another
        let voters = u32::try_from(known.of(Service::Etcd).count()).unwrap_or(u32::MAX);
        let mut now = wanted.clone();
        now.counts.insert(Service::Etcd, voters);
        let mut members = placement::place(spec, &now, &known.members).map_err(unplaceable)?;
        // who is about to leave is there until whoever sees it out has done so
        let leaving = known.leaving();
        members.extend(known.members.iter().filter(|member| leaving.contains(&member.id)).cloned());
        placement::sort(&mut members);
        let generation = known.desired.generation + u64::from(known.desired.counts != wanted.counts);
        let desired = Desired { generation, ..wanted };
        let record =
            LabRecord { spec: spec.clone(), desired, members, preset: order.preset.clone(), ..known.clone() };
        return Ok((record, Some(known)));
    }
    let members = placement::place(spec, &wanted, &[]).map_err(unplaceable)?;
    let seen = docker.observe(Some(lab)).await?;
    let with_passwords = |service: Option<&str>| !matches!(service, Some("host" | "client" | "helper"));
    if seen.containers.values().any(|container| with_passwords(container.service())) {
        return Err(LabError::NoRecord(lab.to_owned()));
    }
    let subnet = match seen.networks.get(&names::network(lab)) {
        Some(subnet) => names::network_address(subnet),
        None if spec.network.subnet == "auto" => names::free_subnet(&docker.subnets().await?),
        None => names::network_address(&spec.network.subnet),
    };
    let subnet = subnet.ok_or_else(|| LabError::Unplaceable("no /24 of 198.18.0.0/15 is free".to_owned()))?;
    let record = LabRecord {
        schema_version: record::SCHEMA,
        pgha: Some(env!("CARGO_PKG_VERSION").to_owned()),
        preset: order.preset.clone(),
        spec: spec.clone(),
        subnet,
        desired: wanted,
        members,
        secrets: record::new_secrets(),
        token: record::new_token(lab),
        images: BTreeMap::new(),
    };
    Ok((record, None))
}

/// Makes the network of a new lab whose subnet is not fixed. Another lab may have taken the subnet since
/// the plan was made: then the next free one is tried.
async fn claim_subnet(docker: &Docker, record: &mut LabRecord) -> Result<(), LabError> {
    const ATTEMPTS: usize = 16;
    let network = names::network(record.spec.name.as_str());
    let fixed = record.spec.network.subnet != "auto";
    if fixed || docker.observe(Some(record.spec.name.as_str())).await?.networks.contains_key(&network) {
        return Ok(());
    }
    let labels = BTreeMap::from([(LABEL_LAB.to_owned(), record.spec.name.to_string())]);
    let mut taken = docker.subnets().await?;
    for _ in 0..ATTEMPTS {
        record.subnet = names::free_subnet(&taken)
            .ok_or_else(|| LabError::Unplaceable("no /24 of 198.18.0.0/15 is free".to_owned()))?;
        match docker.create_network(&network, record.subnet, &labels).await {
            Err(EngineError::Refused(why)) if overlaps(&why) => {
                taken = docker.subnets().await?;
                // an engine that refuses what it does not list must not be asked for the same again
                taken.push(format!("{}/24", record.subnet));
            }
            made => return made.map(|_| ()).map_err(LabError::from),
        }
    }
    Err(LabError::Unplaceable("every subnet that looked free was taken at once by somebody else".to_owned()))
}

/// What keeps a standing lab from becoming this spec without removals; `None` when nothing does.
fn difference(known: &LabRecord, spec: &LabSpec, wanted: &Desired) -> Option<String> {
    for (service, count) in &known.desired.counts {
        let now = wanted.counts.get(service).copied().unwrap_or(0);
        if now < *count {
            return Some(format!(
                "it has {count} {service}, this spec wants {now}, and without controllers nothing is removed"
            ));
        }
        if now > *count && *service == Service::Etcd {
            return Some("an etcd cluster does not grow without a controller".to_owned());
        }
    }
    // counts may grow; everything else is fixed when the lab is founded
    let fixed = |spec: &LabSpec| {
        let mut spec = spec.clone();
        spec.postgres.instances = crate::model::lab::Range::fixed(0);
        spec.balancers.instances = crate::model::lab::Range::fixed(0);
        spec
    };
    let (old, new) = (fixed(&known.spec), fixed(spec));
    if old == new {
        return None;
    }
    let sections = [
        ("images", old.images != new.images),
        ("network", old.network != new.network),
        ("hosts", old.hosts != new.hosts),
        ("etcd", old.etcd != new.etcd),
        ("postgres", old.postgres != new.postgres),
        ("balancers", old.balancers != new.balancers),
        ("controllers", old.controllers != new.controllers),
    ];
    let names: Vec<&str> = sections.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    Some(format!("the sections {} are not the same", names.join(", ")))
}

/// Who founded a lab, where that was no program of this version: its defaults may have been others.
fn age(known: &LabRecord, ours: &str) -> String {
    match &known.pgha {
        Some(theirs) if theirs == ours => String::new(),
        Some(theirs) => format!("; pgha {theirs} founded it, and this is {ours}"),
        None => format!("; pgha 0.2.0 or older founded it, and this is {ours}"),
    }
}

/// Whether a standing lab is what `spec` asks for, body for body and as large as they begin.
#[must_use]
pub fn fits(known: &LabRecord, spec: &LabSpec) -> bool {
    let wanted = Desired::founding(spec);
    let fresh = known.members.iter().all(|member| member.size == spec.start_size(member.service));
    fresh && known.desired.counts == wanted.counts && difference(known, spec, &wanted).is_none()
}

/// Waits until nobody is left who is not ready.
async fn wait_ready(
    docker: &Docker,
    record: &LabRecord,
    wait: Span,
    news: &(impl Fn(News) + Sync),
) -> Result<(), LabError> {
    let deadline = clock::now().plus(wait.0);
    let lab = record.spec.name.as_str();
    let plan = reach::watch_plan(record, Span::millis(400), None, false);
    let mut watch = reach::start(docker, lab, "watch", &plan).await?;
    let mut last: Vec<NotReady> = Vec::new();
    loop {
        let left = deadline.since(clock::now());
        let line = match clock::timeout(left, watch.next_line()).await {
            Err(_) => return Err(timed_out(docker, record, wait, &last).await),
            Ok(line) => line?,
        };
        let Some(line) = line else {
            return Err(LabError::Client(format!("the sampler ended: {}", watch.stderr().trim())));
        };
        let sighting: Sighting =
            serde_json::from_str(&line).map_err(|error| LabError::Client(format!("{error} in `{line}`")))?;
        let waiting = not_ready(&record.members, ReadyWhen::of(&record.spec), &sighting);
        if waiting.is_empty() {
            watch.close_input().await;
            return Ok(());
        }
        if waiting != last {
            news(News::Waiting(waiting.clone()));
            last = waiting;
        }
        if deadline <= clock::now() {
            return Err(timed_out(docker, record, wait, &last).await);
        }
    }
}

/// Names everyone who is not ready, and bodies that do not run with their last words.
async fn timed_out(docker: &Docker, record: &LabRecord, wait: Span, last: &[NotReady]) -> LabError {
    let mut down = Vec::new();
    if let Ok(seen) = docker.observe(Some(record.spec.name.as_str())).await {
        for container in seen.containers.values().filter(|one| one.status != ContainerStatus::Running) {
            down.push(last_of(docker, container).await);
        }
    }
    LabError::NotReady { after: wait.to_string(), who: in_words(last, &down) }
}

/// How a body that does not run is, and what it wrote last.
async fn last_of(docker: &Docker, container: &Container) -> BodyDown {
    const LINES: u32 = 20;
    let member = container.member().unwrap_or(&container.name).to_owned();
    let now = docker.inspect(&container.name).await;
    let state = match &now {
        Ok(now) if now.status == ContainerStatus::Exited && now.oom_killed => {
            "ended: killed for memory".to_owned()
        }
        Ok(now) if now.status == ContainerStatus::Exited => format!("ended with exit code {}", now.exit_code),
        _ => format!("its container is {}", container.status.as_str()),
    };
    let log = docker.last_words(&container.name, LINES).await.unwrap_or_else(|error| error.to_string());
    BodyDown { member, state, log }
}

/// Whether the engine lets a balancer open as many files as its `maxconn` needs: asked of a container, because no
/// engine says it. What every kernel gives (`INR_OPEN_MAX`) is not asked for.
async fn enough_files(docker: &Docker, spec: &LabSpec, images: &images::References) -> Result<(), LabError> {
    const EVERYWHERE: u64 = 4096;
    let maxconn = spec.balancers.maxconn;
    let Some(image) = images.get(&ImageRole::Haproxy).filter(|_| files_for(maxconn) > EVERYWHERE) else {
        return Ok(());
    };
    let command = ["/bin/sh", "-c", "ulimit -Hn"].map(str::to_owned);
    let (_, said) = docker.run_once(image, &command).await?;
    too_few_files(maxconn, &said).map_or(Ok(()), |why| Err(LabError::Unplaceable(why)))
}

/// What is wrong when a process may open so many files, as a shell says it: a number, or `unlimited`.
fn too_few_files(maxconn: u32, limit: &str) -> Option<String> {
    let limit: u64 = limit.trim().parse().ok()?;
    let (needed, fits) = (files_for(maxconn), limit.saturating_sub(files_for(0)) / 2);
    (needed > limit).then(|| {
        format!(
            "balancers.maxconn = {maxconn} needs {needed} open files, two a session and {}, and this engine lets a \
             body open {limit}: maxconn = {fits} fits",
            files_for(0)
        )
    })
}

/// Image id of each role, for the record of a run.
///
/// # Errors
/// When the engine does not answer.
pub async fn image_ids(
    docker: &Docker,
    images: &images::References,
) -> Result<std::collections::BTreeMap<String, String>, LabError> {
    let mut ids = std::collections::BTreeMap::new();
    for (role, reference) in images {
        let role: &ImageRole = role;
        if let Some(id) = docker.image_id(reference).await? {
            ids.insert(role.as_str().to_owned(), id);
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_differs_says_which_version_founded_it() {
        let old = include_str!("../../tests/records/0.1.0.json");
        let mut known = record::parse("demo", old.as_bytes()).expect("a record");
        assert_eq!(age(&known, "9.9.9"), "; pgha 0.2.0 or older founded it, and this is 9.9.9");
        known.pgha = Some("9.9.8".to_owned());
        assert_eq!(age(&known, "9.9.9"), "; pgha 9.9.8 founded it, and this is 9.9.9");
        assert_eq!(age(&known, "9.9.8"), "");
    }

    #[test]
    fn a_balancer_needs_two_files_a_session() {
        let said = too_few_files(10_000, "20000\n").expect("too few");
        assert!(said.contains("needs 20064 open files") && said.contains("maxconn = 9968 fits"), "{said}");
        assert_eq!(too_few_files(9968, "20000\n"), None);
        assert_eq!(too_few_files(100_000, "unlimited\n"), None);
        // what cannot be read is no reason to refuse
        assert_eq!(too_few_files(100_000, "sh: not found"), None);
    }
}
