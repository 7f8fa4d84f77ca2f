//! A suite as declared: what is measured side by side, how often, and against what. Plain data.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::id::Name;
use super::scenario::{Verb, Via};
use super::suite_goal::{Goal, SelfTestGoal};
use super::units::Span;

/// A file of comparisons, each of labs under the same fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Suite {
    /// Version of this format; 1.
    pub schema: u32,
    /// What the load generator's test of itself must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<SelfTestGoal>,
    /// The comparisons, in the order of the file.
    #[serde(rename = "comparison")]
    pub comparisons: Vec<Comparison>,
}

/// One experiment on several labs, in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Comparison {
    /// What `--only` and reports call it.
    pub name: Name,
    /// What it shows, in one sentence.
    pub about: String,
    /// The scenario, a path from the suite's folder. Its lab is the arm's, its length follows from the fault.
    pub scenario: String,
    /// What is read off each run.
    pub metric: Metric,
    /// Another comparison of the same experiment and arms, whose runs are read again for this metric: no trial is run twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs_of: Option<Name>,
    /// The step whose instant is drawn.
    pub fault: Name,
    /// Between which instants of the load it is drawn; the same for the same trial of every arm.
    pub phase: FaultPhase,
    /// The arm the others are compared with.
    pub baseline: Name,
    /// The arm that the comparison is about: pages say where it wins, and where it does not. The last one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate: Option<Name>,
    /// What its arms must reach.
    #[serde(rename = "goal", default, skip_serializing_if = "Vec::is_empty")]
    pub goals: Vec<Goal>,
    /// In how many blocks the trials are run, so that arms take turns.
    #[serde(default = "default_blocks")]
    pub blocks: u32,
    /// The labs that are compared.
    #[serde(rename = "arm")]
    pub arms: Vec<Arm>,
}

const fn default_blocks() -> u32 {
    5
}

impl Comparison {
    /// The arm it is about; `None` where it has no arms.
    #[must_use]
    pub fn candidate(&self) -> Option<&Name> {
        self.candidate.as_ref().or_else(|| Some(&self.arms.last()?.name))
    }

    /// Whether its arms are one lab under several names: such a comparison shows what chance does.
    #[must_use]
    pub fn is_noise(&self) -> bool {
        let lab = |arm: &Arm| Arm { name: self.baseline.clone(), trials: 1, ..arm.clone() };
        self.arms.len() > 1 && self.arms.windows(2).all(|two| lab(&two[0]) == lab(&two[1]))
    }
}

/// What is read off a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The longest time in which no client was acknowledged on 5432, milliseconds.
    WriteOutage,
    /// How long the last hurt client of 5432 was out because of the fault, milliseconds; to the end of the load where it
    /// never came back.
    LastBack,
    /// How long the first one was out.
    FirstBack,
    /// From the fault until every copy streamed again, milliseconds; 0 when none was seen missing.
    Redundancy,
    /// From the fault until as many members of every service answered as before, milliseconds; 0 when none was seen missing.
    MembersBack,
    /// How often the primary changed. Where a fault should not change it, each one is a false failover.
    Failovers,
    /// Operations on 5432 that were not acknowledged, of loads with a schedule: a client in a closed loop that is turned
    /// away asks again at once, so its failures would count how fast it asks.
    FailedWrites,
    /// Operations on 5433 that were not acknowledged, of those meant for later than fifty milliseconds after the fault:
    /// what is under way when a server dies is lost whatever anybody does.
    FailedReads,
    /// Of the same, those that were not acknowledged within a tenth of a second of the instant they were meant for.
    LateReads,
    /// 99th percentile of the latency of operations on 5433, milliseconds, from twenty seconds after the fault on: what
    /// remains when whoever leads readers elsewhere has had time for it, and whoever was led there before is through.
    ReadP99,
}

impl Metric {
    /// What it is counted in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::WriteOutage
            | Self::LastBack
            | Self::FirstBack
            | Self::Redundancy
            | Self::MembersBack
            | Self::ReadP99 => "ms",
            Self::Failovers => "failovers",
            Self::FailedWrites => "writes",
            Self::FailedReads | Self::LateReads => "reads",
        }
    }

    /// Its word, as a suite writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::WriteOutage => "write-outage",
            Self::LastBack => "last-back",
            Self::FirstBack => "first-back",
            Self::Redundancy => "redundancy",
            Self::MembersBack => "members-back",
            Self::Failovers => "failovers",
            Self::FailedWrites => "failed-writes",
            Self::FailedReads => "failed-reads",
            Self::LateReads => "late-reads",
            Self::ReadP99 => "read-p99",
        }
    }

    /// What it measures, for people.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::WriteOutage => "longest time in which no client was acknowledged on 5432",
            Self::LastBack => "last client back on 5432",
            Self::FirstBack => "first client back on 5432",
            Self::Redundancy => "time until every copy streamed again",
            Self::MembersBack => "time until as many members of every service answered as before",
            Self::Failovers => "changes of the primary",
            Self::FailedWrites => "writes on 5432 that were not acknowledged",
            Self::FailedReads => {
                "reads on 5433 that were not acknowledged, from fifty milliseconds after the fault on"
            }
            Self::LateReads => {
                "reads on 5433 that took more than 100 ms or failed, from fifty milliseconds after the fault on"
            }
            Self::ReadP99 => "99th percentile of reads on 5433, from twenty seconds after the fault on",
        }
    }
}

/// Two instants of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Phase")]
pub struct FaultPhase {
    /// The earliest instant, from the start of the load.
    pub from: Span,
    /// The latest instant, from the start of the load.
    pub to: Span,
}

/// One lab of a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Arm {
    /// What tables and `--only` call it.
    pub name: Name,
    /// The preset of its lab.
    pub preset: Name,
    /// Settings on top of it, shaped like `lab.toml`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub set: Value,
    /// What is done in this arm instead of what the scenario says: another way to the same end.
    #[serde(rename = "do", default, skip_serializing_if = "Option::is_none")]
    pub verb: Option<Verb>,
    /// What connection strings name in this arm, whatever the scenario says: `instances` leaves the balancers out, and
    /// every load that is not direct then connects as libpq does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<Via>,
    /// Longest wait for a connection, of every load of this arm, for each host of the connection string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Span>,
    /// How many trials it gets.
    pub trials: u32,
    /// How long the fault lasts; the load goes on for three seconds more.
    pub lasts: Span,
}
