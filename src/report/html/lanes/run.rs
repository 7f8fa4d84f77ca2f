//! A run on the axis of its lanes: instants as milliseconds, and looks in order.

use crate::check::decided::DecidedLine;
use crate::check::outage::EndpointOutages;
use crate::check::{Measured, RunRecord};
use crate::model::{Mono, Sighting};
use crate::report::build::{from_zero, zero};
use crate::report::{Exposed, Report};

/// A run, and what was measured of it.
pub struct Run<'a> {
    /// The record that is shown.
    pub record: &'a RunRecord,
    /// Its report.
    pub report: &'a Report,
    /// Outages of every endpoint.
    pub outages: &'a [EndpointOutages],
    /// What controllers said in their journals.
    pub decisions: &'a [DecidedLine],
    /// What would be gone, look by look.
    pub exposed: &'a [Exposed],
    zero: Mono,
    whole: (Mono, Mono),
    /// Every look, in order.
    pub(super) looks: Vec<&'a Sighting>,
}

impl<'a> Run<'a> {
    /// A run whose numbers are known.
    #[must_use]
    pub fn new(measured: &'a Measured<'_>, report: &'a Report, exposed: &'a [Exposed]) -> Self {
        let record = measured.record;
        let looks = record.sightings_in_order();
        let whole = span(record, &looks);
        let (outages, decisions) = (measured.outages(), measured.decisions());
        Self { record, report, outages, decisions, exposed, zero: zero(record), whole, looks }
    }

    /// An instant of the axis.
    pub fn ms(&self, at: Mono) -> f64 {
        from_zero(at, self.zero)
    }

    /// From the first phase to the last thing that was seen or written.
    pub(super) fn whole(&self) -> (f64, f64) {
        (self.ms(self.whole.0), self.ms(self.whole.1))
    }

    /// Looks at the services, in order: those of the engine alone show no service.
    pub(super) fn services(&self) -> impl Iterator<Item = (f64, &'a Sighting)> {
        let looks = self.looks.iter().filter(|seen| !(seen.postgres.is_empty() && seen.etcd.is_empty()));
        looks.map(|seen| (self.ms(seen.at), *seen))
    }
}

/// From the first phase to the last thing that was seen or written.
fn span(record: &RunRecord, looks: &[&Sighting]) -> (Mono, Mono) {
    let history = &record.history;
    let phases = history.phases.iter().map(|(at, _)| *at);
    let faults = history.faults.iter().flat_map(|fault| [Some(fault.intent), fault.healed]).flatten();
    let known: Vec<Mono> = phases
        .chain(history.load_start())
        .chain(history.load_end())
        .chain(history.reads.iter().map(|read| read.t))
        .chain(history.counted.iter().map(|second| second.t))
        .chain(faults)
        .collect();
    let from = known.iter().copied().min().or_else(|| looks.first().map(|seen| seen.at));
    let to = known.iter().copied().chain(looks.last().map(|seen| seen.at)).max();
    (from.unwrap_or_default(), to.unwrap_or_default())
}
