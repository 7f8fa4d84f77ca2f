//! How each verb is asked for (<https://patroni.readthedocs.io/en/latest/rest_api.html>).

use std::collections::BTreeMap;
use std::time::Duration;

use crate::engine::clock;
use crate::engine::etcd::{Compare, StoreChange};
use crate::engine::patroni::{Cluster, PatroniClient};
use crate::engine::store::Store;
use crate::model::control::{SwitchoverWish, asked_key, switchover_key};
use crate::model::plan::{OperateOutcome, OperatePlan, Operation};
use crate::model::scaling::{CountWish, resize_keys, scale_key};
use crate::model::{MemberId, Mono};

/// Longest wait for a question that only reads.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(2);
/// How long controllers have to take what they are asked for.
const TAKEN: Duration = Duration::from_secs(5);
/// Pause between two looks at a member that is coming back.
const MEMBER_LOOK_PAUSE: Duration = Duration::from_millis(200);

/// What Patroni said, or why it said nothing, and by whom.
type PatroniSaid = Result<(MemberId, String), (MemberId, String)>;

/// How the leadership is handed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HandoverKind {
    /// Patroni shuts the old leader down first.
    Planned,
    /// The candidate is promoted, whoever leads.
    Forced,
}

/// Asks Patroni for what the plan wants.
pub async fn carry_out(plan: &OperatePlan) -> OperateOutcome {
    let deadline = clock::now().plus(plan.timeout.0);
    let mut outcome = OperateOutcome::default();
    let said = match &plan.operation {
        Operation::Switchover { candidate } => match controllers(plan, candidate.as_ref(), deadline).await {
            Some(said) => keep(&mut outcome, said),
            None => handover(plan, &mut outcome, candidate.as_ref(), HandoverKind::Planned).await,
        },
        Operation::Failover { candidate } => {
            handover(plan, &mut outcome, Some(candidate), HandoverKind::Forced).await
        }
        Operation::Maintenance { on } => maintenance(plan, &mut outcome, *on).await,
        Operation::RollingRestart { members } => rolling(plan, &mut outcome, members, deadline).await,
        Operation::Replace { members } => {
            let wish = |member: &MemberId| (asked_key(&plan.lab, member), b"an operator".to_vec());
            ask(plan, &mut outcome, members, wish).await
        }
        Operation::Resize { members, size } => {
            let keys = resize_keys(&plan.lab);
            // plain data: serialising it cannot fail
            let value = serde_json::to_vec(size).unwrap_or_default();
            ask(plan, &mut outcome, members, |member| (format!("{keys}{member}"), value.clone())).await
        }
        Operation::Scale { service, count } => {
            let wish = CountWish { count: *count };
            // plain data: serialising it cannot fail
            let value = serde_json::to_vec(&wish).unwrap_or_default();
            let all = [(*service).into()];
            ask(plan, &mut outcome, &all, |_| (scale_key(&plan.lab, *service), value.clone())).await
        }
    };
    outcome.done = said;
    outcome.leader = match cluster(plan).await {
        Some((_, cluster)) => cluster.leader().map(str::to_owned),
        None => None,
    };
    outcome
}

fn patroni(plan: &OperatePlan, member: &MemberId, limit: Duration) -> Option<PatroniClient> {
    let door = plan.rest.get(member)?;
    Some(PatroniClient::new(*door, limit).with_login(&plan.login.user, &plan.login.password))
}

/// The cluster, and the member that told.
async fn cluster(plan: &OperatePlan) -> Option<(MemberId, Cluster)> {
    for member in plan.rest.keys() {
        if let Some(patroni) = patroni(plan, member, QUESTION_TIMEOUT)
            && let Ok(cluster) = patroni.cluster().await
        {
            return Some((member.clone(), cluster));
        }
    }
    None
}

fn keep(outcome: &mut OperateOutcome, said: PatroniSaid) -> bool {
    let done = said.is_ok();
    outcome.said.push(match said {
        Ok(said) | Err(said) => said,
    });
    done
}

