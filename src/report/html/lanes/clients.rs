//! Who was out and how long: each hurt client a thin row, and the last of them back with its time. All times are those of
//! the check `outage`.

use super::Run;
use crate::check::outage::{EndpointOutages, Out, Outage, OutageEnd};
use crate::report::html::bounds::ROWS;
use crate::report::html::page::{Band, Lane, Mark, Row, Tone};
use crate::report::{BackLine, EndpointLine};
use crate::stats::figures::{count, seconds, seconds_or_dash};
use crate::stats::millis;

/// Clients of every endpoint.
pub(super) fn lane(run: &Run<'_>) -> Option<Lane> {
    let rows = run.outages.iter().flat_map(|seen| of_endpoint(run, seen));
    Lane::of_rows("Clients without an acknowledgement", note(run), rows.collect())
}

fn note(run: &Run<'_>) -> String {
    let told = |(endpoint, line): (_, &EndpointLine)| {
        let back = line.back.as_ref().filter(|back| back.hurt > 0)?;
        let BackLine { hurt, clients, never_back, first_back_ms, median_back_ms, last_back_ms, .. } = back;
        let never = if *never_back > 0 { format!(", {never_back} never") } else { String::new() };
        Some(format!(
            "{endpoint}: {hurt} of {clients} hurt, back after {} (first), {} (median), {} (last){never}",
            seconds_or_dash(*first_back_ms),
            seconds_or_dash(*median_back_ms),
            seconds_or_dash(*last_back_ms),
        ))
    };
    run.report.endpoints.iter().filter_map(told).collect::<Vec<String>>().join("; ")
}

fn of_endpoint(run: &Run<'_>, seen: &EndpointOutages) -> Vec<Row> {
    let nobody = Row {
        label: format!("nobody on {}", seen.endpoint),
        bands: seen.windows.iter().map(|window| nobody(run, window)).collect(),
        marks: run.report.endpoints.get(&seen.endpoint).map(|line| marks(run, line)).unwrap_or_default(),
    };
    // half of the lane for each endpoint
    let crowd = crowd(run, seen).into_iter().take(ROWS / 2 - 1);
    std::iter::once(nobody)
        .filter(|row| !row.bands.is_empty() || !row.marks.is_empty())
        .chain(crowd)
        .collect()
}

fn nobody(run: &Run<'_>, window: &Outage) -> Band {
    let took = seconds(millis(window.nanos()));
    let ended = if window.ended { "" } else { ", to the end of the load" };
    Band {
        from_ms: run.ms(window.from),
        to_ms: run.ms(window.to),
        label: took.clone(),
        says: format!(
            "nobody was acknowledged for {took}{ended}; {} operations were not",
            count(window.unacknowledged)
        ),
        tone: Tone::Bad,
    }
}

/// When the last client was back after each fault.
fn marks(run: &Run<'_>, line: &EndpointLine) -> Vec<Mark> {
    let back = |back: &BackLine| {
        let fault = back.fault.as_ref()?;
        let stages = &run.report.failovers.iter().find(|failover| failover.fault == *fault)?.stages;
        let began = run.report.faults.iter().find(|known| known.id == *fault)?.began_ms?;
        let took = seconds(back.last_back_ms?);
        Some(Mark {
            at_ms: began + stages.last_back_ms?,
            label: format!("last back {took}"),
            says: format!("the last of {} hurt clients was back after {took}", back.hurt),
            tone: Tone::Good,
        })
    };
    line.backs.iter().filter_map(back).collect()
}

/// The hurt clients, the longest out first; workers where the journal numbers no clients.
fn crowd(run: &Run<'_>, seen: &EndpointOutages) -> Vec<Row> {
    let mut rows: Vec<(f64, Row)> = Vec::new();
    let mut last = None;
    // the outages of a client stand together
    for out in &seen.crowd.outs {
        let band = out_band(run, out);
        let took = band.to_ms - band.from_ms;
        match rows.last_mut().filter(|_| last == Some((out.load, out.client))) {
            Some((longest, row)) => {
                *longest = longest.max(took);
                row.bands.push(band);
            }
            None => rows.push((took, Row { bands: vec![band], ..Row::default() })),
        }
        last = Some((out.load, out.client));
    }
    rows.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn out_band(run: &Run<'_>, out: &Out) -> Band {
    let load = usize::try_from(out.load).ok().and_then(|load| run.record.scenario.loads.get(load));
    let load = load.map(|load| load.name.to_string()).unwrap_or_default();
    let took = seconds(millis(out.nanos()));
    let (ended, tone) = match out.end {
        OutageEnd::Back => (format!("back after {took}"), Tone::Warn),
        OutageEnd::Never => (format!("never back, {took} to the end of the load"), Tone::Bad),
        OutageEnd::Untraced => (format!("out for {took}, its successor is not on record"), Tone::Blind),
    };
    Band {
        from_ms: run.ms(out.from),
        to_ms: run.ms(out.to),
        label: String::new(),
        says: format!("{load}, client {}: {ended}", out.client),
        tone,
    }
}
