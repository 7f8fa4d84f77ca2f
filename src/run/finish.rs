//! What is done when a run is over and its lab still stands: logs are collected, and everything that was
//! written is searched for passwords.

use super::RunError;
use super::dir::RunDir;
use super::journal::Lines;
use super::search::search;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::history::Event;
use crate::lab::names;
use crate::lab::record::Record;
use crate::model::{Name, Service};

/// Keeps what every member wrote since the wall clock second `since`: a lab may have seen runs before.
///
/// # Errors
/// When a file cannot be written.
pub async fn collect_logs(
    docker: &Docker,
    record: &Record,
    since: i64,
    dir: &RunDir,
) -> Result<(), RunError> {
    let broker = (!record.spec.controllers.is_empty()).then(|| Name::from(Service::Broker));
    for member in record.members.iter().map(|member| &member.id).chain(broker.as_ref()) {
        let name = names::container(record.spec.name.as_str(), member.as_str());
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
