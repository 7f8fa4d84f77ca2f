//! What the judge is given and what it answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::history::History;
use crate::model::run::Resolved;
use crate::model::scenario::{Load, Recording as Kept, VerdictWord, Workload};
use crate::model::{FaultRecord, MemberId, Name, Scenario, Sighting, lab::Service};

/// A recorded run: all that a run directory holds of it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The experiment: loads, faults, and what must hold.
    pub scenario: Scenario,
    /// The lab, versions and machine that it ran on.
    pub resolved: Resolved,
    /// What clients and the runner wrote down.
    pub history: History,
    /// What was seen of the lab, in any order.
    pub sightings: Vec<Sighting>,
    /// The log of every body that left one, by member.
    pub logs: BTreeMap<MemberId, String>,
    /// The ledger of faults, line by line; `None`: there is none.
    pub ledger: Option<Vec<FaultRecord>>,
    /// Whether every file of the record was read to its end (no line was torn).
    pub complete: bool,
}

impl RunRecord {
    /// Members that carried PostgreSQL in the end: by the last look at the bodies, or by the plan when
    /// nobody looked. Sorted.
    #[must_use]
    pub fn databases(&self) -> Vec<MemberId> {
        let last = self.sightings.iter().filter(|seen| !seen.bodies.is_empty()).max_by_key(|seen| seen.at);
        let mut members: Vec<MemberId> = match last {
            Some(seen) => seen
                .bodies
                .iter()
                .filter(|(_, body)| body.service == Service::Postgres.as_str())
                .map(|(member, _)| member.clone())
                .collect(),
            None => self
                .resolved
                .members
                .iter()
                .filter(|member| member.service == Service::Postgres)
                .map(|member| member.id.clone())
                .collect(),
        };
        members.sort();
        members
    }

    /// Whether this run was made by a runner that keeps what newer rules rest on: the engine's events,
    /// the search for secrets and the logs. Older runs stay judged as they were.
    #[must_use]
    pub const fn keeps_evidence(&self) -> bool {
        self.resolved.edition >= 1
    }

    /// Loads of a workload with their numbers.
    pub fn loads_of(&self, workload: Workload) -> impl Iterator<Item = (u32, &Load)> {
        (0..).zip(&self.scenario.loads).filter(move |(_, load)| load.workload == workload)
    }

    /// Loads that leave marks which are read in the end, with their numbers.
    pub fn marked_loads(&self) -> impl Iterator<Item = (u32, &Load)> {
        (0..).zip(&self.scenario.loads).filter(|(_, load)| leaves_marks(load))
    }

    /// The load of this name with its number.
    #[must_use]
    pub fn load_named(&self, name: &Name) -> Option<(u32, &Load)> {
        (0..).zip(&self.scenario.loads).find(|(_, load)| load.name == *name)
    }

    /// The number of the load whose tables a load uses: its own, or that of the load it is `of`.
    #[must_use]
    pub fn tables_of(&self, number: u32, load: &Load) -> u32 {
        load.of.as_ref().and_then(|of| self.load_named(of)).map_or(number, |(number, _)| number)
    }

    /// Sightings in the order of their instants.
    #[must_use]
    pub fn sightings_in_order(&self) -> Vec<&Sighting> {
        let mut sightings: Vec<&Sighting> = self.sightings.iter().collect();
        sightings.sort_by_key(|seen| seen.at);
        sightings
    }
}

/// Whether every operation of a load is on record and leaves marks that are read in the end.
#[must_use]
pub fn leaves_marks(load: &Load) -> bool {
    let marks = matches!(load.workload, Workload::Set | Workload::Append | Workload::Bank | Workload::Tpcb);
    marks && load.of.is_none() && load.record == Kept::Operations
}

/// What one checker says of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it says of the run.
    pub verdict: VerdictWord,
    /// What was found, as one sentence.
    pub summary: String,
    /// What it rests on; keys carry their units.
    pub evidence: Value,
    /// Whether it rests on what is there alone, so that nothing that is absent from the record explains it.
    pub firm: bool,
}

impl Finding {
    /// The claim holds, by this evidence.
    #[must_use]
    pub fn pass(summary: impl Into<String>, evidence: Value) -> Self {
        Self { verdict: VerdictWord::Pass, summary: summary.into(), evidence, firm: false }
    }

    /// The same, resting on what is there alone.
    #[must_use]
    pub fn firm(self) -> Self {
        Self { firm: true, ..self }
    }

    /// The first of `broken` fails the claim, else the first of `gaps` leaves it open; without both it is
    /// what `else_is` says.
    #[must_use]
    pub fn first_of(
        broken: &[String],
        gaps: &[String],
        evidence: Value,
        else_is: impl FnOnce(Value) -> Self,
    ) -> Self {
        match (broken.first(), gaps.first()) {
            (Some(first), _) => Self::fail(first, evidence),
            (None, Some(first)) => Self::unknown(first, evidence),
            (None, None) => else_is(evidence),
        }
    }

    /// The record does not say whether the claim holds.
    #[must_use]
    pub fn unknown(summary: impl Into<String>, evidence: Value) -> Self {
        Self { verdict: VerdictWord::Unknown, summary: summary.into(), evidence, firm: false }
    }

    /// The claim does not hold.
    #[must_use]
    pub fn fail(summary: impl Into<String>, evidence: Value) -> Self {
        Self { verdict: VerdictWord::Fail, summary: summary.into(), evidence, firm: false }
    }
}

/// One line of the verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The word of the checker.
    pub name: String,
    /// What its checker says of the run.
    pub verdict: VerdictWord,
    /// What was found, as one sentence.
    pub summary: String,
    /// What that rests on; keys carry their units.
    pub evidence: Value,
    /// Whether the scenario asked for it; otherwise it is a house rule.
    pub asked: bool,
}

impl Check {
    /// A finding under its checker's name.
    #[must_use]
    pub fn new(name: &str, asked: bool, finding: Finding) -> Self {
        let Finding { verdict, summary, evidence, .. } = finding;
        Self { name: name.to_owned(), verdict, summary, evidence, asked }
    }
}

/// The end a sabotage scenario had to come to, and whether it did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndsSeen {
    /// Verdict it must end in.
    pub verdict: VerdictWord,
    /// Check that must have said so; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<Name>,
    /// Whether it ended so, by a record that is whole.
    pub met: bool,
}

/// The verdict on a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The worst of all checks.
    pub verdict: VerdictWord,
    /// Every check, in the order of the report.
    pub checks: Vec<Check>,
    /// Why it is no pass: the summaries of the others, the worst first.
    pub reasons: Vec<String>,
    /// The end that a sabotage had to come to; absent for other scenarios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<EndsSeen>,
}

impl Judgement {
    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }

    /// Whether the run ended as it should: as `[ends]` says, else with *pass*.
    #[must_use]
    pub fn as_wanted(&self) -> bool {
        self.ends.as_ref().map_or(self.verdict == VerdictWord::Pass, |ends| ends.met)
    }
}
