//! Power: a host and everything on it end at one instant, and come back.
//!
//! Invariants: first nothing leaves the host any more, then its sandbox ends, then its bodies: the
//! other order lets kernels say goodbye (FIN, RST), which a power loss does not. On the way back the
//! sandbox comes first: it brings the namespace that the bodies join.

use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::family::{Family, Scene, Victim, VictimSeen};
use super::network::{self, probe, rules};
use super::storage;
use crate::engine::clock;
use crate::engine::docker::EngineError;
use crate::lab::names;
use crate::model::scenario::{Cache, NetworkVerb};
use crate::model::{Container, ContainerStatus, FaultRecord, Member, Service};

const HOST_SOURCE: &str = "engine inspect, connection attempt of the client host";
/// Longest wait for a sandbox to have its address and its routes.
const NAMESPACE_PATIENCE: Duration = Duration::from_secs(10);
/// Pause between two looks at a starting sandbox.
const SANDBOX_LOOK_PAUSE: Duration = Duration::from_millis(20);

/// Power off and on.
#[derive(Clone, Copy, Debug)]
pub struct Power(pub Cache);

#[async_trait]
impl Family for Power {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        _: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        network::spare_the_watcher(scene, victims)?;
        if self.0 == Cache::Kept {
            return Ok(());
        }
        let mut members = Vec::new();
        for victim in victims {
            members.extend(disks(scene, victim).await?);
        }
        let ready = storage::ready_to_lose_cache(scene, &members).await;
        if ready.is_err() {
            // why it is refused is what a person must hear of; `down` takes what stays all the same
            let _ = storage::forget_cache(scene, &members).await;
        }
        ready
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let mark = rules::mark(fault);
        let silence =
            rules::lay(&mark, &rules::rules(fault, NetworkVerb::Isolate, &victim.host, |_| None)?, true);
        let script = format!("iptables-restore --noflush <<'RULES'\n{silence}RULES\n");
        let said = network::run(scene, &victim.host, &script).await?;
        if said.code != 0 {
            return Err(format!("its network could not be silenced: {}", said.stderr.trim()));
        }
        if self.0 == Cache::Lost {
            // while the host is silent already and its bodies still write: what they write is lost. A host
            // whose disks keep their cache is left on, so that nobody takes it for one that lost it
            storage::lose_cache(scene, &disks(scene, victim).await?).await?;
        }
        kill(scene, &victim.container.id).await?;
        all(bodies(scene, victim).iter().map(|body| kill(scene, body))).await
    }

    async fn bit(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let mut on = Vec::new();
        let bodies = bodies(scene, victim);
        for name in bodies.iter().chain([&victim.container.id]) {
            match scene.docker.inspect(name).await {
                Ok(seen) if seen.status == ContainerStatus::Running || seen.pid != 0 => on.push(seen.name),
                Ok(_) | Err(EngineError::NotFound(_)) => {}
                Err(error) => return VictimSeen::new(false, HOST_SOURCE, error.to_string()),
            }
        }
        if victim.container.status != ContainerStatus::Running {
            return VictimSeen::new(false, HOST_SOURCE, "the host was off before");
        }
        let answered = reached(scene, victim, probe::SILENCE_BEGINS).await;
        let text = format!(
            "{} of {} containers run, its address {}",
            on.len(),
            bodies.len() + 1,
            word(answered.as_ref(), probe::SILENCE_BEGINS)
        );
        VictimSeen::new(on.is_empty() && answered == Ok(false), HOST_SOURCE, text)
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        scene.docker.start(&victim.container.id).await.map_err(|error| error.to_string())?;
        namespace_up(scene, victim).await?;
        // a sandbox that was silenced and never ended still has the rules
        let rules = rules::rules(fault, NetworkVerb::Isolate, &victim.host, |_| None)?;
        network::run(scene, &victim.host, &rules::take_away(&rules::mark(fault), &rules)).await?;
        let sandbox = scene.docker.inspect(&victim.container.id).await.map_err(|error| error.to_string())?;
        all(bodies(scene, victim).iter().map(|body| join(scene, body, &sandbox))).await
    }

    async fn undone(&self, scene: &Scene<'_>, _: &FaultRecord, victim: &Victim) -> VictimSeen {
        let sandbox = match scene.docker.inspect(&victim.container.id).await {
            Ok(sandbox) => sandbox,
            Err(error) => return VictimSeen::new(false, HOST_SOURCE, error.to_string()),
        };
        let mut off = Vec::new();
        let bodies = bodies(scene, victim);
        for name in &bodies {
            match scene.docker.inspect(name).await {
                Ok(body) if lives_in(&body, &sandbox) => {}
                Err(EngineError::NotFound(_)) => {}
                Ok(body) => off.push(body.name),
                Err(error) => return VictimSeen::new(false, HOST_SOURCE, error.to_string()),
            }
        }
        let answered = reached(scene, victim, probe::ANSWER_TIMEOUT).await;
        let whole = sandbox.status == ContainerStatus::Running && off.is_empty();
        let text = format!(
            "sandbox {}, {} of {} bodies run in its namespace, its address {}",
            sandbox.status.as_str(),
            bodies.len() - off.len(),
            bodies.len(),
            word(answered.as_ref(), probe::ANSWER_TIMEOUT)
        );
        // rules of another fault may keep the address silent; those are that fault's to heal
        VictimSeen::new(whole && answered.is_ok(), HOST_SOURCE, text)
    }
}

