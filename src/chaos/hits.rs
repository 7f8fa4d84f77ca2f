//! Whom a verb hits: one target, the sides of a partition, or the body through which the cluster is spoken to.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::resolve::{Hits, NoMatch, PossibleTargets, resolve, resolve_hosts};
use super::sides;
use crate::model::scenario::ActsOn;
use crate::model::{Service, Target, Verb};

/// Whom `verb` hits right now.
///
/// # Errors
/// [`NoMatch`] when a target names nobody, or both sides of a partition are the same.
pub fn hits(verb: &Verb, world: PossibleTargets<'_>, chance: &mut ChaCha8Rng) -> Result<Hits, NoMatch> {
    match verb {
        Verb::Partition { shape: Some(shape), .. } => {
            let mut hosts = world.carrying_services();
            hosts.shuffle(chance);
            sides::of_shape(*shape, &hosts)
        }
        Verb::Partition { from, to, direction, .. } => sides::of_sides(from, to, *direction, world, chance),
        Verb::Swizzle { targets } => {
            let mut hosts = Vec::new();
            for target in targets {
                hosts.extend(resolve_hosts(target, world, chance)?);
            }
            Ok(Hits::hosts(hosts))
        }
        Verb::Switchover { to } => {
            let mut hits = Hits::members(resolve(&Target::Primary, world.members, world.sighting, chance)?);
            if let Some(to) = to {
                let candidate = resolve(to, world.members, world.sighting, chance)?;
                hits.notes.insert("candidate".to_owned(), json!(candidate.first()));
            }
            Ok(hits)
        }
        Verb::Engine { .. } => Ok(Hits::members(vec![Service::Broker.into()])),
        // the cluster is spoken to through the body that leads it
        Verb::Maintenance { .. } | Verb::Scale { .. } => {
            Ok(Hits::members(resolve(&Target::Primary, world.members, world.sighting, chance)?))
        }
        Verb::Repeat { verb, .. } => hits(verb, world, chance),
        one => {
            let Some(target) = one.target() else { return Ok(Hits::default()) };
            Ok(match one.acts_on() {
                ActsOn::Hosts => Hits::hosts(resolve_hosts(target, world, chance)?),
                ActsOn::Bodies | ActsOn::Cluster => {
                    Hits::members(resolve(target, world.members, world.sighting, chance)?)
                }
            })
        }
    }
}
