//! What a run is asked for, and what it tells while it goes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::lab::news::News;
use crate::model::scenario::Skip;
use crate::model::{LabSpec, Name, Scenario, Span};
use crate::view::Beat;

/// What a run is asked for.
#[derive(Clone, Debug)]
pub struct Order {
    /// The experiment.
    pub scenario: Scenario,
    /// Its text, kept verbatim.
    pub scenario_text: String,
    /// Texts of the loads that run a file, by load.
    pub sql: BTreeMap<Name, String>,
    /// The lab it wants.
    pub spec: LabSpec,
    /// The preset in force; `None` when the lab file stands alone.
    pub preset: Option<Name>,
    /// The seed in force.
    pub seed: u64,
    /// The binary that goes into the client.
    pub program: PathBuf,
    /// Where run directories go.
    pub runs: PathBuf,
    /// Where the fault ledgers of labs lie, found again from any directory.
    pub state: PathBuf,
    /// Leave a lab standing that this run brought up.
    pub keep: bool,
    /// Another run of the same series follows: leave the lab to it, unless somebody asks to stop.
    pub more: bool,
    /// Tell twice a second how it goes; costs the reading of every line.
    pub live: bool,
    /// Longest wait for the lab.
    pub wait: Span,
}

impl Order {
    /// Whether the scenario leaves this part out on purpose.
    #[must_use]
    pub fn leaves_out(&self, part: Skip) -> bool {
        self.scenario.skip.contains(&part)
    }
}

/// What a run tells while it goes.
#[derive(Clone, Debug, PartialEq)]
pub enum Tell {
    /// A step of the run, in words.
    Step(String),
    /// News of `up`.
    Lab(News),
    /// How it goes, twice a second.
    Beat(Box<Beat>),
}
