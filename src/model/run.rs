//! What a run was made of, written to `resolved.json` before anything happens.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::Name;
use super::lab::{LabSpec, Member};

/// Everything a reader next year must know about a run that is not in the scenario itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Resolved {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Name of the scenario.
    pub scenario: Name,
    /// Preset in force; `None` when the lab file stands alone.
    #[serde(default)]
    pub preset: Option<Name>,
    /// Seed of every random choice of the run.
    pub seed: u64,
    /// The lab after presets and settings were laid over its file.
    pub lab: LabSpec,
    /// Who stood where when the run began.
    pub members: Vec<Member>,
    /// Start of the run, RFC 3339 in UTC.
    pub started: String,
    /// The kernel's boot id: which clock the journals use.
    pub boot_id: String,
    /// Versions of the components, by name, as they reported themselves.
    pub versions: BTreeMap<String, String>,
    /// The engine's ids of the images, by role.
    pub images: BTreeMap<String, String>,
    /// The machine: cores, memory, kernel, engine, cgroup version, storage of volumes, `fdatasync` of the data's disk.
    pub machine: BTreeMap<String, Value>,
    /// Version of the program that ran it.
    pub pgha: String,
    /// Its commit, with `-dirty` where files differed from it. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// What such a run keeps. 0: operations, faults, sightings. 1: also what the engine did, the search for
    /// secrets and every body's log. 2: every writer signs how much it wrote and which run that is about. The rules
    /// that rest on it judge it.
    #[serde(default)]
    pub edition: u32,
    /// The name of this run, which no other has on its boot. Absent in runs of older editions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
}

/// Which run something belongs to, and which boot its clock is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Stamp {
    /// Name of the run's directory.
    pub run: String,
    /// The kernel's boot id.
    pub boot: String,
}

impl Resolved {
    /// Version of the format of `resolved.json`.
    pub const SCHEMA: u32 = 1;

    /// The edition of the runs this version makes.
    pub const EDITION: u32 = 2;

    /// What its sightings and its ledger carry; `None` in runs of older editions.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        self.run.clone().map(|run| Stamp { run, boot: self.boot_id.clone() })
    }
}