fn nobody(outcome: &mut OperateOutcome, plan: &OperatePlan) -> bool {
    for member in plan.rest.keys() {
        outcome.said.push((member.clone(), "Patroni's REST does not answer".to_owned()));
    }
    false
}

/// Asks the controllers for a handover and waits for its end; `None` when none of them took it in time, or there is
/// none: then Patroni is asked.
async fn controllers(
    plan: &OperatePlan,
    candidate: Option<&MemberId>,
    deadline: Mono,
) -> Option<PatroniSaid> {
    if !plan.controllers {
        return None;
    }
    let (asked, before) = cluster(plan).await?;
    let old = before.leader()?.to_owned();
    if candidate.is_some_and(|candidate| candidate.as_str() == old) {
        return None;
    }
    let (store, key) = (Store::new(&plan.etcd), switchover_key(&plan.lab));
    // plain data: serialising it cannot fail
    let value = serde_json::to_vec(&SwitchoverWish { candidate: candidate.cloned() }).unwrap_or_default();
    let wish = StoreChange::Put { key: key.clone(), value, lease: 0 };
    store.transact(&[Compare::ModRevision(key.clone(), 0)], &[wish]).await.ok().filter(|written| *written)?;
    let revision = store.get(&key).await.ok()?.map_or(0, |wish| wish.mod_revision);
    let patience = clock::now().plus(TAKEN);
    let mut taken = false;
    loop {
        if !taken && clock::now() >= patience {
            let back = [Compare::ModRevision(key.clone(), revision)];
            match store.transact(&back, &[StoreChange::Delete(key.clone())]).await {
                Ok(true) => return None,
                // taken in this moment, or not known: two would be asked
                Ok(false) | Err(_) => taken = true,
            }
        }
        taken |= matches!(store.get(&key).await, Ok(None));
        let now = cluster(plan).await;
        let next = now.as_ref().and_then(|(_, cluster)| cluster.leader()).filter(|leader| *leader != old);
        if let Some(next) = next.and_then(|next| next.parse::<MemberId>().ok())
            && writes(plan, &next).await
        {
            let said = format!("Successfully switched over to \"{next}\"");
            return Some(Ok((asked, said)));
        }
        if clock::now() >= deadline {
            let said = "a controller took it and nobody else leads yet";
            return Some(Err((asked, said.to_owned())));
        }
        clock::sleep(MEMBER_LOOK_PAUSE).await;
    }
}

/// Whether a member leads and runs, by its own Patroni's word.
async fn writes(plan: &OperatePlan, member: &MemberId) -> bool {
    let Some(patroni) = patroni(plan, member, QUESTION_TIMEOUT) else { return false };
    matches!(patroni.itself().await, Ok(seen) if seen.role == "primary" && seen.state == "running")
}

async fn handover(
    plan: &OperatePlan,
    outcome: &mut OperateOutcome,
    candidate: Option<&MemberId>,
    how: HandoverKind,
) -> bool {
    let Some((asked, cluster)) = cluster(plan).await else { return nobody(outcome, plan) };
    let Some(patroni) = patroni(plan, &asked, plan.timeout.0) else { return nobody(outcome, plan) };
    let answer = if how == HandoverKind::Planned {
        let Some(leader) = cluster.leader() else {
            return keep(outcome, Err((asked, "nobody leads: there is nothing to hand over".to_owned())));
        };
        patroni.switchover(leader, candidate.map(MemberId::as_str)).await
    } else {
        patroni.failover(candidate.map_or("", MemberId::as_str)).await
    };
    keep(outcome, worded(asked, answer))
}

async fn maintenance(plan: &OperatePlan, outcome: &mut OperateOutcome, on: bool) -> bool {
    for member in plan.rest.keys() {
        let Some(patroni) = patroni(plan, member, QUESTION_TIMEOUT) else { continue };
        match patroni.pause(on).await {
            Ok(_) => {
                let words = if on { "paused" } else { "not paused" };
                return keep(outcome, Ok((member.clone(), words.to_owned())));
            }
            // the next one may reach the store
            Err(error) => outcome.said.push((member.clone(), error.to_string())),
        }
    }
    false
}

