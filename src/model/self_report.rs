//! What instances and balancers say of their own work: sessions that are there, at work and waiting; and of the WAL
//! they keep.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::units::Bytes;

/// How busy one body is, by its own word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Work {
    /// Sessions that clients have.
    pub sessions: u32,
    /// Of those, at work: a statement runs (PostgreSQL), a server serves it (a balancer).
    pub active: u32,
    /// Of those, waiting: for a lock (PostgreSQL), in the queue for a server (a balancer).
    pub waiting: u32,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} sessions at work", self.active, self.sessions)?;
        if self.waiting > 0 { write!(f, ", {} wait", self.waiting) } else { Ok(()) }
    }
}

/// What one body says of itself when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct SelfReport {
    /// How busy the member is.
    pub work: Work,
    /// The WAL it keeps; instances only.
    #[serde(default)]
    pub wal: Option<Wal>,
    /// Sessions it takes at most, on each port; balancers only, and `None` while its ports differ.
    #[serde(default)]
    pub most: Option<u32>,
}

/// What HAProxy takes without a session.
const ITSELF: Bytes = Bytes::mib(48);
/// What a session takes: two buffers of 16 KiB and as much again in the kernel, for each of its two sides.
const BALANCER_SESSION: u64 = 128 << 10;

/// What a balancer with so many sessions on a port takes.
#[must_use]
pub const fn memory_for(sessions: u32) -> Bytes {
    Bytes(ITSELF.0 + sessions as u64 * BALANCER_SESSION)
}

/// What a session of a balancer takes.
#[must_use]
pub const fn session() -> Bytes {
    Bytes(BALANCER_SESSION)
}

/// File descriptors HAProxy asks for: two for every session, and some for ports, checks and itself
/// (seen of HAProxy 3.0: twice `maxconn` and 22, with three ports and six servers).
#[must_use]
pub const fn files_for(maxconn: u32) -> u64 {
    2 * maxconn as u64 + 64
}

/// How many sessions a balancer of so much memory takes on a port: no more than are declared.
#[must_use]
pub fn sessions(memory: Bytes, declared: u32) -> u32 {
    let room = memory.0.saturating_sub(ITSELF.0) / BALANCER_SESSION;
    u32::try_from(room).unwrap_or(u32::MAX).min(declared).max(1)
}

/// WAL that an instance keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Wal {
    /// All of it.
    pub size: Bytes,
    /// Slots that hold some of it back, by name.
    pub slots: Vec<Slot>,
}

/// A replication slot of a primary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Slot {
    /// Its name; that of a member's slot is the member's, with underscores.
    pub name: String,
    /// Whether a connection reads from it.
    pub active: bool,
    /// WAL from where it stands to the end.
    pub held: Bytes,
}

impl Wal {
    /// The slot that holds most back and that nobody reads.
    #[must_use]
    pub fn forgotten(&self) -> Option<&Slot> {
        self.slots.iter().filter(|slot| !slot.active).max_by_key(|slot| slot.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_follow_memory_up_to_what_is_declared() {
        let of = |mib| sessions(Bytes::mib(mib), 2_000);
        assert_eq!([0, 48, 64, 128, 256, 512, 4096].map(of), [1, 1, 128, 640, 1_664, 2_000, 2_000]);
        assert_eq!(sessions(Bytes::mib(128), 500), 500);
    }
}
