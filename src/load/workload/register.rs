//! Workload `register`: read, write and compare-and-set of single keys, each one statement.
//!
//! A value is the number of the operation that wrote it, plus one, so it says who wrote it. Keys
//! rotate, because the search for a linearization grows with the operations of a key. What a
//! compare-and-set expects is the last value asked for earlier: under little concurrency it is right
//! about as often as not.

use rand::Rng;

use super::Tables;
use super::dice::Dice;
use super::turn::{OpEnded, OpTurn, position, timeline};
use crate::engine::postgres::quoted_name;
use crate::history::event::{Answer, RegisterOp};
use crate::model::Name;

/// Keys in use at one time.
const REGISTER_KEYS: u64 = 4;
/// Operations until all of them are retired.
const PER_ROUND: u64 = 400;
/// How far back a compare-and-set looks for what it expects.
const BACK: u64 = 32;

/// What operation `op` asks for, when the writer is at operation `near`.
#[must_use]
pub fn draw(dice: &Dice, op: u64, near: u64, reads: bool) -> RegisterOp {
    let (k, kind) = roll(dice, op, near);
    match if reads { RegisterChoice::Read } else { kind } {
        RegisterChoice::Write => RegisterOp::Write { k, v: value(op) },
        RegisterChoice::Cas => RegisterOp::Cas { k, from: expected(dice, op, k), to: value(op) },
        RegisterChoice::Read => RegisterOp::Read { k },
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RegisterChoice {
    Read,
    Write,
    Cas,
}

fn roll(dice: &Dice, op: u64, near: u64) -> (u64, RegisterChoice) {
    let mut chance = dice.of(op);
    let k = near / PER_ROUND * REGISTER_KEYS + chance.random_range(0..REGISTER_KEYS);
    let kind = match chance.random_range(0..10) {
        0..5 => RegisterChoice::Read,
        5..8 => RegisterChoice::Write,
        _ => RegisterChoice::Cas,
    };
    (k, kind)
}

/// The newest value asked for before `op`; 0, which nobody writes, when there is none.
fn expected(dice: &Dice, op: u64, key: u64) -> i64 {
    let writer = (op.saturating_sub(BACK)..op).rev().find(|earlier| {
        let (k, kind) = roll(dice, *earlier, *earlier);
        k == key && kind != RegisterChoice::Read
    });
    writer.map_or(0, value)
}

const fn value(op: u64) -> i64 {
    op.cast_signed() + 1
}

fn table(load: &Name) -> String {
    quoted_name(&format!("pgha_register_{load}"))
}

/// An empty table.
#[must_use]
pub fn tables(load: &Name) -> Tables {
    let table = table(load);
    Tables {
        make: format!(
            "drop table if exists {table}; create table {table} (k bigint primary key, v bigint not null)"
        ),
        count: format!("select count(*) from {table}"),
        ..Tables::default()
    }
}

/// What is prepared.
#[must_use]
pub fn statements(load: &Name) -> Vec<(&'static str, String)> {
    let (table, position) = (table(load), position());
    vec![
        ("read", format!("select (select v from {table} where k = $1), {}", timeline())),
        (
            "write",
            format!(
                "insert into {table} (k, v) values ($1, $2) on conflict (k) do update set v = excluded.v returning {position}"
            ),
        ),
        ("cas", format!("update {table} set v = $3 where k = $1 and v = $2 returning {position}")),
    ]
}

/// Does it.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn run(turn: &mut OpTurn<'_>, asked: RegisterOp) -> Result<OpEnded, OpEnded> {
    match asked {
        RegisterOp::Read { k } => {
            let reply = turn.ask("read", &[k.cast_signed()]).await?;
            let row = reply.first();
            let value = row.and_then(|row| row.number(0));
            Ok(turn.read(row.and_then(|row| row.number(1)), Some(Answer::Value(value))))
        }
        RegisterOp::Write { k, v } => {
            let decided = turn.decide("write", &[k.cast_signed(), v]).await?;
            Ok(turn.done(&decided, decided.reply.first(), None))
        }
        RegisterOp::Cas { k, from, to } => {
            let decided = turn.decide("cas", &[k.cast_signed(), from, to]).await?;
            let swapped = decided.reply.tag == "UPDATE 1";
            Ok(turn.done(&decided, decided.reply.first(), Some(Answer::Swapped(swapped))))
        }
    }
}
