//! Where an outage begins and ends.
//!
//! Operations of one endpoint are walked in the order in which they ended. The endpoint is *down* from
//! the last acknowledgement before
//!
//! - an operation that was not acknowledged (its client met an outage, however short), or
//! - a silence longer than ten times the median gap between acknowledgements before the first fault
//!   (of all gaps, when there is no baseline) and longer than 250 ms: shorter ones are the ordinary
//!   breathing of a load;
//!
//! up to the first acknowledgement of a run of five with neither of these between them. A single lucky
//! answer of a half-dead balancer thus ends nothing. An outage still open when the load ends is
//! reported as such.

use std::collections::HashMap;

use super::clients::{self, Clients, ORDINARY, ORDINARY_GAPS};
use crate::check::record::RunRecord;
use crate::model::Mono;
use crate::model::scenario::Endpoint;
use crate::stats;

/// Acknowledgements in a row that end an outage.
const RUN: u32 = 5;

/// A span in which no operation of an endpoint was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The last acknowledgement before (the first invocation when there was none).
    pub from: Mono,
    /// The first of the run after; the end of the load when there was none.
    pub to: Mono,
    /// When it could be seen first: the first end without an acknowledgement, or a silence that is too long.
    pub felt: Mono,
    /// Operations that ended in it without an acknowledgement.
    pub unacknowledged: u64,
    /// Whether a run of acknowledgements ended it.
    pub ended: bool,
    /// Lone acknowledgements in it, too few in a row to end it.
    pub acks: u64,
}

impl Outage {
    /// Its length in nanoseconds.
    #[must_use]
    pub const fn nanos(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }
}

/// One span in which one worker had nothing acknowledged: between two acknowledgements of it, with an
/// operation that was not acknowledged between them or longer than an ordinary silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOutage {
    /// Number of its load in the scenario.
    pub load: u32,
    /// Number of its worker within the load.
    pub worker: u32,
    /// Its acknowledgement before.
    pub from: Mono,
    /// Its next one.
    pub to: Mono,
}

impl ClientOutage {
    /// Its length in nanoseconds.
    #[must_use]
    pub const fn nanos(&self) -> u64 {
        self.to.0.saturating_sub(self.from.0)
    }
}

/// All outages of one endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct EndpointOutages {
    /// The port that it is about.
    pub endpoint: Endpoint,
    /// How many operations were acknowledged.
    pub acks: u64,
    /// Median gap between acknowledgements before the first fault, milliseconds.
    pub median_gap_ms: Option<f64>,
    /// Longest time between two acknowledgements of one worker. A worker whose operation has an unknown
    /// end is not heard of again, so this is a lower bound of what one client met.
    pub worker_silence_ms: Option<f64>,
    /// Outages of single workers, in the order of their ends.
    pub clients: Vec<ClientOutage>,
    /// Outages of the endpoint, in order.
    pub windows: Vec<Outage>,
    /// The longest silence that is ordinary, nanoseconds.
    pub ordinary: u64,
    /// Every client and how long it was out.
    pub crowd: Clients,
}

impl EndpointOutages {
    /// The longest, milliseconds; 0 without any.
    #[must_use]
    pub fn max_ms(&self) -> f64 {
        stats::millis(self.windows.iter().map(Outage::nanos).max().unwrap_or(0))
    }

    /// The sum of all outages, milliseconds.
    #[must_use]
    pub fn total_ms(&self) -> f64 {
        stats::millis(self.windows.iter().map(Outage::nanos).sum())
    }
}

/// The outages of one endpoint over all loads that use it; `None` when none does.
#[must_use]
pub fn of_endpoint(record: &RunRecord, endpoint: Endpoint) -> Option<EndpointOutages> {
    let using: Vec<bool> = record.scenario.loads.iter().map(|load| load.endpoint == Some(endpoint)).collect();
    if !using.contains(&true) {
        return None;
    }
    let uses =
        |load: u32| usize::try_from(load).ok().and_then(|load| using.get(load)).copied().unwrap_or(false);
    let mut ends: Vec<(Mono, bool)> = Vec::new();
    let (mut start, mut end) = (Mono(u64::MAX), Mono(0));
    let mut by_worker: Vec<(Mono, u32, u32, bool)> = Vec::new();
    let ops = record.history.ops.places(|op| uses(op.load));
    for op in record.history.ops.of(&ops) {
        start = start.min(op.invoked);
        end = end.max(op.invoked).max(op.done.unwrap_or_default());
        let Some(done) = op.done else { continue };
        let acked = op.acked().is_some();
        ends.push((done, acked));
        by_worker.push((done, op.load, op.worker, acked));
    }
    // ends are in order but for those of operations under way together
    ends.sort();
    by_worker.sort();
    let first_fault = record.history.faults.iter().filter_map(|fault| fault.began).min();
    let median = median_gap(&ends, first_fault);
    let ordinary = median.unwrap_or(0).saturating_mul(ORDINARY_GAPS).max(ORDINARY);
    let (silence, clients) = of_clients(&by_worker, ordinary);
    drop(by_worker);
    let walk =
        WindowWalk { ordinary, last_ack: start, windows: Vec::new(), down: None, acks: 0, first: None };
    let (windows, acks) = walk.all(&ends, end);
    drop(ends);
    let crowd = clients::of_ops(record, &ops, ordinary, end);
    Some(EndpointOutages {
        endpoint,
        acks,
        median_gap_ms: median.map(stats::millis),
        worker_silence_ms: silence.map(stats::millis),
        clients,
        windows,
        ordinary,
        crowd,
    })
}

