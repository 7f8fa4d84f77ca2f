//! Members that must be restarted, replaced, added or seen out: what goes on, or else what is begun, one at a time.
//!
//! Theory: what is about to be done stands in the store before it is begun, so a controller that comes after goes on with
//! it (`replacement`). While a word stands nothing else is begun.

use std::collections::BTreeSet;

use super::RepairStep;
use super::assess::RepairAssessment;
use super::checksums::rotten;
use super::count::count;
use super::database_members::{self, Databases};
use super::drift::drift;
use super::etcd_members::{self, EtcdMembers};
use super::leader::led_by_rotten;
use super::proposal::{OneAtATime, RepairProposal};
use super::replacement::{Profile, go_on};
use super::stateless_members::{self, StatelessMembers};
use crate::model::control::AlarmKind;
use crate::model::{Member, MemberId, Service};

/// So many of those that need it are proposed in one look: the first may have to wait.
const SEVERAL: usize = 3;

/// What goes on or begins, and who must not be started any more.
pub(super) fn replace(a: &RepairAssessment<'_>) -> (Vec<RepairProposal>, BTreeSet<MemberId>) {
    let store = a.view.store;
    // Patroni tries again at its next turn, up to `loop_wait` later
    let failed = a.paths.iter().filter(|(_, path)| path.has_failed()).map(|(id, _)| id.clone());
    let mut all: Vec<RepairProposal> =
        failed.map(|member| RepairProposal::silent().step(RepairStep::Wake { member })).collect();
    let mut settled = BTreeSet::new();
    if let Some(word) = &store.replacing {
        let (proposals, over) = go_on(a, profile(word.service), word);
        all.extend(proposals);
        // and rotten data is not served again
        if over || rotten(&a.view, &word.member).is_some() {
            settled.insert(word.member.clone());
        }
    }
    all.extend(stateless_members::reopen(a));
    all.extend(led_by_rotten(a));
    if let Some(why) = &store.unreadable {
        // another may be under way: beside it nothing is begun
        let text = format!("the word of a replacement cannot be read, so none is begun: {why}");
        all.push(RepairProposal::silent().alarm(AlarmKind::StoreBlind, None, text));
    } else if store.replacing.is_none() {
        all.extend(begin(a));
    }
    all.extend(asked(a));
    (all, settled)
}

/// What is begun where nothing is under way: whoever is heard first has its turn.
fn begin(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    // a member of etcd is followed in seconds, a database is cloned: the quicker one first
    let mut all = etcd_members::begin(a);
    all.extend(several(database_members::begin(a)));
    all.extend(stateless_members::restart(a));
    all.extend(stateless_members::begin(a, Service::Balancer));
    all.extend(stateless_members::begin(a, Service::Controller));
    all.extend(drift(a));
    all.extend(count(a));
    all.extend(stateless_members::count(a));
    all
}

/// What is particular to the replacement of a member of a service.
fn profile(service: Service) -> &'static dyn Profile {
    match service {
        Service::Etcd => &EtcdMembers,
        Service::Balancer | Service::Controller => &StatelessMembers,
        _ => &Databases,
    }
}

/// Everything up to the first few that could be begun.
fn several(proposals: impl Iterator<Item = RepairProposal>) -> Vec<RepairProposal> {
    let mut could = 0;
    proposals
        .take_while(|proposal| {
            let goes_on = could < SEVERAL;
            could += usize::from(!proposal.steps.is_empty());
            goes_on
        })
        .collect()
}

/// What is said of operators' wishes that nobody can fulfil.
fn asked(a: &RepairAssessment<'_>) -> Vec<RepairProposal> {
    let goes = |member: &Member| !matches!(member.service, Service::Client | Service::Broker);
    let mut all = Vec::new();
    for (asked, revision) in &a.view.store.asked {
        if a.view.bodies.retired.contains(asked) {
            // it has left for another reason: nobody is to go for its sake
            if a.view.store.replacing.is_none() {
                let step = RepairStep::Forget { member: asked.clone(), wish: Some(*revision) };
                all.push(RepairProposal::silent().step(step).turn(OneAtATime::Begins));
            }
        } else if !a.view.member(asked).is_some_and(goes) {
            let text = format!("{asked} is to be replaced and is no member of this lab that could be");
            all.push(RepairProposal::silent().alarm(AlarmKind::NoSuchMember, Some(asked), text));
        }
    }
    all
}
