//! Anomalies, each as its own small picture or table: who wrote, who read, which edge leads from one to the next. They are
//! those in the evidence of the checks; what the operations did is looked up in the record.

use serde_json::Value;

use super::bounds::SAYS;
use super::lanes::Run;
use super::markup::cut;
use super::page::{Anomaly, Table};
use crate::check::record::Check;
use crate::history::{Asked, Move, Op, OpQuestion, OpReply};
use crate::model::scenario::VerdictWord;
use crate::stats::figures::{seconds, sentence};

/// Anomalies shown at most.
const SHOWN: usize = 10;
/// Long forks shown at most: they fail nothing.
const FORKS: usize = 3;
/// Steps of a transaction that are written out.
const STEPS: usize = 12;
/// Elements of a list that are written out: the last ones tell orders apart.
const ELEMENTS: usize = 8;
/// Checks whose evidence names operations, the key of these, and what they are.
const BY_OPERATION: [(&str, &str, &str); 3] = [
    ("lost-acks", "below_fork_operations", "Acknowledged, on the surviving timeline, and gone"),
    ("lost-acks", "lost_operations", "Acknowledged and gone"),
    ("bank-total", "wrong_reads", "Reads with a wrong total"),
];
/// Checks whose evidence has sentences, the key of these, and what they are.
const IN_WORDS: [(&str, &str, &str); 1] = [("register", "broken", "Registers that are not linearizable")];

