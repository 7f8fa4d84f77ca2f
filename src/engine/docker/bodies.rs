//! Bodies: create from a recipe, start, stop, freeze, remove. Every verb is idempotent where the
//! engine allows it: a name that is taken means "it is there already", not failure.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig,
    NetworkCreateRequest, NetworkingConfig, PortBinding, PortMap, RestartPolicy, RestartPolicyNameEnum,
    VolumeCreateRequest,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, KillContainerOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions, StopContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bollard::{body_full, query_parameters::StartContainerOptions};
use bytes::Bytes;
use futures_util::TryStreamExt;

use super::connection::{Docker, EngineResult};
use crate::engine::engine_error::EngineError;
use crate::model::body::{BodyFile, Capability, LABEL_LAB, Namespace};
use crate::model::lab::RestartRule;
use crate::model::{Body, Size};

/// Ports a sandbox publishes when it publishes.
const PUBLISHED: [u16; 2] = [5432, 5433];
/// Most processes of one body: a fork bomb inside must not take the machine.
const PIDS: i64 = 2048;
/// Shared memory of one body; counted against its memory only when used.
const SHM: i64 = 256 * 1024 * 1024;

fn limits(size: &Size) -> (Option<i64>, Option<i64>) {
    #[expect(clippy::cast_possible_truncation, reason = "cores are small numbers, billionths of one fit i64")]
    let nano_cpus = (size.cpus * 1e9) as i64;
    (Some(nano_cpus), i64::try_from(size.memory.0).ok())
}

/// Where the engine's socket stands in the body that holds it: where every client looks first.
const SOCKET: &str = "/var/run/docker.sock";

