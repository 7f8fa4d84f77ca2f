//! What the scaling controller deals in: what a body uses, what it is told about growing and shrinking, what an
//! operator wants.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control::asked_keys;
use super::id::{MemberId, Name};
use super::lab::{Service, Size};
use super::units::{Bytes, Mono, Span};

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
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a pause")]
        let rate = |now: u64, before: u64| Some(now.checked_sub(before)? as f64 / passed as f64);
        Some(Cores {
            used: rate(self.cpu_ns, earlier.cpu_ns)?,
            held_back: rate(self.throttled_ns, earlier.throttled_ns)?,
        })
    }

    /// What the body is given of a resource; `None` for no limit. Of its disk it is the file system, which is smaller
    /// than the disk it stands on.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "whole mebibytes count")]
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

/// What is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Memory.
    Memory,
    /// The data volume.
    Disk,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Disk];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|resource| resource.as_str() == name)
    }

    /// Its name in files and journals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }

    /// An amount of it, as people write it.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are positive")]
    pub fn words(self, amount: f64) -> String {
        match self {
            Self::Cpu => format!("{amount:.2} cores"),
            Self::Memory | Self::Disk => format!("{} MiB", (amount / f64::from(1 << 20)).round() as u64),
        }
    }
}

/// An amount of a resource as files say it: `1.5` for cores, `1GiB` for bytes.
///
/// # Errors
/// What it should look like.
pub fn amount(resource: Resource, text: &str) -> Result<f64, String> {
    match resource {
        Resource::Cpu => {
            let cores = text.trim().parse::<f64>().ok().filter(|cores| cores.is_finite() && *cores > 0.0);
            cores.ok_or_else(|| "cores are a number such as \"1.5\"".to_owned())
        }
        Resource::Memory | Resource::Disk =>
        {
            #[expect(clippy::cast_precision_loss, reason = "whole mebibytes count")]
            text.parse::<Bytes>().map(|bytes| bytes.0 as f64).map_err(|error| error.to_string())
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the scaling controller is told in `[controller.policy]`. The defaults are the published numbers of the
/// service in the seed (zeropsio/docs, features/scaling, 2026).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ScalingPolicy {
    /// Pause between two measurements.
    pub every: Span,
    /// Cores.
    pub cpu: Rule<f64>,
    /// Memory.
    pub memory: Rule<Bytes>,
    /// Data volumes. They never shrink, so their window for shrinking says nothing.
    pub disk: Rule<Bytes>,
    /// The number of PostgreSQL instances.
    pub instances: CountRule,
    /// Whether readers are led to the instances that are least busy, by weights at the balancers. Without it
    /// connections alone decide (HAProxy: `balance leastconn`).
    pub weigh: bool,
    /// For tests: the process ends when it has done this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_at: Option<String>,
}

/// When one resource grows and shrinks, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rule<T> {
    /// How long it must be short before it grows.
    pub up_window: Span,
    /// How long it must be idle before it shrinks.
    pub down_window: Span,
    /// Percentile of the use in the window for growing.
    pub up_percentile: u8,
    /// Percentile of the use in the window for shrinking.
    pub down_percentile: u8,
    /// The first step; each one that follows at once is twice as large.
    pub min_step: T,
    /// The largest step.
    pub max_step: T,
    /// So much shall be free.
    pub min_free: T,
    /// So much of the whole shall be free, 0 to 1; the larger of the two counts.
    pub min_free_share: f64,
}

/// When the number of instances changes by itself. The service in the seed gives no numbers for that: a new copy is
/// made when cores cannot be given any more, and takes reads from the other replicas, never writes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CountRule {
    /// How long every replica must be short of cores, with as many as it may have, before one more is made.
    pub out_window: Span,
    /// How long those who would stay must be able to carry it all before one leaves.
    pub in_window: Span,
    /// What those who stay may have to use of their cores then, 0 to 1.
    pub in_share: f64,
}

