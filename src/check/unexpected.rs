//! `unexpected`: no node has a row nobody wrote, a row twice, or a row of an operation that certainly
//! did not happen. Each of them means that the database, or this record of it, is wrong.

use std::borrow::Cow;

use serde_json::json;

use super::record::{Finding, RunRecord};
use crate::history::Class;
use crate::model::{MemberId, Name};

/// Rows named in evidence at most.
const ROWS_SHOWN: usize = 10;

/// What is wrong with one row on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WrongRow {
    Nobody,
    Twice,
    Failed,
}

/// Judges the final reads of every load whose marks are read in the end.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let mut wrong: Vec<(WrongRow, &MemberId, u64)> = Vec::new();
    let mut unread: Option<&Name> = None;
    let mut reads = 0;
    for (number, load) in record.marked_loads() {
        let before = reads;
        reads += look(record, number, &mut wrong);
        if reads == before {
            unread = Some(&load.name);
        }
    }
    let count = |kind| wrong.iter().filter(|(seen, ..)| *seen == kind).count();
    let (nobody, twice, failed) = (count(WrongRow::Nobody), count(WrongRow::Twice), count(WrongRow::Failed));
    let shown = |kind| {
        wrong
            .iter()
            .filter(|(seen, ..)| *seen == kind)
            .take(ROWS_SHOWN)
            .map(|(_, node, row)| (node, row))
            .collect::<Vec<_>>()
    };
    let evidence = json!({
        "reads": reads,
        "nobody_wrote": nobody,
        "twice": twice,
        "of_failed_operations": failed,
        "rows_nobody_wrote": shown(WrongRow::Nobody),
        "rows_twice": shown(WrongRow::Twice),
        "rows_of_failed_operations": shown(WrongRow::Failed),
    });
    if !wrong.is_empty() {
        let summary = format!(
            "in the final reads {nobody} rows nobody wrote, {twice} rows twice, {failed} rows of failed operations"
        );
        let finding = Finding::fail(summary, evidence);
        // who wrote a row may be what is absent; that a row is there twice is not
        return if nobody == 0 { finding.firm() } else { finding };
    }
    match unread {
        Some(name) => Finding::unknown(format!("no node was read for load `{name}` in the end"), evidence),
        None => Finding::pass(
            format!(
                "every row in {reads} final reads was written once by an operation that may have happened"
            ),
            evidence,
        ),
    }
}

/// Looks through the reads of one load; says how many there were.
fn look<'a>(record: &'a RunRecord, load: u32, wrong: &mut Vec<(WrongRow, &'a MemberId, u64)>) -> usize {
    let ops = record.history.ops.iter().filter(|op| op.load == load);
    let mut attempted: Vec<(u64, Class)> =
        ops.flat_map(|op| op.marks().map(move |mark| (mark, op.class()))).collect();
    // marks are in order but for those of operations under way together; of equal ones the last counts
    attempted.sort_by_key(|(mark, _)| *mark);
    let mut reads = 0;
    for read in record.history.reads.iter().filter(|read| read.l == load) {
        let Some(rows) = &read.rows else { continue };
        reads += 1;
        let rows = in_order(rows);
        wrong.extend(
            rows.windows(2)
                .filter(|pair| pair[0] == pair[1])
                .map(|pair| (WrongRow::Twice, &read.node, pair[0])),
        );
        let mut left = attempted.as_slice();
        let mut last = None;
        for row in rows.iter().filter(|row| last.replace(**row) != Some(**row)) {
            left = &left[behind(left, *row)..];
            match left.iter().take_while(|(mark, _)| mark == row).last() {
                None => wrong.push((WrongRow::Nobody, &read.node, *row)),
                Some((_, Class::Fail)) => wrong.push((WrongRow::Failed, &read.node, *row)),
                Some(_) => {}
            }
        }
    }
    reads
}

fn in_order(rows: &[u64]) -> Cow<'_, [u64]> {
    if rows.is_sorted() {
        return Cow::Borrowed(rows);
    }
    let mut rows = rows.to_vec();
    rows.sort_unstable();
    Cow::Owned(rows)
}

/// How many of the first marks are smaller than a row: as a rule none or one, so the search begins there.
fn behind(marks: &[(u64, Class)], row: u64) -> usize {
    let mut reach = 1;
    while marks.get(reach - 1).is_some_and(|(mark, _)| *mark < row) {
        reach *= 2;
    }
    let upto = marks.get(..reach.min(marks.len())).unwrap_or_default();
    upto.partition_point(|(mark, _)| *mark < row)
}
