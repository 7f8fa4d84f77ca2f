//! What bodies use of what they are given.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::resource::Resource;
use crate::model::id::MemberId;
use crate::model::lab::Size;
use crate::model::units::{Bytes, Mono};

/// Cores are compared after the kernel rounded them to microseconds of a period.
pub const CORES_MARGIN: f64 = 0.005;

/// What one body uses at one instant.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Usage {
    /// When it was read.
    pub at: Mono,
    /// The engine's id of the container.
    pub container: String,
    /// Processor time used since the container started, nanoseconds.
    pub cpu_ns: u64,
    /// Time in which it was ready to run and its limit held it back, since it started, nanoseconds.
    pub throttled_ns: u64,
    /// Memory it could not give back: without the page cache of files, which a database fills with whatever it
    /// is given.
    pub memory: Bytes,
    /// Cores it is held to; `None` for no limit.
    pub cores: Option<f64>,
    /// Memory it is held to; `None` for no limit.
    pub limit: Option<Bytes>,
    /// The file system with its data; `None` when that could not be read, or has no size of its own.
    #[serde(default)]
    pub disk: Option<DiskUsage>,
}

/// What was used of cores between two readings of one body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cores {
    /// Cores used.
    pub used: f64,
    /// Cores its limit kept from it.
    pub held_back: f64,
}

impl Usage {
    /// What was used of cores since an earlier reading; `None` for another container, or when a count went back.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Cores> {
        let passed = self.at.since(earlier.at).as_nanos();
        if earlier.container != self.container || passed == 0 {
            return None;
        }
        let rate = |now: u64, before: u64| Some(now.checked_sub(before)? as f64 / passed as f64);
        Some(Cores {
            used: rate(self.cpu_ns, earlier.cpu_ns)?,
            held_back: rate(self.throttled_ns, earlier.throttled_ns)?,
        })
    }

    /// What the body is given of a resource; `None` for no limit. Of its disk it is the file system, which is smaller
    /// than the disk it stands on.
    #[must_use]
    pub fn given(&self, resource: Resource) -> Option<f64> {
        match resource {
            Resource::Cpu => self.cores,
            Resource::Memory => self.limit.map(|limit| limit.0 as f64),
            Resource::Disk => self.disk.map(|disk| disk.size.0 as f64),
        }
    }

    /// Whether the body has so much of a resource: cores as the kernel rounds them, a disk as a file system fills it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are positive")]
    pub fn has(&self, resource: Resource, wanted: f64) -> bool {
        match resource {
            Resource::Cpu => self.cores.is_some_and(|cores| cores >= wanted - CORES_MARGIN),
            Resource::Memory => self.limit.is_some_and(|limit| limit >= Bytes(wanted as u64)),
            Resource::Disk => self.disk.is_some_and(|disk| disk.fills(Bytes(wanted as u64))),
        }
    }

    /// How what the body is held to differs from a size; `None` when it does not.
    #[must_use]
    pub fn differs(&self, size: &Size) -> Option<String> {
        if self.cores.is_none_or(|cores| (cores - size.cpus).abs() > CORES_MARGIN) {
            let held = self.cores.map_or_else(|| "nothing".to_owned(), |cores| Resource::Cpu.words(cores));
            return Some(format!(
                "cpu: it is held to {held}, its size says {}",
                Resource::Cpu.words(size.cpus)
            ));
        }
        if self.limit != Some(size.memory) {
            let held = self.limit.map_or_else(|| "nothing".to_owned(), |limit| limit.to_string());
            return Some(format!("memory: it is held to {held}, its size says {}", size.memory));
        }
        self.disk
            .is_some_and(|disk| !disk.fills(size.disk))
            .then(|| format!("disk: its file system has not grown to the {} its size says", size.disk))
    }
}

/// How full a file system is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DiskUsage {
    /// Bytes that can still be written.
    pub free: Bytes,
    /// All of them.
    pub size: Bytes,
}

impl DiskUsage {
    /// Bytes of a disk of this size that are taken, also by the file system itself. `None` where the volume has no
    /// size of its own: a file system larger than what was declared is the machine's.
    #[must_use]
    pub const fn used(&self, disk: Bytes) -> Option<Bytes> {
        if self.size.0 > disk.0 { None } else { Some(Bytes(disk.0.saturating_sub(self.free.0))) }
    }

    /// Whether the file system is as large as a disk of this size makes one. XFS keeps some of it for its log and
    /// its trees, which shows as space that is missing.
    #[must_use]
    pub const fn fills(&self, disk: Bytes) -> bool {
        const KEPT: u64 = 96 << 20;
        disk.0.saturating_sub(self.size.0) <= KEPT + disk.0 / 32
    }
}

/// What the broker answers to `GET /v1/usage`: bodies that run and were asked in time.
pub type Usages = BTreeMap<MemberId, Usage>;
