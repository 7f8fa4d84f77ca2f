//! `bank-total`: every read of all balances sums to the same total.
//!
//! A transfer moves money and makes none, and a read sees one snapshot, on a replica as on the primary and
//! on either side of a failover (a lost transfer is lost whole). So there is one total for the whole run: the one
//! the bank was founded with. How many accounts there are does not change either.
//!
//! The first edition does not say what its banks were founded with. There the first acknowledged read is the measure,
//! and there are at least the accounts that transfers name.

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::history::{OpQuestion, OpReply};
use crate::model::scenario::{BANK_ACCOUNTS, BANK_BALANCE, Workload};

/// Reads named in evidence at most.
const READS_SHOWN: usize = 10;

/// Judges every acknowledged read of every load of the workload `bank`.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut wrong: Vec<(u32, u64, String)> = Vec::new();
    let mut reads = 0_u64;
    let mut totals = Vec::new();
    for (number, _) in record.loads_of(Workload::Bank).filter(|(_, load)| load.of.is_none()) {
        let founded = (record.resolved.edition > 0).then(founded);
        let mut first: Option<(i128, usize)> = founded;
        let named = if founded.is_none() { named(record, number) } else { 0 };
        for (load, op, balances) in answers(record, number) {
            reads += 1;
            let total: i128 = balances.iter().map(|balance| i128::from(*balance)).sum();
            let (wanted, accounts) = *first.get_or_insert((total, balances.len().max(named)));
            if accounts != balances.len() {
                let seen = balances.len();
                wrong.push((load, op, format!("a read showed {seen} accounts, there are {accounts}")));
            } else if total != wanted {
                wrong.push((load, op, format!("a read showed {total} in all accounts, there are {wanted}")));
            }
        }
        totals.push(json!({ "load": number, "total": first.map(|(total, _)| total.to_string()) }));
    }
    let evidence = json!({
        "reads": reads,
        "totals": totals,
        "wrong": wrong.len(),
        "wrong_reads": wrong.iter().take(READS_SHOWN).collect::<Vec<_>>(),
    });
    match wrong.first() {
        Some((_, op, why)) => {
            Finding::fail(format!("{why} (operation {op}; {} reads are wrong)", wrong.len()), evidence).firm()
        }
        None if reads == 0 => Finding::unknown("nobody read the balances", evidence),
        None => Finding::pass(format!("the total was the same in {reads} reads"), evidence),
    }
}

/// The total and the number of accounts of a bank that was just founded.
fn founded() -> (i128, usize) {
    let accounts = usize::try_from(BANK_ACCOUNTS).unwrap_or(usize::MAX);
    (i128::from(BANK_BALANCE) * i128::from(BANK_ACCOUNTS), accounts)
}

/// How many accounts there are at least, by what transfers name.
fn named(record: &RunRecord, number: u32) -> usize {
    let of_load = record.history.ops.iter().filter(|op| op.load == number);
    let named = of_load.filter_map(|op| match op.asked() {
        Some(OpQuestion::Transfer { from, to, .. }) => Some(from.max(to)),
        _ => None,
    });
    named.max().map_or(0, |last| usize::try_from(last).map_or(usize::MAX, |last| last.saturating_add(1)))
}

/// Acknowledged reads of what a load wrote, in the order in which they ended.
fn answers(record: &RunRecord, number: u32) -> Vec<(u32, u64, &[i64])> {
    let shares: Vec<bool> = (0..)
        .zip(&record.scenario.loads)
        .map(|(other, load)| load.workload == Workload::Bank && record.tables_of(other, load) == number)
        .collect();
    let mut reads: Vec<_> = record
        .history
        .ops
        .iter()
        .filter(|op| usize::try_from(op.load).is_ok_and(|load| shares.get(load) == Some(&true)))
        .filter_map(|op| match op.answer() {
            Some(OpReply::Balances(balances)) => Some((op.done, op.load, op.op, balances)),
            _ => None,
        })
        .collect();
    reads.sort_by_key(|(done, load, op, _)| (*done, *load, *op));
    reads.into_iter().map(|(_, load, op, balances)| (load, op, balances)).collect()
}
