//! `down`: remove exactly what carries the lab's label. Works on a lab that stands, one that was
//! cut short, and one that is not there; safe to repeat and to interrupt.

use std::fmt;

use futures_util::future::{join, join_all, join3};

use super::{LabError, names};
use crate::engine::docker::{Docker, EngineError};
use crate::model::body::LABEL_LAB;
use crate::model::{Container, Observed, Service};

/// What was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Names of containers.
    pub containers: Vec<String>,
    /// Names of volumes.
    pub volumes: Vec<String>,
    /// Names of networks.
    pub networks: Vec<String>,
}

impl Removed {
    /// Whether there was nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.containers.is_empty() && self.volumes.is_empty() && self.networks.is_empty()
    }
}

impl fmt::Display for Removed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (containers, volumes, networks) =
            (self.containers.len(), self.volumes.len(), self.networks.len());
        write!(f, "{containers} containers, {volumes} volumes, {networks} networks")
    }
}

/// Names of every lab on the engine.
///
/// # Errors
/// When the engine does not answer.
pub async fn labs(docker: &Docker) -> Result<Vec<String>, LabError> {
    match known_labs(docker).await {
        (labs, None) => Ok(labs),
        (_, Some(error)) => Err(error.into()),
    }
}

/// Names of the labs that can be seen, and why not all of them may be.
pub async fn known_labs(docker: &Docker) -> (Vec<String>, Option<EngineError>) {
    let (seen, failed) = look(docker, None).await;
    let mut labs: Vec<String> = seen
        .containers
        .values()
        .map(|container| &container.labels)
        .chain(seen.volumes.values())
        .filter_map(|labels| labels.get(LABEL_LAB).cloned())
        .filter(|lab| !lab.is_empty())
        .collect();
    labs.extend(seen.networks.keys().filter_map(|name| name.strip_prefix("pgha-").map(str::to_owned)));
    labs.sort();
    labs.dedup();
    (labs, failed)
}

