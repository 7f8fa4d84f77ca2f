//! Resources whose size moves, amounts of them, and the steps that PostgreSQL takes memory in.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::units::Bytes;

/// What is scaled.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Resource {
    /// Cores.
    Cpu,
    /// Bytes that a body may use.
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
    pub fn as_str(self) -> &'static str {
        self.into()
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
        Resource::Memory | Resource::Disk => {
            text.parse::<Bytes>().map(|bytes| bytes.0 as f64).map_err(|error| error.to_string())
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The step a granted memory stands on: PostgreSQL's shared memory follows it, and only when it is another one
/// must PostgreSQL restart (256 MiB, 512 MiB, 1, 2, 4 GiB, then multiples of 8 GiB, as in the service with the page of 2022).
#[must_use]
pub fn memory_step(memory: Bytes) -> Bytes {
    const STEPS: [Bytes; 5] = [Bytes::gib(4), Bytes::gib(2), Bytes::gib(1), Bytes::mib(512), Bytes::mib(256)];
    let eight = Bytes::gib(8).0;
    if memory.0 >= eight {
        return Bytes(memory.0 / eight * eight);
    }
    STEPS.into_iter().find(|step| memory >= *step).unwrap_or(memory)
}
