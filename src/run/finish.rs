//! What is done when a run is over and its lab still stands: logs are collected, and everything that was
//! written is searched for passwords.

use std::collections::BTreeSet;

use super::RunError;
use super::dir::RunDir;
use super::journal::Lines;
use super::search::search;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::history::Event;
use crate::lab::names;
use crate::lab::record::Record;
use crate::model::{LabSpec, Name, Service};

/// Keeps what every member of these records wrote since the wall clock second `since`: a lab may have seen runs
/// before, and members come and go.
///
/// # Errors
/// When a file cannot be written.
pub async fn collect_logs(
    docker: &Docker,
    spec: &LabSpec,
    records: [&Record; 2],
    since: i64,
    dir: &RunDir,
) -> Result<(), RunError> {
    let members = records.into_iter().flat_map(|record| &record.members).map(|member| member.id.clone());
    let mut members: BTreeSet<Name> = members.collect();
    members.extend((!spec.controllers.is_empty()).then(|| Name::from(Service::Broker)));
    for member in members {
        let name = names::container(spec.name.as_str(), member.as_str());
        let text = match docker.logs_since(&name, since).await {
            Ok(text) => text,
            // a body that is gone has no logs any more; the directory says so
            Err(error) => format!("no logs: {error}\n"),
        };
        dir.write(&format!("logs/{member}.log"), text)?;
    }
    Ok(())
}

/// Searches every file of the run for the lab's passwords, and writes down what it found.
///
/// # Errors
/// When a file cannot be read or the journal not be written.
pub fn search_all(record: &Record, dir: &RunDir, history: &Lines) -> Result<(), RunError> {
    let secrets = &record.secrets;
    let secrets = [
        &secrets.superuser,
        &secrets.replicator,
        &secrets.rewind,
        &secrets.application,
        &secrets.rest,
        &secrets.broker,
    ];
    let found = search(dir.path(), &secrets.map(String::as_str))?;
    history.event(&Event::Searched { t: clock::now(), files: found.files, found: found.found })?;
    Ok(())
}
