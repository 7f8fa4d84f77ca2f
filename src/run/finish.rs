//! What is done when a run is over and its lab still stands: logs are collected, and everything that was
//! written is searched for passwords.

use std::collections::{BTreeMap, BTreeSet};

use super::RunError;
use super::dir::RunDir;
use super::journal::Lines;
use super::search::search;
use crate::engine::clock;
use crate::engine::docker::Docker;
use crate::history::Event;
use crate::lab::names;
use crate::lab::record::LabRecord;
use crate::model::control::KeptLine;
use crate::model::{LabSpec, MemberId, Service};

/// Keeps what every member of these records wrote since the wall clock second `since`: a lab may have seen runs
/// before, and members come and go. Bytes of each log, by member.
///
/// # Errors
/// When a file cannot be written.
pub async fn collect_logs(
    docker: &Docker,
    spec: &LabSpec,
    records: [&LabRecord; 2],
    since: i64,
    dir: &RunDir,
) -> Result<BTreeMap<MemberId, u64>, RunError> {
    let members = records.into_iter().flat_map(|record| &record.members).map(|member| member.id.clone());
    let mut logs = BTreeMap::new();
    let broker = (!spec.controllers.is_empty()).then(|| MemberId::from(Service::Broker));
    for member in members.collect::<BTreeSet<MemberId>>().into_iter().chain(broker) {
        let name = names::container(spec.name.as_str(), member.as_str());
        logs.insert(member, docker.logs_since(&name, since).await.map_err(|error| error.to_string()));
    }
    for (member, said) in kept(&logs) {
        let now = logs.get(&member).and_then(|log| log.as_ref().ok()).map_or("", String::as_str);
        let all = said + now;
        logs.insert(member, Ok(all));
    }
    let mut bytes = BTreeMap::new();
    for (member, log) in logs {
        // a body that is gone has no logs any more; the directory says so
        let text = log.unwrap_or_else(|error| format!("no logs: {error}\n"));
        dir.write(&format!("logs/{member}.log"), &text)?;
        bytes.insert(member, text.len() as u64);
    }
    Ok(bytes)
}

/// Keeps what every body of a lab that did not get ready wrote. Nothing of this may hide why it did not.
pub async fn keep_logs(docker: &Docker, lab: &str, since: i64, dir: &RunDir) {
    let Ok(seen) = docker.observe(Some(lab)).await else { return };
    for container in seen.containers.values() {
        let Some(member) = container.member() else { continue };
        let text = docker.logs_since(&container.name, since).await;
        let text = text.unwrap_or_else(|error| format!("no logs: {error}\n"));
        if let Err(error) = dir.write(&format!("logs/{member}.log"), text) {
            tracing::warn!(%error, "the log of {member} cannot be kept");
        }
    }
}

/// What the broker kept of bodies that it removed, by member.
fn kept(logs: &BTreeMap<MemberId, Result<String, String>>) -> BTreeMap<MemberId, String> {
    let mut kept: BTreeMap<MemberId, String> = BTreeMap::new();
    let broker = logs.get(&MemberId::from(Service::Broker)).and_then(|log| log.as_ref().ok());
    for line in broker.into_iter().flat_map(|log| log.lines()) {
        if let Ok(KeptLine { kept: member, line }) = serde_json::from_str(line) {
            let log = kept.entry(member).or_default();
            log.push_str(&line);
            log.push('\n');
        }
    }
    kept
}

/// Searches every file of the run for the lab's passwords, and writes down what it found.
///
/// # Errors
/// When a file cannot be read or the journal not be written.
pub fn search_all(record: &LabRecord, dir: &RunDir, history: &Lines) -> Result<(), RunError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_broker_kept_of_a_body_is_found_again() {
        let name = |text: &str| MemberId::new(text).expect("a name");
        let log = concat!(
            r#"{"began":1,"at":2,"order":{},"answer":"done"}"#,
            "\n",
            r#"{"kept":"repair-1","line":"{\"entry\":\"decided\"}"}"#,
            "\n",
            r#"{"kept":"repair-1","line":"bye"}"#,
            "\nno JSON\n",
        );
        let logs = [(name("broker"), Ok(log.to_owned())), (name("repair-1"), Err("gone".to_owned()))].into();
        let kept = kept(&logs);
        assert_eq!(kept, [(name("repair-1"), "{\"entry\":\"decided\"}\nbye\n".to_owned())].into());
    }
}
