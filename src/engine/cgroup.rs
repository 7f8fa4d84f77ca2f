//! What the kernel holds a container to: the files of its cgroup, version 1 or 2. Read on this
//! machine, or, on an engine that is not local, inside the container, where the same files stand.

use std::collections::BTreeMap;
use std::fs;

/// What a cgroup says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CgroupState {
    /// Cores it may use; `None` for as many as there are.
    pub cpus: Option<f64>,
    /// Memory it may use, bytes; `None` for all.
    pub memory: Option<u64>,
    /// Memory it uses and could not give back, bytes: without the page cache of files.
    pub used: u64,
    /// Processes the kernel killed in it for memory.
    pub oom_kills: u64,
}

/// File of version 1 with its controller, file of version 2, for each number.
const QUOTA: (&str, &str) = ("cpu/cpu.cfs_quota_us", "cpu.max");
const PERIOD: &str = "cpu/cpu.cfs_period_us";
const MEMORY_LIMIT_FILES: (&str, &str) = ("memory/memory.limit_in_bytes", "memory.max");
const USED: (&str, &str) = ("memory/memory.usage_in_bytes", "memory.current");
const STAT: (&str, &str) = ("memory/memory.stat", "memory.stat");
const KILLS: (&str, &str) = ("memory/memory.oom_control", "memory.events");

/// Version 1 writes its largest page-aligned number for "no limit"; no machine has so much.
const NO_LIMIT: u64 = 1 << 60;

/// The program that prints these files inside a container; what is not there is left out.
pub const PRINT_CGROUP: &str = "cd /sys/fs/cgroup && head -v -n 999 cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes \
     memory/memory.usage_in_bytes memory/memory.stat memory/memory.oom_control cpu.max memory.max memory.current memory.stat \
     memory.events 2>/dev/null; true";

/// What holds the container whose first process has this number; `None` when it is not to be seen here.
#[must_use]
pub fn held(pid: u32, container: &str) -> Option<CgroupState> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    // an engine elsewhere has processes of the same numbers
    if pid == 0 || !groups.contains(container) {
        return None;
    }
    from_files(&|file| fs::read_to_string(path(&groups, file)?).ok())
}

/// Where a file stands, from `/proc/<pid>/cgroup`.
fn path(groups: &str, file: &str) -> Option<String> {
    let wanted = file.split_once('/').map_or("", |(controller, _)| controller);
    groups.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let name = file.split_once('/').map_or(file, |(_, name)| name);
        let here = controllers.split(',').any(|controller| controller == wanted);
        here.then(|| match wanted {
            "" => format!("/sys/fs/cgroup{path}/{name}"),
            controller => format!("/sys/fs/cgroup/{controller}{path}/{name}"),
        })
    })
}

/// Reads what [`PRINT_CGROUP`] printed.
#[must_use]
pub fn parse(printed: &str) -> Option<CgroupState> {
    let files: BTreeMap<&str, &str> = printed
        .split("==> ")
        .filter_map(|part| part.split_once(" <==\n"))
        .map(|(name, text)| (name, text.trim()))
        .collect();
    from_files(&|file| files.get(file).map(|text| (*text).to_owned()))
}

fn from_files(read: &dyn Fn(&str) -> Option<String>) -> Option<CgroupState> {
    let number = |(one, two): (&str, &str)| {
        read(one).or_else(|| read(two)).and_then(|text| text.trim().parse::<u64>().ok())
    };
    let cpus = match read(QUOTA.0) {
        Some(quota) => cores(&quota, &read(PERIOD)?),
        None => read(QUOTA.1).and_then(|text| text.split_once(' ').and_then(|(q, p)| cores(q, p))),
    };
    let stat = read(STAT.0).or_else(|| read(STAT.1)).unwrap_or_default();
    let counted = |name: &str| {
        let counts = stat.lines().filter_map(|line| line.split_once(' '));
        counts.into_iter().find_map(|(word, count)| (word == name).then(|| count.trim().parse().ok())?)
    };
    let kills = read(KILLS.0).or_else(|| read(KILLS.1)).unwrap_or_default();
    let oom_kills = kills.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
    Some(CgroupState {
        cpus,
        memory: number(MEMORY_LIMIT_FILES).filter(|limit| *limit < NO_LIMIT),
        used: number(USED)?.saturating_sub(page_cache(counted)),
        oom_kills: oom_kills.unwrap_or(0),
    })
}

