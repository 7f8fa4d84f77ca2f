//! A run → lanes on one axis of time, one file a kind of lane. Times of clients, losses and copies are those that the
//! checkers measured; states are what sightings and journals say.

mod clients;
mod controllers;
mod doors;
mod exposure;
mod faults;
mod load;
mod members;
mod sizes;

pub use faults::words as receipt;

use super::bounds;
use super::page::{Band, Lane, Time, Tone};
use crate::check::RunRecord;
use crate::check::outage::EndpointOutages;
use crate::model::{Mono, Sighting};
use crate::report::build::{from_zero, zero};
use crate::report::{Exposed, Report};

/// How many faults get an axis of their own.
const NEAR: usize = 3;
/// What is shown before a fault and after it, milliseconds.
const AROUND: f64 = 1_500.0;

/// A run, and what was measured of it.
pub struct Run<'a> {
    /// The record.
    pub record: &'a RunRecord,
    /// Its numbers.
    pub report: &'a Report,
    /// Outages of every endpoint.
    pub outages: &'a [EndpointOutages],
    /// What would be gone, look by look.
    pub exposed: &'a [Exposed],
    zero: Mono,
    whole: (Mono, Mono),
    looks: Vec<&'a Sighting>,
}

impl<'a> Run<'a> {
    /// A run whose numbers are known.
    #[must_use]
    pub fn new(
        record: &'a RunRecord,
        report: &'a Report,
        outages: &'a [EndpointOutages],
        exposed: &'a [Exposed],
    ) -> Self {
        let looks = record.sightings_in_order();
        let whole = span(record, &looks);
        Self { record, report, outages, exposed, zero: zero(record), whole, looks }
    }

    /// An instant of the axis.
    pub fn ms(&self, at: Mono) -> f64 {
        from_zero(at, self.zero)
    }

    /// From the first phase to the last thing that was seen or written.
    fn whole(&self) -> (f64, f64) {
        (self.ms(self.whole.0), self.ms(self.whole.1))
    }

    /// Looks at the services, in order: those of the engine alone show no service.
    fn services(&self) -> impl Iterator<Item = (f64, &'a Sighting)> {
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

/// The whole run and what happened around its first faults that hurt clients, each on one axis.
#[must_use]
pub fn times(run: &Run<'_>) -> Vec<Time> {
    let (from, to) = run.whole();
    let mut times = vec![time(run, "The run".to_owned(), (from, to))];
    for line in &run.report.faults {
        let Some(began) = line.began_ms else { continue };
        let Some(back) = back_after(run.report, line.id.as_str(), began) else { continue };
        let window = ((began - AROUND).max(from), (back + AROUND).min(to));
        // a part that is most of the run shows nothing new
        if times.len() <= NEAR && (window.1 - window.0) * 2.0 < to - from {
            let hit: Vec<&str> = line.hit.iter().map(crate::model::Name::as_str).collect();
            let title = format!("Around {}: {} {}", line.id, line.verb, hit.join(", "));
            times.push(time(run, title, window));
        }
    }
    times
}

/// When the last client that a fault hurt was back; `None` when it hurt none.
fn back_after(report: &Report, fault: &str, began: f64) -> Option<f64> {
    let of_clients = report.endpoints.values().flat_map(|line| &line.backs);
    let of_clients = of_clients
        .filter(|back| back.hurt > 0 && back.fault.as_ref().is_some_and(|id| id.as_str() == fault))
        .map(|back| began + back.longest_ms);
    let windows = report.endpoints.values().flat_map(|line| &line.windows);
    let windows = windows
        .filter(|window| window.fault.as_ref().is_some_and(|id| id.as_str() == fault))
        .map(|window| window.to_ms);
    of_clients.chain(windows).max_by(f64::total_cmp)
}

fn time(run: &Run<'_>, title: String, window: (f64, f64)) -> Time {
    let (from, to) = window;
    let lanes = [
        faults::phases(run),
        faults::lane(run),
        members::databases(run),
        members::store(run),
        doors::lane(run),
        controllers::decisions(run),
        controllers::alarms(run),
        clients::lane(run),
        load::throughput(run, window),
        load::latency(run, window),
        load::errors(run, window),
        exposure::lane(run, window),
        sizes::lane(run, window),
    ];
    let bounded = |mut lane: Lane| {
        lane.rows.truncate(bounds::ROWS);
        for row in &mut lane.rows {
            row.bands = bounds::bands(std::mem::take(&mut row.bands), from, to);
            row.marks.retain(|mark| mark.at_ms >= from && mark.at_ms <= to);
            row.marks.truncate(bounds::BANDS);
        }
        lane.rows.retain(|row| !row.bands.is_empty() || !row.marks.is_empty());
        (!lane.rows.is_empty() || !lane.charts.is_empty()).then_some(lane)
    };
    Time {
        title,
        from_ms: from,
        to_ms: to,
        shades: bounds::bands(faults::shades(run), from, to),
        lanes: lanes.into_iter().flatten().filter_map(bounded).collect(),
    }
}

/// What something was at a look.
#[derive(Clone, Debug, PartialEq)]
struct State {
    tone: Tone,
    label: String,
    says: String,
}

impl State {
    fn new(tone: Tone, label: impl Into<String>, says: impl Into<String>) -> Self {
        Self { tone, label: label.into(), says: super::markup::cut(&says.into(), bounds::SAYS) }
    }
}

/// Looks → bands: a state holds until the next look, and looks that show the same are one band. `None` is a look that
/// shows nothing of it.
fn bands(looks: impl IntoIterator<Item = (f64, Option<State>)>) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    let mut open = false;
    for (at, state) in looks {
        if let Some(last) = bands.last_mut().filter(|_| open) {
            last.to_ms = at;
        }
        let Some(State { tone, label, says }) = state else {
            open = false;
            continue;
        };
        let same = bands.last().is_some_and(|last| open && last.tone == tone && last.label == label);
        if !same {
            bands.push(Band { from_ms: at, to_ms: at, label, says, tone });
        }
        open = true;
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_that_show_the_same_are_one_band_and_a_state_holds_until_the_next_look() {
        let good = || Some(State::new(Tone::Good, "up", "it is up"));
        let bad = || Some(State::new(Tone::Bad, "down", "it is down"));
        let seen =
            bands([(0.0, good()), (1.0, good()), (2.0, bad()), (3.0, None), (4.0, None), (5.0, good())]);
        let told: Vec<String> =
            seen.iter().map(|b| format!("{} {}–{}", b.label, b.from_ms, b.to_ms)).collect();
        assert_eq!(told, ["up 0–2", "down 2–3", "up 5–5"]);
    }
}
