//! The two sides of a partition, and its shapes, as directed cuts between hosts. Pure.
//!
//! Invariants: a host is never cut from itself, no cut is there twice, and a partition that cuts
//! nothing is an error.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::resolve::{Hits, NoMatch, PossibleTargets, each_once, resolve_hosts};
use crate::model::scenario::{Direction, PartitionShape};
use crate::model::{HostName, Target};

/// The hits of a partition between two sides.
///
/// # Errors
/// [`NoMatch`] when a side names nobody, or nothing would be cut.
pub fn of_sides(
    from: &[Target],
    to: &[Target],
    direction: Direction,
    world: PossibleTargets<'_>,
    chance: &mut ChaCha8Rng,
) -> Result<Hits, NoMatch> {
    let sides = sides(from, to, world, chance)?;
    let mut hits = partition(&side_cuts(&sides, direction)?);
    // whose ports are meant can be told from the sides alone
    hits.notes.insert("from".to_owned(), json!(sides.0));
    hits.notes.insert("to".to_owned(), json!(sides.1));
    Ok(hits)
}

/// The hits of a shape over `hosts`, already in random order.
///
/// # Errors
/// [`NoMatch`] when so few hosts do not have this shape.
pub fn of_shape(shape: PartitionShape, hosts: &[HostName]) -> Result<Hits, NoMatch> {
    let cuts = shape_cuts(shape, hosts);
    if cuts.is_empty() {
        let why = format!("{} hosts carry services: too few for this shape", hosts.len());
        return Err(NoMatch { target: Target::Rest, why });
    }
    Ok(partition(&cuts))
}

fn partition(cuts: &[(HostName, HostName)]) -> Hits {
    let hosts = cuts.iter().flat_map(|(from, to)| [from.clone(), to.clone()]).collect();
    let pairs: Vec<Value> = cuts.iter().map(|(from, to)| json!([from, to])).collect();
    Hits { notes: BTreeMap::from([("cuts".to_owned(), Value::Array(pairs))]), ..Hits::hosts(hosts) }
}

/// Two sides of hosts. `rest` on one side is every host that the other does not name.
fn sides(
    from: &[Target],
    to: &[Target],
    world: PossibleTargets<'_>,
    chance: &mut ChaCha8Rng,
) -> Result<(Vec<HostName>, Vec<HostName>), NoMatch> {
    let mut side = |targets: &[Target]| -> Result<Option<Vec<HostName>>, NoMatch> {
        let mut hosts = Vec::new();
        for target in targets {
            if *target == Target::Rest {
                return Ok(None);
            }
            hosts.extend(resolve_hosts(target, world, chance)?);
        }
        Ok(Some(each_once(hosts)))
    };
    let rest = |named: &[HostName]| -> Vec<HostName> {
        world.hosts.iter().map(|host| host.name.clone()).filter(|host| !named.contains(host)).collect()
    };
    match (side(from)?, side(to)?) {
        (Some(from), Some(to)) => Ok((from, to)),
        (Some(from), None) => {
            let to = rest(&from);
            Ok((from, to))
        }
        (None, Some(to)) => Ok((rest(&to), to)),
        (None, None) => {
            Err(NoMatch { target: Target::Rest, why: "both sides are the rest of the other".to_owned() })
        }
    }
}

/// Directed pairs between two sides, each once: sides may share a host, which is never cut from itself.
fn side_cuts(
    (from, to): &(Vec<HostName>, Vec<HostName>),
    direction: Direction,
) -> Result<Vec<(HostName, HostName)>, NoMatch> {
    let mut cuts = Vec::new();
    let mut cut = |from: &HostName, to: &HostName| {
        let pair = (from.clone(), to.clone());
        if !cuts.contains(&pair) {
            cuts.push(pair);
        }
    };
    for one in from {
        for other in to.iter().filter(|other| *other != one) {
            if matches!(direction, Direction::Both | Direction::Forward) {
                cut(one, other);
            }
            if matches!(direction, Direction::Both | Direction::Backward) {
                cut(other, one);
            }
        }
    }
    if cuts.is_empty() {
        let why = "both sides are the same host, or one is empty".to_owned();
        return Err(NoMatch { target: Target::Rest, why });
    }
    Ok(cuts)
}

/// The cuts of a shape. Halves: two sides that do not see each other. Bridge: the same with one host that
/// sees both. Ring: everyone sees a majority, and no two the same one.
fn shape_cuts(shape: PartitionShape, hosts: &[HostName]) -> Vec<(HostName, HostName)> {
    let n = hosts.len();
    // in a ring everyone sees so many to each side
    let reach = (n / 2).div_ceil(2);
    let sees = |one: usize, other: usize| match shape {
        PartitionShape::Halves => (one < n / 2) == (other < n / 2),
        PartitionShape::Bridge => {
            let bridge = n / 2;
            one == bridge || other == bridge || (one < bridge) == (other < bridge)
        }
        // of three nobody can miss one on each side: the ring is open in one place
        PartitionShape::Ring if n == 3 => one == 1 || other == 1,
        PartitionShape::Ring => {
            let apart = one.abs_diff(other);
            apart.min(n - apart) <= reach
        }
    };
    let mut cuts = Vec::new();
    for one in 0..n {
        for other in (0..n).filter(|other| *other != one && !sees(one, *other)) {
            cuts.push((hosts[one].clone(), hosts[other].clone()));
        }
    }
    cuts
}

#[cfg(test)]
#[path = "sides_tests.rs"]
mod tests;
