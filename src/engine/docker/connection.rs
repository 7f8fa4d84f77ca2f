//! A handle to the engine: where it is found, and what it says of itself.

use std::time::Duration;

use bollard::models::SystemInfoCgroupDriverEnum;

use crate::engine::engine_error::EngineError;

/// Result of a call to the engine.
pub type EngineResult<T> = Result<T, EngineError>;

/// A handle to the engine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Docker {
    pub(super) api: bollard::Docker,
    pub(super) host: Option<String>,
}

/// What the engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Engine version, for example `20.10.24`.
    pub version: String,
    /// Negotiated API version.
    pub api: String,
    /// `1` or `2`.
    pub cgroup: String,
    /// Release of the machine's kernel.
    pub kernel: String,
    /// Operating system.
    pub system: String,
    /// Storage driver.
    pub storage: String,
    /// Cores.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Whether it runs in a user namespace of its own, without the machine's root.
    pub rootless: bool,
    /// Whether root in a container is somebody else on the machine.
    pub remapped: bool,
    /// Whether `SELinux` separates its containers.
    pub selinux: bool,
    /// The program that speaks for it, where that is no Docker: `Podman Engine`.
    pub other: Option<String>,
    /// What it runs containers of: `linux`, or something else.
    pub kind: String,
    /// Its machine's processor, as the kernel calls it: `x86_64`.
    pub processor: String,
    /// Limits that it cannot hold containers to.
    pub unlimited: Vec<EngineLimit>,
}

/// A limit that an engine may be unable to hold a container to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum EngineLimit {
    /// Cores.
    Cpu,
    /// Memory.
    Memory,
    /// Swap beyond its memory.
    Swap,
    /// Number of processes.
    Processes,
}

impl Docker {
    /// Connects where `DOCKER_HOST` or the default socket points and negotiates the API version.
    ///
    /// # Errors
    /// [`EngineError::NoEngine`] or [`EngineError::NoPermission`] when that fails.
    pub async fn connect() -> EngineResult<Self> {
        let api = bollard::Docker::connect_with_defaults()?.with_timeout(Duration::from_mins(1));
        let api = api.negotiate_version().await?;
        Ok(Self { api, host: None })
    }

    /// The same engine, told where it was found (the value of `DOCKER_HOST`), so that its socket can be handed
    /// to a broker.
    #[must_use]
    pub fn found_at(mut self, host: Option<String>) -> Self {
        self.host = host;
        self
    }

    /// Path of the engine's socket on its machine.
    ///
    /// # Errors
    /// [`EngineError::Refused`] when it is reached another way.
    pub fn socket(&self) -> EngineResult<String> {
        match &self.host {
            None => Ok("/var/run/docker.sock".to_owned()),
            Some(host) => host.strip_prefix("unix://").map(str::to_owned).ok_or_else(|| {
                EngineError::Refused(format!(
                    "the engine is reached at {host}: its socket cannot be handed to a broker, so no controller can run"
                ))
            }),
        }
    }

    /// What the engine says of itself.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn info(&self) -> EngineResult<EngineInfo> {
        let info = self.api.info().await?;
        let version = self.api.version().await?;
        let api = self.api.client_version();
        let components = version.components.unwrap_or_default();
        let other =
            components.into_iter().map(|component| component.name).find(|name| name.contains("Podman"));
        let options = info.security_options.unwrap_or_default();
        let has = |name: &str| options.iter().any(|option| option.contains(name));
        // an engine that manages no cgroups says so in one word; one that says nothing of a limit has it
        let none = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::NONE);
        let limits = [
            (EngineLimit::Cpu, info.cpu_cfs_quota),
            (EngineLimit::Memory, info.memory_limit),
            (EngineLimit::Swap, info.swap_limit),
            (EngineLimit::Processes, info.pids_limit),
        ];
        let missing = limits.into_iter().filter(|(_, there)| none || *there == Some(false));
        Ok(EngineInfo {
            rootless: has("rootless"),
            remapped: has("name=userns"),
            selinux: has("name=selinux"),
            other,
            kind: info.os_type.unwrap_or_default(),
            processor: info.architecture.unwrap_or_default(),
            unlimited: missing.map(|(limit, _)| limit).collect(),
            version: version.version.unwrap_or_default(),
            api: format!("{}.{}", api.major_version, api.minor_version),
            cgroup: info.cgroup_version.map_or_else(|| "1".to_owned(), |v| v.to_string()),
            kernel: info.kernel_version.unwrap_or_default(),
            system: info.operating_system.unwrap_or_default(),
            storage: info.driver.unwrap_or_default(),
            cpus: info.ncpu.and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            memory: info.mem_total.and_then(|n| u64::try_from(n).ok()).unwrap_or(0),
        })
    }
}