/// Writes a wish for each member where controllers look for it: a key and a value.
async fn ask(
    plan: &OperatePlan,
    outcome: &mut OperateOutcome,
    members: &[MemberId],
    wish: impl Fn(&MemberId) -> (String, Vec<u8>),
) -> bool {
    let store = Store::new(&plan.etcd);
    let put = |(key, value)| StoreChange::Put { key, value, lease: 0 };
    let wishes: Vec<StoreChange> = members.iter().map(|member| put(wish(member))).collect();
    let written = store.transact(&[], &wishes).await;
    for member in members {
        let said = match &written {
            Ok(_) => "asked for".to_owned(),
            Err(error) => format!("etcd: {error}"),
        };
        outcome.said.push((member.clone(), said));
    }
    written.is_ok()
}

async fn rolling(
    plan: &OperatePlan,
    outcome: &mut OperateOutcome,
    members: &[MemberId],
    deadline: Mono,
) -> bool {
    let Some((_, cluster)) = cluster(plan).await else { return nobody(outcome, plan) };
    let roles = cluster.members.iter().map(|member| (member.name.as_str(), member.role.as_str())).collect();
    for member in in_turn(members, &roles) {
        let limit = deadline.since(clock::now());
        let Some(patroni) = patroni(plan, &member, limit) else {
            return keep(outcome, Err((member.clone(), "no such member".to_owned())));
        };
        // one that is just being demoted or started refuses: it gets its time
        if !back(plan, &member, deadline).await {
            return keep(outcome, Err((member, "did not run in time to be restarted".to_owned())));
        }
        if !keep(outcome, worded(member.clone(), patroni.restart().await)) {
            return false;
        }
        if !back(plan, &member, deadline).await {
            return keep(outcome, Err((member, "did not come back in time".to_owned())));
        }
    }
    true
}

/// Replicas first, whoever leads last: each restart of a leader is an outage.
fn in_turn(members: &[MemberId], roles: &BTreeMap<&str, &str>) -> Vec<MemberId> {
    let mut turn = members.to_vec();
    turn.sort_by_key(|member| matches!(roles.get(member.as_str()), Some(&("leader" | "standby_leader"))));
    turn
}

/// Whether a member runs again, and streams when it is a replica.
async fn back(plan: &OperatePlan, member: &MemberId, deadline: Mono) -> bool {
    loop {
        if let Some(patroni) = patroni(plan, member, QUESTION_TIMEOUT)
            && let Ok(seen) = patroni.seen().await
        {
            let streams = seen.replication_state.as_deref() == Some("streaming") || seen.state == "streaming";
            if seen.state == "running" && seen.role == "primary" || streams {
                return true;
            }
        }
        if clock::now() >= deadline {
            return false;
        }
        clock::sleep(MEMBER_LOOK_PAUSE).await;
    }
}

fn worded<E: std::fmt::Display>(member: MemberId, answer: Result<String, E>) -> PatroniSaid {
    match answer {
        Ok(text) => Ok((member, text.trim().to_owned())),
        Err(error) => Err((member, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_leads_is_restarted_last() {
        let member = |name: &str| name.parse::<MemberId>().expect("a name");
        let roles = BTreeMap::from([
            ("postgres-1", "leader"),
            ("postgres-2", "sync_standby"),
            ("postgres-3", "replica"),
        ]);
        let members = ["postgres-1", "postgres-2", "postgres-3"].map(member);
        let turn = in_turn(&members, &roles);
        assert_eq!(turn, ["postgres-2", "postgres-3", "postgres-1"].map(member));
        // nobody leads: nobody is kept for last
        assert_eq!(in_turn(&members, &BTreeMap::new()), members);
    }
}
