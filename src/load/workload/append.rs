//! Workload `append`: list-append transactions, from which Elle infers who saw whom
//! (Kingsbury and Alvaro, *Elle*, VLDB 2020). A list is one row with an array, appended to in one
//! statement, so the order of a list is the order of the commits that wrote it.
//!
//! Keys rotate: a key is in use for about a hundred operations, so that no list grows long and
//! every key has a beginning.

use rand::Rng;

use super::Tables;
use super::dice::Dice;
use super::turn::{OpEnded, OpTurn, position, timeline};
use crate::engine::postgres::quoted_name;
use crate::history::event::{Answer, Mop};
use crate::model::Name;

/// Longest transaction.
const LONGEST_TRANSACTION: u64 = 4;
/// Keys in use at one time.
const LIST_KEYS: u64 = 8;
/// Operations until the oldest key is retired.
const PER_KEY: u64 = 12;

/// What operation `op` asks for, when the writer is at operation `near`.
#[must_use]
pub fn draw(dice: &Dice, op: u64, near: u64, reads: bool) -> Vec<Mop> {
    let mut chance = dice.of(op);
    let newest = near / PER_KEY;
    (0..chance.random_range(1..=LONGEST_TRANSACTION))
        .map(|step| {
            let key = newest + chance.random_range(0..LIST_KEYS);
            if reads || chance.random_bool(0.5) {
                // some reads look back, so that the end of a list is seen
                let back = if chance.random_bool(0.25) { chance.random_range(0..LIST_KEYS) } else { 0 };
                Mop::Read(key.saturating_sub(back), None)
            } else {
                Mop::Append(key, op * LONGEST_TRANSACTION + step)
            }
        })
        .collect()
}

fn table(load: &Name) -> String {
    quoted_name(&format!("pgha_append_{load}"))
}

/// An empty table.
#[must_use]
pub fn tables(load: &Name) -> Tables {
    let table = table(load);
    Tables {
        make: format!(
            "drop table if exists {table}; create table {table} (k bigint primary key, e bigint[] not null)"
        ),
        count: format!("select coalesce(sum(cardinality(e)), 0)::bigint from {table}"),
        ..Tables::default()
    }
}

/// What is prepared.
#[must_use]
pub fn statements(load: &Name) -> Vec<(&'static str, String)> {
    let table = table(load);
    vec![
        (
            "append",
            format!(
                "insert into {table} as lists (k, e) values ($1, array[$2::bigint])
                 on conflict (k) do update set e = lists.e || excluded.e returning {}",
                position()
            ),
        ),
        ("list", format!("select (select e from {table} where k = $1), {}", timeline())),
    ]
}

/// Every element.
#[must_use]
pub fn marks(load: &Name, lock: &str) -> String {
    // rows are locked, so the lists are before they are taken apart
    format!("unnest(e) as id from (select e from {}{lock}) lists", table(load))
}

/// Does the steps in one transaction.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn run(turn: &mut OpTurn<'_>, steps: &[Mop]) -> Result<OpEnded, OpEnded> {
    turn.ask("begin", &[]).await?;
    let (mut answered, mut written, mut on) = (Vec::with_capacity(steps.len()), None, None);
    for step in steps {
        match step {
            Mop::Append(key, element) => {
                written = Some(turn.ask("append", &[key.cast_signed(), element.cast_signed()]).await?);
                answered.push(step.clone());
            }
            Mop::Read(key, _) => {
                let reply = turn.ask("list", &[key.cast_signed()]).await?;
                let row = reply.first();
                on = row.and_then(|row| row.number(1));
                let list = row.and_then(|row| row.text(0)).map(list).unwrap_or_default();
                answered.push(Mop::Read(*key, Some(list)));
            }
        }
    }
    let answer = Some(Answer::Txn(answered));
    if let Some(written) = written {
        let decided = turn.commit().await?;
        return Ok(turn.done(&decided, written.first(), answer));
    }
    // nothing was written, so nothing can be in doubt
    turn.ask("commit", &[]).await?;
    Ok(turn.read(on, answer))
}

/// An array of PostgreSQL's, `{1,2}`.
fn list(text: &str) -> Vec<u64> {
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    inner.split(',').filter_map(|element| element.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_it_stands() {
        assert_eq!(list("{}"), [0_u64; 0]);
        assert_eq!(list("{7}"), [7]);
        assert_eq!(list("{3,1,2}"), [3, 1, 2]);
    }
}
