//! `report.json` as plain data: one run, judged, in numbers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::exposure::Exposure;
use crate::check::one_writer::Fates;
use crate::check::record::{Check, EndsSeen};
use crate::check::redundancy::Redundancy;
use crate::check::sizes::LimitChange;
use crate::model::alarm::AlarmKind;
use crate::model::scenario::{Endpoint, VerdictWord};
use crate::model::{MemberId, Name, Receipt};
use crate::stats::Percentiles;

/// Version of `report.json`; keys are only added within one.
pub const SCHEMA_VERSION: u32 = 1;

/// `report.json`: one run, judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Version of this format; 1.
    pub schema_version: u32,
    /// Name of the scenario.
    pub scenario: Name,
    /// What happens in the scenario, in one sentence.
    pub about: String,
    /// Preset in force.
    pub preset: Option<Name>,
    /// Seed of every random choice of the run.
    pub seed: u64,
    /// Start of the run, RFC 3339 in UTC.
    pub started: String,
    /// The worst of all checks.
    pub verdict: VerdictWord,
    /// For sabotage scenarios: the end asked for, and whether it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<EndsSeen>,
    /// Why it is no pass, the worst first.
    pub reasons: Vec<String>,
    /// Every check, in the order of the judge.
    pub checks: Vec<Check>,
    /// Faults, in the order in which they were meant.
    pub faults: Vec<FaultLine>,
    /// Loads, in the order of the scenario.
    pub loads: Vec<LoadLine>,
    /// Outages by endpoint.
    pub endpoints: BTreeMap<Endpoint, EndpointLine>,
    /// Acknowledged writes that were lost, and what else went wrong with rows.
    pub loss: LossLine,
    /// Who was writable together with whom.
    #[serde(default)]
    pub one_writer: OneWriterLine,
    /// How old reads of heartbeats were; absent without a load that reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staleness: Option<Staleness>,
    /// What each fault did to the copies of the data.
    #[serde(default)]
    pub redundancy: Vec<Redundancy>,
    /// What bodies were held to, change by change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sizes: Vec<LimitChange>,
    /// What controllers said needs a person, in the order in which they said it; absent where no controller wrote a journal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<AlarmLine>>,
    /// What would have been gone if the primary had died, over the looks of the run; absent where no look says where
    /// primary and copies were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
    /// Each fault's way back to service.
    pub failovers: Vec<Failover>,
    /// From the last heal until the lab was whole, milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub converged_ms: Option<f64>,
    /// What the run was made on.
    pub environment: Environment,
}

/// One fault: on whom, when, and the evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FaultLine {
    /// Name of the fault: the id of its step, or of a turn of it.
    pub id: Name,
    /// The verb, as files call it.
    pub verb: String,
    /// Whom it was meant for, as the scenario says; empty when the verb names nobody.
    pub target: String,
    /// Members or hosts that it hit.
    pub hit: Vec<Name>,
    /// When the injection was complete.
    pub began_ms: Option<f64>,
    /// When the heal was complete.
    pub healed_ms: Option<f64>,
    /// From the intent until the injection was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inject_ms: Option<f64>,
    /// From the beginning of the heal until it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal_ms: Option<f64>,
    /// Evidence that it bit.
    pub receipt: Option<Receipt>,
    /// Evidence that it was undone.
    pub heal: Option<Receipt>,
}

/// One load in numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LoadLine {
    /// Name of the load.
    pub name: Name,
    /// Its port, or the member it went to directly.
    pub endpoint: String,
    /// Operations by class.
    pub operations: Operations,
    /// Latency of acknowledged operations, counted from the intended start.
    pub latency_ms: Option<Percentiles>,
    /// Acknowledged operations per second, over the whole load.
    pub throughput: Option<f64>,
    /// How late operations were begun; large values mean that the client itself was short of something.
    pub schedule_lag_ms: Option<Percentiles>,
}

/// How many operations ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Operations {
    /// Operations that were acknowledged.
    pub ok: u64,
    /// Acknowledged by the primary alone.
    pub ok_local: u64,
    /// Operations that were certainly not done.
    pub fail: u64,
    /// Operations whose end nobody knows.
    pub info: u64,
}

/// What clients of one port met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointLine {
    /// How its clients came back, over the whole run. Absent in runs whose journals number no clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<BackLine>,
    /// The same after each fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backs: Vec<BackLine>,
    /// The longest time in which nobody was acknowledged.
    pub outage_max_ms: f64,
    /// The sum of all outages, milliseconds.
    pub outage_total_ms: f64,
    /// Each outage of the port.
    pub windows: Vec<WindowLine>,
    /// Each client that met one; in runs whose journals number no clients, each worker.
    #[serde(default)]
    pub clients: Vec<ClientLine>,
}