/// The longest silence of a worker, and the outages of all of them, from the ends of their operations in order.
fn of_clients(ends: &[(Mono, u32, u32, bool)], ordinary: u64) -> (Option<u64>, Vec<ClientOutage>) {
    let mut last: HashMap<(u32, u32), (Mono, bool)> = HashMap::new();
    let (mut silence, mut outages) = (None, Vec::new());
    for &(done, load, worker, acked) in ends {
        if !acked {
            if let Some((_, hurt)) = last.get_mut(&(load, worker)) {
                *hurt = true;
            }
            continue;
        }
        if let Some((from, hurt)) = last.insert((load, worker), (done, false)) {
            let took = done.0 - from.0;
            silence = silence.max(Some(took));
            if hurt || took > ordinary {
                outages.push(ClientOutage { load, worker, from, to: done });
            }
        }
    }
    (silence, outages)
}

/// The median gap between acknowledgements before the first fault, or of all when there are none.
fn median_gap(ends: &[(Mono, bool)], first_fault: Option<Mono>) -> Option<u64> {
    let acks: Vec<u64> = ends.iter().filter(|(_, acked)| *acked).map(|(done, _)| done.0).collect();
    let gaps = |acks: &[u64]| stats::median(acks.windows(2).map(|pair| pair[1] - pair[0]).collect());
    let baseline = first_fault.map_or(acks.len(), |fault| acks.partition_point(|done| *done < fault.0));
    gaps(&acks[..baseline]).or_else(|| gaps(&acks))
}

/// The endpoint is down: since when, and how far the run that would end it has come.
struct EndpointDown {
    from: Mono,
    felt: Mono,
    unacknowledged: u64,
    run: u32,
    run_began: Mono,
    run_last: Mono,
    acks: u64,
}

struct WindowWalk {
    ordinary: u64,
    last_ack: Mono,
    windows: Vec<Outage>,
    down: Option<EndpointDown>,
    acks: u64,
    first: Option<Mono>,
}

impl WindowWalk {
    fn all(mut self, ends: &[(Mono, bool)], end: Mono) -> (Vec<Outage>, u64) {
        for &(done, acked) in ends {
            if acked { self.ack(done) } else { self.unacknowledged(done) }
        }
        self.close(end);
        (self.windows, self.acks)
    }

    fn ack(&mut self, done: Mono) {
        let silent = self.first.is_some() && done.since(self.last_ack).as_nanos() > u128::from(self.ordinary);
        if self.down.is_none() && silent {
            self.fall(done);
        }
        self.first.get_or_insert(done);
        if let Some(down) = &mut self.down {
            let broken = down.run > 0 && done.since(down.run_last).as_nanos() > u128::from(self.ordinary);
            if down.run == 0 || broken {
                down.run = 0;
                down.run_began = done;
            }
            down.run += 1;
            down.run_last = done;
            down.acks += 1;
            if down.run == RUN {
                let EndpointDown { from, felt, run_began: to, unacknowledged, .. } = *down;
                let acks = down.acks - u64::from(RUN);
                self.windows.push(Outage { from, to, felt, unacknowledged, ended: true, acks });
                self.down = None;
            }
        }
        self.acks += 1;
        self.last_ack = done;
    }

    fn unacknowledged(&mut self, done: Mono) {
        if self.down.is_none() {
            self.fall(done);
        }
        if let Some(down) = &mut self.down {
            down.unacknowledged += 1;
            down.run = 0;
        }
    }

    /// Down since the last acknowledgement, as shows at `seen` or by the silence before it.
    fn fall(&mut self, seen: Mono) {
        let from = self.last_ack;
        let felt = seen.min(Mono(from.0.saturating_add(self.ordinary)));
        let (run_began, run_last) = (from, from);
        self.down =
            Some(EndpointDown { from, felt, unacknowledged: 0, run: 0, run_began, run_last, acks: 0 });
    }

    /// The load is over. A run that was too short to count ends the outage only when nothing but the end
    /// of the load cut it short.
    fn close(&mut self, end: Mono) {
        let silent = end.since(self.last_ack).as_nanos() > u128::from(self.ordinary);
        if self.down.is_none() && silent && self.first.is_some() {
            self.fall(end);
        }
        let Some(down) = self.down.take() else { return };
        let EndpointDown { from, felt, unacknowledged, run, run_began, acks, .. } = down;
        let cut_short = run > 0 && !silent;
        let (to, ended) = if cut_short { (run_began, true) } else { (end, false) };
        // the last operations of a load may end with it: that is no outage but the end of the load
        if !ended && end.since(from).as_nanos() <= u128::from(self.ordinary) {
            return;
        }
        let acks = if ended { acks - u64::from(run) } else { acks };
        self.windows.push(Outage { from, to, felt, unacknowledged, ended, acks });
    }
}
