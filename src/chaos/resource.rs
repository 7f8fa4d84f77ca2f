//! Faults on what a body may use: `cpu` and `memory` change its limits live, `memory-hog` eats memory
//! beside it. Proof is what the kernel's cgroup says; undone is what the lab's record declares.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::family::{Family, Scene, Victim, VictimSeen};
use crate::engine::cgroup::{self, CgroupState};
use crate::model::scaling::CORES_MARGIN;
use crate::model::scenario::ResourceVerb;
use crate::model::{Bytes, ContainerStatus, FaultRecord, Size};

const MACHINE_CGROUPS: &str = "cgroup files of the machine";
const BODY_CGROUPS: &str = "cgroup files inside the body";
/// Under this key the notes keep what each victim used before.
const MEMORY_NOTE: &str = "memory";

/// Limits of a body, and who eats its memory.
#[derive(Clone, Copy, Debug)]
pub struct Resources(pub ResourceVerb);

#[async_trait]
impl Family for Resources {
    async fn prepare(
        &self,
        scene: &Scene<'_>,
        fault: &mut FaultRecord,
        victims: &[Victim],
    ) -> Result<(), String> {
        let mut before = serde_json::Map::new();
        for victim in victims {
            if victim.container.status != ContainerStatus::Running {
                return Err(format!("{} is {}", victim.hit, victim.container.status.as_str()));
            }
            declared(scene, victim)?;
            let (held, _) = held(scene, victim).await?;
            before.insert(victim.hit.to_string(), json!({ "used": held.used, "oom-kills": held.oom_kills }));
        }
        if matches!(self.0, ResourceVerb::MemoryHog { .. }) {
            fault.notes.insert(MEMORY_NOTE.to_owned(), Value::Object(before));
        }
        Ok(())
    }

    async fn deed(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let id = victim.container.id.as_str();
        let done = match self.0 {
            ResourceVerb::Cpu { cores } => scene.docker.limit(id, Some(cores), None).await,
            ResourceVerb::Memory { limit } => scene.docker.limit(id, None, Some(limit)).await,
            ResourceVerb::MemoryHog { size } => {
                scene.docker.exec_alone(id, &hog(&hold_file(fault), size)).await
            }
        };
        done.map_err(|error| error.to_string())
    }

    async fn bit(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        match held(scene, victim).await {
            Err(why) => VictimSeen::new(false, BODY_CGROUPS, why),
            Ok((held, source)) => {
                let (bit, text) = bite(self.0, before(fault, victim), &held);
                VictimSeen::new(bit, source, text)
            }
        }
    }

