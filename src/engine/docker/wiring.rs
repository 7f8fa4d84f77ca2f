//! Which network the bodies of a lab are connected to, and connecting one anew. The engine keeps a network's id in each
//! container, so a body does not find a network that was removed and made again.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::{InspectNetworkOptions, ListContainersOptionsBuilder};

use super::connection::{Docker, EngineResult};
use super::observe::filter;
use crate::engine::engine_error::EngineError;

/// Which network the bodies of a lab are connected to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wiring {
    /// Id of the lab's network; `None` when it is not there.
    pub network: Option<String>,
    /// For each container, running or not, the id of the lab's network as it knows it: `None` when it is connected to none
    /// of that name, empty when it was connected and has not run since.
    pub bodies: BTreeMap<String, Option<String>>,
}

impl Docker {
    /// Which network the bodies of a lab are connected to.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn wiring(&self, lab: &str, network: &str) -> EngineResult<Wiring> {
        let id = match self.api.inspect_network(network, None::<InspectNetworkOptions>).await {
            Ok(found) => found.id,
            Err(error) => match EngineError::from(error) {
                EngineError::NotFound(_) => None,
                other => return Err(other),
            },
        };
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter(Some(lab))).build();
        let mut bodies = BTreeMap::new();
        for found in self.api.list_containers(Some(options)).await? {
            let Some(name) = found.names.and_then(|names| names.into_iter().next()) else { continue };
            let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
            let on = networks.get(network).map(|end| end.network_id.clone().unwrap_or_default());
            bodies.insert(name.trim_start_matches('/').to_owned(), on);
        }
        Ok(Wiring { network: id, bodies })
    }

    /// Connects a container to a network at its address, running or not; `leaves`: it still names one of this name that is
    /// gone.
    ///
    /// # Errors
    /// When the engine refuses the address, or does not answer.
    pub async fn reconnect(
        &self,
        network: &str,
        container: &str,
        address: Ipv4Addr,
        leaves: bool,
    ) -> EngineResult<()> {
        if leaves {
            let leave = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
            match self.api.disconnect_network(network, leave).await.map_err(EngineError::from) {
                Ok(()) => {}
                Err(error) if error.to_string().contains("is not connected") => {}
                Err(error) => return Err(error),
            }
        }
        let ipam_config =
            EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
        let join = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(EndpointSettings {
                ipam_config: Some(ipam_config),
                ..EndpointSettings::default()
            }),
        };
        Ok(self.api.connect_network(network, join).await?)
    }
}
