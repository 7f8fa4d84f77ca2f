//! The operator's verbs as faults: Patroni or a controller is asked, in the client host, and whether it happened is
//! read elsewhere: from PostgreSQL inside its own body and from Patroni's keys in etcd.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::family::{EVIDENCE_TIMEOUT, Family, Scene, Victim, VictimSeen};
use super::sql;
use crate::lab::{names, reach, record};
use crate::model::body::DATA_PATH;
use crate::model::control::asked_key;
use crate::model::plan::Operation;
use crate::model::scaling::{SizeWish, scale_key};
use crate::model::scenario::OperatorVerb;
use crate::model::{FaultRecord, FaultTarget, MemberId, Name, Service, Size};

const ROLES: &str = "pg_is_in_recovery() of the members, leader key in etcd";
const CONFIG: &str = "config key in etcd";
const SIZE_SOURCE: &str = "engine inspect, statvfs in the body";
const WISH: &str = "key in etcd, the lab's record";
const STARTS: &str = "pg_postmaster_start_time()";
/// How long a wish for sizes may take: scaling looks every ten seconds unless told otherwise, and gives one after
/// another.
const GIVES: Duration = Duration::from_secs(30);
/// Under this key the notes keep when each instance had started.
const STARTED_NOTE: &str = "started";

/// What an operator asks of Patroni.
#[derive(Clone, Copy, Debug)]
pub struct Operator<'a>(pub OperatorVerb<'a>);

#[async_trait]
impl Family for Operator<'_> {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        let postgres = |victim: &Victim| {
            scene.record.of(Service::Postgres).any(|(member, _)| Some(&member.id) == victim.hit.member())
        };
        let others = victims.iter().find(|victim| !postgres(victim));
        let any = matches!(self.0, OperatorVerb::Resize(_) | OperatorVerb::Replace);
        if let Some(other) = others.filter(|_| !any) {
            return Err(format!("{} is no member of postgres", other.hit));
        }
        match self.0 {
            OperatorVerb::Switchover
                if candidate(fault).as_ref() == victims.first().and_then(|victim| victim.hit.member()) =>
            {
                Err("the candidate is primary already: there is nothing to hand over".to_owned())
            }
            OperatorVerb::Failover if victims.len() != 1 => {
                Err(format!("a failover has one candidate, and this target names {}", victims.len()))
            }
            OperatorVerb::Failover
                if !sql::in_recovery(scene.docker, scene.record, victims[0].member()?).await? =>
            {
                Err(format!("{} is primary already", victims[0].hit))
            }
            OperatorVerb::Replace | OperatorVerb::Resize(_) | OperatorVerb::Scale { .. }
                if scene.record.spec.controllers.is_empty() =>
            {
                Err("the lab has no controllers: nobody would do it".to_owned())
            }
            OperatorVerb::Scale { service, count } => {
                scene.record.spec.may_have(counted_service(service)?, count)
            }
            OperatorVerb::RollingRestart => {
                let mut starts = serde_json::Map::new();
                for victim in victims {
                    starts.insert(victim.hit.to_string(), json!(started(scene, victim).await?));
                }
                fault.notes.insert(STARTED_NOTE.to_owned(), Value::Object(starts));
                Ok(())
            }
            OperatorVerb::Switchover
            | OperatorVerb::Failover
            | OperatorVerb::Resize(_)
            | OperatorVerb::Maintenance { .. }
            | OperatorVerb::Replace => Ok(()),
        }
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        // the cluster is asked once, whomever it hits
        if fault.targets.first() != Some(&victim.hit) {
            return Ok(());
        }
        let members = || fault.targets.iter().filter_map(FaultTarget::member).cloned().collect();
        let operation = match self.0 {
            OperatorVerb::Switchover => Operation::Switchover { candidate: candidate(fault) },
            OperatorVerb::Failover => Operation::Failover { candidate: victim.member()?.clone() },
            OperatorVerb::Maintenance { on } => Operation::Maintenance { on },
            OperatorVerb::RollingRestart => Operation::RollingRestart { members: members() },
            OperatorVerb::Replace => Operation::Replace { members: members() },
            OperatorVerb::Resize(size) => Operation::Resize { members: members(), size },
            OperatorVerb::Scale { service, count } => {
                Operation::Scale { service: counted_service(service)?, count }
            }
        };
        ask(scene, operation).await
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        match self.0 {
            OperatorVerb::Switchover => leads(scene, victim.hit.member(), candidate(fault).as_ref()).await,
            OperatorVerb::Failover => leads(scene, None, victim.hit.member()).await,
            OperatorVerb::Maintenance { on } => maintenance(scene, on).await,
            OperatorVerb::Replace => asked(scene, victim).await,
            OperatorVerb::Resize(wish) => resized(scene, victim, wish).await,
            OperatorVerb::Scale { service, count } => match counted_service(service) {
                Ok(service) => counted(scene, service, count).await,
                Err(why) => VictimSeen::new(false, WISH, why),
            },
            OperatorVerb::RollingRestart => restarted(scene, fault, victim).await,
        }
    }

    fn patience(&self, _: &FaultRecord) -> Duration {
        if matches!(self.0, OperatorVerb::Resize(_)) { GIVES } else { EVIDENCE_TIMEOUT }
    }

    async fn undo(&self, scene: &Scene<'_>, _: &FaultRecord, _: &Victim) -> Result<(), String> {
        match self.0 {
            OperatorVerb::Maintenance { on: true } => ask(scene, Operation::Maintenance { on: false }).await,
            _ => Ok(()),
        }
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, _: &Victim) -> VictimSeen {
        match self.0 {
            OperatorVerb::Maintenance { .. } => maintenance(scene, false).await,
            _ => VictimSeen::new(true, "definition of the verb", "nothing to undo"),
        }
    }
}

