//! `replaced`: how many bodies were replaced by new ones, by the runner's sightings.
//!
//! A body was replaced when its member stands in another container than at the look before. A replacement may get a
//! new name: a member that was not there at the first look replaces one of its service that is gone at the last look.
//! A newcomer beside which everybody stays replaces nobody.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::model::sighting::BodySeen;
use crate::model::target::{EtcdPick, Target, Which};
use crate::model::{Expect, MemberId, Mono};

/// A body that was not there at the look before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct New<'a> {
    /// The look that showed it.
    pub at: Mono,
    /// Who is new, by the name that was never used before.
    pub member: &'a MemberId,
    /// Its container as the newest sighting shows it.
    pub body: &'a BodySeen,
}

/// Judges the numbers a scenario asks for.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let new = newcomers(record);
    let seen = new.as_ref().map(|new| replacements(record, new));
    let evidence = json!({
        "new_bodies": seen.as_ref().map(|seen| seen.iter().map(|new| {
            json!({ "at_ns": new.at, "member": new.member, "container": new.body.id })
        }).collect::<Vec<_>>()),
    });
    let Some(seen) = seen else {
        return Finding::unknown("nobody looked at the bodies, so nobody saw one replaced", evidence);
    };
    for expect in &record.scenario.expects {
        let Expect::Replaced { target, min, max } = expect else { continue };
        let number = seen.iter().filter(|new| is(target, new.member, new.body)).count();
        if let Some(max) = max.filter(|max| number > *max as usize) {
            let said = format!("{number} bodies of `{target}` were replaced, at most {max} may be");
            return Finding::fail(said, evidence);
        }
        if let Some(min) = min.filter(|min| number < *min as usize) {
            let said = format!("{number} bodies of `{target}` were replaced, at least {min} are wanted");
            return Finding::fail(said, evidence);
        }
    }
    Finding::pass(format!("{} bodies were replaced", seen.len()), evidence)
}

/// Of the new bodies those whose predecessor left, each predecessor once.
fn replacements<'a>(record: &'a RunRecord, new: &[New<'a>]) -> Vec<New<'a>> {
    let mut left = left(record);
    let mut known: BTreeSet<&MemberId> = BTreeSet::new();
    let looks = record.sightings_in_order();
    known.extend(
        looks.iter().find(|seen| !seen.bodies.is_empty()).into_iter().flat_map(|seen| seen.bodies.keys()),
    );
    let mut counted = Vec::new();
    for new in new {
        // the member had a body before
        if !known.insert(new.member) {
            counted.push(new.clone());
            continue;
        }
        let before = |old: &GoneMember<'_>| {
            old.service == new.body.service && old.member != new.member && old.first < new.at
        };
        if let Some(at) = left.iter().position(before) {
            left.remove(at);
            counted.push(new.clone());
        }
    }
    counted
}

/// A member that was seen and is gone at the last look.
struct GoneMember<'a> {
    member: &'a MemberId,
    service: &'a str,
    first: Mono,
}

/// Who left, in the order in which they were seen first.
fn left(record: &RunRecord) -> Vec<GoneMember<'_>> {
    let looks = record.sightings_in_order();
    let mut bodies = looks.into_iter().filter(|seen| !seen.bodies.is_empty());
    let mut first: BTreeMap<&MemberId, (&str, Mono)> = BTreeMap::new();
    let mut last = None;
    for seen in bodies.by_ref() {
        for (member, body) in &seen.bodies {
            first.entry(member).or_insert((body.service.as_str(), seen.at));
        }
        last = Some(seen);
    }
    let gone = |member: &MemberId| last.is_some_and(|last| !last.bodies.contains_key(member));
    let left = first.into_iter().filter(|(member, _)| gone(member));
    let mut left: Vec<GoneMember<'_>> =
        left.map(|(member, (service, first))| GoneMember { member, service, first }).collect();
    left.sort_by_key(|old| old.first);
    left
}

/// Every new body, whether it replaces one or not; `None` when nobody looked at bodies.
#[must_use]
pub fn newcomers(record: &RunRecord) -> Option<Vec<New<'_>>> {
    let mut known: Option<BTreeMap<&MemberId, &str>> = None;
    let mut new = Vec::new();
    for seen in record.sightings_in_order().into_iter().filter(|seen| !seen.bodies.is_empty()) {
        let first = known.is_none();
        let known = known.get_or_insert_default();
        for (member, body) in &seen.bodies {
            if known.insert(member, &body.id) != Some(&body.id) && !first {
                new.push(New { at: seen.at, member, body });
            }
        }
    }
    known.map(|_| new)
}

/// Whether a target means this body. A role (`primary`, `replica`, `etcd:leader`) is nothing a container has, so
/// it stands for every body of its service.
#[must_use]
pub fn is(target: &Target, member: &MemberId, body: &BodySeen) -> bool {
    let service = |name: &str| body.service == name;
    let named = |which: &Which| match which {
        Which::Any | Which::All => true,
        Which::Named(name) => name == member,
    };
    match target {
        Target::Primary | Target::Replica(_) => service("postgres"),
        Target::Postgres(which) => service("postgres") && named(which),
        Target::Balancer(which) => service("balancer") && named(which),
        Target::Etcd(EtcdPick::Named(name)) => service("etcd") && name == member,
        Target::Etcd(_) => service("etcd"),
        Target::Controller(_) => service("controller"),
        Target::Host(host) => body.host == *host,
        Target::HostOf(of) | Target::Random(_, of) => is(of, member, body),
        Target::HostSpare => service("host"),
        Target::Rest => true,
    }
}
