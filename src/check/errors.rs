//! `errors`: every error met is one whose class (did it happen, did it not, nobody knows) is settled.
//! An error nobody has classed makes every conclusion about that operation a guess.

use std::collections::BTreeMap;

use serde_json::json;

use super::latency::middle;
use super::record::{Finding, RunRecord};
use super::when::{Spans, called};
use crate::history::Class;
use crate::history::classes::mapped;
use crate::model::Expect;
use crate::model::scenario::When;
use crate::stats;

/// What was met in a part of the run.
#[derive(Default)]
struct Met<'a> {
    all: u64,
    bad: u64,
    never_ended: u64,
    by_code: BTreeMap<(&'static str, &'a str), u64>,
    sample: Option<&'a str>,
}

/// Judges that every error is classed, and the share of operations that failed when a bound was asked for.
#[must_use]
pub fn check(record: &RunRecord) -> Finding {
    let met = meet(record, When::Always);
    let Met { all, bad, .. } = met;
    let mut bounds = Vec::new();
    let mut broken = None;
    let mut gap = None;
    for expect in &record.scenario.expects {
        let Expect::Errors { max_ratio, when } = expect else { continue };
        let Met { all, bad, .. } = meet(record, *when);
        let share = stats::ratio(bad, all);
        bounds.push(json!({ "when": when, "ratio": share, "bound_ratio": max_ratio }));
        let part = called(*when);
        if all == 0 {
            gap = Some(format!("no operation was begun{part}"));
        }
        if share > *max_ratio && broken.is_none() {
            broken =
                Some(format!("{bad} of {all} operations failed{part} ({share:.4}), at most {max_ratio} may"));
        }
    }
    let unclassed: Vec<&str> =
        met.by_code.keys().map(|(_, code)| *code).filter(|code| !mapped(code)).collect();
    let evidence = json!({
        "ratio": stats::ratio(bad, all),
        "bounds": bounds,
        "never_ended": met.never_ended,
        "errors": met.by_code.iter().map(|((class, code), n)| json!({ "class": class, "code": code, "count": n })).collect::<Vec<_>>(),
        "unclassed": unclassed,
        "unclassed_message": met.sample,
    });
    if let Some(broken) = broken {
        return Finding::fail(broken, evidence);
    }
    match (unclassed.first(), gap) {
        (Some(code), _) => Finding::unknown(
            format!("error `{code}` is in no class: whether the write happened is a guess"),
            evidence,
        ),
        (None, Some(gap)) => Finding::unknown(gap, evidence),
        (None, None) => Finding::pass(
            format!("{bad} of {all} operations were not acknowledged, every error is classed"),
            evidence,
        ),
    }
}

/// Counts what was meant to start in a part of the run; a counted second belongs where its middle lies.
fn meet(record: &RunRecord, when: When) -> Met<'_> {
    let spans = Spans::of(record, when);
    let mut met = Met::default();
    for op in record.history.ops.iter().filter(|op| spans.contain(op.intended)) {
        met.all += 1;
        met.bad += u64::from(matches!(op.class(), Class::Fail | Class::Info));
        met.never_ended += u64::from(op.done.is_none());
        let Some(error) = op.error() else { continue };
        let word = if op.class() == Class::Fail { "fail" } else { "info" };
        *met.by_code.entry((word, error.c.as_str())).or_default() += 1;
        if !mapped(&error.c) && met.sample.is_none() {
            met.sample = Some(&error.m);
        }
    }
    for second in record.history.counted.iter().filter(|second| spans.contain(middle(second.t))) {
        met.all += second.ok;
        for (word, codes) in [("fail", &second.fail), ("info", &second.info)] {
            for (code, count) in codes {
                met.all += count;
                met.bad += count;
                *met.by_code.entry((word, code)).or_default() += count;
            }
        }
    }
    met
}
