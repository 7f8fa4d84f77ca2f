//! One moment of a run that is watched.

use crate::history::event::Phase;
use crate::model::status::Status;

/// What happened since the beat before.
#[derive(Clone, Debug, PartialEq)]
pub struct Beat {
    /// Seconds since the load began.
    pub seconds: f64,
    /// Seconds since the beat before.
    pub over: f64,
    /// The part of the run.
    pub phase: Phase,
    /// Faults that are on, as `id (verb on whom)`.
    pub faults: Vec<String>,
    /// Every load, in the order of the scenario.
    pub loads: Vec<LoadBeat>,
    /// The lab as it was seen last.
    pub lab: Status,
}

/// One load since the beat before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadBeat {
    /// Name of the load.
    pub name: String,
    /// Acknowledged.
    pub ok: u64,
    /// Operations that failed, or whose end nobody knows.
    pub bad: u64,
    /// Median latency of the acknowledged ones from their intended start, milliseconds.
    pub p50_ms: Option<f64>,
    /// The longest latency, milliseconds.
    pub max_ms: Option<f64>,
    /// Seconds since its last acknowledgement; `None` before the first.
    pub last_ok_s: Option<f64>,
}