impl Default for ScalingPolicy {
    fn default() -> Self {
        Self {
            every: Span::secs(10),
            cpu: Rule {
                up_window: Span::secs(20),
                down_window: Span::secs(60),
                up_percentile: 60,
                down_percentile: 40,
                min_step: 0.1,
                max_step: 4.0,
                min_free: 0.1,
                min_free_share: 0.0,
            },
            memory: Rule {
                up_window: Span::secs(10),
                down_window: Span::secs(120),
                up_percentile: 50,
                down_percentile: 50,
                min_step: Bytes::mib(128),
                max_step: Bytes::gib(32),
                min_free: Bytes::mib(64),
                min_free_share: 0.0,
            },
            disk: Rule {
                up_window: Span::secs(10),
                down_window: Span::secs(300),
                up_percentile: 50,
                down_percentile: 50,
                min_step: Bytes::mib(512),
                max_step: Bytes::gib(128),
                // the service does not say how much disk it keeps free: a step's worth would double a small disk
                min_free: Bytes::mib(128),
                min_free_share: 0.0,
            },
            instances: CountRule { out_window: Span::secs(60), in_window: Span::secs(600), in_share: 0.5 },
            weigh: true,
            stop_at: None,
        }
    }
}

impl ScalingPolicy {
    /// The policy as told, on top of the defaults.
    ///
    /// # Errors
    /// When it says something that is no policy.
    pub fn told(policy: &BTreeMap<String, Value>) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| error.to_string();
        let mut all = serde_json::to_value(Self::default()).map_err(wrong)?;
        merge(&mut all, &serde_json::to_value(policy).map_err(wrong)?);
        let policy: Self = serde_json::from_value(all).map_err(wrong)?;
        policy.problem().map_or(Ok(policy), Err)
    }

    fn problem(&self) -> Option<String> {
        if self.every.0.is_zero() {
            return Some("`every` is a pause: it must be longer than nothing".to_owned());
        }
        let percentile = |percent: u8| (1..=100).contains(&percent);
        let steps = |min: f64, max: f64| min > 0.0 && min <= max;
        let (cpu, memory, disk) = (&self.cpu, &self.memory, &self.disk);
        let free = |share: f64| (0.0..1.0).contains(&share);
        if !(self.instances.in_share > 0.0 && self.instances.in_share <= 1.0) {
            return Some("instances: `in-share` is a share: more than 0 and at most 1".to_owned());
        }
        let rules = [
            ("cpu", steps(cpu.min_step, cpu.max_step) && cpu.min_free >= 0.0, cpu.shape()),
            ("memory", memory.min_step.0 > 0 && memory.min_step <= memory.max_step, memory.shape()),
            ("disk", disk.min_step.0 > 0 && disk.min_step <= disk.max_step, disk.shape()),
        ];
        rules.into_iter().find_map(|(name, steps, (up, down, share))| {
            let why = if !steps {
                "`min-step` must be more than nothing and no more than `max-step`"
            } else if !percentile(up) || !percentile(down) {
                "percentiles are 1 to 100"
            } else if !free(share) {
                "`min-free-share` is a share: at least 0 and below 1"
            } else {
                return None;
            };
            Some(format!("{name}: {why}"))
        })
    }
}

impl<T: Copy> Rule<T> {
    const fn shape(&self) -> (u8, u8, f64) {
        (self.up_percentile, self.down_percentile, self.min_free_share)
    }
}

/// Lays `over` over `all`: tables merge, everything else replaces.
fn merge(all: &mut Value, over: &Value) {
    match (all, over) {
        (Value::Object(all), Value::Object(over)) => {
            for (key, value) in over {
                match all.get_mut(key) {
                    Some(known) => merge(known, value),
                    None => {
                        all.insert(key.clone(), value.clone());
                    }
                }
            }
        }
        (all, over) => all.clone_from(over),
    }
}

