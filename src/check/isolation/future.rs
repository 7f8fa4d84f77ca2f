//! Reads that saw a write before anybody asked for it. No level allows that, and no order of transactions explains
//! it: the instants are of one clock.

use super::observe::{ElementWriters, IsolationAnomaly, Kind, ListOrder, Txn};
use crate::model::Mono;

/// When a transaction was sent, and when it ended.
pub(super) type Times = (Mono, Option<Mono>);

/// Every read that ended before the transaction was sent whose element it shows.
pub(super) fn reads(
    txns: &[Txn<'_>],
    writers: &ElementWriters,
    order: &ListOrder<'_>,
    times: &[Times],
) -> Vec<IsolationAnomaly> {
    // a list only grows: what counts is the latest of all that is read
    let latest = order.lists().map(|(key, list)| {
        let mut last = (Mono(0), u32::MAX);
        let upto = list.iter().map(|element| {
            let sent = writers.get(key, *element).map(|writer| (times[writer.txn as usize].0, writer.txn));
            last = sent.map_or(last, |sent| last.max(sent));
            last
        });
        upto.collect()
    });
    let latest: Vec<Vec<(Mono, u32)>> = latest.collect();
    let mut found = Vec::new();
    for (txn, (_, done)) in txns.iter().zip(times) {
        let Some(done) = done else { continue };
        for (key, list) in txn.lists() {
            let Some(at) = list.len().checked_sub(1) else { continue };
            // one that is no prefix is wrong by itself, and says so
            let same = order.of_key(key).get(at) == list.last();
            let latest = order.place(key).and_then(|list| latest.get(list));
            let sent = latest.and_then(|latest| latest.get(at)).filter(|_| same);
            let Some((_, writer)) = sent.filter(|(sent, _)| sent > done) else { continue };
            let other = &txns[*writer as usize];
            found.push(IsolationAnomaly {
                kind: Kind::Future,
                transactions: vec![(other.load, other.op), (txn.load, txn.op)],
                says: format!("{} read list {key} as {} left it, which was sent later", txn.op, other.op),
            });
        }
    }
    found
}
