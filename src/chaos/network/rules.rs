//! A fault on the network as rules of the packet filter: which packets, in which chain. Pure.
//!
//! Invariants: every fault has chains of its own, named by what the fault is, so each can be taken
//! away alone and twice; nobody else's chain is touched but for the jump. Packets on the loopback
//! device never match: a host that lost its network still speaks to itself.

use std::fmt::Write;
use std::net::Ipv4Addr;

use sha2::{Digest, Sha256};

use crate::model::scenario::{Direction, NetworkVerb};
use crate::model::{FaultRecord, HostName};

/// What the chains of this program begin with.
pub const PREFIX: &str = "PGHA-";
/// Smallest burst that lets one segment through in one piece: a link hands over up to 64 KiB at once.
const LEAST_BURST: u64 = 128 * 1024;

/// A chain of the kernel that a rule is reached from. Queued packets go on behind the chain they were
/// queued in, so late ones pass the filter's rules afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// What arrives.
    In,
    /// What leaves.
    Out,
    /// What leaves, before the filter.
    Late,
}

impl Hook {
    const ALL: [Self; 3] = [Self::In, Self::Out, Self::Late];

    /// The table and the kernel's chain.
    #[must_use]
    pub const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::In => ("filter", "INPUT"),
            Self::Out => ("filter", "OUTPUT"),
            Self::Late => ("mangle", "OUTPUT"),
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::In => 'I',
            Self::Out => 'O',
            Self::Late => 'L',
        }
    }
}

/// One rule: what matches, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PacketRule {
    /// Where.
    pub hook: Hook,
    /// In the words of iptables, without the chain.
    pub text: String,
    /// A connection whose packets the rule must catch; `None` for rules that catch everybody's.
    pub bait: Option<Bait>,
    /// It catches answers to what another rule of this fault drops on the way there: nobody gives any
    /// but on connections that stood before, so it may stay quiet.
    pub shadowed: bool,
}

/// A connection attempt: from whom, to whom, to which port (any when `None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bait {
    /// Who connects.
    pub from: HostName,
    /// To whom.
    pub to: HostName,
    /// To which port.
    pub port: Option<u16>,
}

/// A directed cut: packets of `from` do not arrive at `to`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Whose packets.
    pub from: HostName,
    /// Where they do not arrive.
    pub to: HostName,
}