/// Another size for one member, as an operator wants it; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SizeWish {
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<Bytes>,
}

impl SizeWish {
    /// This size with what is wanted of it.
    #[must_use]
    pub fn of(&self, size: Size) -> Size {
        Size {
            cpus: self.cpu.unwrap_or(size.cpus),
            memory: self.memory.unwrap_or(size.memory),
            disk: self.disk.unwrap_or(size.disk),
        }
    }
}

/// Another number of bodies, as an operator wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct CountWish {
    /// How many.
    pub count: u32,
}

/// Key by which an operator asks for another number of bodies of a service; its value is a [`CountWish`].
#[must_use]
pub fn scale_key(lab: &Name, service: Service) -> String {
    format!("{}scale/{service}", asked_keys(lab))
}

/// Prefix of the keys by which an operator asks for another size of a member.
#[must_use]
pub fn resize_keys(lab: &Name) -> String {
    format!("{}resize/", asked_keys(lab))
}

/// The step a granted memory stands on: PostgreSQL's shared memory follows it, and only when it is another one
/// must PostgreSQL restart (256 MiB, 512 MiB, 1, 2, 4 GiB, then multiples of 8 GiB, as in the service of the seed).
#[must_use]
pub fn memory_step(memory: Bytes) -> Bytes {
    const STEPS: [Bytes; 5] = [Bytes::gib(4), Bytes::gib(2), Bytes::gib(1), Bytes::mib(512), Bytes::mib(256)];
    let eight = Bytes::gib(8).0;
    if memory.0 >= eight {
        return Bytes(memory.0 / eight * eight);
    }
    STEPS.into_iter().find(|step| memory >= *step).unwrap_or(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Result<ScalingPolicy, String> {
        ScalingPolicy::told(&serde_json::from_str(text).expect("a table"))
    }

    #[test]
    fn what_is_not_told_is_as_published() {
        let policy =
            told(r#"{"every": "1s", "memory": {"up-window": "2s", "min-step": "64MiB"}}"#).expect("a policy");
        assert_eq!((policy.every, policy.memory.up_window), (Span::secs(1), Span::secs(2)));
        assert_eq!((policy.memory.min_step, policy.memory.max_step), (Bytes::mib(64), Bytes::gib(32)));
        assert_eq!(policy.cpu, ScalingPolicy::default().cpu);
        assert_eq!(told("{}"), Ok(ScalingPolicy::default()));
    }

    #[test]
    fn a_policy_that_is_none_says_why() {
        let why = |text: &str| told(text).expect_err("no policy");
        insta::assert_snapshot!(why(r#"{"cpu": {"min-step": 0.0}}"#), @"cpu: `min-step` must be more than nothing and no more than `max-step`");
        insta::assert_snapshot!(why(r#"{"memory": {"up-percentile": 0}}"#), @"memory: percentiles are 1 to 100");
        insta::assert_snapshot!(why(r#"{"disk": {"min-free-share": 1.0}}"#), @"disk: `min-free-share` is a share: at least 0 and below 1");
        insta::assert_snapshot!(why(r#"{"instances": {"in-share": 0.0}}"#), @"instances: `in-share` is a share: more than 0 and at most 1");
        insta::assert_snapshot!(why(r#"{"every": "0s"}"#), @"`every` is a pause: it must be longer than nothing");
        assert!(why(r#"{"ram": 1}"#).contains("unknown field `ram`"));
    }

    #[test]
    fn memory_stands_on_the_steps_of_the_seed() {
        let steps = [255, 256, 511, 512, 1023, 1024, 2048, 4095, 4096, 8191, 8192, 16_383, 16_384, 30_000];
        let on = steps.map(|mib| memory_step(Bytes::mib(mib)).as_mib());
        assert_eq!(on, [255, 256, 256, 512, 512, 1024, 2048, 2048, 4096, 4096, 8192, 8192, 16_384, 24_576]);
    }
}
