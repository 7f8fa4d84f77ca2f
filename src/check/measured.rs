//! What was measured of a recorded run, each part once: the checkers judge it, and the report shows it.
//!
//! A part is measured when it is first asked for. A part whose measuring panics stays unmeasured, so only the checkers
//! that need it break.

use std::cell::OnceCell;

use super::alarm::{self, AlarmTold};
use super::converged::{self, Convergence};
use super::decided::{self, DecidedLine};
use super::lost_acks::{self, Losses};
use super::one_writer::{self, Writers};
use super::outage::{self, EndpointOutages};
use super::record::RunRecord;
use super::redundancy::{self, Redundancy};
use super::sizes::{self, LimitChange};
use super::stale_reads::{self, HeartbeatRead};

/// A record with what was measured of it.
#[derive(Debug)]
pub struct Measured<'a> {
    /// The record that is measured.
    pub record: &'a RunRecord,
    outages: OnceCell<Vec<EndpointOutages>>,
    losses: OnceCell<Losses>,
    writers: OnceCell<Writers>,
    heartbeats: OnceCell<Vec<HeartbeatRead<'a>>>,
    redundancy: OnceCell<Vec<Redundancy>>,
    convergence: OnceCell<Convergence>,
    alarms: OnceCell<Option<Vec<AlarmTold>>>,
    limits: OnceCell<Vec<LimitChange>>,
    decisions: OnceCell<Vec<DecidedLine>>,
}

impl<'a> Measured<'a> {
    /// A record of which nothing was measured yet.
    #[must_use]
    pub const fn of(record: &'a RunRecord) -> Self {
        Self {
            record,
            outages: OnceCell::new(),
            losses: OnceCell::new(),
            writers: OnceCell::new(),
            heartbeats: OnceCell::new(),
            redundancy: OnceCell::new(),
            convergence: OnceCell::new(),
            alarms: OnceCell::new(),
            limits: OnceCell::new(),
            decisions: OnceCell::new(),
        }
    }

    /// Outages of every endpoint, by the rules of [`outage`].
    pub fn outages(&self) -> &[EndpointOutages] {
        self.outages.get_or_init(|| outage::measure(self.record))
    }

    /// Acknowledged writes that are gone, by the rules of [`lost_acks`].
    pub fn losses(&self) -> &Losses {
        self.losses.get_or_init(|| lost_acks::measure(self.record))
    }

    /// Which members took writes on which timeline, by the rules of [`one_writer`].
    pub fn writers(&self) -> &Writers {
        self.writers.get_or_init(|| one_writer::measure(self.record))
    }

    /// Reads of heartbeats and how old they were, by the rules of [`stale_reads`].
    pub fn heartbeats(&self) -> &[HeartbeatRead<'a>] {
        self.heartbeats.get_or_init(|| stale_reads::measure(self.record))
    }

    /// When copies were lost and were there again, fault by fault, by the rules of [`redundancy`].
    pub fn redundancy(&self) -> &[Redundancy] {
        self.redundancy.get_or_init(|| redundancy::measure(self.record))
    }

    /// When the lab was whole again, by the rules of [`converged`].
    pub fn convergence(&self) -> &Convergence {
        self.convergence.get_or_init(|| converged::measure(self.record))
    }

    /// Alarms as controllers raised them; `None` where no journal of a controller was kept.
    pub fn alarms(&self) -> Option<&[AlarmTold]> {
        self.alarms.get_or_init(|| alarm::measure(self.record)).as_deref()
    }

    /// Changes of what members may use.
    pub fn limits(&self) -> &[LimitChange] {
        self.limits.get_or_init(|| sizes::measure(self.record))
    }

    /// What controllers wrote into their journals, in order.
    pub fn decisions(&self) -> &[DecidedLine] {
        self.decisions.get_or_init(|| decided::measure(self.record))
    }
}