/// Members on the host whose data stands on a disk of its own.
async fn disks(scene: &Scene<'_>, victim: &Victim) -> Result<Vec<Member>, String> {
    let lab = scene.record.spec.name.as_str();
    let seen = scene.docker.observe(Some(lab)).await.map_err(|error| error.to_string())?;
    let here = scene.record.members.iter().filter(|member| member.host == victim.host);
    Ok(here
        .filter(|member| {
            seen.volumes.contains_key(&storage::volume(lab, member.id.as_str()))
                && matches!(member.service, Service::Postgres | Service::Etcd)
        })
        .cloned()
        .collect())
}

/// Containers of the members that stand on the host.
fn bodies(scene: &Scene<'_>, victim: &Victim) -> Vec<String> {
    let lab = scene.record.spec.name.as_str();
    let here = scene.record.members.iter().filter(|member| member.host == victim.host);
    here.map(|member| names::container(lab, member.id.as_str())).collect()
}

async fn all(work: impl Iterator<Item = impl Future<Output = Result<(), String>>>) -> Result<(), String> {
    let refused: Vec<String> = join_all(work).await.into_iter().filter_map(Result::err).collect();
    if refused.is_empty() { Ok(()) } else { Err(refused.join("; ")) }
}

/// Ends a container at once; one that is frozen is thawed by its own end, one that is down is fine.
async fn kill(scene: &Scene<'_>, container: &str) -> Result<(), String> {
    let seen = match scene.docker.inspect(container).await {
        Ok(seen) => seen,
        Err(EngineError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if seen.status == ContainerStatus::Paused {
        // a frozen process does not end; nothing of what it does now leaves the host
        scene.docker.unpause(container).await.map_err(|error| error.to_string())?;
    }
    match scene.docker.kill(container, "KILL").await {
        Ok(()) | Err(EngineError::Conflict(_) | EngineError::NotFound(_)) => Ok(()),
        Err(error) => Err(format!("{}: {error}", seen.name)),
    }
}

/// Waits until the sandbox has its address and the route it makes for itself at start.
async fn namespace_up(scene: &Scene<'_>, victim: &Victim) -> Result<(), String> {
    let deadline = clock::now().plus(NAMESPACE_PATIENCE);
    loop {
        let said = network::run(scene, &victim.host, "ip -4 route show dev eth0").await;
        match said {
            Ok(said) if said.stdout.contains("quickack 1") => return Ok(()),
            Ok(_) | Err(_) if clock::now() < deadline => clock::sleep(SANDBOX_LOOK_PAUSE).await,
            Ok(said) => return Err(format!("its network is not as described: {}", said.stdout.trim())),
            Err(why) => return Err(why),
        }
    }
}

/// Starts a body in the sandbox's namespace; one that still runs in the old one is started anew.
async fn join(scene: &Scene<'_>, body: &str, sandbox: &Container) -> Result<(), String> {
    let seen = match scene.docker.inspect(body).await {
        Ok(seen) => seen,
        Err(EngineError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    if lives_in(&seen, sandbox) {
        return Ok(());
    }
    if seen.pid != 0 {
        kill(scene, body).await?;
    }
    scene.docker.start(body).await.map_err(|error| format!("{body}: {error}"))
}

/// Whether a body runs and began after the namespace did.
fn lives_in(body: &Container, sandbox: &Container) -> bool {
    let began = |container: &Container| container.started_at.parse::<jiff::Timestamp>().ok();
    body.status == ContainerStatus::Running && began(body).is_some_and(|time| began(sandbox) <= Some(time))
}

/// Whether the host's address answers the client host within a time.
async fn reached(scene: &Scene<'_>, victim: &Victim, limit: Duration) -> Result<bool, String> {
    let peers = network::peers(scene, &victim.host);
    let (Some(peer), Some(to)) = (peers.first(), network::address(scene, &victim.host)) else {
        return Err("there is no other host to ask".to_owned());
    };
    let said = network::run(scene, peer, &probe::script(&[(to, probe::CLOSED)], limit)).await?;
    probe::read(&said.stdout)
        .first()
        .map(|probe| probe.answered)
        .ok_or_else(|| format!("the attempt said nothing: {}", said.stderr.trim()))
}

fn word(answered: Result<&bool, &String>, limit: Duration) -> String {
    match answered {
        Ok(true) => "answers".to_owned(),
        Ok(false) => format!("is silent for {} ms", limit.as_millis()),
        Err(why) => format!("was not tried: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(status: ContainerStatus, started_at: &str) -> Container {
        Container {
            id: "c".to_owned(),
            name: "c".to_owned(),
            image: String::new(),
            status,
            pid: 1,
            exit_code: 0,
            oom_killed: false,
            started_at: started_at.to_owned(),
            restarts: false,
            labels: std::collections::BTreeMap::new(),
            address: None,
        }
    }

    #[test]
    fn a_body_older_than_its_sandbox_lives_in_a_namespace_that_is_gone() {
        let running = ContainerStatus::Running;
        let sandbox = container(running, "2026-01-02T03:04:05.1Z");
        assert!(lives_in(&container(running, "2026-01-02T03:04:05.12Z"), &sandbox));
        assert!(!lives_in(&container(running, "2026-01-02T03:04:05.09Z"), &sandbox));
        assert!(!lives_in(&container(running, "2026-01-02T03:04:05Z"), &sandbox));
        assert!(!lives_in(&container(ContainerStatus::Exited, "2026-01-02T03:04:06Z"), &sandbox));
        assert!(!lives_in(&container(running, ""), &sandbox));
    }
}