/// The page cache of files, bytes, by the counts of `memory.stat`: what a body could give back.
pub(super) fn page_cache(counted: impl Fn(&str) -> Option<u64>) -> u64 {
    // version 1 counts a cgroup with what is below it under `total_`, version 2 without that word
    let pages = |of: &str| counted(&format!("total_{of}")).or_else(|| counted(of)).unwrap_or(0);
    pages("inactive_file").saturating_add(pages("active_file"))
}

/// Cores of a quota and a period in microseconds; `-1` and `max` are no quota.
fn cores(quota: &str, period: &str) -> Option<f64> {
    let (quota, period): (f64, f64) = (quota.trim().parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then(|| quota / period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_one_is_read() {
        let text = "==> cpu/cpu.cfs_quota_us <==\n25000\n\n==> cpu/cpu.cfs_period_us <==\n100000\n\n\
                    ==> memory/memory.limit_in_bytes <==\n536870912\n\n==> memory/memory.usage_in_bytes <==\n40960\n\n\
                    ==> memory/memory.stat <==\ninactive_file 1\ntotal_inactive_file 32768\ntotal_active_file 4096\n\n\
                    ==> memory/memory.oom_control <==\noom_kill_disable 0\nunder_oom 0\noom_kill 2\n";
        let held = parse(text).expect("a cgroup");
        assert_eq!(
            held,
            CgroupState { cpus: Some(0.25), memory: Some(536_870_912), used: 4096, oom_kills: 2 }
        );
    }

    #[test]
    fn version_two_is_read() {
        let text = "==> cpu.max <==\nmax 100000\n\n==> memory.max <==\nmax\n\n==> memory.current <==\n8192\n\n\
                    ==> memory.stat <==\nanon 7\ninactive_file 0\nactive_file 4096\n\n\
                    ==> memory.events <==\nlow 0\noom 1\noom_kill 1\n";
        let held = parse(text).expect("a cgroup");
        assert_eq!(held, CgroupState { cpus: None, memory: None, used: 4096, oom_kills: 1 });
        assert_eq!(parse(&text.replace("max 100000", "50000 100000")).and_then(|held| held.cpus), Some(0.5));
    }

    #[test]
    fn a_long_file_is_printed_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut stat = "count 1\n".repeat(60);
        stat.push_str("inactive_file 4096\nactive_file 0\n");
        for (file, text) in [("memory.current", "8192\n"), ("memory.stat", &stat), ("memory.max", "max\n")] {
            fs::write(dir.path().join(file), text).expect("a file");
        }
        let script =
            PRINT_CGROUP.replace("/sys/fs/cgroup", dir.path().to_str().expect("a path that is text"));
        let said = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let held = parse(&String::from_utf8_lossy(&said.stdout)).expect("a cgroup");
        assert_eq!(held.used, 4096);
    }

    #[test]
    fn no_limit_is_no_number() {
        let text = "==> cpu/cpu.cfs_quota_us <==\n-1\n==> cpu/cpu.cfs_period_us <==\n100000\n\
                    ==> memory/memory.limit_in_bytes <==\n9223372036854771712\n==> memory/memory.usage_in_bytes <==\n1\n";
        let held = parse(text).expect("a cgroup");
        assert_eq!((held.cpus, held.memory), (None, None));
        assert_eq!(parse(""), None);
        assert_eq!(parse("sh: head: not found"), None);
    }

    #[test]
    fn a_file_stands_under_its_controller() {
        let groups = "4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n";
        assert_eq!(
            path(groups, "cpu/cpu.cfs_quota_us").as_deref(),
            Some("/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us")
        );
        assert_eq!(path(groups, "memory.max").as_deref(), Some("/sys/fs/cgroup/docker/abc/memory.max"));
        assert_eq!(path("4:memory:/x\n", "cpu.max"), None);
        assert_eq!(held(0, "x"), None);
    }
}
