//! What is on the engine: containers, volumes, networks with a lab's label. Read only.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{EndpointSettings, Network, RestartPolicyNameEnum};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
    ListVolumesOptionsBuilder, LogsOptionsBuilder,
};
use futures_util::StreamExt;

use super::connection::{Docker, EngineResult};
use crate::model::body::LABEL_LAB;
use crate::model::{Container, ContainerStatus, Observed};

fn status(word: &str) -> ContainerStatus {
    match word {
        "created" => ContainerStatus::Created,
        "running" => ContainerStatus::Running,
        "paused" => ContainerStatus::Paused,
        "restarting" => ContainerStatus::Restarting,
        "removing" => ContainerStatus::Removing,
        "exited" => ContainerStatus::Exited,
        "dead" => ContainerStatus::Dead,
        _ => ContainerStatus::Unknown,
    }
}

/// The address on the lab's network; a body that lives in a sandbox's namespace has none of its own.
fn address(networks: Option<HashMap<String, EndpointSettings>>) -> Option<Ipv4Addr> {
    networks?.into_values().find_map(|endpoint| endpoint.ip_address?.parse().ok())
}

/// The label filter for one lab, or for every lab.
pub(super) fn filter(lab: Option<&str>) -> HashMap<String, Vec<String>> {
    let label = lab.map_or_else(|| LABEL_LAB.to_owned(), |lab| format!("{LABEL_LAB}={lab}"));
    HashMap::from([("label".to_owned(), vec![label])])
}

impl Docker {
    /// Everything that carries the label of `lab` (of any lab when `None`).
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn observe(&self, lab: Option<&str>) -> EngineResult<Observed> {
        let (containers, volumes, networks) =
            tokio::try_join!(self.containers(lab), self.volumes(lab), self.networks(lab))?;
        Ok(Observed { containers, volumes, networks })
    }

