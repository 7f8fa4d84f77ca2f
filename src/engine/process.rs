//! Processes of this machine, seen through `/proc` and the cgroup tree: a second source beside the
//! engine's own word. On an engine that is not local there is nothing to see, and nothing is said.

use std::fs;

/// State letter of a process (`R`, `S`, `D`, `T`, `Z`, …); `None` when there is no such process here.
#[must_use]
pub fn state(pid: u32) -> Option<char> {
    if pid == 0 {
        return None;
    }
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name may contain anything, parentheses too: the state follows the last one
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Whether the cgroup freezer holds this process; `None` when the cgroup tree cannot be read.
#[must_use]
pub fn frozen(pid: u32) -> Option<bool> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        if path == "/" {
            // the root cgroup cannot be frozen, and has no file that says so
            return Some(false);
        }
        if controllers == "freezer" {
            let state = fs::read_to_string(format!("/sys/fs/cgroup/freezer{path}/freezer.state")).ok()?;
            return Some(state.trim() == "FROZEN");
        }
        if controllers.is_empty() {
            let Ok(events) = fs::read_to_string(format!("/sys/fs/cgroup{path}/cgroup.events")) else {
                continue;
            };
            return Some(events.lines().any(|line| line == "frozen 1"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_is_not_frozen() {
        assert!(matches!(state(std::process::id()), Some('R' | 'S')));
        assert_ne!(frozen(std::process::id()), Some(true));
        assert_eq!(state(0), None);
    }
}
