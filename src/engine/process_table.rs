//! Processes of this machine, seen through `/proc` and the cgroup tree: a second source beside the
//! engine's own word. On an engine that is not local there is nothing to see, and nothing is said.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The first process of a container, held so that its number can never come to mean another one.
#[derive(Debug)]
pub struct First {
    held: AsyncFd<OwnedFd>,
}

impl First {
    /// Takes hold of process `pid`; `None` when it is not to be seen here, or is not the first process of this
    /// container. Must be called inside the runtime.
    #[must_use]
    #[expect(
        deprecated,
        reason = "unsound only for types that lend out another descriptor; an `OwnedFd` cannot"
    )]
    pub fn of(container: &str, pid: u32) -> Option<Self> {
        let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
        // held first, looked at afterwards: the look is then at this very process
        let held = pidfd_open(number, PidfdFlags::NONBLOCK).ok()?;
        if !is_inside(pid, container, 1) {
            return None;
        }
        Some(Self { held: AsyncFd::with_interest(held, Interest::READABLE).ok()? })
    }

    /// Waits until it has ended. The kernel says so when every other process of its namespace has ended, too:
    /// the first one reaps them before it is let go (`pid_namespaces(7)`, `pidfd_open(2)`).
    ///
    /// # Errors
    /// When the runtime ends.
    pub async fn ended(&self) -> io::Result<()> {
        self.held.readable().await.map(drop)
    }
}

/// Sends a signal, by its name without `SIG`, to the first process of a container, as anybody on this machine could.
/// `None` when it cannot be done from here: the process is not to be seen, the signal has no name that is known here,
/// or this user may not send it.
///
/// # Errors
/// When the kernel refuses for another reason, for example because the process has just ended.
#[must_use]
pub fn signal_first(container: &str, pid: u32, signal: &str) -> Option<io::Result<()>> {
    let number = Pid::from_raw(i32::try_from(pid).ok()?)?;
    let signal = named(signal)?;
    // held first, looked at afterwards: the number cannot come to mean another process in between
    let held = pidfd_open(number, PidfdFlags::empty()).ok()?;
    if container.is_empty() || !is_inside(pid, container, 1) {
        return None;
    }
    match pidfd_send_signal(&held, signal) {
        Err(rustix::io::Errno::PERM | rustix::io::Errno::NOSYS) => None,
        sent => Some(sent.map_err(io::Error::from)),
    }
}

/// The signals that faults send.
fn named(signal: &str) -> Option<Signal> {
    let known = [
        ("KILL", Signal::KILL),
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("QUIT", Signal::QUIT),
        ("HUP", Signal::HUP),
        ("ABRT", Signal::ABORT),
        ("SEGV", Signal::SEGV),
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("STOP", Signal::STOP),
        ("CONT", Signal::CONT),
    ];
    known.into_iter().find(|(name, _)| *name == signal).map(|(_, signal)| signal)
}

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

/// When a process started, in ticks since boot: with its number it names one process for ever.
#[must_use]
pub fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // field 22; the name, field 2, may contain blanks
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The number on this machine of the process that a container, by its id, calls `inner`. `None` also
/// when the container's processes are not to be seen here.
#[must_use]
pub fn inside(container: &str, inner: u32) -> Option<u32> {
    let numbers = fs::read_dir("/proc").ok()?;
    numbers
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .find(|pid| is_inside(*pid, container, inner))
}

/// Whether a container, by its id, calls this process `inner`.
fn is_inside(pid: u32, container: &str, inner: u32) -> bool {
    let own = fs::read_to_string(format!("/proc/{pid}/status")).ok();
    own.as_deref().and_then(innermost) == Some(inner)
        && fs::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|text| text.contains(container))
}

/// The number a process has in its own namespace, from its status.
fn innermost(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    line.split_whitespace().last()?.parse().ok()
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
    fn the_innermost_number_is_the_last() {
        assert_eq!(innermost("Name:\tx\nNSpid:\t18994\t1\n"), Some(1));
        assert_eq!(innermost("NSpid:\t7\n"), Some(7));
        assert_eq!(innermost("Name:\tx\n"), None);
    }

    #[test]
    fn a_start_is_the_same_at_every_look() {
        let own = std::process::id();
        assert!(started(own).is_some_and(|ticks| ticks > 0));
        assert_eq!(started(own), started(own));
        assert_eq!(inside("no container has this name", 1), None);
    }

    #[tokio::test]
    async fn only_the_first_process_of_that_container_is_held() {
        assert!(First::of("no container has this name", std::process::id()).is_none());
        assert!(First::of("", 0).is_none());
        assert!(First::of("", u32::MAX).is_none());
    }

    #[test]
    fn no_signal_goes_to_a_process_that_is_not_the_first_of_that_container() {
        let own = std::process::id();
        assert!(signal_first("no container has this name", own, "KILL").is_none());
        assert!(signal_first("", own, "KILL").is_none());
        assert!(signal_first("x", 0, "KILL").is_none());
        assert!(signal_first("x", u32::MAX, "KILL").is_none());
        assert_eq!(named("STOP"), Some(Signal::STOP));
        assert_eq!(named("KILL; rm"), None);
    }

    #[test]
    fn this_process_runs_and_is_not_frozen() {
        assert!(matches!(state(std::process::id()), Some('R' | 'S')));
        assert_ne!(frozen(std::process::id()), Some(true));
        assert_eq!(state(0), None);
    }
}
