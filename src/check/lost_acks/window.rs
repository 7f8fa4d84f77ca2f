//! The asynchronous window: how much was lost behind a switch point, and how much Patroni documents.

use serde::Serialize;

use crate::history::Acked;
use crate::model::lab::PatroniSpec;
use crate::model::{Lsn, Mono};
use crate::stats;

/// What one abandoned end of a timeline lost.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// The timeline whose writes may be gone.
    pub timeline: u32,
    /// Where the surviving history left it.
    pub switch: Lsn,
    /// Acknowledged writes that are gone.
    pub transactions: u64,
    /// WAL from the switch point to the last lost write.
    pub lost_bytes: u64,
    /// From the first to the last lost acknowledgement.
    pub lost_seconds: f64,
    /// WAL a second before the loss; `None` when too little was acknowledged before it.
    pub wal_bytes_per_second: Option<f64>,
    /// `maximum_lag_on_failover` plus `ttl` at that rate.
    pub bound_bytes: Option<u64>,
    /// Whether the loss is within; `None` when neither the bound nor its fixed part tells.
    pub within_bound: Option<bool>,
}

impl Window {
    /// Measures the loss of `lost` behind `switch`, given all acknowledgements of the timeline.
    pub(super) fn measure<'a>(
        timeline: u32,
        switch: Lsn,
        lost: &[(Mono, Acked<'_>)],
        acks: impl Iterator<Item = (Mono, Acked<'a>)>,
        patroni: &PatroniSpec,
    ) -> Self {
        let first = lost.iter().map(|(done, _)| *done).min().unwrap_or_default();
        let until = lost.iter().map(|(done, _)| *done).max().unwrap_or_default();
        // whoever broke right after its commit says where it began only
        let end = lost.iter().filter_map(|(_, ack)| ack.hi.or(ack.lo)).max().unwrap_or_default();
        let gone = end.0.saturating_sub(switch.0);
        let rate = wal_rate(acks, first, patroni.ttl);
        let lag = patroni.maximum_lag_on_failover.0;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bound is not sharper than a byte, and a rate is not negative"
        )]
        let bound = rate.map(|rate| lag.saturating_add((rate * f64::from(patroni.ttl)) as u64));
        let within = match bound {
            Some(bound) => Some(gone <= bound),
            // the fixed part alone may already cover it
            None => (gone <= lag).then_some(true),
        };
        Self {
            timeline,
            switch,
            transactions: lost.len() as u64,
            lost_bytes: gone,
            lost_seconds: until.since(first).as_secs_f64(),
            wal_bytes_per_second: rate,
            bound_bytes: bound,
            within_bound: within,
        }
    }
}

/// WAL written a second over the last `ttl` seconds before `until`, from the flush positions that
/// came with acknowledgements.
fn wal_rate<'a>(acks: impl Iterator<Item = (Mono, Acked<'a>)>, until: Mono, ttl: u32) -> Option<f64> {
    let from = Mono(until.0.saturating_sub(u64::from(ttl) * 1_000_000_000));
    let mut seen: Vec<(Mono, Lsn)> = acks
        .filter(|(done, _)| *done >= from && *done <= until)
        .filter_map(|(done, ack)| Some((done, ack.hi?)))
        .collect();
    seen.sort_by_key(|(done, _)| *done);
    let [first, .., last] = seen.as_slice() else { return None };
    stats::per_second(last.1.0.saturating_sub(first.1.0), last.0.since(first.0).as_nanos().try_into().ok()?)
}
