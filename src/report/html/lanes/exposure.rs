//! What would be gone if the primary died at that instant, and who could have followed.

use super::run::Run;
use super::states::{LaneState, bands};
use crate::report::Exposed;
use crate::report::html::bounds;
use crate::report::html::page::{Chart, Join, Lane, Line, Row, Tone, Unit};

/// Acknowledged writes and bytes that stood on the primary alone.
pub(super) fn lane(run: &Run<'_>, (from, to): (f64, f64)) -> Option<Lane> {
    let looks = || run.exposed.iter().map(|seen| (run.ms(seen.at), seen));
    let points = |pick: fn(&Exposed) -> Option<u64>| {
        let all: Vec<(f64, Option<f64>)> =
            looks().map(|(at, seen)| (at, pick(seen).map(|number| number as f64))).collect();
        bounds::points(&all, from, to)
    };
    let chart = |title: &str, unit, tone, points: Vec<(f64, Option<f64>)>| Chart {
        title: title.to_owned(),
        unit,
        log: false,
        lines: if points.iter().all(|(_, number)| number.is_none()) {
            Vec::new()
        } else {
            vec![Line { name: title.to_owned(), tone, join: Join::Step, points }]
        },
    };
    let charts = vec![
        chart("acknowledged writes", Unit::Count, Tone::Bad, points(|seen| seen.writes)),
        chart("bytes of WAL", Unit::Bytes, Tone::Act, points(|seen| seen.bytes)),
    ];
    let row = Row {
        label: "could follow".to_owned(),
        bands: bands(looks().map(|(at, seen)| (at, Some(followers(seen))))),
        marks: Vec::new(),
    };
    let note = "what would be gone if the primary died then, by the copy that has most of it";
    let mut lane = Lane::of_rows("Exposure", note, vec![row])?;
    lane.charts = charts.into_iter().filter(|chart| !chart.lines.is_empty()).collect();
    Some(lane)
}

fn followers(seen: &Exposed) -> LaneState {
    let Some(primary) = &seen.primary else {
        return LaneState::new(Tone::Blind, "no primary seen", "no primary was seen at this look");
    };
    let names: Vec<&str> = seen.could_follow.iter().map(crate::model::MemberId::as_str).collect();
    match names.as_slice() {
        [] => LaneState::new(Tone::Bad, "no copy", format!("no copy could have followed {primary}")),
        names => {
            let names = names.join(", ");
            let says = format!("{names} could have followed {primary}");
            LaneState::new(Tone::Replica, names, says)
        }
    }
}