fn host_config(body: &Body, socket: Option<&str>) -> HostConfig {
    let (nano_cpus, memory) = body.size.as_ref().map_or((None, None), limits);
    let mut ports: PortMap = HashMap::new();
    if let Namespace::Own { publish: Some(address), .. } = &body.namespace {
        for port in PUBLISHED {
            let binding =
                PortBinding { host_ip: Some(address.to_string()), host_port: Some(port.to_string()) };
            ports.insert(format!("{port}/tcp"), Some(vec![binding]));
        }
    }
    let restart = match body.restart {
        RestartRule::No => RestartPolicyNameEnum::NO,
        RestartRule::Always => RestartPolicyNameEnum::ALWAYS,
    };
    HostConfig {
        network_mode: Some(match &body.namespace {
            Namespace::Own { .. } => network_of(body),
            Namespace::Of(sandbox) => format!("container:{sandbox}"),
        }),
        port_bindings: (!ports.is_empty()).then_some(ports),
        nano_cpus,
        memory,
        // no swap beyond the memory: a limit that can be swapped around is none
        memory_swap: memory,
        pids_limit: Some(PIDS),
        shm_size: Some(SHM),
        readonly_rootfs: Some(true),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(body.capabilities.iter().map(|Capability::NetAdmin| "NET_ADMIN".to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        tmpfs: Some(
            body.tmpfs.iter().map(|path| (path.clone(), "rw,nosuid,nodev,mode=1777".to_owned())).collect(),
        ),
        binds: Some(
            body.mounts
                .iter()
                .map(|mount| format!("{}:{}", mount.volume, mount.path))
                .chain(socket.map(|socket| format!("{socket}:{SOCKET}")))
                .collect(),
        ),
        restart_policy: Some(RestartPolicy { name: Some(restart), maximum_retry_count: None }),
        // who holds the engine's socket sees its machine's processes, and learns of an end from the kernel
        pid_mode: body.engine.then(|| "host".to_owned()),
        ..HostConfig::default()
    }
}

/// A lab's one network, by the lab's label on the body.
fn network_of(body: &Body) -> String {
    format!("pgha-{}", body.labels.get(LABEL_LAB).map_or("", String::as_str))
}

pub(super) fn archive(files: &[&BodyFile], root: &str) -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for file in files {
        let relative = file.path.strip_prefix(root).unwrap_or(&file.path).trim_start_matches('/');
        let mut header = tar::Header::new_gnu();
        header.set_size(file.contents.len() as u64);
        header.set_mode(file.mode);
        header.set_uid(u64::from(file.uid));
        header.set_gid(u64::from(file.gid));
        header.set_cksum();
        tar.append_data(&mut header, relative, file.contents.as_bytes())?;
    }
    tar.into_inner()
}

impl Docker {
    /// Creates the body's container (not started) from `image`; `false` when the name was taken already.
    ///
    /// # Errors
    /// When the engine refuses the recipe.
    pub async fn create_body(&self, body: &Body, image: &str) -> EngineResult<bool> {
        let socket = if body.engine { Some(self.socket()?) } else { None };
        let own = match &body.namespace {
            Namespace::Own { address, .. } => Some(*address),
            Namespace::Of(_) => None,
        };
        let networking = own.map(|address| NetworkingConfig {
            endpoints_config: Some(HashMap::from([(
                network_of(body),
                EndpointSettings {
                    ipam_config: Some(EndpointIpamConfig {
                        ipv4_address: Some(address.to_string()),
                        ..EndpointIpamConfig::default()
                    }),
                    ..EndpointSettings::default()
                },
            )])),
        });
        let publishes = matches!(&body.namespace, Namespace::Own { publish: Some(_), .. });
        let request = ContainerCreateBody {
            image: Some(body.foreign.clone().unwrap_or_else(|| image.to_owned())),
            // a joined namespace brings its own host name
            hostname: own.map(|_| body.host.to_string()),
            // somebody else's image starts its own program, which may be an entry point
            entrypoint: body.foreign.is_none().then(Vec::new),
            cmd: body.foreign.is_none().then(|| body.command.clone()),
            user: Some(body.user.clone()),
            labels: Some(body.labels.clone().into_iter().collect()),
            stop_signal: Some(body.stop_signal.clone()),
            exposed_ports: publishes.then(|| PUBLISHED.iter().map(|port| format!("{port}/tcp")).collect()),
            host_config: Some(host_config(body, socket.as_deref())),
            networking_config: networking,
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::default().name(&body.container).build();
        match self.api.create_container(Some(options), request).await.map_err(EngineError::from) {
            Ok(_) => Ok(true),
            Err(EngineError::Conflict(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Writes the body's files into its volumes, owners and modes from the recipe.
    ///
    /// # Errors
    /// When the container does not exist or a path is in none of its mounts.
    pub async fn write_files(&self, body: &Body) -> EngineResult<()> {
        for mount in &body.mounts {
            let inside = format!("{}/", mount.path);
            let files: Vec<&BodyFile> =
                body.files.iter().filter(|file| file.path.starts_with(&inside)).collect();
            if files.is_empty() {
                continue;
            }
            let tar =
                archive(&files, &mount.path).map_err(|error| EngineError::Refused(error.to_string()))?;
            self.upload(&body.container, &mount.path, tar).await?;
        }
        Ok(())
    }

    /// Unpacks a tar archive into a directory of a container, running or not.
    ///
    /// # Errors
    /// When the container or the directory does not exist.
    pub async fn upload(&self, container: &str, directory: &str, tar: Vec<u8>) -> EngineResult<()> {
        let options = UploadToContainerOptionsBuilder::default().path(directory).build();
        Ok(self.api.upload_to_container(container, Some(options), body_full(Bytes::from(tar))).await?)
    }

    /// Whether a container, running or not, has something at a path of its volumes.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn has(&self, container: &str, path: &str) -> EngineResult<bool> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        // the first piece is enough: what follows is not waited for
        let mut stream = Box::pin(self.api.download_from_container(container, Some(options)));
        match stream.try_next().await.map_err(EngineError::from) {
            Ok(first) => Ok(first.is_some()),
            Err(EngineError::NotFound(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads one file of a container, running or not.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when container or file do not exist.
    pub async fn read_file(&self, container: &str, path: &str) -> EngineResult<Vec<u8>> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let stream = self.api.download_from_container(container, Some(options));
        let packed: Vec<u8> = stream
            .try_fold(Vec::new(), |mut all, chunk| async move {
                all.extend_from_slice(&chunk);
                Ok(all)
            })
            .await?;
        let bad = |error: std::io::Error| EngineError::Refused(format!("reading {path}: {error}"));
        let mut archive = tar::Archive::new(packed.as_slice());
        let mut entry = archive
            .entries()
            .map_err(bad)?
            .next()
            .ok_or_else(|| EngineError::NotFound(path.to_owned()))?
            .map_err(bad)?;
        let mut contents = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut contents).map_err(bad)?;
        Ok(contents)
    }

    /// Starts a container; one that runs is fine.
    ///
    /// # Errors
    /// [`EngineError::PortTaken`] when an address it publishes is in use; whatever else the engine says.
    pub async fn start(&self, container: &str) -> EngineResult<()> {
        match self
            .api
            .start_container(container, None::<StartContainerOptions>)
            .await
            .map_err(EngineError::from)
        {
            Ok(()) | Err(EngineError::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Stop signal, then SIGKILL after `grace` seconds; one that is stopped is fine.
    ///
    /// # Errors
    /// When the container does not exist.
    pub async fn stop(&self, container: &str, grace: u32) -> EngineResult<()> {
        let grace = i32::try_from(grace).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(grace).build();
        match self.api.stop_container(container, Some(options)).await.map_err(EngineError::from) {
            Ok(()) | Err(EngineError::Conflict(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Sends a signal to a container's first process.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when it does not run.
    pub async fn kill(&self, container: &str, signal: &str) -> EngineResult<()> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        Ok(self.api.kill_container(container, Some(options)).await?)
    }

    /// Freezes every process of a container.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when it does not run or is frozen.
    pub async fn pause(&self, container: &str) -> EngineResult<()> {
        Ok(self.api.pause_container(container).await?)
    }

    /// Thaws a container.
    ///
    /// # Errors
    /// When it is not frozen.
    pub async fn unpause(&self, container: &str) -> EngineResult<()> {
        Ok(self.api.unpause_container(container).await?)
    }

    /// Removes a container by force; one that is gone is fine.
    ///
    /// # Errors
    /// When the engine cannot remove it.
    pub async fn remove_container(&self, container: &str) -> EngineResult<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.api.remove_container(container, Some(options)).await.map_err(EngineError::from) {
            Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
            // somebody else is removing it at this moment
            Err(EngineError::Conflict(text)) if text.contains("already in progress") => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Makes a network with a fixed subnet; `false` when the name was taken already.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when the subnet overlaps another network.
    pub async fn create_network(
        &self,
        name: &str,
        subnet: Ipv4Addr,
        labels: &BTreeMap<String, String>,
    ) -> EngineResult<bool> {
        let [a, b, c, _] = subnet.octets();
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            ipam: Some(Ipam {
                config: Some(vec![IpamConfig {
                    subnet: Some(format!("{a}.{b}.{c}.0/24")),
                    gateway: Some(format!("{a}.{b}.{c}.1")),
                    ..IpamConfig::default()
                }]),
                ..Ipam::default()
            }),
            labels: Some(labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        // engines before 25 allow two networks of one name: ask first
        match self.api.inspect_network(name, None::<bollard::query_parameters::InspectNetworkOptions>).await {
            Ok(_) => return Ok(false),
            Err(error) => match EngineError::from(error) {
                EngineError::NotFound(_) => {}
                other => return Err(other),
            },
        }
        match self.api.create_network(request).await.map_err(EngineError::from) {
            Ok(_) => Ok(true),
            Err(EngineError::Conflict(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Removes a network; one that is gone is fine.
    ///
    /// # Errors
    /// When something is still attached.
    pub async fn remove_network(&self, name: &str) -> EngineResult<()> {
        match self.api.remove_network(name).await.map_err(EngineError::from) {
            Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Makes a plain volume; the engine returns the one that is there when the name is taken.
    ///
    /// # Errors
    /// When the engine refuses it.
    pub async fn create_volume(
        &self,
        name: &str,
        options: BTreeMap<String, String>,
        labels: &BTreeMap<String, String>,
    ) -> EngineResult<()> {
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            driver: Some("local".to_owned()),
            driver_opts: Some(options.into_iter().collect()),
            labels: Some(labels.clone().into_iter().collect()),
            ..VolumeCreateRequest::default()
        };
        self.api.create_volume(request).await?;
        Ok(())
    }

    /// Removes a volume; one that is gone is fine.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] while a container uses it.
    pub async fn remove_volume(&self, name: &str) -> EngineResult<()> {
        match self.api.remove_volume(name, None::<RemoveVolumeOptions>).await.map_err(EngineError::from) {
            Ok(()) | Err(EngineError::NotFound(_)) => Ok(()),
            Err(other) => Err(other),
        }
    }
}
