//! `errors`: every error met is one whose class (did it happen, did it not, nobody knows) is settled.
//! An error nobody has classed makes every conclusion about that operation a guess.

use std::collections::BTreeMap;

use serde_json::json;

use super::record::{Finding, Record};
use crate::history::classes::mapped;
use crate::history::{Class, Outcome};
use crate::model::Expect;
use crate::stats;

/// Judges that every error is classed, and the share of operations that failed when a bound was asked for.
#[must_use]
pub fn check(record: &Record) -> Finding {
    let mut met: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut sample: Option<&str> = None;
    let (mut bad, mut never_ended) = (0, 0);
    for op in &record.history.ops {
        bad += u64::from(matches!(op.class(), Class::Fail | Class::Info));
        let (word, error) = match &op.outcome {
            None => {
                never_ended += 1;
                continue;
            }
            Some(Outcome::Fail(error)) => ("fail", error),
            Some(Outcome::Info(error)) => ("info", error),
            Some(_) => continue,
        };
        *met.entry((word, error.c.as_str())).or_default() += 1;
        if !mapped(&error.c) && sample.is_none() {
            sample = Some(&error.m);
        }
    }
    let all = record.history.ops.len() as u64;
    let share = stats::ratio(bad, all);
    let bound = record.scenario.expects.iter().filter_map(|expect| match expect {
        Expect::Errors { max_ratio } => Some(*max_ratio),
        _ => None,
    });
    let bound =
        bound.fold(None, |least: Option<f64>, next| Some(least.map_or(next, |least| least.min(next))));
    let unclassed: Vec<&str> = met.keys().map(|(_, code)| *code).filter(|code| !mapped(code)).collect();
    let evidence = json!({
        "ratio": share,
        "bound_ratio": bound,
        "never_ended": never_ended,
        "errors": met.iter().map(|((class, code), n)| json!({ "class": class, "code": code, "count": n })).collect::<Vec<_>>(),
        "unclassed": unclassed,
        "unclassed_message": sample,
    });
    if let Some(bound) = bound.filter(|bound| share > *bound) {
        let summary = format!("{bad} of {all} operations failed ({share:.4}), at most {bound} may");
        return Finding::fail(summary, evidence);
    }
    match unclassed.first() {
        Some(code) => Finding::unknown(
            format!("error `{code}` is in no class: whether the write happened is a guess"),
            evidence,
        ),
        None => Finding::pass(
            format!("{bad} of {all} operations were not acknowledged, every error is classed"),
            evidence,
        ),
    }
}