/// Name of everything that belongs to this fault: the same in every process, another for every fault.
#[must_use]
pub fn mark(fault: &FaultRecord) -> String {
    let hash = Sha256::digest(format!("{} {}", fault.id, fault.intent.0));
    hash.iter().take(6).fold(String::new(), |mut text, byte| {
        // writing to a text cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Name of one of the fault's chains; the kernel allows 28 characters.
#[must_use]
pub fn chain(mark: &str, hook: Hook) -> String {
    format!("{PREFIX}{mark}-{}", hook.letter())
}

/// Number of the queue of this fault: 0 is left to others.
#[must_use]
pub fn queue(mark: &str) -> u16 {
    u16::from_str_radix(mark.get(..4).unwrap_or_default(), 16).unwrap_or(1).max(1)
}

/// The cuts of a partition, from the notes of the fault.
///
/// # Errors
/// A sentence when the notes hold none.
pub fn cuts(fault: &FaultRecord) -> Result<Vec<Cut>, String> {
    let pairs = fault.notes.get("cuts").cloned().ok_or("the fault's notes name no cuts")?;
    let pairs: Vec<(HostName, HostName)> =
        serde_json::from_value(pairs).map_err(|error| format!("the cuts in the fault's notes: {error}"))?;
    Ok(pairs.into_iter().map(|(from, to)| Cut { from, to }).collect())
}

/// The rules that `fault` lays on `here`; `address` knows every host.
///
/// # Errors
/// A sentence when a host has no address or the notes are not whole.
pub fn rules(
    fault: &FaultRecord,
    verb: NetworkVerb<'_>,
    here: &HostName,
    address: impl Fn(&HostName) -> Option<Ipv4Addr>,
) -> Result<Vec<PacketRule>, String> {
    let all = |hook: Hook, what: &str| {
        let device = if hook == Hook::In { "-i" } else { "-o" };
        PacketRule { hook, text: format!("! {device} lo{what}"), bait: None, shadowed: false }
    };
    let mark = mark(fault);
    Ok(match verb {
        NetworkVerb::Isolate | NetworkVerb::Flap { .. } => {
            vec![all(Hook::In, " -j DROP"), all(Hook::Out, " -j DROP")]
        }
        NetworkVerb::Loss { percent } => vec![all(
            Hook::In,
            &format!(" -m statistic --mode random --probability {:.6} -j DROP", percent / 100.0),
        )],
        NetworkVerb::Bandwidth { rate } => vec![all(
            Hook::In,
            &format!(
                " -m hashlimit --hashlimit-above {}b/s --hashlimit-burst {}b --hashlimit-name {PREFIX}{mark} -j DROP",
                rate.0,
                (rate.0 / 8).max(LEAST_BURST),
            ),
        )],
        NetworkVerb::Delay { .. } => {
            vec![all(Hook::Late, &format!(" -j NFQUEUE --queue-num {} --queue-bypass", queue(&mark)))]
        }
        NetworkVerb::Partition { ports, direction } => {
            let mut rules = Vec::new();
            for cut in cuts(fault)?.iter().filter(|cut| cut.to == *here) {
                let from = address(&cut.from).ok_or_else(|| format!("host {} has no address", cut.from))?;
                rules.extend(cut_rules(fault, cut, from, direction, ports));
            }
            rules
        }
    })
}

/// The rules of one cut where its packets would arrive: dropping them there is what a wire does, the
/// sender's kernel must not know. `ports` are those of the `to` side: on the way there they are the
/// destination, on the way back the source.
fn cut_rules(
    fault: &FaultRecord,
    cut: &Cut,
    from: Ipv4Addr,
    direction: Direction,
    ports: &[u16],
) -> Vec<PacketRule> {
    let rule = |filter: String, bait: Bait| PacketRule {
        hook: Hook::In,
        text: format!("-s {from}/32{filter} -j DROP"),
        bait: Some(bait),
        shadowed: false,
    };
    let bait = |from: &HostName, to: &HostName, port| Bait { from: from.clone(), to: to.clone(), port };
    if ports.is_empty() {
        return vec![rule(String::new(), bait(&cut.from, &cut.to, None))];
    }
    let (there, back) = ways(fault, cut, direction);
    let mut rules = Vec::new();
    for port in ports {
        if there {
            let bait = bait(&cut.from, &cut.to, Some(*port));
            rules.push(rule(format!(" -p tcp -m tcp --dport {port}"), bait));
        }
        if back {
            let bait = bait(&cut.to, &cut.from, Some(*port));
            let answers = rule(format!(" -p tcp -m tcp --sport {port}"), bait);
            rules.push(PacketRule { shadowed: direction == Direction::Both, ..answers });
        }
    }
    rules
}

/// Whether packets of a cut go to the ports of the `to` side, and whether they come from there. A shape
/// has no sides: then both.
fn ways(fault: &FaultRecord, cut: &Cut, direction: Direction) -> (bool, bool) {
    let side = |key: &str| -> Option<Vec<HostName>> {
        fault.notes.get(key).and_then(|names| serde_json::from_value(names.clone()).ok())
    };
    let (Some(from), Some(to)) = (side("from"), side("to")) else { return (true, true) };
    let there = from.contains(&cut.from) && to.contains(&cut.to) && direction != Direction::Backward;
    let back = to.contains(&cut.from) && from.contains(&cut.to) && direction != Direction::Forward;
    (there, back)
}

/// The hooks that some rule uses.
fn hooks(rules: &[PacketRule]) -> impl Iterator<Item = Hook> {
    Hook::ALL.into_iter().filter(|hook| rules.iter().any(|rule| rule.hook == *hook))
}

/// What iptables-restore reads to lay `rules`, all at once, each table at one instant. `jumps`: whether
/// they act.
#[must_use]
pub fn lay(mark: &str, rules: &[PacketRule], jumps: bool) -> String {
    let mut text = String::new();
    for hook in hooks(rules) {
        let ((table, kernels), chain) = (hook.place(), chain(mark, hook));
        let _ = write!(text, "*{table}\n:{chain} - [0:0]\n");
        for rule in rules.iter().filter(|rule| rule.hook == hook) {
            let _ = writeln!(text, "-A {chain} {}", rule.text);
        }
        if jumps {
            let _ = writeln!(text, "-I {kernels} -j {chain}");
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// What iptables-restore reads to make laid rules act, or to stop them.
#[must_use]
pub fn jump(mark: &str, rules: &[PacketRule], on: bool) -> String {
    hooks(rules).fold(String::new(), |mut text, hook| {
        let (table, kernels) = hook.place();
        let verb = if on { "-I" } else { "-D" };
        let _ = write!(text, "*{table}\n{verb} {kernels} -j {}\nCOMMIT\n", chain(mark, hook));
        text
    })
}

/// A shell script that takes the chains away, whatever is left of them.
#[must_use]
pub fn take_away(mark: &str, rules: &[PacketRule]) -> String {
    hooks(rules).fold(String::new(), |mut text, hook| {
        let ((table, kernels), chain) = (hook.place(), chain(mark, hook));
        let _ = write!(
            text,
            "if iptables -t {table} -F {chain} 2>/dev/null; then\n\
             while iptables -t {table} -D {kernels} -j {chain} 2>/dev/null; do :; done\n\
             iptables -t {table} -X {chain}\nfi\n"
        );
        text
    })
}

/// A shell script that prints the rules with what they caught.
#[must_use]
pub fn count(mark: &str, rules: &[PacketRule]) -> String {
    hooks(rules).fold(String::new(), |mut text, hook| {
        let _ = writeln!(text, "iptables -t {} -S {} -v", hook.place().0, chain(mark, hook));
        text
    })
}

/// Packets that each rule caught, in the order of `rules` as [`lay`] lays them; `None` when that is not
/// what was printed.
#[must_use]
pub fn caught(mark: &str, rules: &[PacketRule], printed: &str) -> Option<Vec<u64>> {
    let mut counts = Vec::new();
    for rule in rules {
        let chain = format!("-A {} ", chain(mark, rule.hook));
        let before = rules[..counts.len()].iter().filter(|earlier| earlier.hook == rule.hook).count();
        let line = printed.lines().filter(|line| line.starts_with(&chain)).nth(before)?;
        let mut words = line.split_whitespace().skip_while(|word| *word != "-c");
        counts.push(words.nth(1)?.parse().ok()?);
    }
    Some(counts)
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