/// Every anomaly that the checks name, at most ten of each kind.
#[must_use]
pub fn found(run: &Run<'_>) -> Vec<Anomaly> {
    let check = |name: &str| run.report.checks.iter().find(|check| check.name == name);
    let mut found = Vec::new();
    if let Some(check) = check("isolation") {
        found.extend(isolation(run, check));
        let forks = list(&check.evidence, "long_forks_shown").iter().take(FORKS);
        found.extend(forks.filter_map(|told| long_fork(run, told)));
    }
    for (name, key, title) in BY_OPERATION {
        let Some(check) = check(name) else { continue };
        found.extend(of_operations(run, check, key, title));
    }
    for (name, key, title) in IN_WORDS {
        let told =
            check(name).into_iter().flat_map(|check| list(&check.evidence, key)).filter_map(Value::as_str);
        found.extend(told.take(SHOWN).map(|says| Anomaly {
            title: title.to_owned(),
            says: cut(says, 4 * SAYS),
            circle: Vec::new(),
            table: None,
        }));
    }
    found
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Anomalies of isolation: those that fail first, then those across nodes, which are reported only.
fn isolation(run: &Run<'_>, check: &Check) -> Vec<Anomaly> {
    let broken = list(&check.evidence, "anomalies").iter().filter_map(|told| {
        let whose = told.get(0).and_then(Value::as_str)?;
        Some((format!("on {whose}"), told.get(1)?))
    });
    let across = list(&check.evidence, "across_nodes").iter();
    let across = across.map(|told| ("across nodes, which is normal for PostgreSQL".to_owned(), told));
    let shown = broken.chain(across).take(SHOWN);
    shown.map(|(whose, told)| of_isolation(run, &whose, told)).collect()
}

fn of_isolation(run: &Run<'_>, whose: &str, told: &Value) -> Anomaly {
    let text = |key: &str| told.get(key).and_then(Value::as_str).unwrap_or_default();
    let operations: Vec<(u32, u64)> = list(told, "transactions").iter().filter_map(operation).collect();
    Anomaly {
        title: cut(&format!("{} {whose}", text("kind")), SAYS),
        says: cut(text("says"), 4 * SAYS),
        circle: circle(text("says")),
        table: operations_table(run, &operations),
    }
}

/// A long fork: two readers on different nodes that saw two writes in opposite order.
fn long_fork(run: &Run<'_>, told: &Value) -> Option<Anomaly> {
    let pair = |key: &str| {
        let pair = told.get(key)?;
        Some((operation(pair.get(0)?)?, operation(pair.get(1)?)?))
    };
    let ((one, other), (first, second)) = (pair("writes")?, pair("readers")?);
    let circle = [(one, "read by"), (first, "did not see"), (other, "read by"), (second, "did not see")];
    Some(Anomaly {
        title: "long fork across nodes, which is normal for PostgreSQL".to_owned(),
        says: format!(
            "{} saw {} and not {}; on another node {} saw {} and not {}",
            first.1, one.1, other.1, second.1, other.1, one.1
        ),
        circle: circle.into_iter().map(|((_, operation), edge)| (operation.to_string(), edge)).collect(),
        table: operations_table(run, &[one, other, first, second]),
    })
}

/// A pair of load and operation as evidence has it.
fn operation(pair: &Value) -> Option<(u32, u64)> {
    let load = u32::try_from(pair.get(0)?.as_u64()?).ok()?;
    Some((load, pair.get(1)?.as_u64()?))
}

/// The edges of a circle that the check tells in a sentence: each operation, and what leads from it to the next.
fn circle(says: &str) -> Vec<(String, &'static str)> {
    const EDGES: [(&str, &str); 3] = [
        ("was overwritten by", "overwritten by"),
        ("was read by", "read by"),
        ("did not see", "did not see"),
    ];
    let Some(mut rest) = says.strip_prefix("a circle of transactions: ") else { return Vec::new() };
    let mut circle = Vec::new();
    while let Some((number, after)) = rest.split_once(' ') {
        let known = EDGES.iter().find_map(|(told, word)| Some((after.strip_prefix(told)?, *word)));
        let Some((next, word)) = known else { return Vec::new() };
        circle.push((number.to_owned(), word));
        rest = next.trim_start();
    }
    circle
}

fn of_operations(run: &Run<'_>, check: &Check, key: &str, title: &str) -> Option<Anomaly> {
    let operations: Vec<(u32, u64)> = list(&check.evidence, key).iter().filter_map(operation).collect();
    let table = operations_table(run, &operations)?;
    let failed = if check.verdict == VerdictWord::Fail { "" } else { ", as the mode allows" };
    Some(Anomaly {
        title: format!("{title}{failed}"),
        says: sentence(&check.summary),
        circle: Vec::new(),
        table: Some(table),
    })
}

/// What operations did, in the order in which they are named; `None` when none is on record.
fn operations_table(run: &Run<'_>, wanted: &[(u32, u64)]) -> Option<Table> {
    let wanted = wanted.get(..wanted.len().min(SHOWN)).unwrap_or_default();
    let mut ops: Vec<(usize, Op<'_>)> = Vec::new();
    for op in &run.record.history.ops {
        let place = wanted.iter().position(|known| *known == (op.load, op.op));
        ops.extend(place.map(|place| (place, op)));
    }
    ops.sort_by_key(|(place, _)| *place);
    let rows: Vec<Vec<String>> = ops.into_iter().map(|(_, op)| row(run, op)).collect();
    (!rows.is_empty()).then(|| Table {
        title: String::new(),
        head: vec!["operation", "client", "sent", "ended", "by", "timeline", "what"],
        rows,
        more: String::new(),
    })
}

fn row(run: &Run<'_>, op: Op<'_>) -> Vec<String> {
    let dash = crate::stats::figures::dash;
    let ack = op.ack().map(|(_, ack)| ack);
    vec![
        op.op.to_string(),
        op.client.unwrap_or(op.worker).to_string(),
        seconds(run.ms(op.invoked)),
        op.done.map_or_else(dash, |done| seconds(run.ms(done))),
        ack.and_then(|ack| ack.n).map_or_else(dash, ToString::to_string),
        ack.and_then(|ack| ack.tl).map_or_else(dash, |timeline| timeline.to_string()),
        cut(&did(op), SAYS),
    ]
}

/// What an operation asked for, and what it was answered.
fn did(op: Op<'_>) -> String {
    let json = |asked: Asked| serde_json::to_string(&asked).unwrap_or_default();
    let steps = match (op.answer(), op.asked()) {
        (Some(OpReply::Txn(steps)), _) | (_, Some(OpQuestion::Txn(steps))) => steps,
        (Some(OpReply::Balances(balances)), _) => {
            let total: i128 = balances.iter().map(|balance| i128::from(*balance)).sum();
            return format!("read {} balances, together {total}", balances.len());
        }
        (_, None) => return format!("wrote {}", op.op),
        (_, Some(OpQuestion::Register(op))) => return json(Asked::Register(op)),
        (_, Some(OpQuestion::Transfer { from, to, amount })) => {
            return json(Asked::Transfer { from, to, amount });
        }
        (_, Some(OpQuestion::Read)) => return json(Asked::Read),
    };
    let mut told: Vec<String> = steps.iter().take(STEPS).map(step).collect();
    if steps.len() > STEPS {
        told.push("…".to_owned());
    }
    told.join(", ")
}

fn step(step: Move<'_>) -> String {
    match step {
        Move::Append(key, element) => format!("appended {element} to {key}"),
        Move::Read(key, None) => format!("read {key}"),
        Move::Read(key, Some(list)) => {
            let from = list.len().saturating_sub(ELEMENTS);
            let shown: Vec<String> = list.iter().skip(from).map(ToString::to_string).collect();
            let before = if from > 0 { "… " } else { "" };
            format!("read {key}: [{before}{}]", shown.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_is_read_off_its_sentence() {
        assert_eq!(
            circle("a circle of transactions: 3 was read by 5 did not see 7 was overwritten by 3"),
            [
                ("3".to_owned(), "read by"),
                ("5".to_owned(), "did not see"),
                ("7".to_owned(), "overwritten by")
            ]
        );
        for other in ["element 4 was read and appended by nobody", "a circle of transactions: 3 likes 5", ""]
        {
            assert_eq!(circle(other), [], "{other}");
        }
    }
}