    async fn undo(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> Result<(), String> {
        let (id, size) = (victim.container.id.as_str(), declared(scene, victim)?);
        let done = match self.0 {
            ResourceVerb::Cpu { .. } => scene.docker.limit(id, Some(size.cpus), None).await,
            ResourceVerb::Memory { .. } => scene.docker.limit(id, None, Some(size.memory)).await,
            // a body that does not run has no hog any more, and its memory file system is gone
            ResourceVerb::MemoryHog { .. } if victim.container.status != ContainerStatus::Running => Ok(()),
            ResourceVerb::MemoryHog { .. } => scene
                .docker
                .exec(id, &["/bin/rm", "-f", &hold_file(fault)].map(str::to_owned))
                .await
                .map(drop),
        };
        done.map_err(|error| error.to_string())
    }

    async fn undone(&self, scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
        if matches!(self.0, ResourceVerb::MemoryHog { .. }) {
            return hog_gone(scene, fault, victim).await;
        }
        if victim.container.status != ContainerStatus::Running {
            // the engine keeps limits of a body that does not run in its own record alone
            let text = format!("{}: the limits count from its next start", victim.container.status.as_str());
            return VictimSeen::new(true, "engine inspect", text);
        }
        match (held(scene, victim).await, declared(scene, victim)) {
            (Ok((held, source)), Ok(size)) => {
                let (same, text) = match self.0 {
                    ResourceVerb::Cpu { .. } => (same_cores(held.cpus, size.cpus), cores(held.cpus)),
                    ResourceVerb::Memory { .. } | ResourceVerb::MemoryHog { .. } => {
                        (held.memory == Some(size.memory.0), limit(held.memory))
                    }
                };
                VictimSeen::new(same, source, text)
            }
            (Err(why), _) | (_, Err(why)) => VictimSeen::new(false, BODY_CGROUPS, why),
        }
    }
}

/// The size a victim should have.
fn declared(scene: &Scene<'_>, victim: &Victim) -> Result<Size, String> {
    let member = scene.record.members.iter().find(|member| Some(&member.id) == victim.hit.member());
    member
        .map(|member| member.size)
        .ok_or_else(|| format!("`{}` has no declared size: it is no member", victim.hit))
}

async fn held(scene: &Scene<'_>, victim: &Victim) -> Result<(CgroupState, &'static str), String> {
    let body = &victim.container;
    if let Some(held) = cgroup::held(body.pid, &body.id) {
        return Ok((held, MACHINE_CGROUPS));
    }
    let command = ["/bin/sh", "-c", cgroup::PRINT_CGROUP].map(str::to_owned);
    let said = scene.docker.exec(&body.id, &command).await.map_err(|error| error.to_string())?;
    let held = cgroup::parse(&said.stdout).ok_or("the body's cgroup shows nothing, here or inside")?;
    Ok((held, BODY_CGROUPS))
}

/// The file whose presence a hog lives by: whoever removes it, in whatever process, ends the hog.
fn hold_file(fault: &FaultRecord) -> String {
    format!("/tmp/pgha-hog-{}", fault.id)
}

/// A process that fills `size` bytes and holds them. Perl is essential in Debian, so every image has it.
fn hog(file: &str, size: Bytes) -> Vec<String> {
    const PROGRAM: &str = r"my ($file, $left) = @ARGV; open(my $made, '>', $file) or die; close $made; my @held;
        while ($left > 0) { my $part = $left < 1048576 ? $left : 1048576; push @held, chr(1 + int rand 255) x $part; $left -= $part }
        select(undef, undef, undef, 0.05) while -e $file";
    ["/usr/bin/perl", "-e", PROGRAM, file, &size.0.to_string()].map(str::to_owned).to_vec()
}

async fn hog_gone(scene: &Scene<'_>, fault: &FaultRecord, victim: &Victim) -> VictimSeen {
    const SOURCE: &str = "process table inside the body";
    if victim.container.status != ContainerStatus::Running {
        return VictimSeen::new(
            true,
            "engine inspect",
            format!("the body is {}", victim.container.status.as_str()),
        );
    }
    match super::process::processes(scene.docker, &victim.container.id).await {
        Err(why) => VictimSeen::new(false, SOURCE, why),
        Ok(table) => {
            let file = hold_file(fault);
            // the shell that prints the table names no such file
            let hogs =
                table.iter().filter(|entry| entry.state != 'Z' && entry.arguments.contains(&file)).count();
            VictimSeen::new(hogs == 0, SOURCE, format!("{hogs} hogs left"))
        }
    }
}

/// Memory used and processes killed for memory before the deed.
fn before(fault: &FaultRecord, victim: &Victim) -> (u64, u64) {
    let note = fault.notes.get(MEMORY_NOTE).and_then(|all| all.get(victim.hit.as_str()));
    let number = |key: &str| note.and_then(|note| note.get(key)).and_then(Value::as_u64).unwrap_or(0);
    (number("used"), number("oom-kills"))
}

fn bite(verb: ResourceVerb, (used, oom_kills): (u64, u64), now: &CgroupState) -> (bool, String) {
    match verb {
        ResourceVerb::Cpu { cores: wanted } => (same_cores(now.cpus, wanted), cores(now.cpus)),
        ResourceVerb::Memory { limit: wanted } => (now.memory == Some(wanted.0), limit(now.memory)),
        ResourceVerb::MemoryHog { size } => {
            let rose = now.used.saturating_sub(used);
            let killed = now.oom_kills.saturating_sub(oom_kills);
            // the kernel may reclaim file pages of the body while the hog grows: most of it must show
            let bit = killed > 0 || rose >= size.0 / 10 * 8;
            (
                bit,
                format!(
                    "memory in use rose by {} to {}, {killed} killed for memory",
                    Bytes(rose),
                    Bytes(now.used)
                ),
            )
        }
    }
}

fn same_cores(held: Option<f64>, wanted: f64) -> bool {
    held.is_some_and(|held| (held - wanted).abs() < CORES_MARGIN)
}

fn cores(held: Option<f64>) -> String {
    held.map_or_else(|| "no limit of cores".to_owned(), |cores| format!("{cores} cores"))
}

fn limit(held: Option<u64>) -> String {
    held.map_or_else(|| "no limit of memory".to_owned(), |bytes| format!("limit {}", Bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(cpus: f64, memory: u64, used: u64, oom_kills: u64) -> CgroupState {
        CgroupState { cpus: Some(cpus), memory: Some(memory), used, oom_kills }
    }

    #[test]
    fn a_squeeze_the_kernel_does_not_show_did_not_bite() {
        let cpu = ResourceVerb::Cpu { cores: 0.25 };
        assert!(bite(cpu, (0, 0), &now(0.25, 1, 1, 0)).0);
        assert!(!bite(cpu, (0, 0), &now(1.0, 1, 1, 0)).0);
        assert!(!bite(cpu, (0, 0), &CgroupState { cpus: None, ..now(1.0, 1, 1, 0) }).0);
        let memory = ResourceVerb::Memory { limit: Bytes::mib(300) };
        assert!(bite(memory, (0, 0), &now(1.0, Bytes::mib(300).0, 1, 0)).0);
        assert!(!bite(memory, (0, 0), &now(1.0, Bytes::mib(512).0, 1, 0)).0);
    }

    #[test]
    fn a_hog_that_touched_nothing_did_not_bite_and_a_killed_one_did() {
        let hog = ResourceVerb::MemoryHog { size: Bytes::mib(100) };
        let mib = |n: u64| Bytes::mib(n).0;
        assert!(bite(hog, (mib(50), 0), &now(1.0, mib(512), mib(149), 0)).0);
        assert!(!bite(hog, (mib(50), 0), &now(1.0, mib(512), mib(60), 0)).0);
        assert!(!bite(hog, (mib(50), 1), &now(1.0, mib(512), mib(40), 1)).0);
        assert!(bite(hog, (mib(50), 1), &now(1.0, mib(512), mib(40), 2)).0);
    }

    #[test]
    fn a_hogs_size_and_file_are_arguments() {
        let command = hog("/tmp/x y", Bytes(7));
        assert_eq!((command[3].as_str(), command[4].as_str()), ("/tmp/x y", "7"));
    }
}
