//! What is known of an engine that is not the one the lab was tried on: what it lacks, and that it is untried.
//!
//! Sources: Docker's pages "Rootless mode" (known limitations), "Isolate containers with a user namespace" (known
//! limitations), "Runtime metrics" (cgroup versions) and "Docker Engine API" (`GET /info`); the manual page
//! `podman-system-service(1)`. What a trial on this machine can tell, `doctor` tries; here stands what follows from words.

use super::finding::{DoctorFinding, Grade, finding};
use crate::engine::docker::{EngineInfo, EngineLimit};

/// Engines on which labs of this program were founded and broken: version up to its second number, and version of cgroups.
const TRIED: [(&str, &str); 1] = [("20.10", "1")];
/// The oldest engine whose interface this program speaks.
const OLDEST: (u32, u32) = (20, 10);

/// First and second number of a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(['.', '-', '+']).map(|part| part.parse().ok());
    Some((parts.next()??, parts.next().flatten().unwrap_or(0)))
}

/// Whether labs were founded and broken on such an engine.
fn tried(info: &EngineInfo) -> bool {
    let plain = info.other.is_none() && !info.rootless && !info.remapped && !info.selinux && !desktop(info);
    let known = |(version, cgroup): &(&str, &str)| {
        numbers(&info.version) == numbers(version) && info.cgroup == *cgroup
    };
    plain && TRIED.iter().any(known)
}

/// Whether it runs in a virtual machine of its own on somebody's desktop.
fn desktop(info: &EngineInfo) -> bool {
    info.system.contains("Docker Desktop")
}

/// What follows from what an engine says of itself. `ours`: the processor this program is built for. Nothing on an engine
/// that labs were tried on and that lacks nothing.
#[must_use]
pub fn known_of(info: &EngineInfo, ours: &str) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let mut less = |what, seen: String, note: &str| findings.push(finding(what, Grade::Less, seen, note));
    if !tried(info) {
        let name = info.other.as_deref().unwrap_or("Docker");
        less(
            "engine",
            format!("untried: {name} {} with cgroups of version {}", info.version, info.cgroup),
            "labs were founded and broken on Docker 20.10 with cgroups of version 1 alone; what works here is not known",
        );
    }
    if info.other.as_deref().is_some_and(|name| name.contains("Podman")) {
        less(
            "engine",
            "Podman has no process that stays".to_owned(),
            "its socket must be on (`systemctl enable --now podman.socket`); after a restart of the machine it starts no \
             body: `pgha up` does",
        );
    }
    if info.rootless {
        less(
            "engine",
            "it runs without root".to_owned(),
            "no loop devices: volumes have no size of their own, and disk faults and disk scaling are off; no `disk-slow`; \
             processes of other users cannot be signalled",
        );
    }
    if info.remapped {
        less(
            "engine",
            "root in a container is another user on the machine (userns-remap)".to_owned(),
            "such an engine lets no container see the machine's processes: no controller, and no fault on a process; \
             volumes have no size of their own",
        );
    }
    if info.selinux {
        less(
            "engine",
            "SELinux separates its containers".to_owned(),
            "the broker may not get at the engine's socket: no controller; helpers may not mount disks",
        );
    }
    if desktop(info) {
        less(
            "engine",
            "Docker Desktop keeps it in a virtual machine".to_owned(),
            "addresses such as 127.0.1.1 may not be published: then set `[network] publish` to \"none\"",
        );
    }
    if !info.unlimited.is_empty() {
        let words: Vec<&str> = info.unlimited.iter().map(<&str>::from).collect();
        less("limits", format!("not held: {}", words.join(", ")), in_vain(info));
    }
    findings.extend(cannot(info, ours));
    findings
}

/// What helps an engine that cannot hold bodies to their limits.
fn in_vain(info: &EngineInfo) -> &'static str {
    let only_swap = info.unlimited == [EngineLimit::Swap];
    match (info.rootless, info.cgroup.as_str()) {
        (true, "2") => {
            "delegate them: `Delegate=cpu cpuset io memory pids` in a drop-in of `user@.service`, then log in again; \
             without them sizes do not hold"
        }
        (true, _) => "an engine without root holds no limits with cgroups of version 1: sizes do not hold",
        (false, _) if only_swap => {
            "a body may swap beyond its memory where the machine has swap: `swapaccount=1` for the kernel, or `swapoff`"
        }
        (false, _) => "sizes of bodies do not hold, and scaling moves numbers that nobody keeps",
    }
}

/// What keeps a lab from standing at all.
fn cannot(info: &EngineInfo, ours: &str) -> Vec<DoctorFinding> {
    let mut findings = Vec::new();
    let mut bad = |seen: String, note: &str| findings.push(finding("engine", Grade::Bad, seen, note));
    if info.other.is_none() && numbers(&info.version).is_some_and(|version| version < OLDEST) {
        bad(format!("Docker {} is too old", info.version), "20.10 is the oldest that this program speaks to");
    }
    if !info.kind.is_empty() && info.kind != "linux" {
        bad(format!("it runs containers of {}", info.kind), "the lab's images are Linux");
    }
    if !info.processor.is_empty() && processor(&info.processor) != ours {
        bad(
            format!("its machine is {}, and this program is built for {ours}", info.processor),
            "the client's image holds this very program: build it for that machine",
        );
    }
    findings
}

/// A processor by the name that Rust has for it: engines say the kernel's, and some their own.
fn processor(name: &str) -> &str {
    match name {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        other => other,
    }
}