    /// Containers with the label of `lab` (of any lab when `None`), running or not, by name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn containers(&self, lab: Option<&str>) -> EngineResult<BTreeMap<String, Container>> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter(lab)).build();
        let mut containers = BTreeMap::new();
        for found in self.api.list_containers(Some(options)).await? {
            let Some(name) = found.names.and_then(|names| names.into_iter().next()) else { continue };
            let name = name.trim_start_matches('/').to_owned();
            let address = address(found.network_settings.and_then(|settings| settings.networks));
            let container = Container {
                id: found.id.unwrap_or_default(),
                name: name.clone(),
                image: found.image.unwrap_or_default(),
                status: found.state.map_or(ContainerStatus::Unknown, |state| status(state.as_ref())),
                pid: 0,
                exit_code: 0,
                oom_killed: false,
                started_at: String::new(),
                restarts: true,
                labels: found.labels.unwrap_or_default().into_iter().collect(),
                address,
            };
            containers.insert(name, container);
        }
        Ok(containers)
    }

    /// Volumes with the label of `lab` (of any lab when `None`), with all their labels.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn volumes(
        &self,
        lab: Option<&str>,
    ) -> EngineResult<BTreeMap<String, BTreeMap<String, String>>> {
        let options = ListVolumesOptionsBuilder::default().filters(&filter(lab)).build();
        let found = self.api.list_volumes(Some(options)).await?.volumes.unwrap_or_default();
        Ok(found.into_iter().map(|volume| (volume.name, volume.labels.into_iter().collect())).collect())
    }

    /// Networks with the label of `lab` (of any lab when `None`), with their subnets.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn networks(&self, lab: Option<&str>) -> EngineResult<BTreeMap<String, String>> {
        let options = ListNetworksOptionsBuilder::default().filters(&filter(lab)).build();
        let subnet = |network: &Network| {
            let configs = network.ipam.as_ref()?.config.as_ref()?;
            configs.iter().find_map(|config| config.subnet.clone())
        };
        let found = self.api.list_networks(Some(options)).await?;
        Ok(found
            .into_iter()
            .map(|network| {
                let subnet = subnet(&network).unwrap_or_default();
                (network.name.unwrap_or_default(), subnet)
            })
            .collect())
    }

    /// Subnets of every network on the engine, so that a free one can be chosen.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn subnets(&self) -> EngineResult<Vec<String>> {
        let networks = self.api.list_networks(None::<bollard::query_parameters::ListNetworksOptions>).await?;
        Ok(networks
            .into_iter()
            .filter_map(|network| network.ipam.and_then(|ipam| ipam.config))
            .flatten()
            .filter_map(|config| config.subnet)
            .collect())
    }

    /// One container in full, by id or name.
    ///
    /// # Errors
    /// [`EngineError::NotFound`](crate::engine::docker::EngineError::NotFound) when it does not exist.
    pub async fn inspect(&self, container: &str) -> EngineResult<Container> {
        let found = self.api.inspect_container(container, None::<InspectContainerOptions>).await?;
        let state = found.state.unwrap_or_default();
        let config = found.config.unwrap_or_default();
        let policy = found.host_config.and_then(|host| host.restart_policy).and_then(|policy| policy.name);
        let address = address(found.network_settings.and_then(|settings| settings.networks));
        Ok(Container {
            id: found.id.unwrap_or_default(),
            name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            image: config.image.unwrap_or_default(),
            status: state.status.map_or(ContainerStatus::Unknown, |word| status(word.as_ref())),
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
            exit_code: state.exit_code.unwrap_or(0),
            oom_killed: state.oom_killed.unwrap_or(false),
            started_at: state.started_at.unwrap_or_default(),
            restarts: !matches!(policy, Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY)),
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            address,
        })
    }

    /// What a container wrote to stdout and stderr, the last `tail` lines (all when `None`).
    ///
    /// # Errors
    /// [`EngineError::NotFound`](crate::engine::docker::EngineError::NotFound) when it does not exist.
    pub async fn logs(&self, container: &str, tail: Option<u32>) -> EngineResult<String> {
        let tail = tail.map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        self.output(container, &tail, true).await
    }

    /// The last lines a container wrote, without the engine's time.
    ///
    /// # Errors
    /// [`EngineError::NotFound`](crate::engine::docker::EngineError::NotFound) when it does not exist.
    pub async fn last_words(&self, container: &str, lines: u32) -> EngineResult<String> {
        self.output(container, &lines.to_string(), false).await
    }

    /// What a container wrote from the wall clock second `since` on.
    ///
    /// # Errors
    /// [`EngineError::NotFound`](crate::engine::docker::EngineError::NotFound) when it does not exist.
    pub async fn logs_since(&self, container: &str, since: i64) -> EngineResult<String> {
        let since = i32::try_from(since).unwrap_or(0); // the API's own width
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).since(since).build();
        let mut stream = self.api.logs(container, Some(options));
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(chunk?.as_ref()));
        }
        Ok(text)
    }

    /// What a container wrote, with or without the engine's time before each line.
    pub(super) async fn output(&self, container: &str, tail: &str, timestamps: bool) -> EngineResult<String> {
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).timestamps(timestamps).tail(tail).build();
        let mut stream = self.api.logs(container, Some(options));
        let mut text = String::new();
        while let Some(chunk) = stream.next().await {
            text.push_str(&String::from_utf8_lossy(chunk?.as_ref()));
        }
        Ok(text)
    }

    /// Follows a container's output and hands each chunk to `sink`, until the container ends.
    ///
    /// # Errors
    /// [`EngineError::NotFound`](crate::engine::docker::EngineError::NotFound) when it does not exist.
    pub async fn follow_logs(
        &self,
        container: &str,
        tail: u32,
        mut sink: impl FnMut(&str),
    ) -> EngineResult<()> {
        let options = LogsOptionsBuilder::default()
            .stdout(true)
            .stderr(true)
            .timestamps(true)
            .follow(true)
            .tail(&tail.to_string())
            .build();
        let mut stream = self.api.logs(container, Some(options));
        while let Some(chunk) = stream.next().await {
            sink(&String::from_utf8_lossy(chunk?.as_ref()));
        }
        Ok(())
    }
}
