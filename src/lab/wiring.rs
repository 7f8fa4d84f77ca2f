//! The network of a lab that was removed while the lab stood still: an engine that is tidied up takes it then.
//!
//! A container names its network by id for ever, so a network of the same name is not enough: each host is connected to it
//! anew, at its own address. The subnet stays the record's, because members know each other by address.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::news::News;
use super::record::LabRecord;
use super::{LabError, names};
use crate::engine::docker::{Docker, EngineError, Wiring};
use crate::model::Body;
use crate::model::body::{LABEL_LAB, Namespace};

/// A host that must be connected to the lab's network anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reconnection {
    /// Its container.
    pub container: String,
    /// Its address in the lab.
    pub address: Ipv4Addr,
    /// Whether it still names a network of this name that is gone.
    pub leaves: bool,
}

/// Who must be connected anew: every host that is there and names another network, or none. A host that names no id finds
/// the network by its name.
#[must_use]
pub fn reconnections(bodies: &[Body], wiring: &Wiring) -> Vec<Reconnection> {
    let stays = |id: &str| id.is_empty() || wiring.network.as_deref() == Some(id);
    bodies
        .iter()
        .filter_map(|body| {
            let Namespace::Own { address, .. } = &body.namespace else { return None };
            let on = wiring.bodies.get(&body.container)?.as_deref();
            let again =
                Reconnection { container: body.container.clone(), address: *address, leaves: on.is_some() };
            (!on.is_some_and(stays)).then_some(again)
        })
        .collect()
}

/// Whether an engine refused a network because another has its addresses.
pub(super) fn overlaps(why: &str) -> bool {
    // so say Docker and Podman
    why.contains("overlap") || why.contains("already used")
}

/// Makes the lab's network again where it is gone, and connects the hosts that stand to it.
///
/// # Errors
/// [`LabError::SubnetTaken`] when another network has the lab's addresses by now; what the engine says.
pub(super) async fn network_is_back(
    docker: &Docker,
    record: &LabRecord,
    bodies: &[Body],
    news: &(impl Fn(News) + Sync),
) -> Result<(), LabError> {
    let lab = record.spec.name.as_str();
    let network = names::network(lab);
    let mut wiring = docker.wiring(lab, &network).await?;
    if wiring.bodies.is_empty() {
        return Ok(());
    }
    if wiring.network.is_none() {
        let labels = BTreeMap::from([(LABEL_LAB.to_owned(), lab.to_owned())]);
        match docker.create_network(&network, record.subnet, &labels).await {
            Err(EngineError::Refused(why)) if overlaps(&why) => {
                return Err(LabError::SubnetTaken { lab: lab.to_owned(), subnet: record.subnet });
            }
            made => drop(made?),
        }
        news(News::Step(format!("made again: network {network}")));
        wiring = docker.wiring(lab, &network).await?;
    }
    let again = reconnections(bodies, &wiring);
    for host in &again {
        docker.reconnect(&network, &host.container, host.address, host.leaves).await?;
    }
    if !again.is_empty() {
        let hosts: Vec<&str> = again.iter().map(|host| host.container.as_str()).collect();
        news(News::Step(format!("connected again: {}", hosts.join(", "))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::record;

    fn wiring(network: Option<&str>, bodies: &[(&str, Option<&str>)]) -> Wiring {
        let bodies = bodies.iter().map(|(name, on)| ((*name).to_owned(), on.map(str::to_owned))).collect();
        Wiring { network: network.map(str::to_owned), bodies }
    }

    #[test]
    fn whoever_names_a_network_that_is_gone_is_connected_anew() {
        let text = include_bytes!("../../tests/records/0.1.0.json");
        let record = record::parse("lab", text).expect("a record");
        let bodies = record::world(&record).bodies;
        let again = |wiring: &Wiring| -> Vec<(String, u8, bool)> {
            let found = reconnections(&bodies, wiring).into_iter();
            found.map(|host| (host.container, host.address.octets()[3], host.leaves)).collect()
        };
        let lab = record.spec.name.as_str();
        let host = |name: &str| names::sandbox(lab, name);
        let (one, two, three) = (host("h1"), host("h2"), host("h3"));
        let member = names::container(lab, "postgres-1");
        let all = |on: Option<&'static str>| -> Vec<(&str, Option<&str>)> {
            vec![(&one, on), (&two, on), (&three, on), (&member, None)]
        };

        // members live in the namespace of their host, and have no network
        assert_eq!(again(&wiring(Some("new"), &all(Some("new")))), []);
        let whole = [(one.clone(), 11, true), (two.clone(), 12, true), (three.clone(), 13, true)];
        assert_eq!(again(&wiring(Some("new"), &all(Some("old")))), whole);
        assert_eq!(again(&wiring(None, &all(Some("old")))), whole, "planned before it is made, too");
        // an `up` that was cut short: the first is connected, the second only disconnected, the third is as it was
        let half = [(one.as_str(), Some("new")), (&two, None), (&three, Some("old"))];
        let rest = [(two.clone(), 12, false), (three.clone(), 13, true)];
        assert_eq!(again(&wiring(Some("new"), &half)), rest);
        // one that was connected while it stood has no id yet; one that is not there is made on the network
        assert_eq!(again(&wiring(Some("new"), &[(&one, Some(""))])), []);
    }

    #[test]
    fn addresses_that_another_has_are_known_by_what_engines_say() {
        assert!(overlaps("invalid pool request: Pool overlaps with other one on this address space"));
        assert!(overlaps("subnet 198.18.0.0/24 is already used on the host or by another config"));
        assert!(!overlaps("permission denied"));
    }
}
