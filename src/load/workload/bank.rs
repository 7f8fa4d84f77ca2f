//! Workload `bank`: transfers between accounts, and reads of all balances, whose total never changes.
//!
//! A transfer takes and gives in two statements and leaves its number in a log, so that a lost
//! acknowledgement shows even where the balances agree. Balances may fall below zero: what is
//! judged is the total.

use rand::Rng;

use super::dice::Dice;
use super::turn::{OpEnded, OpTurn, position, timeline};
use super::{OpTask, Tables};
use crate::engine::postgres::quoted_name;
use crate::history::event::Answer;
use crate::model::Name;
use crate::model::scenario::{BANK_ACCOUNTS as ACCOUNTS, BANK_BALANCE as BALANCE};

/// Share of operations that read.
const READS: f64 = 0.25;

/// What operation `op` asks for.
#[must_use]
pub fn draw(dice: &Dice, op: u64) -> OpTask {
    let mut chance = dice.of(op);
    if chance.random_bool(READS) {
        return OpTask::Balances;
    }
    let from = chance.random_range(0..ACCOUNTS);
    let to = (from + chance.random_range(1..ACCOUNTS)) % ACCOUNTS;
    OpTask::Transfer { from, to, amount: chance.random_range(1..=10) }
}

fn accounts(load: &Name) -> String {
    quoted_name(&format!("pgha_bank_{load}"))
}

fn log(load: &Name) -> String {
    quoted_name(&format!("pgha_bank_{load}_log"))
}

/// Every account with its first balance, and an empty log.
#[must_use]
pub fn tables(load: &Name) -> Tables {
    let (accounts, log) = (accounts(load), log(load));
    Tables {
        make: format!(
            "drop table if exists {accounts}, {log};
             create table {accounts} (id bigint primary key, balance bigint not null);
             create table {log} (id bigint not null);
             insert into {accounts} select id, {BALANCE} from generate_series(0, {ACCOUNTS} - 1) as id"
        ),
        count: format!("select count(*) from {log}"),
        ..Tables::default()
    }
}

/// What is prepared.
#[must_use]
pub fn statements(load: &Name) -> Vec<(&'static str, String)> {
    let (accounts, log) = (accounts(load), log(load));
    vec![
        ("move", format!("update {accounts} set balance = balance + $2 where id = $1")),
        ("log", format!("insert into {log} (id) values ($1) returning {}", position())),
        (
            "balances",
            format!("select (select array_agg(balance order by id) from {accounts}), {}", timeline()),
        ),
    ]
}

/// Every transfer.
#[must_use]
pub fn marks(load: &Name) -> String {
    format!("id from {}", log(load))
}

/// Moves money.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn transfer(
    turn: &mut OpTurn<'_>,
    op: u64,
    from: u32,
    to: u32,
    amount: i64,
) -> Result<OpEnded, OpEnded> {
    // always in the order of the accounts: two that meet head on would wait for the deadlock detector
    let mut moves = [(i64::from(from), -amount), (i64::from(to), amount)];
    moves.sort_unstable();
    turn.ask("begin", &[]).await?;
    for (account, by) in moves {
        turn.ask("move", &[account, by]).await?;
    }
    let written = turn.ask("log", &[op.cast_signed()]).await?;
    let decided = turn.commit().await?;
    Ok(turn.done(&decided, written.first(), None))
}

/// Reads every balance, in one statement and so in one snapshot.
///
/// # Errors
/// As [`OpTurn::ask`].
pub async fn read(turn: &mut OpTurn<'_>) -> Result<OpEnded, OpEnded> {
    let reply = turn.ask("balances", &[]).await?;
    let row = reply.first();
    let text = row.and_then(|row| row.text(0)).unwrap_or_default();
    let inner = text.trim_start_matches('{').trim_end_matches('}');
    let balances = inner.split(',').filter_map(|balance| balance.parse().ok()).collect();
    Ok(turn.read(row.and_then(|row| row.number(1)), Some(Answer::Balances(balances))))
}