/// Removes a lab.
///
/// # Errors
/// What the engine said of the first that could not be removed; everything else is.
pub async fn down(docker: &Docker, lab: &str) -> Result<Removed, LabError> {
    let (seen, mut failed) = look(docker, Some(lab)).await;
    let mut removed = Removed::default();
    // a loop device can only be let go of by a helper, and a helper needs an image
    let helper_image = seen
        .containers
        .values()
        .find(|container| container.service() == Some("host"))
        .map(|container| container.image.clone());

    thaw(docker, lab, seen.containers.keys()).await;
    for (name, outcome) in remove_containers(docker, &seen).await {
        match outcome {
            Ok(()) => removed.containers.push(name.clone()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let store = names::disks(lab);
    let volumes: Vec<&String> = seen.volumes.keys().filter(|name| **name != store).collect();
    let outcomes = join_all(volumes.iter().map(|name| docker.remove_volume(name))).await;
    for (name, outcome) in volumes.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) => removed.volumes.push(name.clone()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    // where nothing came back of what was asked so far, a helper would only be one more that is left
    if seen.volumes.contains_key(&store) && !failed.as_ref().is_some_and(no_answer) {
        match let_go_of_disks(docker, lab, &store, helper_image).await {
            Ok(()) => removed.volumes.push(store),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    for name in seen.networks.keys() {
        match docker.remove_network(name).await {
            Ok(()) => removed.networks.push(name.clone()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    match failed {
        None => Ok(removed),
        Some(error) if removed.is_empty() => Err(error.into()),
        Some(error) => Err(LabError::Remains { lab: lab.to_owned(), gone: removed.to_string(), error }),
    }
}

/// What is there, and why not all of it is known. Each kind is asked for by itself: an engine that locked itself up
/// over its networks still lists and removes bodies and volumes.
async fn look(docker: &Docker, lab: Option<&str>) -> (Observed, Option<EngineError>) {
    let (containers, volumes, networks) =
        join3(docker.containers(lab), docker.volumes(lab), docker.networks(lab)).await;
    let mut failed = None;
    let seen = Observed {
        containers: known(containers, &mut failed),
        volumes: known(volumes, &mut failed),
        networks: known(networks, &mut failed),
    };
    (seen, failed)
}

/// What was answered, or nothing and the reason.
fn known<T: Default>(answer: Result<T, EngineError>, failed: &mut Option<EngineError>) -> T {
    answer.unwrap_or_else(|error| {
        *failed = failed.take().or(Some(error));
        T::default()
    })
}

const fn no_answer(error: &EngineError) -> bool {
    matches!(error, EngineError::Timeout(_))
}

/// Removes controllers and their broker first, lest somebody starts again what is being taken down; then bodies
/// at once, and beside them sandboxes one after the other: an engine of version 20.10 whose
/// containers leave one network at the same instant may lock itself up for ever (moby/libnetwork, issue 2649).
/// A namespace lives as long as somebody is in it, so neither waits for the other.
async fn remove_containers<'a>(
    docker: &Docker,
    seen: &'a Observed,
) -> Vec<(&'a String, Result<(), EngineError>)> {
    let of = |container: &Container, services: &[Service]| {
        services.iter().any(|service| container.service() == Some(service.as_str()))
    };
    let (masters, others): (Vec<_>, Vec<_>) = seen
        .containers
        .iter()
        .partition(|(_, container)| of(container, &[Service::Controller, Service::Broker]));
    let mut gone = Vec::new();
    for (name, _) in masters {
        gone.push((name, docker.remove_container(name).await));
    }
    let (sandboxes, bodies): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|(_, container)| container.service() == Some("host"));
    let one_by_one = async {
        let mut outcomes = Vec::with_capacity(sandboxes.len());
        for (name, _) in sandboxes {
            let outcome = docker.remove_container(name).await;
            let stuck = outcome.as_ref().is_err_and(no_answer);
            outcomes.push((name, outcome));
            if stuck {
                break; // nor would it answer for the next one
            }
        }
        outcomes
    };
    let at_once = join_all(
        bodies.into_iter().map(|(name, _)| async move { (name, docker.remove_container(name).await) }),
    );
    let (mut outcomes, others) = join(at_once, one_by_one).await;
    outcomes.extend(others);
    outcomes.extend(gone);
    outcomes
}

/// Thaws what a fault's helper holds frozen: a process that waits for a frozen disk cannot be killed, and the
/// removal of its container would never end. A fault that nobody healed is no reason to keep a lab.
async fn thaw(docker: &Docker, lab: &str, containers: impl Iterator<Item = &String>) {
    let prefix = names::container(lab, names::DISK_HELPER);
    let command = ["fsfreeze", "--unfreeze", "/disk"].map(str::to_owned);
    let helpers = containers.filter(|name| name.starts_with(&prefix));
    // one that is not frozen, or does not run, has nothing to thaw
    join_all(helpers.map(|name| docker.exec(name, &command))).await;
}

async fn let_go_of_disks(
    docker: &Docker,
    lab: &str,
    store: &str,
    image: Option<String>,
) -> Result<(), EngineError> {
    let image = match image {
        Some(image) => Some(image),
        None => docker
            .our_images()
            .await?
            .into_iter()
            .find(|image| image.role == "host")
            .and_then(|image| image.tags.into_iter().next()),
    };
    let Some(image) = image else {
        return Err(EngineError::NotFound(format!(
            "an image of role host: loop devices of {store} cannot be detached without it; `pgha up` builds it"
        )));
    };
    docker.detach_disks(lab, &image, store).await?;
    docker.remove_volume(store).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn silent() -> EngineError {
        EngineError::Timeout("the engine did not answer the request".to_owned())
    }

    #[test]
    fn what_cannot_be_listed_hides_nothing_that_can() {
        let mut failed = None;
        assert_eq!(known(Ok(vec![1]), &mut failed), [1]);
        assert_eq!(failed, None);
        assert!(known::<Vec<u8>>(Err(silent()), &mut failed).is_empty());
        assert_eq!(known(Ok(vec![2]), &mut failed), [2]);
        // the first reason is the cause of those that follow
        known::<Vec<u8>>(Err(EngineError::Conflict("in use".to_owned())), &mut failed);
        assert_eq!(failed, Some(silent()));
    }

    #[test]
    fn a_lab_that_is_partly_gone_says_so_and_what_to_do() {
        let error = LabError::Remains {
            lab: "demo".to_owned(),
            gone: Removed { containers: vec!["one".to_owned()], ..Removed::default() }.to_string(),
            error: silent(),
        };
        assert!(error.to_string().contains("1 containers, 0 volumes, 0 networks"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.ends_with("then `pgha down` again")));
    }
}
