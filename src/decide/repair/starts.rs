//! Bodies that lie dead and are nobody's leader: started again, one at a time and within a budget.
//!
//! Invariant: a PostgreSQL body is started only while somebody else holds the leader key: alone it would
//! take a dead leader's lock back, or found a new cluster.

use std::collections::BTreeSet;

use super::Step;
use super::draft::{Draft, lies};
use crate::model::{ContainerStatus, Member, MemberId, Service};

/// A body that could not be started so often is made anew.
pub(super) const TRIES: u32 = 3;

/// Orders at most one start; not of those who are `settled`.
pub(super) fn starts(draft: &mut Draft<'_>, settled: &BTreeSet<MemberId>) {
    let world = draft.world;
    let mut due: Vec<(&Member, Step)> = Vec::new();
    for member in draft.members {
        let ours = matches!(
            member.service,
            Service::Postgres | Service::Etcd | Service::Balancer | Service::Controller
        );
        let holds = draft.holds(&member.id);
        // the holder is the business of `leader`, what stands on a lost host of `replace`
        if !ours || holds || settled.contains(&member.id) || draft.host_runs(&member.host) != Some(true) {
            continue;
        }
        let create =
            Step::Create { member: member.id.clone(), service: member.service, host: member.host.clone() };
        match draft.containers(&member.id) {
            [body] if lies(body.status) => {
                let start = Step::Start { member: member.id.clone(), container: body.id.clone() };
                // one that is not what the record says gets another life as what it should be
                let again = draft.failures(&start) < TRIES && !draft.bodies.drifted.contains_key(&body.id);
                let step = if again { start } else { create };
                if draft.lasts(&member.id, "dead", world.policy.start_grace) && may_start(draft, member) {
                    due.push((member, step));
                }
            }
            [body] if body.status == ContainerStatus::Paused => {
                if draft.lasts(&member.id, "frozen", world.policy.freeze_grace) {
                    draft.alarm(format!("{} is frozen: thaw or remove it", member.id));
                }
            }
            [_] => {}
            // without the record nobody knows whether it should have one
            [] if draft.bodies.placed.is_empty() => draft.alarm(format!("{} has no container", member.id)),
            [] => {
                if draft.lasts(&member.id, "gone", world.policy.start_grace) && may_start(draft, member) {
                    due.push((member, create));
                }
            }
            several => draft.alarm(format!("{} containers are called {}", several.len(), member.id)),
        }
    }
    if nobody_can_lead(draft) {
        draft.alarm("nobody leads and no PostgreSQL runs: start the body with the newest data by hand");
    }
    // who lay longest comes first; one that fails again and again waits and lets the next one pass
    let since =
        |draft: &Draft<'_>, member: &Member| draft.out.memory.since.get(&member.id).map(|(_, when)| *when);
    due.sort_by_key(|(member, _)| (since(draft, member), member.id.clone()));
    for (member, step) in due {
        if over_budget(draft) {
            draft.alarm(format!(
                "{} lies dead and the budget of starts is spent ({} in {}): find out why bodies die",
                member.id, world.policy.starts.max, world.policy.starts.per
            ));
            continue;
        }
        let differs =
            matches!(draft.containers(&member.id), [body] if draft.bodies.drifted.contains_key(&body.id));
        let (word, reason) = match step {
            Step::Create { .. } if differs => {
                ("create", "its body is not what the record says: a new one on its volumes")
            }
            Step::Create { .. } => {
                ("create", "it has no body that could be started: a new one on its volumes")
            }
            _ => ("start", "its body is there and does not run"),
        };
        if draft.order(step) {
            draft.say(word, Some(&member.id), reason);
        }
    }
}

/// Its host runs, and a PostgreSQL would follow somebody.
fn may_start(draft: &Draft<'_>, member: &Member) -> bool {
    let led = draft.store.leader.is_some() || member.service != Service::Postgres;
    led && draft.host_runs(&member.host) == Some(true)
}

/// Whether so many were started lately that something else must be wrong.
fn over_budget(draft: &Draft<'_>) -> bool {
    let budget = draft.world.policy.starts;
    let now = draft.seen.at;
    let lately = draft.out.memory.starts.iter().filter(|when| now.since(**when) < budget.per.0).count();
    lately >= budget.max as usize
}

/// Whether nothing that repair may do brings a leader.
fn nobody_can_lead(draft: &Draft<'_>) -> bool {
    let runs = |member: &Member| {
        draft.containers(&member.id).iter().any(|body| body.status == ContainerStatus::Running)
    };
    let mut postgres = draft.members.iter().filter(|member| member.service == Service::Postgres);
    draft.store.leader.is_none() && !postgres.any(runs)
}
