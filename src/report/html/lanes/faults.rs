//! Phases of the run, and its faults with their receipts.

use super::Run;
use crate::model::Receipt;
use crate::model::fault::ReceiptState;
use crate::report::FaultLine;
use crate::report::html::page::{Band, Lane, Mark, Row, Tone};
use crate::stats::figures::seconds;

/// The phases of a run.
pub(super) fn phases(run: &Run<'_>) -> Option<Lane> {
    let (_, end) = run.whole();
    let phases = &run.record.history.phases;
    let begins: Vec<f64> = phases.iter().map(|(at, _)| run.ms(*at)).collect();
    let ends = begins.iter().skip(1).copied().chain([end]);
    let bands = phases.iter().zip(begins.iter().zip(ends)).map(|((_, phase), (from, to))| {
        let label = phase.as_str().replace('-', " ");
        let says = format!("{label}, {}", seconds(to - from));
        Band { from_ms: *from, to_ms: to, label, says, tone: Tone::Frame }
    });
    let row = Row { label: "phase".to_owned(), bands: bands.collect(), marks: Vec::new() };
    Lane::of_rows("Phases", "", vec![row])
}

/// Each fault with its receipts.
pub(super) fn lane(run: &Run<'_>) -> Option<Lane> {
    let rows = run.report.faults.iter().map(|fault| row(run, fault)).collect();
    Lane::of_rows("Faults", "from the injection to the heal", rows)
}

/// Every fault as a shade over all lanes.
pub(super) fn shades(run: &Run<'_>) -> Vec<Band> {
    run.report.faults.iter().filter_map(|fault| band(run, fault)).collect()
}

fn row(run: &Run<'_>, fault: &FaultLine) -> Row {
    let unconfirmed = fault.receipt.as_ref().is_none_or(|receipt| receipt.state != ReceiptState::Confirmed);
    let marks = fault.began_ms.filter(|_| unconfirmed).map(|at_ms| Mark {
        at_ms,
        label: "no evidence".to_owned(),
        says: receipt("bit", fault.receipt.as_ref()),
        tone: Tone::Bad,
    });
    Row {
        label: fault.id.to_string(),
        bands: band(run, fault).into_iter().collect(),
        marks: marks.into_iter().collect(),
    }
}

fn band(run: &Run<'_>, fault: &FaultLine) -> Option<Band> {
    let began = fault.began_ms?;
    let (_, end) = run.whole();
    let hit: Vec<&str> = fault.hit.iter().map(crate::model::Name::as_str).collect();
    let healed = fault
        .healed_ms
        .map_or_else(|| "never healed".to_owned(), |at| format!("on for {}", seconds(at - began)));
    let says = format!(
        "{}: {} {} → {}, {healed}. {} {}",
        fault.id,
        fault.verb,
        fault.target,
        hit.join(", "),
        receipt("It bit", fault.receipt.as_ref()),
        receipt("It healed", fault.heal.as_ref()),
    );
    Some(Band {
        from_ms: began,
        to_ms: fault.healed_ms.unwrap_or(end),
        label: format!("{} {}", fault.verb, hit.join(", ")),
        says,
        tone: Tone::Fault,
    })
}

/// What a receipt is of, and the receipt.
fn receipt(what: &str, receipt: Option<&Receipt>) -> String {
    format!("{what}: {}.", receipt.map_or_else(|| "no receipt".to_owned(), words))
}

/// A receipt in words.
pub fn words(receipt: &Receipt) -> String {
    let Receipt { state, source, evidence } = receipt;
    let state = match state {
        ReceiptState::Confirmed => "confirmed",
        ReceiptState::Refuted => "refuted",
        ReceiptState::Superseded => "superseded",
        ReceiptState::Nothing => "nothing to undo",
    };
    format!("{state} by {source}: {evidence}")
}
