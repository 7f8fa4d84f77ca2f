//! The brain `found`: creates what a lab still lacks until it is founded. It never removes.
//!
//! Theory: look at what is there, compare with the recipes, and do the lowest missing layer:
//! network and volumes, then sandboxes, then bodies. Every action is idempotent, so a founding that
//! was cut short anywhere is finished by founding again.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use crate::model::body::Namespace;
use crate::model::{Action, Body, ContainerStatus, Decision, Observed, Service, Span, VolumeWanted};

/// Everything a lab should consist of.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundingWorld {
    /// Name of the lab's network.
    pub network: String,
    /// Network address of its /24.
    pub subnet: Ipv4Addr,
    /// Recipes of sandboxes and bodies.
    pub bodies: Vec<Body>,
}

/// What of a lab is still missing, and can be made now.
#[must_use]
pub fn found(world: &FoundingWorld, seen: &Observed) -> Decision {
    let soon = Some(Span::millis(200));
    let mut ground = Vec::new();
    if !seen.networks.contains_key(&world.network) {
        ground.push(Action::EnsureNetwork { name: world.network.clone(), subnet: world.subnet });
    }
    let volumes: Vec<VolumeWanted> =
        wanted_volumes(world).into_iter().filter(|volume| !seen.volumes.contains_key(&volume.name)).collect();
    if !volumes.is_empty() {
        ground.push(Action::EnsureVolumes { volumes });
    }
    if !ground.is_empty() {
        return Decision {
            actions: ground,
            reason: "network or volumes are missing".to_owned(),
            again_in: soon,
        };
    }

    for (layer, what) in [
        (FoundingLayer::Hosts, "hosts"),
        (FoundingLayer::Client, "clients"),
        (FoundingLayer::Services, "bodies"),
    ] {
        let mut actions = Vec::new();
        for body in world.bodies.iter().filter(|body| layer_of(body) == layer) {
            match seen.containers.get(&body.container).map(|container| container.status) {
                None => actions.push(Action::EnsureCreated { body: Box::new(body.clone()) }),
                Some(ContainerStatus::Created | ContainerStatus::Exited | ContainerStatus::Dead) => {
                    actions.push(Action::EnsureStarted { body: Box::new(body.clone()) });
                }
                // frozen bodies are somebody's fault to heal, not ours to thaw
                Some(_) => {}
            }
        }
        if !actions.is_empty() {
            let reason = format!("{} {what} are not there or not running", actions.len());
            return Decision { actions, reason, again_in: soon };
        }
    }
    Decision { actions: Vec::new(), reason: "nothing is missing".to_owned(), again_in: None }
}

/// Layers of a founding, bottom up. The client stands before the services because it carries the
/// lab's record: no body with a password in it may exist before the record that knows the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FoundingLayer {
    Hosts,
    Client,
    Services,
}

fn layer_of(body: &Body) -> FoundingLayer {
    match (&body.namespace, body.service) {
        (_, Some(Service::Broker)) => FoundingLayer::Services,
        (Namespace::Own { .. }, _) => FoundingLayer::Hosts,
        (Namespace::Of(_), Some(Service::Client)) => FoundingLayer::Client,
        (Namespace::Of(_), _) => FoundingLayer::Services,
    }
}

/// Every volume of every recipe, once.
fn wanted_volumes(world: &FoundingWorld) -> Vec<VolumeWanted> {
    let mut names = BTreeSet::new();
    let all = world.bodies.iter().flat_map(Body::volumes);
    all.filter(|volume| names.insert(volume.name.clone())).collect()
}
