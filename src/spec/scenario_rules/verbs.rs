//! What the schema cannot say of verbs: numbers in their bounds, sides of a partition.

use super::kinds;
use crate::model::lab::Service;
use crate::model::{Target, Verb, offset_ms};
use crate::spec::problem::Problem;
use crate::spec::shape::did_you_mean;
use crate::spec::tree::TomlNode;

/// Signals by name, as `kill -l` says them.
const SIGNALS: &[&str] =
    &["KILL", "TERM", "INT", "QUIT", "HUP", "ABRT", "SEGV", "STOP", "CONT", "USR1", "USR2"];
/// More connections than a machine has ports to make them from.
const MOST_CONNECTIONS: u32 = 60_000;
/// The least limit of memory engines accept, in bytes.
const LEAST_MEMORY: u64 = 6 << 20;
/// More turns than anybody waits for.
const MOST_TURNS: u32 = 10_000;

/// What is wrong with the verb that stands at `node`, the value of `do`.
pub(super) fn check(node: &TomlNode, verb: &Verb, problems: &mut Vec<Problem>) {
    let at = node.nearest(verb.name());
    let mut say = |key: &str, message: String, hint: &str| {
        problems.push(at.nearest(key).problem(message).hint(hint));
    };
    if let Some((key, message, hint)) = numbers(verb) {
        say(key, message.to_owned(), hint);
    }
    match verb {
        Verb::Kill { signal, .. } if !SIGNALS.contains(&signal.as_str()) => {
            let hint = did_you_mean("signals", signal.trim_start_matches("SIG"), SIGNALS.iter().copied());
            say("signal", format!("`{signal}` is no signal"), &hint);
        }
        Verb::Clock { offset, .. } => {
            if let Err(error) = offset_ms(offset) {
                say("offset", error.to_string(), "offset = \"-30s\" or \"+1.5s\"");
            }
        }
        Verb::Partition { from, to, shape, ports, .. } => {
            partition(at, from, to, shape.is_some(), ports, problems);
        }
        Verb::Repeat { verb: inner, .. } => {
            if matches!(**inner, Verb::Repeat { .. } | Verb::Swizzle { .. }) {
                say("do", format!("a `{}` is not repeated", inner.name()), "repeat a single fault");
            }
            check(at.nearest("do"), inner, problems);
        }
        Verb::Swizzle { targets } if targets.is_empty() => {
            say("targets", "nobody would be isolated".to_owned(), "targets = [\"postgres:all\"]");
        }
        _ => {}
    }
    kinds::check(at, verb, problems);
}

/// The number that is out of bounds: its key, what is wrong, what would be right.
fn numbers(verb: &Verb) -> Option<(&'static str, &'static str, &'static str)> {
    let nothing = |value: f64| !(value.is_finite() && value > 0.0);
    match verb {
        Verb::Loss { percent, .. } if nothing(*percent) || *percent > 100.0 => {
            Some(("percent", "percent is more than 0 and at most 100", "percent = 5.0"))
        }
        Verb::Delay { delay, .. } if delay.0.is_zero() => {
            Some(("delay", "no packet would be late", "delay = \"20ms\""))
        }
        Verb::Delay { delay, jitter, .. } if jitter > delay => {
            Some(("jitter", "a packet would arrive before it was sent", "jitter is not more than delay"))
        }
        Verb::Bandwidth { rate, .. } if rate.0 == 0 => {
            Some(("rate", "nothing would pass at all", "rate = \"1MiB\"; isolate cuts a host off"))
        }
        Verb::Flap { on, off, .. } if on.0.is_zero() || off.0.is_zero() => Some((
            "",
            "a flapping host is reachable for a while and silent for a while",
            "on = \"2s\", off = \"1s\"",
        )),
        Verb::DiskSlow { bytes_per_second, .. } if bytes_per_second.0 == 0 => {
            Some(("bytes-per-second", "nothing would be written at all", "disk-freeze hangs a disk"))
        }
        Verb::DiskSlow { iops: Some(0), .. } => Some(("iops", "nothing would be done at all", "iops = 50")),
        Verb::DiskCorrupt { bytes: 0, .. } => Some(("bytes", "nothing would be corrupted", "bytes = 16")),
        Verb::Cpu { cores, .. } if nothing(*cores) || *cores > 1024.0 => {
            Some(("cores", "cores are more than 0 and at most 1024", "cores = 0.25"))
        }
        Verb::Memory { limit, .. } if limit.0 < LEAST_MEMORY => {
            Some(("limit", "that is less than the engine takes, 6 MiB", "limit = \"300MiB\""))
        }
        Verb::MemoryHog { size, .. } if size.0 == 0 => {
            Some(("size", "nothing would be eaten", "size = \"200MiB\""))
        }
        Verb::Connections { count, .. } if !(1..=MOST_CONNECTIONS).contains(count) => {
            Some(("count", "a storm is 1 to 60000 connections", "count = 400"))
        }
        Verb::Repeat { times, .. } if !(1..=MOST_TURNS).contains(times) => {
            Some(("times", "times is 1 to 10000", "times = 3"))
        }
        Verb::Repeat { every, .. } if every.0.is_zero() => {
            Some(("every", "all turns would be at once", "every = \"3s\"; together injects several as one"))
        }
        Verb::Scale { service, .. } if Service::sized(service.as_str()).is_none() => {
            let said = "only the number of `postgres` and of `balancer` changes";
            Some(("service", said, "service = \"postgres\""))
        }
        Verb::Resize { cpu: None, memory: None, disk: None, .. } => {
            Some(("", "nothing would be resized", "cpu, memory or disk"))
        }
        _ => None,
    }
}

fn partition(
    at: &TomlNode,
    from: &[Target],
    to: &[Target],
    shape: bool,
    ports: &[u16],
    problems: &mut Vec<Problem>,
) {
    let mut say = |key: &str, message: &str, hint: &str| {
        problems.push(at.nearest(key).problem(message).hint(hint));
    };
    let sides = "from = [\"host-of:primary\"], to = [\"rest\"], or shape = \"ring\"";
    match (shape, from.is_empty(), to.is_empty()) {
        (true, true, true) | (false, false, false) => {}
        (true, ..) => say("shape", "a partition has two sides or a shape, not both", sides),
        (false, true, true) => say("", "a partition has two sides or a shape", sides),
        (false, true, false) => say("", "a side of the partition is empty: from", sides),
        (false, false, true) => say("", "a side of the partition is empty: to", sides),
    }
    let all_rest = |side: &[Target]| side.contains(&Target::Rest);
    if all_rest(from) && all_rest(to) {
        say("to", "both sides are the rest of the other", "name somebody on one side");
    }
    if [from, to].iter().any(|side| side.contains(&Target::Rest) && side.len() > 1) {
        say("", "`rest` is a side of its own", "everything the other side does not name");
    }
    if ports.contains(&0) {
        say("ports", "port 0 is no port", "ports = [2380]");
    }
    if shape && !ports.is_empty() {
        say("ports", "ports are those of the `to` side, and a shape has no sides", "take them out");
    }
}
