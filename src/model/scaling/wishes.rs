//! What operators ask of the scaling controller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::lab::Size;
use crate::model::units::Bytes;

/// Another size for one member, as an operator wants it; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct SizeWish {
    /// Cores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    /// Bytes of memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Bytes of the data volume.
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
