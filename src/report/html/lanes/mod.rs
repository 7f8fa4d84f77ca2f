//! A run → lanes on one axis of time, one file a kind of lane. Times of clients, losses and copies are those that the
//! checkers measured; states are what sightings and journals say.

mod clients;
mod controllers;
mod exposure;
mod faults;
mod load;
mod members;
mod routes;
mod run;
mod sizes;
mod states;

pub use faults::words as receipt;
pub use run::Run;

use super::bounds;
use super::page::{Lane, Time};
use crate::report::Report;

/// How many faults get an axis of their own.
const NEAR: usize = 3;
/// What is shown before a fault and after it, milliseconds.
const AROUND: f64 = 1_500.0;

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
        routes::lane(run),
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