/// How the clients of an endpoint came back. Each time goes from a client's last acknowledgement before to its
/// first one after.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackLine {
    /// The fault that answers for it; absent: any of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Name>,
    /// How many clients the port had.
    pub clients: usize,
    /// Of these, those that were out.
    pub hurt: usize,
    /// Of the hurt ones, those that were out before the fault was meant.
    pub out_before: usize,
    /// Of the hurt ones, those that were out to the end of the load.
    pub never_back: usize,
    /// The last hurt client back; absent when one never came back or none was hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_back_ms: Option<f64>,
    /// The middle one; absent when it never came back or none was hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_back_ms: Option<f64>,
    /// The first one; absent when none came back or none was hurt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_back_ms: Option<f64>,
    /// The longest time a client was out, to the end of the load where it never came back; 0 when none was hurt.
    pub longest_ms: f64,
    /// The longest time in which nobody was acknowledged.
    pub nobody_ms: f64,
}

/// Outages of one client, milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClientLine {
    /// Name of its load.
    pub load: Name,
    /// Its number; in runs whose journals number no clients, its worker.
    pub worker: u32,
    /// Whether it was out to the end of the load.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub never_back: bool,
    /// Its longest outage.
    pub outage_max_ms: f64,
    /// The sum of its outages.
    pub outage_total_ms: f64,
}

/// One alarm of a controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmLine {
    /// Name of the controller that raised it.
    pub controller: String,
    /// The kind of alarm.
    pub kind: AlarmKind,
    /// About whom; absent: about the lab.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<MemberId>,
    /// When it was raised.
    pub raised_ms: f64,
    /// What it said when it was raised.
    pub text: String,
    /// What it said afterwards, text by text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<AlarmChange>,
    /// When it was cleared; absent: it was on in the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cleared_ms: Option<f64>,
}

/// Another text of an alarm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlarmChange {
    /// When it said so first.
    pub at_ms: f64,
    /// What it said then.
    pub text: String,
}

/// Members that were writable at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneWriterLine {
    /// Each span, from direct writes to every member.
    pub zombie_windows: Vec<ZombieLine>,
    /// What became of the writes acknowledged on an older timeline after a newer one had begun.
    pub zombie_fates: Fates,
}

/// One span in which two members were writable.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ZombieLine {
    /// When both were writable first.
    pub from_ms: f64,
    /// When both were writable last.
    pub to_ms: f64,
    /// The two members.
    pub nodes: Vec<MemberId>,
}

/// How old reads of heartbeats were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Staleness {
    /// Median of the ages, milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the ages, milliseconds.
    pub p99_ms: f64,
    /// The largest age, milliseconds.
    pub max_ms: f64,
    /// How many reads there were.
    pub reads: u64,
    /// Of them, those in which a worker saw less than before.
    pub went_backwards: u64,
    /// Of them, those that missed a heartbeat the same client had written.
    pub missed_own_write: u64,
}

/// One outage of a port, and the fault that answers for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WindowLine {
    /// The last acknowledgement before it.
    pub from_ms: f64,
    /// The first of the run after, or the end of the load.
    pub to_ms: f64,
    /// The fault that answers for it.
    pub fault: Option<Name>,
    /// Whether it ended before the load did.
    pub ended: bool,
}

/// What was lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Loss")]
pub struct LossLine {
    /// Writes that were acknowledged.
    pub acked: u64,
    /// Acknowledged writes that are gone.
    pub lost: u64,
    /// WAL behind the switch points up to the last lost write, bytes.
    pub lost_bytes: u64,
    /// From the first to the last lost acknowledgement, the longest window.
    pub lost_seconds: f64,
    /// Lost where nobody can tell on which side of the switch point they stood.
    pub boundary: u64,
    /// Gone of those the primary alone had acknowledged.
    pub lost_local: u64,
    /// Rows nobody wrote, rows twice, rows of failed operations, over all reads.
    pub unexpected: u64,
    /// Rows found of operations nobody knew the end of.
    pub recovered: u64,
    /// Acknowledgements on an older timeline after the first on a newer one.
    pub zombie_acks: u64,
}

/// The way back after one fault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Failover {
    /// Name of the fault.
    pub fault: Name,
    /// Milliseconds from its injection to each stage.
    pub stages: Stages,
    /// Where the stages were read.
    pub source: String,
}

/// Stages of a failover, milliseconds from the injection. Absent: it was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stages {
    /// Another member was first seen out of recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elected_ms: Option<f64>,
    /// Another member was first seen to accept a write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writable_ms: Option<f64>,
    /// A client of 5432 got the first acknowledgement of the run that ended the outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_ack_ms: Option<f64>,
    /// The last hurt client of 5432 was acknowledged again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_back_ms: Option<f64>,
}

/// What the run was made on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Version of the program that ran it.
    pub pgha: String,
    /// Its commit, with `-dirty` where files differed from it. Absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Versions of the components.
    pub versions: BTreeMap<String, String>,
    /// The engine's ids of the images, by role.
    pub images: BTreeMap<String, String>,
    /// What is known of the machine, by name.
    pub machine: BTreeMap<String, Value>,
}
