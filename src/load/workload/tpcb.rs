//! Workloads `tpcb` and `select`: pgbench's TPC-B-like transaction and its select-only query, on
//! tables of pgbench's shape (<https://www.postgresql.org/docs/17/pgbench.html>).
//!
//! Statements, order and round trips are pgbench's with `-M prepared`. When operations are recorded
//! the row of the history also carries the operation's number and brings the WAL position back.

use rand::Rng;

use super::Tables;
use super::dice::Dice;
use super::turn::{OpEnded, OpTurn, position, timeline};
use crate::engine::postgres::quoted_name;
use crate::model::{Load, Name};

/// Accounts of one branch.
const ACCOUNTS: i64 = 100_000;
/// Tellers of one branch.
const TELLERS: i64 = 10;

/// Whose balances move, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Row of `pgbench_accounts`.
    pub account: i64,
    /// Row of `pgbench_branches`.
    pub branch: i64,
    /// Row of `pgbench_tellers`.
    pub teller: i64,
    /// So much.
    pub delta: i64,
}

/// Branches of a load.
#[must_use]
pub fn scale(load: &Load) -> i64 {
    i64::from(load.scale.unwrap_or(1).max(1))
}

/// What operation `op` asks for.
#[must_use]
pub fn draw(dice: &Dice, op: u64, scale: i64) -> Draw {
    let mut chance = dice.of(op);
    Draw {
        account: chance.random_range(1..=ACCOUNTS * scale),
        branch: chance.random_range(1..=scale),
        teller: chance.random_range(1..=TELLERS * scale),
        delta: chance.random_range(-5000..=5000),
    }
}

fn table(load: &Name, what: &str) -> String {
    quoted_name(&format!("pgha_tpcb_{load}_{what}"))
}

fn table_of_select(load: &Name) -> String {
    quoted_name(&format!("pgha_select_{load}"))
}

fn make_accounts(accounts: &str, scale: i64) -> String {
    format!(
        "drop table if exists {accounts};
         create table {accounts} (aid int not null, bid int, abalance int, filler char(84));
         insert into {accounts} select aid, (aid - 1) / {ACCOUNTS} + 1, 0, ''
           from generate_series(1, {ACCOUNTS} * {scale}) as aid;
         alter table {accounts} add primary key (aid);"
    )
}

/// All four tables, filled.
#[must_use]
pub fn tables(load: &Name, scale: i64) -> Tables {
    tables_named(
        &["accounts", "branches", "tellers", "history"].map(|what| table(load, what)),
        scale,
        ", op bigint",
    )
}

/// The tables of pgbench under these names (accounts, branches, tellers, history), filled; `more`
/// columns of the history.
#[must_use]
pub fn tables_named(names: &[String; 4], scale: i64, more: &str) -> Tables {
    let [accounts, branches, tellers, history] = names;
    Tables {
        make: format!(
            "{} drop table if exists {branches}, {tellers}, {history};
             create table {branches} (bid int primary key, bbalance int, filler char(88));
             create table {tellers} (tid int primary key, bid int, tbalance int, filler char(84));
             create table {history} (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22){more});
             insert into {branches} select bid, 0 from generate_series(1, {scale}) as bid;
             insert into {tellers} select tid, (tid - 1) / {TELLERS} + 1, 0
               from generate_series(1, {TELLERS} * {scale}) as tid",
            make_accounts(accounts, scale)
        ),
        tidy: format!("vacuum analyze {accounts}, {branches}, {tellers}, {history}"),
        count: format!("select count(*) from {history}"),
    }
}

/// The accounts alone, filled.
#[must_use]
pub fn tables_of_select(load: &Name, scale: i64) -> Tables {
    let accounts = table_of_select(load);
    Tables {
        make: make_accounts(&accounts, scale),
        tidy: format!("vacuum analyze {accounts}"),
        // nothing that an operation could have left behind
        count: format!("select count(*) from {accounts} where abalance <> 0"),
    }
}

/// What `tpcb` prepares.
#[must_use]
pub fn statements(load: &Name, judged: bool) -> Vec<(&'static str, String)> {
    let [accounts, branches, tellers, history] =
        ["accounts", "branches", "tellers", "history"].map(|what| table(load, what));
    let insert = format!("insert into {history} (tid, bid, aid, delta, mtime");
    let values = "values ($1, $2, $3, $4, current_timestamp";
    vec![
        ("account", format!("update {accounts} set abalance = abalance + $1 where aid = $2")),
        ("balance", format!("select abalance from {accounts} where aid = $1")),
        ("teller", format!("update {tellers} set tbalance = tbalance + $1 where tid = $2")),
        ("branch", format!("update {branches} set bbalance = bbalance + $1 where bid = $2")),
        if judged {
            ("history", format!("{insert}, op) {values}, $5) returning {}", position()))
        } else {
            ("history", format!("{insert}) {values})"))
        },
    ]
}

/// What `select` prepares.
#[must_use]
pub fn select(load: &Name) -> Vec<(&'static str, String)> {
    let accounts = table_of_select(load);
    vec![
        ("select", format!("select abalance from {accounts} where aid = $1")),
        ("select-judged", format!("select abalance, {} from {accounts} where aid = $1", timeline())),
    ]
}

/// Every transaction.
#[must_use]
pub fn marks(load: &Name) -> String {
    // written without a number by nobody but a load that is only counted
    format!("coalesce(op, -1) as id from {}", table(load, "history"))
}

/// One transaction.
///
/// # Errors
/// As [`OpTurn::decide`].
pub async fn run(turn: &mut OpTurn<'_>, op: u64, draw: &Draw) -> Result<OpEnded, OpEnded> {
    let Draw { account, branch, teller, delta } = *draw;
    turn.ask("begin", &[]).await?;
    turn.ask("account", &[delta, account]).await?;
    turn.ask("balance", &[account]).await?;
    turn.ask("teller", &[delta, teller]).await?;
    turn.ask("branch", &[delta, branch]).await?;
    let numbered = [teller, branch, account, delta, op.cast_signed()];
    let parameters = if turn.judged() { &numbered[..] } else { &numbered[..4] };
    let written = turn.ask("history", parameters).await?;
    let decided = turn.commit().await?;
    Ok(turn.done(&decided, written.first(), None))
}

/// One balance.
///
/// # Errors
/// As [`OpTurn::ask`].
pub async fn run_select(turn: &mut OpTurn<'_>, account: i64) -> Result<OpEnded, OpEnded> {
    let statement = if turn.judged() { "select-judged" } else { "select" };
    let reply = turn.ask(statement, &[account]).await?;
    Ok(turn.read(reply.first().and_then(|row| row.number(1)), None))
}