/// Whom a switchover names, as it was resolved.
fn candidate(fault: &FaultRecord) -> Option<MemberId> {
    fault.notes.get("candidate")?.as_str()?.parse().ok()
}

async fn ask(scene: &Scene<'_>, operation: Operation) -> Result<(), String> {
    let outcome =
        reach::operate(scene.docker, scene.record, operation).await.map_err(|error| error.to_string())?;
    if outcome.done {
        return Ok(());
    }
    let said: Vec<String> = outcome.said.iter().map(|(member, said)| format!("{member}: {said}")).collect();
    Err(if said.is_empty() { "nobody answered".to_owned() } else { said.join("; ") })
}

/// Whether somebody else than `not` leads, and `wanted` when somebody is: the key says so and the
/// instance writes.
async fn leads(scene: &Scene<'_>, not: Option<&MemberId>, wanted: Option<&MemberId>) -> VictimSeen {
    let key = match sql::key(scene.docker, scene.record, "leader").await {
        Ok(key) => key,
        Err(why) => return VictimSeen::new(false, ROLES, why),
    };
    let Ok(leader) = key.parse::<MemberId>() else {
        return VictimSeen::new(false, ROLES, format!("the leader key says `{key}`"));
    };
    let writes = sql::in_recovery(scene.docker, scene.record, &leader).await.map(|recovering| !recovering);
    let text = match &writes {
        Ok(true) => format!("{leader} leads and writes"),
        Ok(false) => format!("{leader} leads and does not write yet"),
        Err(why) => format!("{leader} leads: {why}"),
    };
    VictimSeen::new(meant(&leader, not, wanted) && writes == Ok(true), ROLES, text)
}

/// Whether this leader is one the verb wanted.
fn meant(leader: &MemberId, not: Option<&MemberId>, wanted: Option<&MemberId>) -> bool {
    not != Some(leader) && wanted.is_none_or(|wanted| wanted == leader)
}

/// Whether controllers were asked to replace this member: the wish stands, or it was fulfilled already.
async fn asked(scene: &Scene<'_>, victim: &Victim) -> VictimSeen {
    let member = match victim.member() {
        Ok(member) => member,
        Err(why) => return VictimSeen::new(false, WISH, why),
    };
    let key = asked_key(&scene.record.spec.name, member);
    match sql::any_key(scene.docker, scene.record, &key).await {
        Err(why) => VictimSeen::new(false, WISH, why),
        Ok(wish) if !wish.is_empty() => VictimSeen::new(true, WISH, format!("asked by {wish}")),
        Ok(_) => match record::read(scene.docker, scene.record.spec.name.as_str()).await {
            Ok(Some(now)) if now.members.iter().all(|other| other.id != *member) => {
                VictimSeen::new(true, WISH, "it has left already")
            }
            Ok(_) => VictimSeen::new(false, WISH, "nobody asks for it"),
            Err(why) => VictimSeen::new(false, WISH, why.to_string()),
        },
    }
}

/// The service of this name, if its number changes.
fn counted_service(name: &Name) -> Result<Service, String> {
    Service::sized(name.as_str()).ok_or_else(|| format!("the number of `{name}` does not change"))
}