/// Where to point `DOCKER_HOST` when nothing answers at the default socket: `there` are sockets that exist.
#[must_use]
pub fn elsewhere(there: &[String]) -> Option<String> {
    let (first, others) = there.split_first()?;
    let others = if others.is_empty() { String::new() } else { format!(" (or {})", others.join(", ")) };
    Some(format!("another engine's socket is there: `export DOCKER_HOST=unix://{first}`{others}"))
}

/// Sockets at which engines of user `uid` may listen, beside the default one.
#[must_use]
pub fn other_sockets(uid: u32) -> Vec<String> {
    vec![
        format!("/run/user/{uid}/docker.sock"),
        format!("/run/user/{uid}/podman/podman.sock"),
        "/run/podman/podman.sock".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn engine() -> EngineInfo {
        EngineInfo {
            version: "20.10.24+dfsg1".to_owned(),
            api: "1.41".to_owned(),
            cgroup: "1".to_owned(),
            kernel: String::new(),
            system: "Debian GNU/Linux 12 (bookworm)".to_owned(),
            storage: "overlay2".to_owned(),
            cpus: 2,
            memory: 1,
            rootless: false,
            remapped: false,
            selinux: false,
            other: None,
            kind: "linux".to_owned(),
            processor: "x86_64".to_owned(),
            unlimited: Vec::new(),
        }
    }

    /// Makes another engine of one.
    type Change = fn(&mut EngineInfo);

    /// What is told of an engine: grade and what was seen, line by line.
    fn told(change: impl FnOnce(&mut EngineInfo)) -> Vec<(Grade, String)> {
        let mut info = engine();
        change(&mut info);
        let findings = known_of(&info, "x86_64");
        assert!(findings.iter().all(|finding| !finding.note.is_empty()), "{findings:?}");
        findings.into_iter().map(|finding| (finding.grade, finding.seen)).collect()
    }

    #[test]
    fn nothing_is_told_of_an_engine_that_labs_were_tried_on() {
        assert_eq!(told(|_| {}), []);
        assert_eq!(told(|info| info.version = "20.10.5".to_owned()), []);
    }

    #[test]
    fn an_engine_that_labs_were_not_tried_on_is_said_to_be_untried() {
        for version in ["23.0.1", "24.0.7", "25.0.3", "26.1.5+dfsg1", "27.5.1", "28.0.0-rc.1", "29.0.0"] {
            let seen = told(|info| (info.version, info.cgroup) = (version.to_owned(), "2".to_owned()));
            let wanted = format!("untried: Docker {version} with cgroups of version 2");
            assert_eq!(seen, [(Grade::Less, wanted)]);
        }
        let seen = told(|info| info.cgroup = "2".to_owned());
        assert_eq!(seen.len(), 1, "the same engine on other cgroups is another: {seen:?}");
    }

    #[test]
    fn what_other_engines_lack_is_told_beside_that_they_are_untried() {
        let podman = told(|info| info.other = Some("Podman Engine".to_owned()));
        assert_eq!(podman.len(), 2, "{podman:?}");
        assert!(podman[0].1.starts_with("untried: Podman Engine"), "{podman:?}");
        let cases: [Change; 4] = [
            |info| info.rootless = true,
            |info| info.remapped = true,
            |info| info.selinux = true,
            |info| info.system = "Docker Desktop".to_owned(),
        ];
        for change in cases {
            let seen = told(change);
            assert_eq!(seen.len(), 2, "{seen:?}");
            assert!(seen.iter().all(|(grade, _)| *grade == Grade::Less), "{seen:?}");
        }
    }

    #[test]
    fn limits_that_nobody_keeps_are_told_with_what_helps() {
        let note = |change: Change| {
            let mut info = engine();
            change(&mut info);
            known_of(&info, "x86_64").into_iter().find(|finding| finding.what == "limits").expect("a finding")
        };
        let swap = note(|info| info.unlimited = vec![EngineLimit::Swap]);
        assert_eq!(swap.seen, "not held: swap");
        assert!(swap.note.contains("swapaccount"), "{swap:?}");
        let cores = note(|info| {
            (info.rootless, info.cgroup) = (true, "2".to_owned());
            info.unlimited = vec![EngineLimit::Cpu, EngineLimit::Processes];
        });
        assert_eq!(cores.seen, "not held: cpu, processes");
        assert!(cores.note.contains("Delegate="), "{cores:?}");
    }

    #[test]
    fn an_engine_on_which_no_lab_can_stand_is_bad() {
        let cases: [(Change, &str); 3] = [
            (|info| info.version = "19.03.8".to_owned(), "too old"),
            (|info| info.kind = "windows".to_owned(), "windows"),
            (|info| info.processor = "aarch64".to_owned(), "aarch64"),
        ];
        for (change, word) in cases {
            let seen = told(change);
            let bad: Vec<_> = seen.iter().filter(|(grade, _)| *grade == Grade::Bad).collect();
            assert_eq!(bad.len(), 1, "{seen:?}");
            assert!(bad[0].1.contains(word), "{seen:?}");
        }
        // one processor has two names
        assert_eq!(told(|info| info.processor = "amd64".to_owned()), []);
    }

    #[test]
    fn sockets_of_other_engines_are_named() {
        assert_eq!(elsewhere(&[]), None);
        let all = other_sockets(1000);
        let said = elsewhere(&all).expect("words");
        assert!(said.contains("DOCKER_HOST=unix:///run/user/1000/docker.sock"), "{said}");
        assert!(said.contains("/run/podman/podman.sock"), "{said}");
    }
}
