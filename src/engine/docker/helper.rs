//! Helper containers: short programs with exactly the rights a deed needs, and no others. They carry
//! the lab's label, so that `down` takes what a killed runner left behind.

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};

use super::connection::{Docker, EngineResult};
use crate::model::body::{LABEL_LAB, LABEL_SERVICE};

/// What a helper may and must do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Helper {
    /// The lab it belongs to.
    pub lab: String,
    /// Image, by reference or id.
    pub image: String,
    /// Program and arguments; it runs as root inside, with these capabilities alone.
    pub command: Vec<String>,
    /// Capabilities, for example `SYS_ADMIN`.
    pub capabilities: Vec<&'static str>,
    /// Joins the network namespace of this container; without it there is no network.
    pub network_of: Option<String>,
    /// Sees the machine's processes.
    pub machine_processes: bool,
    /// `volume-or-path:/path[:ro]`.
    pub binds: Vec<String>,
    /// Device cgroup rules, for example `b 7:* rmw`.
    pub devices: Vec<String>,
}

impl Helper {
    pub(super) fn request(&self) -> ContainerCreateBody {
        let network =
            self.network_of.as_ref().map_or_else(|| "none".to_owned(), |id| format!("container:{id}"));
        ContainerCreateBody {
            image: Some(self.image.clone()),
            entrypoint: Some(Vec::new()),
            cmd: Some(self.command.clone()),
            user: Some("0:0".to_owned()),
            labels: Some(
                [(LABEL_LAB.to_owned(), self.lab.clone()), (LABEL_SERVICE.to_owned(), "helper".to_owned())]
                    .into(),
            ),
            host_config: Some(HostConfig {
                network_mode: Some(network),
                pid_mode: self.machine_processes.then(|| "host".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(self.capabilities.iter().map(|name| (*name).to_owned()).collect()),
                device_cgroup_rules: (!self.devices.is_empty()).then(|| self.devices.clone()),
                binds: (!self.binds.is_empty()).then(|| self.binds.clone()),
                readonly_rootfs: Some(true),
                security_opt: Some(vec!["no-new-privileges".to_owned(), "apparmor=unconfined".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        }
    }
}

impl Docker {
    /// Runs a helper to its end and removes it; its exit code and output.
    ///
    /// # Errors
    /// When the engine does not answer, or refuses what the helper needs.
    pub async fn help(&self, helper: &Helper) -> EngineResult<(i64, String)> {
        self.one_shot(helper.request()).await
    }

    /// Starts a helper that stays until somebody removes it; its container id.
    ///
    /// # Errors
    /// When the engine does not answer, or refuses what the helper needs.
    pub async fn start_helper(&self, name: &str, helper: &Helper) -> EngineResult<String> {
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        let id = self.api.create_container(Some(options), helper.request()).await?.id;
        if let Err(error) = self.api.start_container(&id, None::<StartContainerOptions>).await {
            // one that never started must not keep the name
            self.remove_container(&id).await?;
            return Err(error.into());
        }
        Ok(id)
    }
}