/// Whether controllers were asked for so many: the wish stands, or the record says so already.
async fn counted(scene: &Scene<'_>, service: Service, count: u32) -> VictimSeen {
    let lab = &scene.record.spec.name;
    match sql::any_key(scene.docker, scene.record, &scale_key(lab, service)).await {
        Err(why) => VictimSeen::new(false, WISH, why),
        Ok(wish) if !wish.is_empty() => VictimSeen::new(true, WISH, format!("asked for: {wish}")),
        Ok(_) => match record::read(scene.docker, lab.as_str()).await {
            Ok(Some(now)) => {
                let wanted = now.desired.counts.get(&service).copied().unwrap_or_default();
                VictimSeen::new(wanted == count, WISH, format!("{wanted} are wanted by the record"))
            }
            Ok(None) => VictimSeen::new(false, WISH, "the lab has no record"),
            Err(why) => VictimSeen::new(false, WISH, why.to_string()),
        },
    }
}

/// Whether a body has what was wanted for it, by the engine and its own file system.
async fn resized(scene: &Scene<'_>, victim: &Victim, wish: SizeWish) -> VictimSeen {
    let usage = match scene.docker.usage(&victim.container.id, DATA_PATH).await {
        Ok(usage) => usage,
        Err(why) => return VictimSeen::new(false, SIZE_SOURCE, why.to_string()),
    };
    // what nobody asked for is as it is
    let now = Size {
        cpus: usage.cores.unwrap_or_default(),
        memory: usage.limit.unwrap_or_default(),
        disk: usage.disk.map(|disk| disk.size).unwrap_or_default(),
    };
    let differs = usage.differs(&wish.of(now));
    let text = differs.clone().unwrap_or_else(|| {
        format!("{} cores, {} of memory, a file system of {}", now.cpus, now.memory, now.disk)
    });
    VictimSeen::new(differs.is_none(), SIZE_SOURCE, text)
}

async fn maintenance(scene: &Scene<'_>, wanted: bool) -> VictimSeen {
    match sql::key(scene.docker, scene.record, "config").await {
        Err(why) => VictimSeen::new(false, CONFIG, why),
        Ok(config) => match paused(&config) {
            None => VictimSeen::new(false, CONFIG, "the key is no configuration"),
            Some(paused) => {
                VictimSeen::new(paused == wanted, CONFIG, if paused { "paused" } else { "not paused" })
            }
        },
    }
}

/// Whether Patroni's configuration says pause; `None` for what is no configuration.
fn paused(config: &str) -> Option<bool> {
    let config: Value = serde_json::from_str(config).ok()?;
    Some(config.as_object()?.get("pause").and_then(Value::as_bool).unwrap_or(false))
}

async fn started(scene: &Scene<'_>, victim: &Victim) -> Result<String, String> {
    let container = names::container(scene.record.spec.name.as_str(), victim.hit.as_str());
    sql::ask(scene.docker, &container, "select extract(epoch from pg_postmaster_start_time())").await
}

async fn restarted(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
    let before =
        fault.notes.get(STARTED_NOTE).and_then(|all| all.get(victim.hit.as_str())).and_then(Value::as_str);
    match (before, started(scene, victim).await) {
        (_, Err(why)) => VictimSeen::new(false, STARTS, why),
        (None, Ok(_)) => VictimSeen::new(false, STARTS, "nobody noted when it had started before"),
        (Some(before), Ok(now)) => {
            VictimSeen::new(before != now, STARTS, format!("started at {now}, was {before}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> MemberId {
        text.parse().expect("a name")
    }

    #[test]
    fn a_handover_to_somebody_else_than_wanted_did_not_bite() {
        let (one, two, three) = (name("postgres-1"), name("postgres-2"), name("postgres-3"));
        assert!(meant(&two, Some(&one), Some(&two)));
        assert!(meant(&two, Some(&one), None));
        assert!(!meant(&one, Some(&one), None), "the old primary leads still");
        assert!(!meant(&three, Some(&one), Some(&two)));
        assert!(meant(&two, None, Some(&two)));
    }

    #[test]
    fn only_a_configuration_says_whether_it_is_paused() {
        assert_eq!(paused(r#"{"ttl":30,"pause":true}"#), Some(true));
        assert_eq!(paused(r#"{"ttl":30,"pause":false}"#), Some(false));
        assert_eq!(paused(r#"{"ttl":30}"#), Some(false));
        assert_eq!(paused(""), None);
        assert_eq!(paused("[]"), None);
    }
}
