//! What a run was made of: lab, versions, images, machine.

use std::collections::BTreeMap;

use super::RunError;
use super::calibration;
use super::order::Order;
use crate::engine::checkout;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::lab::record::LabRecord;
use crate::lab::{images, names, up};
use crate::model::Service;
use crate::model::run::Resolved;

/// Everything about this run that is not in its scenario.
///
/// # Errors
/// When the engine does not answer.
pub async fn resolved(
    docker: &Docker,
    order: &Order,
    record: &LabRecord,
    images: &images::References,
    run: &str,
) -> Result<Resolved, RunError> {
    let info = docker.info().await?;
    let mut machine = BTreeMap::from([
        ("engine".to_owned(), info.version.into()),
        ("engine-api".to_owned(), info.api.into()),
        ("cgroup".to_owned(), info.cgroup.into()),
        ("kernel".to_owned(), info.kernel.into()),
        ("system".to_owned(), info.system.into()),
        ("storage".to_owned(), info.storage.into()),
        ("cpus".to_owned(), info.cpus.into()),
        ("memory-bytes".to_owned(), info.memory.into()),
    ]);
    machine.extend(calibration::measure(docker, record).await);
    Ok(Resolved {
        schema_version: Resolved::SCHEMA,
        edition: Resolved::EDITION,
        run: Some(run.to_owned()),
        scenario: order.scenario.name.clone(),
        preset: order.preset.clone(),
        seed: order.seed,
        lab: record.spec.clone(),
        members: record.members.clone(),
        started: clock::utc_now(),
        boot_id: clock::boot_id(),
        versions: versions(docker, record).await,
        images: up::image_ids(docker, images).await?,
        machine,
        pgha: env!("CARGO_PKG_VERSION").to_owned(),
        commit: checkout::commit(&order.program).await,
    })
}

/// Versions as the programs report them; one that does not answer is left out.
async fn versions(docker: &Docker, record: &LabRecord) -> BTreeMap<String, String> {
    let asked = [
        (Service::Postgres, "patroni", vec!["patroni", "--version"]),
        (Service::Etcd, "etcd", vec!["etcd", "--version"]),
        (Service::Balancer, "haproxy", vec!["haproxy", "-v"]),
    ];
    let mut versions = BTreeMap::new();
    for (service, name, command) in asked {
        let Some((member, _)) = record.of(service).next() else { continue };
        let container = names::container(record.spec.name.as_str(), member.id.as_str());
        let command: Vec<String> = command.into_iter().map(str::to_owned).collect();
        if let Ok(output) = docker.exec(&container, &command).await
            && let Some(line) = output.stdout.lines().next()
        {
            versions.insert(name.to_owned(), line.to_owned());
        }
    }
    versions.insert("postgresql".to_owned(), record.spec.images.postgres.to_string());
    versions
}
